package rules

import (
	"fmt"
	"slices"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// Explain says in sentences why a number or portfolio is where it is, what is missing for the next tier, what would lower it
// and when. Each names its rule; docs/rules.md has the source of each. The cause is what was said when the tier last changed;
// empty if that is not known.
func Explain(p *Policy, f *Facts, s State, cause Cause, now time.Time) []string {
	e := evaluate(p, f, &s, seconds(now))
	defer e.release()
	x := explanation{source: p.Source, cause: cause}
	for i := range p.chain {
		if explain := p.chain[i].explain; explain != nil {
			explain(e, &x)
		}
	}
	return slices.Concat(x.sentences[:]...)
}

// explanation collects what the rules have to say.
type explanation struct {
	source    string
	cause     Cause
	sentences [topics][]string
}

// topic is what a sentence is about.
type topic int

// The order of the sentences. Those about one topic are in the order of the rules.
const (
	limitTopic topic = iota
	usageTopic
	accountTopic
	connectionTopic
	ratingTopic
	upgradeTopic
	verificationTopic
	downgradeTopic
	topics
)

// say adds a sentence and names the rule that it follows from.
func (x *explanation) say(about topic, rule v1alpha1.Rule, format string, args ...any) {
	from := x.source
	if rule != v1alpha1.NoRule {
		from = fmt.Sprintf("rule %d of %s", rule, x.source)
	}
	x.add(about, fmt.Sprintf(format, args...)+" ("+from+")")
}

func (x *explanation) add(about topic, sentence string) {
	x.sentences[about] = append(x.sentences[about], sentence)
}

// Cause is why a tier is what it is: what was said when it became so, and the rule that made it. It is empty where that is not
// known.
type Cause struct {
	Message string
	Rule    v1alpha1.Rule
}

// TierCause is the cause of the tier since an instant, as far as the history tells.
func TierCause(history []v1alpha1.Transition, since time.Time) Cause {
	for _, t := range slices.Backward(history) {
		moves := t.Reason == v1alpha1.ReasonTierUpgraded || t.Reason == v1alpha1.ReasonTierDowngraded || t.Reason == v1alpha1.ReasonLimitReported
		if moves && t.Time.Time.Equal(since) {
			return Cause{t.Message, t.Rule}
		}
	}
	return Cause{}
}

// Deadlines are when the grace period of a Low rating ends, whether the tier falls then, and when a flag ends by recovery;
// zero where they do not run.
func Deadlines(p *Policy, s State) (grace time.Time, falls bool, clear time.Time) {
	e := evaluate(p, nil, &s, s.EvaluatedAt)
	defer e.release()
	return e.graceDue(), e.falls(), e.flagClearDue()
}

// Used is how much of the limit is used at an instant.
func Used(p *Policy, usage Usage, now time.Time) int64 { return used(p, usage, now).Most }

func used(p *Policy, usage Usage, now time.Time) Count {
	return usage.Count(p.Measure, now.Add(-p.Window), now)
}
