package main

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"numberfleet.dev/numberfleet/internal/meta/graphtest"
	"numberfleet.dev/numberfleet/internal/meta/metatest"
)

// network is WhatsApp's: it delivers what the stand-in for Meta takes, or fails to, and users answer. The operator is told by webhooks.
type network struct {
	operator *replicas
	senders  *senders
	meta     *graphAPI
	clock    *fleetClock

	mu    sync.Mutex
	taken map[string]int // messages by the number's id
	due   []happening
}

func newNetwork(operator *replicas, senders *senders, meta *graphAPI, clock *fleetClock) *network {
	n := &network{operator: operator, senders: senders, meta: meta, clock: clock, taken: map[string]int{}}
	meta.Receive(n.take)
	return n
}

// happening is what comes of a message: a status, or an answer.
type happening struct {
	at     time.Time
	of     *pattern
	status *metatest.Status
	answer *metatest.Inbound
}

// How long a message takes in the fleet's time. Of a number whose messages fail at times, every tenth reaches a phone that is switched off.
const (
	takes       = 5 * time.Second
	takesIfOff  = 3 * time.Hour
	undelivered = 131026 // Meta's code: the user has no WhatsApp, for example
	offEvery    = 10
)

// take notes a message that the stand-in has taken. It is called while the stand-in answers.
func (n *network) take(m graphtest.Message) *graphtest.Refusal {
	if m.Group {
		return nil // the fleet has none
	}
	i := slices.IndexFunc(patterns, func(p pattern) bool { return p.id == m.Number && p.template == m.Template })
	if i < 0 {
		i = slices.IndexFunc(patterns, func(p pattern) bool { return p.id == m.Number })
	}
	of, phone := &patterns[i], strings.TrimPrefix(m.To, "+")
	n.mu.Lock()
	defer n.mu.Unlock()
	n.taken[m.Number]++
	nth, now := n.taken[m.Number], n.clock.Now()
	status := metatest.Status{ID: m.ID, Status: "delivered", Phone: phone, Scoped: cmp.Or(m.User, scoped(phone)), At: now.Add(takes)}
	switch {
	case of.fails > 0 && nth%of.fails == 0:
		status.Status, status.Code = "failed", undelivered
	case of.fails > 0 && nth%offEvery == 0:
		status.At = now.Add(takesIfOff)
	}
	switch {
	case m.Type != "template":
		status.Category = "service"
	case m.Template == "login_code":
		status.Category = "authentication"
	}
	n.due = append(n.due, happening{at: status.At, of: of, status: &status})
	if m.Type == "template" && status.Status == "delivered" && writes(phone) {
		at := status.At.Add(writesAfter)
		n.due = append(n.due, happening{at: at, of: of, answer: &metatest.Inbound{ID: m.ID + ".answer", Phone: phone, Scoped: status.Scoped, At: at}})
	}
	return nil
}

// happened are what has happened until now and was not told yet.
func (n *network) happened(now time.Time) (past []happening) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.due = slices.DeleteFunc(n.due, func(h happening) bool {
		if !h.at.After(now) {
			past = append(past, h)
			return true
		}
		return false
	})
	return past
}

// tell posts webhooks about what happened, and has the numbers write back to those who wrote.
func (n *network) tell(ctx context.Context, _, until time.Time) error {
	past := n.happened(until)
	statuses, answers := map[string][]metatest.Status{}, map[string][]metatest.Inbound{}
	for _, h := range past {
		switch {
		case h.answer != nil:
			answers[h.of.number] = append(answers[h.of.number], *h.answer)
		case !h.lost(n.clock.born):
			statuses[h.of.number] = append(statuses[h.of.number], *h.status)
		}
		if h.status != nil && h.status.Status == "delivered" {
			n.meta.Deliver(h.of.id, h.at, 1)
		}
	}
	for i := range patterns {
		number := patterns[i].number
		for _, body := range webhooks(number, statuses[number], answers[number]) {
			if err := n.operator.post(ctx, body); err != nil {
				return err
			}
		}
		delete(statuses, number)
		delete(answers, number)
	}
	var replying errgroup.Group
	replying.SetLimit(together)
	for _, h := range past {
		if h.answer != nil {
			replying.Go(func() error { return n.senders.reply(ctx, h.of, h.answer.Phone) })
		}
	}
	return replying.Wait()
}

// lost says whether the webhook about it is lost on purpose.
func (h *happening) lost(born time.Time) bool {
	return h.of.lost > 0 && int(h.at.Sub(born)/day)%int(cycle/day) == h.of.lost && h.at.Unix()%3 == 0
}

// webhooks are those about messages.
func webhooks(number string, statuses []metatest.Status, answers []metatest.Inbound) (bodies [][]byte) {
	for some := range slices.Chunk(answers, maxBatch) {
		bodies = append(bodies, metatest.MessagesPayload(number, nil, some))
	}
	for some := range slices.Chunk(statuses, maxBatch) {
		bodies = append(bodies, metatest.MessagesPayload(number, some, nil))
	}
	return bodies
}
