package check

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// story records what happens at a gate: a second of real time is a minute of the operator's clock.
type story struct{ *Gate }

func newStory(change ...func(*GateRules)) story {
	rules := GateRules{Limit: 3, Window: hour, Guaranteed: map[string]int64{"kept": 2}, Maximum: map[string]int64{"capped": 1}}
	for _, change := range change {
		change(&rules)
	}
	return story{NewGate(rules)}
}

func release(r *GateRules) { r.Release = true }

func instant(second int64) Instant {
	return Instant{Real: time.Duration(second) * time.Second, Clock: born + 60*second}
}

// asks is a reservation that is asked for at a second, and granted at the next.
func (s story) asks(user, budget string, second int64) *Reservation {
	r := &Reservation{User: user, Budget: budget, TTL: 600, Asked: instant(second), AskedLast: instant(second)}
	s.Ask(r)
	s.Change(instant(second+1), func() { r.Answered, r.Granted, r.Expires = instant(second+1), true, instant(second).Clock+600 })
	return r
}

// refused is as asks, and what is asked for is refused.
func (s story) refused(user, budget string, second int64) {
	r := &Reservation{User: user, Budget: budget, TTL: 600, Asked: instant(second), AskedLast: instant(second)}
	s.Ask(r)
	s.Change(instant(second+1), func() { r.Answered, r.Reason = instant(second+1), "LimitReached" })
}

func (s story) releases(r *Reservation, second int64) {
	s.Change(instant(second), func() { r.Releasing = instant(second) })
	s.Change(instant(second+1), func() { r.Released = instant(second + 1) })
}

func (s story) confirms(r *Reservation, second int64) {
	s.Change(instant(second), func() { r.Confirming = instant(second) })
	s.Change(instant(second+1), func() { r.Confirmed = instant(second + 1) })
}

func (s story) ends(r *Reservation, delivered bool, second int64) {
	m := &Message{Of: r, Posting: instant(second)}
	if delivered {
		m.At = instant(second).Clock
	}
	s.Post(m)
	s.Change(instant(second+1), func() { m.Posted = instant(second + 1) })
}

func (s story) expect(t *testing.T, what string, want ...string) {
	t.Helper()
	if got := strings.Join(s.Problems(), "\n"); got != strings.Join(want, "\n") {
		t.Errorf("%s: it finds %q, not %q", what, got, want)
	}
}

func (s story) reserved(t *testing.T, what string, second, least, most int64) {
	t.Helper()
	if l, m := s.Reserved(instant(second)); l != least || m != most {
		t.Errorf("%s: from %d to %d are held, not from %d to %d", what, l, m, least, most)
	}
}

// Whoever is counted or held has a place, and each user one; nobody has one any more once that may have ended.
func TestNeverOver(t *testing.T) {
	over := func(second, n int64) string {
		return fmt.Sprintf("at %s %d users are counted or held, and the limit is 3", instant(second).Real, n)
	}
	s := newStory()
	first := s.asks("1", "", 0)
	for user := range 3 {
		s.asks(fmt.Sprint(user), "", 10)
	}
	s.expect(t, "three users")
	s.asks("3", "", 20)
	s.expect(t, "four users", over(21, 4))
	s.releases(first, 30)
	s.asks("4", "", 40)
	s.expect(t, "a user who holds twice", over(41, 5))

	s = newStory()
	for user := range int64(3) {
		r := s.asks(fmt.Sprint(user), "", 10*user)
		s.confirms(r, 100+10*user)
		s.ends(r, user > 0, 102+10*user)
	}
	s.asks("4", "", 150)
	s.expect(t, "two that are counted, and one in place of what failed")
	s.asks("5", "", 155)
	s.expect(t, "one more", over(156, 4))
	s.asks("6", "", 172) // the second user is not counted any more
	s.expect(t, "one in place of who left", over(173, 4))
	s.asks("7", "", 230)
	s.asks("8", "", 231)
	s.expect(t, "what is unknown counts on", over(231, 4), over(232, 5))

	s = newStory(release)
	for user := range int64(4) {
		s.asks(fmt.Sprint(user), "", 13*user)
	}
	s.expect(t, "nobody confirms, and that ends it")
	s = newStory(release)
	for user := range int64(4) {
		s.confirms(s.asks(fmt.Sprint(user), "", 13*user), 13*user+2)
	}
	s.expect(t, "all are confirmed", over(40, 4))
}

// A budget has at most its maximum.
func TestNoBudgetIsExceeded(t *testing.T) {
	s := newStory()
	s.asks("1", "capped", 0)
	s.asks("2", "", 0)
	s.expect(t, "one of each")
	s.asks("3", "capped", 1)
	s.expect(t, "two of a budget that may have one", "at 2s 2 users are counted or held under capped, whose maximum is 1")
}

// Nobody is refused what is guaranteed and cannot be taken.
func TestWhatIsGuaranteed(t *testing.T) {
	refused := func(second, n int64) string {
		return fmt.Sprintf("at %s a user is refused for LimitReached, and at most %d of 2 places that are guaranteed to kept are taken", instant(second).Real, n)
	}
	s := newStory()
	s.refused("9", "", 0)
	s.expect(t, "nothing is guaranteed")
	s.refused("9", "kept", 2)
	s.expect(t, "none is taken", refused(3, 0))
	first, second := s.asks("1", "kept", 10), s.asks("2", "kept", 10)
	s.refused("9", "kept", 20)
	s.expect(t, "both are taken")
	s.releases(first, 30)
	s.refused("9", "kept", 40)
	s.expect(t, "one is given back", refused(41, 1))
	s.confirms(second, 50)
	s.ends(second, true, 60)
	s.refused("9", "kept", 70)
	s.expect(t, "one is used", refused(71, 1))
	unanswered := &Reservation{User: "3", Budget: "kept", TTL: 600, Asked: instant(80), AskedLast: instant(80), Unclear: true}
	s.Ask(unanswered)
	s.refused("9", "kept", 90)
	s.expect(t, "one is used, and one was perhaps granted")
}

// What was granted is known while it holds a place, and until its time to send has ended.
// A request that got no answer may have been granted, and that may have ended before it was repeated. Nothing else ends without a grant.
func TestOnlyWhatMayHaveBeenGrantedHasEnded(t *testing.T) {
	for unclear, want := range map[bool][]string{true: nil, false: {"at 1s a reservation has ended that nobody was granted"}} {
		s := newStory()
		r := &Reservation{User: "a", Budget: "kept", TTL: 600, Asked: instant(0), AskedLast: instant(0), Unclear: unclear}
		s.Ask(r)
		s.Change(instant(1), func() { r.Answered, r.Reason = instant(1), "Ended" })
		s.expect(t, fmt.Sprintf("a request with an attempt that got no answer: %t", unclear), want...)
	}
}

func TestNoReservationIsForgotten(t *testing.T) {
	s := newStory(release)
	missing := func(r *Reservation, second int64) { s.Change(instant(second), func() { r.Missing = instant(second) }) }
	missing(s.asks("1", "", 0), 20)
	s.expect(t, "one that has ended")
	missing(s.asks("1", "", 30), 33)
	s.expect(t, "one that has not", "at 33s a reservation is not known that was granted at 31s")
}

// How many are held lies between what is certain and what is possible.
func TestHowManyAreHeld(t *testing.T) {
	const day = 24 * 60
	s := newStory()
	s.reserved(t, "nobody asked", 0, 0, 0)
	first, second, third := s.asks("1", "", 0), s.asks("2", "", 0), s.asks("3", "", 0)
	s.reserved(t, "three were granted", 5, 3, 3)
	s.releases(first, 10)
	s.confirms(second, 10)
	s.ends(second, false, 20)
	s.ends(third, true, 20)
	s.reserved(t, "one is counted", 30, 0, 0)
	s.reserved(t, "one was counted, and was not confirmed", 120, 0, 1)
	s.reserved(t, "a day and more later", day+120, 0, 0)
}
