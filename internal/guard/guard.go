// Package guard is a reverse proxy in front of Meta's Graph API, for senders that cannot be changed: they set the base URL of their SDK
// to it. Each message is reserved at the gate, forwarded as it came, and confirmed or released by what Meta answers. Everything else of
// the Graph API passes.
package guard

import (
	"context"
	"errors"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/utils/clock"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/config"
	"numberfleet.dev/numberfleet/internal/gate"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/server"
)

// Limits bound the requests to the guard: media may have 100 MB.
var Limits = server.Limits{Read: 5 * time.Minute, Write: 6 * time.Minute}

const (
	maxMessage  = 256 << 10        // bytes of one
	maxBuffered = 64 << 20         // bytes of messages in memory at one time
	messageRead = 20 * time.Second // within which it comes in
)

// Gate decides what may be sent. A *gate.Service is one.
type Gate interface {
	Reserve(ctx context.Context, caller gate.Caller, requests []gate.Request) ([]gate.Answer, error)
	Confirm(ctx context.Context, caller gate.Caller, id counts.ReservationID, messageID string) (gate.Answer, error)
	Release(ctx context.Context, caller gate.Caller, id counts.ReservationID) (gate.Answer, error)
}

// Names knows numbers by the names that Meta gives them. A *ledger.Ledger is one.
type Names interface {
	// Subject is what a number is known by that has an id of Meta's: its number in E.164, or the id's own subject where that is not known.
	Subject(id, number string) string
}

// Directory knows the resources of numbers.
type Directory interface {
	// Number is the PhoneNumber that a number is served as, in E.164 or by Meta's id; nil if there is none. It is not to be changed. An error
	// says that it cannot tell now.
	Number(ctx context.Context, number report.Subject) (*v1alpha1.PhoneNumber, error)
}

// Backend is what decides.
type Backend struct {
	Gate  Gate
	Names Names
}

// Options say how a Guard is made. Log is optional.
type Options struct {
	Config    *config.Guard
	BaseURL   string         // of the Graph API, as config.GraphAPI has it
	Access    *server.Access // with config.Inject
	Directory Directory
	Clock     clock.PassiveClock // real time: Meta's waits and all times of requests are
	Metrics   prometheus.Registerer
	Log       logr.Logger
}

// Guard is the HTTP handler. It is safe for concurrent use.
type Guard struct {
	directory Directory
	clock     clock.PassiveClock
	metrics   *metrics
	log       logr.Logger

	callers  authenticator
	injects  bool // callers bring no token of Meta's
	upstream *url.URL
	proxy    *httputil.ReverseProxy
	client   http.RoundTripper
	handler  http.Handler

	backend atomic.Pointer[Backend]
	bodies  *server.Bodies
	trust   *trust
	pauses  *pauses
	pace    *pace
}

// New makes a guard without a backend.
func New(o Options) (*Guard, error) {
	if o.Config == nil || o.Directory == nil || o.Clock == nil || o.Metrics == nil {
		return nil, errors.New("a guard needs a configuration, a directory, a clock and a registerer of metrics")
	}
	upstream, err := url.Parse(o.BaseURL)
	if err != nil || upstream.Host == "" {
		return nil, errors.New("a guard needs the base URL of the Graph API")
	}
	m := newMetrics(o.Metrics)
	g := &Guard{
		directory: o.Directory, clock: o.Clock, metrics: m, log: o.Log, callers: passThrough{}, upstream: upstream,
		bodies: server.NewBodies(maxMessage, maxBuffered), trust: newTrust(o.Clock), pauses: newPauses(o.Clock, m), pace: newPace(o.Config.Bounds, o.Clock),
	}
	if o.Config.Authentication == config.Inject {
		if o.Access == nil {
			return nil, errors.New("a guard that adds Meta's token needs to know its callers")
		}
		accounts := map[string]config.Account{}
		for _, account := range o.Config.Accounts {
			accounts[account.ID] = account
		}
		g.callers, g.injects = &inject{access: o.Access, accounts: accounts}, true
	}
	g.client = newTransport()
	g.proxy = g.newProxy()
	g.handler = &server.Instrumented{Name: "guard", Handle: g.serve, Refuse: g.refuse, Log: o.Log, Clock: o.Clock, Requests: m.requests, Duration: m.duration}
	return g, nil
}

// SetBackend says what decides from now on. Until then senders of messages are asked to try again.
func (g *Guard) SetBackend(backend *Backend) { g.backend.Store(backend) }

// ServeHTTP implements http.Handler.
func (g *Guard) ServeHTTP(w http.ResponseWriter, req *http.Request) { g.handler.ServeHTTP(w, req) }

func (g *Guard) serve(w http.ResponseWriter, req *http.Request) (code int, err error) {
	x := &exchange{came: g.clock.Now()}
	problem := g.handle(w, req, x)
	if problem == nil {
		return x.status, nil
	}
	return g.tell(w, problem), nil
}

func (g *Guard) refuse(w http.ResponseWriter, err *server.Error) (code int) {
	return g.tell(w, problemOf(err))
}

func (g *Guard) tell(w http.ResponseWriter, problem *gate.Problem) (code int) {
	code, err := writeProblem(w, problem)
	if err != nil {
		g.log.V(1).Info("An answer did not reach a sender") // which may be gone
	}
	return code
}

// handle answers a request, unless there is a problem to be told.
func (g *Guard) handle(w http.ResponseWriter, req *http.Request, x *exchange) *gate.Problem {
	to, problem := routeOf(req)
	switch {
	case problem != nil:
		return problem
	case g.injects && to == (route{}):
		return gate.NewProblem(gate.Forbidden, "the guard adds Meta's access token to messages and to uploads of media only")
	case to == (route{}), to.edge == mediaEdge && !g.injects:
		g.pass(w, req, x)
		return nil
	}
	backend := g.backend.Load()
	if backend == nil {
		return notReady()
	}
	if to.pool != (pool{}) {
		return g.handlePool(w, req, x, to, backend)
	}
	number, err := g.number(req.Context(), backend.Names, to.number)
	if err != nil {
		return g.failed(req.Context(), err, "A number could not be looked up")
	}
	if number == nil && !g.injects {
		if to.sends() {
			g.metrics.unguarded.Inc()
		}
		g.pass(w, req, x)
		return nil
	}
	x.caller, problem, err = g.callers.caller(req.Context(), req, number)
	if err != nil {
		return g.failed(req.Context(), err, "A sender could not be authenticated")
	}
	if problem != nil {
		return problem
	}
	if to.edge == mediaEdge {
		g.pass(w, req, x)
		return nil
	}
	x.name = number.Namespace + "/" + number.Name
	x.known = x.caller.vouched || g.trust.may(right{x.caller.app, to.number, true}) || g.trust.may(right{x.caller.app, to.number, false})
	s := &sending{Guard: g, exchange: x, gate: backend.Gate, to: to, number: number}
	defer func() { g.metrics.messages.WithLabelValues(string(s.outcome)).Inc() }()
	if problem := s.serve(w, req); problem != nil {
		return s.disclose(w, req, problem)
	}
	return nil
}

// number is the PhoneNumber that has an id of Meta's, by its spec or as the ledger found out; nil if there is none.
func (g *Guard) number(ctx context.Context, names Names, id string) (*v1alpha1.PhoneNumber, error) {
	own := report.NumberIDSubject(id)
	number, err := g.directory.Number(ctx, own)
	if err != nil || number != nil {
		return number, err
	}
	if known := report.ParseSubject(names.Subject(id, "")); known != own {
		return g.directory.Number(ctx, known)
	}
	return nil, nil
}

// failed logs why a sender is to try again, unless the sender is gone or unknown: strangers do not fill the log.
func (g *Guard) failed(ctx context.Context, err error, what string) *gate.Problem {
	if ctx.Err() == nil && !errors.Is(err, server.ErrTooManyTokens) {
		g.log.Error(err, what)
	}
	return notReady()
}
