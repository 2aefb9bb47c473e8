package controllers

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/rules"
)

// heartbeat is how old counts in the status may become while they differ from the ledger's, in time of the rules. The
// metrics have them live.
const heartbeat = 15 * time.Minute

// gated is a status in two parts: what was decided, and counts.
type gated struct {
	decisions any // the status without its counts
	counts    counts
	limit     int64
}

// counts are what moves with each delivery, while nothing is decided.
type counts struct {
	usage    v1alpha1.UsageStatus
	feedback v1alpha1.FeedbackStatus
	upgrade  v1alpha1.UpgradeStatus
	until    metav1.Time // end of a restriction
	next     metav1.Time // deadline
	step     string
	why      []string
	report   int64 // one that changed nothing else
}

func gatedNumber(status *v1alpha1.PhoneNumberStatus) gated {
	d := *status
	g := gated{decisions: &d, limit: d.Tier.Limit, counts: counts{usage: d.Usage, feedback: d.Quality.Feedback, upgrade: d.Upgrade,
		until: d.Restriction.UntilTime, next: d.NextDeadlineTime, why: d.Explanation, report: d.ObservedReport}}
	d.Usage, d.Quality.Feedback = v1alpha1.UsageStatus{Source: d.Usage.Source}, v1alpha1.FeedbackStatus{}
	d.NextDeadlineTime, d.ObservedReport = metav1.Time{}, 0
	d.Explanation = nil
	d.Notifications = nil // written by the controller that sends them
	withoutCounts(&d.Upgrade, &d.Restriction)
	return g
}

func gatedPortfolio(status *v1alpha1.BusinessPortfolioStatus) gated {
	d := *status
	g := gated{decisions: &d, limit: d.Tier.Limit, counts: counts{usage: d.Usage, upgrade: d.Upgrade,
		until: d.Restriction.UntilTime, next: d.NextDeadlineTime, step: d.NextStep, why: d.Explanation, report: d.ObservedReport}}
	d.Usage, d.NextStep, d.Explanation = v1alpha1.UsageStatus{Source: d.Usage.Source}, "", nil
	d.NextDeadlineTime, d.ObservedReport = metav1.Time{}, 0
	d.Notifications = nil
	withoutCounts(&d.Upgrade, &d.Restriction)
	return g
}

func withoutCounts(upgrade *v1alpha1.UpgradeStatus, restriction *v1alpha1.RestrictionStatus) {
	upgrade.Achieved = nil
	upgrade.Missing = nil // sentences with counts in them
	if restriction.Source == v1alpha1.FromPolicy {
		restriction.UntilTime = metav1.Time{} // each further delivery moves it
	}
}

// due says whether the wanted status is worth a write: what was decided changed, used moved by a whole percent of the
// limit, or other counts are older than the heartbeat. A number at rest is never written.
func due(have, want gated) bool {
	if !equality.Semantic.DeepEqual(have.decisions, want.decisions) {
		return true
	}
	if sameCounts(have, want) {
		return false
	}
	return moved(have, want) || !want.counts.usage.ObservedTime.Before(new(metav1.NewTime(have.counts.usage.ObservedTime.Add(heartbeat))))
}

func sameCounts(have, want gated) bool {
	want.counts.usage.ObservedTime, want.counts.usage.SampledTime = have.counts.usage.ObservedTime, have.counts.usage.SampledTime
	a, b := have.counts, want.counts
	return equality.Semantic.DeepEqual(a.usage, b.usage) && equality.Semantic.DeepEqual(a.feedback, b.feedback) &&
		equality.Semantic.DeepEqual(a.upgrade, b.upgrade) && a.until.Equal(&b.until) && a.next.Equal(&b.next) && a.step == b.step &&
		slices.Equal(a.why, b.why) && a.report == b.report
}

func moved(have, want gated) bool {
	before, after := have.counts.usage.Used, want.counts.usage.Used
	if before == nil || after == nil || want.limit == rules.Unlimited {
		return (before == nil) != (after == nil)
	}
	change := *after - *before
	// The last user to leave is a whole move, however small the change: there is no later one to wait for.
	return max(change, -change) >= percent(want.limit) || change != 0 && *after == 0
}

// percent is one percent of a limit, at least 1.
func percent(limit int64) int64 { return max(1, limit/100) }

// refresh is when the counts in the status will be worth a write although nothing further happens: some that differ were
// held back, or users leave the windows. Zero if neither is so. The usage is nil where used is another's, who says when it
// moves.
func refresh(have, want gated, policy *rules.Policy, usage rules.Usage, expiry, now time.Time) time.Time {
	beat := have.counts.usage.ObservedTime.Add(heartbeat)
	var wake time.Time
	if !sameCounts(have, want) {
		wake = beat
	} else if !expiry.IsZero() {
		wake = expiry
		if beat.After(wake) {
			wake = beat
		}
	}
	if used := have.counts.usage.Used; usage != nil && used != nil && *used > 0 && have.limit != rules.Unlimited {
		// Had it fallen so far already, it would have been written.
		if step := usage.FallsBelow(policy.Measure, policy.Window, max(1, *used-percent(have.limit)+1), now); step.After(now) {
			wake = earliest(wake, step)
		}
	}
	return wake
}

// earliest is the earlier of two instants, where zero means never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}
