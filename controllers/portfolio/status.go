package portfolio

import (
	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/lookup"
	"numberfleet.dev/numberfleet/controllers/internal/statuses"
	"numberfleet.dev/numberfleet/internal/rules"
)

// State reads the engine's state back from the status; false if the portfolio was never evaluated.
func State(status *v1alpha1.BusinessPortfolioStatus) (rules.State, bool) {
	if status.Tier.Name == "" {
		return rules.State{}, false
	}
	s := statuses.LimitState(&status.LimitStatus)
	s.Members = rules.MemberQuality{Name: status.Quality.Reason, Rating: status.Quality.Rating, Sendable: status.Connection.State == v1alpha1.StateConnected}
	s.MembersRatedSince, s.MembersSendableSince = statuses.UTC(status.Quality.SinceTime), statuses.UTC(status.Connection.SinceTime)
	s.Rating, s.Connection = v1alpha1.QualityUnknown, v1alpha1.StateConnected
	s.Increase, s.IncreaseReported, s.IncreaseReason = status.Increase.Decision, statuses.UTC(status.Increase.ReportedTime), status.Increase.Reason
	return s, true
}

// SetStatus writes into the status what the rules remember of a portfolio, and its counts.
func SetStatus(status *v1alpha1.BusinessPortfolioStatus, unit *rules.Unit, policy lookup.Policy) {
	s := &unit.State
	status.PolicyName, status.PolicyGeneration = policy.Name, policy.Generation
	statuses.SetLimit(&status.LimitStatus, unit.Policy, &unit.Facts, s, unit.Next)
	status.Quality = v1alpha1.PortfolioQuality{Rating: s.Members.Rating, SinceTime: statuses.Time(s.MembersRatedSince), Reason: statuses.Clip(s.Members.Name, 256)}
	status.Connection = v1alpha1.ConnectionStatus{State: v1alpha1.StateOffline, SinceTime: statuses.Time(s.MembersSendableSince), Source: v1alpha1.FromPolicy}
	if s.Members.Sendable {
		status.Connection.State = v1alpha1.StateConnected
	}
	status.Increase = v1alpha1.IncreaseStatus{}
	if s.Increase != "" {
		status.Increase = v1alpha1.IncreaseStatus{Decision: s.Increase, ReportedTime: statuses.Time(s.IncreaseReported), Reason: statuses.Clip(s.IncreaseReason, 256)}
	}
	status.NextStep = nextStep(&status.Upgrade)
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
