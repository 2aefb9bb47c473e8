package check

import (
	"cmp"
	"container/heap"
	"slices"
)

// life is a subject as time passes.
type life struct {
	Subject
	counted []said

	now, until int64
	instants   instants
	happened   []Transition

	tier       Rung
	tierSince  int64
	before     Rung // the tier before this one
	rose       bool // the rules raised it to this one
	source     string
	business   string // verified or not
	denied     bool   // what Meta answered to an increase
	rating     string
	rated      bool   // Meta has reported a rating: complaints make none any more
	complained *steps // users who complained; nil where no complaints make a rating
	reached    *steps // users who were delivered to
	lowSince   int64  // of the spell of Low; never while it is none
	grace      int64  // since when the present grace period runs; never while none does
	flag       bool
	recovering int64
	flagEnded  int64
	restricted bool
	lowered    int64 // when Meta last reported a lower limit: what was sent before brings no upgrade
	due        int64 // since when all was there for the next tier; never if it is not
	blocked    bool
	used       *steps
	risen      map[[2]int64]*steps
}

// Live lives through all that the tape has of a subject until an instant, at every instant at which something can have
// happened: each report, each counted delivery, each one's leaving a window, and each deadline.
func (t *Tape) Live(s Subject, until int64) ([]Transition, Standing) {
	l := &life{Subject: s, until: until, rating: unknown, lowSince: never, grace: never, recovering: never, flagEnded: never, due: never,
		tierSince: never, lowered: never, source: concluded, business: "Unverified", risen: map[[2]int64]*steps{}}
	spec := &s.Policy.Spec
	if !s.Member {
		l.tier = s.Policy.start(l.business)
		l.counted = t.outside(s)
		l.used = s.Policy.limited(l.counted)
		for _, d := range l.counted {
			l.wake(d.at, d.at+spec.Counting.WindowHours*hour)
			for _, t := range spec.Tiers {
				if _, up := s.Policy.up(t.Limit); up != nil && up.MinimumSpanHours > 0 {
					l.wake(d.at + up.MinimumSpanHours*hour)
				}
			}
		}
	}
	if spec.Quality.LowPerThousand > 0 && !s.Portfolio {
		l.weigh(t, s.Numbers[0])
	}
	reports := t.reportsTo(s)
	for _, r := range reports {
		l.wake(r.at)
	}
	for i, of := range s.Templates {
		happened, _ := t.LiveTemplate(of, until)
		for _, h := range happened {
			if h.Reason == "QualityChanged" {
				reports = append(reports, heard{report{h.At, quality, h.To}, len(s.Numbers) + i})
				l.wake(h.At)
			}
		}
	}
	slices.SortStableFunc(reports, func(a, b heard) int { return cmp.Compare(a.at, b.at) })
	ratings := slices.Repeat([]string{unknown}, len(s.Numbers)+len(s.Templates))
	for l.instants.Len() > 0 {
		l.now = heap.Pop(&l.instants).(int64)
		if l.now > until {
			break
		}
		for ; len(reports) > 0 && reports[0].at == l.now; reports = reports[1:] {
			switch r := reports[0]; {
			case r.kind == limit:
				l.limited(r.value)
			case r.kind == verification:
				l.verify(r.value)
			case r.kind == increase:
				l.deny()
			case !s.Portfolio:
				l.report(r.report)
			case r.kind == quality && r.value != unknown:
				ratings[r.number] = r.value
				l.together(ratings)
			}
		}
		l.feedback()
		l.flagEnds()
		l.blockDue()
		if !s.Member {
			l.upgrade()
			l.restrict()
		}
	}
	return l.happened, l.standing()
}

func (l *life) standing() Standing {
	s := Standing{Rating: l.rating, Flagged: l.flag, Limited: l.restricted, State: "Connected"}
	if !l.Member {
		s.Tier, s.Limit, s.Source, s.Verification, s.Denied = l.tier.Name, l.tier.Limit, l.source, l.business, l.denied
	}
	switch {
	case l.blocked:
		s.State = "Blocked"
	case l.restricted:
		s.State = "Restricted"
	case l.flag:
		s.State = flagged
	}
	return s
}

func (l *life) say(reason, from, to string) {
	l.happened = append(l.happened, Transition{l.now, reason, from, to})
}

// from begins to count down hours now.
func (l *life) from(since *int64, hours int64) {
	*since = l.now
	l.wake(l.now + hours*hour)
}

func (l *life) wake(all ...int64) {
	for _, at := range all {
		if at <= l.until {
			heap.Push(&l.instants, at)
		}
	}
}

// instants is a heap of instants.
type instants []int64

func (h instants) Len() int           { return len(h) }
func (h instants) Less(i, j int) bool { return h[i] < h[j] }
func (h instants) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push implements heap.Interface.
func (h *instants) Push(x any) { *h = append(*h, x.(int64)) }

// Pop implements heap.Interface.
func (h *instants) Pop() any {
	last := len(*h) - 1
	x := (*h)[last]
	*h = (*h)[:last]
	return x
}
