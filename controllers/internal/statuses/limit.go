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

func Tier(s *rules.State) v1alpha1.TierStatus {
	return v1alpha1.TierStatus{Name: s.Tier.Name, Limit: s.Tier.Limit, SinceTime: Time(s.TierSince), Source: s.TierSource,
		ReportedTime: Time(s.LimitReported), LoweredTime: Time(s.LimitLowered),
		Before:    v1alpha1.TierBefore{Name: s.Before.Name, Limit: s.Before.Limit},
		Concluded: v1alpha1.ConcludedTier{Name: s.ConcludedTier.Name, Limit: s.ConcludedTier.Limit, SinceTime: Time(s.ConcludedSince)}}
}

func Restriction(s *rules.State) v1alpha1.RestrictionStatus {
	if !s.Restricted() {
		return v1alpha1.RestrictionStatus{}
	}
	return v1alpha1.RestrictionStatus{SinceTime: Time(s.RestrictedSince), UntilTime: Time(s.RestrictedUntil), Source: s.RestrictedSource,
		Reason: s.RestrictedReason}
}

func Verification(s *rules.State) v1alpha1.VerificationStatus {
	return v1alpha1.VerificationStatus{State: s.Verification, SinceTime: Time(s.VerificationSince), Source: s.VerificationSource,
		ReportedTime: Time(s.VerificationReported)}
}

func Usage(policy *rules.Policy, counts rules.Usage, s *rules.State) v1alpha1.UsageStatus {
	now := s.EvaluatedAt
	used := rules.Used(policy, counts, now)
	usage := v1alpha1.UsageStatus{
		Source:           v1alpha1.CountedHere,
		ObservedTime:     Time(now),
		Used:             &used,
		UniqueUsers7d:    new(counts.Count(v1alpha1.MeasureUniqueUsers, now.Add(-Week), now).Most),
		Messages7d:       new(counts.Count(v1alpha1.MeasureMessages, now.Add(-Week), now).Most),
		LastDeliveryTime: Time(counts.Last(v1alpha1.MeasureMessages, now.Add(-30*24*time.Hour), now)),
	}
	if used > 0 {
		usage.RoomFreesTime = Time(counts.FallsBelow(policy.Measure, policy.Window, used, now))
	}
	return usage
}

func Upgrade(policy *rules.Policy, f *rules.Facts, s rules.State) v1alpha1.UpgradeStatus {
	progress, ok := rules.UpgradeProgress(policy, f, s, s.EvaluatedAt)
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
