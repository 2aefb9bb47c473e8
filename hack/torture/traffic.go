package main

import (
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"numberfleet.dev/numberfleet/hack/torture/check"
)

// The event time of a round. It begins at an instant A, after hours or days of downtime: what happened meanwhile is posted then, before
// the rules run. Some more is posted ahead of its time, by less than the hour that the operator accepts, and takes effect as the clock
// reaches it.
const (
	aheadFrom  = 10 * time.Minute // after A
	aheadTo    = 45 * time.Minute
	liveUntil  = 50 * time.Minute
	hurryUntil = 4 * time.Hour // after A: what is not done by then goes on in real time
	lastCall   = 6 * time.Hour // after A: the operator's clock is set no further in a round
	quietFor   = 7 * time.Hour // after A: nothing happens before
	nearest    = 9 * time.Hour // the next period, after A
)

// speed is how many times faster than real time the operator's clock runs.
const speed = 360

// request is one webhook, or one event, to be posted.
type request struct {
	number     *number
	body       []byte
	event      bool
	after      time.Time // of late numbers: the earliest event time at which it is posted
	times      int       // how often it is posted at least
	truncation int       // how it is truncated first: see postTruncated; 0 for not at all
	live       bool      // posted while the rules run
}

// period is what comes in one round.
type period struct {
	at       time.Time
	requests []*request // before the rules run
	live     []*request
}

// traffic makes the periods of an epoch. All that it does follows from its seed.
type traffic struct {
	random *rand.Rand
	fleet  *fleet
	plan   *check.Input // all that was made so far
	last   time.Time    // A of the last period
	serial int
	held   []*request // of late numbers, not yet posted
	known  map[string]bool
	told   map[string]bool // the instants of reports, by what shares a limit
}

func newTraffic(seed uint64, epoch int, f *fleet) *traffic {
	born := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, 120*epoch)
	random := rand.New(rand.NewPCG(seed, uint64(epoch))) // #nosec G404 -- to be replayed
	return &traffic{random: random, fleet: f, plan: check.NewInput(), last: born, known: map[string]bool{}, told: map[string]bool{}}
}

// next makes the next period.
func (t *traffic) next() period {
	l := period{at: t.when()}
	var news []*request
	for _, n := range t.fleet.numbers {
		if n.gated {
			continue
		}
		var happened []incident
		if n.rated && t.chance(0.35) || n.complainedAbout && t.chance(0.04) {
			news = append(news, t.reportRatings(n, l.at)...)
		}
		if t.chance(0.15) && (n.portfolio == nil || t.chance(0.5)) { // reports about several numbers of a portfolio add up
			news = append(news, t.reportLimit(n, l.at))
		}
		if t.chance(0.08) {
			news = append(news, t.reportVerification(n, l.at))
		}
		if n.portfolio != nil && t.chance(0.05) {
			news = append(news, t.reportAlert(n, l.at))
		}
		for range t.random.IntN(3) {
			from := t.between(t.last.Add(quietFor), l.at.Add(-time.Minute))
			happened = append(happened, t.burst(n, t.size(n, l.at), from, l.at.Add(-time.Minute).Sub(from))...)
		}
		if t.chance(0.7) {
			happened = append(happened, t.burst(n, t.size(n, l.at)/2, l.at.Add(aheadFrom), aheadTo-aheadFrom)...)
		}
		news = append(news, t.pack(n, happened)...)
	}
	for _, of := range t.fleet.templates {
		l.requests = append(l.requests, t.reportTemplate(of, l.at)...)
	}
	for _, p := range news {
		switch {
		case !p.number.late:
			l.requests = append(l.requests, p)
		default:
			p.after = l.at.Add(time.Duration(t.random.Int64N(int64(7*24*time.Hour))) - 3*24*time.Hour)
			t.held = append(t.held, p)
		}
	}
	t.held = slices.DeleteFunc(t.held, func(p *request) bool {
		if p.after.After(l.at) {
			return false
		}
		if p.live = t.chance(0.6); p.live {
			l.live = append(l.live, p)
		} else {
			l.requests = append(l.requests, p)
		}
		return true
	})
	for _, all := range [][]*request{l.requests, l.live} {
		t.random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	}
	t.last = l.at
	return l
}

// when is the A of the next period: some hours or days later, and often such that a deadline falls into it.
func (t *traffic) when() time.Time {
	jump := t.between(t.last.Add(nearest), t.last.Add(30*time.Hour))
	if t.chance(0.15) {
		jump = t.between(t.last.Add(30*time.Hour), t.last.Add(6*24*time.Hour))
	}
	if t.chance(0.5) {
		next := map[string]time.Time{} // by reason, so that rare ones are chosen too
		look := func(happens []check.Transition) {
			for _, h := range happens {
				at := time.Unix(h.At, 0).UTC().Add(-30 * time.Minute)
				if was, known := next[h.Reason]; at.After(t.last.Add(nearest)) && (!known || at.Before(was)) {
					next[h.Reason] = at
				}
			}
		}
		sleepUpTo := t.last.Add(96 * time.Hour).Unix()
		for _, s := range t.fleet.subjects() {
			happens, _ := t.plan.Replay(s, sleepUpTo)
			look(happens)
		}
		for _, of := range t.fleet.templateSubjects() {
			happens, _ := t.plan.ReplayTemplate(of, sleepUpTo)
			look(happens)
		}
		if len(next) > 0 {
			reasons := slices.Sorted(maps.Keys(next))
			return next[reasons[t.random.IntN(len(reasons))]]
		}
	}
	return jump
}

func (t *traffic) chance(of float64) bool { return t.random.Float64() < of }

func (t *traffic) between(from, to time.Time) time.Time {
	if !to.After(from) {
		return from
	}
	return from.Add(time.Duration(t.random.Int64N(int64(to.Sub(from))))).Truncate(time.Second)
}

// standing is the state of what has the number's limit, by the plan.
func (t *traffic) standing(n *number, now time.Time) (standing check.Standing) {
	for _, s := range t.fleet.subjects() {
		if slices.Contains(s.Numbers, n.phone) && !s.Member {
			_, standing = t.plan.Replay(s, now.Unix())
		}
	}
	return standing
}

// times is how often something is posted: Meta repeats webhooks.
func (t *traffic) times() int {
	if t.chance(0.2) {
		return 2 + t.random.IntN(2)
	}
	return 1
}

func (t *traffic) note(p *request) {
	if err := p.addTo(t.plan); err != nil {
		panic(err) // we wrote it
	}
}

// addTo adds the request to the checker's input.
func (p *request) addTo(input *check.Input) error {
	if p.event {
		return input.Event(p.body)
	}
	return input.Webhook(p.body)
}

func hash(text string) int {
	h := 0
	for _, c := range text {
		h = (h*31 + int(c)) % 1_000_003
	}
	return h
}
