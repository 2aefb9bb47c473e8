// Package rules is the rule engine: pure functions of (policy, facts, state, now). It has no client, no clock and no I/O;
// the controller, the simulator and the tests call the same functions.
//
// chain.go lists the rules that run for a number, for a number that shares its portfolio's limit, for a portfolio and for a template.
// Each rule stands in one file, under the sentence that it follows from. Advance runs a chain, Fleet a portfolio with all that belongs
// to it, Explain says what came of it, and RoomOf what may be sent now.
package rules

import (
	"slices"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// Policy is a MessagingPolicy made ready for evaluation. It is safe for concurrent use.
type Policy struct {
	// Name of the MessagingPolicy.
	Name string
	// Source is the document that the rules come from; the policy's name if it says none.
	Source string
	// Scope is what a limit belongs to.
	Scope v1alpha1.Scope

	// Measure and Window are what counts against the limit, and over which rolling time.
	Measure v1alpha1.Measure
	Window  time.Duration
	// ServiceWindow is how long after a message from the user deliveries do not count.
	ServiceWindow time.Duration

	// Grace is how long Low may last before the tier falls; zero where Low does nothing to the number.
	Grace time.Duration
	// Recovery is how long Medium or High must last for a flag to end.
	Recovery time.Duration
	// BlockAfter is how long Low must last at the lowest tier for the number to be blocked; zero for never.
	BlockAfter time.Duration
	// RequireHumanEscalation rates a number without a direct way to a human Low.
	RequireHumanEscalation bool

	// QualityWindow is the rolling window of the feedback that makes a rating, where Meta reports none.
	QualityWindow time.Duration
	// MediumFrom and LowFrom are how many complaining users per thousand reached users make Medium and Low; zero where only
	// reported ratings count.
	MediumFrom, LowFrom int64

	// Templates say what becomes of a template that is rated Low.
	Templates TemplateRules

	member, portfolio *Policy // see Member and Portfolio
	chain             chain[*evaluation]

	tiers           []tier // lowest first
	startUnverified Tier
	startVerified   Tier
}

// Member is the policy for a number whose portfolio has the limit: it has no ladder.
func (p *Policy) Member() *Policy { return p.member }

// Portfolio is the policy for a portfolio.
func (p *Policy) Portfolio() *Policy { return p.portfolio }

// Unlimited is the limit of a tier without one.
const Unlimited int64 = 0

// Tier is a step of the ladder: a name, and a limit or Unlimited.
type Tier struct {
	Name  string
	Limit int64
}

type tier struct {
	Tier
	up *requirement // nil on the last tier
}

// requirement is what raises a tier.
type requirement struct {
	measure          v1alpha1.Measure
	percent          int64 // of the current limit; zero where count is set
	count            int64
	window           time.Duration
	span             time.Duration
	minimumQuality   v1alpha1.QualityRating // empty for none
	delay            time.Duration
	whileFlagged     bool // a flagged number may rise
	restartAfterFlag bool
}

// Windows are the rolling windows over which the policy counts.
func (p *Policy) Windows() []time.Duration {
	windows := []time.Duration{p.Window}
	for _, t := range p.tiers {
		if t.up != nil && !slices.Contains(windows, t.up.window) {
			windows = append(windows, t.up.window)
		}
	}
	return windows
}

// required is how much of the measure is required, from a limit.
func (w *requirement) required(limit int64) int64 {
	if w.count > 0 {
		return w.count
	}
	return (limit*w.percent + 99) / 100
}

func hours(n int32) time.Duration { return time.Duration(n) * time.Hour }
