package pool

import (
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/conditions"
	"numberfleet.dev/numberfleet/controllers/internal/lookup"
	"numberfleet.dev/numberfleet/controllers/internal/reconciler"
	"numberfleet.dev/numberfleet/controllers/internal/statuses"
	"numberfleet.dev/numberfleet/controllers/internal/throttle"
	"numberfleet.dev/numberfleet/internal/rules"
	"numberfleet.dev/numberfleet/internal/standing"
)

// maxMembers is how many numbers a status shows.
const maxMembers = 100

// evaluate makes the status that a pool is to have.
func evaluate(p *v1alpha1.NumberPool, stands *standing.Pool, view *standing.View) *reconciler.Change {
	now := view.Time
	want := p.Status.DeepCopy()
	want.ObservedGeneration = p.Generation
	want.Numbers, want.Sendable = new(int32(len(stands.Members))), new(int32(stands.SendableMembers()))
	want.Remaining, want.Reserved, want.SendableTime = remaining(&stands.Room), &stands.Reserved, statuses.Time(stands.Until)
	want.Members = nil
	for _, m := range stands.Members[:min(len(stands.Members), maxMembers)] {
		want.Members = append(want.Members, v1alpha1.PoolMember{Name: m.Number.Name, State: m.Number.Status.State, Remaining: remaining(&m.Room), Reason: m.Reason})
	}
	set := conditions.Of(p, &want.Conditions, now)
	if problem := problemOf(p, stands); problem != nil {
		set.Freeze(problem, nil)
	} else {
		set.SetReady(v1alpha1.ReasonEvaluated, "The gate chooses among the numbers that spec.selector selects.")
	}
	fit := fits(p, stands, view)
	set.Set(v1alpha1.ConditionMembersFit, fit.Status, fit.Reason, fit.Message)
	setSendable(set, stands)
	told, over := fold(&want.Unsendable, stands, now)
	statuses.AddTransitions(&want.History, &want.Transitions, told)

	ours := *want
	ours.Conditions, ours.Notifications = conditions.Owned(want.Conditions), nil
	differs := throttle.Differ(parts(&p.Status), parts(want))
	if want.Unsendable.RoomSinceTime.IsZero() && !p.Status.Unsendable.RoomSinceTime.IsZero() {
		differs.Decided = true // a break, of which a later reconcile would not know
	}
	return &reconciler.Change{
		Key: lookup.PoolKey(p.Namespace, p.Name), Object: p, Status: &ours, Conditions: want.Conditions,
		Difference: differs, Transitions: statuses.Transitions{Told: told},
		Until: statuses.Earliest(stands.Until, over),
	}
}

// remaining is what remains; nil where nothing limits it.
func remaining(room *rules.Room) *int64 {
	if room.Remaining == rules.NoLimit {
		return nil
	}
	return &room.Remaining
}

// setSendable says whether the pool may message further users. The message has no counts: it is written once.
func setSendable(set conditions.Setter, stands *standing.Pool) {
	switch room := &stands.Room; {
	case len(stands.Members) == 0:
		set.Set(v1alpha1.ConditionSendable, metav1.ConditionFalse, string(room.Reason), "There is no number in the pool; the condition Ready says why.")
	case !room.Sendable:
		set.Set(v1alpha1.ConditionSendable, metav1.ConditionFalse, string(room.Reason), "No number of the pool may message further users; status.members says why of each.")
	case room.Remaining == rules.NoLimit:
		set.Set(v1alpha1.ConditionSendable, metav1.ConditionTrue, v1alpha1.ReasonUnlimited, "Further users may be messaged, without a limit.")
	default:
		set.Set(v1alpha1.ConditionSendable, metav1.ConditionTrue, v1alpha1.ReasonBelowLimit, "Further users may be messaged, as many as status.remaining says.")
	}
}

// parts are what was decided of a pool, and its counts: what comes and goes with single messages.
func parts(status *v1alpha1.NumberPoolStatus) throttle.Parts {
	d := *status.DeepCopy()
	c := throttle.Counts{Usage: v1alpha1.UsageStatus{Remaining: status.Remaining, Reserved: status.Reserved, SendableTime: status.SendableTime}, Members: status.Members}
	d.Remaining, d.Reserved, d.SendableTime, d.Sendable, d.Notifications = nil, nil, metav1.Time{}, nil, nil
	d.Unsendable.RoomSinceTime = metav1.Time{}
	for i := range d.Members {
		m := &d.Members[i]
		if m.Remaining = nil; m.Reason == v1alpha1.RoomLimitReached {
			m.Reason = ""
		}
	}
	if sendable := meta.FindStatusCondition(d.Conditions, v1alpha1.ConditionSendable); sendable != nil &&
		(sendable.Reason == v1alpha1.ReasonBelowLimit || sendable.Reason == string(v1alpha1.RoomLimitReached)) {
		c.Sendable = sendable.Reason
		meta.RemoveStatusCondition(&d.Conditions, v1alpha1.ConditionSendable)
	}
	return throttle.Parts{Decisions: &d, Counts: c}
}
