package throttle

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/rules"
)

// Parts are a status in two parts: what was decided, and counts.
type Parts struct {
	Decisions any // the status without its counts
	Counts    Counts
	Used      *int64 // by which the counts are refreshed: a number's own, a portfolio's together
	Limit     int64
}

// Counts are what moves with each delivery, while nothing is decided.
type Counts struct {
	Usage    v1alpha1.UsageStatus
	Budgets  []v1alpha1.BudgetStatus
	Sendable string // the reason, while it comes and goes with what is held
	Feedback v1alpha1.FeedbackStatus
	Upgrade  v1alpha1.UpgradeStatus
	Until    metav1.Time // end of a restriction
	Next     metav1.Time // deadline
	Step     string
	Why      []string
	Report   int64 // one that changed nothing else
	Failure  v1alpha1.FailureStatus
	Members  []v1alpha1.PoolMember
}

// WithoutCounts takes the counts of a limit out of what was decided, a copy, and returns them.
func WithoutCounts(common *v1alpha1.CommonStatus, limit *v1alpha1.LimitStatus) Counts {
	c := Counts{Usage: limit.Usage, Budgets: limit.Budgets, Upgrade: limit.Upgrade, Until: limit.Restriction.UntilTime, Next: limit.NextDeadlineTime, Why: limit.Explanation}
	limit.Usage, limit.Budgets, limit.NextDeadlineTime, limit.Explanation = v1alpha1.UsageStatus{Source: limit.Usage.Source}, nil, metav1.Time{}, nil
	limit.Upgrade.Achieved = nil
	limit.Upgrade.Missing = nil // sentences with counts in them
	if limit.Restriction.Source == v1alpha1.FromPolicy {
		limit.Restriction.UntilTime = metav1.Time{} // each further delivery moves it
	}
	if sendable := meta.FindStatusCondition(common.Conditions, v1alpha1.ConditionSendable); sendable != nil && byHolds(sendable.Reason, limit) {
		c.Sendable = sendable.Reason
		common.Conditions = slices.DeleteFunc(slices.Clone(common.Conditions), func(is metav1.Condition) bool { return is.Type == v1alpha1.ConditionSendable })
	}
	return c
}

// byHolds says whether further users may be messaged, or may not only since all that is left of the limit is held. The one turns into the
// other with single messages.
func byHolds(sendable string, limit *v1alpha1.LimitStatus) bool {
	return sendable == v1alpha1.ReasonBelowLimit || AllHeld(sendable, limit)
}

// AllHeld says whether further users may not be messaged only since all that is left of the limit is held.
func AllHeld(sendable string, limit *v1alpha1.LimitStatus) bool {
	return sendable == string(v1alpha1.RoomLimitReached) && limit.Restriction.Source == ""
}

// Difference is how a wanted status differs from the one that stands. The zero value says that it does not: a resource at rest is
// never written.
type Difference struct {
	Decided bool // what was decided differs, which is written at once
	Counted bool // Counts differ
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

// Differ compares two statuses of a resource.
func Differ(have, want Parts) Difference {
	d := Difference{Decided: !equality.Semantic.DeepEqual(have.Decisions, want.Decisions), Counted: !sameCounts(have.Counts, want.Counts)}
	if have.Used == nil || want.Used == nil {
		d.crossed = have.Used != want.Used
		return d
	}
	before, after, of := *have.Used, *want.Used, want.Limit
	if of == rules.Unlimited {
		of = max(1, before)
	} else {
		// A count that stays about a mark crosses it once: it must fall a percent below to have left it.
		d.crossed = mark(after, of) > mark(before, of) || mark(after+of/100, of) < mark(before, of)
	}
	d.percent = float64(max(after-before, before-after)) * 100 / float64(of)
	return d
}

func sameCounts(a, b Counts) bool {
	b.Usage.ObservedTime, b.Usage.SampledTime = a.Usage.ObservedTime, a.Usage.SampledTime
	b.Usage.LastReceivedTime = unlessRecent(a.Usage.LastReceivedTime, b.Usage.LastReceivedTime)
	if b.Failure.Class == a.Failure.Class {
		b.Failure.Time = unlessRecent(a.Failure.Time, b.Failure.Time)
	}
	return equality.Semantic.DeepEqual(a, b)
}

// unlessRecent is the time that stands, unless another is newer by a quarter of an hour: that something came once more is no news.
func unlessRecent(have, want metav1.Time) metav1.Time {
	if !have.IsZero() && !want.Before(&have) && want.Sub(have.Time) < 15*time.Minute {
		return have
	}
	return want
}
