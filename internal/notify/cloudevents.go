package notify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"

	"numberfleet.dev/numberfleet/internal/config"
	"numberfleet.dev/numberfleet/internal/trust"
)

// The types of events. A transition's has its reason in lower case in the place of the verb.
const (
	typeTransition = "dev.numberfleet.transition.%s.v1"
	typeMissed     = "dev.numberfleet.transitions.missed.v1"
)

// cloudEvents posts one event a transition, in structured mode.
type cloudEvents struct {
	config     *config.CloudEvents
	transports *trust.Transports
}

// transitionData is what an event of a transition holds.
type transitionData struct {
	Kind       string `json:"kind"`
	Namespace  string `json:"namespace,omitempty"`
	Name       string `json:"name"`
	Transition int64  `json:"transition"`
	Reason     string `json:"reason"`
	From       string `json:"from,omitempty"`
	To         string `json:"to,omitempty"`
	Message    string `json:"message"`
	// Where the object stands when the event is sent.
	Policy string `json:"policy,omitempty"`
	Tier   string `json:"tier,omitempty"`
	State  string `json:"state,omitempty"`
}

// missedData is what an event of missed transitions holds. Missed is a bound from above.
type missedData struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	Missed    int64  `json:"missed"`
	Message   string `json:"message"`
}

func (c *cloudEvents) Send(ctx context.Context, notice *Notice) (int64, error) {
	address, err := url(c.config.URL, c.config.URLFile)
	if err != nil {
		return 0, err
	}
	var token string
	if file := c.config.TokenFile; file != "" {
		if !strings.HasPrefix(address, "https:") {
			return 0, errors.New("the token would be sent in the clear: the URL must begin with https://")
		}
		if token, err = secretIn("tokenFile", file); err != nil {
			return 0, err
		}
	}
	client, err := client(c.transports)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	if notice.Missed > 0 {
		e, err := missedEvent(notice)
		if err == nil {
			err = post(ctx, client, address, token, e)
		}
		if err != nil {
			return 0, err
		}
	}
	var reached int64
	for i := range notice.Transitions {
		e, err := transitionEvent(notice, &notice.Transitions[i])
		if err == nil {
			err = post(ctx, client, address, token, e)
		}
		if err != nil {
			return reached, err
		}
		reached = notice.Transitions[i].Number
	}
	return notice.Last, nil
}

func post(ctx context.Context, client *http.Client, address, token string, e *event.Event) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, http.NoBody)
	if err != nil {
		return scrub(err)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	if err := cehttp.WriteRequest(binding.WithForceStructured(ctx), (*binding.EventMessage)(e), request); err != nil {
		return fmt.Errorf("write the event: %w", err)
	}
	response, err := client.Do(request)
	if err != nil {
		return scrub(err)
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 64<<10))
	return nil
}

func transitionEvent(n *Notice, t *Transition) (*event.Event, error) {
	e := newEvent(n, fmt.Sprintf(typeTransition, strings.ToLower(string(t.Reason))), strconv.FormatInt(t.Number, 10))
	e.SetTime(t.Time.UTC())
	return e, e.SetData(event.ApplicationJSON, transitionData{
		Kind: n.Subject.Kind, Namespace: n.Subject.Namespace, Name: n.Subject.Name,
		Transition: t.Number, Reason: string(t.Reason), From: t.From, To: t.To, Message: t.Message,
		Policy: n.Now.Policy, Tier: n.Now.Tier, State: n.Now.State,
	})
}

func missedEvent(n *Notice) (*event.Event, error) {
	first := n.Last
	if len(n.Transitions) > 0 {
		first = n.Transitions[0].Number - 1
	}
	e := newEvent(n, typeMissed, fmt.Sprintf("missed/%d", first))
	return e, e.SetData(event.ApplicationJSON, missedData{
		Kind: n.Subject.Kind, Namespace: n.Subject.Namespace, Name: n.Subject.Name, Missed: n.Missed, Message: n.missedSentence(),
	})
}

// newEvent begins an event whose source and id are the same each time that it is sent.
func newEvent(n *Notice, kind, id string) *event.Event {
	e := event.New(event.CloudEventsVersionV1)
	e.SetType(kind)
	e.SetSource(n.Subject.path())
	e.SetID(n.Subject.UID + "/" + id)
	e.SetSubject(n.Subject.String())
	return &e
}
