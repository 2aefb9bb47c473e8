package chart

import (
	"cmp"
	"maps"
	"slices"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/rules"
)

// Spans tells from what happened which tier, quality and state held when, from Start to End. The tier and the quality are those of the end,
// for a subject to which nothing happened.
func (s *Subject) Spans(transitions []rules.Transition, tier string, quality v1alpha1.QualityRating) {
	open := map[string]int64{} // states
	// A state of which only the end is told began before the start.
	shut := func(state string, at int64) {
		from, ok := open[state]
		if !ok {
			from = s.Start
		}
		s.States = append(s.States, Span{From: from, To: at, What: state})
		delete(open, state)
	}
	turn := func(spans []Span, at int64, from, to string) []Span {
		if len(spans) == 0 {
			spans = append(spans, Span{From: s.Start, What: from})
		}
		spans[len(spans)-1].To = at
		return append(spans, Span{From: at, What: to})
	}
	for _, t := range transitions {
		at := t.Time.Unix()
		switch t.Reason {
		case v1alpha1.ReasonTierUpgraded, v1alpha1.ReasonTierDowngraded, v1alpha1.ReasonLimitReported:
			s.Tiers = turn(s.Tiers, at, t.From, t.To)
		case v1alpha1.ReasonQualityChanged:
			s.Quality = turn(s.Quality, at, t.From, t.To)
		case v1alpha1.ReasonFlagged:
			open["Flagged"] = at
		case v1alpha1.ReasonFlagCleared:
			shut("Flagged", at)
		case v1alpha1.ReasonRestricted:
			open["Restricted"] = at
			// What is too short to see is drawn as one.
			if i := slices.IndexFunc(s.States, func(s Span) bool { return s.What == "Restricted" && at-s.To < int64(time.Hour/time.Second) }); i >= 0 {
				open["Restricted"] = s.States[i].From
				s.States = slices.Delete(s.States, i, i+1)
			}
		case v1alpha1.ReasonRestrictionLifted:
			shut("Restricted", at)
		case v1alpha1.ReasonBlocked:
			open["Blocked"] = at
		case v1alpha1.ReasonUnblocked:
			shut("Blocked", at)
		case v1alpha1.ReasonConnectionChanged:
			if t.From != string(v1alpha1.StateConnected) {
				shut(t.From, at)
			}
			if t.To != string(v1alpha1.StateConnected) {
				open[t.To] = at
			}
		default: // changes nothing that is drawn as a span
		}
	}
	for _, state := range slices.Sorted(maps.Keys(open)) {
		shut(state, s.End)
	}
	if len(s.Tiers) == 0 && tier != "" {
		s.Tiers = []Span{{From: s.Start, What: tier}}
	}
	if len(s.Quality) == 0 {
		s.Quality = []Span{{From: s.Start, What: string(cmp.Or(quality, v1alpha1.QualityUnknown))}}
	}
	for _, spans := range [][]Span{s.Tiers, s.Quality} {
		if last := len(spans) - 1; last >= 0 {
			spans[last].To = s.End
		}
	}
	s.Tiers, s.Quality, s.States = s.within(s.Tiers), s.within(s.Quality), s.within(s.States)
	slices.SortStableFunc(s.States, func(a, b Span) int { return cmp.Compare(a.From, b.From) })
}

// within are spans as far as they are drawn.
func (s *Subject) within(spans []Span) (drawn []Span) {
	for _, p := range spans {
		if p.To > s.Start {
			drawn = append(drawn, Span{From: max(p.From, s.Start), To: p.To, What: p.What})
		}
	}
	return drawn
}
