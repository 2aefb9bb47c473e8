package controllers

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/report"
)

// another adds a portfolio beside the fleet's, which settle does not reconcile.
func (f *fleet) another() *v1alpha1.BusinessPortfolio {
	f.t.Helper()
	portfolio := &v1alpha1.BusinessPortfolio{ObjectMeta: metav1.ObjectMeta{Name: "another-" + f.namespace}, Spec: v1alpha1.BusinessPortfolioSpec{DisplayName: "Another"}}
	f.must(f.Client.Create(f.ctx, portfolio))
	f.t.Cleanup(func() { _ = f.direct.Delete(f.t.Context(), portfolio) })
	return portfolio
}

func (f *fleet) reconcilePortfolio(portfolio *v1alpha1.BusinessPortfolio) ctrl.Result {
	f.t.Helper()
	result, err := f.portfolios.Reconcile(f.ctx, request(portfolio))
	f.must(err)
	f.must(f.direct.Get(f.ctx, client.ObjectKeyFromObject(portfolio), portfolio))
	return result
}

// move puts a number into a portfolio.
func (f *fleet) move(number *v1alpha1.PhoneNumber, to string) {
	f.t.Helper()
	f.must(f.direct.Get(f.ctx, client.ObjectKeyFromObject(number), number))
	number.Spec.PolicyName, number.Spec.Business.Portfolio = "", to
	f.must(f.Client.Update(f.ctx, number))
}

func (f *fleet) reportAt(subject string, kind report.Kind, value string, at time.Time) {
	f.t.Helper()
	_, err := f.Ledger.Append(f.ctx, counts.Batch{Reports: []report.Report{{Subject: report.ParseSubject(subject), Kind: kind, Value: value, At: at.Unix()}}}, f.clock.Now())
	f.must(err)
}

// A resource that names the number of another, which anyone can make in a namespace of their own, takes nothing away.
func TestADuplicateDoesNotTakeItsUsageToAnotherPortfolio(t *testing.T) {
	f := newFleet(t)
	a := f.number()
	f.settle()
	f.deliver(a.Spec.PhoneNumber, 100)
	elsewhere := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}
	f.must(f.direct.Create(f.ctx, elsewhere))
	time.Sleep(1100 * time.Millisecond) // of two that are as old, either may be the one
	other := f.another()
	f.create("", func(n *v1alpha1.PhoneNumber) {
		n.Namespace, n.Spec.PhoneNumber, n.Spec.Business.Portfolio = elsewhere.Name, a.Spec.PhoneNumber, other.Name
	})
	f.settle()
	f.reconcilePortfolio(other)
	if *other.Status.Numbers != 0 || *other.Status.Usage.Used != 0 {
		t.Errorf("the other portfolio has %d numbers, which used %d", *other.Status.Numbers, *other.Status.Usage.Used)
	}
	if used := f.Ledger.Count(counts.GroupSubject(f.portfolio.Name), v1alpha1.MeasureUniqueUsers, start.Add(-time.Hour), f.clock.Now()); used != 100 {
		t.Errorf("the portfolio of the number has used %d", used)
	}
}

// What Meta said of a number before it joined was about another limit.
func TestReportsFromBeforeANumberJoinsLeaveThePortfolioAsItIs(t *testing.T) {
	f := newFleet(t)
	f.number()
	f.settle()
	f.clock.advance(time.Minute)
	f.report(portfolioSubject(f.portfolio).String(), report.Limit, "100000")
	f.settle()

	alone := f.create("")
	f.reconcile(alone)
	f.clock.advance(time.Minute)
	f.report(alone.Spec.PhoneNumber, report.Limit, "10000")
	f.reconcile(alone)
	f.clock.advance(time.Minute)
	f.move(alone, f.portfolio.Name)
	f.numbers = append(f.numbers, alone)
	f.settle()
	if f.portfolio.Status.Tier.Name != "100K" || alone.Status.Tier.Name != "100K" || alone.Status.PortfolioReport != 1 {
		t.Fatalf("a number of 10K joins, and the portfolio shows %+v: %v", f.portfolio.Status.Tier, told(f.portfolio.Status.History))
	}
	// What is said from then on is about what it shares.
	f.clock.advance(time.Minute)
	f.report(alone.Spec.PhoneNumber, report.Limit, "2000")
	f.settle()
	if f.portfolio.Status.Tier.Name != "2K" {
		t.Errorf("Meta reports 2000 of a number, and the portfolio shows %+v", f.portfolio.Status.Tier)
	}
	// It takes none of it along.
	other := f.another()
	f.reconcilePortfolio(other)
	f.clock.advance(time.Minute)
	f.move(alone, other.Name)
	for range 3 {
		f.reconcile(alone)
		f.reconcilePortfolio(other)
	}
	if other.Status.Tier.Name != "250" || alone.Status.Tier.Name != "250" || alone.Status.PortfolioReport != 2 {
		t.Errorf("it moves, and the other portfolio shows %+v, the number %+v", other.Status.Tier, alone.Status.Tier)
	}
	f.settle()
	if f.portfolio.Status.Tier.Name != "2K" || *f.portfolio.Status.Numbers != 1 {
		t.Errorf("after it left the portfolio shows %+v", f.portfolio.Status.Tier)
	}
}

// As numbers do, a portfolio whose resources come later, or again, finds what was said of its numbers.
func TestAPortfolioThatComesLaterFindsItsReports(t *testing.T) {
	f := newFleet(t)
	phone := newNumber()
	f.report(phone, report.Limit, "10000")
	f.clock.advance(time.Hour)
	f.report(phone, report.Verification, "Verified")
	f.clock.advance(time.Hour)
	f.number(func(n *v1alpha1.PhoneNumber) { n.Spec.PhoneNumber = phone })
	f.settle()
	if s := f.portfolio.Status; s.Tier.Name != "10K" || s.Tier.Source != v1alpha1.FromReport || s.Verification.State != v1alpha1.Verified {
		t.Errorf("the portfolio shows %+v, %+v", s.Tier, s.Verification)
	}
}

func TestAPortfolioThatIsCreatedAgainHasTheLimitOfItsNumbers(t *testing.T) {
	f := newFleet(t)
	a := f.number()
	f.settle()
	f.clock.advance(time.Minute)
	f.report(portfolioSubject(f.portfolio).String(), report.Limit, "100000")
	f.settle()
	if a.Status.Tier.Name != "100K" {
		t.Fatalf("the number shows %+v", a.Status.Tier)
	}
	f.must(f.Client.Delete(f.ctx, f.portfolio))
	f.reconcile(a)
	f.portfolio = &v1alpha1.BusinessPortfolio{ObjectMeta: metav1.ObjectMeta{Name: f.portfolio.Name}, Spec: v1alpha1.BusinessPortfolioSpec{DisplayName: "Acme"}}
	f.must(f.Client.Create(f.ctx, f.portfolio))
	f.clock.advance(time.Minute)
	f.settle()
	if f.portfolio.Status.Tier.Name != "100K" || a.Status.Tier.Name != "100K" {
		t.Errorf("created again the portfolio shows %+v", f.portfolio.Status.Tier)
	}
}

// Clocks differ: what Meta says of a number from ahead of ours is taken once, when ours is there.
func TestAReportOfAMemberFromAheadOfTheClock(t *testing.T) {
	f := newFleet(t)
	a := f.number()
	f.settle()
	f.reportAt(a.Spec.PhoneNumber, report.Limit, "10000", f.clock.Now().Add(10*time.Minute))
	var versions []string
	for range 3 {
		f.at(time.Minute)
		versions = append(versions, f.portfolio.ResourceVersion)
	}
	if len(slices.Compact(versions)) > 1 {
		t.Error("while the clock is not there the portfolio is written again and again")
	}
	if wait := f.reconcilePortfolio(f.portfolio).RequeueAfter; wait <= 0 || wait > 7*time.Minute {
		t.Errorf("it wakes after %s", wait)
	}
	f.at(7 * time.Minute)
	f.expect("history", told(f.portfolio.Status.History), []string{"03-02 09:10:00 LimitReported 250 -> 10K"})
}

// Which numbers are counted together is not kept over a restart: until a portfolio was reconciled, it has no figure rather
// than one that shows room.
func TestMetricsOfAPortfolioAfterAStart(t *testing.T) {
	f := newFleet(t)
	a := f.number()
	f.deliver(a.Spec.PhoneNumber, 42)
	f.settle()
	figures := func() string {
		registry := prometheus.NewRegistry()
		registry.MustRegister(&Fleet{Numbers: f.Client, Ledger: f.Ledger, Samples: f.Samples, Clock: f.clock})
		families, err := registry.Gather()
		f.must(err)
		var lines []string
		for _, family := range families {
			for _, m := range family.GetMetric() {
				for _, label := range m.GetLabel() {
					if v := label.GetValue(); label.GetName() == "name" && strings.HasSuffix(family.GetName(), "used") && (v == a.Name || v == f.portfolio.Name) {
						lines = append(lines, fmt.Sprint(family.GetName(), " ", m.GetGauge().GetValue()))
					}
				}
			}
		}
		return strings.Join(lines, "\n")
	}
	if got, want := figures(), "numberfleet_phone_number_own_used 42\nnumberfleet_phone_number_used 42\nnumberfleet_portfolio_used 42"; got != want {
		t.Errorf("the figures are\n%s", got)
	}
	f.must(f.Ledger.Group(f.portfolio.Name, nil)) // as after a start
	if got, want := figures(), "numberfleet_phone_number_own_used 42"; got != want {
		t.Errorf("after a start the figures are\n%s", got)
	}
}

// What a number sent, and how it was rated, before it joined decides nothing of the portfolio's past.
func TestANumberThatJoinsChangesNothingBefore(t *testing.T) {
	f := newFleet(t, func(s *v1alpha1.BusinessPortfolioSpec) { s.Verification = v1alpha1.Verified })
	a := f.number()
	f.settle()
	f.clock.advance(time.Hour)
	f.deliver(a.Spec.PhoneNumber, 1000)
	f.settle()
	alone := f.create("", func(n *v1alpha1.PhoneNumber) { n.Spec.Verification = v1alpha1.Verified })
	f.clock.advance(time.Hour)
	f.report(alone.Spec.PhoneNumber, report.Quality, "Medium")
	f.deliver(alone.Spec.PhoneNumber, 900)
	f.reconcile(alone)
	f.clock.advance(time.Minute)
	f.report(alone.Spec.PhoneNumber, report.Quality, "High")
	f.deliver(alone.Spec.PhoneNumber, 100)
	f.reconcile(alone)
	f.clock.advance(time.Hour)
	f.move(alone, f.portfolio.Name)
	f.numbers = append(f.numbers, alone)
	f.settle()
	f.expect("history", told(f.portfolio.Status.History), []string{"03-02 10:00:00 UpgradePending 2K -> 10K", "03-02 12:01:00 Restricted"})
	if *alone.Status.Usage.Used != 2000 || alone.Status.State != v1alpha1.StateRestricted {
		t.Errorf("the number shows %+v", alone.Status)
	}
}

func TestNobodyKeepsTheDeadlinesOfWhatIsNotReady(t *testing.T) {
	f := newFleet(t)
	a := f.number()
	f.deliver(a.Spec.PhoneNumber, 250)
	f.settle()
	if a.Status.NextDeadlineTime.IsZero() || f.portfolio.Status.NextDeadlineTime.IsZero() {
		t.Fatal("a restriction has no end")
	}
	f.portfolio.Spec.PolicyName = "nowhere"
	f.must(f.Client.Update(f.ctx, f.portfolio))
	f.settle()
	if !a.Status.NextDeadlineTime.IsZero() || !f.portfolio.Status.NextDeadlineTime.IsZero() {
		t.Errorf("without its policy the portfolio is due at %s, the number at %s", f.portfolio.Status.NextDeadlineTime, a.Status.NextDeadlineTime)
	}
}

// The controllers as they run in the operator, each woken by what it sees of the others.
func TestRunningFleet(t *testing.T) {
	f := newFleet(t)
	manager := f.manager()
	f.must(SetupIndexes(f.ctx, manager.GetFieldIndexer()))
	var writes atomic.Int64
	through := counting{manager.GetClient(), f.namespace, &writes}
	metrics, batch := NewMetrics(prometheus.NewRegistry()), 20*time.Millisecond
	throttle := unthrottled()
	f.must((&PhoneNumberReconciler{Operator{Client: through, Cache: manager.GetCache(), Clock: f.clock, Ledger: f.Ledger, Samples: f.Samples, Receipts: f.Receipts, Presence: f.Presence, Recorder: f.recorder, Metrics: metrics, Throttle: throttle, BatchPeriod: batch, Concurrency: 2}}).SetupWithManager(manager))
	f.must((&BusinessPortfolioReconciler{Operator{Client: through, Cache: manager.GetCache(), Clock: f.clock, Ledger: f.Ledger, Samples: f.Samples, Receipts: f.Receipts, Presence: f.Presence, Recorder: f.recorder, Metrics: metrics, Throttle: throttle, BatchPeriod: batch, Concurrency: 2}}).SetupWithManager(manager))
	f.must((&MessageTemplateReconciler{Operator{Client: through, Cache: manager.GetCache(), Clock: f.clock, Ledger: f.Ledger, Samples: f.Samples, Receipts: f.Receipts, Presence: f.Presence, Recorder: f.recorder, Metrics: metrics, Throttle: throttle, BatchPeriod: batch, Concurrency: 2}}).SetupWithManager(manager))
	f.start(manager)

	a, b := f.number(), f.number()
	template := f.template("offer")
	portfolio := func(what string, fits func(*v1alpha1.BusinessPortfolioStatus) bool) {
		t.Helper()
		f.eventually(a, what, func() bool {
			f.must(f.direct.Get(f.ctx, client.ObjectKeyFromObject(f.portfolio), f.portfolio))
			return fits(&f.portfolio.Status)
		})
	}
	portfolio("two numbers are counted", func(s *v1alpha1.BusinessPortfolioStatus) bool {
		return s.Numbers != nil && *s.Numbers == 2 && s.Connection.State == v1alpha1.StateConnected
	})
	f.deliver(a.Spec.PhoneNumber, 250)
	f.eventually(b, "what one number used restricts the other", func() bool { return b.Status.State == v1alpha1.StateRestricted })
	f.report(a.Spec.PhoneNumber, report.Limit, "10000")
	f.eventually(b, "what is said of one limit is said of both", func() bool { return b.Status.Tier.Name == "10K" && b.Status.State == v1alpha1.StateConnected })
	f.report(a.Spec.PhoneNumber, report.Quality, "Medium")
	portfolio("a number's rating", func(s *v1alpha1.BusinessPortfolioStatus) bool { return s.Quality.Rating == v1alpha1.QualityMedium })
	f.report(templateSubject(template).String(), report.Quality, "Low")
	portfolio("a template's rating", func(s *v1alpha1.BusinessPortfolioStatus) bool { return s.Quality.Rating == v1alpha1.QualityLow })
	f.eventually(b, "the number shows the template", func() bool {
		return len(b.Status.Templates) == 1 && b.Status.Templates[0].State == v1alpha1.TemplatePaused
	})
	f.must(f.direct.Delete(f.ctx, template))
	portfolio("the template is gone", func(s *v1alpha1.BusinessPortfolioStatus) bool { return s.Quality.Rating == v1alpha1.QualityMedium })
	f.eventually(b, "the template is gone from the number", func() bool { return len(b.Status.Templates) == 0 })

	// At rest nothing is written, however long it lasts.
	time.Sleep(500 * time.Millisecond)
	rest := writes.Load()
	f.clock.advance(time.Minute)
	time.Sleep(1500 * time.Millisecond)
	if n := writes.Load() - rest; n > 0 || rest == 0 {
		t.Errorf("a fleet at rest was written %d times", n)
	}

	f.must(f.direct.Get(f.ctx, client.ObjectKeyFromObject(a), a))
	a.Spec.Business.Portfolio = ""
	f.must(f.direct.Update(f.ctx, a))
	portfolio("a number has left", func(s *v1alpha1.BusinessPortfolioStatus) bool {
		return *s.Numbers == 1 && *s.Usage.Used == 0 && s.Quality.Rating == v1alpha1.QualityUnknown
	})
	f.eventually(a, "the number that left is alone", func() bool { return a.Status.Portfolio == "" && *a.Status.Usage.Used == 250 })
	f.must(f.direct.Delete(f.ctx, f.portfolio))
	f.eventually(b, "the portfolio is gone", func() bool {
		ready := meta.FindStatusCondition(b.Status.Conditions, v1alpha1.ConditionReady)
		return ready != nil && ready.Reason == v1alpha1.ReasonPortfolioNotFound
	})
}

// What a number or template was rated while the operator was down belongs to that time, whichever is looked at first after it.
func TestAPortfolioWaitsForRatings(t *testing.T) {
	for what, rating := range map[string]v1alpha1.QualityRating{"number": v1alpha1.QualityLow, "template": v1alpha1.QualityMedium} {
		t.Run(what, func(t *testing.T) {
			f := newFleet(t, func(s *v1alpha1.BusinessPortfolioSpec) { s.Verification = v1alpha1.Verified })
			number, template := f.number(), f.template("offer")
			subject := map[string]string{"number": number.Spec.PhoneNumber, "template": templateSubject(template).String()}[what]
			f.settle()
			f.clock.advance(time.Hour)
			f.report(subject, report.Quality, string(rating))
			f.clock.advance(time.Hour)
			f.deliver(number.Spec.PhoneNumber, 1000) // half of the limit, in quality that is not High
			f.clock.advance(10 * time.Hour)
			if result := f.reconcilePortfolio(f.portfolio); result.RequeueAfter == 0 {
				t.Error("nothing brings the portfolio back")
			}
			f.settle()
			if len(f.portfolio.Status.History) > 0 {
				t.Errorf("the portfolio went through %v", f.portfolio.Status.History)
			}
			if f.portfolio.Status.Quality.Rating != rating || *f.portfolio.Status.Usage.Used != 1000 {
				t.Errorf("the portfolio is rated %s and has used %d", f.portfolio.Status.Quality.Rating, *f.portfolio.Status.Usage.Used)
			}
		})
	}
}
