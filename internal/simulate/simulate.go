// Package simulate runs the rules over events that are read from a file, on event time and with no cluster: the engine and
// the counts are those of the operator.
package simulate

import (
	"cmp"
	"container/heap"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dchest/siphash"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/cloudevents"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/rules"
)

// Config says what is simulated.
type Config struct {
	Policy Policy
	// Fleet says which numbers exist from the first event on. It may be nil; a number that it does not have is a portfolio of
	// its own, has an escalation path, and exists from its own first event on.
	Fleet *Fleet
	// Verification of the numbers of which the fleet says none; empty for Unverified.
	Verification v1alpha1.Verification
	// Until is when the simulation ends; events after it are not played. Zero for the last event.
	Until time.Time
	// Observer follows what is used while the events are played; it may be nil.
	Observer Observer
}

// Observer follows what the subjects use over time.
type Observer interface {
	// Observe is told that all of a subject's events before an instant are counted, and none after. The instants of a subject
	// rise; the first is when it begins, the last is just after the end.
	Observe(subject string, usage rules.Usage, before time.Time)
}

// Result is what the rules concluded.
type Result struct {
	Transitions []Transition // in order of time
	Final       []Final      // by number
	Days        []Day        // of a plan

	ends map[string]end
}

// end is where a subject stands at the end, as the rules know it.
type end struct {
	policy *rules.Policy
	state  rules.State
	facts  rules.Facts
}

// Transition is one thing that happened to a number.
type Transition struct {
	Subject string // the number
	rules.Transition
}

// Final is a number at the end.
type Final struct {
	Time    time.Time
	Subject string // the number
	Tier    rules.Tier
	Used    int64
	Quality v1alpha1.QualityRating
	State   v1alpha1.State
}

// Run plays events, one CloudEvent per line in order of time. An event that comes again, by source and id, changes nothing,
// whatever its time. An error about a line begins with it; then there is no result.
func Run(ctx context.Context, config Config, events io.Reader) (Result, error) {
	return run(ctx, config, func(*simulation) source { return cloudevents.NewReader(events) })
}

// source is where events come from: Next is the next one, io.EOF after the last.
type source interface {
	Next() (cloudevents.Event, error)
}

func run(ctx context.Context, config Config, from func(*simulation) source) (Result, error) {
	if config.Policy.Scope == v1alpha1.ScopePortfolio && config.Fleet != nil &&
		slices.ContainsFunc(config.Fleet.Numbers, func(n Number) bool { return n.Portfolio != "" }) {
		return Result{}, fmt.Errorf("the limit of policy %s belongs to a portfolio, and the fleet's numbers name one in spec.business.portfolio: "+
			"portfolios of several numbers are not simulated yet", config.Policy.Name)
	}
	book := ledger.OpenMemory()
	defer func() { _ = book.Close() }() // in memory there is nothing to flush
	s := simulation{
		config: config,
		ledger: book,
		// Nothing leaves the process, so the keys need no secret, and every run is like the other.
		hasher:  ledger.NewHasher([16]byte{}),
		numbers: map[string]*number{},
		seen:    map[[2]uint64]struct{}{},
	}
	if err := s.play(ctx, from(&s)); err != nil {
		return Result{}, err
	}
	return s.finish()
}

type simulation struct {
	config Config
	ledger ledger.Ledger
	hasher ledger.Hasher

	now     time.Time // whole seconds: up to here all events have been read
	last    time.Time // of the last event, as it was written
	numbers map[string]*number
	due     deadlines
	waiting []*number // at now they have a deadline, and events that come before it

	seen        map[[2]uint64]struct{} // the events' identities, hashed
	identity    []byte                 // scratch
	entry       [1]ledger.Entry        // scratch
	transitions []Transition
}

// number is one number on its way through time.
type number struct {
	name    string
	state   rules.State
	facts   rules.Facts
	next    time.Time // its next deadline; zero for none
	place   int       // among the deadlines; -1 for none
	waiting bool
}

func (s *simulation) play(ctx context.Context, events source) error {
	for {
		e, err := events.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if s.repeated(&e) {
			continue
		}
		if e.Time.Before(s.last) {
			return &cloudevents.Error{Line: e.Line, Field: "time", Problem: "lies before that of an event above: events must be in order of time"}
		}
		if !s.config.Until.IsZero() && e.Time.After(s.config.Until) {
			return nil
		}
		if err := s.event(ctx, &e); err != nil {
			return err
		}
	}
}

// repeated says whether an event was there before, and remembers it.
func (s *simulation) repeated(e *cloudevents.Event) bool {
	s.identity = append(append(append(s.identity[:0], e.Source...), 0), e.ID...)
	var id [2]uint64
	id[0], id[1] = siphash.Hash128(0, 0, s.identity)
	before := len(s.seen)
	s.seen[id] = struct{}{}
	return len(s.seen) == before
}

func (s *simulation) event(ctx context.Context, e *cloudevents.Event) error {
	report, err := reportOf(e)
	if err != nil {
		return err
	}
	s.last = e.Time
	if err := s.reach(e.Time); err != nil {
		return err
	}

	n, err := s.number(e.Number)
	if err != nil {
		return err
	}
	if kind := entryKind(e.Type); kind != 0 {
		entry := ledger.Entry{Number: n.name, Kind: kind, User: s.hasher.User(userName(e.User)), At: s.now.Unix()}
		if kind == ledger.Delivered {
			entry.Message = s.hasher.Message(e.MessageID)
		}
		s.entry[0] = entry
		s.observe(n, s.now)
		if _, err := s.ledger.Append(ctx, ledger.Batch{Entries: s.entry[:]}, s.now); err != nil {
			return fmt.Errorf("line %d: count the event: %w", e.Line, err)
		}
	}
	if report.Kind != "" {
		n.facts.Reports = append(n.facts.Reports, report)
	}
	if n.next.Equal(s.now) {
		// The deadline comes after every event of this instant, and there may be more of them.
		if !n.waiting {
			n.waiting = true
			s.waiting = append(s.waiting, n)
		}
		return nil
	}
	s.advance(n, s.now)
	return nil
}

// reach lets all happen that lies before an instant: the events before it are in.
func (s *simulation) reach(instant time.Time) error {
	at := instant.UTC().Truncate(time.Second)
	switch {
	case s.now.IsZero():
		return s.begin(at)
	case at.After(s.now):
		s.settle()
		s.fire(at)
		s.now = at
	}
	return nil
}

// room is how many users a number may message at an instant that all events before are in of: the limit less what is used, none
// while it cannot send. It is false where there is no limit.
func (s *simulation) room(name string, at time.Time) (int64, bool, error) {
	if err := s.reach(at); err != nil {
		return 0, true, err
	}
	n, err := s.number(name)
	if err != nil {
		return 0, true, err
	}
	if n.state.Connection != v1alpha1.StateConnected {
		return 0, true, nil
	}
	room, limited := roomAt(s.config.Policy.Policy, &n.facts, n.state, s.now)
	return room, limited, nil
}

func (s *simulation) observe(n *number, before time.Time) {
	if s.config.Observer != nil {
		s.config.Observer.Observe(n.name, n.facts.Usage, before)
	}
}

// entryKind is what the ledger is told of an event; zero for nothing. A message that failed was not delivered.
func entryKind(kind cloudevents.Type) ledger.Kind {
	switch kind {
	case cloudevents.MessageDelivered:
		return ledger.Delivered
	case cloudevents.MessageReceived:
		return ledger.Received
	default:
		return 0
	}
}

// reportOf is what the rules are told of an event; of no kind if it is no report.
func reportOf(e *cloudevents.Event) (rules.Report, error) {
	refuse := func(field, problem string) (rules.Report, error) {
		return rules.Report{}, &cloudevents.Error{Line: e.Line, Field: field, Problem: problem}
	}
	if e.Portfolio != "" {
		return refuse("data.portfolio", "reports about a whole portfolio are not simulated yet: report it of each number")
	}
	r := rules.Report{At: e.Time}
	switch e.Type {
	case cloudevents.MessageDelivered, cloudevents.MessageReceived, cloudevents.MessageFailed:
	case cloudevents.QualityReported:
		r.Kind, r.Value, r.Reason = rules.ReportQuality, e.Rating, e.Reason
	case cloudevents.LimitReported:
		r.Kind, r.Value = rules.ReportLimit, "Unlimited"
		if e.Limit != cloudevents.Unlimited {
			r.Value = strconv.FormatInt(e.Limit, 10)
		}
	case cloudevents.ConnectionReported:
		r.Kind, r.Value = rules.ReportConnection, e.State
	case cloudevents.VerificationReported:
		r.Kind, r.Value = rules.ReportVerification, e.Verification
	case cloudevents.FeedbackReceived:
		return refuse("type", "feedback is not simulated yet: report the rating with "+string(cloudevents.QualityReported))
	case cloudevents.TemplateReported:
		return refuse("type", "templates are not simulated yet: leave out their reports")
	default:
		return refuse("type", "is not simulated")
	}
	return r, nil
}

// userName is a user's name with one spelling: phone numbers come with and without a plus.
func userName(user string) string {
	if digits, ok := strings.CutPrefix(user, "+"); ok && digits != "" && strings.Trim(digits, "0123456789") == "" {
		return digits
	}
	return user
}

// begin starts the numbers of the fleet.
func (s *simulation) begin(at time.Time) error {
	s.now = at
	if s.config.Fleet == nil {
		return nil
	}
	for _, declared := range slices.SortedFunc(slices.Values(s.config.Fleet.Numbers), func(a, b Number) int { return cmp.Compare(a.PhoneNumber, b.PhoneNumber) }) {
		n, err := s.add(declared)
		if err != nil {
			return err
		}
		s.advance(n, at)
	}
	return nil
}

// number is the number of that name, which begins now if it is not known.
func (s *simulation) number(name string) (*number, error) {
	if n, ok := s.numbers[name]; ok {
		return n, nil
	}
	return s.add(Number{PhoneNumber: name, HumanEscalation: true})
}

func (s *simulation) add(declared Number) (*number, error) {
	verification := cmp.Or(declared.Verification, s.config.Verification, v1alpha1.Unverified)
	windows := ledger.Windows{Service: s.config.Policy.ServiceWindow, Conversation: s.config.Policy.Window}
	if err := s.ledger.Configure(declared.PhoneNumber, windows); err != nil {
		return nil, fmt.Errorf("configure the counts: %w", err)
	}
	n := &number{
		name:  declared.PhoneNumber,
		state: rules.Initial(s.config.Policy.Policy, verification, s.now),
		facts: rules.Facts{
			Verification:    verification,
			HumanEscalation: declared.HumanEscalation,
			Usage:           ledger.Number{Ledger: s.ledger, Number: declared.PhoneNumber},
		},
		place: -1,
	}
	s.numbers[n.name] = n
	s.observe(n, s.now)
	return n, nil
}

// advance runs a number's rules up to an instant.
func (s *simulation) advance(n *number, to time.Time) {
	var happened []rules.Transition
	n.state, happened, n.next = rules.Advance(s.config.Policy.Policy, &n.facts, n.state, to)
	n.facts.Reports = n.facts.Reports[:0]
	for _, t := range happened {
		s.transitions = append(s.transitions, Transition{Subject: n.name, Transition: t})
	}
	switch {
	case n.next.IsZero() && n.place >= 0:
		heap.Remove(&s.due, n.place)
	case n.next.IsZero():
	case n.place >= 0:
		heap.Fix(&s.due, n.place)
	default:
		heap.Push(&s.due, n)
	}
}

// settle lets the deadlines happen that waited for the events of their instant.
func (s *simulation) settle() {
	for _, n := range s.waiting {
		n.waiting = false
		s.advance(n, s.now)
	}
	s.waiting = s.waiting[:0]
}

// fire lets the deadlines of all numbers happen that lie before an instant, in order of time.
func (s *simulation) fire(before time.Time) {
	for len(s.due) > 0 && s.due[0].next.Before(before) {
		s.advance(s.due[0], s.due[0].next)
	}
}

func (s *simulation) finish() (Result, error) {
	at := s.now
	if !s.config.Until.IsZero() {
		at = s.config.Until.UTC().Truncate(time.Second)
	}
	if s.now.IsZero() {
		if at.IsZero() && s.config.Fleet != nil && len(s.config.Fleet.Numbers) > 0 {
			return Result{}, errors.New("there are no events: say until when the fleet is simulated")
		}
		if err := s.begin(at); err != nil {
			return Result{}, err
		}
	}
	s.settle()
	s.fire(at.Add(time.Second)) // those at the end happen: all events are in
	result := Result{ends: map[string]end{}}
	for _, name := range slices.Sorted(maps.Keys(s.numbers)) {
		n := s.numbers[name]
		s.advance(n, at)
		s.observe(n, at.Add(time.Second))
		result.ends[n.name] = end{policy: s.config.Policy.Policy, state: n.state, facts: n.facts}
		result.Final = append(result.Final, Final{
			Time:    at,
			Subject: n.name,
			Tier:    n.state.Tier,
			Used:    rules.Used(s.config.Policy.Policy, n.facts.Usage, at),
			Quality: n.state.Rating,
			State:   n.state.Shown(),
		})
	}
	result.Transitions = s.transitions
	return result, nil
}

// deadlines are the numbers that have a deadline, as a heap: the earliest first, by number where several are at one instant.
type deadlines []*number

func (d deadlines) Len() int { return len(d) }

func (d deadlines) Less(i, j int) bool {
	return cmp.Or(d[i].next.Compare(d[j].next), cmp.Compare(d[i].name, d[j].name)) < 0
}

func (d deadlines) Swap(i, j int) {
	d[i], d[j] = d[j], d[i]
	d[i].place, d[j].place = i, j
}

// Push implements heap.Interface.
func (d *deadlines) Push(x any) {
	n := x.(*number)
	n.place = len(*d)
	*d = append(*d, n)
}

// Pop implements heap.Interface.
func (d *deadlines) Pop() any {
	last := len(*d) - 1
	n := (*d)[last]
	n.place = -1
	*d = (*d)[:last]
	return n
}
