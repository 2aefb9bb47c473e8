package rules

import (
	"fmt"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// LimitStretch is a stretch of time in which the limit is reached again and again. The zero value is none.
type LimitStretch struct {
	// Since is when the limit was reached first, and Reached how many times in all.
	Since   time.Time
	Reached int64
	// RoomSince is since when there has been room; zero while there is none.
	RoomSince time.Time
}

// roomLasts is how long there must be room without a break for a stretch to be over.
const roomLasts = time.Hour

// Fold leaves out the transitions within a stretch in which the limit is reached again and again. Its begin is told at once, and its end
// when there has been room for an hour. A number that sends steadily at its limit crosses it with each message for which another one
// leaves the window. All other transitions are told at once. A report of Meta's about a restriction ends a stretch.
//
// It returns the stretch to go on with, what is told, and the instant at which the stretch is over by itself; zero if none is.
func Fold(s LimitStretch, happened []Transition, now time.Time) (LimitStretch, []Transition, time.Time) {
	var told []Transition
	// What happens at the instant of a deadline comes before it.
	end := func(before time.Time) {
		if over := s.over(); !over.IsZero() && over.Before(before) {
			told = append(told, s.ended())
			s = LimitStretch{}
		}
	}
	for _, t := range happened {
		end(t.Time)
		restricts, lifts := t.Reason == v1alpha1.ReasonRestricted, t.Reason == v1alpha1.ReasonRestrictionLifted
		switch byLimit := t.Rule == v1alpha1.RuleRestriction; {
		case restricts && byLimit && !s.Since.IsZero():
			s.Reached++
			s.RoomSince = time.Time{}
		case restricts && byLimit:
			s = LimitStretch{Since: t.Time, Reached: 1}
			told = append(told, t)
		case lifts && byLimit && !s.Since.IsZero():
			s.RoomSince = t.Time
		case restricts || lifts:
			s = LimitStretch{}
			told = append(told, t)
		default:
			told = append(told, t)
		}
	}
	end(now.Add(time.Second))
	return s, told, s.over()
}

// over is when a stretch is over if nothing happens; zero while there is no room.
func (s *LimitStretch) over() time.Time {
	if s.RoomSince.IsZero() {
		return time.Time{}
	}
	return s.RoomSince.Add(roomLasts)
}

func (s *LimitStretch) ended() Transition {
	times := "once"
	if s.Reached > 1 {
		times = fmt.Sprintf("%d times", s.Reached)
	}
	return Transition{Time: s.over(), Rule: v1alpha1.RuleRestriction, Reason: v1alpha1.ReasonRestrictionLifted, Message: fmt.Sprintf(
		"there has been room below the limit for %s, since %s; the limit was reached %s since %s", formatDuration(roomLasts), formatTime(s.RoomSince), times, formatTime(s.Since))}
}
