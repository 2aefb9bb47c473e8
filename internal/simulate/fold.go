package simulate

import (
	"maps"
	"slices"
	"time"

	"numberfleet.dev/numberfleet/internal/rules"
)

// Folded is what happened as it is told: a stretch in which a limit is reached again and again has a beginning and an end.
func (r *Result) Folded() []Transition {
	var folded []Transition
	stretches := map[string]rules.LimitStretch{}
	fold := func(subject string, happened []rules.Transition, now time.Time) {
		stretch, told, _ := rules.Fold(stretches[subject], happened, now)
		stretches[subject] = stretch
		for _, t := range told {
			folded = append(folded, Transition{Subject: subject, Transition: t})
		}
	}
	for _, t := range r.Transitions {
		fold(t.Subject, []rules.Transition{t.Transition}, t.Time.Add(-time.Second)) // more may happen at this very instant
	}
	for _, subject := range slices.Sorted(maps.Keys(stretches)) {
		fold(subject, nil, r.at)
	}
	slices.SortStableFunc(folded, func(a, b Transition) int { return a.Time.Compare(b.Time) })
	return folded
}
