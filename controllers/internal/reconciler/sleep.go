package reconciler

import (
	"time"

	ctrl "sigs.k8s.io/controller-runtime"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/statuses"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/rules"
)

// Sleep is until when a resource is not reconciled without news. The zero value is for good: a resource at rest costs nothing.
type Sleep struct {
	Deadline time.Time // when something changes by itself, by the clock of the rules; zero for never
	Refresh  time.Time // when the counts may be refreshed, by the real clock; zero for not before they have their turn
}

// Until is the first of some deadlines, and of what is stamped ahead of our clock: that counts once the clock is there.
func Until(usage rules.Usage, now time.Time, deadlines ...time.Time) time.Time {
	for _, measure := range [...]v1alpha1.Measure{v1alpha1.MeasureMessages, v1alpha1.MeasureReached, v1alpha1.MeasureComplaining} {
		deadlines = append(deadlines, usage.Nth(measure, 1, now, now.Add(counts.Ahead)))
	}
	return statuses.Earliest(deadlines...)
}

// Sleep is the sleep of a resource after its change was written, or was held back by the throttle: until something changes by itself,
// or until the counts do and may be written.
func (o *Operator) Sleep(c *Change) Sleep {
	sleep := Sleep{Deadline: c.Until}
	if wait, held := o.Throttle.Wait(c.Key); !held && !c.Expiry.IsZero() { // those that are held come back with their turn
		sleep.Refresh = o.Real.Now().Add(max(o.Clock.Wait(c.Expiry), wait))
	}
	return sleep
}

// Over says whether a sleep is over.
func (o *Operator) Over(s Sleep, now time.Time) bool {
	return !s.Deadline.IsZero() && !s.Deadline.After(now) || !s.Refresh.IsZero() && !s.Refresh.After(o.Real.Now())
}

// Earlier is the sleep that is over as soon as one of two is.
func (s Sleep) Earlier(other Sleep) Sleep {
	return Sleep{statuses.Earliest(s.Deadline, other.Deadline), statuses.Earliest(s.Refresh, other.Refresh)}
}

// Result brings a key back when its sleep is over.
func (o *Operator) Result(s Sleep) ctrl.Result {
	result := SleepUntil(o.Clock, s.Deadline, DeadlinePriority)
	if s.Refresh.IsZero() {
		return result
	}
	priority := NewsPriority
	if wait := max(s.Refresh.Sub(o.Real.Now()), time.Millisecond); result.RequeueAfter == 0 || wait < result.RequeueAfter {
		return ctrl.Result{RequeueAfter: wait, Priority: &priority}
	}
	return result
}

// The priorities of reconciles. The first ones after a start have a lower one, and would hand it on to those that follow.
const (
	NewsPriority     = 0
	DeadlinePriority = 1 // a burst of news, of which the API server takes only so much a second, makes no deadline late
)

// SleepUntil is the result that brings a key back at an instant; zero for not before news.
func SleepUntil(clock Clock, until time.Time, priority int) ctrl.Result {
	if until.IsZero() {
		return ctrl.Result{}
	}
	return ctrl.Result{RequeueAfter: max(clock.Wait(until), time.Millisecond), Priority: &priority}
}
