package controllers

import (
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/rules"
)

// week is the window of the counts that every status shows.
const week = 7 * 24 * time.Hour

// maxHistory is how many transitions the status keeps.
const maxHistory = 20

// stateOf reads the engine's state back from the status; false if the number was never evaluated. The status is the only
// memory of the rules, so that a restart, another leader and a restored backup all go on from what users see.
func stateOf(status *v1alpha1.PhoneNumberStatus) (rules.State, bool) {
	if status.Tier.Name == "" {
		return rules.State{}, false
	}
	return rules.State{
		EvaluatedAt: status.Usage.ObservedTime.UTC(),

		Tier:       rules.Tier{Name: status.Tier.Name, Limit: status.Tier.Limit},
		TierSince:  utc(status.Tier.SinceTime),
		TierSource: status.Tier.Source,
		Before:     rules.Tier{Name: status.Tier.Before.Name, Limit: status.Tier.Before.Limit},

		LimitReported:  utc(status.Tier.ReportedTime),
		LimitLowered:   utc(status.Tier.LoweredTime),
		ConcludedTier:  rules.Tier{Name: status.Tier.Concluded.Name, Limit: status.Tier.Concluded.Limit},
		ConcludedSince: utc(status.Tier.Concluded.SinceTime),

		Rating:        status.Quality.Rating,
		RatingSince:   utc(status.Quality.SinceTime),
		RatingReason:  status.Quality.Reason,
		RatingSource:  status.Quality.Source,
		Reported:      status.Quality.ReportedRating,
		ReportedSince: utc(status.Quality.ReportedTime),
		LowSince:      utc(status.Quality.LowSinceTime),
		GraceStart:    utc(status.Quality.GraceSinceTime),

		FlagSince:       utc(status.Flag.SinceTime),
		FlagSource:      status.Flag.Source,
		RecoveringSince: utc(status.Flag.RecoveringSinceTime),
		FlagEnded:       utc(status.FlagClearedTime),

		RestrictedSince:  utc(status.Restriction.SinceTime),
		RestrictedUntil:  utc(status.Restriction.UntilTime),
		RestrictedSource: status.Restriction.Source,
		RestrictedReason: status.Restriction.Reason,

		BusinessInitiated:  stretchOf(status.Account.BusinessInitiated),
		CustomerInitiated:  stretchOf(status.Account.CustomerInitiated),
		RestrictionsLifted: utc(status.Account.RestrictionsLiftedTime),

		EligibleSince: utc(status.Upgrade.EligibleSinceTime),

		Connection:       status.Connection.State,
		ConnectionSince:  utc(status.Connection.SinceTime),
		ConnectionSource: status.Connection.Source,

		ConnectionReported: utc(status.Connection.ReportedTime),
		ConnectionReason:   status.Connection.Reason,

		Verification:       status.Verification.State,
		VerificationSince:  utc(status.Verification.SinceTime),
		VerificationSource: status.Verification.Source,

		VerificationReported: utc(status.Verification.ReportedTime),
	}, true
}

// decided writes what the rules decided into the status.
func decided(status *v1alpha1.PhoneNumberStatus, policy *rules.Policy, s rules.State, next time.Time) {
	grace, falls, clear := rules.Deadlines(policy, s)

	status.PolicyName = policy.Name
	status.Portfolio, status.PortfolioSinceTime, status.PortfolioReport = "", metav1.Time{}, 0
	status.State = s.Shown()
	status.Tier = tierStatus(&s)
	status.Quality = v1alpha1.QualityStatus{
		Rating:         s.Rating,
		SinceTime:      at(s.RatingSince),
		LowSinceTime:   at(s.LowSince),
		GraceSinceTime: at(s.GraceStart),
		Reason:         clip(s.RatingReason, 256),
		Source:         s.RatingSource,
		ReportedRating: s.Reported,
		ReportedTime:   at(s.ReportedSince),
	}
	if falls {
		status.Quality.NextFallTime = at(grace)
	}
	status.Flag = v1alpha1.FlagStatus{}
	if s.Flagged() {
		status.Flag = v1alpha1.FlagStatus{
			SinceTime:           at(s.FlagSince),
			DeadlineTime:        at(grace),
			RecoveringSinceTime: at(s.RecoveringSince),
			ClearTime:           at(clear),
			Source:              s.FlagSource,
		}
	}
	status.FlagClearedTime = at(s.FlagEnded)
	status.Restriction = restrictionStatus(&s)
	status.Connection = v1alpha1.ConnectionStatus{State: s.Connection, SinceTime: at(s.ConnectionSince), Source: s.ConnectionSource,
		ReportedTime: at(s.ConnectionReported), Reason: clip(s.ConnectionReason, 256)}
	status.Verification = verificationStatus(&s)
	status.Account.BusinessInitiated, status.Account.CustomerInitiated = stretchStatus(rules.RestrictedMessaging, s.BusinessInitiated), stretchStatus(rules.RestrictedReplies, s.CustomerInitiated)
	status.Account.RestrictionsLiftedTime = at(s.RestrictionsLifted)
	status.NextDeadlineTime = at(next)
}

func tierStatus(s *rules.State) v1alpha1.TierStatus {
	return v1alpha1.TierStatus{Name: s.Tier.Name, Limit: s.Tier.Limit, SinceTime: at(s.TierSince), Source: s.TierSource,
		ReportedTime: at(s.LimitReported), LoweredTime: at(s.LimitLowered),
		Before:    v1alpha1.TierBefore{Name: s.Before.Name, Limit: s.Before.Limit},
		Concluded: v1alpha1.ConcludedTier{Name: s.ConcludedTier.Name, Limit: s.ConcludedTier.Limit, SinceTime: at(s.ConcludedSince)}}
}

func restrictionStatus(s *rules.State) v1alpha1.RestrictionStatus {
	if !s.Restricted() {
		return v1alpha1.RestrictionStatus{}
	}
	return v1alpha1.RestrictionStatus{SinceTime: at(s.RestrictedSince), UntilTime: at(s.RestrictedUntil), Source: s.RestrictedSource,
		Reason: s.RestrictedReason}
}

func stretchOf(s v1alpha1.Statement) rules.Stretch {
	return rules.Stretch{Since: utc(s.ReportedTime), Until: utc(s.UntilTime)}
}

func stretchStatus(of string, s rules.Stretch) v1alpha1.Statement {
	if s.Since.IsZero() {
		return v1alpha1.Statement{}
	}
	return v1alpha1.Statement{Value: of, ReportedTime: at(s.Since), UntilTime: at(s.Until)}
}

func verificationStatus(s *rules.State) v1alpha1.VerificationStatus {
	return v1alpha1.VerificationStatus{State: s.Verification, SinceTime: at(s.VerificationSince), Source: s.VerificationSource,
		ReportedTime: at(s.VerificationReported)}
}

// shared writes into a number's status what belongs to its portfolio, of whose limit so much is used now.
func shared(status *v1alpha1.PhoneNumberStatus, portfolio *v1alpha1.BusinessPortfolio, used *int64) {
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
	status.NextDeadlineTime = at(earliest(utc(status.NextDeadlineTime), utc(has.NextDeadlineTime)))
}

// counted writes the counts into the status.
func counted(status *v1alpha1.PhoneNumberStatus, policy *rules.Policy, f *rules.Facts, s rules.State) {
	status.Usage = usageStatus(policy, f.Usage, &s)
	status.Usage.OwnUsed = status.Usage.Used
	status.Upgrade = upgradeStatus(policy, f, s)
}

// lastDelivery is the last counted delivery of a number that the ledger has, as far as it still counts.
func lastDelivery(book *ledger.Ledger, number *v1alpha1.PhoneNumber, now time.Time) metav1.Time {
	return at(book.Last(number.Spec.PhoneNumber, v1alpha1.MeasureMessages, now.Add(-30*24*time.Hour), now))
}

func usageStatus(policy *rules.Policy, counts rules.Usage, s *rules.State) v1alpha1.UsageStatus {
	now := s.EvaluatedAt
	used := rules.Used(policy, counts, now)
	usage := v1alpha1.UsageStatus{
		Source:           v1alpha1.CountedHere,
		ObservedTime:     at(now),
		Used:             &used,
		UniqueUsers7d:    new(counts.Count(v1alpha1.MeasureUniqueUsers, now.Add(-week), now)),
		Messages7d:       new(counts.Count(v1alpha1.MeasureMessages, now.Add(-week), now)),
		LastDeliveryTime: at(counts.Last(v1alpha1.MeasureMessages, now.Add(-30*24*time.Hour), now)),
	}
	if used > 0 {
		usage.RoomFreesTime = at(counts.FallsBelow(policy.Measure, policy.Window, used, now))
	}
	return usage
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

func upgradeStatus(policy *rules.Policy, f *rules.Facts, s rules.State) v1alpha1.UpgradeStatus {
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
		missing = append(missing, clip(m, 256))
	}
	return v1alpha1.UpgradeStatus{
		NextTier:          progress.Next.Name,
		Required:          progress.Required,
		Achieved:          achieved,
		EligibleSinceTime: at(s.EligibleSince),
		EffectiveTime:     at(progress.Effective),
		CountedFromTime:   at(progress.CountedFrom),
		Missing:           missing,
	}
}

// happened counts transitions, adds them to a history, by time, and drops the oldest. One that a late report brought stands
// behind what was concluded before it: a transition keeps its number, for that is what receivers were told.
func happened(history *[]v1alpha1.Transition, count *int64, transitions []rules.Transition) {
	if len(transitions) == 0 {
		return
	}
	// A history from before transitions were counted is what is known of them.
	*count = max(*count, int64(len(*history))) + int64(len(transitions))
	var news []v1alpha1.Transition
	for _, t := range transitions {
		news = append(news, v1alpha1.Transition{Time: at(t.Time), Reason: t.Reason, Rule: t.Rule, From: t.From, To: t.To, Message: clip(t.Message, 1024)})
	}
	slices.SortStableFunc(news, func(a, b v1alpha1.Transition) int { return a.Time.Compare(b.Time.Time) })
	all := slices.Concat(*history, news)
	*history = all[max(0, len(all)-maxHistory):]
}

func at(t time.Time) metav1.Time {
	if t.IsZero() {
		return metav1.Time{}
	}
	return metav1.NewTime(t.UTC().Truncate(time.Second))
}

func utc(t metav1.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC()
}

func clip(text string, length int) string {
	if len(text) <= length {
		return text
	}
	// Whole characters only: the limit is in bytes here and in characters in the schema.
	for length > 0 && text[length]&0xC0 == 0x80 {
		length--
	}
	return text[:length]
}
