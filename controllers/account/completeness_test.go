package account

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/controllertest"
	"numberfleet.dev/numberfleet/controllers/internal/reports"
	"numberfleet.dev/numberfleet/controllers/internal/statuses"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/meta/graphtest"
)

// complete is the condition UsageComplete of a number, in a word.
func (p *polling) complete(number *v1alpha1.PhoneNumber) string {
	p.T.Helper()
	p.get(number)
	c := meta.FindStatusCondition(number.Status.Conditions, v1alpha1.ConditionUsageComplete)
	if c == nil {
		return ""
	}
	want := map[string]metav1.ConditionStatus{
		v1alpha1.ReasonAgrees: metav1.ConditionTrue, v1alpha1.ReasonDeliveriesMissing: metav1.ConditionFalse, v1alpha1.ReasonNotMeasured: metav1.ConditionUnknown,
	}
	if c.Status != want[c.Reason] {
		p.T.Errorf("with the reason %s the condition is %s", c.Reason, c.Status)
	}
	return c.Reason
}

// newHourly is a polling that reads its account once an hour, so that days pass soon.
func newHourly(t *testing.T) *polling {
	t.Helper()
	p := newPolling(t, "2001")
	p.Poller.Config.PeriodMinutes = 60
	p.restart()
	return p
}

// until reads the account until a time.
func (p *polling) until(end time.Time) {
	p.T.Helper()
	for p.nextAccount().due().Before(end) {
		p.tick()
	}
	p.Bench.FakeClock.Advance(end.Sub(p.Bench.FakeClock.Now()))
}

// send delivers messages, of which some are not received here.
func (p *polling) send(number *v1alpha1.PhoneNumber, messages, lost int) {
	p.T.Helper()
	p.meta.Deliver(number.Spec.PhoneNumberID, p.Bench.FakeClock.Now(), messages)
	p.Deliver(number.Spec.PhoneNumber, messages-lost)
}

// A day is compared once it is over and settled: what others sent, or was lost, is told, with both figures.
func TestWhatIsMissingIsTold(t *testing.T) {
	p := newPolling(t, "2001")
	all, most, few := p.number("2001", "1001"), p.number("2001", "1002"), p.number("2001", "1003")
	midnight := controllertest.Start.Truncate(controllertest.ADay).Add(controllertest.ADay)
	p.until(midnight.Add(12 * time.Hour))
	p.send(all, 1000, 0)
	p.send(most, 1000, 20) // 2 %: Meta's figures are not exact
	p.send(few, 1000, 21)
	p.until(midnight.Add(controllertest.ADay + settleTime - time.Second))
	for _, number := range []*v1alpha1.PhoneNumber{all, most, few} {
		if got := p.complete(number); got != v1alpha1.ReasonNotMeasured || number.Status.Completeness.Counted != nil {
			t.Errorf("before the day is settled: %s", got)
		}
	}
	calls := len(p.meta.Calls())
	p.until(midnight.Add(controllertest.ADay + settleTime + 2*time.Hour))
	for number, want := range map[*v1alpha1.PhoneNumber]string{all: v1alpha1.ReasonAgrees, most: v1alpha1.ReasonAgrees, few: v1alpha1.ReasonDeliveriesMissing} {
		if got := p.complete(number); got != want {
			t.Errorf("%s, want %s: %v", got, want, number.Status.Completeness)
		}
	}
	s := few.Status.Completeness
	c := meta.FindStatusCondition(few.Status.Conditions, v1alpha1.ConditionUsageComplete)
	if s.Counted == nil || *s.Counted != 979 || *s.Reported != 1000 || !s.FromTime.Equal(new(statuses.Time(midnight))) || !s.ToTime.Equal(new(statuses.Time(midnight.Add(controllertest.ADay)))) ||
		!strings.Contains(c.Message, "21 are missing") || strings.Contains(c.Message, few.Spec.PhoneNumber[1:]) {
		t.Errorf("the figures are %v, %s", s, c.Message)
	}
	// Each number takes one call a day.
	asked := 0
	for _, call := range p.meta.Calls()[calls:] {
		if strings.HasPrefix(call.Fields, "analytics") {
			asked++
		}
	}
	if asked != 3 {
		t.Errorf("Meta was asked %d times for deliveries", asked)
	}
	// The number's own reconcile leaves it alone.
	p.Evaluate(few)
	if got := p.complete(few); got != v1alpha1.ReasonDeliveriesMissing || few.Status.Completeness.Counted == nil {
		t.Errorf("after a reconcile: %s, %v", got, few.Status.Completeness)
	}
	// What was missing comes late.
	var late counts.Batch
	for i := range 21 {
		late.Entries = append(late.Entries, counts.Entry{Number: few.Spec.PhoneNumber, Kind: counts.Delivered, User: counts.UserKey(1e6 + i), Message: counts.MessageKey(1e6 + i), At: midnight.Add(13 * time.Hour).Unix()})
	}
	_, err := p.Poller.Ledger.Append(p.Ctx, late, p.Bench.FakeClock.Now())
	p.Must(err)
	p.tick()
	if got := p.complete(few); got != v1alpha1.ReasonAgrees || *few.Status.Completeness.Counted != 1000 {
		t.Errorf("once it came: %s, %v", got, few.Status.Completeness)
	}
}

// A restart asks nothing again, and a day of which the operator was away for a part is not compared.
func TestADayThatIsNotKnownWholeIsNotCompared(t *testing.T) {
	p := newHourly(t)
	number := p.number("2001", "1001")
	midnight := controllertest.Start.Truncate(controllertest.ADay).Add(controllertest.ADay)
	p.until(midnight.Add(12 * time.Hour))
	p.send(number, 500, 400)
	p.until(midnight.Add(controllertest.ADay + settleTime + 2*time.Hour))
	if got := p.complete(number); got != v1alpha1.ReasonDeliveriesMissing {
		t.Fatalf("at first: %s", got)
	}
	p.restart()
	p.meta.Forget()
	p.tick()
	if got := p.complete(number); got != v1alpha1.ReasonDeliveriesMissing {
		t.Errorf("after a restart: %s", got)
	}
	for _, call := range p.meta.Calls() {
		if strings.HasPrefix(call.Fields, "analytics") {
			t.Errorf("what is known was asked for again: %s", call.Fields)
		}
	}
	p.until(midnight.Add(2 * controllertest.ADay))
	p.Poller.Presence.(*controllertest.Present).SinceTime = midnight.Add(controllertest.ADay + time.Hour)
	p.send(number, 500, 400)
	p.until(midnight.Add(3*controllertest.ADay + time.Hour))
	if got := p.complete(number); got != v1alpha1.ReasonNotMeasured {
		t.Errorf("after an absence: %s, %v", got, number.Status.Completeness)
	}
	p.until(midnight.Add(3*controllertest.ADay + settleTime + 2*time.Hour))
	if got := p.complete(number); got != v1alpha1.ReasonDeliveriesMissing {
		t.Errorf("of the next whole day: %s, %v", got, number.Status.Completeness)
	}
}

// A number at rest is compared each day, and written once.
func TestANumberAtRestIsNotWrittenEachDay(t *testing.T) {
	p := newHourly(t)
	number := p.number("2001", "1001")
	midnight := controllertest.Start.Truncate(controllertest.ADay).Add(controllertest.ADay)
	p.until(midnight.Add(controllertest.ADay + settleTime + 2*time.Hour))
	if got := p.complete(number); got != v1alpha1.ReasonAgrees {
		t.Errorf("of nothing: %s", got)
	}
	before := p.versions()
	p.until(midnight.Add(3 * controllertest.ADay))
	p.restart()
	p.until(midnight.Add(5 * controllertest.ADay))
	if after := p.versions(); !slices.Equal(before, after) {
		t.Errorf("it was written: %s, %s", before, after)
	}
}

// The calls for deliveries leave room for the reads, and one number about which Meta tells nothing holds back no other.
func TestDeliveriesAreReadWithinWhatMetaAllows(t *testing.T) {
	p := newPolling(t, "2001")
	p.meta.SetAllowance("2001", 200)
	var all []*v1alpha1.PhoneNumber
	for i := range 40 {
		all = append(all, p.number("2001", fmt.Sprint(1001+i)))
		p.meta.Set(fmt.Sprint(1001+i), graphtest.Fields{"status": "PENDING"}) // or Meta would allow more
	}
	p.meta.Set("1001", graphtest.Fields{"display_phone_number": "+1 555"})
	p.tick()
	settled := controllertest.Start.Truncate(controllertest.ADay).Add(2*controllertest.ADay + settleTime)
	p.Bench.FakeClock.Advance(settled.Add(-time.Hour).Sub(p.Bench.FakeClock.Now())) // nothing of this is about the reads before
	p.until(settled.Add(measurePeriod + time.Hour))
	agree := 0
	for _, number := range all {
		if p.complete(number) == v1alpha1.ReasonAgrees {
			agree++
		}
	}
	if most, refused := p.calls("2001"); agree < len(all)-1 || refused > 0 || most > 60 {
		t.Errorf("%d of %d numbers were compared with %d calls within an hour, of which %d were refused", agree, len(all), most, refused)
	}
}

// An account without the operator's app sends no webhooks: its numbers say so at once, and are well again once it is there.
func TestAnAppThatIsNotSubscribedIsTold(t *testing.T) {
	p := newPolling(t, "2001")
	number := p.number("2001", "1001")
	for _, step := range []struct {
		own, Told []string
		want      string
	}{
		{nil, []string{"4001"}, v1alpha1.ReasonCounting},
		{nil, []string{}, v1alpha1.ReasonNotSubscribed},
		{nil, []string{"4009"}, v1alpha1.ReasonCounting},
		{[]string{"4001", "4002"}, []string{"4009"}, v1alpha1.ReasonNotSubscribed},
		{[]string{"4001", "4002"}, []string{"4009", "4002"}, v1alpha1.ReasonCounting},
	} {
		p.Apps = func(string) []string { return step.own }
		p.meta.Set("2001", graphtest.Fields{"subscribed_apps": step.Told})
		p.tick()
		p.Deliver(number.Spec.PhoneNumber, 1)
		p.EvaluateUntil(number, func() bool { return reports.ReportsFresh(number) != nil })
		if got, _ := p.Fresh(number); got != step.want {
			t.Errorf("with the apps %v subscribed: %s, want %s", step.Told, got, step.want)
		}
	}
	p.meta.Set("2001", graphtest.Fields{"subscribed_apps": []string{}})
	p.meta.Fail(graphtest.Fault{Path: "2001/subscribed_apps", Refusal: graphtest.Unavailable()})
	p.tick()
	p.wantReason(number, v1alpha1.ReasonPolled)
	if got, _ := p.Fresh(number); got != v1alpha1.ReasonCounting {
		t.Errorf("where Meta does not tell: %s", got)
	}
}

// How many messages a number may send shows in Meta's word, and what Meta documents of it.
func TestThroughputShows(t *testing.T) {
	p := newPolling(t, "2001")
	number := p.number("2001", "1001")
	for _, step := range []struct {
		fields graphtest.Fields
		level  string
		rate   int64
	}{
		{graphtest.Fields{}, "STANDARD", 80},
		{graphtest.Fields{"is_on_biz_app": true}, "STANDARD", 20},
		{graphtest.Fields{"is_on_biz_app": false}, "STANDARD", 80},
		{graphtest.Fields{"throughput": graphtest.Fields{"level": "HIGH"}}, "HIGH", 1000},
		{graphtest.Fields{"throughput": graphtest.Fields{"level": "NOT_APPLICABLE"}}, "NOT_APPLICABLE", 0},
	} {
		p.meta.Set("1001", step.fields)
		p.tick()
		p.Evaluate(number)
		if s := number.Status.Throughput; s.Level != step.level || s.MessagesPerSecond != step.rate || s.ReportedTime.IsZero() {
			t.Errorf("of %v it shows %+v", step.fields, s)
		}
	}
}
