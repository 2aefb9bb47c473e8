package check

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// Gate is what senders asked of one limit, what they were answered, and what became of their messages. Requests overlap and answers are lost,
// so it works out who certainly has a place at an instant, and who possibly has one: the first must never be more than the limit, and nobody
// may be refused while the second are less than what is guaranteed.
//
// Log time goes on with the operator's clock, and stands still where that is set back. So it is known within bounds, too.
type Gate struct {
	GateRules

	mu       sync.Mutex
	asked    []*Reservation
	messages map[string][]*Message // by user
	clock    []Instant
	checked  time.Duration // up to when Problems has looked
}

// GateRules are what a gate grants by.
type GateRules struct {
	Limit  int64
	Window int64 // seconds for which a user is counted
	// Release says that a reservation that nobody confirmed ends with its time to send.
	Release             bool
	Guaranteed, Maximum map[string]int64 // users, by budget
}

// Instant is one of real time, with what the operator's clock shows. Zero is never.
type Instant struct {
	Real  time.Duration // since the run began: it never goes back
	Clock int64         // Unix seconds
}

func (i Instant) by(real time.Duration) bool { return i != (Instant{}) && i.Real <= real }

// Reservation is what one sender asked for, perhaps several times, and was answered.
type Reservation struct {
	User   string
	Budget string // that the place of the user falls under, empty for none and where it may be several
	TTL    int64  // seconds

	Asked, AskedLast, Answered Instant
	// Unclear says that a request got no answer: what it was granted may be there besides what was answered.
	Unclear bool
	// Behind says that a clock was behind meanwhile, and so perhaps log time.
	Behind  bool
	Granted bool
	Reason  string // of a refusal
	Expires int64  // Unix seconds

	Confirming, Confirmed Instant // asked and answered
	Missing               Instant // it was answered that there is no such reservation
	Releasing, Released   Instant
}

// Message is one of which a webhook tells that it was delivered or failed.
type Message struct {
	Of              *Reservation
	At              int64 // of the delivery, Unix seconds; zero for one that failed
	Posting, Posted Instant
}

// ended is the answer to a request that is repeated, whose reservation has ended before anyone was told of it.
const ended = "Ended"

const (
	// unknownFor is how long a reservation counts on whose outcome is not known, in seconds.
	unknownFor = 24 * hour
	// margin is how much later than a sender the operator may read its clock, in seconds of the clock.
	margin = 120
	// expiry is how much later than the clock what ends with time may end, in seconds of the clock.
	expiry = 1800
)

// NewGate is a gate of which nobody has asked anything.
func NewGate(rules GateRules) *Gate {
	return &Gate{GateRules: rules, messages: map[string][]*Message{}}
}

// Change changes what is recorded of an instant.
func (g *Gate) Change(at Instant, change func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.clock = append(g.clock, at)
	change()
}

// Ask records a reservation that is going to be asked for.
func (g *Gate) Ask(r *Reservation) { g.Change(r.Asked, func() { g.asked = append(g.asked, r) }) }

// Post records a message whose outcome is going to be told.
func (g *Gate) Post(m *Message) {
	g.Change(m.Posting, func() { g.messages[m.Of.User] = append(g.messages[m.Of.User], m) })
}

// InTime says whether a reservation was certainly confirmed within its time to send.
func (g *Gate) InTime(r *Reservation) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return r.Confirmed != Instant{} && r.Missing == Instant{} && g.latest(r.Confirmed.Real) < r.Expires
}

// latest is the latest that log time can be at an instant.
func (g *Gate) latest(real time.Duration) (latest int64) {
	for _, i := range g.clock {
		if i.Real <= real {
			latest = max(latest, i.Clock+margin)
		}
	}
	return latest
}

// earliest is the earliest that log time can be at an instant: what was answered by then was recorded after it was asked for.
func (g *Gate) earliest(real time.Duration) (earliest int64) {
	for _, r := range g.asked {
		if r.Granted && !r.Behind && r.Answered.by(real) {
			earliest = max(earliest, r.AskedLast.Clock-margin)
		}
	}
	return earliest
}

// holds says whether a reservation certainly holds the place of its user. What is told of any message to the user may end it.
func (g *Gate) holds(r *Reservation, real time.Duration, latest int64) bool {
	if !r.Granted || !r.Answered.by(real) || r.Releasing.by(real) {
		return false
	}
	for _, m := range g.messages[r.User] {
		if m.Posting.by(real) && !m.Posted.by(r.Asked.Real) {
			return false
		}
	}
	if g.Release && !r.Confirmed.by(real) {
		return latest < r.Expires
	}
	ends := r.Expires
	if r.Confirming != (Instant{}) {
		ends = min(ends, r.Confirming.Clock)
	}
	return latest < ends+unknownFor-2*hour // the clock may have been an hour behind log time
}

// counts says whether a delivery certainly counts its user.
func (g *Gate) counts(m *Message, real time.Duration, latest int64) bool {
	return m.At > 0 && m.Posted.by(real) && latest < m.At+g.Window
}

// certain are the users who certainly have a place, with the budgets that the places fall under.
func (g *Gate) certain(real time.Duration) map[string]string {
	users, latest := map[string]string{}, g.latest(real)
	for _, r := range g.asked {
		if g.holds(r, real, latest) {
			users[r.User] = r.Budget
		}
	}
	for user, messages := range g.messages {
		for _, m := range messages {
			if g.counts(m, real, latest) {
				users[user] = m.Of.Budget
			}
		}
	}
	return users
}

// mayHold says whether a reservation possibly holds a place at some time between two instants.
func (g *Gate) mayHold(r *Reservation, from, to time.Duration, earliest int64) bool {
	answered := r.Answered.by(to) && !r.Unclear
	switch {
	case r.Asked.Real > to || answered && !r.Granted:
		return false
	case answered && r.Released.by(from):
		return false
	case answered && r.Confirmed.by(from) && slices.ContainsFunc(g.messages[r.User], func(m *Message) bool { return m.Of == r && m.Posted.by(from) }):
		return false
	}
	ends := max(r.Expires, g.latest(r.AskedLast.Real)+r.TTL)
	if g.Release && answered && r.Confirming == (Instant{}) {
		return earliest < ends+expiry
	}
	if r.Confirming != (Instant{}) {
		ends = max(ends, g.latest(to)) // it may have come late
		if r.Confirmed.by(to) {
			ends = max(r.Expires, g.latest(r.Confirmed.Real))
		}
	}
	return earliest < ends+unknownFor+expiry
}

// possible is how many other users possibly have a place under the budget of a reservation while it is asked for.
func (g *Gate) possible(of *Reservation) int64 {
	from, to := of.Asked.Real, of.Answered.Real
	users, earliest := map[string]bool{}, g.earliest(from)
	for _, r := range g.asked {
		if r.Budget == of.Budget && g.mayHold(r, from, to, earliest) {
			users[r.User] = true
		}
	}
	for user, messages := range g.messages {
		for _, m := range messages {
			if m.Of.Budget == of.Budget && m.At > 0 && m.Posting.by(to) && earliest < m.At+g.Window {
				users[user] = true
			}
		}
	}
	delete(users, of.User)
	return int64(len(users))
}

// Problems are what must not be, of what happened since they were asked for last: an instant at which more users have a place than the limit
// or the maximum of a budget allows, a user who was refused what is guaranteed, and a reservation that was granted and is not known.
func (g *Gate) Problems() (all []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, r := range g.asked {
		if r.Answered.Real <= g.checked {
			continue
		}
		if r.Granted {
			all = append(all, g.over(r.Answered.Real)...)
		}
		switch kept := g.Guaranteed[r.Budget]; {
		case r.Reason == ended && !r.Unclear:
			all = append(all, fmt.Sprintf("at %s a reservation has ended that nobody was granted", r.Answered.Real))
		case r.Reason != "" && r.Reason != ended && kept > 0:
			if n := g.possible(r); n < kept {
				all = append(all, fmt.Sprintf("at %s a user is refused for %s, and at most %d of %d places that are guaranteed to %s are taken", r.Answered.Real, r.Reason, n, kept, r.Budget))
			}
		}
		if r.Missing != (Instant{}) {
			if latest := g.latest(r.Missing.Real); latest < r.Expires || g.holds(r, r.Missing.Real, latest) {
				all = append(all, fmt.Sprintf("at %s a reservation is not known that was granted at %s", r.Missing.Real, r.Answered.Real))
			}
		}
	}
	for _, messages := range g.messages {
		for _, m := range messages {
			if m.Posted.Real > g.checked {
				all = append(all, g.over(m.Posted.Real)...)
			}
		}
	}
	for _, i := range g.clock {
		g.checked = max(g.checked, i.Real)
	}
	return all
}

// over says what is exceeded at an instant.
func (g *Gate) over(real time.Duration) (all []string) {
	users, under := g.certain(real), map[string]int64{}
	if n := int64(len(users)); n > g.Limit {
		all = append(all, fmt.Sprintf("at %s %d users are counted or held, and the limit is %d", real, n, g.Limit))
	}
	for _, budget := range users {
		under[budget]++
	}
	for _, budget := range slices.Sorted(maps.Keys(g.Maximum)) {
		if n, most := under[budget], g.Maximum[budget]; n > most {
			all = append(all, fmt.Sprintf("at %s %d users are counted or held under %s, whose maximum is %d", real, n, budget, most))
		}
	}
	return all
}

// Reserved are the least and the most users who are held and not counted at an instant at which nothing is under way.
func (g *Gate) Reserved(at Instant) (least, most int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	latest, earliest := max(g.latest(at.Real), at.Clock+margin), max(g.earliest(at.Real), at.Clock-expiry)
	certainly, possibly := map[string]bool{}, map[string]bool{}
	for _, r := range g.asked {
		certainly[r.User] = certainly[r.User] || g.holds(r, at.Real, latest)
		possibly[r.User] = possibly[r.User] || g.mayHold(r, at.Real, at.Real, earliest)
	}
	for user := range possibly {
		counted, may := false, false
		for _, m := range g.messages[user] {
			counted = counted || g.counts(m, at.Real, latest)
			may = may || m.At > 0 && earliest < m.At+g.Window
		}
		if certainly[user] && !may {
			least++
		}
		if possibly[user] && !counted {
			most++
		}
	}
	return least, most
}

// Asked is how many reservations were granted, and how many were refused.
func (g *Gate) Asked() (granted, refused int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, r := range g.asked {
		switch {
		case r.Granted:
			granted++
		case r.Reason != "":
			refused++
		}
	}
	return granted, refused
}
