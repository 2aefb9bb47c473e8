package controllers_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/controllertest"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/report"
)

// condition is a condition of a pool in words: its reason, with a sentence that its message has.
func condition(p *v1alpha1.NumberPool, conditionType, reason, sentence string) bool {
	c := meta.FindStatusCondition(p.Status.Conditions, conditionType)
	return c != nil && c.Reason == reason && strings.Contains(c.Message, sentence)
}

// The gate chooses among the numbers that the selector selects, and the status shows what they may send together. A number that is rated Low
// or blocked gets no further user from the next reservation on, whether or not the pool was reconciled since.
func TestAPoolIsItsNumbersTogether(t *testing.T) {
	b := controllertest.New(t)
	first, second := b.Create("taqnyat", controllertest.Labelled("pool", "all")), b.Create("taqnyat", controllertest.Labelled("pool", "all"))
	b.Create("taqnyat", controllertest.Labelled("pool", "other"))
	p := b.Pool("all", "pool", "all")
	b.Deliver(first.Spec.PhoneNumber, 50)
	b.Evaluate(first)
	b.Evaluate(second)
	b.EvaluatePool(p, func() bool {
		return p.Status.Remaining != nil && *p.Status.Remaining == 450 && *p.Status.Numbers == 2 && *p.Status.Sendable == 2 &&
			condition(p, v1alpha1.ConditionReady, v1alpha1.ReasonEvaluated, "") && condition(p, v1alpha1.ConditionSendable, v1alpha1.ReasonBelowLimit, "")
	})
	from := controllertest.FromPool(p)
	held := b.Reserve(first, 40, from)
	if n := controllertest.Granted(held); n != 40 {
		t.Fatalf("%d of 40 are granted: %+v", n, held[0])
	}
	b.EvaluatePool(p, func() bool { return *p.Status.Reserved == 40 && *p.Status.Remaining == 410 })
	if got := b.Gauges(p.Name); got["number_pool_remaining"] != 410 || got["number_pool_reserved"] != 40 || got["number_pool_sendable"] != 1 ||
		got["number_pool_unlimited"] != 0 || got["number_pool_phone_numbers"] != 2 || got["number_pool_sendable_phone_numbers"] != 2 {
		t.Errorf("the metrics say %v", got)
	}

	b.Report(first.Spec.PhoneNumber, report.Quality, "Low")
	b.Evaluate(first)
	for _, d := range b.Reserve(first, 40, from) {
		if d.Number != second.Spec.PhoneNumber {
			t.Fatalf("a number that is rated Low is chosen: %+v", d)
		}
	}
	b.EvaluatePool(p, func() bool {
		for _, m := range p.Status.Members {
			if m.Name == first.Name && m.Reason == v1alpha1.RoomDrained && m.Remaining != nil && *m.Remaining == 0 {
				return *p.Status.Sendable == 1
			}
		}
		return false
	})
	b.Report(second.Spec.PhoneNumber, report.Connection, "Blocked")
	b.Evaluate(second)
	refused := b.Reserve(first, 1, from)[0]
	why := map[string]string{}
	for _, m := range refused.Members {
		why[m.Number] = m.Why
	}
	if refused.State != counts.Refused || why[first.Spec.PhoneNumber] != "Drained" || why[second.Spec.PhoneNumber] != "Blocked" {
		t.Errorf("it is %+v", refused)
	}
	b.EvaluatePool(p, func() bool {
		c := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.ConditionSendable)
		return c.Status == metav1.ConditionFalse && !p.Status.Unsendable.SinceTime.IsZero()
	})

	b.Report(second.Spec.PhoneNumber, report.Connection, "Connected")
	b.Evaluate(second)
	b.EvaluatePool(p, func() bool { return !p.Status.Unsendable.RoomSinceTime.IsZero() })
	b.FakeClock.Advance(time.Hour)
	b.EvaluatePool(p, func() bool { return p.Status.Unsendable.SinceTime.IsZero() })
	b.Expect("told are", controllertest.Told(p.Status.History), []string{"03-02 09:00:00 Restricted", "03-02 10:00:00 RestrictionLifted"})

	b.Must(b.Client.Delete(b.Ctx, p))
	b.EvaluatePool(p, func() bool { return len(b.Ledger.Settings().Pools) == 0 })
	if d := b.Reserve(first, 1, from)[0]; d.State != counts.Refused || d.Why != string(v1alpha1.RoomNotReady) {
		t.Errorf("from a pool that is gone it is %+v", d)
	}
}

// When a pool runs dry that is told at once, with why, and when it can send again once it could for an hour without a break; what comes and
// goes within that is not told.
func TestAPoolTellsThatItRunsDryAndThatItCanSendAgain(t *testing.T) {
	b := controllertest.New(t)
	full, blocked := b.Create("taqnyat", controllertest.Labelled("pool", "all")), b.Create("taqnyat", controllertest.Labelled("pool", "all"))
	p := b.Pool("all", "pool", "all")
	b.Report(blocked.Spec.PhoneNumber, report.Connection, "Blocked")
	b.Evaluate(blocked)
	step := func(after time.Duration, deliveries int, fits func(room bool) bool) {
		t.Helper()
		b.FakeClock.Advance(after)
		b.Deliver(full.Spec.PhoneNumber, deliveries)
		b.Evaluate(full)
		b.EvaluatePool(p, func() bool { return fits(*p.Status.Sendable > 0) })
	}
	step(0, 10, func(room bool) bool { return room })
	step(time.Minute, 240, func(room bool) bool { return !room && !p.Status.Unsendable.SinceTime.IsZero() })
	step(24*time.Hour-time.Minute+time.Second, 0, func(room bool) bool { return room && !p.Status.Unsendable.RoomSinceTime.IsZero() })
	step(time.Second, 200, func(room bool) bool { return !room && p.Status.Unsendable.RoomSinceTime.IsZero() })
	step(2*time.Hour, 0, func(room bool) bool { return room && !p.Status.Unsendable.RoomSinceTime.IsZero() })
	step(time.Hour-time.Second, 0, func(room bool) bool { return room })
	b.Expect("told are", controllertest.Told(p.Status.History), []string{"03-02 09:01:00 Restricted"})
	step(time.Second, 0, func(bool) bool { return p.Status.Unsendable.SinceTime.IsZero() })
	b.Expect("told are", controllertest.Told(p.Status.History), []string{"03-02 09:01:00 Restricted", "03-03 12:00:02 RestrictionLifted"})
	var events []string
	for len(b.Recorder.Events) > 0 {
		if event := <-b.Recorder.Events; strings.Contains(event, "of the pool") {
			events = append(events, event)
		}
	}
	b.Expect("the Events are", events, []string{
		"Warning Restricted no number of the pool may message further users: Blocked (1), LimitReached (1)",
		"Normal RestrictionLifted numbers of the pool have been able to message further users for an hour without a break",
	})
}

// A pool of a number that cannot send and one that the operator has not seen yet is not told to run dry.
func TestAPoolOfANumberThatIsNewIsNotToldToRunDry(t *testing.T) {
	b := controllertest.New(t)
	fresh, blocked := b.Create("taqnyat", controllertest.Labelled("pool", "all")), b.Create("taqnyat", controllertest.Labelled("pool", "all"))
	p := b.Pool("all", "pool", "all")
	b.Report(blocked.Spec.PhoneNumber, report.Connection, "Blocked")
	b.Evaluate(blocked)
	b.EvaluatePool(p, func() bool { return condition(p, v1alpha1.ConditionSendable, string(v1alpha1.RoomBlocked), "") })
	b.Deliver(fresh.Spec.PhoneNumber, 10)
	b.Evaluate(fresh)
	b.EvaluatePool(p, func() bool { return *p.Status.Sendable == 1 })
	b.Expect("told are", controllertest.Told(p.Status.History), nil)
}

// What is wrong with a pool is said with what to write instead, and the rest of it sends.
func TestAPoolSaysWhatIsWrongWithIt(t *testing.T) {
	b := controllertest.New(t)
	weight := func(text string) func(*v1alpha1.PhoneNumber) {
		return func(n *v1alpha1.PhoneNumber) { n.Annotations = map[string]string{v1alpha1.AnnotationWeight: text} }
	}
	for _, n := range []*v1alpha1.PhoneNumber{
		b.Create("taqnyat", controllertest.Labelled("pool", "a", "weights", "w")), b.Create("netcore", controllertest.Labelled("pool", "a")),
		b.Create("taqnyat", controllertest.Labelled("weights", "w"), weight("heavy")),
		b.Create("taqnyat", controllertest.Labelled("alone", "x")),
	} {
		b.Evaluate(n)
	}
	differ, weighted := b.Pool("differ", "pool", "a"), b.Pool("weighted", "weights", "w", func(s *v1alpha1.NumberPoolSpec) { s.Strategy = v1alpha1.Weighted })
	empty, alone := b.Pool("empty", "pool", "nobody"), b.Pool("alone", "alone", "x")
	broken := b.Pool("broken", "pool", "a", func(s *v1alpha1.NumberPoolSpec) {
		s.Selector.MatchExpressions = []metav1.LabelSelectorRequirement{{Key: "pool", Operator: "Near"}}
	})
	b.EvaluatePool(alone, func() bool {
		return condition(alone, v1alpha1.ConditionMembersFit, v1alpha1.ReasonMembersGoTogether, "") && condition(alone, v1alpha1.ConditionReady, v1alpha1.ReasonEvaluated, "")
	})
	b.EvaluatePool(differ, func() bool {
		return condition(differ, v1alpha1.ConditionMembersFit, v1alpha1.ReasonPoliciesDiffer, `MessagingPolicy "netcore", "taqnyat": give them one policy`) &&
			condition(differ, v1alpha1.ConditionMembersFit, v1alpha1.ReasonPoliciesDiffer, `is in NumberPool "weighted" too`)
	})
	b.EvaluatePool(weighted, func() bool {
		return condition(weighted, v1alpha1.ConditionMembersFit, v1alpha1.ReasonWeightInvalid, `must be a whole number from 0 to 100, in quotes, like "10"`)
	})
	b.EvaluatePool(empty, func() bool {
		return condition(empty, v1alpha1.ConditionReady, v1alpha1.ReasonNoNumbers, `has the labels "pool=nobody"`) &&
			condition(empty, v1alpha1.ConditionSendable, string(v1alpha1.RoomNotReady), "no number in the pool")
	})
	b.EvaluatePool(broken, func() bool {
		return condition(broken, v1alpha1.ConditionReady, v1alpha1.ReasonSelectorInvalid, "operator In or NotIn and values")
	})
	twin := b.Pool("twin", "alone", "x")
	for p, other := range map[*v1alpha1.NumberPool]string{alone: "twin", twin: "alone"} {
		b.EvaluatePool(p, func() bool {
			return condition(p, v1alpha1.ConditionMembersFit, v1alpha1.ReasonNumbersShared, `is in NumberPool "`+other+`" too`) &&
				condition(p, v1alpha1.ConditionReady, v1alpha1.ReasonEvaluated, "")
		})
	}
	if warned := b.Reasons(); !slices.Contains(warned, v1alpha1.ReasonNoNumbers) || !slices.Contains(warned, v1alpha1.ReasonSelectorInvalid) {
		t.Errorf("Events tell of %v", warned)
	}
}

// A pool of all numbers of its namespace, where there are none, says so.
func TestAPoolOfANamespaceWithoutNumbersSaysSo(t *testing.T) {
	b := controllertest.New(t)
	p := b.Pool("all", "", "", func(s *v1alpha1.NumberPoolSpec) { s.Selector = &metav1.LabelSelector{} })
	b.EvaluatePool(p, func() bool {
		return condition(p, v1alpha1.ConditionReady, v1alpha1.ReasonNoNumbers, "There is no PhoneNumber in namespace") &&
			condition(p, v1alpha1.ConditionSendable, string(v1alpha1.RoomNotReady), "no number in the pool")
	})
}
