package controllers

import (
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/receipts"
)

const aDay = 24 * time.Hour

// fresh is the condition UsageFresh of a number, in a word, after a reconcile.
func (b *bench) fresh(number *v1alpha1.PhoneNumber) (reason string, wake time.Duration) {
	b.t.Helper()
	result := b.reconcile(number)
	c := meta.FindStatusCondition(number.Status.Conditions, v1alpha1.ConditionUsageFresh)
	if (c.Reason == v1alpha1.ReasonCounting) != (c.Status == metav1.ConditionTrue) || c.Status == metav1.ConditionFalse {
		b.t.Errorf("with the reason %s the condition is %s", c.Reason, c.Status)
	}
	return c.Reason, result.RequeueAfter
}

// A number that was heard of on each of seven days is silent after a day of nothing, to the second, until something comes.
func TestSilenceIsTold(t *testing.T) {
	b := newBench(t)
	number := b.create("quality-based")
	for range dailyFor {
		b.deliver(number.Spec.PhoneNumber, 1)
		b.clock.advance(aDay)
	}
	b.clock.advance(-aDay)
	last := b.clock.Now()
	if reason, wake := b.fresh(number); reason != v1alpha1.ReasonCounting || wake > aDay {
		t.Fatalf("as it is heard of: %s, looked at again after %s", reason, wake)
	}
	b.clock.advance(aDay - time.Second)
	if reason, wake := b.fresh(number); reason != v1alpha1.ReasonCounting || wake != time.Second {
		t.Errorf("a second before: %s, looked at again after %s", reason, wake)
	}
	b.clock.advance(time.Second)
	reason, _ := b.fresh(number)
	c := meta.FindStatusCondition(number.Status.Conditions, v1alpha1.ConditionUsageFresh)
	if reason != v1alpha1.ReasonSilent || !strings.Contains(c.Message, stamp(at(last))) || !c.LastTransitionTime.Equal(new(at(b.clock.Now()))) {
		t.Errorf("after a day of nothing: %s: %s", reason, c.Message)
	}
	if s := &number.Status; !s.Usage.LastReceivedTime.Equal(new(at(last))) {
		t.Errorf("something was last received at %s, and it says %s", last, s.Usage.LastReceivedTime)
	}
	b.clock.advance(40 * aDay) // all that the ledger had of it is forgotten
	if reason, _ := b.fresh(number); reason == v1alpha1.ReasonNothingReceived {
		t.Errorf("40 days later: %s", reason)
	}
	b.deliver(number.Spec.PhoneNumber, 1)
	if reason, _ := b.fresh(number); reason != v1alpha1.ReasonCounting {
		t.Errorf("once something comes: %s", reason)
	}
}

// A number that is not heard of each day may rest, and one that rests at weekends too.
func TestAQuietNumberIsNotSilent(t *testing.T) {
	b := newBench(t)
	fewDays, weekdays := b.create("quality-based"), b.create("quality-based")
	for day := range 12 { // from a Monday on
		if day >= 6 {
			b.deliver(fewDays.Spec.PhoneNumber, 1)
		}
		if day%7 < 5 {
			b.deliver(weekdays.Spec.PhoneNumber, 1)
		}
		b.clock.advance(aDay)
	}
	b.clock.advance(2 * aDay)
	for what, number := range map[string]*v1alpha1.PhoneNumber{"of six days": fewDays, "of weekdays": weekdays} {
		if reason, _ := b.fresh(number); reason != v1alpha1.ReasonCounting {
			t.Errorf("a number %s is %s", what, reason)
		}
	}
}

// While the operator was away nothing could come: the day of nothing begins when it is back. What came late was received all the
// same, and what a failed message tells is a word too.
func TestWhatIsNoSilence(t *testing.T) {
	b := newBench(t)
	number := b.create("quality-based")
	for range dailyFor {
		b.deliver(number.Spec.PhoneNumber, 1)
		b.clock.advance(aDay)
	}
	b.clock.advance(aDay)
	b.Presence.(*present).since = b.clock.Now()
	if reason, _ := b.fresh(number); reason != v1alpha1.ReasonCounting {
		t.Errorf("back after two days: %s", reason)
	}
	b.clock.advance(aDay)
	if reason, _ := b.fresh(number); reason != v1alpha1.ReasonSilent {
		t.Errorf("a day after it: %s", reason)
	}
	for what, request := range map[string]struct {
		batch   counts.Batch
		request receipts.Request
	}{
		"a delivery of three days ago": {batch: counts.Batch{Entries: []counts.Entry{{Number: number.Spec.PhoneNumber, At: b.clock.Now().Add(-3 * aDay).Unix()}}}},
		"a failed message":             {request: receipts.Request{Failures: []receipts.Failure{{Number: number.Spec.PhoneNumber, Code: 131049, At: b.clock.Now()}}}},
	} {
		b.Receipts.Take(b.clock.Now(), &request.batch, &request.request)
		if reason, _ := b.fresh(number); reason != v1alpha1.ReasonCounting {
			t.Errorf("after %s: %s", what, reason)
		}
		b.clock.advance(aDay + time.Second)
		if reason, _ := b.fresh(number); reason != v1alpha1.ReasonSilent {
			t.Errorf("a day after %s: %s", what, reason)
		}
	}
}

// When something was last received outlives the process by the status, and moves it only now and then.
func TestWhenSomethingWasReceivedIsKept(t *testing.T) {
	b := newBench(t)
	number := b.create("quality-based")
	b.deliver(number.Spec.PhoneNumber, 1)
	b.reconcile(number)
	b.clock.advance(2 * time.Hour)
	b.Receipts.Take(b.clock.Now(), &counts.Batch{Entries: []counts.Entry{{Number: number.Spec.PhoneNumber}}}, &receipts.Request{})
	b.reconcile(number)
	received := at(b.clock.Now())
	b.PhoneNumberReconciler.Receipts = receipts.New()
	version := number.ResourceVersion
	b.clock.advance(time.Minute)
	b.Receipts.Take(b.clock.Now(), &counts.Batch{Entries: []counts.Entry{{Number: number.Spec.PhoneNumber}}}, &receipts.Request{})
	b.reconcile(number)
	if s := &number.Status; !s.Usage.LastReceivedTime.Equal(&received) || number.ResourceVersion != version {
		t.Errorf("something was last received at %s, and a minute later; it says %s", received, s.Usage.LastReceivedTime)
	}
}

// The last failure shows with what it means; one from before it does not.
func TestTheLastFailureShows(t *testing.T) {
	b := newBench(t)
	number := b.create("quality-based")
	b.reconcile(number)
	b.clock.advance(time.Hour)
	fail := func(code int64, at time.Time) v1alpha1.FailureStatus {
		b.Receipts.Take(b.clock.Now(), &counts.Batch{}, &receipts.Request{Failures: []receipts.Failure{{Number: number.Spec.PhoneNumber, Code: code, At: at}}})
		b.reconcile(number)
		return number.Status.LastFailure
	}
	now := b.clock.Now()
	if f := fail(131049, now); f.Code != 131049 || f.Class != "131049" || !strings.Contains(f.Meaning, "chose not to deliver") || !f.Time.Equal(new(at(now))) {
		t.Errorf("it shows %+v", f)
	}
	b.clock.advance(time.Hour)
	if f := fail(132015, now.Add(-time.Hour)); f.Code != 131049 {
		t.Errorf("an older one replaced it: %+v", f)
	}
	b.clock.advance(time.Hour) // counts wait for a quarter of an hour
	if f := fail(0, b.clock.Now()); f.Code != 0 || f.Class != "other" || f.Meaning == "" {
		t.Errorf("one without a code shows as %+v", f)
	}
}
