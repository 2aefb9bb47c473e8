package plan

import (
	"io"
	"strconv"
	"time"

	"numberfleet.dev/numberfleet/internal/cloudevents"
	"numberfleet.dev/numberfleet/internal/simulate"
)

// source of the events of a plan.
const source = "/plan"

// replyDelay is when a user replies who does.
const replyDelay = 10 * time.Minute

// generator makes a plan's events, one at a time and in order of time. It is a simulate.Source.
type generator struct {
	plan     *Plan
	until    time.Time
	sendable simulate.Sendable
	changes  []cloudevents.Event // still to come
	senders  []*sender
	replies  []cloudevents.Event   // still to come, in order of time
	users    map[string]*userTable // by number
	days     []simulate.Day
	events   int
}

// sender is one entry of the plan on its way through the days.
type sender struct {
	*send
	Slots
	next   int        // of the numbers
	shares [][2]share // by number: of users who return, and of those who reply
}

// share spreads a percentage evenly over users: it adds up, and each 100 is one user's.
type share float64

// take says whether the next user is one of those.
func (s *share) take(percent float64) bool {
	if *s += share(percent); *s < 100 {
		return false
	}
	*s -= 100
	return true
}

// userTable are the users of one number, who are numbered from 1.
type userTable struct {
	known    int64
	day      int
	before   int64 // how many were known when the day began
	returned int64 // how many of them were messaged on this day
	last     int64 // the one who returned last
}

func newGenerator(plan *Plan, until time.Time, sendable simulate.Sendable) *generator {
	g := &generator{plan: plan, until: until, sendable: sendable, changes: plan.changes, users: map[string]*userTable{}}
	for day := range plan.days {
		g.days = append(g.days, simulate.Day{Start: dayAfter(plan.start, day)})
	}
	for i := range plan.sends {
		s := &plan.sends[i]
		g.senders = append(g.senders, &sender{send: s, Slots: s.Slots(), shares: make([][2]share, len(s.numbers))})
	}
	return g
}

// Next implements simulate.Source.
func (g *generator) Next() (cloudevents.Event, error) {
	for {
		next := g.earliest()
		switch {
		case len(g.changes) > 0 && (next == nil || !next.At.Before(g.changes[0].Time)) && (len(g.replies) == 0 || !g.replies[0].Time.Before(g.changes[0].Time)):
			return g.pop(&g.changes)
		case len(g.replies) > 0 && (next == nil || !next.At.Before(g.replies[0].Time)):
			return g.pop(&g.replies)
		case next == nil || next.At.After(g.until):
			return cloudevents.Event{}, io.EOF
		}
		e, sent, err := g.send(next)
		if err != nil {
			return cloudevents.Event{}, err
		}
		next.Next()
		if sent {
			return g.emit(e)
		}
	}
}

func (g *generator) pop(events *[]cloudevents.Event) (cloudevents.Event, error) {
	e := (*events)[0]
	*events = (*events)[1:]
	return g.emit(e)
}

func (g *generator) emit(e cloudevents.Event) (cloudevents.Event, error) {
	if e.Time.After(g.until) {
		return cloudevents.Event{}, io.EOF
	}
	g.events++
	e.Line, e.ID = g.events, strconv.Itoa(g.events)
	return e, nil
}

// earliest is the sender whose slot comes first; nil if all are done.
func (g *generator) earliest() *sender {
	var next *sender
	for _, s := range g.senders {
		if !s.Done && (next == nil || s.At.Before(next.At)) {
			next = s
		}
	}
	return next
}

// send makes the event of a slot; false if the message may not be sent.
func (g *generator) send(s *sender) (cloudevents.Event, bool, error) {
	number, shares := s.numbers[s.next], &s.shares[s.next]
	s.next = (s.next + 1) % len(s.numbers)
	day := &g.days[s.Day-1]
	day.Planned++
	if !g.plan.overLimit {
		if may, err := g.sendable(number, s.template, s.At); !may {
			return cloudevents.Event{}, false, err
		}
	}
	day.Sent++
	users := g.users[number]
	if users == nil {
		users = &userTable{}
		g.users[number] = users
	}
	user := users.next(s.Day, shares[0].take(s.returning))
	e := cloudevents.Event{
		Source:    source,
		Type:      cloudevents.MessageDelivered,
		Time:      s.At,
		Number:    number,
		User:      "ZZ." + number[1:] + "x" + strconv.FormatInt(user, 10), // a country that does not exist
		MessageID: strconv.Itoa(g.events + 1),
		Template:  s.template,
	}
	if shares[1].take(s.replies) {
		g.replies = append(g.replies, cloudevents.Event{
			Source: source, Type: cloudevents.MessageReceived, Time: e.Time.Add(replyDelay), Number: number, User: e.User,
		})
	}
	return e, true, nil
}

// next is the user of the next message. Those of earlier days return one after the other, each once a day.
func (u *userTable) next(day int, returns bool) int64 {
	if u.day != day {
		u.day, u.before, u.returned = day, u.known, 0
	}
	if !returns || u.returned >= u.before {
		u.known++
		return u.known
	}
	u.returned++
	u.last = u.last%u.before + 1
	return u.last
}
