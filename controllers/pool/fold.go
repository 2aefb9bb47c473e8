package pool

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/statuses"
	"numberfleet.dev/numberfleet/internal/rules"
	"numberfleet.dev/numberfleet/internal/standing"
)

// roomLasts is how long a number must be able to message further users without a break for it to be told.
const roomLasts = time.Hour

// fold tells when no number may message further users any more, and when one could for an hour without a break. It returns the instant at
// which the latter is told by itself; zero if it is not. While the operator does not know enough to say, or has not seen a number yet, nothing is
// told.
func fold(remembered *v1alpha1.UnsendableStatus, stands *standing.Pool, now time.Time) (told []rules.Transition, over time.Time) {
	tell := func(reason v1alpha1.TransitionReason, message string) {
		told = []rules.Transition{{Time: now, Rule: v1alpha1.RuleRestriction, Reason: reason, Message: message}}
	}
	unsendable := !remembered.SinceTime.IsZero()
	switch {
	case !stands.Sendable && (stands.Reason == v1alpha1.RoomNotReady || slices.ContainsFunc(stands.Members, unseen)):
	case !stands.Sendable:
		if !unsendable {
			remembered.SinceTime = statuses.Time(now)
			tell(v1alpha1.ReasonRestricted, "no number of the pool may message further users: "+reasons(stands.Members))
		}
		remembered.RoomSinceTime = statuses.Time(time.Time{})
	case unsendable && remembered.RoomSinceTime.IsZero():
		remembered.RoomSinceTime = statuses.Time(now)
		over = now.Add(roomLasts)
	case unsendable:
		if over = remembered.RoomSinceTime.Add(roomLasts); over.After(now) {
			break
		}
		*remembered, over = v1alpha1.UnsendableStatus{}, time.Time{}
		tell(v1alpha1.ReasonRestrictionLifted, "numbers of the pool have been able to message further users for an hour without a break")
	}
	return told, over
}

// unseen says whether a number was not evaluated yet. One that cannot be evaluated was: it says why, and cannot send.
func unseen(m standing.Member) bool { return m.Number.Status.ObservedGeneration < 1 }

// reasons are why numbers may not, each with how many numbers it is true of.
func reasons(members []standing.Member) string {
	numbers := map[v1alpha1.RoomReason]int{}
	for i := range members {
		numbers[members[i].Reason]++
	}
	var parts []string
	for _, reason := range slices.Sorted(maps.Keys(numbers)) {
		parts = append(parts, fmt.Sprintf("%s (%d)", reason, numbers[reason]))
	}
	return strings.Join(parts, ", ")
}
