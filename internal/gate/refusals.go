package gate

import (
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
)

// Reasons of Kubernetes Events.
const (
	// EventRefused tells that reservations are refused.
	EventRefused = "ReservationsRefused"
	// EventWouldBeRefused tells that reservations are granted only since the limit is not enforced.
	EventWouldBeRefused = "ReservationsWouldBeRefused"
	// EventUnreserved tells that messages are sent without a reservation, since nothing can be decided.
	EventUnreserved = "MessagesUnreserved"
)

// refusalsLast is how long nothing must be refused for a stretch of refusals to be over.
const refusalsLast = time.Hour

// refusals tell by Kubernetes Events that reservations are refused, or would be, folded: a stretch in which they are refused for one reason is
// told once when it begins, and once when none was refused for an hour.
type refusals struct {
	recorder events.EventRecorder

	mu        sync.Mutex
	stretches map[stretchKey]*stretch
}

// stretchKey is what the refusals of a stretch have in common.
type stretchKey struct {
	kind, namespace, name string // of whom it is told
	event, why            string
}

// stretch is a time in which reservations are refused.
type stretch struct {
	of          client.Object
	since, last time.Time
	count       int64
}

func newRefusals(recorder events.EventRecorder) *refusals {
	return &refusals{recorder: recorder, stretches: map[stretchKey]*stretch{}}
}

// The kinds of whom refusals are told of.
const (
	numberKind    = "PhoneNumber"
	portfolioKind = "BusinessPortfolio"
	poolKind      = "NumberPool"
)

// keyOf is the stretch that a refusal belongs to. What is used up belongs to whoever has the limit, all else to the number, and what is
// asked of a pool to the pool.
func keyOf(a *Answer) stretchKey {
	k := stretchKey{kind: numberKind, namespace: a.Namespace, name: a.Name, event: EventRefused, why: a.Decision.Why}
	switch {
	case a.Decision.Shadow:
		k.event = EventWouldBeRefused
	case a.Decision.State == counts.Unreserved:
		k.event = EventUnreserved
	}
	if a.pool != nil {
		k.kind, k.namespace, k.name = poolKind, a.pool.Namespace, a.pool.Name
		return k
	}
	reason := v1alpha1.RoomReason(k.why)
	if portfolio := a.resource.Status.Portfolio; portfolio != "" && (reason == v1alpha1.RoomLimitReached || reason == v1alpha1.RoomBudgetReached) {
		k.kind, k.namespace, k.name = portfolioKind, "", portfolio
	}
	return k
}

// add takes a refusal, which detail says in words, and tells the first of a stretch. The object is that of the key.
func (r *refusals) add(k stretchKey, detail string, now time.Time, object func() client.Object) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.stretches[k]
	if s == nil {
		s = &stretch{of: object(), since: now}
		r.stretches[k] = s
		r.recorder.Eventf(s.of, nil, corev1.EventTypeWarning, k.event, "Reserve", "%s: %s", k.why, detail)
	}
	s.count++
	s.last = now
}

// end tells of the stretches that are over.
func (r *refusals) end(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for k, s := range r.stretches {
		if now.Sub(s.last) < refusalsLast {
			continue
		}
		delete(r.stretches, k)
		r.recorder.Eventf(s.of, nil, corev1.EventTypeNormal, k.event, "Reserve", "%s is over: %d reservations from %s to %s, and none for an hour",
			k.why, s.count, s.since.UTC().Format(time.RFC3339), s.last.UTC().Format(time.RFC3339))
	}
}
