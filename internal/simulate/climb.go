package simulate

import (
	"math"
	"slices"
	"sort"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/rules"
)

// climber sends until no tier is left.
type climber struct {
	Standing
	sent  *strangers
	now   time.Time
	next  time.Time // the next instant at which something changes by itself
	until time.Time // it gives up
	bound int64     // users in all
	steps []Step

	paced bool // or as fast as the limits allow
	days  Plan
	slots sending
}

func newClimber(from Standing, pace Pace) *climber {
	c := &climber{Standing: from, sent: &strangers{before: from.facts.Usage}, now: from.state.EvaluatedAt, bound: math.MaxInt64}
	c.until = c.now.Add(horizon)
	c.facts.Usage = c.sent
	high := string(v1alpha1.QualityHigh)
	c.facts.Reports = []rules.Report{
		{Kind: rules.ReportQuality, At: c.now, Value: high},
		{Kind: rules.ReportStanding, At: c.now, Value: high},
	}
	if c.paced = pace.PerDay > 0; c.paced {
		// The first day is the first whose hours are all to come.
		c.days.start = c.now.Truncate(24 * time.Hour)
		if c.days.start.Add(pace.From).Before(c.now) {
			c.days.start = c.days.day(2)
		}
		c.slots.planSend = &planSend{first: 1, last: maxPlanDays, users: pace.PerDay, grow: pace.Grow, from: pace.From, to: pace.To}
		c.slots.next(&c.days)
	}
	c.advance()
	return c
}

// copied is a copy that goes its own way.
func (c *climber) copied() *climber {
	other := *c
	other.sent = c.sent.copied()
	other.facts.Usage = other.sent
	other.steps = slices.Clip(c.steps)
	return &other
}

func (c *climber) advance() {
	var happened []rules.Transition
	c.state, happened, c.next = rules.Advance(c.policy, &c.facts, c.state, c.now)
	c.facts.Reports = nil
	for _, t := range happened {
		if t.Reason == v1alpha1.ReasonTierUpgraded {
			tier, _ := tierNamed(c.policy, t.To)
			c.steps = append(c.steps, Step{Tier: tier, At: t.Time, Users: c.sent.total(), Message: t.Message})
		}
	}
}

// rises says whether a tier is left to reach.
func (c *climber) rises() bool {
	_, more := rules.UpgradeProgress(c.policy, &c.facts, c.state, c.now)
	return more
}

// arrives says whether the tier of a step is reached as early as that.
func (c *climber) arrives(step int, at time.Time) bool {
	for len(c.steps) <= step && !c.now.After(at) && c.step() {
	}
	return len(c.steps) > step && c.steps[step].At.Equal(at)
}

// room is how many users may be messaged now.
func (c *climber) room() int64 {
	limit := rules.LimitAt(c.policy, c.facts.Usage, &c.state, c.now)
	return min(rules.RoomOf(limit, c.state.Obstacle()).Remaining, c.bound-c.sent.total())
}

// roomAgain is when there can be more room than now; zero for never.
func (c *climber) roomAgain() time.Time {
	again := c.next
	if used := rules.Used(c.policy, c.sent, c.now); used > 0 && c.sent.total() < c.bound {
		if leaves := c.sent.FallsBelow(c.policy.Measure, c.policy.Window, used, c.now); again.IsZero() || leaves.Before(again) {
			again = leaves
		}
	}
	return again
}

// step sends, or goes on to where something changes; false if nothing will.
func (c *climber) step() bool {
	if c.paced {
		return c.stepPaced()
	}
	if room := c.room(); room > 0 {
		c.sent.add(c.now, room)
		c.advance()
		return true
	}
	return c.wait(c.roomAgain())
}

// wait goes on to an instant.
func (c *climber) wait(until time.Time) bool {
	if until.IsZero() || until.After(c.until) {
		return false
	}
	c.now = until
	c.advance()
	return true
}

// stepPaced sends what the slots of an hour have, as far as there is room.
func (c *climber) stepPaced() bool {
	if c.slots.done || c.sent.total() >= c.bound {
		return c.wait(c.next)
	}
	if !c.next.IsZero() && c.next.Before(c.slots.at) {
		return c.wait(c.next)
	}
	if c.slots.at.After(c.until) {
		c.now = c.until // what is missing is said of the end
		c.advance()
		return false
	}
	c.now = c.slots.at
	room := c.room()
	if room == 0 {
		// Nobody is messaged over the limit.
		c.slots.next(&c.days)
		if again := c.roomAgain(); !again.IsZero() {
			c.slots.skip(&c.days, again)
		}
		return true
	}
	// What there is room for is sent whatever the rules make of it meanwhile, so that they need not look at every message.
	for last := c.now.Add(time.Hour); room > 0 && !c.slots.done && !c.slots.at.After(last); {
		c.now = c.slots.at
		users := int64(0)
		for ; users < room && !c.slots.done && c.slots.at.Equal(c.now); users++ {
			c.slots.next(&c.days)
		}
		c.sent.add(c.now, users)
		room -= users
	}
	c.advance()
	return true
}

// checkpoints are where a climber was on its way, at most so many, evenly spread: going on from there with fewer users, none
// of the way before is gone again.
type checkpoints struct {
	passed []*climber
	count  int
	every  int
}

const mostCheckpoints = 2048

func (w *checkpoints) add(c *climber) {
	w.every = max(1, w.every)
	if w.count%w.every == 0 {
		w.passed = append(w.passed, c.copied())
	}
	w.count++
	if len(w.passed) > mostCheckpoints {
		w.every *= 2
		kept := (len(w.passed) + 1) / 2
		for i := range kept {
			w.passed[i] = w.passed[2*i]
		}
		clear(w.passed[kept:])
		w.passed = w.passed[:kept]
	}
}

// before is the climber where it had sent no more than so many, and goes on to send no more than those.
func (w *checkpoints) before(users int64) *climber {
	i := sort.Search(len(w.passed), func(i int) bool { return w.passed[i].sent.total() > users })
	c := w.passed[max(0, i-1)].copied()
	c.bound = users
	return c
}

// done adds the tiers that are not reached.
func (c *climber) done() []Step {
	progress, more := rules.UpgradeProgress(c.policy, &c.facts, c.state, c.now)
	if !more {
		return c.steps
	}
	for _, tier := range c.policy.Tiers() {
		if tier.Limit != rules.Unlimited && tier.Limit <= c.state.Tier.Limit {
			continue
		}
		step := Step{Tier: tier}
		if tier == progress.Next {
			step.Missing = progress.Missing
		} else {
			step.Missing = []string{progress.Next.Name + " comes first"}
		}
		c.steps = append(c.steps, step)
	}
	return c.steps
}
