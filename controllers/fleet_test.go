package controllers_test

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/clock"
	testingclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	applied "numberfleet.dev/numberfleet/api/v1alpha1/applyconfiguration/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/fleet"
	"numberfleet.dev/numberfleet/controllers/internal/controllertest"
	"numberfleet.dev/numberfleet/controllers/internal/lookup"
	"numberfleet.dev/numberfleet/controllers/internal/reconciler"
	"numberfleet.dev/numberfleet/controllers/internal/throttle"
	"numberfleet.dev/numberfleet/internal/report"
)

// run runs the controller as in the operator, woken by what it sees.
func run(f *controllertest.Fleet) {
	f.T.Helper()
	manager := f.Manager()
	f.Must(lookup.SetupIndexes(f.Ctx, manager.GetFieldIndexer()))
	running := f.Operator
	running.Client, running.Cache, running.Policies.Reader = manager.GetClient(), manager.GetCache(), manager.GetCache()
	running.Real, running.Metrics, running.Throttle = clock.RealClock{}, reconciler.NewMetrics(prometheus.NewRegistry()), controllertest.Unthrottled()
	f.Must((&fleet.Reconciler{Operator: running}).SetupWithManager(manager))
	f.StartManager(manager)
}

// templateEventually waits until the status of a template fits.
func templateEventually(f *controllertest.Fleet, template *v1alpha1.MessageTemplate, what string, fits func(*v1alpha1.MessageTemplateStatus) bool) {
	f.T.Helper()
	f.Within(what, func() bool {
		f.Must(f.Direct.Get(f.Ctx, client.ObjectKeyFromObject(template), template))
		return fits(&template.Status)
	})
}

// Numbers may wait for their portfolio; what Meta says of their templates does not.
func TestATemplateDoesNotWaitForAPortfolio(t *testing.T) {
	f := controllertest.NewFleet(t, func(s *v1alpha1.BusinessPortfolioSpec) { s.Activity = v1alpha1.Suspended })
	f.Number()
	template := f.Template("offer")
	f.Add(report.Report{Kind: report.Quality, Value: "Low"}, template)
	f.Settle()
	if template.Status.State != v1alpha1.TemplatePaused {
		t.Errorf("the template is %q", template.Status.State)
	}
}

// A template by whose quality a portfolio rises has its pauses end when the portfolio is gone.
func TestATemplateOutlivesItsPortfolio(t *testing.T) {
	f := controllertest.NewFleet(t)
	f.Number()
	template := f.Template("offer")
	f.Add(report.Report{Kind: report.Quality, Value: "Low"}, template)
	run(f)
	templateEventually(f, template, "it is paused", func(s *v1alpha1.MessageTemplateStatus) bool { return s.State == v1alpha1.TemplatePaused })
	f.FakeClock.Advance(template.Status.UntilTime.Sub(f.FakeClock.Now()))
	f.Must(f.Direct.Delete(f.Ctx, f.Portfolio))
	templateEventually(f, template, "the pause is over", func(s *v1alpha1.MessageTemplateStatus) bool { return s.State == v1alpha1.TemplateApproved })
}

// A template may have a policy that neither its numbers nor their portfolio have.
func TestThePolicyOfATemplateIsEdited(t *testing.T) {
	f := controllertest.NewFleet(t, func(s *v1alpha1.BusinessPortfolioSpec) { s.PolicyName = "meta-2025" })
	var policy v1alpha1.MessagingPolicy
	f.Must(f.Direct.Get(f.Ctx, client.ObjectKey{Name: "taqnyat"}, &policy))
	policy.ObjectMeta = metav1.ObjectMeta{Name: "templates-" + f.Namespace}
	f.Must(f.Client.Create(f.Ctx, &policy))
	f.Number(func(n *v1alpha1.PhoneNumber) { n.Spec.PolicyName = "meta-2025" })
	template := f.Template("offer", func(s *v1alpha1.MessageTemplateSpec) { s.PolicyName = policy.Name })
	run(f)
	templateEventually(f, template, "it is evaluated", func(s *v1alpha1.MessageTemplateStatus) bool { return s.PolicyGeneration == policy.Generation })
	policy.Spec.Tiers[0].Limit++
	f.Must(f.Client.Update(f.Ctx, &policy))
	templateEventually(f, template, "it is governed by what was edited", func(s *v1alpha1.MessageTemplateStatus) bool { return s.PolicyGeneration == policy.Generation })
}

// A portfolio that only waits for somebody to let go of it has a limit for nobody.
func TestAPortfolioThatIsBeingDeletedHasNoNumbers(t *testing.T) {
	f := controllertest.NewFleet(t)
	number := f.Number()
	f.Settle()
	f.Portfolio.Finalizers = []string{"example.com/keep"}
	f.Must(f.Client.Update(f.Ctx, f.Portfolio))
	f.Must(f.Client.Delete(f.Ctx, f.Portfolio))
	f.EvaluateUntil(number, func() bool {
		return meta.FindStatusCondition(number.Status.Conditions, v1alpha1.ConditionReady).Reason == v1alpha1.ReasonPortfolioNotFound
	})
	f.Must(f.Direct.Get(f.Ctx, client.ObjectKeyFromObject(f.Portfolio), f.Portfolio))
	f.Portfolio.Finalizers = nil
	f.Must(f.Direct.Update(f.Ctx, f.Portfolio))
}

// What is delivered while a number goes over to a portfolio comes to the portfolio.
func TestADeliveryOfANumberThatJoins(t *testing.T) {
	f := controllertest.NewFleet(t)
	number := f.Create("")
	f.Evaluate(number)
	f.Move(number, f.Portfolio.Name)
	keys := f.KeysFor(number.Spec.PhoneNumber)
	if len(keys) != 1 || keys[0] != lookup.PortfolioKey(f.Portfolio.Name) {
		t.Errorf("for a delivery %v are reconciled", keys)
	}
}

// Counts that had to wait for their turn fall later without news.
func TestCountsThatWereHeldBackFallByThemselves(t *testing.T) {
	b := controllertest.New(t)
	real := testingclock.NewFakeClock(controllertest.Start)
	b.Real, b.Throttle = real, throttle.NewThrottle(time.Minute, 5, real)
	number := b.Create("netcore")
	b.Evaluate(number)
	deliver := func() time.Duration {
		b.FakeClock.Advance(time.Second)
		b.Deliver(number.Spec.PhoneNumber, 1)
		return b.Evaluate(number).RequeueAfter
	}
	deliver()
	deliver()
	if *number.Status.Usage.Used != 1 {
		t.Fatalf("%d used are shown", *number.Status.Usage.Used)
	}
	real.Step(time.Minute)
	if wait := deliver(); *number.Status.Usage.Used != 3 || wait == 0 {
		t.Errorf("%d used are shown, and it is reconciled again after %s", *number.Status.Usage.Used, wait)
	}
}

// Two portfolios may send one template: what it was rated while the operator was down belongs to that time for both.
func TestPortfoliosThatSendOneTemplate(t *testing.T) {
	f := controllertest.NewFleet(t, func(s *v1alpha1.BusinessPortfolioSpec) { s.Verification = v1alpha1.Verified })
	another := f.Another()
	number := f.Number(func(n *v1alpha1.PhoneNumber) { n.Spec.Verification = v1alpha1.Verified })
	other := f.Number(func(n *v1alpha1.PhoneNumber) {
		n.Spec.Business.Portfolio, n.Spec.Verification = another.Name, v1alpha1.Verified
	})
	template := f.Template("offer")
	f.Settle()
	f.ReconcilePortfolio(another)
	f.FakeClock.Advance(time.Hour)
	f.Add(report.Report{Kind: report.Quality, Value: "Medium"}, template)
	f.FakeClock.Advance(time.Hour)
	f.Deliver(number.Spec.PhoneNumber, 1000)
	f.Deliver(other.Spec.PhoneNumber, 1000) // half of the limit, in quality that is not High
	f.FakeClock.Advance(10 * time.Hour)
	f.Settle()
	f.ReconcilePortfolio(another)
	for _, p := range []*v1alpha1.BusinessPortfolio{f.Portfolio, another} {
		if p.Status.Quality.Rating != v1alpha1.QualityMedium || !p.Status.Quality.SinceTime.Time.Equal(controllertest.Start.Add(time.Hour)) || len(p.Status.History) > 0 {
			t.Errorf("%s is %s since %s, after %v", p.Name, p.Status.Quality.Rating, p.Status.Quality.SinceTime, controllertest.Told(p.Status.History))
		}
	}
}

// conflicts is a client that refuses the next writes of the statuses of numbers.
type conflicts struct {
	client.Client
	next *int
}

func (c conflicts) Status() client.SubResourceWriter {
	return conflictingStatus{c.Client.Status(), c.next}
}

type conflictingStatus struct {
	client.SubResourceWriter
	next *int
}

func (c conflictingStatus) Apply(ctx context.Context, object runtime.ApplyConfiguration, options ...client.SubResourceApplyOption) error {
	if _, is := object.(*applied.PhoneNumberApplyConfiguration); is && *c.next > 0 {
		*c.next--
		return apierrors.NewConflict(schema.GroupResource{}, "a number", nil)
	}
	return c.SubResourceWriter.Apply(ctx, object, options...)
}

// What a number brings into a portfolio is decided once, though its own status cannot be written at first.
func TestANumberThatJoinsMeetsAConflict(t *testing.T) {
	f := controllertest.NewFleet(t)
	f.Settle()
	number := f.Create("")
	f.Evaluate(number)
	f.Deliver(number.Spec.PhoneNumber, 250)
	f.Evaluate(number)
	f.FakeClock.Advance(time.Hour)
	f.Move(number, f.Portfolio.Name)
	operator, next := f.Operator, 1
	operator.Client = conflicts{operator.Client, &next}
	running := &fleet.Reconciler{Operator: operator}
	for range 2 {
		if _, err := running.Reconcile(f.Ctx, lookup.PortfolioKey(f.Portfolio.Name)); err != nil {
			t.Fatal(err)
		}
		f.FakeClock.Advance(time.Second)
	}
	f.Must(f.Direct.Get(f.Ctx, client.ObjectKeyFromObject(number), number))
	f.Must(f.Direct.Get(f.Ctx, client.ObjectKeyFromObject(f.Portfolio), f.Portfolio))
	since := f.Portfolio.Status.Restriction.SinceTime
	if number.Status.Portfolio != f.Portfolio.Name || next != 0 || !since.Time.Equal(controllertest.Start.Add(time.Hour)) {
		t.Errorf("the number is in %q, after %d conflicts, and the portfolio is restricted since %s", number.Status.Portfolio, 1-next, since)
	}
}

// A template that the rules cannot run for counts as it was rated.
func TestATemplateWithoutAPolicyIsRatedOn(t *testing.T) {
	f := controllertest.NewFleet(t)
	f.Number()
	template := f.Template("offer")
	f.Add(report.Report{Kind: report.Quality, Value: "Low"}, template)
	f.Settle()
	template.Spec.PolicyName = "nowhere"
	f.Must(f.Client.Update(f.Ctx, template))
	f.At(time.Hour)
	if ready := meta.FindStatusCondition(template.Status.Conditions, v1alpha1.ConditionReady); ready.Reason != v1alpha1.ReasonPolicyNotFound {
		t.Fatalf("the template is %s", ready.Reason)
	}
	if f.Portfolio.Status.Quality.Rating != v1alpha1.QualityLow {
		t.Errorf("without its policy the portfolio is rated %s", f.Portfolio.Status.Quality.Rating)
	}
}
