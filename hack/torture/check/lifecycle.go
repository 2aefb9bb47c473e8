package check

import (
	"cmp"
	"container/heap"
	"slices"
)

// lifecycle is the state of a subject as time passes.
type lifecycle struct {
	Subject
	counted []contact

	now, until int64
	instants   instants
	happened   []Transition

	tier       Tier
	tierSince  int64
	before     Tier // the tier before this one
	rose       bool // the rules raised it to this one
	source     string
	business   string // verified or not
	denied     bool   // Meta denied an increase
	rating     string
	rated      bool   // Meta has reported a rating, so complaints make none
	complained *steps // users who complained; nil if complaints make no rating
	reached    *steps // users who were delivered to
	lowSince   int64  // since when the rating is Low; never while it is not
	grace      int64  // since when the present grace period runs; never while none does
	flag       bool
	recovering int64
	flagEnded  int64
	restricted bool
	lowered    int64 // when Meta last reported a lower limit: deliveries before count for no upgrade
	due        int64 // since when the upgrade is pending; never while it is not
	blocked    bool
	used       *steps
	risen      map[[2]int64]*steps
}

// Replay applies all input about a subject until an instant. It stops at every instant at which something can happen: each report, each counted delivery, each one's leaving a window, and each deadline.
func (t *Input) Replay(s Subject, until int64) ([]Transition, Standing) {
	l := &lifecycle{Subject: s, until: until, rating: unknown, lowSince: never, grace: never, recovering: never, flagEnded: never, due: never,
		tierSince: never, lowered: never, source: concluded, business: "Unverified", risen: map[[2]int64]*steps{}}
	spec := &s.Policy.Spec
	if !s.Member {
		l.tier = s.Policy.start(l.business)
		l.counted = t.outside(s)
		l.used = s.Policy.usage(l.counted)
		for _, d := range l.counted {
			l.schedule(d.at, d.at+spec.Counting.WindowHours*hour)
			for _, t := range spec.Tiers {
				if _, up := s.Policy.above(t.Limit); up != nil && up.MinimumSpanHours > 0 {
					l.schedule(d.at + up.MinimumSpanHours*hour)
				}
			}
		}
	}
	if spec.Quality.LowPerThousand > 0 && !s.Portfolio {
		l.countFeedback(t, s.Numbers[0])
	}
	reports := t.reportsTo(s)
	for _, r := range reports {
		l.schedule(r.at)
	}
	for i, of := range s.Templates {
		happened, _ := t.ReplayTemplate(of, until)
		for _, h := range happened {
			if h.Reason == "QualityChanged" {
				reports = append(reports, subjectReport{report{h.At, quality, h.To}, len(s.Numbers) + i})
				l.schedule(h.At)
			}
		}
	}
	ofMember := func(r subjectReport) int { // before what is of the portfolio
		if s.Portfolio && r.kind == quality {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(reports, func(a, b subjectReport) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(ofMember(a), ofMember(b)))
	})
	ratings := slices.Repeat([]string{unknown}, len(s.Numbers)+len(s.Templates))
	for l.instants.Len() > 0 {
		l.now = heap.Pop(&l.instants).(int64)
		if l.now > until {
			break
		}
		for ; len(reports) > 0 && reports[0].at == l.now; reports = reports[1:] {
			switch r := reports[0]; {
			case r.kind == limit:
				l.reportLimit(r.value)
			case r.kind == verification:
				l.reportVerification(r.value)
			case r.kind == increase:
				l.reportDenial()
			case !s.Portfolio:
				l.report(r.report)
			case r.kind == quality && r.value != unknown:
				ratings[r.number] = r.value
				l.rateByMembers(ratings)
			}
		}
		l.rateByFeedback()
		l.endFlag()
		l.block()
		if !s.Member {
			l.upgrade()
			l.restrict()
		}
	}
	return l.happened, l.standing()
}

func (l *lifecycle) standing() Standing {
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

func (l *lifecycle) emit(reason, from, to string) {
	l.happened = append(l.happened, Transition{l.now, reason, from, to})
}

// startPeriod starts a period of hours.
func (l *lifecycle) startPeriod(since *int64, hours int64) {
	*since = l.now
	l.schedule(l.now + hours*hour)
}

func (l *lifecycle) schedule(all ...int64) {
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
