package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
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
	replicas   *replicas
	clock      *fleetClock
	tally      *tally
	gates      map[*rig.Operator]*gate.Client

	mu    sync.Mutex
	token string
}

func newPlatform(config *rest.Config, to *replicas, clock *fleetClock, tally *tally) (p *platform, err error) {
	p = &platform{replicas: to, clock: clock, tally: tally, gates: map[*rig.Operator]*gate.Client{}}
	if p.kubernetes, err = client.New(config, client.Options{}); err != nil {
		return nil, err
	}
	for _, op := range to.all {
		if p.gates[op], err = gate.New(gate.Options{URL: "http://" + op.Events, Token: p.authenticate, Retries: -1}); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// authenticate is a token, a new one where there is none or it has expired.
func (p *platform) authenticate(ctx context.Context) (_ string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.token == "" {
		p.token, err = rig.Token(ctx, p.kubernetes, "fleet", "forwarder")
	}
	return p.token, err
}

// expire forgets the token.
func (p *platform) expire() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.token = ""
}

// ask asks the gate's API of one replica after the other, until one decides.
func (p *platform) ask(ctx context.Context, call func(*gate.Client) error) error {
	return p.replicas.until(ctx, messagesWait, func(at *rig.Operator) (bool, error) {
		err := call(p.gates[at])
		switch problem, is := errors.AsType[*gate.Problem](err); {
		case err == nil:
			return true, nil
		case !is || problem.Status == http.StatusServiceUnavailable: // what is repeated has no further effect
			return false, ctx.Err()
		case problem.Status == http.StatusUnauthorized:
			p.expire()
			return false, nil
		}
		return false, err
	})
}

// standing is where the numbers stand, as one replica says it.
func (p *platform) standing(ctx context.Context, at *rig.Operator) ([]gate.Item, error) {
	return p.gates[at].Standing(ctx, gate.Selection{Namespace: "fleet"})
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
			requests[i] = gate.Request{Number: m.of.number, User: "+" + m.phone, Category: "Utility", Key: m.id()}
		}
		var results []gate.Result
		err := p.ask(ctx, func(at *gate.Client) (err error) {
			if results, err = at.ReserveAll(ctx, requests); err != nil {
				return err
			}
			if i := slices.IndexFunc(results, func(r gate.Result) bool { return r.Problem != nil && r.Problem.Status == http.StatusServiceUnavailable }); i >= 0 {
				return results[i].Problem
			}
			return nil
		})
		if err != nil {
			return err
		}
		for i, result := range results {
			if result.Problem != nil {
				p.tally.add(some[i].of, outcome{refusal: result.Problem.Error()})
				continue
			}
			p.tally.add(some[i].of, outcome{})
			err := p.ask(ctx, func(at *gate.Client) error { return at.Confirm(ctx, result.Reservation.ID, some[i].id()) })
			// A machine that has much else to do may let a day of the fleet pass, after which a reservation is forgotten. Its message is delivered.
			if problem, is := errors.AsType[*gate.Problem](err); err != nil && !(is && problem.Status == http.StatusNotFound) {
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
	if len(lines) == 0 {
		return nil
	}
	return p.replicas.until(ctx, webhooksWait, func(at *rig.Operator) (bool, error) {
		token, err := p.authenticate(ctx)
		if err != nil {
			return false, err
		}
		switch status, answer, err := at.PostEvents(ctx, lines, "application/x-ndjson", token); {
		case err != nil || status == http.StatusServiceUnavailable:
			return false, nil //nolint:nilerr // another one may take them
		case status == http.StatusOK:
			return true, nil
		case status == http.StatusUnauthorized:
			p.expire()
			return false, nil
		default:
			return false, fmt.Errorf("the operator answered events with %d: %s", status, answer)
		}
	})
}
