package controllers_test

import (
	"context"
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
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/fleet"
	"numberfleet.dev/numberfleet/controllers/internal/controllertest"
	"numberfleet.dev/numberfleet/controllers/internal/lookup"
	"numberfleet.dev/numberfleet/controllers/internal/reconciler"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/report"
)

// A resource that names the number of another, which anyone can make in a namespace of their own, takes nothing away.
func TestADuplicateDoesNotTakeItsUsageToAnotherPortfolio(t *testing.T) {
	f := controllertest.NewFleet(t)
	a := f.Number()
	f.Settle()
	f.Deliver(a.Spec.PhoneNumber, 100)
	elsewhere := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}
	f.Must(f.Direct.Create(f.Ctx, elsewhere))
	time.Sleep(1100 * time.Millisecond) // of two that are as old, either may be the one
	other := f.Another()
	f.Create("", func(n *v1alpha1.PhoneNumber) {
		n.Namespace, n.Spec.PhoneNumber, n.Spec.Business.Portfolio = elsewhere.Name, a.Spec.PhoneNumber, other.Name
	})
	f.Settle()
	f.ReconcilePortfolio(other)
	if *other.Status.Numbers != 0 || *other.Status.Usage.Used != 0 {
		t.Errorf("the other portfolio has %d numbers, which used %d", *other.Status.Numbers, *other.Status.Usage.Used)
	}
	if used := f.Ledger.Count(counts.PortfolioKey(f.Portfolio.Name), v1alpha1.MeasureUniqueUsers, controllertest.Start.Add(-time.Hour), f.FakeClock.Now()); used != 100 {
		t.Errorf("the portfolio of the number has used %d", used)
	}
}

// What Meta said of a number before it joined was about another limit.
func TestReportsFromBeforeANumberJoinsLeaveThePortfolioAsItIs(t *testing.T) {
	f := controllertest.NewFleet(t)
	f.Number()
	f.Settle()
	f.FakeClock.Advance(time.Minute)
	f.Report(lookup.PortfolioSubject(f.Portfolio).String(), report.Limit, "100000")
	f.Settle()

	alone := f.Create("")
	f.Evaluate(alone)
	f.FakeClock.Advance(time.Minute)
	f.Report(alone.Spec.PhoneNumber, report.Limit, "10000")
	f.Evaluate(alone)
	f.FakeClock.Advance(time.Minute)
	f.Move(alone, f.Portfolio.Name)
	f.Numbers = append(f.Numbers, alone)
	f.Settle()
	if f.Portfolio.Status.Tier.Name != "100K" || alone.Status.Tier.Name != "100K" || alone.Status.PortfolioReport != 1 {
		t.Fatalf("a number of 10K joins, and the portfolio shows %+v: %v", f.Portfolio.Status.Tier, controllertest.Told(f.Portfolio.Status.History))
	}
	// What is said from then on is about what it shares.
	f.FakeClock.Advance(time.Minute)
	f.Report(alone.Spec.PhoneNumber, report.Limit, "2000")
	f.Settle()
	if f.Portfolio.Status.Tier.Name != "2K" {
		t.Errorf("Meta reports 2000 of a number, and the portfolio shows %+v", f.Portfolio.Status.Tier)
	}
	// It takes none of it along.
	other := f.Another()
	f.ReconcilePortfolio(other)
	f.FakeClock.Advance(time.Minute)
	f.Move(alone, other.Name)
	for range 3 {
		f.Evaluate(alone)
		f.ReconcilePortfolio(other)
	}
	if other.Status.Tier.Name != "250" || alone.Status.Tier.Name != "250" || alone.Status.PortfolioReport != 2 {
		t.Errorf("it moves, and the other portfolio shows %+v, the number %+v", other.Status.Tier, alone.Status.Tier)
	}
	f.Settle()
	if f.Portfolio.Status.Tier.Name != "2K" || *f.Portfolio.Status.Numbers != 1 {
		t.Errorf("after it left the portfolio shows %+v", f.Portfolio.Status.Tier)
	}
}

// As numbers do, a portfolio whose resources come later, or again, finds what was said of its numbers.
func TestAPortfolioThatComesLaterFindsItsReports(t *testing.T) {
	f := controllertest.NewFleet(t)
	phone := controllertest.NewNumber()
	f.Report(phone, report.Limit, "10000")
	f.FakeClock.Advance(time.Hour)
	f.Report(phone, report.Verification, "Verified")
	f.FakeClock.Advance(time.Hour)
	f.Number(func(n *v1alpha1.PhoneNumber) { n.Spec.PhoneNumber = phone })
	f.Settle()
	if s := f.Portfolio.Status; s.Tier.Name != "10K" || s.Tier.Source != v1alpha1.FromReport || s.Verification.State != v1alpha1.Verified {
		t.Errorf("the portfolio shows %+v, %+v", s.Tier, s.Verification)
	}
}

func TestAPortfolioThatIsCreatedAgainHasTheLimitOfItsNumbers(t *testing.T) {
	f := controllertest.NewFleet(t)
	a := f.Number()
	f.Settle()
	f.FakeClock.Advance(time.Minute)
	f.Report(lookup.PortfolioSubject(f.Portfolio).String(), report.Limit, "100000")
	f.Settle()
	if a.Status.Tier.Name != "100K" {
		t.Fatalf("the number shows %+v", a.Status.Tier)
	}
	f.Must(f.Client.Delete(f.Ctx, f.Portfolio))
	f.Evaluate(a)
	f.Portfolio = &v1alpha1.BusinessPortfolio{ObjectMeta: metav1.ObjectMeta{Name: f.Portfolio.Name}, Spec: v1alpha1.BusinessPortfolioSpec{DisplayName: "Acme"}}
	f.Must(f.Client.Create(f.Ctx, f.Portfolio))
	f.FakeClock.Advance(time.Minute)
	f.Settle()
	if f.Portfolio.Status.Tier.Name != "100K" || a.Status.Tier.Name != "100K" {
		t.Errorf("created again the portfolio shows %+v", f.Portfolio.Status.Tier)
	}
}

// Clocks differ: what Meta says of a number from ahead of ours is taken once, when ours is there.
func TestAReportOfAMemberFromAheadOfTheClock(t *testing.T) {
	f := controllertest.NewFleet(t)
	a := f.Number()
	f.Settle()
	f.ReportAt(a.Spec.PhoneNumber, report.Limit, "10000", f.FakeClock.Now().Add(10*time.Minute))
	var versions []string
	for range 3 {
		f.At(time.Minute)
		versions = append(versions, f.Portfolio.ResourceVersion)
	}
	if len(slices.Compact(versions)) > 1 {
		t.Error("while the clock is not there the portfolio is written again and again")
	}
	if wait := f.ReconcilePortfolio(f.Portfolio).RequeueAfter; wait <= 0 || wait > 7*time.Minute {
		t.Errorf("it wakes after %s", wait)
	}
	f.At(7 * time.Minute)
	f.Expect("history", controllertest.Told(f.Portfolio.Status.History), []string{"03-02 09:10:00 LimitReported 250 -> 10K"})
}

// Which numbers are counted together is not kept over a restart: until a portfolio was reconciled, it has no figure rather
// than one that shows room.
func TestMetricsOfAPortfolioAfterAStart(t *testing.T) {
	f := controllertest.NewFleet(t)
	a := f.Number()
	f.Deliver(a.Spec.PhoneNumber, 42)
	f.Settle()
	figures := func() string {
		families, err := f.Figures().Gather()
		f.Must(err)
		var lines []string
		for _, family := range families {
			for _, m := range family.GetMetric() {
				for _, label := range m.GetLabel() {
					if v := label.GetValue(); label.GetName() == "name" && strings.HasSuffix(family.GetName(), "used") && (v == a.Name || v == f.Portfolio.Name) {
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
	f.Must(f.Ledger.SetPortfolio(f.Portfolio.Name, nil)) // as after a start
	if got, want := figures(), "numberfleet_phone_number_own_used 42"; got != want {
		t.Errorf("after a start the figures are\n%s", got)
	}
}

// What a number sent, and how it was rated, before it joined decides nothing of the portfolio's past.
func TestANumberThatJoinsChangesNothingBefore(t *testing.T) {
	f := controllertest.NewFleet(t, func(s *v1alpha1.BusinessPortfolioSpec) { s.Verification = v1alpha1.Verified })
	a := f.Number()
	f.Settle()
	f.FakeClock.Advance(time.Hour)
	f.Deliver(a.Spec.PhoneNumber, 1000)
	f.Settle()
	alone := f.Create("", func(n *v1alpha1.PhoneNumber) { n.Spec.Verification = v1alpha1.Verified })
	f.FakeClock.Advance(time.Hour)
	f.Report(alone.Spec.PhoneNumber, report.Quality, "Medium")
	f.Deliver(alone.Spec.PhoneNumber, 900)
	f.Evaluate(alone)
	f.FakeClock.Advance(time.Minute)
	f.Report(alone.Spec.PhoneNumber, report.Quality, "High")
	f.Deliver(alone.Spec.PhoneNumber, 100)
	f.Evaluate(alone)
	f.FakeClock.Advance(time.Hour)
	f.Move(alone, f.Portfolio.Name)
	f.Numbers = append(f.Numbers, alone)
	f.Settle()
	f.Expect("history", controllertest.Told(f.Portfolio.Status.History), []string{"03-02 10:00:00 UpgradePending 2K -> 10K", "03-02 12:01:00 Restricted"})
	if *alone.Status.Usage.Used != 2000 || alone.Status.State != v1alpha1.StateRestricted {
		t.Errorf("the number shows %+v", alone.Status)
	}
}

func TestNobodyKeepsTheDeadlinesOfWhatIsNotReady(t *testing.T) {
	f := controllertest.NewFleet(t)
	a := f.Number()
	f.Deliver(a.Spec.PhoneNumber, 250)
	f.Settle()
	if a.Status.NextDeadlineTime.IsZero() || f.Portfolio.Status.NextDeadlineTime.IsZero() {
		t.Fatal("a restriction has no end")
	}
	f.Portfolio.Spec.PolicyName = "nowhere"
	f.Must(f.Client.Update(f.Ctx, f.Portfolio))
	f.Settle()
	if !a.Status.NextDeadlineTime.IsZero() || !f.Portfolio.Status.NextDeadlineTime.IsZero() {
		t.Errorf("without its policy the portfolio is due at %s, the number at %s", f.Portfolio.Status.NextDeadlineTime, a.Status.NextDeadlineTime)
	}
}

// The controllers as they run in the operator, each woken by what it sees of the others.
func TestRunningFleet(t *testing.T) {
	f := controllertest.NewFleet(t)
	manager := f.Manager()
	f.Must(lookup.SetupIndexes(f.Ctx, manager.GetFieldIndexer()))
	var writes atomic.Int64
	through := counting{manager.GetClient(), f.Namespace, &writes}
	running := f.Operator
	running.Real = clock.RealClock{}
	running.Client, running.Cache, running.Policies.Reader = through, manager.GetCache(), manager.GetCache()
	running.Metrics, running.Throttle = reconciler.NewMetrics(prometheus.NewRegistry()), controllertest.Unthrottled()
	running.BatchPeriod, running.Concurrency = 20*time.Millisecond, 2
	f.Must((&fleet.Reconciler{Operator: running}).SetupWithManager(manager))
	deleted := "deleted-" + f.Namespace
	f.Must(f.Ledger.SetPortfolio(deleted, []string{"+15550009999"}))
	f.StartManager(manager)

	a, b := f.Number(), f.Number()
	template := f.Template("offer")
	portfolio := func(what string, fits func(*v1alpha1.BusinessPortfolioStatus) bool) {
		t.Helper()
		f.Eventually(a, what, func() bool {
			f.Must(f.Direct.Get(f.Ctx, client.ObjectKeyFromObject(f.Portfolio), f.Portfolio))
			return fits(&f.Portfolio.Status)
		})
	}
	f.Eventually(a, "a portfolio that was deleted while the operator was down is no longer counted", func() bool {
		return !slices.Contains(f.Ledger.Portfolios(), deleted)
	})
	portfolio("two numbers are counted", func(s *v1alpha1.BusinessPortfolioStatus) bool {
		return s.Numbers != nil && *s.Numbers == 2 && s.Connection.State == v1alpha1.StateConnected
	})
	f.Deliver(a.Spec.PhoneNumber, 250)
	f.Eventually(b, "what one number used restricts the other", func() bool { return b.Status.State == v1alpha1.StateRestricted })
	f.Report(a.Spec.PhoneNumber, report.Limit, "10000")
	f.Eventually(b, "what is said of one limit is said of both", func() bool { return b.Status.Tier.Name == "10K" && b.Status.State == v1alpha1.StateConnected })
	f.Report(a.Spec.PhoneNumber, report.Quality, "Medium")
	portfolio("a number's rating", func(s *v1alpha1.BusinessPortfolioStatus) bool { return s.Quality.Rating == v1alpha1.QualityMedium })
	f.Report(lookup.TemplateSubject(template).String(), report.Quality, "Low")
	portfolio("a template's rating", func(s *v1alpha1.BusinessPortfolioStatus) bool { return s.Quality.Rating == v1alpha1.QualityLow })
	f.Eventually(b, "the number shows the template", func() bool {
		return len(b.Status.Templates) == 1 && b.Status.Templates[0].State == v1alpha1.TemplatePaused
	})
	f.Must(f.Direct.Delete(f.Ctx, template))
	portfolio("the template is gone", func(s *v1alpha1.BusinessPortfolioStatus) bool { return s.Quality.Rating == v1alpha1.QualityMedium })
	f.Eventually(b, "the template is gone from the number", func() bool { return len(b.Status.Templates) == 0 })

	// At rest nothing is written, however long it lasts.
	var rest int64
	f.Within("it is at rest", func() bool {
		rest = writes.Load()
		time.Sleep(time.Second)
		return writes.Load() == rest
	})
	f.FakeClock.Advance(time.Minute)
	time.Sleep(1500 * time.Millisecond)
	if n := writes.Load() - rest; n > 0 || rest == 0 {
		t.Errorf("a fleet at rest was written %d times", n)
	}

	patch := client.MergeFrom(a.DeepCopy())
	a.Spec.Business.Portfolio = ""
	f.Must(f.Direct.Patch(f.Ctx, a, patch))
	portfolio("a number has left", func(s *v1alpha1.BusinessPortfolioStatus) bool {
		return *s.Numbers == 1 && *s.Usage.Used == 0 && s.Quality.Rating == v1alpha1.QualityUnknown
	})
	f.Eventually(a, "the number that left is alone", func() bool { return a.Status.Portfolio == "" && *a.Status.Usage.Used == 250 })
	f.Must(f.Direct.Delete(f.Ctx, f.Portfolio))
	f.Eventually(b, "the portfolio is gone", func() bool {
		ready := meta.FindStatusCondition(b.Status.Conditions, v1alpha1.ConditionReady)
		return ready != nil && ready.Reason == v1alpha1.ReasonPortfolioNotFound
	})
}

// What a number or template was rated while the operator was down belongs to that time, whichever is looked at first after it.
func TestAPortfolioWaitsForRatings(t *testing.T) {
	for what, rating := range map[string]v1alpha1.QualityRating{"number": v1alpha1.QualityLow, "template": v1alpha1.QualityMedium} {
		t.Run(what, func(t *testing.T) {
			f := controllertest.NewFleet(t, func(s *v1alpha1.BusinessPortfolioSpec) { s.Verification = v1alpha1.Verified })
			number, template := f.Number(), f.Template("offer")
			subject := map[string]string{"number": number.Spec.PhoneNumber, "template": lookup.TemplateSubject(template).String()}[what]
			f.Settle()
			f.FakeClock.Advance(time.Hour)
			f.Report(subject, report.Quality, string(rating))
			f.FakeClock.Advance(time.Hour)
			f.Deliver(number.Spec.PhoneNumber, 1000) // half of the limit, in quality that is not High
			f.FakeClock.Advance(10 * time.Hour)
			if result := f.ReconcilePortfolio(f.Portfolio); result.RequeueAfter == 0 {
				t.Error("nothing brings the portfolio back")
			}
			f.Settle()
			if len(f.Portfolio.Status.History) > 0 {
				t.Errorf("the portfolio went through %v", f.Portfolio.Status.History)
			}
			if f.Portfolio.Status.Quality.Rating != rating || *f.Portfolio.Status.Usage.Used != 1000 {
				t.Errorf("the portfolio is rated %s and has used %d", f.Portfolio.Status.Quality.Rating, *f.Portfolio.Status.Usage.Used)
			}
		})
	}
}

// reads is a client that counts how often a number is read, as it is for each evaluation.
type reads struct {
	client.Client
	numbers *int
}

func (r reads) Get(ctx context.Context, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
	if _, is := object.(*v1alpha1.PhoneNumber); is {
		*r.numbers++
	}
	return r.Client.Get(ctx, key, object, options...)
}

// A large portfolio costs no more than what moves in it: a delivery evaluates the number that sent it, and what is decided of the limit
// shows on all.
func TestADeliveryEvaluatesOneNumberOfItsPortfolio(t *testing.T) {
	f := controllertest.NewFleet(t)
	const members = 50
	for range members {
		f.Number()
	}
	slices.SortFunc(f.Numbers, func(a, b *v1alpha1.PhoneNumber) int { return strings.Compare(a.Name, b.Name) }) // the first of the worst is told
	template := f.Template("offer")
	var read int
	operator := f.Operator
	operator.Client = reads{operator.Client, &read}
	running := &fleet.Reconciler{Operator: operator}
	queue := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[lookup.Key]())
	defer queue.ShutDown()
	evaluated := func(about ...string) int {
		t.Helper()
		read = 0
		for _, subject := range about {
			running.Receive(f.Ctx, queue, subject)
		}
		if _, err := running.Reconcile(f.Ctx, lookup.PortfolioKey(f.Portfolio.Name)); err != nil {
			t.Fatal(err)
		}
		f.Must(f.Direct.Get(f.Ctx, client.ObjectKeyFromObject(f.Portfolio), f.Portfolio))
		f.FakeClock.Advance(time.Second)
		return read
	}
	if n := evaluated(); n != members {
		t.Fatalf("at first %d numbers are evaluated", n)
	}
	sender := f.Numbers[0].Spec.PhoneNumber
	f.Deliver(sender, 10)
	if n := evaluated(sender); n != 1 || *f.Portfolio.Status.Usage.Used != 10 {
		t.Errorf("for a delivery %d numbers are evaluated, and the portfolio has used %d", n, *f.Portfolio.Status.Usage.Used)
	}
	if n := evaluated(); n != 0 {
		t.Errorf("at rest %d numbers are evaluated", n)
	}
	f.Report(f.Numbers[1].Spec.PhoneNumber, report.Quality, "Low")
	if n := evaluated(f.Numbers[1].Spec.PhoneNumber); n != members || f.Portfolio.Status.Quality.Rating != v1alpha1.QualityLow {
		t.Errorf("for the rating of the portfolio, which is %s, %d numbers are evaluated", f.Portfolio.Status.Quality.Rating, n)
	}
	f.Report(f.Numbers[2].Spec.PhoneNumber, report.Quality, "Low")
	if n := evaluated(f.Numbers[2].Spec.PhoneNumber); n != 1 {
		t.Errorf("for a rating that changes nothing of the portfolio %d numbers are evaluated", n)
	}
	f.Add(report.Report{Kind: report.Quality, Value: "Medium"}, template)
	if n := evaluated(lookup.TemplateSubject(template).String()); n != 0 {
		t.Errorf("for a rating of a template that changes nothing of the portfolio %d numbers are evaluated", n)
	}
	f.Portfolio.Spec.Activity = v1alpha1.Suspended
	f.Must(f.Client.Update(f.Ctx, f.Portfolio))
	for range 2 {
		f.Deliver(sender, 1)
		if evaluated(sender); *f.Portfolio.Status.Usage.Used != 10 {
			t.Errorf("it is suspended, and has used %d", *f.Portfolio.Status.Usage.Used)
		}
	}
	f.Portfolio.Spec.Activity = v1alpha1.Active
	f.Must(f.Client.Update(f.Ctx, f.Portfolio))
	if n := evaluated(sender); n != members || *f.Portfolio.Status.Usage.Used != 12 {
		t.Errorf("it is active again, %d numbers are evaluated and %d is used", n, *f.Portfolio.Status.Usage.Used)
	}
	f.FakeClock.Advance(24 * time.Hour)
	if n := evaluated(); n != 0 || *f.Portfolio.Status.Usage.Used != 0 {
		t.Errorf("a day later %d numbers are evaluated, and the portfolio has used %d", n, *f.Portfolio.Status.Usage.Used)
	}
}
