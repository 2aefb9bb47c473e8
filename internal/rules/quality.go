package rules

import (
	"fmt"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/report"
)

// The quality rating is the one that Meta reports. Until Meta reports one, feedback makes it: complaining users per thousand users that
// a message was delivered to, over the policy's quality window. The thresholds are the policy author's, since Meta publishes none.
var quality = rule[*evaluation]{
	number:   v1alpha1.NoRule,
	name:     "Quality",
	sentence: `seeds/002: "This rating is determined by the feedback from your customers, such as the reason to block your phone number and other reporting issues."`,
	apply:    (*evaluation).rateFeedback,
	reports:  reports{report.Quality: (*evaluation).reportQuality},
	due:      (*evaluation).feedbackDue,
	measure: func(e *evaluation) v1alpha1.Measure {
		if e.ratesFeedback() {
			return v1alpha1.MeasureReached
		}
		return ""
	},
	deliveries: func(e *evaluation, _ time.Time) int64 { return e.deliveriesForBetterRating() },
	event: func(e *evaluation, until time.Time) time.Time {
		if !e.ratesFeedback() {
			return time.Time{}
		}
		return e.f.Usage.Nth(v1alpha1.MeasureComplaining, 1, e.now, until)
	},
	migrate: func(e *evaluation, _ bool) {
		if e.s.RatingSource == v1alpha1.FromPolicy && !e.lacksHumanAttention() && e.p.LowFrom == 0 {
			// A rating that these rules do not make could not change under them.
			e.setRating(v1alpha1.NoRule, v1alpha1.QualityUnknown, e.now, "", "the rules of policy "+e.p.Name+" take no rating from feedback", v1alpha1.FromPolicy)
		}
	},
	explain: (*evaluation).explainRating,
}

func (e *evaluation) rateFeedback() {
	if !e.ratesFeedback() {
		return
	}
	if rating, reason, why := e.feedbackRating(); rating != e.s.Rating {
		e.setRating(v1alpha1.NoRule, rating, e.now, reason, why, v1alpha1.FromPolicy)
	}
}

// ratesFeedback says whether feedback makes the rating.
func (e *evaluation) ratesFeedback() bool {
	return e.p.LowFrom > 0 && e.s.Reported == "" && !e.lacksHumanAttention()
}

func (e *evaluation) feedbackRating() (rating v1alpha1.QualityRating, reason, why string) {
	complaining, reached := e.within(v1alpha1.MeasureComplaining), e.within(v1alpha1.MeasureReached)
	why = fmt.Sprintf("%d of %d users reached within %s complained", complaining, reached, formatDuration(e.p.QualityWindow))
	switch {
	case reached == 0:
		return v1alpha1.QualityUnknown, "", "nobody was reached within " + formatDuration(e.p.QualityWindow)
	case complaining*1000 >= e.p.LowFrom*reached:
		return v1alpha1.QualityLow, v1alpha1.ReasonUserFeedback, fmt.Sprintf("%s, %d in a thousand make it Low", why, e.p.LowFrom)
	case complaining*1000 >= e.p.MediumFrom*reached:
		return v1alpha1.QualityMedium, v1alpha1.ReasonUserFeedback, fmt.Sprintf("%s, %d in a thousand make it Medium", why, e.p.MediumFrom)
	}
	return v1alpha1.QualityHigh, "", why
}

func (e *evaluation) within(measure v1alpha1.Measure) int64 {
	return e.f.Usage.Count(measure, e.now.Add(-e.p.QualityWindow), e.now).Most
}

// feedbackDue is the next instant at which the rating from feedback can change by itself, zero if there is none: feedback leaves the
// window, or reached users leave it so that the share of complaining ones rises.
func (e *evaluation) feedbackDue() time.Time {
	if !e.ratesFeedback() {
		return time.Time{}
	}
	complaining, reached := e.within(v1alpha1.MeasureComplaining), e.within(v1alpha1.MeasureReached)
	if reached == 0 {
		return time.Time{}
	}
	due := e.f.Usage.FallsBelow(v1alpha1.MeasureReached, e.p.QualityWindow, 1, e.now)
	if complaining == 0 {
		return due
	}
	due = earlier(due, e.f.Usage.FallsBelow(v1alpha1.MeasureComplaining, e.p.QualityWindow, complaining, e.now))
	for _, threshold := range [...]int64{e.p.MediumFrom, e.p.LowFrom} {
		if most := complaining * 1000 / threshold; reached > most {
			due = earlier(due, e.f.Usage.FallsBelow(v1alpha1.MeasureReached, e.p.QualityWindow, most+1, e.now))
		}
	}
	return due
}

// deliveriesForBetterRating is how many more users must be reached for a better rating, or for a first one.
func (e *evaluation) deliveriesForBetterRating() int64 {
	if e.s.Rating == v1alpha1.QualityHigh {
		return noDelivery
	}
	threshold := e.p.MediumFrom
	if e.s.Rating == v1alpha1.QualityLow {
		threshold = e.p.LowFrom
	}
	if e.s.Rating == v1alpha1.QualityUnknown {
		return 1 - e.within(v1alpha1.MeasureReached) // any rating is better than none
	}
	return e.within(v1alpha1.MeasureComplaining)*1000/threshold + 1 - e.within(v1alpha1.MeasureReached)
}

func (e *evaluation) ratingSince() string {
	return fmt.Sprintf("The quality rating is %s since %s", e.s.Rating, formatTime(e.s.RatingSince))
}

func (e *evaluation) explainRating(x *explanation) {
	s, since := &e.s, e.ratingSince()
	switch {
	case e.lacksHumanAttention(): // rule 7 explains it
	case s.RatingReason == v1alpha1.ReasonUserFeedback:
		_, _, feedback := e.feedbackRating()
		x.add(ratingTopic, fmt.Sprintf("%s: by now %s (quality from feedback, %s)", since, feedback, e.p.Source))
	case s.RatingSource == v1alpha1.FromReport && s.RatingReason != "":
		x.say(ratingTopic, v1alpha1.RuleReports, "%s: Meta reported it, for %s.", since, s.RatingReason)
	case s.RatingSource == v1alpha1.FromReport:
		x.say(ratingTopic, v1alpha1.RuleReports, "%s: Meta reported it.", since)
	case s.Rating == v1alpha1.QualityUnknown:
		x.add(ratingTopic, "No quality rating was reported; Unknown counts as High.")
	default:
		x.add(ratingTopic, since+" (quality from feedback, "+e.p.Source+")")
	}
}
