package controllers_test

import (
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/controllertest"
	"numberfleet.dev/numberfleet/controllers/internal/lookup"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/ledger/journal/pebble"
	"numberfleet.dev/numberfleet/internal/report"
)

// inTemplate asks for a message with a template.
func inTemplate(t *v1alpha1.MessageTemplate) func(*counts.Operation) {
	return func(o *counts.Operation) {
		o.Template, o.Category = counts.Template{Name: t.Spec.TemplateName, Language: t.Spec.Language, Account: t.Spec.WhatsAppBusinessAccountID}, counts.NoCategory
	}
}

// The gate refuses for the reason for which nothing may be sent by the status, and grants again once it may.
func TestTheGateGoesByTheStatus(t *testing.T) {
	for _, test := range []struct {
		name   string
		happen func(b *controllertest.Bench, n *v1alpha1.PhoneNumber)
		why    string
	}{
		{"nothing is in the way", func(*controllertest.Bench, *v1alpha1.PhoneNumber) {}, counts.Reserved},
		{"blocked", func(b *controllertest.Bench, n *v1alpha1.PhoneNumber) {
			b.Report(n.Spec.PhoneNumber, report.Connection, "Blocked")
		}, "Blocked"},
		{"offline", func(b *controllertest.Bench, n *v1alpha1.PhoneNumber) {
			b.Report(n.Spec.PhoneNumber, report.Connection, "Offline")
		}, "Offline"},
		{"restricted by Meta's word", func(b *controllertest.Bench, n *v1alpha1.PhoneNumber) {
			b.Report(n.Spec.PhoneNumber, report.Connection, "Restricted")
		}, "LimitReached"},
		{"suspended", func(b *controllertest.Bench, n *v1alpha1.PhoneNumber) {
			n.Spec.Activity = v1alpha1.Suspended
			b.Must(b.Client.Update(b.Ctx, n))
		}, "Suspended"},
		{"without a policy", func(b *controllertest.Bench, n *v1alpha1.PhoneNumber) {
			n.Spec.PolicyName = "there-is-none"
			b.Must(b.Client.Update(b.Ctx, n))
		}, "NotReady"},
		{"counted by a Prometheus", func(b *controllertest.Bench, n *v1alpha1.PhoneNumber) {
			n.Spec.Usage.Source = v1alpha1.UsageFromPrometheus
			b.Must(b.Client.Update(b.Ctx, n))
		}, "NotReady"},
		{"unlimited", func(b *controllertest.Bench, n *v1alpha1.PhoneNumber) {
			b.Report(n.Spec.PhoneNumber, report.Limit, "Unlimited")
		}, counts.Unlimited},
		{"in Shadow, with the limit reached", func(b *controllertest.Bench, n *v1alpha1.PhoneNumber) {
			b.Deliver(n.Spec.PhoneNumber, 250)
			n.Spec.Enforcement = v1alpha1.Shadow
			b.Must(b.Client.Update(b.Ctx, n))
		}, "LimitReached"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := controllertest.New(t)
			number := b.Create("taqnyat")
			if why := b.Why(number); why != "NotReady" {
				t.Errorf("before anyone has looked at the number: %s", why)
			}
			b.Evaluate(number)
			test.happen(b, number)
			b.Evaluate(number)
			decision := b.Reserve(number, 1)[0]
			if decision.Why != test.why {
				t.Errorf("%s, not %s", decision.Why, test.why)
			}
			if shadow := number.Spec.Enforcement == v1alpha1.Shadow; decision.Shadow != shadow || shadow && !decision.Granted() {
				t.Errorf("%+v", decision)
			}
		})
	}
}

// A template that cannot be sent is refused in its namespace. It can be sent again once Meta says so, and once its resource is gone nobody
// says that it cannot.
func TestTheGateGoesByTheTemplate(t *testing.T) {
	f := controllertest.NewFleet(t)
	number, template := f.Number(), f.Template("offer")
	f.Settle()
	expect := func(when, why string) {
		t.Helper()
		if got := f.Why(number, inTemplate(template)); got != why {
			t.Errorf("%s: %s, not %s", when, got, why)
		}
	}
	expect("approved", counts.Reserved)
	f.Add(report.Report{Kind: report.Quality, Value: "Low"}, template)
	f.Settle()
	expect("paused", "TemplatePaused")
	template.Spec.Activity = v1alpha1.Suspended
	f.Must(f.Client.Update(f.Ctx, template))
	f.Settle()
	expect("suspended", "Suspended")
	template.Spec.Activity = v1alpha1.Active
	f.Must(f.Client.Update(f.Ctx, template))
	f.Add(report.Report{Kind: report.TemplateState, Value: "Rejected"}, template)
	f.Settle()
	expect("rejected", "TemplateNotSendable")
	f.Must(f.Client.Delete(f.Ctx, template))
	f.Reconcile(lookup.SubjectKey(template.Namespace, lookup.TemplateSubject(template).String()))
	expect("deleted", counts.Reserved)
}

// The gate knows the category of a template, by which the message falls under a budget.
func TestTheGateKnowsTheCategoryOfATemplate(t *testing.T) {
	f := controllertest.NewFleet(t, func(s *v1alpha1.BusinessPortfolioSpec) {
		s.Budgets = []v1alpha1.Budget{{Name: "logins", Categories: []v1alpha1.MessageCategory{"Authentication"}}}
	})
	number, template := f.Number(), f.Template("code")
	f.Add(report.Report{Kind: report.Category, Value: string(report.Authentication)}, template)
	f.Settle()
	if d := f.Reserve(number, 1, inTemplate(template))[0]; d.Budget.Name != "logins" {
		t.Errorf("%+v", d)
	}
}

// A portfolio that is suspended grants nothing to any of its numbers, and one that is gone has no limit to grant from.
func TestTheGateGoesByThePortfolio(t *testing.T) {
	f := controllertest.NewFleet(t)
	number := f.Number()
	expect := func(when, why string) {
		t.Helper()
		f.Settle()
		if got := f.Why(number); got != why {
			t.Errorf("%s: %s, not %s", when, got, why)
		}
	}
	expect("active", counts.Reserved)
	f.Portfolio.Spec.Activity = v1alpha1.Suspended
	f.Must(f.Client.Update(f.Ctx, f.Portfolio))
	expect("suspended", "Suspended")
	f.Portfolio.Spec.Activity = v1alpha1.Active
	f.Must(f.Client.Update(f.Ctx, f.Portfolio))
	expect("active again", counts.Reserved)
	another := f.Number(func(n *v1alpha1.PhoneNumber) { n.Spec.Usage.Source = v1alpha1.UsageFromPrometheus })
	expect("a Prometheus counts what one of its numbers uses", "NotReady")
	f.Must(f.Client.Delete(f.Ctx, another))
	f.Numbers = slices.DeleteFunc(f.Numbers, func(n *v1alpha1.PhoneNumber) bool { return n == another })
	expect("the ledger counts all again", counts.Reserved)
	f.Must(f.Client.Delete(f.Ctx, f.Portfolio))
	expect("gone", "NotReady")
}

// A number that leaves its portfolio is granted what its own limit has, and what it holds is held of that.
func TestTheGateFollowsANumberOutOfItsPortfolio(t *testing.T) {
	f := controllertest.NewFleet(t)
	leaves, stays := f.Number(), f.Number()
	f.Settle()
	f.Reserve(leaves, 10)
	f.Reserve(stays, 20)
	f.Move(leaves, "")
	f.At(time.Second)
	usageIs(f.Bench, leaves, 0, 10, 10, 240)
	usageIs(f.Bench, stays, 0, 20, 20, 230)
	if d := f.Reserve(leaves, 1)[0]; d.Room.Held != 11 {
		t.Errorf("%+v", d)
	}
}

// A number whose portfolio turns out to be under a policy by which limits belong to numbers is granted what its own limit has.
func TestTheGateGoesByAPolicyThatSharesNoLimit(t *testing.T) {
	f := controllertest.NewFleet(t)
	number, other := f.Number(), f.Number()
	f.Settle()
	f.Reserve(number, 10)
	f.Reserve(other, 20)
	f.Portfolio.Spec.PolicyName = "netcore"
	f.Must(f.Client.Update(f.Ctx, f.Portfolio))
	f.Settle()
	if d := f.Reserve(number, 1)[0]; d.Why != counts.Reserved || d.Room.Held != 11 {
		t.Errorf("%+v", d)
	}
}

// Another resource for a number that is served already says nothing about it, whatever its spec says.
func TestAStrangersResourceStopsNothing(t *testing.T) {
	b := controllertest.New(t)
	elsewhere := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}
	b.Must(b.Direct.Create(b.Ctx, elsewhere))
	number := b.Create("taqnyat")
	stranger := b.Create("taqnyat", func(n *v1alpha1.PhoneNumber) {
		n.Namespace, n.Spec.PhoneNumber, n.Spec.Enforcement = elsewhere.Name, number.Spec.PhoneNumber, v1alpha1.Shadow
	})
	served, err := lookup.Served(b.Ctx, b.Cache, report.ParseSubject(number.Spec.PhoneNumber))
	b.Must(err)
	if served.UID == stranger.UID { // both came within a second
		number, stranger = stranger, number
	}
	b.Evaluate(number)
	for _, activity := range []v1alpha1.Activity{v1alpha1.Active, v1alpha1.Suspended} {
		stranger.Spec.Activity = activity
		b.Must(b.Client.Update(b.Ctx, stranger))
		b.Evaluate(stranger)
		if d := b.Reserve(number, 1)[0]; d.Why != counts.Reserved {
			t.Errorf("%s: %+v", activity, d)
		}
	}
}

// What is deleted while the operator runs, or while it does not, is granted nothing more.
func TestTheGateForgetsWhatIsDeleted(t *testing.T) {
	f := controllertest.NewFleet(t)
	own := f.Create("taqnyat")
	f.Evaluate(own)
	gone := f.Create("taqnyat")
	f.Evaluate(gone)
	f.Must(f.Client.Delete(f.Ctx, gone)) // nobody watches yet
	run(f)
	granted := func(n *v1alpha1.PhoneNumber) bool { return f.Why(n) == counts.Reserved }
	f.Within("the number that was deleted before the start is refused", func() bool { return !granted(gone) })
	if !granted(own) {
		t.Error("the other is refused")
	}
	f.Must(f.Client.Delete(f.Ctx, own))
	f.Within("the number that is deleted is refused", func() bool { return !granted(own) })
}

// The gate decides after a start as before it: what it goes by is in the ledger.
func TestTheGateSurvivesARestart(t *testing.T) {
	b := controllertest.New(t)
	dir := t.TempDir()
	open := func() {
		journal, err := pebble.Open(dir, pebble.Options{})
		b.Must(err)
		b.Ledger, err = ledger.Open(journal, ledger.Options{})
		b.Must(err)
	}
	open()
	number := b.Create("taqnyat", func(n *v1alpha1.PhoneNumber) {
		n.Spec.Budgets = []v1alpha1.Budget{{Name: "few", Maximum: users(3)}}
	})
	offline := b.Create("taqnyat")
	b.Evaluate(number)
	b.Report(offline.Spec.PhoneNumber, report.Connection, "Offline")
	b.Evaluate(offline)
	if got := controllertest.Granted(b.Reserve(number, 2)); got != 2 {
		t.Fatalf("%d are granted", got)
	}
	b.Must(b.Ledger.Close())
	open()
	defer func() { b.Must(b.Ledger.Close()) }()
	if got := controllertest.Granted(b.Reserve(number, 2)); got != 1 {
		t.Errorf("%d more are granted, of a maximum of 3 of which 2 are held", got)
	}
	if why := b.Why(offline); why != "Offline" {
		t.Errorf("the other: %s", why)
	}
	b.Evaluate(number)
	usageIs(b, number, 0, 3, 3, 247)
}

// A number whose resource was replaced by one that names it in another form keeps what is set for it, in whichever order the two are seen.
func TestTheGateKeepsANumberThatIsNamedInAnotherForm(t *testing.T) {
	b := controllertest.New(t)
	named := func(number string) func(*v1alpha1.PhoneNumber) {
		return func(n *v1alpha1.PhoneNumber) { n.Spec.PhoneNumber, n.Spec.PhoneNumberID = number, "106540352242922" }
	}
	old := b.Create("taqnyat", named("+551187654321"))
	b.Evaluate(old)
	b.Must(b.Client.Delete(b.Ctx, old))
	number := b.Create("taqnyat", named("+5511987654321"))
	b.Evaluate(number)
	b.Reconcile(lookup.SubjectKey("", old.Spec.PhoneNumber))
	if why := b.Why(number); why != counts.Reserved {
		t.Errorf("it is %s", why)
	}
}
