package simulate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/rules"
)

// What a forecast may be asked.
const (
	MostPerDay = maxPlanMessages
	MostUsers  = 1_000_000_000
)

// horizon is how far a forecast looks.
const horizon = 366 * 24 * time.Hour

// Standing is where a subject stands when a forecast begins.
type Standing struct {
	Subject string
	policy  *rules.Policy
	state   rules.State
	facts   rules.Facts
}

// New is a number that is just registered.
func New(policy Policy, verification v1alpha1.Verification, at time.Time) Standing {
	return Standing{policy: policy.Policy, state: rules.Initial(policy.Policy, verification, at),
		facts: rules.Facts{Verification: verification, HumanEscalation: true}}
}

// At is the number at the tier of that name.
func (s Standing) At(tier string) (Standing, error) {
	to, ok := tierNamed(s.policy, tier)
	if !ok {
		var names []string
		for _, t := range s.policy.Tiers() {
			names = append(names, t.Name)
		}
		return s, fmt.Errorf("is not a tier of policy %s: those are %s", s.policy.Name, strings.Join(names, ", "))
	}
	s.state.Tier, s.state.TierSource = to, v1alpha1.FromReport
	return s, nil
}

// tierNamed is the tier of that name.
func tierNamed(p *rules.Policy, name string) (rules.Tier, bool) {
	tiers := p.Tiers()
	i := slices.IndexFunc(tiers, func(t rules.Tier) bool { return t.Name == name })
	if i < 0 {
		return rules.Tier{}, false
	}
	return tiers[i], true
}

// Having is the number with users that it has messaged already: used of them at this very instant, and the rest of those
// achieved just so long ago that they count no more against the limit. The limit is full for longest that way.
func (s Standing) Having(used, achieved int64) Standing {
	at := s.state.EvaluatedAt
	before := &strangers{}
	before.add(at.Add(-s.policy.Window), max(0, achieved-used))
	before.add(at, used)
	s.facts.Usage = before
	return s
}

// Standing is where a subject stands at the end of a simulation; its name may be left out where there is one only.
func (r *Result) Standing(subject string) (Standing, error) {
	var limited []string
	for name, end := range r.ends {
		if end.state.Tier.Name != "" {
			limited = append(limited, name)
		}
	}
	slices.Sort(limited)
	if subject == "" && len(limited) == 1 {
		subject = limited[0]
	}
	end, ok := r.ends[subject]
	switch {
	case subject == "":
		return Standing{}, fmt.Errorf("must name one of the %d that have a limit in these events", len(limited))
	case !ok:
		return Standing{}, errors.New("is not in these events")
	case end.state.Tier.Name == "":
		return Standing{}, errors.New("has no limit of its own: name its portfolio")
	}
	return Standing{Subject: subject, policy: end.policy, state: end.state, facts: end.facts}, nil
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

// Forecast says when each next tier is reached at the earliest if the quality is High from now on, and how many users must
// be messaged for that. Both are found by letting the rules run.
func Forecast(ctx context.Context, from Standing, pace Pace) ([]Step, error) {
	c := newClimber(from, pace)
	var way checkpoints
	for c.rises() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		way.add(c)
		if !c.step() {
			break
		}
	}
	steps := c.done()
	for i := range steps {
		step := &steps[i]
		if step.At.IsZero() {
			continue
		}
		// With fewer users a tier comes later or not at all: these are the fewest that it comes no later with.
		step.Users = int64(sort.Search(int(step.Users), func(users int) bool {
			return way.before(int64(users)).arrives(i, step.At)
		}))
	}
	return steps, ctx.Err()
}
