package controllers_test

import (
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/controllertest"
	"numberfleet.dev/numberfleet/controllers/internal/statuses"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/receipts"
)

// A number that was heard of on each of seven days is silent after a day of nothing, to the second, until something comes.
func TestSilenceIsTold(t *testing.T) {
	b := controllertest.New(t)
	number := b.Create("quality-based")
	for range 7 {
		b.Deliver(number.Spec.PhoneNumber, 1)
		b.FakeClock.Advance(controllertest.ADay)
	}
	b.FakeClock.Advance(-controllertest.ADay)
	last := b.FakeClock.Now()
	if reason, wake := b.Fresh(number); reason != v1alpha1.ReasonCounting || wake > controllertest.ADay {
		t.Fatalf("as it is heard of: %s, looked at again after %s", reason, wake)
	}
	b.FakeClock.Advance(controllertest.ADay - time.Second)
	if reason, wake := b.Fresh(number); reason != v1alpha1.ReasonCounting || wake != time.Second {
		t.Errorf("a second before: %s, looked at again after %s", reason, wake)
	}
	b.FakeClock.Advance(time.Second)
	reason, _ := b.Fresh(number)
	c := meta.FindStatusCondition(number.Status.Conditions, v1alpha1.ConditionUsageFresh)
	if reason != v1alpha1.ReasonSilent || !strings.Contains(c.Message, statuses.Stamp(statuses.Time(last))) || !c.LastTransitionTime.Equal(new(statuses.Time(b.FakeClock.Now()))) {
		t.Errorf("after a day of nothing: %s: %s", reason, c.Message)
	}
	if s := &number.Status; !s.Usage.LastReceivedTime.Equal(new(statuses.Time(last))) {
		t.Errorf("something was last received at %s, and it says %s", last, s.Usage.LastReceivedTime)
	}
	b.FakeClock.Advance(40 * controllertest.ADay) // all that the ledger had of it is forgotten
	if reason, _ := b.Fresh(number); reason == v1alpha1.ReasonNothingReceived {
		t.Errorf("40 days later: %s", reason)
	}
	b.Deliver(number.Spec.PhoneNumber, 1)
	if reason, _ := b.Fresh(number); reason != v1alpha1.ReasonCounting {
		t.Errorf("once something comes: %s", reason)
	}
}

// Where nothing comes since the secret is missing that webhooks are signed with, that is said, and what was counted stays counted.
func TestAMissingSecretIsSaidWhereNothingComes(t *testing.T) {
	b := controllertest.New(t)
	b.Operator.Webhooks.(*controllertest.Webhooks).SetMissing(true)
	unheard, heard := b.Create("quality-based"), b.Create("quality-based")
	if reason, _ := b.Fresh(unheard); reason != v1alpha1.ReasonSecretMissing {
		t.Errorf("of a number that nothing was received about: %s", reason)
	}
	for range 7 {
		b.Deliver(heard.Spec.PhoneNumber, 1)
		b.FakeClock.Advance(controllertest.ADay)
	}
	b.FakeClock.Advance(-time.Second)
	if reason, _ := b.Fresh(heard); reason != v1alpha1.ReasonCounting {
		t.Errorf("of a number that is heard of all the same: %s", reason)
	}
	b.FakeClock.Advance(time.Second)
	if reason, _ := b.Fresh(heard); reason != v1alpha1.ReasonSecretMissing {
		t.Errorf("once it is silent: %s", reason)
	}
	b.Operator.Webhooks.(*controllertest.Webhooks).SetMissing(false)
	for number, want := range map[*v1alpha1.PhoneNumber]string{unheard: v1alpha1.ReasonNothingReceived, heard: v1alpha1.ReasonSilent} {
		if reason, _ := b.Fresh(number); reason != want {
			t.Errorf("once the secret is there: %s, want %s", reason, want)
		}
	}
}

// A number that is not heard of each day may rest, and one that rests at weekends too.
func TestAQuietNumberIsNotSilent(t *testing.T) {
	b := controllertest.New(t)
	fewDays, weekdays := b.Create("quality-based"), b.Create("quality-based")
	for day := range 12 { // from a Monday on
		if day >= 6 {
			b.Deliver(fewDays.Spec.PhoneNumber, 1)
		}
		if day%7 < 5 {
			b.Deliver(weekdays.Spec.PhoneNumber, 1)
		}
		b.FakeClock.Advance(controllertest.ADay)
	}
	b.FakeClock.Advance(2 * controllertest.ADay)
	for what, number := range map[string]*v1alpha1.PhoneNumber{"of six days": fewDays, "of weekdays": weekdays} {
		if reason, _ := b.Fresh(number); reason != v1alpha1.ReasonCounting {
			t.Errorf("a number %s is %s", what, reason)
		}
	}
}

// While the operator was away nothing could come: the day of nothing begins when it is back. What came late was received all the
// same, and what a failed message tells is a word too.
func TestWhatIsNoSilence(t *testing.T) {
	b := controllertest.New(t)
	number := b.Create("quality-based")
	for range 7 {
		b.Deliver(number.Spec.PhoneNumber, 1)
		b.FakeClock.Advance(controllertest.ADay)
	}
	b.FakeClock.Advance(controllertest.ADay)
	b.Presence.(*controllertest.Present).SinceTime = b.FakeClock.Now()
	if reason, _ := b.Fresh(number); reason != v1alpha1.ReasonCounting {
		t.Errorf("back after two days: %s", reason)
	}
	b.FakeClock.Advance(controllertest.ADay)
	if reason, _ := b.Fresh(number); reason != v1alpha1.ReasonSilent {
		t.Errorf("a day after it: %s", reason)
	}
	for what, request := range map[string]struct {
		batch   counts.Batch
		request receipts.Request
	}{
		"a delivery of three days ago": {batch: counts.Batch{Entries: []counts.Entry{{Number: number.Spec.PhoneNumber, At: b.FakeClock.Now().Add(-3 * controllertest.ADay).Unix()}}}},
		"a failed message":             {request: receipts.Request{Failures: []receipts.Failure{{Number: number.Spec.PhoneNumber, Code: 131049, At: b.FakeClock.Now()}}}},
	} {
		b.Receipts.Take(b.FakeClock.Now(), &request.batch, &request.request)
		if reason, _ := b.Fresh(number); reason != v1alpha1.ReasonCounting {
			t.Errorf("after %s: %s", what, reason)
		}
		b.FakeClock.Advance(controllertest.ADay + time.Second)
		if reason, _ := b.Fresh(number); reason != v1alpha1.ReasonSilent {
			t.Errorf("a day after %s: %s", what, reason)
		}
	}
}

// When something was last received outlives the process by the status, and moves it only now and then.
func TestWhenSomethingWasReceivedIsKept(t *testing.T) {
	b := controllertest.New(t)
	number := b.Create("quality-based")
	b.Deliver(number.Spec.PhoneNumber, 1)
	b.Evaluate(number)
	b.FakeClock.Advance(2 * time.Hour)
	b.Receipts.Take(b.FakeClock.Now(), &counts.Batch{Entries: []counts.Entry{{Number: number.Spec.PhoneNumber}}}, &receipts.Request{})
	b.Evaluate(number)
	received := statuses.Time(b.FakeClock.Now())
	b.Receipts = receipts.New()
	version := number.ResourceVersion
	b.FakeClock.Advance(time.Minute)
	b.Receipts.Take(b.FakeClock.Now(), &counts.Batch{Entries: []counts.Entry{{Number: number.Spec.PhoneNumber}}}, &receipts.Request{})
	b.Evaluate(number)
	if s := &number.Status; !s.Usage.LastReceivedTime.Equal(&received) || number.ResourceVersion != version {
		t.Errorf("something was last received at %s, and a minute later; it says %s", received, s.Usage.LastReceivedTime)
	}
}

// The last failure shows with what it means; one from before it does not.
func TestTheLastFailureShows(t *testing.T) {
	b := controllertest.New(t)
	number := b.Create("quality-based")
	b.Evaluate(number)
	b.FakeClock.Advance(time.Hour)
	fail := func(code int64, at time.Time) v1alpha1.FailureStatus {
		b.Receipts.Take(b.FakeClock.Now(), &counts.Batch{}, &receipts.Request{Failures: []receipts.Failure{{Number: number.Spec.PhoneNumber, Code: code, At: at}}})
		b.Evaluate(number)
		return number.Status.LastFailure
	}
	now := b.FakeClock.Now()
	if f := fail(131049, now); f.Code != 131049 || f.Class != "131049" || !strings.Contains(f.Meaning, "chose not to deliver") || !f.Time.Equal(new(statuses.Time(now))) {
		t.Errorf("it shows %+v", f)
	}
	b.FakeClock.Advance(time.Hour)
	if f := fail(132015, now.Add(-time.Hour)); f.Code != 131049 {
		t.Errorf("an older one replaced it: %+v", f)
	}
	b.FakeClock.Advance(time.Hour) // counts wait for a quarter of an hour
	if f := fail(0, b.FakeClock.Now()); f.Code != 0 || f.Class != "other" || f.Meaning == "" {
		t.Errorf("one without a code shows as %+v", f)
	}
}
