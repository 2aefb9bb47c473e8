package server

import (
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strconv"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/utils/clock"
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

// Instrument counts the requests to a handler by the label code, and measures their time in seconds. Refuse writes an *Error and returns
// its code. Another error asks the caller to try again: the handler has logged why. A panic is logged without its value, which may hold
// what was read, and refused as an internal error; http.ErrAbortHandler goes on to the server, and nothing is counted.
func Instrument(handle Handler, refuse func(http.ResponseWriter, *Error) (code int), log logr.Logger, clk clock.PassiveClock,
	requests *prometheus.CounterVec, duration prometheus.Observer,
) http.Handler {
	answer := func(w http.ResponseWriter, req *http.Request) (code int) {
		defer func() {
			switch p := recover(); p {
			case nil:
			case http.ErrAbortHandler:
				panic(p)
			default:
				log.Error(fmt.Errorf("panic with a %T", p), "A request failed", "stack", string(debug.Stack()))
				code = refuse(w, &Error{http.StatusInternalServerError, "internal error"})
			}
		}()
		code, err := handle(w, req)
		if err == nil {
			return code
		}
		refusal, ok := errors.AsType[*Error](err)
		if !ok {
			refusal = ErrUnavailable
		}
		return refuse(w, refusal)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		start := clk.Now()
		code := answer(w, req)
		requests.WithLabelValues(strconv.Itoa(code)).Inc()
		duration.Observe(clk.Since(start).Seconds())
	})
}
