// Package check sees that webhooks arrive and are counted: from the Service on, through the ledger and the rules, to a status.
package check

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/replay"
)

const (
	interval = 200 * time.Millisecond // between looks at the status
	// digits follow the country code 999, which the ITU keeps in reserve: no number of a fleet begins with it.
	digits = 9
	// goneWithin is how long the end of a check may take, also where it was interrupted.
	goneWithin = 10 * time.Second
)

// Options say what is checked.
type Options struct {
	API    client.Client
	Target replay.Target
	// Namespace is where there is a PhoneNumber while the check runs. A NumberPool that selects everything there would have it too.
	Namespace string
	// Account is Meta's id of a WhatsApp Business account that the app may report about; empty for an app that may about all.
	Account string
}

// Run creates a PhoneNumber, posts a signed webhook about a message of it that was delivered, waits until its status counts the user, and
// deletes it. The number is one that nobody can have, and another one each time, so that nothing of the fleet changes: the ledger forgets what it
// has of it like everything else. An error says which step failed; ctx bounds them all.
func Run(ctx context.Context, o Options, now time.Time) (err error) {
	of, err := newNumber(o.Namespace, o.Account)
	if err != nil {
		return err
	}
	if err := o.API.Create(ctx, of); err != nil {
		return fmt.Errorf("create a PhoneNumber for the check: %w", err)
	}
	defer func() {
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), goneWithin)
		defer cancel()
		if gone := client.IgnoreNotFound(o.API.Delete(ending, of)); gone != nil {
			err = errors.Join(err, fmt.Errorf("delete PhoneNumber %s of the check: %w", of.Name, gone))
		}
	}()
	// Not before it is known: what comes about a number that no resource claims is told as unclaimed.
	if err := o.until(ctx, of, v1alpha1.ConditionReady); err != nil {
		return err
	}
	body, err := delivered(of, now)
	if err != nil {
		return err
	}
	if refused, err := o.Target.Post(ctx, body); err != nil {
		return fmt.Errorf("post a webhook to %s: %w", o.Target.URL, err)
	} else if refused != "" {
		return fmt.Errorf("the webhook is refused by %s: %s", o.Target.URL, refused)
	}
	if err := o.until(ctx, of, v1alpha1.ConditionUsageFresh); err != nil {
		return fmt.Errorf("a webhook is acknowledged, and not counted: %w", err)
	}
	if used := of.Status.Usage.Used; used == nil || *used != 1 {
		return errors.New("a webhook about one user is acknowledged, and another number of users is counted")
	}
	return nil
}

// until waits until a condition is true.
func (o *Options) until(ctx context.Context, of *v1alpha1.PhoneNumber, condition string) error {
	var failed error
	err := wait.PollUntilContextCancel(ctx, interval, true, func(ctx context.Context) (bool, error) {
		failed = o.API.Get(ctx, client.ObjectKeyFromObject(of), of)
		return failed == nil && meta.IsStatusConditionTrue(of.Status.Conditions, condition), nil
	})
	if err == nil {
		return nil
	}
	if failed != nil && ctx.Err() == nil {
		return fmt.Errorf("get the PhoneNumber of the check: %w", failed)
	}
	if is := meta.FindStatusCondition(of.Status.Conditions, condition); is != nil {
		return fmt.Errorf("%s of the check's PhoneNumber is %s: %s: %s", condition, is.Status, is.Reason, is.Message)
	}
	return fmt.Errorf("the check's PhoneNumber has no condition %s: no operator evaluates it", condition)
}

// newNumber is a PhoneNumber that nobody can have.
func newNumber(namespace, account string) (*v1alpha1.PhoneNumber, error) {
	most := big.NewInt(1)
	for range digits {
		most.Mul(most, big.NewInt(10))
	}
	n, err := rand.Int(rand.Reader, most)
	if err != nil {
		return nil, err
	}
	number := fmt.Sprintf("999%0*d", digits, n)
	return &v1alpha1.PhoneNumber{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, GenerateName: "numberfleet-check-", Labels: map[string]string{"app.kubernetes.io/managed-by": "numberfleet"}},
		Spec: v1alpha1.PhoneNumberSpec{
			PhoneNumber: "+" + number, PhoneNumberID: number, DisplayName: "numberfleet check", Business: v1alpha1.Business{WhatsAppBusinessAccountID: account},
		},
	}, nil
}

// The parts of Meta's webhook of the field messages that the check has.
type (
	webhook struct {
		Object string  `json:"object"`
		Entry  []entry `json:"entry"`
	}
	entry struct {
		ID      string   `json:"id"`
		Changes []change `json:"changes"`
	}
	change struct {
		Field string `json:"field"`
		Value value  `json:"value"`
	}
	value struct {
		Product  string   `json:"messaging_product"`
		Metadata metadata `json:"metadata"`
		Statuses []status `json:"statuses"`
	}
	metadata struct {
		Number string `json:"display_phone_number"`
		ID     string `json:"phone_number_id"`
	}
	status struct {
		ID        string `json:"id"`
		Status    string `json:"status"`
		Timestamp string `json:"timestamp"`
		Recipient string `json:"recipient_id"`
	}
)

// delivered is a webhook about a message of a number that was delivered to the number itself.
func delivered(of *v1alpha1.PhoneNumber, now time.Time) ([]byte, error) {
	account, number := of.Spec.Business.WhatsAppBusinessAccountID, of.Spec.PhoneNumberID
	if account == "" {
		account = "0"
	}
	return json.Marshal(webhook{Object: "whatsapp_business_account", Entry: []entry{{ID: account, Changes: []change{{Field: "messages", Value: value{
		Product: "whatsapp", Metadata: metadata{Number: number, ID: number},
		Statuses: []status{{ID: "wamid.numberfleet-check-" + number, Status: "delivered", Timestamp: strconv.FormatInt(now.Unix(), 10), Recipient: number}},
	}}}}}})
}
