package number

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
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
	return rules.State{
		EvaluatedAt: status.Usage.ObservedTime.UTC(),

		Tier:       rules.Tier{Name: status.Tier.Name, Limit: status.Tier.Limit},
		TierSince:  statuses.UTC(status.Tier.SinceTime),
		TierSource: status.Tier.Source,
		Before:     rules.Tier{Name: status.Tier.Before.Name, Limit: status.Tier.Before.Limit},

		LimitReported:  statuses.UTC(status.Tier.ReportedTime),
		LimitLowered:   statuses.UTC(status.Tier.LoweredTime),
		ConcludedTier:  rules.Tier{Name: status.Tier.Concluded.Name, Limit: status.Tier.Concluded.Limit},
		ConcludedSince: statuses.UTC(status.Tier.Concluded.SinceTime),

		Rating:        status.Quality.Rating,
		RatingSince:   statuses.UTC(status.Quality.SinceTime),
		RatingReason:  status.Quality.Reason,
		RatingSource:  status.Quality.Source,
		Reported:      status.Quality.ReportedRating,
		ReportedSince: statuses.UTC(status.Quality.ReportedTime),
		LowSince:      statuses.UTC(status.Quality.LowSinceTime),
		GraceStart:    statuses.UTC(status.Quality.GraceSinceTime),

		FlagSince:       statuses.UTC(status.Flag.SinceTime),
		FlagSource:      status.Flag.Source,
		RecoveringSince: statuses.UTC(status.Flag.RecoveringSinceTime),
		FlagEnded:       statuses.UTC(status.FlagClearedTime),

		RestrictedSince:  statuses.UTC(status.Restriction.SinceTime),
		RestrictedUntil:  statuses.UTC(status.Restriction.UntilTime),
		RestrictedSource: status.Restriction.Source,
		RestrictedReason: status.Restriction.Reason,

		BusinessInitiated:  stretchOf(status.Account.BusinessInitiated),
		CustomerInitiated:  stretchOf(status.Account.CustomerInitiated),
		RestrictionsLifted: statuses.UTC(status.Account.RestrictionsLiftedTime),

		EligibleSince: statuses.UTC(status.Upgrade.EligibleSinceTime),

		Connection:       status.Connection.State,
		ConnectionSince:  statuses.UTC(status.Connection.SinceTime),
		ConnectionSource: status.Connection.Source,

		ConnectionReported: statuses.UTC(status.Connection.ReportedTime),
		ConnectionReason:   status.Connection.Reason,

		Verification:       status.Verification.State,
		VerificationSince:  statuses.UTC(status.Verification.SinceTime),
		VerificationSource: status.Verification.Source,

		VerificationReported: statuses.UTC(status.Verification.ReportedTime),
	}, true
}

// SetDecisions writes what the rules decided into the status.
func SetDecisions(status *v1alpha1.PhoneNumberStatus, policy *rules.Policy, s rules.State, next time.Time) {
	grace, falls, clear := rules.Deadlines(policy, s)

	status.PolicyName = policy.Name
	status.Portfolio, status.PortfolioSinceTime, status.PortfolioReport = "", metav1.Time{}, 0
	status.State = s.Shown()
	status.Tier = statuses.Tier(&s)
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
	status.Restriction = statuses.Restriction(&s)
	status.Connection = v1alpha1.ConnectionStatus{State: s.Connection, SinceTime: statuses.Time(s.ConnectionSince), Source: s.ConnectionSource,
		ReportedTime: statuses.Time(s.ConnectionReported), Reason: statuses.Clip(s.ConnectionReason, 256)}
	status.Verification = statuses.Verification(&s)
	status.Account.BusinessInitiated, status.Account.CustomerInitiated = stretchStatus(report.RestrictedMessaging, s.BusinessInitiated), stretchStatus(report.RestrictedReplies, s.CustomerInitiated)
	status.Account.RestrictionsLiftedTime = statuses.Time(s.RestrictionsLifted)
	status.NextDeadlineTime = statuses.Time(next)
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

// setShared writes into a number's status what belongs to its portfolio, of whose limit so much is used now.
func setShared(status *v1alpha1.PhoneNumberStatus, portfolio *v1alpha1.BusinessPortfolio, used *int64) {
	has := &portfolio.Status
	status.Portfolio = portfolio.Name
	status.Tier, status.Verification, status.Upgrade, status.LimitReached = has.Tier, has.Verification, has.Upgrade, has.LimitReached
	status.Usage.OwnUsed = status.Usage.Used
	status.Usage.Used, status.Usage.RoomFreesTime = used, has.Usage.RoomFreesTime
	if status.Restriction.Source != v1alpha1.FromReport {
		status.Restriction = has.Restriction
	}
	if status.Restriction.Source != "" && (status.State == v1alpha1.StateConnected || status.State == v1alpha1.StateFlagged) {
		status.State = v1alpha1.StateRestricted
	}
	status.NextDeadlineTime = statuses.Time(statuses.Earliest(statuses.UTC(status.NextDeadlineTime), statuses.UTC(has.NextDeadlineTime)))
}

// SetCounts writes the counts into the status.
func SetCounts(status *v1alpha1.PhoneNumberStatus, policy *rules.Policy, f *rules.Facts, s rules.State) {
	status.Usage = statuses.Usage(policy, f.Usage, &s)
	status.Usage.OwnUsed = status.Usage.Used
	status.Upgrade = statuses.Upgrade(policy, f, s)
}

// lastDelivery is the last counted delivery of a number that the ledger has, as far as it still counts.
func lastDelivery(book *ledger.Ledger, number *v1alpha1.PhoneNumber, now time.Time) metav1.Time {
	return statuses.Time(book.Last(number.Spec.PhoneNumber, v1alpha1.MeasureMessages, now.Add(-30*24*time.Hour), now))
}

// feedbackStatus is what users did about a number over the policy's quality window; empty if nobody did anything.
func feedbackStatus(book *ledger.Ledger, number string, policy *rules.Policy, now time.Time) v1alpha1.FeedbackStatus {
	from := now.Add(-policy.QualityWindow)
	complaining := book.Count(number, v1alpha1.MeasureComplaining, from, now)
	if complaining == 0 {
		return v1alpha1.FeedbackStatus{}
	}
	feedback := v1alpha1.FeedbackStatus{ComplainingUsers: &complaining}
	if policy.LowFrom > 0 {
		feedback.ReachedUsers = new(book.Count(number, v1alpha1.MeasureReached, from, now))
	}
	for _, insight := range book.Feedback(number, from, now) {
		feedback.Insights = append(feedback.Insights, v1alpha1.FeedbackInsight{Kind: insight.Kind, Reason: insight.Reason, Users: insight.Users})
	}
	return feedback
}
