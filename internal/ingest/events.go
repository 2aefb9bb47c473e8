package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/binding/spec"
	"github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/utils/clock"

	"numberfleet.dev/numberfleet/internal/cloudevents"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/receipts"
)

const (
	// EventsPath is where events are posted.
	EventsPath = "/v1/events"

	// MaxEvents is how many events one request may bring, in MaxBody bytes.
	MaxEvents = 10_000

	// MaxEvent is how long one event may be, in bytes: CloudEvents asks for that much.
	MaxEvent = 64 << 10

	// maxEventsBuffered bounds the bodies of events in memory at one time, in bytes. What is read out of one takes several
	// times its size.
	maxEventsBuffered = 32 << 20

	// deniedAfter is when a caller is told that it may not, so that the time tells nothing of what was asked for it.
	deniedAfter = 250 * time.Millisecond
)

// EventBackend is where events go.
type EventBackend struct {
	Backend
	Directory Directory
}

// EventOptions say how an EventReceiver is made. Log is optional.
type EventOptions struct {
	Access  *Access
	Clock   clock.PassiveClock // event time
	Metrics prometheus.Registerer
	Log     logr.Logger
}

// EventReceiver is the HTTP handler of the event API. It takes CloudEvents from platforms whose webhooks are not Meta's, all
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
type EventReceiver struct {
	access  *Access
	clock   clock.PassiveClock
	metrics *eventMetrics
	log     logr.Logger

	backend atomic.Pointer[EventBackend]
	bodies  *bodies
}

// NewEventReceiver returns a receiver without a backend.
func NewEventReceiver(options EventOptions) (*EventReceiver, error) {
	if options.Access == nil || options.Clock == nil || options.Metrics == nil {
		return nil, errors.New("a receiver of events needs access, a clock and a registerer of metrics")
	}
	metrics, err := newEventMetrics(options.Metrics)
	if err != nil {
		return nil, err
	}
	return &EventReceiver{
		access: options.Access, clock: options.Clock, metrics: metrics, log: options.Log, bodies: newBodies(maxEventsBuffered),
	}, nil
}

// SetBackend says where events go from now on. Until then senders are asked to try again.
func (r *EventReceiver) SetBackend(backend *EventBackend) { r.backend.Store(backend) }

// accepted is the body of the answer to events that are durable.
type accepted struct {
	Events int `json:"events"`
	// Of what the events brought: what changed something, what was known already, and what came too late to count.
	New      int `json:"new"`
	Repeated int `json:"repeated"`
	Expired  int `json:"expired"`
}

// refused is the body of every other answer. Line counts from 1, Index from 0.
type refused struct {
	Error string `json:"error"`
	Line  int    `json:"line,omitempty"`
	Index *int   `json:"index,omitempty"`
	Field string `json:"field,omitempty"`
}

// eventAnswer is what a request gets.
type eventAnswer struct {
	code int
	body any
	wait *time.Timer // for what to wait before answering; may be nil
}

func refuse(a answer) eventAnswer { return eventAnswer{code: a.code, body: refused{Error: a.text}} }

// refuseEvent answers with what is wrong with one of the events.
func refuseEvent(code int, err *cloudevents.Error) eventAnswer {
	body := refused{Error: err.Error(), Line: err.Line, Field: err.Field}
	if err.Item > 0 {
		body.Index = new(err.Item - 1)
	}
	return eventAnswer{code: code, body: body}
}

// ServeHTTP implements http.Handler.
func (r *EventReceiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	start := r.clock.Now()
	defer func() {
		// The panic's value may hold what was read; the stack says where.
		if p := recover(); p != nil {
			r.log.Error(fmt.Errorf("panic with a %T", p), "A request with events failed", "stack", string(debug.Stack()))
			r.reply(w, refuse(answer{http.StatusInternalServerError, "internal error"}), start)
		}
	}()
	a := r.answer(w, req)
	if a.wait != nil {
		select {
		case <-a.wait.C:
		case <-req.Context().Done():
		}
	}
	r.reply(w, a, start)
}

func (r *EventReceiver) reply(w http.ResponseWriter, a eventAnswer, start time.Time) {
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("X-Content-Type-Options", "nosniff")
	switch a.code {
	case http.StatusUnauthorized:
		header.Set("WWW-Authenticate", "Bearer")
	case http.StatusMethodNotAllowed:
		header.Set("Allow", http.MethodPost)
	case http.StatusServiceUnavailable:
		header.Set("Retry-After", strconv.Itoa(retryAfter))
	}
	w.WriteHeader(a.code)
	if err := json.NewEncoder(w).Encode(a.body); err != nil {
		r.log.V(1).Info("An answer did not reach the sender of events") // which may be gone
	}
	r.metrics.request(a.code, r.clock.Since(start))
}

func (r *EventReceiver) answer(w http.ResponseWriter, req *http.Request) eventAnswer {
	// What can be refused is refused before the body is read.
	if req.URL.Path != EventsPath {
		return refuse(answer{http.StatusNotFound, "not found"})
	}
	if req.Method != http.MethodPost {
		return refuse(answer{http.StatusMethodNotAllowed, "method not allowed"})
	}
	if encoded(req.Header) {
		return refuse(answer{http.StatusUnsupportedMediaType, "the body must not be encoded"})
	}
	parse := parserOf(req.Header)
	if parse == nil {
		return refuse(answer{http.StatusUnsupportedMediaType, "Content-Type must be " + strings.Join([]string{event.ApplicationCloudEventsJSON,
			event.ApplicationCloudEventsBatchJSON, linesType, otherLinesType}, ", ") + ", or application/json with the attributes in headers"})
	}
	if req.ContentLength > MaxBody {
		return refuse(tooLong)
	}
	backend := r.backend.Load()
	if backend == nil {
		return refuse(unavailable)
	}
	caller, err := r.access.authenticate(req)
	if err != nil {
		return r.failed(req.Context(), err, "A caller of the event API could not be authenticated")
	}
	if caller == nil {
		return refuse(answer{http.StatusUnauthorized, "Authorization must be Bearer and a token of this cluster for the audience of the event API"})
	}

	body, bad := r.bodies.read(w, req)
	defer r.bodies.done(body)
	if bad.code != 0 {
		return refuse(bad)
	}
	events, err := parse(cloudevents.NewParser(), body.bytes)
	if err != nil {
		return r.malformed(err)
	}
	return r.take(req.Context(), backend, r.access.begin(caller, backend.Directory), events)
}

const (
	linesType      = "application/x-ndjson"
	otherLinesType = "application/jsonl"
)

// parserOf is what reads the body of a request with such headers; nil if nothing does.
func parserOf(header http.Header) func(*cloudevents.Parser, []byte) ([]cloudevents.Event, error) {
	bounds := cloudevents.Bounds{Events: MaxEvents, Bytes: MaxEvent}
	in := func(parse func(*cloudevents.Parser, []byte, cloudevents.Bounds) ([]cloudevents.Event, error)) func(*cloudevents.Parser, []byte) ([]cloudevents.Event, error) {
		return func(p *cloudevents.Parser, body []byte) ([]cloudevents.Event, error) { return parse(p, body, bounds) }
	}
	media, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil {
		media = ""
	}
	switch media {
	case event.ApplicationCloudEventsJSON:
		return in((*cloudevents.Parser).Parse)
	case event.ApplicationCloudEventsBatchJSON:
		return in((*cloudevents.Parser).ParseBatch)
	case linesType, otherLinesType:
		return in((*cloudevents.Parser).ParseLines)
	}
	message := cehttp.NewMessage(header, nil)
	if message.ReadEncoding() != binding.EncodingBinary {
		return nil
	}
	attribute := func(name string) string {
		value, _ := attributeOf(message, name).(string)
		return value
	}
	return func(p *cloudevents.Parser, body []byte) ([]cloudevents.Event, error) {
		return p.ParseAttributes(attribute, body, bounds)
	}
}

func attributeOf(message *cehttp.Message, name string) any {
	for kind := spec.ID; kind <= spec.Time; kind++ {
		if kind.String() == name {
			_, value := message.GetAttribute(kind)
			return value
		}
	}
	return nil
}

// take records events that are well-formed, if the caller may send all of them.
func (r *EventReceiver) take(ctx context.Context, backend *EventBackend, rights *rights, events []cloudevents.Event) eventAnswer {
	now := r.clock.Now()
	latest := now.Add(counts.Ahead)
	for i := range events {
		if events[i].Time.After(latest) {
			return r.malformed(events[i].Refuse("time", "must be a time that has come, but lies too far ahead"))
		}
	}
	denied := time.NewTimer(deniedAfter)
	names := backend.names()
	for i := range events {
		if names != nil {
			events[i].Resolve(names.Subject)
		}
		may, err := rights.send(ctx, &events[i])
		if err != nil {
			return r.failed(ctx, err, "A caller of the event API could not be authorised")
		}
		if !may {
			r.log.Info("Events were refused: their sender has no right to send them", "sender", rights.sender())
			a := refuseEvent(http.StatusForbidden, forbidden(&events[i]))
			a.wait = denied
			return a
		}
	}
	denied.Stop()

	batch, wrong, err := recordEvents(ctx, backend, events)
	if err != nil {
		return r.failed(ctx, err, "What events are about could not be looked up")
	}
	if wrong != nil {
		return r.malformed(wrong)
	}
	appended, err := backend.Ledger.Append(ctx, *batch, now)
	if err != nil {
		return r.failed(ctx, err, "Events could not be stored; their sender is asked to send them again")
	}
	backend.Receipts.Take(now, batch, &receipts.Request{Failures: failuresOf(events)})
	strays := unclaimed(batch, backend.Known)
	if strays > 0 {
		backend.Unclaimed.add(sightingsOf(batch, backend.Known), now)
	}
	r.metrics.stored(events, appended, strays)
	return eventAnswer{code: http.StatusOK, body: accepted{
		Events: len(events), New: appended.New, Repeated: appended.Repeated, Expired: appended.Expired,
	}}
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

// malformed answers to events of which one is wrong. What is wrong is logged: it quotes nothing.
func (r *EventReceiver) malformed(err error) eventAnswer {
	r.log.Info("Events were refused", "problem", err.Error())
	if wrong, ok := errors.AsType[*cloudevents.Error](err); ok {
		return refuseEvent(http.StatusBadRequest, wrong)
	}
	if _, many := errors.AsType[*cloudevents.ManyError](err); many {
		return refuse(answer{http.StatusRequestEntityTooLarge, err.Error()})
	}
	return refuse(answer{http.StatusBadRequest, "the events could not be read"})
}

// failed asks the sender to try again.
func (r *EventReceiver) failed(ctx context.Context, err error, what string) eventAnswer {
	// Whoever sent them may have hung up; and strangers do not fill the log.
	if ctx.Err() == nil && !errors.Is(err, errReviews) {
		r.log.Error(err, what)
	}
	return refuse(unavailable)
}
