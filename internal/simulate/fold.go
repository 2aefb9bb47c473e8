package simulate

import (
	"fmt"
	"slices"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// foldWithin is how short the room between two restrictions is for people to see one.
const foldWithin = time.Hour

// Folded is what happened, for people: a number at its limit is restricted anew with each message for which another one leaves
// the window, and all these restrictions are one. The first says how many there are.
func (r *Result) Folded() []Transition {
	type spell struct{ first, lifted, more int }
	folded := slices.Clone(r.Transitions)
	spells := map[string]*spell{}
	left := make([]bool, len(folded))
	finish := func(s *spell) {
		if s.more > 0 {
			folded[s.first].Message += fmt.Sprintf("; and so again %d times, with less than 1 h of room between", s.more)
		}
	}
	for i := range folded {
		t := &folded[i]
		s := spells[t.Subject]
		switch t.Reason {
		case v1alpha1.ReasonRestricted:
			if s != nil && s.lifted > 0 && t.Time.Sub(folded[s.lifted].Time) < foldWithin {
				left[s.lifted], left[i] = true, true
				s.lifted = 0
				s.more++
				continue
			}
			if s != nil {
				finish(s)
			}
			spells[t.Subject] = &spell{first: i}
		case v1alpha1.ReasonRestrictionLifted:
			if s != nil {
				s.lifted = i
			}
		default: // stays as it is
		}
	}
	for _, s := range spells {
		finish(s)
	}
	kept := folded[:0]
	for i, t := range folded {
		if !left[i] {
			kept = append(kept, t)
		}
	}
	return kept
}
