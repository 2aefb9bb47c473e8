package number

import (
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/lookup"
	"numberfleet.dev/numberfleet/controllers/internal/statuses"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/rules"
)

// State reads the engine's state back from the status; false if the number was never evaluated. The status is the only
// memory of the rules, so that a restart, another leader and a restored backup all go on from what users see.
func State(status *v1alpha1.PhoneNumberStatus) (rules.State, bool) {
	if status.Tier.Name == "" {
		return rules.State{}, false
	}
	s := statuses.LimitState(&status.LimitStatus)
	s.Rating, s.RatingSince = status.Quality.Rating, statuses.UTC(status.Quality.SinceTime)
	s.RatingReason, s.RatingSource = status.Quality.Reason, status.Quality.Source
	s.Reported, s.ReportedSince = status.Quality.ReportedRating, statuses.UTC(status.Quality.ReportedTime)
	s.LowSince, s.GraceStart = statuses.UTC(status.Quality.LowSinceTime), statuses.UTC(status.Quality.GraceSinceTime)

	s.FlagSince, s.FlagSource = statuses.UTC(status.Flag.SinceTime), status.Flag.Source
	s.RecoveringSince, s.FlagEnded = statuses.UTC(status.Flag.RecoveringSinceTime), statuses.UTC(status.FlagClearedTime)

	s.BusinessInitiated, s.CustomerInitiated = stretchOf(status.Account.BusinessInitiated), stretchOf(status.Account.CustomerInitiated)
	s.RestrictionsLifted = statuses.UTC(status.Account.RestrictionsLiftedTime)

	s.Connection, s.ConnectionSince = status.Connection.State, statuses.UTC(status.Connection.SinceTime)
	s.ConnectionSource, s.ConnectionReason = status.Connection.Source, status.Connection.Reason
	s.ConnectionReported = statuses.UTC(status.Connection.ReportedTime)
	return s, true
}

// SetStatus writes into the status what the rules remember of a number, under a policy that is whole whoever has the limit, and its
// counts.
func SetStatus(status *v1alpha1.PhoneNumberStatus, unit *rules.Unit, policy lookup.Policy) {
	s := &unit.State
	grace, falls, clear := rules.Deadlines(unit.Policy, *s)

	status.PolicyName, status.PolicyGeneration = policy.Name, policy.Generation
	status.Portfolio, status.PortfolioSinceTime, status.PortfolioReport = "", metav1.Time{}, 0
	status.State = s.Shown()
	status.Quality = v1alpha1.QualityStatus{
		Rating:         s.Rating,
		SinceTime:      statuses.Time(s.RatingSince),
		LowSinceTime:   statuses.Time(s.LowSince),
		GraceSinceTime: statuses.Time(s.GraceStart),
		Reason:         statuses.Clip(s.RatingReason, 256),
		Source:         s.RatingSource,
		ReportedRating: s.Reported,
		ReportedTime:   statuses.Time(s.ReportedSince),
	}
	if falls {
		status.Quality.NextFallTime = statuses.Time(grace)
	}
	status.Flag = v1alpha1.FlagStatus{}
	if s.Flagged() {
		status.Flag = v1alpha1.FlagStatus{
			SinceTime:           statuses.Time(s.FlagSince),
			DeadlineTime:        statuses.Time(grace),
			RecoveringSinceTime: statuses.Time(s.RecoveringSince),
			ClearTime:           statuses.Time(clear),
			Source:              s.FlagSource,
		}
	}
	status.FlagClearedTime = statuses.Time(s.FlagEnded)
	status.Connection = v1alpha1.ConnectionStatus{State: s.Connection, SinceTime: statuses.Time(s.ConnectionSince), Source: s.ConnectionSource,
		ReportedTime: statuses.Time(s.ConnectionReported), Reason: statuses.Clip(s.ConnectionReason, 256)}
	status.Account.BusinessInitiated, status.Account.CustomerInitiated = stretchStatus(report.RestrictedMessaging, s.BusinessInitiated), stretchStatus(report.RestrictedReplies, s.CustomerInitiated)
	status.Account.RestrictionsLiftedTime = statuses.Time(s.RestrictionsLifted)
	statuses.SetLimit(&status.LimitStatus, unit.Policy, &unit.Facts, s, unit.Next)
	status.Usage.OwnUsed = status.Usage.Used
}

func stretchOf(s v1alpha1.Statement) rules.Period {
	return rules.Period{Since: statuses.UTC(s.ReportedTime), Until: statuses.UTC(s.UntilTime)}
}

func stretchStatus(of string, s rules.Period) v1alpha1.Statement {
	if s.Since.IsZero() {
		return v1alpha1.Statement{}
	}
	return v1alpha1.Statement{Value: of, ReportedTime: statuses.Time(s.Since), UntilTime: statuses.Time(s.Until)}
}

// setShared writes into a number's status what belongs to its portfolio.
func setShared(status *v1alpha1.PhoneNumberStatus, shared *Shared) {
	has := &shared.Portfolio.Status
	status.Portfolio = shared.Portfolio.Name
	status.Tier, status.Verification, status.Upgrade, status.LimitReached = has.Tier, has.Verification, has.Upgrade, has.LimitReached
	status.Usage.OwnUsed = status.Usage.Used
	status.Usage.Used, status.Usage.Reserved, status.Usage.RoomFreesTime = shared.Used, shared.Reserved, has.Usage.RoomFreesTime
	if status.Restriction.Source != v1alpha1.FromReport {
		status.Restriction = has.Restriction
	}
	if status.Restriction.Source != "" && (status.State == v1alpha1.StateConnected || status.State == v1alpha1.StateFlagged) {
		status.State = v1alpha1.StateRestricted
	}
	status.NextDeadlineTime = statuses.Time(statuses.Earliest(statuses.UTC(status.NextDeadlineTime), statuses.UTC(has.NextDeadlineTime)))
}

// lastDelivery is the last counted delivery of a number that the ledger has, as far as it still counts.
func lastDelivery(l *ledger.Ledger, number *v1alpha1.PhoneNumber, now time.Time) metav1.Time {
	return statuses.Time(l.Last(number.Spec.PhoneNumber, v1alpha1.MeasureMessages, now.Add(-30*24*time.Hour), now))
}

// feedbackStatus is what users did about a number over the policy's quality window; empty if nobody did anything.
func feedbackStatus(l *ledger.Ledger, number string, policy *rules.Policy, now time.Time) v1alpha1.FeedbackStatus {
	from := now.Add(-policy.QualityWindow)
	complaining := l.Count(number, v1alpha1.MeasureComplaining, from, now)
	if complaining == 0 {
		return v1alpha1.FeedbackStatus{}
	}
	feedback := v1alpha1.FeedbackStatus{ComplainingUsers: &complaining}
	if policy.LowFrom > 0 {
		feedback.ReachedUsers = new(l.Count(number, v1alpha1.MeasureReached, from, now))
	}
	for _, insight := range l.Feedback(number, from, now) {
		feedback.Insights = append(feedback.Insights, v1alpha1.FeedbackInsight{Kind: insight.Kind, Reason: insight.Reason, Users: insight.Users})
	}
	return feedback
}

// templatesInUse are templates as a number's status shows them, by name.
func templatesInUse(templates []*v1alpha1.MessageTemplate) []v1alpha1.TemplateInUse {
	var all []v1alpha1.TemplateInUse
	for _, t := range templates {
		if t.Status.State != "" {
			all = append(all, v1alpha1.TemplateInUse{Name: t.Name, State: t.Status.State, Rating: t.Status.Quality.Rating})
		}
	}
	slices.SortFunc(all, func(a, b v1alpha1.TemplateInUse) int { return strings.Compare(a.Name, b.Name) })
	return all[:min(len(all), maxTemplates)]
}

// maxTemplates is how many templates a number's status lists.
const maxTemplates = 64
