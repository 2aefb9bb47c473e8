package forecast

import (
	"math"
	"slices"
	"sort"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/rules"
	"numberfleet.dev/numberfleet/internal/simulate"
	"numberfleet.dev/numberfleet/internal/simulate/plan"
)

// forecastRun is a number that sends until no tier is left.
type forecastRun struct {
	Start
	before rules.Usage // when it begins
	sent   *syntheticUsage
	now    time.Time
	next   time.Time // the next instant at which something changes by itself
	until  time.Time // when it gives up
	bound  int64     // users in all
	steps  []Step

	paced bool // or as fast as the limits allow
	slots plan.Slots
}

func newRun(from Start, pace Pace) *forecastRun {
	r := &forecastRun{Start: from, before: from.Facts.Usage, sent: &syntheticUsage{}, now: from.State.EvaluatedAt, bound: math.MaxInt64}
	r.until = r.now.Add(horizon)
	r.Facts.Usage = simulate.Successive{Before: r.before, Since: r.sent}
	high := rules.MemberQuality{Rating: v1alpha1.QualityHigh, Sendable: from.State.Members.Sendable}
	r.Facts.Reports = []report.Report{{Kind: report.Quality, At: r.now.Unix(), Value: string(high.Rating)}}
	r.Facts.Members = []rules.QualityAt{{At: r.now, MemberQuality: high}}
	if r.paced = pace.PerDay > 0; r.paced {
		// The first day is the first whose hours are all to come.
		start := r.now.Truncate(24 * time.Hour)
		if start.Add(pace.From).Before(r.now) {
			start = start.Add(24 * time.Hour)
		}
		schedule := plan.Schedule{Start: start, First: 1, Last: plan.MaxDays, Users: pace.PerDay, Grow: pace.Grow, From: pace.From, To: pace.To}
		r.slots = schedule.Slots()
	}
	r.advance()
	return r
}

// clone is a copy that goes on by itself.
func (r *forecastRun) clone() *forecastRun {
	other := *r
	other.sent = r.sent.clone()
	other.Facts.Usage = simulate.Successive{Before: other.before, Since: other.sent}
	other.steps = slices.Clip(r.steps)
	return &other
}

func (r *forecastRun) advance() {
	var happened []rules.Transition
	r.State, happened, r.next = rules.Advance(r.Policy, &r.Facts, r.State, r.now)
	r.Facts.Reports, r.Facts.Members = nil, nil
	for _, t := range happened {
		if t.Reason == v1alpha1.ReasonTierUpgraded {
			tier, _ := r.Policy.TierNamed(t.To)
			r.steps = append(r.steps, Step{Tier: tier, At: t.Time, Users: r.sent.total(), Message: t.Message})
		}
	}
}

// rises says whether a tier is left to reach.
func (r *forecastRun) rises() bool {
	_, more := rules.UpgradeProgress(r.Policy, &r.Facts, r.State, r.now)
	return more
}

// reaches says whether the tier of a step is reached as early as that.
func (r *forecastRun) reaches(step int, at time.Time) bool {
	for len(r.steps) <= step && !r.now.After(at) && r.step() {
	}
	return len(r.steps) > step && r.steps[step].At.Equal(at)
}

// room is how many users may be messaged now.
func (r *forecastRun) room() int64 {
	limit := rules.LimitAt(r.Policy, &r.Facts, &r.State, r.now)
	return min(rules.RoomOf(limit, r.State.Obstacle()).Remaining, r.bound-r.sent.total())
}

// nextRoom is when there can be more room than now; zero for never.
func (r *forecastRun) nextRoom() time.Time {
	again := r.next
	if used := rules.Used(r.Policy, r.Facts.Usage, r.now); used > 0 && r.sent.total() < r.bound {
		if leaves := r.Facts.Usage.FallsBelow(r.Policy.Measure, r.Policy.Window, used, r.now); again.IsZero() || leaves.Before(again) {
			again = leaves
		}
	}
	return again
}

// step sends, or goes on to where something changes; false if nothing will.
func (r *forecastRun) step() bool {
	if r.paced {
		return r.stepPaced()
	}
	if room := r.room(); room > 0 {
		r.sent.add(r.now, room)
		r.advance()
		return true
	}
	return r.wait(r.nextRoom())
}

// wait goes on to an instant.
func (r *forecastRun) wait(until time.Time) bool {
	if until.IsZero() || until.After(r.until) {
		return false
	}
	r.now = until
	r.advance()
	return true
}

// stepPaced sends what the slots of an hour have, as far as there is room.
func (r *forecastRun) stepPaced() bool {
	if r.slots.Done || r.sent.total() >= r.bound {
		return r.wait(r.next)
	}
	if !r.next.IsZero() && r.next.Before(r.slots.At) {
		return r.wait(r.next)
	}
	if r.slots.At.After(r.until) {
		r.now = r.until // what is missing is said of the end
		r.advance()
		return false
	}
	r.now = r.slots.At
	room := r.room()
	if room == 0 {
		// Nobody is messaged over the limit.
		r.slots.Next()
		if again := r.nextRoom(); !again.IsZero() {
			r.slots.SkipTo(again)
		}
		return true
	}
	// What there is room for is sent whatever the rules make of it meanwhile, so that they need not look at every message.
	for last := r.now.Add(time.Hour); room > 0 && !r.slots.Done && !r.slots.At.After(last); {
		r.now = r.slots.At
		users := int64(0)
		for ; users < room && !r.slots.Done && r.slots.At.Equal(r.now); users++ {
			r.slots.Next()
		}
		r.sent.add(r.now, users)
		room -= users
	}
	r.advance()
	return true
}

// checkpoints are copies of a run on its way, at most maxCheckpoints, evenly spread. A run with fewer users goes on from the last that
// has sent no more.
type checkpoints struct {
	runs  []*forecastRun
	count int
	every int
}

const maxCheckpoints = 2048

func (w *checkpoints) add(r *forecastRun) {
	w.every = max(1, w.every)
	if w.count%w.every == 0 {
		w.runs = append(w.runs, r.clone())
	}
	w.count++
	if len(w.runs) > maxCheckpoints {
		w.every *= 2
		kept := (len(w.runs) + 1) / 2
		for i := range kept {
			w.runs[i] = w.runs[2*i]
		}
		clear(w.runs[kept:])
		w.runs = w.runs[:kept]
	}
}

// resume is the run where it had sent no more than so many users, and it will send to no more.
func (w *checkpoints) resume(users int64) *forecastRun {
	i := sort.Search(len(w.runs), func(i int) bool { return w.runs[i].sent.total() > users })
	r := w.runs[max(0, i-1)].clone()
	r.bound = users
	return r
}

// finish adds the tiers that are not reached.
func (r *forecastRun) finish() []Step {
	progress, more := rules.UpgradeProgress(r.Policy, &r.Facts, r.State, r.now)
	if !more {
		return r.steps
	}
	for _, tier := range r.Policy.Tiers() {
		if tier.Limit != rules.Unlimited && tier.Limit <= r.State.Tier.Limit {
			continue
		}
		step := Step{Tier: tier}
		if tier == progress.Next {
			step.Missing = progress.Missing
		} else {
			step.Missing = []string{progress.Next.Name + " comes first"}
		}
		r.steps = append(r.steps, step)
	}
	return r.steps
}
