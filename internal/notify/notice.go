// Package notify sends what happened to phone numbers, portfolios and templates to where people and programs look: mail,
// Slack-compatible webhooks, CloudEvents sinks. A sender sends once and says how it went; when to try again, and what was
// sent already, is its caller's.
package notify

import (
	"context"
	"fmt"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/config"
	"numberfleet.dev/numberfleet/internal/trust"
)

// Timeout bounds one attempt to send, from the first connection on. It leaves a stopping operator time to write down what
// was sent.
const Timeout = 15 * time.Second

// Sender sends to one receiver. It is safe for concurrent use.
type Sender interface {
	// Send sends a notice once, within Timeout. Where an error says that something was not taken, reached is the number of
	// the last transition that was, zero for none. A receiver that cannot take more for now gives a *ResponseError. Errors
	// hold no secret.
	Send(ctx context.Context, notice *Notice) (reached int64, err error)
}

// Notice is what a receiver has not heard of about one object, oldest first.
type Notice struct {
	Receiver string
	Subject  Subject
	Now      v1alpha1.Summary // where the object stands when the notice is sent
	// Missed is how many transitions before the first, at most, left the history unsent.
	Missed      int64
	Transitions []Transition
	// Last is the number of the object's last transition, asked for or not.
	Last int64
}

// Subject is the object that a notice is about.
type Subject struct {
	Kind      string // such as PhoneNumber
	Resource  string // such as phonenumbers
	Namespace string // empty for a portfolio
	Name      string
	UID       string
}

// Transition is one thing that happened. Its number and the subject's UID identify it for ever.
type Transition struct {
	v1alpha1.Transition
	Number int64
}

// String is namespace/name, or the name alone.
func (s Subject) String() string {
	if s.Namespace == "" {
		return s.Name
	}
	return s.Namespace + "/" + s.Name
}

// path is the object's path in the Kubernetes API.
func (s Subject) path() string {
	path := "/apis/" + v1alpha1.SchemeGroupVersion.String()
	if s.Namespace != "" {
		path += "/namespaces/" + s.Namespace
	}
	return path + "/" + s.Resource + "/" + s.Name
}

// span identifies a notice as a whole, by what it is about.
func (n *Notice) span() string {
	first := n.Last
	if len(n.Transitions) > 0 {
		first = n.Transitions[0].Number
	}
	return fmt.Sprintf("%s.%d-%d", n.Subject.UID, first-n.Missed, n.Last)
}

// New makes the sender of a receiver.
func New(receiver *config.Receiver) Sender {
	switch {
	case receiver.Email != nil:
		return &email{config: receiver.Email}
	case receiver.Slack != nil:
		return &slackWebhook{config: receiver.Slack, transports: &trust.Transports{CAFile: receiver.Slack.CAFile}}
	default:
		return &cloudEvents{config: receiver.CloudEvents, transports: &trust.Transports{CAFile: receiver.CloudEvents.CAFile}}
	}
}
