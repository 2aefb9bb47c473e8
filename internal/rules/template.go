package rules

import (
	"fmt"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/report"
)

// TemplateRules say what becomes of a template that is rated Low; at most one of the two is set.
type TemplateRules struct {
	// BlockAfter is how long it stays flagged before it is blocked.
	BlockAfter time.Duration
	// Pauses are how long it is paused, the first time, the second and so on; after the last of them it is blocked.
	Pauses []time.Duration
}

// TemplateState is all that the rules remember of a message template. Times are whole seconds in UTC; zero means that it is not so.
type TemplateState struct {
	// EvaluatedAt is the instant up to which the rules have run.
	EvaluatedAt time.Time

	State  v1alpha1.TemplateState
	Since  time.Time
	Until  time.Time // end of a flag or a pause; zero if only Meta knows it
	Source v1alpha1.Source
	Reason string // that Meta gave for the state; may be empty
	// StateReported is when Meta last reported a state.
	StateReported time.Time

	Rating      v1alpha1.QualityRating
	RatingSince time.Time
	// RatingReported is when Meta last reported a rating, or when an edit or the end of a pause made the last one void.
	RatingReported time.Time

	// Pauses is how often the template was paused for its quality.
	Pauses int

	Category TemplateCategory
}

// InitialTemplate is the state of a template at its first sight: approved, quality unknown.
func InitialTemplate(now time.Time) TemplateState {
	now = now.UTC().Truncate(time.Second)
	return TemplateState{
		EvaluatedAt: now,
		State:       v1alpha1.TemplateApproved,
		Since:       now,
		Source:      v1alpha1.FromPolicy,
		Rating:      v1alpha1.QualityUnknown,
		RatingSince: now,
	}
}

// advance runs the rules of a template from the instant that the state was evaluated at to now, and returns the next instant at which
// something can change by itself; zero if there is none. Where a report and a deadline fall on one instant, the report comes first.
func (e *templateEvaluation) advance(reports []report.Report, now time.Time) (next time.Time) {
	// Nothing is counted for a template: a report that comes late takes effect at its own time, with the deadlines that follow it.
	e.now, e.until = time.Time{}, latest(seconds(now), e.s.EvaluatedAt)
	next = advance(templateRules, e, reports)
	e.s.EvaluatedAt = e.until
	return next
}

// MigrateTemplatePolicy is the state of a template that another policy governed, or another version of this one. A flag starts again if
// this policy flags templates, and a flag or a pause that this policy does not know ends.
func MigrateTemplatePolicy(p *Policy, s TemplateState, now time.Time) (TemplateState, []Transition) {
	e := &templateEvaluation{p: p, s: s}
	e.now = latest(seconds(now), s.EvaluatedAt)
	e.s.EvaluatedAt = e.now
	templateRules.migrate(e, false)
	return e.s, e.transitions
}

// templateEvaluation is one run of the rules of a template.
type templateEvaluation struct {
	run
	p *Policy
	s TemplateState
}

// observe implements subject.
func (e *templateEvaluation) observe() { e.qualities = e.qualities.add(e.now, e.s.quality(e.member)) }

// lookahead implements subject: nothing is counted.
func (e *templateEvaluation) lookahead(until, _ time.Time) time.Time { return until }

// tell emits what rule 8 did.
func (e *templateEvaluation) tell(at time.Time, reason v1alpha1.TransitionReason, message string) {
	e.emit(v1alpha1.RuleTemplates, at, reason, "", "", message)
}

func (e *templateEvaluation) change(to v1alpha1.TemplateState, at, until time.Time, source v1alpha1.Source) {
	e.s.State, e.s.Since, e.s.Until, e.s.Source, e.s.Reason = to, at, until, source, ""
}

// expire ends a flag or a pause at its time.
func (e *templateEvaluation) expire() {
	due := e.s.Until
	if due.IsZero() || due.After(e.now) {
		return
	}
	since := e.s.Since
	if e.s.State == v1alpha1.TemplateFlagged {
		e.change(v1alpha1.TemplateBlocked, due, time.Time{}, v1alpha1.FromPolicy)
		e.tell(due, v1alpha1.ReasonTemplateBlocked, fmt.Sprintf("the template was neither edited nor rated better for %s, since %s", formatDuration(due.Sub(since)), formatTime(since)))
	} else { // paused
		e.resume(due, v1alpha1.FromPolicy, fmt.Sprintf("the pause of %s is over", formatDuration(due.Sub(since))))
	}
}

// resume lets a template be sent again. By Meta's page "template-pausing" the rating is made of new feedback after a pause: it is Unknown
// until Meta reports one. That emits no transition, as after an edit.
func (e *templateEvaluation) resume(at time.Time, source v1alpha1.Source, why string) {
	if e.s.State == v1alpha1.TemplatePaused {
		e.unrated(at)
		e.s.RatingReported = latest(at, e.s.RatingReported)
	}
	e.change(v1alpha1.TemplateApproved, at, time.Time{}, source)
	e.tell(at, v1alpha1.ReasonTemplateResumed, why)
}

// unrated makes the last rating void.
func (e *templateEvaluation) unrated(at time.Time) {
	if e.s.Rating != v1alpha1.QualityUnknown {
		e.s.Rating, e.s.RatingSince = v1alpha1.QualityUnknown, at
	}
}

// untouched says whether nothing has happened to a template since its first sight.
func (s *TemplateState) untouched() bool {
	return s.State == v1alpha1.TemplateApproved && s.Pauses == 0 && s.StateReported.IsZero()
}

// Rule 8. A template that is rated Low is flagged, and blocked after some days unless it is edited or rated better before. By Meta's
// present rules it is paused instead: for 3 hours, the second time for 6 hours, and the third time it is blocked.
var templateQuality = rule[*templateEvaluation]{
	number:   v1alpha1.RuleTemplates,
	name:     "Templates",
	sentence: `seeds/000: "You are given 7 days to fix it — You must edit the message template in such a way that WhatsApp users stop perceiving it as spam, otherwise the template will be blocked."`,
	reports: map[report.Kind]func(*templateEvaluation, report.Report, time.Time){
		report.Quality: func(e *templateEvaluation, r report.Report, at time.Time) {
			// A report of Unknown keeps the rating before it, as for numbers.
			if rating := r.Rating(); rating != v1alpha1.QualityUnknown && !at.Before(e.s.RatingReported) {
				e.s.RatingReported = at
				e.rate(rating, at, r.Reason, at.Before(e.s.Since) && !e.s.untouched())
			}
		},
	},
	apply: (*templateEvaluation).expire,
	due:   func(e *templateEvaluation) time.Time { return e.s.Until },
	migrate: func(e *templateEvaluation, _ bool) {
		switch s := &e.s; {
		case s.Source == v1alpha1.FromReport:
		case s.State == v1alpha1.TemplateFlagged && e.p.Templates.BlockAfter > 0:
			s.Until = e.now.Add(e.p.Templates.BlockAfter)
		case s.State == v1alpha1.TemplateFlagged:
			e.change(v1alpha1.TemplateApproved, e.now, time.Time{}, v1alpha1.FromPolicy)
			e.tell(e.now, v1alpha1.ReasonTemplateFlagCleared, "the rules of policy "+e.p.Name+" flag no templates")
		case s.State == v1alpha1.TemplatePaused && len(e.p.Templates.Pauses) == 0:
			e.change(v1alpha1.TemplateApproved, e.now, time.Time{}, v1alpha1.FromPolicy)
			e.tell(e.now, v1alpha1.ReasonTemplateResumed, "the rules of policy "+e.p.Name+" pause no templates")
		}
	},
}

// rate takes a rating that Meta reports.
//
// late says that the rating is older than the present state: then it changes only the rating.
func (e *templateEvaluation) rate(rating v1alpha1.QualityRating, at time.Time, reason string, late bool) {
	s := &e.s
	if before := s.Rating; rating != before {
		s.Rating, s.RatingSince = rating, at
		message := fmt.Sprintf("the quality rating is %s, it was %s", rating, before)
		if reason != "" {
			message += ": " + reason
		}
		e.emit(v1alpha1.RuleTemplates, at, v1alpha1.ReasonQualityChanged, string(before), string(rating), message)
	}
	switch {
	case late:
	case rating != v1alpha1.QualityLow:
		if s.State == v1alpha1.TemplateFlagged {
			e.clear(at, fmt.Sprintf("the template is rated %s", rating))
		}
	case s.State == v1alpha1.TemplateApproved && e.p.Templates.BlockAfter > 0:
		e.flag(at, v1alpha1.FromPolicy, "the quality rating is Low")
	case reason == report.ReasonRead:
		// A read has the state too, which says whether Meta paused the template.
	case s.State == v1alpha1.TemplateApproved && s.Pauses < len(e.p.Templates.Pauses):
		e.pause(at, v1alpha1.FromPolicy, "the quality rating is Low")
	case s.State == v1alpha1.TemplateApproved && len(e.p.Templates.Pauses) > 0:
		e.change(v1alpha1.TemplateBlocked, at, time.Time{}, v1alpha1.FromPolicy)
		e.tell(at, v1alpha1.ReasonTemplateBlocked, fmt.Sprintf("the quality rating is Low again after %d pauses", s.Pauses))
	}
}

func (e *templateEvaluation) flag(at time.Time, source v1alpha1.Source, why string) {
	var until time.Time
	if e.p.Templates.BlockAfter > 0 {
		until = at.Add(e.p.Templates.BlockAfter)
		why += fmt.Sprintf(": the template is blocked at %s unless it is edited or rated better before", formatTime(until))
	}
	e.change(v1alpha1.TemplateFlagged, at, until, source)
	e.tell(at, v1alpha1.ReasonTemplateFlagged, why)
}

func (e *templateEvaluation) clear(at time.Time, why string) {
	since := e.s.Since
	e.change(v1alpha1.TemplateApproved, at, time.Time{}, v1alpha1.FromPolicy)
	e.tell(at, v1alpha1.ReasonTemplateFlagCleared, fmt.Sprintf("the flag of %s ends: %s", formatTime(since), why))
}

// pause begins the next pause of the ladder.
func (e *templateEvaluation) pause(at time.Time, source v1alpha1.Source, why string) {
	e.s.Pauses++
	until := at.Add(e.p.Templates.Pauses[e.s.Pauses-1])
	e.change(v1alpha1.TemplatePaused, at, until, source)
	e.tell(at, v1alpha1.ReasonTemplatePaused, fmt.Sprintf("%s: pause %d of %d, until %s", why, e.s.Pauses, len(e.p.Templates.Pauses), formatTime(until)))
}
