// Package forecast says when each next tier can be reached at the earliest, and with how many users, by letting the rules run.
package forecast

import (
	"context"
	"fmt"
	"sort"
	"strings"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/rules"
	"numberfleet.dev/numberfleet/internal/simulate"
)

// MaxUsers is how many users a forecast may begin with.
const MaxUsers = 1_000_000_000

// horizon is how far a forecast looks.
const horizon = 366 * 24 * time.Hour

// Start is where a number or a portfolio stands when a forecast begins.
type Start simulate.End

// New is a number that is just registered.
func New(policy simulate.Policy, verification v1alpha1.Verification, at time.Time) Start {
	return Start{Policy: policy.Policy, State: rules.Initial(policy.Policy, verification, at),
		Facts: rules.Facts{Verification: verification, HumanEscalation: true, Usage: &syntheticUsage{}}}
}

// AtTier is the number at the tier of that name.
func (s Start) AtTier(tier string) (Start, error) {
	to, ok := s.Policy.TierNamed(tier)
	if !ok {
		var names []string
		for _, t := range s.Policy.Tiers() {
			names = append(names, t.Name)
		}
		return s, fmt.Errorf("is not a tier of policy %s: those are %s", s.Policy.Name, strings.Join(names, ", "))
	}
	s.State.Tier, s.State.TierSource = to, v1alpha1.FromReport
	return s, nil
}

// WithUsage is the number with users that it has messaged already: used of them at this very instant, and the rest of those
// achieved just so long ago that they count no more against the limit. The limit is full for longest that way.
func (s Start) WithUsage(used, achieved int64) Start {
	at := s.State.EvaluatedAt
	before := &syntheticUsage{}
	before.add(at.Add(-s.Policy.Window), max(0, achieved-used))
	before.add(at, used)
	s.Facts.Usage = before
	return s
}

// Live is a number or a portfolio as the rules left it, with so much used then and achieved for the next tier, as of now if nothing was sent since.
func Live(policy *rules.Policy, state rules.State, facts rules.Facts, used, achieved int64, now time.Time) Start {
	s := Start{Policy: policy, State: state, Facts: facts}.WithUsage(used, achieved)
	if now.After(s.State.EvaluatedAt) {
		s.State, _, _ = rules.Advance(s.Policy, &s.Facts, s.State, now)
	}
	return s
}

// Pace is how fast messages are sent: one to each user, whom nobody has messaged before.
type Pace struct {
	PerDay int64   // users on the first day; zero for as fast as the limits allow
	Grow   float64 // percent a day
	// From and To are the hours of the day over which they are spread.
	From, To time.Duration
}

// Step is the way up to one tier.
type Step struct {
	Tier rules.Tier
	// At is the earliest instant at which the tier is reached, Users how many are messaged for that from the forecast's
	// beginning; zero if it is not reached.
	At    time.Time
	Users int64
	// Message is what the rules say of it; Missing what is missing at the end, if it is not reached.
	Message string
	Missing []string
}

// Steps says when each next tier is reached at the earliest if the quality is High from now on, and how many users must be messaged
// for that. Both are found by letting the rules run.
func Steps(ctx context.Context, from Start, pace Pace) ([]Step, error) {
	r := newRun(from, pace)
	var way checkpoints
	for r.rises() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		way.add(r)
		if !r.step() {
			break
		}
	}
	steps := r.finish()
	for i := range steps {
		step := &steps[i]
		if step.At.IsZero() {
			continue
		}
		// With fewer users a tier comes later or not at all: these are the fewest that it comes no later with.
		step.Users = int64(sort.Search(int(step.Users), func(users int) bool {
			return way.resume(int64(users)).reaches(i, step.At)
		}))
	}
	return steps, ctx.Err()
}
