package controllers

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/rules"
)

// portfolioStateOf reads the engine's state back from the status; false if the portfolio was never evaluated.
func portfolioStateOf(status *v1alpha1.BusinessPortfolioStatus) (rules.State, bool) {
	if status.Tier.Name == "" {
		return rules.State{}, false
	}
	return rules.State{
		EvaluatedAt: status.Usage.ObservedTime.UTC(),

		Tier:          rules.Tier{Name: status.Tier.Name, Limit: status.Tier.Limit},
		TierSince:     utc(status.Tier.SinceTime),
		TierSource:    status.Tier.Source,
		Before:        rules.Tier{Name: status.Tier.Before.Name, Limit: status.Tier.Before.Limit},
		LimitReported: utc(status.Tier.ReportedTime),
		LimitLowered:  utc(status.Tier.LoweredTime),

		ConcludedTier:  rules.Tier{Name: status.Tier.Concluded.Name, Limit: status.Tier.Concluded.Limit},
		ConcludedSince: utc(status.Tier.Concluded.SinceTime),

		Members: rules.MemberQuality{Name: status.Quality.Reason, Rating: status.Quality.Rating,
			Sendable: status.Connection.State == v1alpha1.StateConnected},
		MembersRatedSince:    utc(status.Quality.SinceTime),
		MembersSendableSince: utc(status.Connection.SinceTime),

		RestrictedSince:  utc(status.Restriction.SinceTime),
		RestrictedUntil:  utc(status.Restriction.UntilTime),
		RestrictedSource: status.Restriction.Source,

		EligibleSince: utc(status.Upgrade.EligibleSinceTime),

		Rating:     v1alpha1.QualityUnknown,
		Connection: v1alpha1.StateConnected,

		Verification:         status.Verification.State,
		VerificationSince:    utc(status.Verification.SinceTime),
		VerificationSource:   status.Verification.Source,
		VerificationReported: utc(status.Verification.ReportedTime),

		Increase:         status.Increase.Decision,
		IncreaseReported: utc(status.Increase.ReportedTime),
		IncreaseReason:   status.Increase.Reason,
	}, true
}

// portfolioDecided writes what the rules decided into the status, and the counts.
func portfolioDecided(status *v1alpha1.BusinessPortfolioStatus, policy governing, f *rules.Facts, s rules.State, next time.Time) {
	status.PolicyName, status.PolicyGeneration = policy.Name, policy.generation
	status.Tier = tierStatus(&s)
	status.Quality = v1alpha1.PortfolioQuality{Rating: s.Members.Rating, SinceTime: at(s.MembersRatedSince), Reason: clip(s.Members.Name, 256)}
	status.Connection = v1alpha1.ConnectionStatus{State: v1alpha1.StateOffline, SinceTime: at(s.MembersSendableSince), Source: v1alpha1.FromPolicy}
	if s.Members.Sendable {
		status.Connection.State = v1alpha1.StateConnected
	}
	status.Restriction = restrictionStatus(&s)
	status.Verification = verificationStatus(&s)
	status.Usage = usageStatus(policy.Policy, f.Usage, &s)
	status.Upgrade = upgradeStatus(policy.Policy, f, s)
	status.Increase = v1alpha1.IncreaseStatus{}
	if s.Increase != "" {
		status.Increase = v1alpha1.IncreaseStatus{Decision: s.Increase, ReportedTime: at(s.IncreaseReported), Reason: clip(s.IncreaseReason, 256)}
	}
	status.NextStep = nextStep(&status.Upgrade)
	status.NextDeadlineTime = at(next)
}

// nextStep says in a few words what comes next; empty on the last tier.
func nextStep(upgrade *v1alpha1.UpgradeStatus) string {
	switch {
	case upgrade.NextTier == "":
		return ""
	case !upgrade.EffectiveTime.IsZero():
		return upgrade.NextTier + " at " + stamp(upgrade.EffectiveTime)
	case len(upgrade.Missing) == 1:
		return clip(upgrade.NextTier+": "+upgrade.Missing[0], 128)
	case len(upgrade.Missing) > 1:
		return clip(upgrade.NextTier+": "+upgrade.Missing[0], 116) + ", and more"
	}
	return upgrade.NextTier
}

// standing is what the numbers and templates came to at each instant since the last evaluation, and now, in order of time.
func (r *BusinessPortfolioReconciler) standing(ctx context.Context, numbers []v1alpha1.PhoneNumber, since, now time.Time) ([]rules.QualityAt, error) {
	var all []rated
	seen := map[string]bool{}
	for i := range numbers {
		n := &numbers[i]
		if n.Status.Quality.Rating != "" && n.Spec.Activity != v1alpha1.Suspended {
			all = append(all, rated{quality: rules.MemberQuality{
				Name:     fmt.Sprintf("number %s/%s", n.Namespace, n.Name),
				Rating:   n.Status.Quality.Rating,
				Sendable: n.Status.Connection.State == v1alpha1.StateConnected && n.Status.Flag.SinceTime.IsZero(),
			}, history: n.Status.History})
		}
		templates, err := templatesOf(ctx, r.Cache, n)
		if err != nil {
			return nil, err
		}
		for j := range templates {
			t := &templates[j]
			if s, counts := templateQuality(t); counts && !seen[t.Namespace+"/"+t.Name] {
				seen[t.Namespace+"/"+t.Name] = true
				all = append(all, rated{quality: s, history: t.Status.History})
			}
		}
	}
	// A rating that came and went between two evaluations counts as well: it may have cancelled an upgrade.
	instants := []time.Time{now}
	for _, of := range all {
		for _, t := range of.history {
			if t.Reason == v1alpha1.ReasonQualityChanged && t.Time.After(since) && t.Time.Time.Before(now) {
				instants = append(instants, t.Time.UTC())
			}
		}
	}
	slices.SortFunc(instants, time.Time.Compare)
	var qualities []rules.QualityAt
	for _, at := range slices.Compact(instants) {
		then := make([]rules.MemberQuality, 0, len(all))
		for _, of := range all {
			then = append(then, of.at(at))
		}
		qualities = append(qualities, rules.QualityAt{At: at, MemberQuality: rules.LowestQuality(then)})
	}
	return qualities, nil
}

// rated is a number or template with what happened to it.
type rated struct {
	quality rules.MemberQuality
	history []v1alpha1.Transition
}

// at is what it contributed at an instant: its rating of then.
func (r rated) at(at time.Time) rules.MemberQuality {
	s := r.quality
	for _, t := range r.history {
		if t.Reason == v1alpha1.ReasonQualityChanged && t.Time.After(at) {
			s.Rating = cmp.Or(v1alpha1.QualityRating(t.From), s.Rating)
			break
		}
	}
	return s
}
