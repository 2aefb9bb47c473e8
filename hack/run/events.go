package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	gate "numberfleet.dev/numberfleet/api/client"
	"numberfleet.dev/numberfleet/hack/rig"
)

// forwarder is who may reserve and post events for the numbers of the fleet's namespace: what docs/gate.md and docs/events.md make with kubectl.
const forwarder = `
apiVersion: v1
kind: ServiceAccount
metadata:
  name: forwarder
  namespace: fleet
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: forwarder
  namespace: fleet
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: numberfleet-event-sender
subjects:
- kind: ServiceAccount
  name: forwarder
  namespace: fleet
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: forwarder-sends
  namespace: fleet
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: numberfleet-message-sender
subjects:
- kind: ServiceAccount
  name: forwarder
  namespace: fleet
`

// platform is a chat platform whose webhooks are not Meta's: it posts CloudEvents to the event API.
type platform struct {
	kubernetes client.Client
	operator   *rig.Operator
	clock      *fleetClock
	tally      *tally
	gate       *gate.Client
	token      string
}

func newPlatform(config *rest.Config, to *rig.Operator, clock *fleetClock, tally *tally) (p *platform, err error) {
	p = &platform{operator: to, clock: clock, tally: tally}
	if p.kubernetes, err = client.New(config, client.Options{}); err != nil {
		return nil, err
	}
	p.gate, err = gate.New(gate.Options{URL: "http://" + to.Events, Token: func(context.Context) (string, error) { return p.token, nil }})
	return p, err
}

// authenticate gets a token.
func (p *platform) authenticate(ctx context.Context) (err error) {
	p.token, err = rig.Token(ctx, p.kubernetes, "fleet", "forwarder")
	return err
}

// platformRatings are what the platform of the clinic reports in a cycle.
var platformRatings = []struct {
	after  time.Duration
	rating string
}{{28 * time.Hour, "High"}, {4*day + 10*time.Hour, "Medium"}, {8 * day, "High"}}

// send sends the messages of (from, until] of a number, and posts what comes of them, and what its platform says of it.
func (p *platform) send(ctx context.Context, of *pattern, from, until time.Time) error {
	var events events
	if err := p.sendReserved(ctx, of.sends(p.clock.born, from, until), &events); err != nil {
		return err
	}
	for _, r := range platformRatings {
		for _, at := range onCycle(p.clock.born, from, until, r.after) {
			if err := events.add(of.number, fmt.Sprint("rating-", at.Unix()), "quality.reported", at, map[string]string{"rating": r.rating}); err != nil {
				return err
			}
		}
	}
	return p.post(ctx, events.Bytes())
}

// sendReserved reserves a place for each message, and sends those that may be sent: it confirms them, and adds what comes of them to the events.
func (p *platform) sendReserved(ctx context.Context, messages []message, to *events) error {
	for some := range slices.Chunk(messages, maxBatch) {
		requests := make([]gate.Request, len(some))
		for i, m := range some {
			requests[i] = gate.Request{Number: m.of.number, User: "+" + m.phone, Category: "Utility"}
		}
		results, err := p.gate.ReserveAll(ctx, requests)
		if problem, is := errors.AsType[*gate.Problem](err); is && problem.Status == http.StatusUnauthorized { // no token yet, or it has expired
			if err := p.authenticate(ctx); err != nil {
				return err
			}
			results, err = p.gate.ReserveAll(ctx, requests)
		}
		if err != nil {
			return err
		}
		for i, result := range results {
			if result.Problem != nil {
				p.tally.add(some[i].of, outcome{refusal: result.Problem.Error()})
				continue
			}
			p.tally.add(some[i].of, outcome{})
			if err := p.gate.Confirm(ctx, result.Reservation.ID, some[i].id()); err != nil {
				return err
			}
			if err := to.happened(&some[i], p.clock.Now()); err != nil {
				return err
			}
		}
	}
	return nil
}

// events are CloudEvents, one a line.
type events struct{ bytes.Buffer }

// happened adds what comes of a message that is sent: it is delivered, and the user may answer, to whom the number then writes back.
func (e *events) happened(m *message, at time.Time) error {
	delivered := func(id string, at time.Time) error {
		return e.add(m.of.number, id, "message.delivered", at, map[string]string{"user": "+" + m.phone, "messageID": id})
	}
	if !writes(m.phone) {
		return delivered(m.id(), at)
	}
	return errors.Join(
		delivered(m.id(), at),
		e.add(m.of.number, "in-"+m.id(), "message.received", at.Add(writesAfter), map[string]string{"user": "+" + m.phone}),
		delivered("reply-"+m.id(), at.Add(2*writesAfter)))
}

// id is that of a message on a platform that is not Meta's.
func (m *message) id() string { return fmt.Sprintf("%d-%s", m.day, m.phone) }

func (e *events) add(number, id, kind string, at time.Time, data map[string]string) error {
	data["number"] = number
	return json.NewEncoder(e).Encode(struct {
		Version string            `json:"specversion"`
		ID      string            `json:"id"`
		Source  string            `json:"source"`
		Type    string            `json:"type"`
		Time    string            `json:"time"`
		Data    map[string]string `json:"data"`
	}{"1.0", id, "/chat-platform", "dev.numberfleet." + kind + ".v1", at.UTC().Format(time.RFC3339), data})
}

// post posts events until they are acknowledged.
func (p *platform) post(ctx context.Context, lines []byte) error {
	for len(lines) > 0 {
		status, answer, err := p.operator.PostEvents(ctx, lines, "application/x-ndjson", p.token)
		switch {
		case err != nil || status == http.StatusServiceUnavailable:
		case status == http.StatusOK:
			return nil
		case status == http.StatusUnauthorized: // no token yet, or it has expired
			if err := p.authenticate(ctx); err != nil {
				return err
			}
			continue
		default:
			return fmt.Errorf("the operator answered events with %d: %s", status, answer)
		}
		if err := rig.Sleep(ctx, retryAfter); err != nil {
			return err
		}
	}
	return nil
}
