// Package unclaimed has what the operator received about numbers that no PhoneNumber claims: a Collector while it receives, and the
// ConfigMap that it writes and the plugin reads. Whoever may get that ConfigMap may see it.
package unclaimed

import (
	"encoding/json"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The ConfigMap, in the operator's namespace, and its key: a list of Number, that received last first.
const (
	ConfigMap = "numberfleet-unclaimed"
	Key       = "unclaimed.json"
)

// Number is what was received about a number that no PhoneNumber claims. It does not tell the number.
type Number struct {
	// Key is the same for the same number: a keyed hash.
	Key string `json:"key"`
	// Number is its last four digits; empty where Meta named the number by its id alone.
	Number string `json:"number,omitempty"`
	// NumberID is the id that Meta gave to the number, and Account that of its WhatsApp Business account; empty where none was named.
	NumberID string `json:"numberID,omitempty"`
	Account  string `json:"account,omitempty"`
	// Updates is how many webhook updates and events were received.
	Updates int64 `json:"updates"`
	// FirstTime and LastTime are when the first and the last of them were received.
	FirstTime metav1.Time `json:"firstTime"`
	LastTime  metav1.Time `json:"lastTime"`
}

// Read reads the data of the ConfigMap; that of none is an empty list.
func Read(data map[string]string) (all []Number, err error) {
	text := data[Key]
	if text == "" {
		return nil, nil
	}
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		return nil, fmt.Errorf("ConfigMap %s, key %s: not what the operator wrote: %w", ConfigMap, Key, err)
	}
	return all, nil
}
