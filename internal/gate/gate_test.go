package gate_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/gate"
	"numberfleet.dev/numberfleet/internal/gate/gatetest"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/report"
)

var (
	begin  = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	shop   = gatetest.Caller{"shop"}
	nobody = gatetest.Caller{}
)

// desk is a gate on a clock that stands still.
type desk struct {
	*gatetest.Gate
	*testing.T
	clock *clocktesting.FakeClock
}

func newDesk(t *testing.T, limit int64) *desk {
	t.Helper()
	clock := clocktesting.NewFakeClock(begin)
	return &desk{gatetest.New(t, limit, clock), t, clock}
}

// to is a request for a user.
func to(user int) gate.Request {
	return gate.Request{Number: gatetest.Number, User: fmt.Sprintf("+1555020%04d", user), Category: report.Marketing}
}

func (d *desk) reserve(caller gate.Caller, requests ...gate.Request) []gate.Answer {
	d.Helper()
	answers, err := d.Reserve(d.Context(), caller, requests)
	if err != nil {
		d.Fatal(err)
	}
	return answers
}

// said is an answer in a few words.
func said(a *gate.Answer) string {
	if p := a.Problem; p != nil {
		return fmt.Sprintf("%d %s: %s", p.Status, p.Reason, p.Detail)
	}
	return fmt.Sprintf("%s %s", a.Decision.State, a.Decision.Why)
}

func (d *desk) expect(answers []gate.Answer, want ...string) {
	d.Helper()
	if len(answers) != len(want) {
		d.Fatalf("%d answers came, want %d", len(answers), len(want))
	}
	for i := range answers {
		if got := said(&answers[i]); got != want[i] {
			d.Errorf("answer %d is %q, want %q", i, got, want[i])
		}
	}
}

func TestRequestsAreGrantedInTheirOrderUpToTheLimitAndARefusalHasTheNumbers(t *testing.T) {
	d := newDesk(t, 3)
	d.Deliver(t, "15550200001", "wamid.1")
	d.clock.Step(time.Hour)
	answers := d.reserve(shop, to(1), to(2), to(3), to(4), to(2))
	d.expect(answers, "Free AlreadyCounted", "Held Reserved", "Held Reserved",
		"429 LimitReached: 1 of 3 are used and 2 are held; the first place is free at 2026-11-02T12:00:00Z", "Held AlreadyHeld")
	if a := answers[1]; a.Namespace != "shop" || a.Name != "sales" || a.Number != gatetest.Number || a.NumberID != gatetest.NumberID {
		t.Errorf("the number of the answer is %+v", a)
	}
	p := answers[3].Problem
	if !p.Until.Equal(begin.Add(24*time.Hour)) || p.RetryAfter != 23*time.Hour || p.RetrySeconds() != 82800 || p.Type() != "https://numberfleet.dev/docs/gate#limitreached" {
		t.Errorf("the problem is %+v", p)
	}
	if left := gate.Remaining(&answers[1].Decision); left != 1 {
		t.Errorf("after the second %d remain", left)
	}
	if left := gate.Remaining(&answers[3].Decision); left != 0 {
		t.Errorf("after the refusal %d remain", left)
	}
	if _, ok := d.Ledger.Reservation(answers[1].Decision.ID); !ok {
		t.Error("the ledger does not know a reservation that was granted")
	}
}

func TestABudgetSaysItsOwnNumbersAndWhatIsGuaranteedToOthersIsNamed(t *testing.T) {
	d := newDesk(t, 10)
	users := func(n int64) counts.Amount { return counts.Amount{Set: true, N: n} }
	d.Configure(t, counts.LimitSetting{Subject: gatetest.Number, Limit: 3, Budgets: []counts.BudgetSetting{
		{Name: "logins", Categories: []counts.Category{counts.Authentication}, Guaranteed: users(1)},
		{Name: "campaigns", Categories: []counts.Category{counts.Marketing}, Maximum: users(1)},
	}})
	utility := func(user int) gate.Request {
		r := to(user)
		r.Category = report.Utility
		return r
	}
	answers := d.reserve(shop, to(1), to(2), utility(3), utility(4))
	d.expect(answers, "Held Reserved", `429 BudgetReached: 0 of the 1 of budget "campaigns" are used and 1 are held; the first place is free at 2026-11-02T12:10:00Z`,
		"Held Reserved", "429 LimitReached: 0 of 3 are used and 2 are held, and 1 are guaranteed to other budgets; the first place is free at 2026-11-02T12:10:00Z")
	if left := gate.Remaining(&answers[0].Decision); left != 0 {
		t.Errorf("in a budget that is used up %d remain", left)
	}
}

func TestEachReasonHasItsStatusAndWaitsWhereThatHelps(t *testing.T) {
	for reason, want := range map[gate.Reason]int{
		gate.Reason(v1alpha1.RoomLimitReached): 429, gate.Reason(v1alpha1.RoomBudgetReached): 429, gate.Reason(v1alpha1.RoomTemplatePaused): 429,
		gate.Reason(v1alpha1.RoomAccountRestricted): 429, gate.Throttled: 429,
		gate.Reason(v1alpha1.RoomBlocked): 409, gate.Reason(v1alpha1.RoomOffline): 409, gate.Reason(v1alpha1.RoomPending): 409,
		gate.Reason(v1alpha1.RoomSuspended): 409, gate.Reason(v1alpha1.RoomTemplateNotSendable): 409, gate.Reason(v1alpha1.RoomOutsideWindow): 409,
		gate.OtherMessage: 409, gate.Ended: 409, gate.Reason(v1alpha1.RoomNotReady): 503, gate.BadRequest: 400, gate.Forbidden: 403, gate.NotFound: 404,
	} {
		d := counts.Decision{State: counts.Refused, Why: string(reason), Until: begin.Add(time.Hour).Unix()}
		p := gate.ProblemOf(&d, func(until time.Time) time.Duration { return until.Sub(begin) })
		wait := time.Duration(0)
		if want == 429 || want == 503 {
			wait = time.Hour
		}
		if p.Status != want || p.RetryAfter != wait || p.Title == "" || p.Detail == "" && reason != gate.BadRequest && reason != gate.Reason(v1alpha1.RoomBudgetReached) {
			t.Errorf("%s is %+v", reason, p)
		}
	}
}

func TestACallerWithoutARightLearnsNothingAboutNumbers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		real := clock.RealClock{} // the bubble's
		g := gatetest.New(t, 3, real)
		ask := func(caller gate.Caller, r gate.Request) (*gate.Problem, time.Duration) {
			t.Helper()
			start := real.Now()
			answers, err := g.Reserve(t.Context(), caller, []gate.Request{r})
			if err != nil {
				t.Fatal(err)
			}
			return answers[0].Problem, real.Since(start)
		}
		first, took := ask(shop, gate.Request{Number: "+15550109999", User: "15550200001"})
		if first == nil || first.Reason != gate.Forbidden || took != 250*time.Millisecond {
			t.Fatalf("of a number that there is none of, it says %+v after %s", first, took)
		}
		for what, r := range map[string]gate.Request{
			"another's number": {Number: gatetest.Another}, "another's id": {NumberID: gatetest.AnotherID}, "no id": {NumberID: "1"},
			"another's namespace": {Number: gatetest.Number, Namespace: "other"}, "another's number and namespace": {Number: gatetest.Another, Namespace: "other"},
		} {
			r.User = "15550200001"
			if p, took := ask(shop, r); !reflect.DeepEqual(p, first) || took != 250*time.Millisecond {
				t.Errorf("of %s it says %+v after %s", what, p, took)
			}
		}
		// With the right in the namespace, it is told that the number is not there.
		for _, number := range []string{gatetest.Another, "+15550109999"} {
			if p, _ := ask(shop, gate.Request{Number: number, Namespace: "shop", User: "15550200001"}); p == nil || p.Reason != gate.NotFound {
				t.Errorf("of a number that is not in its namespace it says %+v", p)
			}
		}
		if p, _ := ask(gatetest.Caller{""}, gate.Request{Number: "+15550109999", User: "15550200001"}); p == nil || p.Reason != gate.NotFound {
			t.Errorf("with all rights it says %+v", p)
		}
		if held := g.Ledger.Reserved(gatetest.Another, real.Now()); held != 0 {
			t.Errorf("%d are held of a number without the right", held)
		}
	})
}

func TestWhatIsWrongIsToldByItsField(t *testing.T) {
	d := newDesk(t, 3)
	request := func(change func(*gate.Request)) gate.Request {
		r := to(1)
		change(&r)
		return r
	}
	long := strings.Repeat("x", 513)
	wrong := map[string]gate.Request{
		"number":    request(func(r *gate.Request) { r.Number = "15550100001" }),
		"numberID":  request(func(r *gate.Request) { r.Number, r.NumberID = "", "x" }),
		"namespace": request(func(r *gate.Request) { r.Namespace = long }),
		"user":      request(func(r *gate.Request) { r.User = "somebody" }),
		"template":  request(func(r *gate.Request) { r.Template = long }),
		"language":  request(func(r *gate.Request) { r.Language = long }),
		"category":  request(func(r *gate.Request) { r.Category = "marketing" }),
		"ttl":       request(func(r *gate.Request) { r.TTL = 25 * time.Hour }),
		"key":       request(func(r *gate.Request) { r.Key = long }),
	}
	for field, r := range wrong {
		a := d.reserve(shop, r, to(2))
		if p := a[0].Problem; p == nil || p.Reason != gate.BadRequest || p.Field != field || strings.Contains(p.Detail, "xxx") || strings.Contains(p.Detail, "somebody") {
			t.Errorf("a wrong %s is %+v", field, p)
		}
		if a[1].Problem != nil {
			t.Errorf("the request after one with a wrong %s is %+v", field, a[1].Problem)
		}
	}
	for _, r := range []gate.Request{{User: "15550200001"}, {Number: gatetest.Number, NumberID: gatetest.NumberID, User: "15550200001"}} {
		if p := d.reserve(shop, r)[0].Problem; p == nil || p.Field != "number" {
			t.Errorf("%+v is %+v", r, p)
		}
	}
}

// Of each namespace that requests name, the API server may be asked about the caller's right.
func TestACallNamesFewNamespaces(t *testing.T) {
	d := newDesk(t, 3)
	var requests []gate.Request
	for i := range 66 {
		r := to(1)
		r.Namespace = fmt.Sprint("team-", i%65)
		requests = append(requests, r)
	}
	for i, a := range d.reserve(nobody, append(requests, to(1))...) {
		want := gate.Forbidden
		if i == 64 {
			want = gate.BadRequest
		}
		if a.Problem == nil || a.Problem.Reason != want {
			t.Errorf("the request for namespace %d is %+v", i, a.Problem)
		}
	}
}

func TestTwoFormsOfAUserAreHeldOnce(t *testing.T) {
	d := newDesk(t, 1)
	brazil, before := to(1), to(1)
	brazil.User, before.User = "+55 11 98888-7777", "551188887777"
	d.expect(d.reserve(shop, brazil, before), "Held Reserved", "Held AlreadyHeld")
}

func TestATemplateThatCannotBeSentIsRefusedAndWithoutALanguageOneThatCanIsTaken(t *testing.T) {
	d := newDesk(t, 10)
	template := func(language string, state v1alpha1.TemplateState) *v1alpha1.MessageTemplate {
		return &v1alpha1.MessageTemplate{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "sale-" + language},
			Spec:       v1alpha1.MessageTemplateSpec{TemplateName: "sale", Language: language, WhatsAppBusinessAccountID: gatetest.Account},
			Status:     v1alpha1.MessageTemplateStatus{CommonStatus: v1alpha1.CommonStatus{Conditions: gatetest.Ready}, State: state},
		}
	}
	d.Fleet.Templates = []*v1alpha1.MessageTemplate{template("de", v1alpha1.TemplatePaused), template("en_US", v1alpha1.TemplateApproved)}
	if err := d.Ledger.Configure(counts.Settings{Templates: []counts.TemplateSetting{
		{Name: counts.TemplateName("shop", report.TemplateSubject(gatetest.Account, "sale", "de").String()), Category: counts.Marketing, Obstacle: counts.Obstacle{Reason: v1alpha1.RoomTemplatePaused}},
		{Name: counts.TemplateName("shop", report.TemplateSubject(gatetest.Account, "sale", "en_US").String()), Category: counts.Marketing},
	}}); err != nil {
		t.Fatal(err)
	}
	in := func(user int, language string) gate.Request {
		r := to(user)
		r.Template, r.Language = "sale", language
		return r
	}
	paused := "429 TemplatePaused: Meta has paused the template"
	d.expect(d.reserve(shop, in(1, ""), in(2, "en-US"), in(3, "de"), in(4, "fr")), "Held Reserved", "Held Reserved", paused, "Held Reserved")
	d.Fleet.Templates = d.Fleet.Templates[:1]
	d.expect(d.reserve(shop, in(5, "")), paused)
}

func TestAFreeFormMessageTakesAnOpenWindow(t *testing.T) {
	d := newDesk(t, 1)
	d.Receive(t, "15550200001")
	d.clock.Step(time.Minute)
	open, closed := to(1), to(2)
	open.FreeForm, closed.Category = true, report.Service
	d.expect(d.reserve(shop, open, closed), "Free InsideWindow",
		"409 OutsideWindow: the user has not written in the service window, so only a template can be sent")
}

func TestAKeyMakesARepetitionTheSameReservationUntilItHasEnded(t *testing.T) {
	d := newDesk(t, 5)
	r := to(1)
	r.Key = "order-17"
	first, again := d.reserve(shop, r)[0], d.reserve(shop, r)[0]
	if first.Problem != nil || again.Problem != nil || first.Decision.ID != again.Decision.ID {
		t.Fatalf("they are %+v and %+v", first, again)
	}
	other := to(2)
	other.Key = r.Key
	if a := d.reserve(shop, other)[0]; a.Problem != nil || a.Decision.ID == first.Decision.ID {
		t.Errorf("for another user it is %+v", a)
	}
	if _, err := d.Release(t.Context(), shop, first.Decision.ID); err != nil {
		t.Fatal(err)
	}
	if p := d.reserve(shop, r)[0].Problem; p == nil || p.Reason != gate.Ended {
		t.Errorf("with the key of one that has ended it is %+v", p)
	}
}
