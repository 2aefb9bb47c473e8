package rules

import (
	"fmt"
	"slices"
	"strings"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// Explain says in sentences why a number or portfolio is where it is, what is missing for the next tier, what would lower it
// and when. Each names its rule; docs/rules.md has the source of each. The cause is what was said when the tier last changed;
// empty if that is not known.
func Explain(p *Policy, f *Facts, s State, cause Cause, now time.Time) []string {
	w := why{evaluation: evaluation{p: p, f: f, s: s, now: now.UTC().Truncate(time.Second)}}
	if p.role != member {
		w.tier(cause)
		w.room()
	}
	if p.role != portfolio {
		w.connection()
		w.quality()
	}
	if p.role != member {
		w.nextTier()
	}
	if p.role != member {
		w.wayDown()
	}
	return w.sentences
}

type why struct {
	evaluation
	sentences []string
}

// rule says a sentence and names the rule that it follows from.
func (w *why) rule(rule v1alpha1.Rule, format string, args ...any) {
	from := w.p.Source
	if rule != v1alpha1.NoRule {
		from = fmt.Sprintf("rule %d of %s", rule, w.p.Source)
	}
	w.sentences = append(w.sentences, fmt.Sprintf(format, args...)+" ("+from+")")
}

func (w *why) tier(cause Cause) {
	s := &w.s
	limit := fmt.Sprintf("The limit is %d %s within %s (tier %s)", s.Tier.Limit, noun(w.p.Measure), words(w.p.Window), s.Tier.Name)
	if s.Tier.Limit == Unlimited {
		limit = fmt.Sprintf("There is no limit (tier %s)", s.Tier.Name)
	}
	limit += " since " + stamp(s.TierSince)
	switch {
	case s.ConcludedTier != (Tier{}):
		w.rule(v1alpha1.RuleReports, "%s: Meta reported it. By the policy it was %s at %s.", limit, limitWords(s.ConcludedTier.Limit), stamp(s.ConcludedSince))
	case s.TierSource == v1alpha1.FromReport:
		w.rule(v1alpha1.RuleReports, "%s: Meta reported it.", limit)
	case s.TierSource == v1alpha1.FromVerification:
		w.rule(v1alpha1.RuleVerification, "%s: the business is verified.", limit)
	case cause.Message != "":
		w.rule(cause.Rule, "%s: %s.", limit, cause.Message)
	case s.Tier == w.p.Start(s.Verification):
		w.rule(v1alpha1.RuleVerification, "%s: new ones start there whose business is %s.", limit, s.Verification)
	default:
		w.rule(v1alpha1.NoRule, "%s: what led to it is older than the history", limit)
	}
}

func (w *why) room() {
	s := &w.s
	used := w.used()
	switch {
	case !w.knowsUsed() && s.Restricted() && s.RestrictedSource == v1alpha1.FromPolicy:
		w.rule(v1alpha1.RuleRestriction, "Restricted since %s, and only replies inside a customer service window go out. How much is used now is not known: there is room again %s.",
			stamp(s.RestrictedSince), w.roomAgain())
	case !w.knowsUsed():
		w.rule(v1alpha1.RuleRestriction, "How much of the limit is used now is not known; see the condition UsageFresh.")
	case s.AccountRestricted():
		w.rule(v1alpha1.RuleRestriction, "%d of %s are used.", used, limitWords(s.Tier.Limit))
	case s.RestrictedSource == v1alpha1.FromReport:
		w.rule(v1alpha1.RuleReports, "Restricted since %s: Meta reported it. By the count here, %d of %s are used.", stamp(s.RestrictedSince), used, limitWords(s.Tier.Limit))
	case s.Restricted():
		w.rule(v1alpha1.RuleRestriction, "Restricted since %s: %d of %d are used, and only replies inside a customer service window go out. There is room again %s.",
			stamp(s.RestrictedSince), used, s.Tier.Limit, w.roomAgain())
	case s.Tier.Limit == Unlimited:
		w.rule(v1alpha1.RuleUnlimited, "%d %s were reached within %s.", used, noun(w.p.Measure), words(w.p.Window))
	case w.p.role == alone && s.Obstacle().Reason != "":
		w.rule(v1alpha1.RuleRestriction, "%d of %d are used, and none remain while the number is %s.", used, s.Tier.Limit, s.Connection)
	default:
		w.rule(v1alpha1.RuleRestriction, "%d of %d are used, and %d remain.", used, s.Tier.Limit, s.Tier.Limit-used)
	}
}

func (w *why) connection() {
	if s := &w.s; s.AccountRestricted() {
		until := "until Meta lifts it"
		if !s.RestrictedUntil.IsZero() {
			until = "until " + stamp(s.RestrictedUntil)
		}
		w.rule(v1alpha1.RuleReports, "Restricted since %s, %s: Meta restricts the account (%s), and %s.", stamp(s.RestrictedSince), until, s.RestrictedReason,
			RestrictedTo(s.RestrictedReason))
	}
	switch s := &w.s; {
	case s.Connection == v1alpha1.StateConnected:
	case s.Connection == v1alpha1.StateBlocked && s.ConnectionSource == v1alpha1.FromPolicy:
		w.rule(v1alpha1.RuleBlock, "Blocked since %s: the rating stayed Low for %s at the lowest tier. Only Meta can lift it.", stamp(s.ConnectionSince), words(w.p.BlockAfter))
	default:
		w.rule(v1alpha1.RuleReports, "%s since %s: Meta reported it%s.", s.Connection, stamp(s.ConnectionSince), because(s.ConnectionReason))
	}
}

func (w *why) quality() {
	s := &w.s
	since := fmt.Sprintf("The quality rating is %s since %s", s.Rating, stamp(s.RatingSince))
	switch {
	case w.lacksHumanAttention():
		w.rule(v1alpha1.RuleHumanEscalation, "%s: the number has no direct way to a human. Declare one in spec.business.humanEscalationPaths, or appeal as soon as it is flagged.", since)
	case s.RatingReason == v1alpha1.ReasonUserFeedback:
		_, _, feedback := w.feedbackRating()
		w.sentences = append(w.sentences, fmt.Sprintf("%s: by now %s (quality from feedback, %s)", since, feedback, w.p.Source))
	case s.RatingSource == v1alpha1.FromReport && s.RatingReason != "":
		w.rule(v1alpha1.RuleReports, "%s: Meta reported it, for %s.", since, s.RatingReason)
	case s.RatingSource == v1alpha1.FromReport:
		w.rule(v1alpha1.RuleReports, "%s: Meta reported it.", since)
	case s.Rating == v1alpha1.QualityUnknown:
		w.sentences = append(w.sentences, "No quality rating was reported; Unknown counts as High.")
	default:
		w.sentences = append(w.sentences, since+" (quality from feedback, "+w.p.Source+")")
	}
	switch clear := w.flagClearDue(); {
	case !s.Flagged():
	case !clear.IsZero():
		w.rule(v1alpha1.RuleFlag, "Flagged since %s. The flag ends at %s if the rating stays above Low.", stamp(s.FlagSince), stamp(clear))
	case !w.graceDue().IsZero():
		w.rule(v1alpha1.RuleFlag, "Flagged since %s. The flag ends at %s%s.", stamp(s.FlagSince), stamp(w.graceDue()), w.afterGrace())
	default:
		w.rule(v1alpha1.RuleReports, "Flagged since %s: Meta reported it, and Meta ends it.", stamp(s.FlagSince))
	}
}

// afterGrace says what the end of a grace period brings.
func (w *why) afterGrace() string {
	to, falls := w.p.lower(w.s.Tier.Limit)
	if !falls {
		return ", and the tier stays, for it is the lowest"
	}
	return fmt.Sprintf(" with a fall to tier %s (%s), unless the rating rises above Low before", to.Name, limitWords(to.Limit))
}

func (w *why) nextTier() {
	progress, ok := UpgradeProgress(w.p, w.f, w.s, w.now)
	switch {
	case !ok && w.s.Tier.Limit == Unlimited:
		w.rule(v1alpha1.RuleUnlimited, "There is no higher tier.")
	case !ok:
		w.rule(v1alpha1.RuleUpgrade, "There is no higher tier.")
	case !progress.Effective.IsZero():
		w.rule(v1alpha1.RuleUpgrade, "The limit rises to %s (tier %s) at %s: all that it requires was met at %s.",
			limitWords(progress.Next.Limit), progress.Next.Name, stamp(progress.Effective), stamp(w.s.EligibleSince))
	default:
		_, way := w.p.next(w.s.Tier.Limit)
		text := fmt.Sprintf("Tier %s (%s) needs %d %s within %s",
			progress.Next.Name, limitWords(progress.Next.Limit), progress.Required, noun(way.measure), words(way.window))
		if way.minimumQuality != "" {
			text += fmt.Sprintf(" and a rating of %s at least", way.minimumQuality)
		} else {
			text += ", whatever the rating"
		}
		if progress.Known {
			text += fmt.Sprintf("; there are %d", progress.Achieved)
		}
		if len(progress.Missing) > 0 {
			text += ". Missing: " + strings.Join(progress.Missing, "; ")
		}
		if way.delay > 0 {
			text += fmt.Sprintf(". It comes %s after that", words(way.delay))
		}
		w.rule(v1alpha1.RuleUpgrade, "%s.", text)
	}
	if start := w.p.startVerified; w.s.Verification != v1alpha1.Verified && Above(start.Limit, w.s.Tier.Limit) {
		w.rule(v1alpha1.RuleVerification, "The verification of the business raises the limit to %s (tier %s) at once.", limitWords(start.Limit), start.Name)
	}
}

func (w *why) wayDown() {
	s := &w.s
	to, falls := w.p.lower(s.Tier.Limit)
	switch {
	case w.p.Grace == 0:
		w.rule(v1alpha1.RuleFlag, "A Low rating lowers nothing under policy %s.", w.p.Name)
	case !falls:
		w.rule(v1alpha1.RuleFloor, "Tier %s is the lowest: nothing lowers it.", s.Tier.Name)
	case s.Flagged():
		// Said with the flag.
	case s.Rating == v1alpha1.QualityLow:
		w.rule(v1alpha1.RuleFlag, "The limit falls to %s (tier %s) at %s unless the rating rises above Low before.", limitWords(to.Limit), to.Name, stamp(w.graceDue()))
	default:
		w.rule(v1alpha1.RuleFlag, "A Low rating that lasts %s lowers the limit to %s (tier %s).", words(w.p.Grace), limitWords(to.Limit), to.Name)
	}
	if due := w.blockDue(); !due.IsZero() {
		w.rule(v1alpha1.RuleBlock, "The number is blocked at %s if the rating stays Low.", stamp(due))
	}
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
