package rules

import (
	"math"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/report"
)

// numberRules run for a number that has its limit itself. The limit is restricted last, by the tier that the others came to.
var numberRules = chain[*evaluation]{
	ladder,          // 4, 10  the first tier and the last
	verification,    // 6  verification raises the tier
	humanEscalation, // 7  no way to a human is Low
	quality,         //    Meta rates the number, or else its users do
	memberQuality,   // 2  the templates are rated
	flag,            // 3  Low flags the number, then lowers the tier
	block,           // 5  Low at the lowest tier blocks the number
	upgrade,         // 2  enough was sent in good quality, and the tier rises
	increase,        // 9  Meta does not grant the higher tier
	connection,      // 9  Meta says whether the number works
	account,         // 9  Meta bans or restricts the account
	restriction,     // 1  the limit is reached
}

// memberRules run for a number whose portfolio has the limit: what users think is about each number, and the limit is shared.
//
// Meta's messaging limits since 2025-10-07: "limit belongs to the business portfolio and is shared by all its numbers".
var memberRules = chain[*evaluation]{
	humanEscalation, // 7
	quality,         //
	flag,            // 3
	connection,      // 9
	account,         // 9
}

// portfolioRules run for a portfolio, on the counts of all its numbers together.
var portfolioRules = chain[*evaluation]{
	ladder,         // 4, 10
	verification,   // 6
	memberQuality,  // 2  the numbers and templates are rated
	upgrade,        // 2
	increase,       // 9
	sendableMember, // 2  a number can send
	restriction,    // 1
}

// templateRules run for a message template.
var templateRules = chain[*templateEvaluation]{
	templateQuality,  // 8  Low flags or pauses the template, then blocks it
	templateReports,  // 9  Meta approves, pauses or disables it
	templateCategory, // 9  Meta counts it as another category
}

// rule is a rule of something whose evaluation is an E. It has those of the functions that it needs.
type rule[E any] struct {
	// number and name are those of docs/rules.md, and sentence is what the rule follows from, with its source.
	number         v1alpha1.Rule
	name, sentence string

	// reports takes the reports of the kinds that the rule is about: one that Meta made at an instant, now at the latest.
	reports map[report.Kind]func(e E, r report.Report, at time.Time)
	// before takes what happened at the instant of the evaluation besides reports, before those: in its fleet.
	before func(e E)
	// apply brings the state up to the instant of the evaluation.
	apply func(e E)
	// due is the next instant at which the rule can decide by itself; zero if there is none.
	due func(e E) time.Time

	// measure names the deliveries that can bring the rule to a decision; empty while none can.
	measure func(e E) v1alpha1.Measure
	// deliveries is how many of them must come until it can decide: not positive if it can now, and noDelivery while none can. The rules run at next anyway, the earliest of what is due; zero if nothing is.
	deliveries func(e E, next time.Time) int64
	// event is the first instant after now, until the given one, of anything else that can bring the rule to a decision; zero if
	// there is none.
	event func(e E, until time.Time) time.Time

	// objection is why the tier may not rise.
	objection func(e E) objection
	// migrate makes the state one under this policy: of another version of it that was edited, or of another policy.
	migrate func(e E, edited bool)
	// explain adds the sentences about what the rule has decided, and will decide.
	explain func(e E, x *explanation)
}

// noDelivery is how many deliveries bring a rule to a decision that none can.
const noDelivery = math.MaxInt64

// reports are those that a rule of a number or a portfolio takes.
type reports = map[report.Kind]func(e *evaluation, r report.Report, at time.Time)

// objection is why a tier may not rise. The zero value does not object.
type objection struct {
	why string
	// waits says that a pending upgrade goes on nevertheless.
	waits bool
}

// chain is the list of rules that run for something, in their order.
type chain[E any] []rule[E]

func (c chain[E]) before(e E) {
	for i := range c {
		if c[i].before != nil {
			c[i].before(e)
		}
	}
}

func (c chain[E]) apply(e E) {
	for i := range c {
		if c[i].apply != nil {
			c[i].apply(e)
		}
	}
}

// report gives a report to the rule that takes its kind. One that no rule takes is not about the subject of the chain.
func (c chain[E]) report(e E, r report.Report, at time.Time) {
	if !r.Understood() {
		return
	}
	for i := range c {
		if take, ok := c[i].reports[r.Kind]; ok {
			take(e, r, at)
			return
		}
	}
}

func (c chain[E]) migrate(e E, edited bool) {
	for i := range c {
		if c[i].migrate != nil {
			c[i].migrate(e, edited)
		}
	}
}

// due is the next instant after now at which a rule can decide by itself; zero if there is none.
func (c chain[E]) due(e E, now time.Time) time.Time {
	var due time.Time
	for i := range c {
		if c[i].due == nil {
			continue
		}
		if at := c[i].due(e); !at.IsZero() {
			due = next(now, due, at)
		}
	}
	return due
}
