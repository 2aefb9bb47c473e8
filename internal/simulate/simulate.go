// Package simulate runs the rules over events that are read from a file, on event time and with no cluster: the engine and
// the counts are those of the operator.
package simulate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"time"

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
	if config.Policy.Scope == v1alpha1.ScopePortfolio && config.Fleet != nil &&
		slices.ContainsFunc(config.Fleet.Numbers, func(n Number) bool { return n.Portfolio != "" }) {
		return Result{}, fmt.Errorf("the limit of policy %s belongs to a portfolio, and the fleet's numbers name one in spec.business.portfolio: "+
			"portfolios of several numbers are not simulated yet", config.Policy.Name)
	}
	return run(ctx, config, func(*simulation) source { return cloudevents.NewReader(events) })
}

// source is where events come from: Next is the next one, io.EOF after the last.
type source interface {
	Next() (cloudevents.Event, error)
}

func run(ctx context.Context, config Config, from func(*simulation) source) (Result, error) {
	s := simulation{config: config, book: newBook(), numbers: map[string]*subject{}}
	defer func() { _ = s.book.ledger.Close() }() // in memory there is nothing to flush
	if err := s.play(ctx, from(&s)); err != nil {
		return Result{}, err
	}
	return s.finish()
}

type simulation struct {
	clock
	config  Config
	book    *book
	seen    seen
	last    time.Time // of the last event, as it was written
	numbers map[string]*subject

	transitions []Transition
}

func (s *simulation) play(ctx context.Context, events source) error {
	for {
		e, err := events.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		if !s.seen.add(&e) {
			continue
		}
		if e.Time.Before(s.last) {
			return &cloudevents.Error{Line: e.Line, Field: "time", Problem: "lies before that of an event above: events must be in order of time"}
		}
		if !s.config.Until.IsZero() && e.Time.After(s.config.Until) {
			return nil
		}
		if err := s.event(&e); err != nil {
			return err
		}
	}
}

func (s *simulation) event(e *cloudevents.Event) error {
	report, err := reportOf(e)
	if err != nil {
		return err
	}
	s.last = e.Time
	if err := s.until(e.Time); err != nil {
		return err
	}

	n, err := s.number(e.Number)
	if err != nil {
		return err
	}
	s.meet(n)
	switch e.Type {
	case cloudevents.MessageDelivered:
		s.observe(n, s.now)
		s.book.record(e, ledger.Delivered, s.now)
		s.deliver(n)
	case cloudevents.MessageReceived:
		s.book.record(e, ledger.Received, s.now)
		s.receive(n)
	case cloudevents.MessageFailed: // it was not delivered
		s.pass(n)
	default:
		s.report(n, report)
	}
	return s.book.failed
}

// until lets all happen that lies before an instant: the events before it are in.
func (s *simulation) until(instant time.Time) error {
	at := instant.UTC().Truncate(time.Second)
	if s.now.IsZero() {
		return s.begin(at)
	}
	s.reach(at)
	return nil
}

// room is how many users a number may message at an instant that all events before are in of: the limit less what is used, none
// while it cannot send. It is false where there is no limit.
func (s *simulation) room(name string, at time.Time) (int64, bool, error) {
	if err := s.until(at); err != nil {
		return 0, true, err
	}
	n, err := s.number(name)
	if err != nil {
		return 0, true, err
	}
	if n.state.Connection != v1alpha1.StateConnected {
		return 0, true, nil
	}
	room, limited := roomAt(n.policy, &n.facts, n.state, s.now)
	return room, limited, nil
}

func (s *simulation) observe(x *subject, before time.Time) {
	if s.config.Observer != nil {
		s.config.Observer.Observe(x.name, x.facts.Usage, before)
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
	r := rules.Report{At: e.Time.Truncate(time.Second)}
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
		s.wait(&n.turn)
	}
	s.settle()
	return nil
}

// number is the number of that name, which begins now if it is not known.
func (s *simulation) number(name string) (*subject, error) {
	if n, ok := s.numbers[name]; ok {
		return n, nil
	}
	return s.add(Number{PhoneNumber: name, HumanEscalation: true})
}

func (s *simulation) add(declared Number) (*subject, error) {
	verification := cmp.Or(declared.Verification, s.config.Verification, v1alpha1.Unverified)
	windows := ledger.Windows{Service: s.config.Policy.ServiceWindow, Conversation: s.config.Policy.Window}
	if err := s.book.ledger.Configure(declared.PhoneNumber, windows); err != nil {
		return nil, fmt.Errorf("configure the counts: %w", err)
	}
	n := s.newSubject(declared.PhoneNumber, numbers, s.config.Policy.Policy, verification, rules.Facts{
		Verification:    verification,
		HumanEscalation: declared.HumanEscalation,
		Usage:           &usage{s.book, ledger.Number{Ledger: s.book.ledger, Number: declared.PhoneNumber}},
	})
	s.numbers[n.name] = n
	s.observe(n, s.now)
	return n, nil
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
	s.reach(at)
	s.settle() // the deadlines at the end happen: all events are in
	result := Result{ends: map[string]end{}}
	for _, name := range slices.Sorted(maps.Keys(s.numbers)) {
		n := s.numbers[name]
		s.advance(n, at)
		s.observe(n, at.Add(time.Second))
		result.ends[n.name] = end{policy: n.policy, state: n.state, facts: n.facts}
		result.Final = append(result.Final, Final{
			Time:    at,
			Subject: n.name,
			Tier:    n.state.Tier,
			Used:    rules.Used(n.policy, n.facts.Usage, at),
			Quality: n.state.Rating,
			State:   n.state.Shown(),
		})
	}
	result.Transitions = s.transitions
	return result, s.book.failed
}
