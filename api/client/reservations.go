package client

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

const reservationsPath = "/v1/reservations"

// Request asks for a message to one user.
type Request struct {
	// Number that is to send, in E.164, or NumberID, Meta's id of it, or Pool, the name of a NumberPool of which one is to send.
	Number   string `json:"number,omitempty"`
	NumberID string `json:"numberID,omitempty"`
	Pool     string `json:"pool,omitempty"`
	// Namespace of the PhoneNumber or the NumberPool. Optional for a number.
	Namespace string `json:"namespace,omitempty"`
	// User is a phone number, or a business-scoped id.
	User string `json:"user"`
	// Template is the name of the template at Meta, and Language its language. Optional: without a language, the first that can be sent.
	Template string `json:"template,omitempty"`
	Language string `json:"language,omitempty"`
	// Category is Marketing, Utility, Authentication or Service: a message that is no template. That of the template where it is empty.
	Category string `json:"category,omitempty"`
	// TTL is how long the sender may begin to send: a duration of whole seconds such as "90s", 10 minutes where it is empty.
	TTL string `json:"ttl,omitempty"`
	// Key makes a repetition within an hour the same reservation. A random one where it is empty, so that a request that is sent again is
	// never granted twice.
	Key string `json:"key,omitempty"`
}

// Reservation says that a message may be sent.
type Reservation struct {
	ID string `json:"id"`
	// Namespace and Name are those of the PhoneNumber that is to send, Number is in E.164, and NumberID is Meta's, where it is known.
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Number    string `json:"number"`
	NumberID  string `json:"numberID,omitempty"`
	// State is Held, or Free where the message takes no place of the limit, or Unreserved where there is no reservation since nothing can be
	// decided now; Why says why. Each is confirmed or released in the same way.
	State string `json:"state"`
	Why   string `json:"why"`
	// Shadow says that the limit is not enforced; Why is then what the reservation would have been refused for.
	Shadow bool `json:"shadow,omitempty"`
	// Expires is until when the sender may begin to send.
	Expires time.Time `json:"expires"`
	// Remaining is how many further users may be reserved for; 2147483647 where nothing limits it, and 0 where that is not known.
	Remaining int64 `json:"remaining"`
}

// Result is what became of one of several requests: a reservation, or a problem.
type Result struct {
	Status      int          `json:"status"`
	Reservation *Reservation `json:"reservation,omitempty"`
	Problem     *Problem     `json:"problem,omitempty"`
}

// Reserve asks for one reservation. A refusal is a *Problem.
func (c *Client) Reserve(ctx context.Context, request Request) (*Reservation, error) {
	request.identify()
	var granted Reservation
	if err := c.exchange(ctx, http.MethodPost, reservationsPath, nil, &request, &granted); err != nil {
		return nil, err
	}
	return &granted, nil
}

// ReserveAll asks for up to 1,000 reservations, which are decided in their order. There is a result to each. What is refused of them is not
// asked for again.
func (c *Client) ReserveAll(ctx context.Context, requests []Request) ([]Result, error) {
	asked := append([]Request(nil), requests...)
	for i := range asked {
		asked[i].identify()
	}
	var answer struct {
		Results []Result `json:"results"`
	}
	err := c.exchange(ctx, http.MethodPost, reservationsPath, nil, map[string][]Request{"reservations": asked}, &answer)
	if err == nil && len(answer.Results) != len(asked) {
		err = fmt.Errorf("the gate answered %d of %d requests", len(answer.Results), len(asked))
	}
	return answer.Results, err
}

func (r *Request) identify() {
	if r.Key == "" {
		r.Key = rand.Text()
	}
}

// Confirm says which message was sent under a reservation: the id that Meta answered. A refusal is a *Problem.
func (c *Client) Confirm(ctx context.Context, id, messageID string) error {
	return c.exchange(ctx, http.MethodPost, reservationsPath+"/"+url.PathEscape(id)+"/confirm", nil, map[string]string{"messageID": messageID}, nil)
}

// Release says that nothing was sent under a reservation, nor will be. A refusal is a *Problem.
func (c *Client) Release(ctx context.Context, id string) error {
	return c.exchange(ctx, http.MethodDelete, reservationsPath+"/"+url.PathEscape(id), nil, nil, nil)
}
