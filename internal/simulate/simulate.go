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
	"strings"
	"time"

	"github.com/dchest/siphash"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/cloudevents"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/records"
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/rules"
	"numberfleet.dev/numberfleet/internal/textfile"
)

// Config says what is simulated.
type Config struct {
	Policy Policy
	// Fleet says which numbers exist from the first event on. It may be nil; a number that it does not have is a portfolio of
	// its own, has an escalation path, and exists from its own first event on.
	Fleet *Fleet
	// Verification of the numbers of which the fleet says none; empty for Unverified.
	Verification v1alpha1.Verification
	// From is when the simulation begins, before all events; zero for the first event.
	From time.Time
	// Until is when the simulation ends; events after it are not played. Zero for the last event.
	Until time.Time
	// Webhooks are played with the events, in order of time. They may be nil.
	Webhooks *Webhooks
	// Pool sends what its numbers delivered by the events and webhooks; nil for each number to send its own. It is of the fleet.
	Pool *Pool
	// Observer follows what is used while the events are played; it may be nil.
	Observer Observer
}

// Observer follows what numbers and portfolios use over time.
type Observer interface {
	// Observe is told that all of a subject's events before an instant are counted, and none after. The instants of a subject
	// rise; the first is when it begins, the last is just after the end.
	Observe(subject string, usage rules.Usage, before time.Time)
}

// Run plays events, one CloudEvent per line in order of time, and the webhooks of the configuration. Events may be nil. An event that
// comes again, by source and id, changes nothing, whatever its time. An error about a line begins with it; then there is no result.
func Run(ctx context.Context, config Config, events io.Reader) (Result, error) {
	if events == nil {
		events = strings.NewReader("")
	}
	return Play(ctx, config, func(Sendable) Source { return cloudevents.NewReader(textfile.NewReader(events)) })
}

// Source yields events in order of time.
type Source interface {
	// Next is the next event, or io.EOF after the last.
	Next() (cloudevents.Event, error)
}

// Sendable says whether a number may message a further user with a template, which is empty where none is named, at an instant. All
// events before that instant must have been taken from the source.
type Sendable func(number, template string, at time.Time) (bool, error)

// Play is Run with events that a source yields. The source may ask of the simulation that it feeds what may be sent.
func Play(ctx context.Context, config Config, from func(Sendable) Source) (Result, error) {
	s := simulation{
		config:    config,
		ledger:    newBatchedLedger(),
		numbers:   map[string]*subject{},
		templates: map[string]*template{},
		seen:      map[[2]uint64]struct{}{},
		told:      map[string][]*subject{},
		senders:   map[string][]*subject{},
		webhooks:  newWebhookQueue(config.Webhooks, config.Fleet),
	}
	defer func() { _ = s.ledger.Close() }() // in memory there is nothing to flush
	if config.Pool != nil {
		s.sending = newPoolSending(&s, config.Pool)
	}
	if !config.From.IsZero() {
		if err := s.until(config.From); err != nil {
			return Result{}, err
		}
	}
	if err := s.play(ctx, from(s.sendable)); err != nil {
		return Result{}, err
	}
	return s.finish()
}

type simulation struct {
	clock
	config Config
	ledger *batchedLedger
	seen   map[[2]uint64]struct{} // events by a hash of source and id
	last   time.Time              // of the last event, as it was written

	numbers    map[string]*subject
	portfolios []*subject // by name
	templates  map[string]*template

	told    map[string][]*subject // who a report about the portfolio of that name or id is told to
	senders map[string][]*subject // the numbers of which the fleet says that they send the template of that name

	webhooks *webhookQueue
	sending  *poolSending // nil without a pool

	transitions []Transition
	qualities   []Transition // of portfolios
}

func (s *simulation) play(ctx context.Context, events Source) error {
	end := latestTime
	if !s.config.Until.IsZero() {
		end = s.config.Until
	}
	for {
		e, err := events.Next()
		if errors.Is(err, io.EOF) {
			return s.playWebhooks(ctx, end)
		}
		if err == nil {
			err = ctx.Err()
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
		if e.Time.After(end) {
			return s.playWebhooks(ctx, end)
		}
		// At one second, what webhooks tell comes first.
		if err := s.playWebhooks(ctx, e.Time); err != nil {
			return err
		}
		if err := s.event(&e); err != nil {
			return err
		}
	}
}

// repeated says whether the event was there before, and remembers it.
func (s *simulation) repeated(e *cloudevents.Event) bool {
	var id [2]uint64
	id[0], id[1] = siphash.Hash128(0, 0, []byte(e.Source+"\x00"+e.ID))
	_, repeated := s.seen[id]
	s.seen[id] = struct{}{}
	return repeated
}

func (s *simulation) event(e *cloudevents.Event) error {
	s.last = e.Time
	err := s.until(e.Time)
	if err != nil {
		return err
	}
	e.Resolve(s.ledger.Subject)
	switch e.Type {
	case cloudevents.MessageDelivered, cloudevents.MessageReceived, cloudevents.MessageFailed, cloudevents.FeedbackReceived:
		err = s.message(e)
	case cloudevents.TemplateReported:
		err = s.reportTemplate(e)
	case cloudevents.QualityReported, cloudevents.LimitReported, cloudevents.ConnectionReported, cloudevents.VerificationReported:
		err = s.reported(e)
	default:
		err = &cloudevents.Error{Line: e.Line, Field: "type", Problem: "is not simulated"}
	}
	return cmp.Or(err, s.ledger.err)
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

// sendable is a Sendable.
func (s *simulation) sendable(name, template string, at time.Time) (bool, error) {
	if err := s.until(at); err != nil {
		return false, err
	}
	n, err := s.number(name)
	if err != nil {
		return false, err
	}
	var through []rules.Obstacle
	if t := s.templates[template]; t != nil {
		through = append(through, t.State.Obstacle())
	}
	return n.fleet.Room(n.Unit, s.now, through...).Sendable, nil
}

// observe is about whoever has a limit: what a number of a portfolio uses is part of what the portfolio does.
func (s *simulation) observe(x *subject, before time.Time) {
	if s.config.Observer != nil && x.portfolio == nil {
		s.config.Observer.Observe(x.name, x.Facts.Usage, before)
	}
}

// message takes what happened between a number and a user.
func (s *simulation) message(e *cloudevents.Event) error {
	n, err := s.number(e.Number)
	if err != nil {
		return err
	}
	entry, _ := records.OfEvent(e, hasher)
	return s.recorded(n, entry, e.Template)
}

// recorded takes what was recorded of a number. Of a delivery it may be known of which template it was.
func (s *simulation) recorded(n *subject, entry counts.Entry, template string) error {
	if s.sending != nil {
		var err error
		if n, err = s.sending.sender(n, &entry, template); n == nil || err != nil {
			return err
		}
		entry.Number = n.name
	}
	if entry.Kind == counts.Delivered && template != "" && s.config.Policy.Scope == v1alpha1.ScopePortfolio {
		s.sends(n, s.template(template))
	}
	s.happened(n, entry)
	return nil
}

// happened takes what the ledger is told.
func (s *simulation) happened(n *subject, entry counts.Entry) {
	for x := n; x != nil; x = x.portfolio {
		s.meet(x)
		s.observe(x, s.now)
	}
	s.ledger.add(entry)
	// A message from a user makes deliveries of this very second replies, and changes nothing else that was before.
	replied := entry.Kind == counts.Received && n.delivered.Equal(s.now)
	for x := n; x != nil; x = x.portfolio {
		switch {
		case (entry.Alias != 0 || entry.Reply) && x.State.Restricted(): // of two that were counted it may make one, of one none
			s.wake(&x.scheduled)
		case entry.Kind == counts.Delivered:
			s.deliver(x)
		case entry.Kind == counts.Received && !replied, entry.Kind == counts.Complained && x != n, entry.Kind == counts.Failed:
			s.pass(x)
		default:
			s.wake(&x.scheduled)
		}
	}
}

// reported takes what Meta said of a number or a portfolio.
func (s *simulation) reported(e *cloudevents.Event) error {
	told, err := s.reportedOf(e)
	if err != nil {
		return err
	}
	for _, said := range e.Reports(report.Subject{}) {
		for _, x := range told {
			s.report(x, said)
		}
	}
	return nil
}

func (s *simulation) tell(name string, happened []rules.Transition) {
	for _, t := range happened {
		s.transitions = append(s.transitions, Transition{Subject: name, Transition: t})
	}
}

// begin starts the numbers and portfolios of the fleet.
func (s *simulation) begin(at time.Time) error {
	s.now = at
	fleet := s.config.Fleet
	if fleet == nil {
		return nil
	}
	for _, declared := range slices.SortedFunc(slices.Values(fleet.Numbers), func(a, b Number) int { return cmp.Compare(a.PhoneNumber, b.PhoneNumber) }) {
		n, err := s.add(declared)
		if err != nil {
			return err
		}
		s.wait(&n.scheduled)
	}
	for _, declared := range fleet.portfolios() {
		if err := s.addPortfolio(declared); err != nil {
			return err
		}
	}
	for _, declared := range fleet.Templates {
		for _, number := range declared.Numbers {
			for _, name := range declared.Names {
				s.senders[name] = append(s.senders[name], s.numbers[number])
			}
		}
	}
	if s.sending != nil {
		s.sending.begin()
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
	policy := s.config.Policy.Policy
	if declared.ID != "" {
		if err := s.ledger.Claim(declared.ID, declared.PhoneNumber); err != nil {
			return nil, fmt.Errorf("name a number: %w", err)
		}
	}
	if err := s.ledger.SetWindows(declared.PhoneNumber, records.Windows(policy)); err != nil {
		return nil, fmt.Errorf("configure the counts: %w", err)
	}
	if policy.Scope == v1alpha1.ScopePortfolio && declared.Portfolio != "" {
		policy = policy.Member()
	}
	n := s.newSubject(declared.PhoneNumber, numbers, policy, rules.Facts{
		Verification:    cmp.Or(declared.Verification, s.config.Verification, v1alpha1.Unverified),
		HumanEscalation: declared.HumanEscalation,
		Usage:           &usage{s.ledger, rules.Exact{Counted: s.ledger.Usage(declared.PhoneNumber)}},
	}, declared.From)
	s.numbers[n.name] = n
	if policy == s.config.Policy.Policy {
		s.observe(n, s.now)
	}
	return n, nil
}

func (s *simulation) finish() (Result, error) {
	end := s.now
	if last := time.Unix(s.webhooks.last, 0).UTC(); s.webhooks.last != 0 && last.After(end) {
		end = last
	}
	if !s.config.Until.IsZero() {
		end = s.config.Until.UTC().Truncate(time.Second)
	}
	if s.now.IsZero() {
		if end.IsZero() && s.config.Fleet != nil && len(s.config.Fleet.Numbers) > 0 {
			return Result{}, errors.New("there are no events: say until when the fleet is simulated")
		}
		if err := s.begin(end); err != nil {
			return Result{}, err
		}
	}
	s.reach(end)
	for _, named := range s.webhooks.Webhooks.named {
		if !end.IsZero() && named.at == 0 {
			if _, err := s.number(named.number); err != nil {
				return Result{}, err
			}
		}
	}
	s.settle() // the deadlines at the end happen: all events are in
	for _, x := range slices.AppendSeq(slices.Clone(s.portfolios), maps.Values(s.numbers)) {
		s.advance(x, end) // nothing happens any more, but the state is of the end
		s.observe(x, end.Add(time.Second))
	}
	r := s.result(end)
	if s.sending != nil {
		var err error
		if r.Pool, err = s.sending.finish(end, r.Final); err != nil {
			return Result{}, err
		}
	}
	return r, s.ledger.err
}
