package controllers

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/meta/graphtest"
	"numberfleet.dev/numberfleet/internal/timelapse"
)

// calls are how many calls about an account were answered within any hour, at most, and how many were refused for it.
func (p *polling) calls(account string) (most, refused int) {
	var at []time.Time
	for _, call := range p.meta.Calls() {
		if call.Node != account {
			continue
		}
		if call.Code == 80008 {
			refused++
			continue
		}
		at = append(at, call.At)
		for call.At.Sub(at[0]) >= time.Hour {
			at = at[1:]
		}
		most = max(most, len(at))
	}
	return most, refused
}

// Two hundred numbers of four accounts live through eight hours in which calls fail now and then, answers are slow, another
// program uses up most of an allowance, the token is renewed and the operator starts anew. What Meta says of them changes
// all the while. No number is stale for longer than two periods, the calls stay within the allowance, and what is written is
// what changed.
func TestAFleetIsFollowedThroughHoursOfTrouble(t *testing.T) {
	const numbers, hours, period = 200, 8, 15 * time.Minute
	accounts := []string{"2001", "2002", "2003", "2004"}
	p := newPolling(t, accounts...)
	p.Poller.Timeout = time.Second
	p.restart()
	var fleet []*v1alpha1.PhoneNumber
	for i := range numbers {
		fleet = append(fleet, p.number(accounts[i%4], fmt.Sprint(100001+i)))
	}
	began := p.bench.clock.Now()
	// What Meta says of each number, by the time from which it says it.
	type fact struct {
		at    time.Time
		value string
	}
	said := make([][]fact, numbers)
	dice := rand.New(rand.NewPCG(7, 2026))
	changes := 0
	for i := range numbers {
		for at := began.Add(time.Duration(dice.Int64N(int64(2 * time.Hour)))); at.Before(began.Add(hours * time.Hour)); at = at.Add(time.Hour + time.Duration(dice.Int64N(int64(3*time.Hour)))) {
			which := dice.IntN(3)
			p.meta.Change(at, fmt.Sprint(100001+i), graphtest.Fields{"quality_rating": []string{"GREEN", "YELLOW", "RED"}[which]})
			said[i] = append(said[i], fact{at, []string{"High", "Medium", "Low"}[which]})
			changes++
		}
	}
	at := func(hours float64) time.Time { return began.Add(time.Duration(hours * float64(time.Hour))) }
	for hour := range hours {
		// One call of each account fails each hour, in one way or another.
		for i, account := range accounts {
			fault := []graphtest.Fault{
				{Refusal: graphtest.Unavailable()},
				{Status: http.StatusServiceUnavailable, Body: "<html>", Header: http.Header{"Retry-After": {"90"}}},
				{Close: true},
				{Delay: 1100 * time.Millisecond},
				{Truncate: 100},
			}[(hour+i)%5]
			fault.Path, fault.From, fault.Times = account+"/phone_numbers", at(float64(hour)+0.5), 1
			p.meta.Fail(fault)
		}
	}
	p.meta.Fail(graphtest.Fault{From: at(3), Until: at(3.15), Refusal: graphtest.Unavailable()}) // an outage of 9 minutes

	latest := map[string]time.Time{} // when each account was read last, as the API server and the ledger show it
	for _, account := range accounts {
		latest[account] = began
	}
	renewed, restarted, crowded := false, false, false
	for p.bench.clock.Since(began) < hours*time.Hour {
		now := p.bench.clock.Now()
		if !renewed && now.After(at(4)) {
			renewed = true
			p.meta.AddToken("EAArenewed")
			p.token("EAArenewed")
			p.meta.RevokeToken(pollToken)
		}
		if !restarted && now.After(at(5)) {
			restarted = true
			p.restart()
		}
		if !crowded && now.After(at(6)) {
			crowded = true
			p.meta.Use("2002", 170)
		}
		p.tick()
		now = p.bench.clock.Now()
		for i, number := range fleet {
			a := p.accounts[accounts[i%4]]
			if a.read.Equal(now) && a.failures == 0 {
				latest[a.id] = now
			}
			if age := now.Sub(latest[a.id]); age > 2*period {
				t.Fatalf("at %s account %s was not read for %s", now.Sub(began), a.id, age)
			}
			// What Meta said two periods ago, or something newer, is known.
			known := lastReports(p.Poller.Ledger, number.Spec.PhoneNumber)[ledger.QualityReport].Value
			var allowed []string
			for _, f := range said[i] {
				if f.at.Before(now.Add(-2 * period)) {
					allowed = nil
				}
				if !f.at.After(now) {
					allowed = append(allowed, f.value)
				}
			}
			if len(said[i]) == 0 || said[i][0].at.After(now.Add(-2*period)) {
				continue
			}
			if !slices.Contains(allowed, known) {
				t.Fatalf("at %s number %d is known to be %q, and Meta has said %q", now.Sub(began), i, known, allowed)
			}
		}
	}

	for _, account := range accounts {
		most, refused := p.calls(account)
		if most > graphtest.Allowance || refused > 2 {
			t.Errorf("account %s took %d calls within an hour, and %d were refused", account, most, refused)
		}
		t.Logf("account %s: at most %d calls within an hour, %d refused", account, most, refused)
	}
	// Each change is one report at most: one that was undone before it was read is none.
	reports := 0
	for _, number := range fleet {
		all := p.Poller.Ledger.Reports(number.Spec.PhoneNumber, 0)
		reports += len(all) - 4
		last := map[ledger.ReportKind]string{}
		for _, r := range all {
			if last[r.Kind] == r.Value {
				t.Errorf("%s %s was reported twice in a row", r.Kind, r.Value)
			}
			last[r.Kind] = r.Value
		}
		p.wantReason(number, v1alpha1.ReasonPolled)
		// The condition was written once: nothing that passed was worth a write.
		if since := p.get(number).LastTransitionTime.Sub(began); since > 2*period {
			t.Errorf("the condition is of %s later", since)
		}
	}
	t.Logf("%d changes at Meta, %d reports", changes, reports)
	if reports > changes || reports < changes/2 {
		t.Errorf("of %d changes %d were reported", changes, reports)
	}
}

// The operator's own controllers, on a clock that runs a thousand times faster: what is read arrives in the status.
func TestTheRunningPollerOnAFastClock(t *testing.T) {
	p := newPolling(t, "2001")
	var fleet []*v1alpha1.PhoneNumber
	for i := range 20 {
		fleet = append(fleet, p.number("2001", fmt.Sprint(1001+i)))
	}
	fast, err := timelapse.New(clock.RealClock{}, clock.RealClock{}.Now(), start, 1000)
	p.must(err)
	p.meta = graphtest.New(fast)
	p.meta.AddToken(pollToken)
	p.meta.AddBusiness(portfolio, "Acme")
	p.meta.AddAccount("2001", portfolio, "Acme")
	for i, n := range fleet {
		p.meta.AddPhoneNumber(fmt.Sprint(1001+i), "2001", n.Spec.PhoneNumber, "Acme")
	}
	server := httptest.NewServer(p.meta)
	t.Cleanup(server.Close)
	manager := p.manager()
	p.must(SetupIndexes(p.ctx, manager.GetFieldIndexer()))
	p.PhoneNumberReconciler.Client, p.PhoneNumberReconciler.Clock = manager.GetClient(), fast
	p.must(p.PhoneNumberReconciler.SetupWithManager(manager))
	settings := p.Poller.Config
	settings.BaseURL = server.URL
	poller := &Poller{Config: settings, Client: manager.GetClient(), Clock: fast, Ledger: p.PhoneNumberReconciler.Ledger, Metrics: NewPollMetrics(prometheus.NewRegistry())}
	p.must(poller.SetupWithManager(manager))
	p.start(manager)

	rated := func(want v1alpha1.QualityRating) func() bool {
		return func() bool { return fleet[19].Status.Quality.Rating == want && p.get(fleet[19]) != nil }
	}
	p.meta.Set("1020", graphtest.Fields{"quality_rating": "GREEN"})
	p.eventually(fleet[19], "the rating is High", rated(v1alpha1.QualityHigh))
	p.meta.Set("1020", graphtest.Fields{"quality_rating": "YELLOW"})
	p.eventually(fleet[19], "the rating is Medium", rated(v1alpha1.QualityMedium))

	// An account that a number is moved to, and that is not read.
	patch := client.MergeFrom(fleet[0].DeepCopy())
	fleet[0].Spec.Business.WhatsAppBusinessAccountID = "2999"
	p.must(p.direct.Patch(p.ctx, fleet[0], patch))
	p.eventually(fleet[0], "the condition is gone", func() bool { return p.get(fleet[0]) == nil })

	if most, refused := p.calls("2001"); most > graphtest.Allowance || refused > 0 {
		t.Errorf("%d calls within an hour, %d refused", most, refused)
	}
	// A last time per period at most: no reconcile comes without need.
	if answered := testutil.ToFloat64(poller.Metrics.calls.WithLabelValues("2001", "ok")); answered < 4 {
		t.Errorf("%v calls were answered", answered)
	}
}
