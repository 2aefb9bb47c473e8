package server

import (
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strconv"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"k8s.io/utils/clock"

	"numberfleet.dev/numberfleet/internal/tracing"
)

// retryAfter is when a caller is asked to try again, in seconds.
const retryAfter = 10

// Error is why a request is refused, as the caller is told.
type Error struct {
	Code    int // of HTTP
	Message string
}

// Error implements error.
func (e *Error) Error() string { return e.Message }

// Refusals that all handlers share.
var (
	ErrUnavailable      = &Error{http.StatusServiceUnavailable, "not ready, try again"}
	ErrNotFound         = &Error{http.StatusNotFound, "not found"}
	ErrMethodNotAllowed = &Error{http.StatusMethodNotAllowed, "method not allowed"}
)

func tooLong(longest int) *Error {
	return &Error{http.StatusRequestEntityTooLarge, "the body must have at most " + strconv.Itoa(longest) + " bytes"}
}

// WriteHeader begins an answer, of a type that browsers do not guess at. It sets what goes with a code: Retry-After with 503.
func WriteHeader(w http.ResponseWriter, code int, contentType string) {
	header := w.Header()
	if contentType != "" {
		header.Set("Content-Type", contentType)
		header.Set("X-Content-Type-Options", "nosniff")
	}
	if code == http.StatusServiceUnavailable {
		header.Set("Retry-After", strconv.Itoa(retryAfter))
	}
	w.WriteHeader(code)
}

// RequestBuckets are those of histograms of how long requests take, in seconds.
var RequestBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10, 30}

// Handler answers a request, and returns the code of the answer, or an error where the request is to be refused.
type Handler func(w http.ResponseWriter, req *http.Request) (code int, err error)

// Instrumented is a handler whose requests are counted by the label code, measured in seconds, and traced. A panic is logged without its value,
// which may hold what was read, and refused as an internal error; http.ErrAbortHandler goes on to the server, and nothing is counted.
type Instrumented struct {
	Name   string // of a request in traces, such as webhook
	Handle Handler
	// Refuse writes an *Error and returns its code. Another error of Handle asks the caller to try again: the handler has logged why.
	Refuse   func(http.ResponseWriter, *Error) (code int)
	Log      logr.Logger
	Clock    clock.PassiveClock
	Requests *prometheus.CounterVec
	Duration prometheus.Observer
}

// ServeHTTP implements http.Handler.
func (i *Instrumented) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	start := i.Clock.Now()
	ctx, span := tracing.Start(req.Context(), i.Name)
	defer span.End()
	if span.IsRecording() {
		req = req.WithContext(ctx)
	}
	code := i.answer(w, req)
	i.Requests.WithLabelValues(strconv.Itoa(code)).Inc()
	tracing.Observe(ctx, i.Duration, i.Clock.Since(start).Seconds())
	if span.IsRecording() {
		span.SetAttributes(attribute.Int("http.response.status_code", code))
	}
}

func (i *Instrumented) answer(w http.ResponseWriter, req *http.Request) (code int) {
	defer func() {
		switch p := recover(); p {
		case nil:
		case http.ErrAbortHandler:
			panic(p)
		default:
			i.Log.Error(fmt.Errorf("panic with a %T", p), "A request failed", "stack", string(debug.Stack()))
			code = i.Refuse(w, &Error{http.StatusInternalServerError, "internal error"})
		}
	}()
	code, err := i.Handle(w, req)
	if err == nil {
		return code
	}
	refusal, ok := errors.AsType[*Error](err)
	if !ok {
		refusal = ErrUnavailable
	}
	return i.Refuse(w, refusal)
}
