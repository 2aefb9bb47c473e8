// Package ingest receives webhooks over HTTP and turns them into ledger records.
//
// A request is acknowledged after the ledger has made it durable, never before. Whatever else happens, the answer makes
// Meta send it again: it does so for up to seven days, and the ledger takes what it knows already without counting it.
//
// Nothing here writes a phone number, a user, a message or a secret to a log, an answer or a metric.
package ingest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/utils/clock"

	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/meta"
	"numberfleet.dev/numberfleet/internal/receipts"
	"numberfleet.dev/numberfleet/internal/records"
)

const (
	// DefaultPath is where webhooks are received; those of an App below it.
	DefaultPath = "/webhooks/whatsapp"

	// MaxBody is the longest body that is read, in bytes: Meta sends up to 3 MB.
	MaxBody = 3 << 20

	// maxBuffered bounds the bodies in memory at one time, in bytes: a body must be read whole before it is known whether
	// Meta signed it.
	maxBuffered = 128 << 20

	retryAfter   = 10  // seconds
	maxChallenge = 256 // bytes: Meta's has ten digits
)

// Appender is what the receiver needs of a ledger. The batch is the caller's again once Append has returned nil.
type Appender interface {
	Append(ctx context.Context, batch counts.Batch, now time.Time) (counts.Appended, error)
}

// Backend is where updates go.
type Backend struct {
	Ledger Appender
	Hasher records.Hasher
	// Known reports whether a resource names the number, given by its subject in the ledger. Updates of others are kept as well, since
	// the resource may come later. Nil means that all are known.
	Known func(number string) bool
	// Unclaimed collects what Known does not know; it may be nil.
	Unclaimed *Unclaimed
	// Owners are asked about what an app with accounts sends. Without them nothing is taken of it.
	Owners Owners
	// Receipts are told of what was acknowledged. Optional.
	Receipts *receipts.Receipts
}

// names know numbers by the names that Meta has for them: the ledger does, unless it is none.
func (b *Backend) names() meta.Names {
	names, _ := b.Ledger.(meta.Names)
	return names
}

// Options say how a Receiver is made. Path and Log are optional, and so is one of Credentials and Apps.
type Options struct {
	Path        string       // DefaultPath if empty
	Credentials *Credentials // of the app whose path is Path itself, which is trusted to speak about all accounts
	Apps        []App        // with paths below it
	Clock       clock.PassiveClock
	Metrics     prometheus.Registerer
	Log         logr.Logger
}

// Receiver is the HTTP handler of the webhook. It answers:
//
//	200  the updates are durable, or the handshake is right
//	400  the body is no webhook, or is of a time to come; the answer names the field
//	401  no secret signed the body
//	403  the handshake is wrong, or all that would be stored is about accounts that the app may not speak about
//	404  another path, such as that of an app that is not known
//	405  another method
//	408  the body came too slowly
//	413  the body is longer than MaxBody, or holds more than meta.MaxUpdates
//	415  the body is encoded, such as by gzip
//	503  there is no backend, no secret or too little memory, or the ledger failed; to be tried again
type Receiver struct {
	apps  map[string]*app // by path
	stray *metrics        // of requests to no app
	clock clock.PassiveClock
	log   logr.Logger

	backend atomic.Pointer[Backend]
	bodies  *bodies
	batches sync.Pool // of *counts.Batch
}

// NewReceiver returns a receiver without a backend.
func NewReceiver(options Options) (*Receiver, error) {
	if options.Clock == nil || options.Metrics == nil {
		return nil, errors.New("a receiver needs a clock and a registerer of metrics")
	}
	path := cmp.Or(options.Path, DefaultPath)
	apps, err := apps(&options, path)
	if err != nil {
		return nil, err
	}
	r := &Receiver{apps: apps, clock: options.Clock, log: options.Log, bodies: newBodies(maxBuffered)}
	if unnamed := apps[path]; unnamed != nil {
		r.stray = unnamed.metrics
	} else if r.stray, err = newMetrics(options.Metrics, ""); err != nil {
		return nil, err
	}
	r.batches.New = func() any { return new(counts.Batch) }
	return r, nil
}

// SetBackend says where updates go from now on. Until there is a backend, and after it was set to nil, the receiver asks
// Meta to try again: set it once this replica leads and its ledger and caches are there. Requests under way finish with
// the backend they began with.
func (r *Receiver) SetBackend(backend *Backend) { r.backend.Store(backend) }

// Ready is a readiness check: an error says what the receiver lacks. It is ready with the secret of one app: what another
// lacks is no reason to turn away all of them, and is in the log and in a metric.
func (r *Receiver) Ready(*http.Request) error {
	if r.backend.Load() == nil {
		return errors.New("the receiver has no ledger yet")
	}
	var lacks []string
	for _, app := range r.apps {
		if app.credentials.get().ready() {
			return nil
		}
		lacks = append(lacks, strings.TrimSpace(app.name+" "+app.credentials.lacks()))
	}
	slices.Sort(lacks)
	return fmt.Errorf("the receiver has no app secret: %s", strings.Join(lacks, "; "))
}

// answer is what a request gets.
type answer struct {
	code int
	text string
}

var (
	unavailable = answer{http.StatusServiceUnavailable, "not ready, try again"}
	notFound    = answer{http.StatusNotFound, "not found"}
)

// ServeHTTP implements http.Handler.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	start := r.clock.Now()
	app, metrics := r.apps[req.URL.Path], r.stray
	if app != nil {
		metrics = app.metrics
	}
	defer func() {
		// The panic's value may hold what was read; the stack says where.
		if p := recover(); p != nil {
			r.log.Error(fmt.Errorf("panic with a %T", p), "A webhook request failed", "stack", string(debug.Stack()))
			r.reply(w, answer{http.StatusInternalServerError, "internal error"}, metrics, start)
		}
	}()
	r.reply(w, r.answer(app, w, req), metrics, start)
}

func (r *Receiver) reply(w http.ResponseWriter, a answer, metrics *metrics, start time.Time) {
	header := w.Header()
	switch a.code {
	case http.StatusMethodNotAllowed:
		header.Set("Allow", "GET, POST")
	case http.StatusServiceUnavailable:
		header.Set("Retry-After", strconv.Itoa(retryAfter))
	}
	if a.text != "" {
		header.Set("Content-Type", "text/plain; charset=utf-8")
		header.Set("X-Content-Type-Options", "nosniff")
	}
	w.WriteHeader(a.code)
	_, _ = io.WriteString(w, a.text) // whoever asked may be gone
	metrics.request(a.code, r.clock.Since(start))
}

func (r *Receiver) answer(app *app, w http.ResponseWriter, req *http.Request) answer {
	if app == nil {
		return notFound
	}
	switch req.Method {
	case http.MethodGet:
		return handshake(app, req)
	case http.MethodPost:
		return r.receive(app, w, req)
	default:
		return answer{http.StatusMethodNotAllowed, "method not allowed"}
	}
}

// handshake answers Meta's question whether this is the right place, asked when the webhook is set up.
func handshake(app *app, req *http.Request) answer {
	query := req.URL.Query()
	challenge := query.Get("hub.challenge")
	if query.Get("hub.mode") != "subscribe" || !printable(challenge) || !app.credentials.get().verifies(query.Get("hub.verify_token")) {
		return answer{http.StatusForbidden, "forbidden"}
	}
	return answer{http.StatusOK, challenge}
}

// printable reports whether a challenge can be echoed: not empty, not long, and in printable ASCII.
func printable(challenge string) bool {
	for i := range len(challenge) {
		if challenge[i] < ' ' || challenge[i] > '~' {
			return false
		}
	}
	return challenge != "" && len(challenge) <= maxChallenge
}

// receive takes a POST.
func (r *Receiver) receive(app *app, w http.ResponseWriter, req *http.Request) answer {
	if encoded(req.Header) {
		return answer{http.StatusUnsupportedMediaType, "the body must not be encoded"}
	}
	if req.ContentLength > MaxBody {
		return tooLong
	}
	// What can be refused is refused before the body is read.
	credentials := app.credentials.get()
	backend := r.backend.Load()
	if backend == nil || !credentials.ready() || app.accounts != nil && backend.Owners == nil {
		return unavailable
	}
	signature, ok := signatureOf(req.Header)
	if !ok {
		return unsigned
	}

	batch := r.batches.Get().(*counts.Batch)
	batch.Entries, batch.Reports, batch.Names = batch.Entries[:0], batch.Reports[:0], batch.Names[:0]
	now := r.clock.Now()
	counts, refused := r.read(app, w, req, credentials, &signature, backend, now, batch)
	if refused.code != 0 {
		r.batches.Put(batch)
		return refused
	}
	appended, err := backend.Ledger.Append(req.Context(), *batch, now)
	if err != nil {
		// The batch is not used again: whoever still works on it may not be done.
		if req.Context().Err() == nil { // otherwise whoever sent them hung up
			r.log.Error(err, "Webhook updates could not be stored; Meta will send them again")
		}
		return unavailable
	}
	backend.Receipts.Take(now, batch, &counts.request)
	app.metrics.stored(now, counts, appended)
	backend.Unclaimed.add(counts.sightings, now)
	r.batches.Put(batch)
	return answer{code: http.StatusOK}
}

var (
	tooLong  = answer{http.StatusRequestEntityTooLarge, "the body must have at most " + strconv.Itoa(MaxBody) + " bytes"}
	unsigned = answer{http.StatusUnauthorized, "no app secret of the receiver signed this body: X-Hub-Signature-256 must be sha256= and the body's HMAC-SHA256 in hex"}
)

// read reads a body into batch, and counts what it brought. A code other than zero says why it could not. Body and parser
// are given back before the ledger is waited for.
func (r *Receiver) read(app *app, w http.ResponseWriter, req *http.Request, credentials *secrets, signature *signature, backend *Backend,
	now time.Time, batch *counts.Batch,
) (tally, answer) {
	body, refused := r.bodies.read(w, req)
	defer r.bodies.done(body)
	if refused.code != 0 {
		return tally{}, refused
	}
	if !credentials.signed(body.bytes, signature) {
		return tally{}, unsigned
	}

	updates, err := meta.ParseOf(body.bytes, now.Add(counts.Ahead), app.hears(), backend.names())
	if err != nil {
		r.log.Info("A signed webhook was refused", "app", app.name, "problem", err.Error())
		if _, many := errors.AsType[*meta.TooManyError](err); many {
			return tally{}, answer{http.StatusRequestEntityTooLarge, err.Error()}
		}
		return tally{}, answer{http.StatusBadRequest, err.Error()}
	}
	defer updates.Release()
	if n := len(updates.Unread); n > 0 {
		// Meta's documents and Meta differ, or we are wrong. Either way someone should look.
		r.log.Info("Part of a signed webhook could not be read, and was passed over", "app", app.name, "parts", n, "problem", updates.Unread[0].Error())
	}
	records.Add(batch, updates, backend.Hasher)
	request := requestOf(updates, now)
	if app.accounts == nil {
		return count(updates, batch, backend.Known, request), answer{}
	}
	not, err := app.guard(req.Context(), batch, len(updates.Claims), &request, backend.Owners)
	if err != nil { // a forged history would stay
		r.log.Info("A webhook waits, since it cannot be told yet whose numbers it is about", "app", app.name, "problem", err.Error())
		return tally{}, unavailable
	}
	if updates.Foreign > 0 {
		not.add(updates.Foreign, "an entry", shown(updates.ForeignAccount))
	}
	if not.updates > 0 {
		refused = r.trespassed(app, not, len(batch.Entries)+len(batch.Reports)+len(request.Failures))
	}
	return count(updates, batch, backend.Known, request), refused
}
