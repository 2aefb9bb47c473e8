package simulate

import (
	"context"
	"io"
	"strconv"
	"time"

	"numberfleet.dev/numberfleet/internal/cloudevents"
)

// replyAfter is when a user replies who does.
const replyAfter = 10 * time.Minute

// Day is what became of one day of a plan.
type Day struct {
	Start         time.Time
	Planned, Sent int64 // messages
}

// RunPlan plays what a plan says: the same events as those of a file, through the same rules. Unless the plan sends beyond
// the limit, a message is sent only while its number has room and its template can be sent. It ends with the plan's last day if config does not say when.
func RunPlan(ctx context.Context, config Config, plan *Plan) (Result, error) {
	return runPlan(ctx, config, plan, nil)
}

// WritePlan is RunPlan, and writes the events as they are played, one CloudEvent per line.
func WritePlan(ctx context.Context, config Config, plan *Plan, to io.Writer) (Result, error) {
	writer := newEventWriter(to)
	result, err := runPlan(ctx, config, plan, writer)
	if err != nil {
		return Result{}, err
	}
	return result, writer.flush()
}

func runPlan(ctx context.Context, config Config, plan *Plan, writer *eventWriter) (Result, error) {
	if config.Until.IsZero() {
		config.Until = plan.End()
	}
	var events *planSource
	result, err := run(ctx, config, func(s *simulation) source {
		events = plan.source(config.Until, s.sendable)
		if writer != nil {
			return &tee{events, writer}
		}
		return events
	})
	if err != nil {
		return Result{}, err
	}
	result.Days = events.days
	return result, nil
}

// planSource makes a plan's events, one at a time and in order of time.
type planSource struct {
	plan  *Plan
	until time.Time
	// sendable says whether the limit, the number and the template let a message through.
	sendable func(number, template string, at time.Time) (bool, error)
	changes  []cloudevents.Event // still to come
	sends    []sending
	replies  []cloudevents.Event // still to come, in order of time
	people   map[string]*people
	days     []Day
	events   int
}

// sending is one entry of the plan on its way through the days.
type sending struct {
	*planSend
	day      int
	slot, of int64 // of the day
	at       time.Time
	done     bool
	turn     int // whose of the numbers it is
	shares   []shares
}

// shares are, for one of the numbers, the percents that have come together: at 100 it is the next user's turn.
type shares struct {
	returning, replies float64
}

// take says whether it is the turn.
func take(share *float64, percent float64) bool {
	if *share += percent; *share < 100 {
		return false
	}
	*share -= 100
	return true
}

// people are the users of one number: they have the numbers 1 to known.
type people struct {
	known    int64
	day      int
	before   int64 // how many were known when the day began
	returned int64 // how many of them were messaged on this day
	last     int64 // the one who returned last
}

func (p *Plan) source(until time.Time, sendable func(string, string, time.Time) (bool, error)) *planSource {
	s := &planSource{plan: p, until: until, sendable: sendable, changes: p.changes, people: map[string]*people{}}
	for day := range p.days {
		s.days = append(s.days, Day{Start: p.day(day + 1)})
	}
	for i := range p.sends {
		entry := sending{planSend: &p.sends[i], day: p.sends[i].first - 1, shares: make([]shares, len(p.sends[i].numbers))}
		entry.next(p)
		s.sends = append(s.sends, entry)
	}
	return s
}

// next goes on to the next slot: the users of a day are spread evenly over its hours.
func (s *sending) next(p *Plan) {
	for s.slot++; s.slot >= s.of; {
		if s.day++; s.day > s.last {
			s.done = true
			return
		}
		s.slot, s.of = 0, s.onDay(s.day)
	}
	into := time.Duration((s.to-s.from).Seconds()*float64(s.slot)/float64(s.of)) * time.Second
	s.at = p.day(s.day).Add(s.from + into)
}

// skip goes on to the first slot that is not before an instant.
func (s *sending) skip(p *Plan, to time.Time) {
	for !s.done && s.at.Before(to) {
		// The one before the first is found by its share of the day's hours, with some to spare.
		into := to.Sub(p.day(s.day).Add(s.from)).Seconds() / (s.to - s.from).Seconds()
		s.slot = max(s.slot, min(int64(into*float64(s.of))-2, s.of-1))
		s.next(p)
	}
}

// Next implements source.
func (s *planSource) Next() (cloudevents.Event, error) {
	for {
		next := s.earliest()
		switch {
		case len(s.changes) > 0 && (next == nil || !next.at.Before(s.changes[0].Time)) && (len(s.replies) == 0 || !s.replies[0].Time.Before(s.changes[0].Time)):
			e := s.changes[0]
			s.changes = s.changes[1:]
			return s.emit(e)
		case len(s.replies) > 0 && (next == nil || !next.at.Before(s.replies[0].Time)):
			e := s.replies[0]
			s.replies = s.replies[1:]
			return s.emit(e)
		case next == nil || next.at.After(s.until):
			return cloudevents.Event{}, io.EOF
		}
		e, sent, err := s.send(next)
		if err != nil {
			return cloudevents.Event{}, err
		}
		next.next(s.plan)
		if sent {
			return s.emit(e)
		}
	}
}

func (s *planSource) emit(e cloudevents.Event) (cloudevents.Event, error) {
	if e.Time.After(s.until) {
		return cloudevents.Event{}, io.EOF
	}
	s.events++
	e.Line, e.ID = s.events, strconv.Itoa(s.events)
	return e, nil
}

// earliest is the entry that sends next; nil if all are done.
func (s *planSource) earliest() *sending {
	var next *sending
	for i := range s.sends {
		if entry := &s.sends[i]; !entry.done && (next == nil || entry.at.Before(next.at)) {
			next = entry
		}
	}
	return next
}

// send makes the event of a slot; false if the limit stops it.
func (s *planSource) send(slot *sending) (cloudevents.Event, bool, error) {
	number, share := slot.numbers[slot.turn], &slot.shares[slot.turn]
	slot.turn = (slot.turn + 1) % len(slot.numbers)
	day := &s.days[slot.day-1]
	day.Planned++
	if !s.plan.beyond {
		if may, err := s.sendable(number, slot.template, slot.at); !may {
			return cloudevents.Event{}, false, err
		}
	}
	day.Sent++
	of := s.people[number]
	if of == nil {
		of = &people{}
		s.people[number] = of
	}
	e := cloudevents.Event{
		Source:    "/plan",
		Type:      cloudevents.MessageDelivered,
		Time:      slot.at,
		Number:    number,
		User:      "ZZ." + number[1:] + "x" + strconv.FormatInt(of.next(slot.day, take(&share.returning, slot.returning)), 10), // nobody's
		MessageID: strconv.Itoa(s.events + 1),
		Template:  slot.template,
	}
	if take(&share.replies, slot.replies) {
		s.replies = append(s.replies, cloudevents.Event{
			Source: "/plan", Type: cloudevents.MessageReceived, Time: e.Time.Add(replyAfter), Number: number, User: e.User,
		})
	}
	return e, true, nil
}

// next is the user of the next message: where it is for one who returns, those of earlier days have their turns, each once a day.
func (p *people) next(day int, returns bool) int64 {
	if p.day != day {
		p.day, p.before, p.returned = day, p.known, 0
	}
	if !returns || p.returned >= p.before {
		p.known++
		return p.known
	}
	p.returned++
	p.last = p.last%p.before + 1
	return p.last
}
