package controllers

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/rules"
)

// parts are a status in two parts: what was decided, and counts.
type parts struct {
	decisions any // the status without its counts
	counts    usageCounts
	used      *int64 // by which the counts are refreshed: a number's own, a portfolio's together
	limit     int64
}

// counts are what moves with each delivery, while nothing is decided.
type usageCounts struct {
	usage    v1alpha1.UsageStatus
	feedback v1alpha1.FeedbackStatus
	upgrade  v1alpha1.UpgradeStatus
	until    metav1.Time // end of a restriction
	next     metav1.Time // deadline
	step     string
	why      []string
	report   int64 // one that changed nothing else
	failure  v1alpha1.FailureStatus
}

func partsOfNumber(status *v1alpha1.PhoneNumberStatus) parts {
	d := *status
	p := parts{decisions: &d, used: d.Usage.OwnUsed, limit: d.Tier.Limit, counts: usageCounts{usage: d.Usage, feedback: d.Quality.Feedback, upgrade: d.Upgrade,
		until: d.Restriction.UntilTime, next: d.NextDeadlineTime, why: d.Explanation, report: d.ObservedReport, failure: d.LastFailure}}
	if d.Portfolio != "" {
		// Whatever the other numbers send moves the rest: one that sends nothing is not written for it.
		p.counts = usageCounts{usage: v1alpha1.UsageStatus{OwnUsed: d.Usage.OwnUsed, UniqueUsers7d: d.Usage.UniqueUsers7d, Messages7d: d.Usage.Messages7d,
			LastDeliveryTime: d.Usage.LastDeliveryTime, LastReceivedTime: d.Usage.LastReceivedTime}, feedback: d.Quality.Feedback, report: d.ObservedReport, failure: d.LastFailure}
	}
	d.Usage, d.Quality.Feedback = v1alpha1.UsageStatus{Source: d.Usage.Source}, v1alpha1.FeedbackStatus{}
	d.NextDeadlineTime, d.ObservedReport = metav1.Time{}, 0
	d.Explanation = nil
	d.LastFailure = v1alpha1.FailureStatus{}
	d.Notifications = nil // written by the controller that sends them
	withoutCounts(&d.Upgrade, &d.Restriction)
	return p
}

func partsOfPortfolio(status *v1alpha1.BusinessPortfolioStatus) parts {
	d := *status
	p := parts{decisions: &d, used: d.Usage.Used, limit: d.Tier.Limit, counts: usageCounts{usage: d.Usage, upgrade: d.Upgrade,
		until: d.Restriction.UntilTime, next: d.NextDeadlineTime, step: d.NextStep, why: d.Explanation, report: d.ObservedReport}}
	d.Usage, d.NextStep, d.Explanation = v1alpha1.UsageStatus{Source: d.Usage.Source}, "", nil
	d.NextDeadlineTime, d.ObservedReport = metav1.Time{}, 0
	d.Notifications = nil
	withoutCounts(&d.Upgrade, &d.Restriction)
	return p
}

func withoutCounts(upgrade *v1alpha1.UpgradeStatus, restriction *v1alpha1.RestrictionStatus) {
	upgrade.Achieved = nil
	upgrade.Missing = nil // sentences with counts in them
	if restriction.Source == v1alpha1.FromPolicy {
		restriction.UntilTime = metav1.Time{} // each further delivery moves it
	}
}

// difference is how a wanted status differs from the one that stands. The zero value says that it does not: a resource at rest is
// never written.
type difference struct {
	decided bool // what was decided differs, which is written at once
	counted bool // counts differ
	// percent is by how much of the limit used differs; crossed says that one of the marks lies between.
	percent float64
	crossed bool
}

// marks are the percents of a limit at which people look.
var marks = [...]int64{50, 80, 90, 95, 100}

// mark is how many of the marks are reached.
func mark(used, limit int64) int {
	reached := 0
	for _, m := range marks {
		if used*100 >= m*limit {
			reached++
		}
	}
	return reached
}

// differ compares two statuses of a resource.
func differ(have, want parts) difference {
	d := difference{decided: !equality.Semantic.DeepEqual(have.decisions, want.decisions), counted: !sameCounts(have.counts, want.counts)}
	if have.used == nil || want.used == nil {
		d.crossed = have.used != want.used
		return d
	}
	before, after, of := *have.used, *want.used, want.limit
	if of == rules.Unlimited {
		of = max(1, before)
	} else {
		// A count that stays about a mark crosses it once: it must fall a percent below to have left it.
		d.crossed = mark(after, of) > mark(before, of) || mark(after+of/100, of) < mark(before, of)
	}
	d.percent = float64(max(after-before, before-after)) * 100 / float64(of)
	return d
}

func sameCounts(a, b usageCounts) bool {
	b.usage.ObservedTime, b.usage.SampledTime = a.usage.ObservedTime, a.usage.SampledTime
	b.usage.LastReceivedTime = lately(a.usage.LastReceivedTime, b.usage.LastReceivedTime)
	if b.failure.Class == a.failure.Class {
		b.failure.Time = lately(a.failure.Time, b.failure.Time)
	}
	return equality.Semantic.DeepEqual(a.failure, b.failure) && equality.Semantic.DeepEqual(a.usage, b.usage) && equality.Semantic.DeepEqual(a.feedback, b.feedback) &&
		equality.Semantic.DeepEqual(a.upgrade, b.upgrade) && a.until.Equal(&b.until) && a.next.Equal(&b.next) && a.step == b.step &&
		slices.Equal(a.why, b.why) && a.report == b.report
}

// lately is the time that stands, unless another is newer by a quarter of an hour: that something came once more is no news.
func lately(have, want metav1.Time) metav1.Time {
	if !have.IsZero() && !want.Before(&have) && want.Sub(have.Time) < 15*time.Minute {
		return have
	}
	return want
}

// earliest is the earlier of two instants, where zero means never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}
