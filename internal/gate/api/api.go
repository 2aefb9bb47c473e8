// Package api is the gate over HTTP: reservations for senders, and what may be sent now for whoever wants to know.
package api

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/utils/clock"

	"numberfleet.dev/numberfleet/internal/gate"
	"numberfleet.dev/numberfleet/internal/server"
	"numberfleet.dev/numberfleet/internal/standing"
)

// The paths. A reservation has its id below ReservationsPath, and is confirmed below that.
const (
	ReservationsPath = "/v1/reservations"
	StandingPath     = "/v1/standing"
	StreamPath       = StandingPath + "/stream"
	UserPath         = StandingPath + "/user"

	confirm = "/confirm"
)

const (
	// MaxBody is the longest body that is read, in bytes.
	MaxBody = 1 << 20

	// maxBuffered bounds the bodies in memory at one time, in bytes.
	maxBuffered = 16 << 20
)

// Options say how an API is made. Log is optional.
type Options struct {
	Access  *server.Access
	Real    clock.WithTicker // of those who wait
	Metrics prometheus.Registerer
	Log     logr.Logger
}

// API is the HTTP handler of the gate. All answers are JSON, and refusals are problems as RFC 9457 says them. docs/openapi.yaml has the
// paths, requests and answers. Besides what the gate refuses:
//
//	400  the request is wrong; the answer names the field and what is allowed there
//	401  the caller is not known
//	403  the caller has no right, or there is nothing that it has a right to
//	404  another path
//	405  another method
//	408  the body came too slowly
//	413  the body is longer than MaxBody
//	415  the body is encoded, such as by gzip, or is no JSON
//	503  there is no backend or too little memory, the ledger or the API server failed, too many unknown tokens came, or there are too
//	     many streams; to be tried again
type API struct {
	Options
	metrics *metrics
	bodies  *server.Bodies
	streams *streams

	requests, stream http.Handler
	backend          atomic.Pointer[Backend]
}

// Backend is what answers.
type Backend struct {
	Gate     *gate.Service
	Standing *standing.Source
	Ledger   Freshness
}

// Freshness says how old what a ledger knows may be. A *ledger.Ledger does.
type Freshness interface {
	Age() time.Duration
	// Fresh is an error where it may be too old for an answer.
	Fresh() error
}

// New makes an API without a backend.
func New(o Options) (*API, error) {
	if o.Access == nil || o.Real == nil || o.Metrics == nil {
		return nil, errors.New("the API of a gate needs access, a clock and a registerer of metrics")
	}
	a := &API{Options: o, metrics: newMetrics(o.Metrics), bodies: server.NewBodies(MaxBody, maxBuffered), streams: newStreams()}
	instrument := func(name string, handle server.Handler, duration prometheus.Observer) http.Handler {
		return &server.Instrumented{Name: name, Handle: handle, Refuse: a.refuse, Log: o.Log, Clock: o.Real, Requests: a.metrics.requests, Duration: duration}
	}
	a.requests, a.stream = instrument("gate", a.serve, a.metrics.duration), instrument("stream", a.serveStream, a.metrics.streamed)
	return a, nil
}

// SetBackend says what answers from now on. Until then callers are asked to try again.
func (a *API) SetBackend(b *Backend) { a.backend.Store(b) }

// Serves says whether a path is one of the API's.
func Serves(path string) bool {
	return path == ReservationsPath || strings.HasPrefix(path, ReservationsPath+"/") || path == StandingPath || path == StreamPath || path == UserPath
}

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.URL.Path == StreamPath {
		a.stream.ServeHTTP(w, req)
	} else {
		a.requests.ServeHTTP(w, req)
	}
}

// serve answers a request other than for a stream.
func (a *API) serve(w http.ResponseWriter, req *http.Request) (code int, err error) {
	id, below := strings.CutPrefix(req.URL.Path, ReservationsPath+"/")
	confirmed, confirms := strings.CutSuffix(id, confirm)
	switch {
	case req.URL.Path == ReservationsPath:
		return a.answer(w, req, http.MethodPost, a.reserve)
	case below && confirms:
		return a.answer(w, req, http.MethodPost, func(w http.ResponseWriter, req *http.Request, from *from) (int, error) {
			return a.confirm(w, req, from, confirmed)
		})
	case below:
		return a.answer(w, req, http.MethodDelete, func(w http.ResponseWriter, req *http.Request, from *from) (int, error) {
			return a.release(w, req, from, id)
		})
	case req.URL.Path == StandingPath:
		return a.answer(w, req, http.MethodGet, a.list)
	case req.URL.Path == UserPath:
		return a.answer(w, req, http.MethodPost, a.preview)
	default:
		return 0, server.ErrNotFound
	}
}

// from is where a request comes from, and who answers it.
type from struct {
	*Backend
	caller *server.Caller
}

// answer has a known caller's request answered, if it has the method that is allowed.
func (a *API) answer(w http.ResponseWriter, req *http.Request, method string, handle func(http.ResponseWriter, *http.Request, *from) (int, error)) (int, error) {
	if req.Method != method {
		w.Header().Set("Allow", method)
		return 0, server.ErrMethodNotAllowed
	}
	backend := a.backend.Load()
	if backend == nil {
		return 0, server.ErrUnavailable
	}
	caller, err := a.Access.Authenticate(req)
	if err != nil {
		return 0, a.failed(req.Context(), err, "A caller of the gate could not be authenticated")
	}
	if caller == nil {
		return 0, &server.Error{Code: http.StatusUnauthorized, Message: "Authorization must be Bearer and a token of this cluster for the audience of the API"}
	}
	return handle(w, req, &from{Backend: backend, caller: caller})
}

// failed logs why the caller is to try again, unless it is gone or unknown: strangers do not fill the log.
func (a *API) failed(ctx context.Context, err error, what string) error {
	if _, told := errors.AsType[*server.Error](err); told {
		return err
	}
	if ctx.Err() == nil && !errors.Is(err, server.ErrTooManyTokens) {
		a.Log.Error(err, what)
	}
	return server.ErrUnavailable
}
