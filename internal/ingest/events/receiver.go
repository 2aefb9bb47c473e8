// Package events is the event API: it receives CloudEvents over HTTP from platforms whose webhooks are not Meta's.
package events

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/utils/clock"

	"numberfleet.dev/numberfleet/internal/cloudevents"
	"numberfleet.dev/numberfleet/internal/ingest"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/receipts"
	"numberfleet.dev/numberfleet/internal/server"
)

const (
	// Path is where events are posted.
	Path = "/v1/events"

	// MaxBody is the longest body that is read, in bytes.
	MaxBody = 3 << 20

	// MaxEvents is how many events one request may bring.
	MaxEvents = 10_000

	// MaxEvent is how long one event may be, in bytes: CloudEvents asks for that much.
	MaxEvent = 64 << 10

	// maxBuffered bounds the bodies in memory at one time, in bytes. The events that are read from a body take several times its size.
	maxBuffered = 32 << 20
)

// Options say how a Receiver is made. Log is optional.
type Options struct {
	Access    *server.Access
	Directory Directory
	Clock     clock.PassiveClock // event time
	Metrics   prometheus.Registerer
	Log       logr.Logger
}

// Receiver is the HTTP handler of the event API. It takes CloudEvents from platforms whose webhooks are not Meta's, all
// of a request or none. It answers in JSON:
//
//	200  the events are durable
//	400  an event is wrong; the answer names its line or index, the field, and what is allowed there
//	401  the caller is not known
//	403  the caller may not send one of the events
//	404  another path
//	405  another method
//	408  the body came too slowly
//	413  the body is longer than MaxBody, or holds more than MaxEvents
//	415  the body is encoded, such as by gzip, or is of another type
//	503  there is no backend or too little memory, the ledger or the API server failed, or too many unknown tokens came; to
//	     be tried again
type Receiver struct {
	access    *server.Access
	directory Directory
	clock     clock.PassiveClock
	metrics   *metrics
	log       logr.Logger
	handler   http.Handler

	backend atomic.Pointer[ingest.Backend]
	bodies  *server.Bodies
}

// NewReceiver returns a receiver without a backend.
func NewReceiver(options Options) (*Receiver, error) {
	if options.Access == nil || options.Directory == nil || options.Clock == nil || options.Metrics == nil {
		return nil, errors.New("a receiver of events needs access, a directory, a clock and a registerer of metrics")
	}
	metrics := newMetrics(options.Metrics)
	r := &Receiver{
		access: options.Access, directory: options.Directory, clock: options.Clock, metrics: metrics, log: options.Log,
		bodies: server.NewBodies(MaxBody, maxBuffered),
	}
	r.handler = &server.Instrumented{
		Name: "events", Handle: r.serve, Refuse: r.refuse, Log: r.log, Clock: r.clock, Requests: metrics.requests, Duration: metrics.duration,
	}
	return r, nil
}

// SetBackend says where events go from now on. Until then senders are asked to try again.
func (r *Receiver) SetBackend(backend *ingest.Backend) { r.backend.Store(backend) }

// accepted is the body of the answer to events that are durable.
type accepted struct {
	Events int `json:"events"`
	// Of what the events brought: what changed something, what was known already, and what came too late to count.
	New      int `json:"new"`
	Repeated int `json:"repeated"`
	Expired  int `json:"expired"`
}

// refusal is the body of every other answer. Line counts from 1, Index from 0.
type refusal struct {
	Error string `json:"error"`
	Line  int    `json:"line,omitempty"`
	Index *int   `json:"index,omitempty"`
	Field string `json:"field,omitempty"`
}

// eventError is why a request is refused for one of its events.
type eventError struct {
	code  int
	event *cloudevents.Error
	wait  <-chan time.Time // for what to wait before it is told; may be nil
}

// Error implements error.
func (e *eventError) Error() string { return e.event.Error() }

// ServeHTTP implements http.Handler.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) { r.handler.ServeHTTP(w, req) }

func (r *Receiver) serve(w http.ResponseWriter, req *http.Request) (code int, err error) {
	accepted, err := r.receive(w, req)
	if wrong, ok := errors.AsType[*eventError](err); ok {
		return r.refuseEvent(req.Context(), w, wrong), nil
	}
	if err != nil {
		return 0, err
	}
	return r.reply(w, http.StatusOK, accepted), nil
}

func (r *Receiver) refuse(w http.ResponseWriter, err *server.Error) (code int) {
	switch err.Code {
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", "Bearer")
	case http.StatusMethodNotAllowed:
		w.Header().Set("Allow", http.MethodPost)
	}
	return r.reply(w, err.Code, refusal{Error: err.Message})
}

func (r *Receiver) refuseEvent(ctx context.Context, w http.ResponseWriter, err *eventError) (code int) {
	if err.wait != nil {
		select {
		case <-err.wait:
		case <-ctx.Done():
		}
	}
	body := refusal{Error: err.Error(), Line: err.event.Line, Field: err.event.Field}
	if err.event.Item > 0 {
		body.Index = new(err.event.Item - 1)
	}
	return r.reply(w, err.code, body)
}

func (r *Receiver) reply(w http.ResponseWriter, code int, body any) int {
	server.WriteHeader(w, code, "application/json")
	if err := json.NewEncoder(w).Encode(body); err != nil {
		r.log.V(1).Info("An answer did not reach the sender of events") // which may be gone
	}
	return code
}

// receive takes a request. The error is an *eventError or a *server.Error, or the sender is to try again.
func (r *Receiver) receive(w http.ResponseWriter, req *http.Request) (*accepted, error) {
	// Refuse before the body is read what can be refused without it.
	if req.URL.Path != Path {
		return nil, server.ErrNotFound
	}
	if req.Method != http.MethodPost {
		return nil, server.ErrMethodNotAllowed
	}
	if err := r.bodies.Check(req); err != nil {
		return nil, err
	}
	parse := parserOf(req.Header)
	if parse == nil {
		return nil, &server.Error{Code: http.StatusUnsupportedMediaType, Message: "Content-Type must be " + strings.Join([]string{event.ApplicationCloudEventsJSON,
			event.ApplicationCloudEventsBatchJSON, linesType, otherLinesType}, ", ") + ", or application/json with the attributes in headers"}
	}
	backend := r.backend.Load()
	if backend == nil {
		return nil, server.ErrUnavailable
	}
	caller, err := r.access.Authenticate(req)
	if err != nil {
		return nil, r.failed(req.Context(), err, "A caller of the event API could not be authenticated")
	}
	if caller == nil {
		return nil, &server.Error{Code: http.StatusUnauthorized, Message: "Authorization must be Bearer and a token of this cluster for the audience of the event API"}
	}

	var answer *accepted
	err = r.bodies.Read(w, req, func(body []byte) error {
		events, err := parse(cloudevents.NewParser(), body)
		if err != nil {
			return r.malformed(err)
		}
		answer, err = r.take(req.Context(), backend, caller, events)
		return err
	})
	return answer, err
}

// take checks and records well-formed events.
func (r *Receiver) take(ctx context.Context, backend *ingest.Backend, caller *server.Caller, events []cloudevents.Event) (*accepted, error) {
	now := r.clock.Now()
	if err := backend.Ledger.Fresh(); err != nil {
		return nil, r.failed(ctx, err, "Events could not be judged; their sender is asked to send them again")
	}
	if err := checkTimes(events, now.Add(counts.Ahead)); err != nil {
		return nil, r.malformed(err)
	}
	for i := range events {
		events[i].Resolve(backend.Ledger.Subject)
	}
	if err := r.authorize(ctx, caller, events); err != nil {
		return nil, err
	}
	return r.store(ctx, backend, events, now)
}

// checkTimes refuses events of a time to come.
func checkTimes(events []cloudevents.Event, latest time.Time) error {
	for i := range events {
		if events[i].Time.After(latest) {
			return events[i].Refuse("time", "must be a time that has come, but lies too far ahead")
		}
	}
	return nil
}

// authorize refuses events of which the caller may not send one.
func (r *Receiver) authorize(ctx context.Context, caller *server.Caller, events []cloudevents.Event) error {
	rights := rights{caller: caller, directory: r.directory, namespaces: map[string]string{}}
	wait := time.After(server.DeniedAfter)
	for i := range events {
		allowed, err := rights.allowed(ctx, &events[i])
		if err != nil {
			return r.failed(ctx, err, "A caller of the event API could not be authorised")
		}
		if !allowed {
			r.log.Info("Events were refused: their sender has no right to send them", "sender", caller.Name())
			return &eventError{http.StatusForbidden, forbidden(&events[i]), wait}
		}
	}
	return nil
}

// store records events that the caller may send.
func (r *Receiver) store(ctx context.Context, backend *ingest.Backend, events []cloudevents.Event, now time.Time) (*accepted, error) {
	batch, wrong, err := recordsOf(ctx, backend.Hasher, r.directory, events)
	if err != nil {
		return nil, r.failed(ctx, err, "What events are about could not be looked up")
	}
	if wrong != nil {
		return nil, r.malformed(wrong)
	}
	received := ingest.Received{Batch: *batch, Request: receipts.Request{Failures: failuresOf(events)}}
	stored, unclaimed, err := backend.Store(ctx, &received, now)
	if err != nil {
		if ctx.Err() == nil {
			r.metrics.unstored.Inc()
		}
		return nil, r.failed(ctx, err, "Events could not be stored; their sender is asked to send them again")
	}
	r.metrics.accepted(events, stored, unclaimed)
	return &accepted{Events: len(events), New: stored.New, Repeated: stored.Repeated, Expired: stored.Expired}, nil
}

// failuresOf are the failed messages among events.
func failuresOf(events []cloudevents.Event) (all []receipts.Failure) {
	for i := range events {
		if e := &events[i]; e.Type == cloudevents.MessageFailed {
			code, _ := strconv.ParseInt(e.Code, 10, 64) // a number, as the parser makes sure
			all = append(all, receipts.Failure{Number: e.Number, Code: code, At: e.Time.UTC()})
		}
	}
	return all
}

// malformed is what is answered to events of which one is wrong. What is wrong is logged: it quotes nothing.
func (r *Receiver) malformed(err error) error {
	r.log.Info("Events were refused", "problem", err.Error())
	if wrong, ok := errors.AsType[*cloudevents.Error](err); ok {
		return &eventError{code: http.StatusBadRequest, event: wrong}
	}
	if _, many := errors.AsType[*cloudevents.ManyError](err); many {
		return &server.Error{Code: http.StatusRequestEntityTooLarge, Message: err.Error()}
	}
	return &server.Error{Code: http.StatusBadRequest, Message: "the events could not be read"}
}

// failed logs why the sender is to try again, unless the sender is gone or unknown: strangers do not fill the log.
func (r *Receiver) failed(ctx context.Context, err error, what string) error {
	if ctx.Err() == nil && !errors.Is(err, server.ErrTooManyTokens) {
		r.log.Error(err, what)
	}
	return server.ErrUnavailable
}
