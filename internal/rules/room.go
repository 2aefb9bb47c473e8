package rules

import (
	"math"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/report"
)

// Room is what may be sent to further users now, outside of customer service windows.
type Room struct {
	// Limit is Unlimited where there is none.
	Limit, Used int64
	// Reserved is how much of the limit is held for messages that are under way.
	Reserved int64
	// Remaining is how many further users may be messaged: NoLimit where nothing limits it, and 0 whenever nothing may be sent.
	Remaining int64
	Sendable  bool
	// Reason is why nothing may be sent; empty where something may.
	Reason v1alpha1.RoomReason
	// Until is when that ends by itself; zero if it does not, or if that is not known.
	Until time.Time
}

// NoLimit is what remains where nothing limits it: the largest number that every reader of a metric can hold.
const NoLimit int64 = math.MaxInt32

// Limit is a messaging limit and what is used of it at an instant, of a number or of a portfolio.
type Limit struct {
	// Limit is Unlimited where there is none.
	Limit, Used int64
	// Reserved is how much more of it is held.
	Reserved int64
	// Unknown says that it is not known how much is used now. Reached says that the rules concluded before that the limit is reached,
	// which then stands.
	Unknown, Reached bool
	// Frees is the first instant at which less than the limit is used, if nothing further is delivered; zero where that is not
	// known.
	Frees time.Time
}

// LimitAt is the limit of a state with what is used of it at an instant.
func LimitAt(p *Policy, f *Facts, s *State, now time.Time) Limit {
	count := used(p, f.Usage, now)
	l := Limit{Limit: s.Tier.Limit, Used: count.Most, Reserved: f.Reserved, Unknown: !count.Known,
		Reached: s.Restricted() && s.RestrictedSource == v1alpha1.FromPolicy}
	if l.Limit != Unlimited && l.Used >= l.Limit {
		l.Frees = f.Usage.FallsBelow(p.Measure, p.Window, l.Limit, now)
	}
	return l
}

// Obstacle is why nothing can be sent to further users, whatever is left of the limit. The zero value is none.
type Obstacle struct {
	Reason v1alpha1.RoomReason
	Until  time.Time // zero where it does not end by itself
}

// StopsReplies says whether the obstacle is in the way of replies inside customer service windows too. The restriction is the state's
// RestrictedReason, which Meta's word for a restricted account is.
func (o Obstacle) StopsReplies(restriction string) bool {
	switch o.Reason {
	case "", v1alpha1.RoomLimitReached:
		return false
	case v1alpha1.RoomAccountRestricted:
		return restriction == report.RestrictedReplies
	default:
		return true
	}
}

// RoomOf is what may be sent to further users: what is left of the limit, and nothing while there is an obstacle. The first
// obstacle is the reason.
//
// A number has its own limit or its portfolio's, and its own obstacle. A portfolio has the obstacle of Every number. A template has no
// limit.
func RoomOf(l Limit, obstacles ...Obstacle) Room {
	room := Room{Limit: l.Limit, Used: l.Used, Reserved: l.Reserved}
	for _, o := range obstacles {
		if o.Reason != "" {
			room.Reason, room.Until = o.Reason, o.Until
			return room
		}
	}
	switch left := l.Limit - l.Used - l.Reserved; {
	case l.Limit == Unlimited:
		room.Remaining, room.Sendable = NoLimit, true
	case l.Unknown && !l.Reached:
		room.Reason = v1alpha1.RoomNotReady
	case l.Unknown || left <= 0:
		room.Reason, room.Until = v1alpha1.RoomLimitReached, l.Frees
	default:
		room.Remaining, room.Sendable = left, true
	}
	return room
}

// Obstacle is why the number itself cannot send to further users. A limit that is reached by our own count is not one: see Limit.
func (s *State) Obstacle() Obstacle {
	switch s.Connection {
	case v1alpha1.StateBlocked:
		return Obstacle{Reason: v1alpha1.RoomBlocked}
	case v1alpha1.StatePending:
		return Obstacle{Reason: v1alpha1.RoomPending}
	case v1alpha1.StateOffline:
		return Obstacle{Reason: v1alpha1.RoomOffline}
	default: // connected
	}
	switch {
	case s.accountRestricted():
		return Obstacle{v1alpha1.RoomAccountRestricted, s.RestrictedUntil}
	case s.RestrictedSource == v1alpha1.FromReport:
		return Obstacle{v1alpha1.RoomLimitReached, s.RestrictedUntil}
	default:
		return Obstacle{}
	}
}

// Obstacle is why the template cannot be sent.
func (s *TemplateState) Obstacle() Obstacle {
	switch s.State {
	case v1alpha1.TemplateApproved, v1alpha1.TemplateFlagged:
		return Obstacle{}
	case v1alpha1.TemplatePaused:
		return Obstacle{v1alpha1.RoomTemplatePaused, s.Until}
	default:
		return Obstacle{Reason: v1alpha1.RoomTemplateNotSendable}
	}
}

// Every is the obstacle of several numbers, one of which is enough to send: none if a number has none. Otherwise it is the one that ends
// first, or the first by its reason where none ends by itself. The order of the numbers does not matter, so that a condition does not
// change with it.
func Every(numbers []Obstacle) Obstacle {
	every := Obstacle{Reason: v1alpha1.RoomNotReady}
	for i, o := range numbers {
		switch {
		case o.Reason == "":
			return Obstacle{}
		case i == 0, every.Until.IsZero() && !o.Until.IsZero(), !o.Until.IsZero() && o.Until.Before(every.Until),
			o.Until.Equal(every.Until) && o.Reason < every.Reason:
			every = o
		}
	}
	return every
}
