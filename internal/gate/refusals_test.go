package gate_test

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/gate"
	"numberfleet.dev/numberfleet/internal/gate/gatetest"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/server/servertest"
)

func TestRefusalsAreToldOnceWhenTheyBeginAndOnceWhenTheyAreOver(t *testing.T) {
	d := newDesk(t, 1)
	for user := range 4 {
		d.reserve(shop, to(user))
	}
	told := func() string {
		select {
		case event := <-d.Recorder.Events:
			return event
		default:
			return ""
		}
	}
	want := "Warning ReservationsRefused LimitReached: 0 of 1 are used and 1 are held; the first place is free at 2026-11-02T12:10:00Z"
	if event, more := told(), told(); event != want || more != "" {
		t.Errorf("it tells %q, then %q", event, more)
	}
	go func() { _ = d.Start(t.Context()) }()
	for !d.clock.HasWaiters() {
		time.Sleep(time.Millisecond)
	}
	d.clock.Step(time.Hour)
	want = "Normal ReservationsRefused LimitReached is over: 3 reservations from 2026-11-01T12:00:00Z to 2026-11-01T12:00:00Z, and none for an hour"
	if event := <-d.Recorder.Events; event != want {
		t.Errorf("it tells %q", event)
	}
}

func TestWhatIsUsedUpIsToldOfThePortfolioThatHasTheLimit(t *testing.T) {
	d := newDesk(t, 1)
	d.Recorder.Verbose = true
	kind := func(name string) metav1.TypeMeta {
		return metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: name}
	}
	d.Fleet.Numbers[0].TypeMeta, d.Fleet.Numbers[0].Status.Portfolio = kind("PhoneNumber"), "acme"
	d.Fleet.Portfolios = []*v1alpha1.BusinessPortfolio{{TypeMeta: kind("BusinessPortfolio"), ObjectMeta: metav1.ObjectMeta{Name: "acme"}}}
	closed := to(3)
	closed.FreeForm = true
	d.reserve(shop, to(1), to(2), closed)
	for _, want := range []string{"LimitReached: {kind=BusinessPortfolio,", "OutsideWindow: {kind=PhoneNumber,"} {
		event := <-d.Recorder.Events
		reason, of, _ := strings.Cut(want, " ")
		if !strings.Contains(event, reason) || !strings.Contains(event, of) {
			t.Errorf("it tells %q, want %q", event, want)
		}
	}
}

func TestInShadowEverythingIsGrantedAndWhatWouldHaveBeenRefusedIsCountedAndTold(t *testing.T) {
	d := newDesk(t, 1)
	d.Configure(t, counts.LimitSetting{Subject: gatetest.Number, Limit: 1, Shadow: true})
	answers := d.reserve(shop, to(1), to(2), to(3))
	d.expect(answers, "Held Reserved", "Held LimitReached", "Held LimitReached")
	if !answers[1].Decision.Shadow || gate.Remaining(&answers[1].Decision) != 0 {
		t.Errorf("the decision is %+v", answers[1].Decision)
	}
	if event := <-d.Recorder.Events; !strings.HasPrefix(event, "Warning ReservationsWouldBeRefused LimitReached: 0 of 1 are used and 2 are held") {
		t.Errorf("it tells %q", event)
	}
	for name, want := range map[string]string{
		"numberfleet_gate_shadow_refusals_total": `numberfleet_gate_shadow_refusals_total{why="LimitReached"} 2`,
		"numberfleet_gate_decisions_total": `numberfleet_gate_decisions_total{state="Held"}{why="LimitReached"} 2
numberfleet_gate_decisions_total{state="Held"}{why="Reserved"} 1`,
	} {
		if got := servertest.Counter(t, d.Metrics, name); got != want {
			t.Errorf("%s is\n%s\nwant\n%s", name, got, want)
		}
	}
}
