package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	gate "numberfleet.dev/numberfleet/api/client"
	"numberfleet.dev/numberfleet/hack/rig"
	"numberfleet.dev/numberfleet/internal/meta/metatest"
)

// The number that sends.
const (
	numberName = "newsletter"
	number     = "+15550100001"
)

// sender sends what is queued, each message to another user, with the gate's leave. Meta delivers at once.
type sender struct {
	*loop
	gate *gate.Client
	sent int
}

func newSender(ctx context.Context, l *loop) (*sender, error) {
	token, err := rig.Token(ctx, l.api, namespace, "sender") // for longer than the program runs
	if err != nil {
		return nil, err
	}
	asking, err := gate.New(gate.Options{URL: "http://" + l.operator.Events,
		Token: func(context.Context) (string, error) { return token, nil }})
	return &sender{loop: l, gate: asking}, err
}

// standing is where the number stands.
func (s *sender) standing(ctx context.Context) (*gate.Item, error) {
	items, err := s.gate.Standing(ctx, gate.Selection{Namespace: namespace, Number: number})
	if err != nil {
		return nil, err
	}
	if len(items) != 1 {
		return nil, fmt.Errorf("%d numbers stand for %s", len(items), numberName)
	}
	return &items[0], nil
}

// sendable waits until something may be sent.
func (s *sender) sendable(ctx context.Context) error {
	for {
		stands, err := s.standing(ctx)
		if err != nil || stands.Sendable {
			return err
		}
		if err := rig.Sleep(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}

// send tries to send some of what is queued. What the gate refuses stays queued.
func (s *sender) send(ctx context.Context, most int64) error {
	requests := make([]gate.Request, min(most, s.queue.queued.Load()))
	if len(requests) == 0 {
		return nil
	}
	for i := range requests {
		requests[i] = gate.Request{Number: number, User: fmt.Sprintf("+1556%07d", s.sent+i), Category: "Utility"}
	}
	results, err := s.gate.ReserveAll(ctx, requests)
	if err != nil {
		return err
	}
	var delivered []metatest.Status
	for i, result := range results {
		if result.Problem != nil {
			continue
		}
		id := fmt.Sprint("wamid.", s.sent+i)
		if err := s.gate.Confirm(ctx, result.Reservation.ID, id); err != nil {
			return err
		}
		delivered = append(delivered, metatest.Status{ID: id, Status: "delivered", Phone: requests[i].User[1:], Category: "utility", At: s.clock.Now()})
	}
	s.sent += len(requests)
	s.queue.queued.Add(-int64(len(delivered)))
	return s.deliver(ctx, delivered)
}

// deliver has Meta tell the operator what became of messages.
func (l *loop) deliver(ctx context.Context, statuses []metatest.Status) error {
	if len(statuses) == 0 {
		return nil
	}
	return l.post(ctx, metatest.MessagesPayload(number, statuses, nil))
}

// post posts a webhook.
func (l *loop) post(ctx context.Context, body []byte) error {
	status, answer, err := l.operator.PostWebhook(ctx, body)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("the operator answered a webhook with %d: %s", status, answer)
	}
	return err
}
