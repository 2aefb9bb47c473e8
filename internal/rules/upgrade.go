package rules

import (
	"fmt"
	"strings"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// Rule 2. When enough was sent in good quality, the upgrade is due, and after the policy's delay the tier rises one step.
// A fall below the quality floor, where the policy has one, or a flag, unless it lets a flagged number rise, cancels it before; usage
// that falls afterwards does not. The measure is not
// reset by an upgrade, so that several steps may follow each other.
var upgrade = rule[*evaluation]{
	number:     v1alpha1.RuleUpgrade,
	name:       "Upgrade",
	sentence:   `seeds/001: "A company will move from Level 1 to Level 2 when it sends messages to a total of 2,000 users in a 7-day period."`,
	apply:      (*evaluation).raiseTier,
	due:        func(e *evaluation) time.Time { return next(e.now, e.upgradeDue(), e.spanDue()) },
	measure:    func(e *evaluation) v1alpha1.Measure { return e.p.Measure },
	deliveries: (*evaluation).deliveriesUntilUpgrade,
	objection:  func(e *evaluation) objection { return objection{why: e.unfit()} },
	explain:    (*evaluation).explainUpgrade,
}

func (e *evaluation) raiseTier() {
	for {
		to, req := e.p.above(e.place)
		if req == nil {
			return
		}
		if e.s.EligibleSince.IsZero() {
			if !e.eligible(req) {
				return
			}
			e.s.EligibleSince = e.now
			if req.delay > 0 {
				e.emit(v1alpha1.RuleUpgrade, e.now, v1alpha1.ReasonUpgradePending, e.s.Tier.Name, to.Name, fmt.Sprintf(
					"%s, as %s requires: the tier rises at %s", e.achievement(req), to.Name, stamp(e.now.Add(req.delay))))
			}
		}
		due := e.s.EligibleSince.Add(req.delay)
		if due.After(e.now) {
			return
		}
		why := e.achievement(req)
		if req.delay > 0 {
			why = fmt.Sprintf("all that %s requires was met at %s, and %s have passed", to.Name, stamp(e.s.EligibleSince), words(req.delay))
		}
		e.moveTier(v1alpha1.RuleUpgrade, to, due, v1alpha1.FromPolicy, why)
	}
}

// eligible says whether everything for the upgrade is met now.
func (e *evaluation) eligible(req *requirement) bool {
	if e.objection(true) != "" {
		return false
	}
	if e.achieved(req).Least < req.required(e.s.Tier.Limit) {
		return false
	}
	if req.span == 0 {
		return true
	}
	first := e.f.Usage.Nth(req.measure, 1, e.countedFrom(req), e.now)
	return !first.IsZero() && !first.Add(req.span).After(e.now)
}

// achieved is how much there is of what the next tier looks at.
func (e *evaluation) achieved(req *requirement) Count {
	return e.f.Usage.Count(req.measure, e.countedFrom(req), e.now)
}

// deliveriesUntilUpgrade is how much more of the measure makes what the next tier requires.
func (e *evaluation) deliveriesUntilUpgrade(next time.Time) int64 {
	_, req := e.p.above(e.place)
	if req == nil || !e.s.EligibleSince.IsZero() || e.objection(true) != "" {
		return noDelivery
	}
	missing := req.required(e.s.Tier.Limit) - e.achieved(req).Least
	if missing <= 0 && !next.IsZero() && !e.spanDue().Before(next) {
		return noDelivery // only time is missing, and the rules run before it has passed
	}
	return missing
}

// cancelUnfit cancels a pending upgrade if the number may not rise any more. It is called with each change that can bring
// that about, so that one that lasts no second counts as well.
func (e *evaluation) cancelUnfit(at time.Time) {
	if e.s.EligibleSince.IsZero() {
		return
	}
	if _, req := e.p.above(e.place); req != nil {
		if why := e.objection(false); why != "" {
			e.cancelUpgrade(at, why)
		}
	}
}

func (e *evaluation) cancelUpgrade(at time.Time, why string) {
	to, _ := e.p.above(e.place)
	e.s.EligibleSince = time.Time{}
	e.emit(v1alpha1.RuleUpgrade, at, v1alpha1.ReasonUpgradeCancelled, e.s.Tier.Name, to.Name, fmt.Sprintf("the upgrade to %s is cancelled: %s", to.Name, why))
}

// objection is why the tier may not rise, by the first rule that objects; empty if none does. A pending upgrade is cancelled by those
// that do not wait.
func (e *evaluation) objection(waiting bool) string {
	for i := range e.p.chain {
		if r := &e.p.chain[i]; r.objection != nil {
			if o := r.objection(e); o.why != "" && (waiting || !o.waits) {
				return o.why
			}
		}
	}
	return ""
}

// unfit says what of the number itself is in the way of the next tier; empty if nothing is.
func (e *evaluation) unfit() string {
	_, req := e.p.above(e.place)
	switch {
	case req == nil:
	case e.s.Flagged() && !req.whileFlagged:
		return "the number is flagged"
	case Worse(e.s.Rating, req.minimumQuality):
		return fmt.Sprintf("the quality rating is %s and must be at least %s", e.s.Rating, req.minimumQuality)
	case e.s.Members.Rating != "" && Worse(e.s.Members.Rating, req.minimumQuality):
		return fmt.Sprintf("the quality rating of %s is %s and must be at least %s", e.s.Members.Name, e.s.Members.Rating, req.minimumQuality)
	}
	return ""
}

// countedFrom is the instant after which deliveries count for the upgrade. Meta has seen those before a lower limit that
// it reports, and concluded otherwise.
func (e *evaluation) countedFrom(req *requirement) time.Time {
	from := latest(e.now.Add(-req.window), e.s.LimitLowered)
	if req.restartAfterFlag {
		from = latest(from, e.s.FlagEnded)
	}
	return from
}

// upgradeDue is when a pending upgrade takes effect.
func (e *evaluation) upgradeDue() time.Time {
	if e.s.EligibleSince.IsZero() {
		return time.Time{}
	}
	if _, req := e.p.above(e.place); req != nil {
		return e.s.EligibleSince.Add(req.delay)
	}
	return time.Time{}
}

// spanDue is when the deliveries will span long enough, where only that is missing.
func (e *evaluation) spanDue() time.Time {
	_, req := e.p.above(e.place)
	if req == nil || req.span == 0 || !e.s.EligibleSince.IsZero() {
		return time.Time{}
	}
	if e.achieved(req).Least < req.required(e.s.Tier.Limit) {
		return time.Time{}
	}
	first := e.f.Usage.Nth(req.measure, 1, e.countedFrom(req), e.now)
	if first.IsZero() {
		return time.Time{} // there was one, and nobody saw when
	}
	return first.Add(req.span)
}

func (e *evaluation) achievement(req *requirement) string {
	achieved := e.achieved(req).Least
	required := req.required(e.s.Tier.Limit)
	if req.percent > 0 {
		return fmt.Sprintf("%d %s within %s reach %d %% of the limit of %d", achieved, noun(req.measure), words(req.window), req.percent, e.s.Tier.Limit)
	}
	return fmt.Sprintf("%d %s within %s reach %d", achieved, noun(req.measure), words(req.window), required)
}

// Progress is how far the next tier is.
type Progress struct {
	Next        Tier
	Required    int64
	Achieved    int64
	Known       bool      // whether there is so much now; else there was once, or nobody knows
	CountedFrom time.Time // zero unless a flag restarted the count
	Effective   time.Time // when the tier rises; zero unless the upgrade is pending
	Missing     []string  // sentences; empty when the upgrade is pending
}

// UpgradeProgress says how far the next tier is; false on the last tier.
func UpgradeProgress(p *Policy, f *Facts, s State, now time.Time) (Progress, bool) {
	e := evaluate(p, f, &s, seconds(now))
	defer e.release()
	return e.upgradeProgress()
}

func (e *evaluation) upgradeProgress() (Progress, bool) {
	to, req := e.p.above(e.place)
	if req == nil {
		return Progress{}, false
	}
	from, achieved := e.countedFrom(req), e.achieved(req)
	progress := Progress{
		Next:      to,
		Required:  req.required(e.s.Tier.Limit),
		Achieved:  achieved.Least,
		Known:     achieved.Known || achieved.Least > 0,
		Effective: e.upgradeDue(),
	}
	if from.After(e.now.Add(-req.window)) {
		progress.CountedFrom = from
	}
	if !progress.Effective.IsZero() {
		return progress, true
	}
	if !progress.Known {
		progress.Missing = append(progress.Missing, fmt.Sprintf("a fresh count of the %s within %s", noun(req.measure), words(req.window)))
	} else if short := progress.Required - progress.Achieved; short > 0 {
		progress.Missing = append(progress.Missing, fmt.Sprintf("%d more %s within %s", short, noun(req.measure), words(req.window)))
	} else if due := e.spanDue(); due.After(e.now) {
		progress.Missing = append(progress.Missing, fmt.Sprintf("the deliveries must span %s; they will at %s", words(req.span), stamp(due)))
	} else if req.span > 0 && due.IsZero() {
		progress.Missing = append(progress.Missing, fmt.Sprintf("the deliveries must span %s, from the first that is seen to come in", words(req.span)))
	}
	for i := range e.p.chain {
		if object := e.p.chain[i].objection; object != nil {
			if o := object(e); o.why != "" {
				progress.Missing = append(progress.Missing, o.why)
			}
		}
	}
	return progress, true
}

func (e *evaluation) explainUpgrade(x *explanation) {
	progress, ok := e.upgradeProgress()
	switch {
	case !ok && e.s.Tier.Limit == Unlimited:
		x.say(upgradeTopic, v1alpha1.RuleUnlimited, "There is no higher tier.")
	case !ok:
		x.say(upgradeTopic, v1alpha1.RuleUpgrade, "There is no higher tier.")
	case !progress.Effective.IsZero():
		x.say(upgradeTopic, v1alpha1.RuleUpgrade, "The limit rises to %s (tier %s) at %s: all that it requires was met at %s.",
			limitWords(progress.Next.Limit), progress.Next.Name, stamp(progress.Effective), stamp(e.s.EligibleSince))
	default:
		_, req := e.p.above(e.place)
		text := fmt.Sprintf("Tier %s (%s) needs %d %s within %s",
			progress.Next.Name, limitWords(progress.Next.Limit), progress.Required, noun(req.measure), words(req.window))
		if req.minimumQuality != "" {
			text += fmt.Sprintf(" and a rating of %s at least", req.minimumQuality)
		} else {
			text += ", whatever the rating"
		}
		if progress.Known {
			text += fmt.Sprintf("; there are %d", progress.Achieved)
		}
		if len(progress.Missing) > 0 {
			text += ". Missing: " + strings.Join(progress.Missing, "; ")
		}
		if req.delay > 0 {
			text += fmt.Sprintf(". It comes %s after that", words(req.delay))
		}
		x.say(upgradeTopic, v1alpha1.RuleUpgrade, "%s.", text)
	}
}
