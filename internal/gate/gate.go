// Package gate is where senders ask before they send: it finds out which number and template a request is about and whether the caller
// may send from there, has the ledger decide, and says in words what was decided.
//
// The decision itself is made in the state machine of the ledger, in the order of its log: see counts.Operation. Nothing here can grant.
package gate

import (
	"context"
	"errors"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/server"
	"numberfleet.dev/numberfleet/internal/tracing"
)

// MaxRequests is how many reservations one call may ask for.
const MaxRequests = ledger.MostOperations

// Ledger decides, and knows the reservations that it granted.
type Ledger interface {
	Operate(ctx context.Context, operations []counts.Operation, now time.Time) ([]counts.Decision, error)
	// Unreserved is the answer to a Reserve that Operate cannot decide now.
	Unreserved(o *counts.Operation, now time.Time) counts.Decision
	// Preview is what a Reserve would be answered. Nothing is reserved.
	Preview(ctx context.Context, o *counts.Operation, now time.Time) (counts.Decision, error)
	// Expire ends what ends by now.
	Expire(now time.Time) error
	// CatchUp returns when all that anyone was told before the call is known here.
	CatchUp(ctx context.Context, now time.Time) error
	Reservation(id counts.ReservationID) (counts.Reservation, bool)
	Hasher() counts.Hasher
}

// Directory knows the resources of numbers and templates. What it returns is not to be changed. An error says that it cannot tell now.
type Directory interface {
	// Number is the PhoneNumber that a number is served as, in E.164 or by Meta's id; nil if there is none.
	Number(ctx context.Context, number report.Subject) (*v1alpha1.PhoneNumber, error)
	// NumberPool is the pool of that name; nil if there is none.
	NumberPool(ctx context.Context, namespace, name string) (*v1alpha1.NumberPool, error)
	// Sent are the MessageTemplates of a name that are sent in a namespace, in the order of their languages: those of an account, or of any
	// where that is empty.
	Sent(ctx context.Context, namespace, account, template string) ([]*v1alpha1.MessageTemplate, error)
	// BusinessPortfolio is the portfolio of that name; nil if there is none.
	BusinessPortfolio(ctx context.Context, name string) (*v1alpha1.BusinessPortfolio, error)
}

// Caller is who asks. A *server.Caller is one.
type Caller interface {
	// Allowed says whether the caller has a permission. An error says that this cannot be told now.
	Allowed(ctx context.Context, permission server.Permission) (bool, error)
	// Identity tells callers apart, so that an idempotency key is the caller's own. It is never logged.
	Identity() string
}

// Clock is that of the rules.
type Clock interface {
	clock.PassiveClock
	// Wait is the real time until the clock shows t; zero if it does already.
	Wait(t time.Time) time.Duration
}

// Options say how a Service is made. Log is optional.
type Options struct {
	Ledger    Ledger
	Directory Directory
	Clock     Clock            // of the rules
	Real      clock.WithTicker // of those who wait
	Recorder  events.EventRecorder
	Metrics   prometheus.Registerer
	Log       logr.Logger
}

// Service reserves, confirms and releases. It is safe for concurrent use.
type Service struct {
	ledger    Ledger
	directory Directory
	clock     Clock
	real      clock.WithTicker
	refusals  *refusals
	metrics   *metrics
	outage    outage
	log       logr.Logger
}

// New makes a service.
func New(o Options) (*Service, error) {
	if o.Ledger == nil || o.Directory == nil || o.Clock == nil || o.Real == nil || o.Recorder == nil || o.Metrics == nil {
		return nil, errors.New("a gate needs a ledger, a directory, clocks, a recorder of Events and a registerer of metrics")
	}
	return &Service{
		ledger: o.Ledger, directory: o.Directory, clock: o.Clock, real: o.Real, refusals: newRefusals(o.Recorder), metrics: newMetrics(o.Metrics),
		outage: outage{log: o.Log}, log: o.Log,
	}, nil
}

// Answer is what became of a request.
type Answer struct {
	// Decision is the ledger's; the zero value where it was not asked.
	Decision counts.Decision
	// Problem is why the request was refused, by the ledger or before it was asked; nil where it was not.
	Problem *Problem
	// Namespace and Name are those of the PhoneNumber, Number is in E.164, NumberID is Meta's id where it is known. They are empty where
	// no number of a pool was chosen.
	Namespace, Name, Number, NumberID string

	resource *v1alpha1.PhoneNumber
	pool     *v1alpha1.NumberPool // that was asked for; nil for none
}

func (a *Answer) of(n *v1alpha1.PhoneNumber) {
	a.resource = n
	a.Namespace, a.Name, a.Number, a.NumberID = n.Namespace, n.Name, n.Spec.PhoneNumber, n.Spec.PhoneNumberID
}

// Reserve asks for up to MaxRequests reservations, which are decided in their order. There is an answer to each; what was granted is durable.
// While the ledger cannot decide, each is let through without a reservation or refused as Unavailable, see counts.View.Unreserved. An error
// says that nothing can be told now, and that the caller is to try again: with the same keys, if something may have been granted.
func (s *Service) Reserve(ctx context.Context, caller Caller, requests []Request) (answers []Answer, err error) {
	ctx, span := tracing.Start(ctx, "reserve")
	defer func() { tracing.End(span, err) }()
	start, denied := s.clock.Now(), time.After(server.DeniedAfter)
	answers = make([]Answer, len(requests))
	operations := make([]counts.Operation, 0, len(requests))
	asked := make([]int, 0, len(requests)) // the request of each operation
	r := s.newResolver(caller)
	for i := range requests {
		operation, problem, err := r.resolve(ctx, &requests[i], &answers[i])
		if err != nil {
			return nil, err
		}
		if answers[i].Problem = problem; problem == nil {
			operations, asked = append(operations, operation), append(asked, i)
		}
	}
	if len(operations) > 0 {
		decisions, err := s.decide(ctx, operations, start)
		if err != nil {
			return nil, err
		}
		for i := range decisions {
			answer := &answers[asked[i]]
			if err := s.decided(ctx, answer, &decisions[i]); err != nil {
				return nil, err
			}
			s.tell(ctx, answer, start)
		}
	}
	s.metrics.reserved(answers)
	s.hide(ctx, answers, denied)
	return answers, nil
}

// decided is what the ledger answers to a request.
func (s *Service) decided(ctx context.Context, a *Answer, d *counts.Decision) error {
	a.Decision = *d
	if a.pool != nil && d.State != counts.Refused {
		chosen, err := s.directory.Number(ctx, report.ParseSubject(d.Number))
		if err != nil {
			return err
		}
		if chosen == nil { // deleted since
			a.Problem = NewProblem(Reason(v1alpha1.RoomNotReady), "")
			return nil
		}
		a.of(chosen)
	}
	switch d.State {
	case counts.Refused:
		a.Problem = ProblemOf(d, s.clock.Wait)
		if a.pool != nil {
			members, err := s.membersOf(ctx, a.pool, d)
			if err != nil {
				return err
			}
			a.Problem.Members = members
		}
	case counts.Ended:
		a.Problem = NewProblem(Ended, "")
	case counts.Unreserved:
		a.Decision.ID = unreservedID(d.ID)
	default: // granted
	}
	return nil
}

// mostMembers is of how many numbers a refusal of a pool says why.
const mostMembers = 100

// membersOf says why the numbers of a pool were not chosen, by the names of their PhoneNumbers.
func (s *Service) membersOf(ctx context.Context, pool *v1alpha1.NumberPool, d *counts.Decision) (all []Member, err error) {
	for _, m := range d.Members[:min(len(d.Members), mostMembers)] {
		number, err := s.directory.Number(ctx, report.ParseSubject(m.Number))
		if err != nil {
			return nil, err
		}
		if number == nil || number.Namespace != pool.Namespace {
			continue
		}
		member := Member{Name: number.Name, Reason: Reason(m.Why)}
		if m.Until > 0 {
			member.Until = time.Unix(m.Until, 0).UTC()
		}
		all = append(all, member)
	}
	return all, nil
}

// tell tells of a refusal, or of what would be one.
func (s *Service) tell(ctx context.Context, a *Answer, now time.Time) {
	var detail string
	switch d := &a.Decision; {
	case d.State == counts.Refused:
		detail = a.Problem.Detail
	case a.Problem != nil:
		return
	case d.State == counts.Unreserved && d.Why == counts.Allowed:
		detail = "messages are sent without a reservation, since " + kinds[Unavailable].detail + "; the limit may be exceeded"
	case d.Shadow:
		detail = ProblemOf(d, s.clock.Wait).Detail
	default:
		return
	}
	k := keyOf(a)
	s.refusals.add(k, detail, now, func() client.Object {
		if k.kind == portfolioKind {
			if portfolio, err := s.directory.BusinessPortfolio(ctx, k.name); err == nil && portfolio != nil {
				return portfolio
			}
		}
		if a.pool != nil {
			return a.pool
		}
		return a.resource
	})
}

// hide waits until denied where a caller without a right is answered.
func (s *Service) hide(ctx context.Context, answers []Answer, denied <-chan time.Time) {
	for i := range answers {
		if p := answers[i].Problem; p != nil && p.Reason == Forbidden {
			select {
			case <-denied:
			case <-ctx.Done():
			}
			return
		}
	}
}
