package statuses

import (
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/rules"
)

// Began is the instant at which the rules start for a number that was never evaluated: the first that is known of it,
// where something came before the resource, or before it was created again; else now. The rules then live through it.
func Began(facts *rules.Facts, now time.Time) time.Time {
	began := now
	if first := facts.Usage.Nth(v1alpha1.MeasureMessages, 1, now.Add(-counts.Kept), now); !first.IsZero() {
		began = first.Add(-time.Second) // so that the delivery itself comes after it
	}
	return report.Earliest(facts.Reports, began)
}

// Week is the window of the counts that every status shows.
const Week = 7 * 24 * time.Hour

// LimitState reads back from a status what the rules remember of a limit.
func LimitState(status *v1alpha1.LimitStatus) rules.State {
	return rules.State{
		EvaluatedAt: status.Usage.ObservedTime.UTC(),

		Tier:       rules.Tier{Name: status.Tier.Name, Limit: status.Tier.Limit},
		TierSince:  UTC(status.Tier.SinceTime),
		TierSource: status.Tier.Source,
		Before:     rules.Tier{Name: status.Tier.Before.Name, Limit: status.Tier.Before.Limit},

		LimitReported:  UTC(status.Tier.ReportedTime),
		LimitLowered:   UTC(status.Tier.LoweredTime),
		ConcludedTier:  rules.Tier{Name: status.Tier.Concluded.Name, Limit: status.Tier.Concluded.Limit},
		ConcludedSince: UTC(status.Tier.Concluded.SinceTime),

		RestrictedSince:  UTC(status.Restriction.SinceTime),
		RestrictedUntil:  UTC(status.Restriction.UntilTime),
		RestrictedSource: status.Restriction.Source,
		RestrictedReason: status.Restriction.Reason,

		EligibleSince: UTC(status.Upgrade.EligibleSinceTime),

		Verification:         status.Verification.State,
		VerificationSince:    UTC(status.Verification.SinceTime),
		VerificationSource:   status.Verification.Source,
		VerificationReported: UTC(status.Verification.ReportedTime),
	}
}

// SetLimit writes into a status what the rules remember of a limit, its counts, and the next deadline.
func SetLimit(status *v1alpha1.LimitStatus, policy *rules.Policy, f *rules.Facts, s *rules.State, next time.Time) {
	status.Tier = v1alpha1.TierStatus{
		Name: s.Tier.Name, Limit: s.Tier.Limit, SinceTime: Time(s.TierSince), Source: s.TierSource,
		ReportedTime: Time(s.LimitReported), LoweredTime: Time(s.LimitLowered),
		Before:    v1alpha1.TierBefore{Name: s.Before.Name, Limit: s.Before.Limit},
		Concluded: v1alpha1.ConcludedTier{Name: s.ConcludedTier.Name, Limit: s.ConcludedTier.Limit, SinceTime: Time(s.ConcludedSince)},
	}
	status.Restriction = v1alpha1.RestrictionStatus{}
	if s.Restricted() {
		status.Restriction = v1alpha1.RestrictionStatus{SinceTime: Time(s.RestrictedSince), UntilTime: Time(s.RestrictedUntil), Source: s.RestrictedSource,
			Reason: s.RestrictedReason}
	}
	status.Verification = v1alpha1.VerificationStatus{State: s.Verification, SinceTime: Time(s.VerificationSince), Source: s.VerificationSource,
		ReportedTime: Time(s.VerificationReported)}
	status.Usage, status.Upgrade = usage(policy, f, s.EvaluatedAt), upgrade(policy, f, s)
	status.NextDeadlineTime = Time(next)
}

func usage(policy *rules.Policy, f *rules.Facts, now time.Time) v1alpha1.UsageStatus {
	counts := f.Usage
	used := rules.Used(policy, counts, now)
	usage := v1alpha1.UsageStatus{
		Source:           v1alpha1.CountedHere,
		ObservedTime:     Time(now),
		Used:             &used,
		Reserved:         &f.Reserved,
		UniqueUsers7d:    new(counts.Count(v1alpha1.MeasureUniqueUsers, now.Add(-Week), now).Most),
		Messages7d:       new(counts.Count(v1alpha1.MeasureMessages, now.Add(-Week), now).Most),
		LastDeliveryTime: Time(counts.Last(v1alpha1.MeasureMessages, now.Add(-30*24*time.Hour), now)),
	}
	if used > 0 {
		usage.RoomFreesTime = Time(counts.FallsBelow(policy.Measure, policy.Window, used, now))
	}
	return usage
}

func upgrade(policy *rules.Policy, f *rules.Facts, s *rules.State) v1alpha1.UpgradeStatus {
	progress, ok := rules.UpgradeProgress(policy, f, *s, s.EvaluatedAt)
	if !ok {
		return v1alpha1.UpgradeStatus{}
	}
	var achieved *int64
	if progress.Known {
		achieved = &progress.Achieved
	}
	missing := make([]string, 0, len(progress.Missing))
	for _, m := range progress.Missing {
		missing = append(missing, Clip(m, 256))
	}
	return v1alpha1.UpgradeStatus{
		NextTier:          progress.Next.Name,
		Required:          progress.Required,
		Achieved:          achieved,
		EligibleSinceTime: Time(s.EligibleSince),
		EffectiveTime:     Time(progress.Effective),
		CountedFromTime:   Time(progress.CountedFrom),
		Missing:           missing,
	}
}
