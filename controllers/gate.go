package controllers

import (
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/rules"
)

// heartbeat is how old counts in the status may become while they differ from the ledger's, in time of the rules. The
// metrics have them live.
const heartbeat = 15 * time.Minute

// due says whether the wanted status is worth a write: what was decided changed, used moved by a whole percent of the
// limit, or other counts are older than the heartbeat. A number at rest is never written.
func due(have, want *v1alpha1.PhoneNumberStatus) bool {
	if !equality.Semantic.DeepEqual(decisions(have), decisions(want)) {
		return true
	}
	if sameCounts(have, want) {
		return false
	}
	return moved(have, want) || !want.Usage.ObservedTime.Before(new(metav1.NewTime(have.Usage.ObservedTime.Add(heartbeat))))
}

// decisions is the status without its counts, and without what the notifier keeps there.
func decisions(status *v1alpha1.PhoneNumberStatus) *v1alpha1.PhoneNumberStatus {
	d := *status
	d.Usage = v1alpha1.UsageStatus{}
	d.Upgrade.Achieved = nil
	d.Upgrade.Missing = nil // sentences with counts in them
	d.ObservedReport = 0    // a report that changed nothing
	d.NextDeadlineTime = metav1.Time{}
	d.Notifications = nil // not ours
	if d.Restriction.Source == v1alpha1.FromPolicy {
		d.Restriction.UntilTime = metav1.Time{} // each further delivery moves it
	}
	return &d
}

func sameCounts(have, want *v1alpha1.PhoneNumberStatus) bool {
	a, b := have.Usage, want.Usage
	b.ObservedTime = a.ObservedTime
	return equality.Semantic.DeepEqual(a, b) &&
		equality.Semantic.DeepEqual(have.Upgrade, want.Upgrade) &&
		have.Restriction.UntilTime.Equal(&want.Restriction.UntilTime) &&
		have.NextDeadlineTime.Equal(&want.NextDeadlineTime) &&
		have.ObservedReport == want.ObservedReport
}

func moved(have, want *v1alpha1.PhoneNumberStatus) bool {
	if have.Usage.Used == nil || want.Tier.Limit == rules.Unlimited {
		return have.Usage.Used == nil
	}
	change := *want.Usage.Used - *have.Usage.Used
	// The last user to leave is a whole move, however small the change: there is no later one to wait for.
	return max(change, -change) >= percent(want.Tier.Limit) || change != 0 && *want.Usage.Used == 0
}

// percent is one percent of a limit, at least 1.
func percent(limit int64) int64 { return max(1, limit/100) }

// refresh is when the counts in the status will be worth a write although nothing further happens: some that differ were
// held back, or users leave the windows. Zero if neither is so.
func refresh(have, want *v1alpha1.PhoneNumberStatus, policy *rules.Policy, usage rules.Usage, expiry, now time.Time) time.Time {
	beat := have.Usage.ObservedTime.Add(heartbeat)
	var wake time.Time
	if !sameCounts(have, want) {
		wake = beat
	} else if !expiry.IsZero() {
		wake = expiry
		if beat.After(wake) {
			wake = beat
		}
	}
	if used := have.Usage.Used; used != nil && *used > 0 && have.Tier.Limit != rules.Unlimited {
		// Had it fallen so far already, it would have been written.
		if step := usage.FallsBelow(policy.Measure, policy.Window, max(1, *used-percent(have.Tier.Limit)+1), now); step.After(now) {
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
