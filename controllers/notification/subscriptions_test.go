package notification

import (
	"slices"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

func TestAReceiverThatIsAddedHearsOnlyWhatComesAfter(t *testing.T) {
	n := newNotified(t)
	sink := n.receivers[2]
	n.receivers = n.receivers[:2]
	stop := n.operate()
	number, quiet := n.Create("netcore"), n.Create("netcore")
	n.Evaluate(number)
	n.Evaluate(quiet)
	n.flag(number)
	n.settled(number)
	stop()

	n.FakeClock.Advance(time.Hour)
	n.receivers = append(n.receivers, sink)
	before := number.ResourceVersion
	stop = n.operate()
	time.Sleep(300 * time.Millisecond)
	n.Evaluate(number)
	if len(n.heard()) != 0 || number.ResourceVersion != before {
		t.Errorf("it hears of what was before: %q; or a number was written for it", n.heard())
	}
	// What comes after: to an old number, to one that had no transitions yet, and to a new one that is flagged from the
	// first, also while no operator runs.
	n.unflag(number)
	stop()
	n.flag(quiet)
	fresh := n.Create("botmaker", func(p *v1alpha1.PhoneNumber) { p.Spec.Business.HumanEscalationPaths = nil })
	n.EvaluateUntil(fresh, func() bool { return fresh.Status.State == v1alpha1.StateFlagged })
	n.operate()
	n.settled(quiet)
	n.settled(fresh)
	want := slices.Concat(happenings(number)[2:], happenings(quiet), happenings(fresh))
	got := n.heard()
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) || len(want) != 6 {
		t.Errorf("it hears %q, not %q", got, want)
	}
}

func TestAReasonThatIsAddedIsNotAskedForBefore(t *testing.T) {
	n := newNotified(t)
	n.receivers = n.receivers[2:]
	n.receivers[0].Reasons = []v1alpha1.TransitionReason{v1alpha1.ReasonFlagged}
	stop := n.operate()
	number := n.Create("netcore")
	n.Evaluate(number)
	n.flag(number)
	n.settled(number)
	n.unflag(number)
	stop()
	n.FakeClock.Advance(time.Hour)
	n.receivers[0].Reasons = nil
	stop = n.operate()
	n.flag(number)
	n.settled(number)
	want := []string{happenings(number)[1], happenings(number)[4], happenings(number)[5]}
	if got := n.heard(); !slices.Equal(got, want) {
		t.Errorf("it hears %q, not %q", got, want)
	}
	stop()

	// A receiver that goes leaves nothing behind once another is written.
	n.receivers[0].Name = "another"
	n.operate()
	n.unflag(number)
	n.settled(number)
	if len(number.Status.Notifications) != 1 || number.Status.Notifications[0].Receiver != "another" {
		t.Errorf("the notifications are %+v", number.Status.Notifications)
	}
}

// More happens while the receiver is away than the history holds.
func TestWhatLeftTheHistoryIsSaidToBeMissed(t *testing.T) {
	n := newNotified(t)
	stop := n.operate()
	number := n.Create("netcore")
	n.Evaluate(number)
	n.flag(number)
	n.settled(number)
	stop()
	for range 6 {
		n.unflag(number)
		n.flag(number)
	}
	if number.Status.Transitions != 26 || len(number.Status.History) != 20 {
		t.Fatalf("%d transitions, %d of them in the history", number.Status.Transitions, len(number.Status.History))
	}
	n.operate()
	n.settled(number)
	want := slices.Concat([]string{number.Name + "/1 QualityChanged", number.Name + "/2 Flagged", number.Name + " missed 4"}, happenings(number))
	if got := n.heard(); !slices.Equal(got, want) {
		t.Errorf("it hears %q, not %q", got, want)
	}
	if mails := n.mail.Mails(); len(mails) != 2 || !strings.Contains(mails[1].Content, "Up to 4 transitions were missed") {
		t.Errorf("the mails are %+v", mails)
	}
}

// What a receiver does not ask for is never taken for missed, and costs a write for every tenth only.
func TestWhatIsNotAskedForIsNotMissed(t *testing.T) {
	n := newNotified(t)
	n.receivers = n.receivers[2:]
	n.receivers[0].Reasons = []v1alpha1.TransitionReason{v1alpha1.ReasonRestricted}
	n.operate()
	number := n.Create("netcore")
	n.Evaluate(number)
	writes := map[int64]bool{}
	for range 8 {
		n.flag(number)
		n.unflag(number)
		time.Sleep(100 * time.Millisecond)
		n.Must(n.Direct.Get(n.Ctx, client.ObjectKeyFromObject(number), number))
		for _, p := range number.Status.Notifications {
			writes[*p.Transitions] = true
		}
	}
	n.soon("what passed is written down", func() bool {
		n.Must(n.Direct.Get(n.Ctx, client.ObjectKeyFromObject(number), number))
		return len(number.Status.Notifications) == 1 && *number.Status.Notifications[0].Transitions > 32-10
	})
	if len(n.heard()) != 0 || number.Status.Transitions != 32 || len(writes) > 3 {
		t.Errorf("of %d transitions it hears %q, written down at %v", number.Status.Transitions, n.heard(), writes)
	}
}
