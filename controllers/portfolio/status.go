package portfolio

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/lookup"
	"numberfleet.dev/numberfleet/controllers/internal/statuses"
	"numberfleet.dev/numberfleet/controllers/template"
	"numberfleet.dev/numberfleet/internal/rules"
)

// State reads the engine's state back from the status; false if the portfolio was never evaluated.
func State(status *v1alpha1.BusinessPortfolioStatus) (rules.State, bool) {
	if status.Tier.Name == "" {
		return rules.State{}, false
	}
	return rules.State{
		EvaluatedAt: status.Usage.ObservedTime.UTC(),

		Tier:          rules.Tier{Name: status.Tier.Name, Limit: status.Tier.Limit},
		TierSince:     statuses.UTC(status.Tier.SinceTime),
		TierSource:    status.Tier.Source,
		Before:        rules.Tier{Name: status.Tier.Before.Name, Limit: status.Tier.Before.Limit},
		LimitReported: statuses.UTC(status.Tier.ReportedTime),
		LimitLowered:  statuses.UTC(status.Tier.LoweredTime),

		ConcludedTier:  rules.Tier{Name: status.Tier.Concluded.Name, Limit: status.Tier.Concluded.Limit},
		ConcludedSince: statuses.UTC(status.Tier.Concluded.SinceTime),

		Members: rules.MemberQuality{Name: status.Quality.Reason, Rating: status.Quality.Rating,
			Sendable: status.Connection.State == v1alpha1.StateConnected},
		MembersRatedSince:    statuses.UTC(status.Quality.SinceTime),
		MembersSendableSince: statuses.UTC(status.Connection.SinceTime),

		RestrictedSince:  statuses.UTC(status.Restriction.SinceTime),
		RestrictedUntil:  statuses.UTC(status.Restriction.UntilTime),
		RestrictedSource: status.Restriction.Source,

		EligibleSince: statuses.UTC(status.Upgrade.EligibleSinceTime),

		Rating:     v1alpha1.QualityUnknown,
		Connection: v1alpha1.StateConnected,

		Verification:         status.Verification.State,
		VerificationSince:    statuses.UTC(status.Verification.SinceTime),
		VerificationSource:   status.Verification.Source,
		VerificationReported: statuses.UTC(status.Verification.ReportedTime),

		Increase:         status.Increase.Decision,
		IncreaseReported: statuses.UTC(status.Increase.ReportedTime),
		IncreaseReason:   status.Increase.Reason,
	}, true
}

// SetStatus writes what the rules decided into the status, and the counts.
func SetStatus(status *v1alpha1.BusinessPortfolioStatus, policy lookup.Governing, f *rules.Facts, s rules.State, next time.Time) {
	status.PolicyName, status.PolicyGeneration = policy.Name, policy.Generation
	status.Tier = statuses.Tier(&s)
	status.Quality = v1alpha1.PortfolioQuality{Rating: s.Members.Rating, SinceTime: statuses.Time(s.MembersRatedSince), Reason: statuses.Clip(s.Members.Name, 256)}
	status.Connection = v1alpha1.ConnectionStatus{State: v1alpha1.StateOffline, SinceTime: statuses.Time(s.MembersSendableSince), Source: v1alpha1.FromPolicy}
	if s.Members.Sendable {
		status.Connection.State = v1alpha1.StateConnected
	}
	status.Restriction = statuses.Restriction(&s)
	status.Verification = statuses.Verification(&s)
	status.Usage = statuses.Usage(policy.Policy, f.Usage, &s)
	status.Upgrade = statuses.Upgrade(policy.Policy, f, s)
	status.Increase = v1alpha1.IncreaseStatus{}
	if s.Increase != "" {
		status.Increase = v1alpha1.IncreaseStatus{Decision: s.Increase, ReportedTime: statuses.Time(s.IncreaseReported), Reason: statuses.Clip(s.IncreaseReason, 256)}
	}
	status.NextStep = nextStep(&status.Upgrade)
	status.NextDeadlineTime = statuses.Time(next)
}

// nextStep says in a few words what comes next; empty on the last tier.
func nextStep(upgrade *v1alpha1.UpgradeStatus) string {
	switch {
	case upgrade.NextTier == "":
		return ""
	case !upgrade.EffectiveTime.IsZero():
		return upgrade.NextTier + " at " + statuses.Stamp(upgrade.EffectiveTime)
	case len(upgrade.Missing) == 1:
		return statuses.Clip(upgrade.NextTier+": "+upgrade.Missing[0], 128)
	case len(upgrade.Missing) > 1:
		return statuses.Clip(upgrade.NextTier+": "+upgrade.Missing[0], 116) + ", and more"
	}
	return upgrade.NextTier
}

// standing is what the numbers and templates came to at each instant since the last evaluation, and now, in order of time.
func (r *Reconciler) standing(ctx context.Context, numbers []v1alpha1.PhoneNumber, since, now time.Time) ([]rules.QualityAt, error) {
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
		templates, err := lookup.Templates(ctx, r.Cache, n)
		if err != nil {
			return nil, err
		}
		for j := range templates {
			t := &templates[j]
			if s, counts := template.Quality(t); counts && !seen[t.Namespace+"/"+t.Name] {
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
