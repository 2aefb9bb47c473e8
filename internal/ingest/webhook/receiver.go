// Package webhook receives Meta's webhooks over HTTP. Meta sends a webhook that is not acknowledged again, for up to seven days.
package webhook

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/utils/clock"

	"numberfleet.dev/numberfleet/internal/ingest"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/meta"
	"numberfleet.dev/numberfleet/internal/receipts"
	"numberfleet.dev/numberfleet/internal/records"
	"numberfleet.dev/numberfleet/internal/server"
	"numberfleet.dev/numberfleet/internal/unclaimed"
)

const (
	// DefaultPath is where webhooks are received; those of an App below it.
	DefaultPath = "/webhooks/whatsapp"

	// MaxBody is the longest body that is read, in bytes: Meta sends up to 3 MB.
	MaxBody = 3 << 20

	// maxBuffered bounds the bodies in memory at one time, in bytes: a body must be read whole before it is known whether
	// Meta signed it.
	maxBuffered = 128 << 20

	maxChallenge = 256 // bytes: Meta's has ten digits
)

// Options say how a Receiver is made. Path and Log are optional.
type Options struct {
	Path    string // DefaultPath if empty
	Apps    []App  // one at least
	Owners  Owners // needed where an app has accounts
	Clock   clock.PassiveClock
	Metrics prometheus.Registerer
	Log     logr.Logger
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
	apps    map[string]*app // by path
	unknown http.Handler    // of paths that are no app's
	owners  Owners
	clock   clock.PassiveClock
	log     logr.Logger

	backend atomic.Pointer[ingest.Backend]
	bodies  *server.Bodies
	pool    sync.Pool // of *ingest.Received
}

// NewReceiver returns a receiver without a backend. Its metrics must not be registered yet.
func NewReceiver(options Options) (*Receiver, error) {
	if options.Clock == nil || options.Metrics == nil || len(options.Apps) == 0 {
		return nil, errors.New("a receiver needs apps, a clock and a registerer of metrics")
	}
	r := &Receiver{
		apps: map[string]*app{}, owners: options.Owners, clock: options.Clock, log: options.Log, bodies: server.NewBodies(MaxBody, maxBuffered),
	}
	r.pool.New = func() any { return new(ingest.Received) }
	unnamed := newMetrics(options.Metrics, "")
	for _, of := range options.Apps {
		path := cmp.Or(options.Path, DefaultPath)
		if of.Name != "" {
			path += "/" + of.Name
		}
		switch {
		case r.apps[path] != nil:
			return nil, fmt.Errorf("every app needs a name of its own, not %q", of.Name)
		case of.Credentials == nil:
			return nil, fmt.Errorf("the app %q needs credentials", of.Name)
		case len(of.Accounts) > 0 && options.Owners == nil:
			return nil, fmt.Errorf("the app %q has accounts, and nothing says what belongs to them", of.Name)
		}
		metrics := unnamed
		if of.Name != "" {
			metrics = newMetrics(options.Metrics, of.Name)
		}
		r.apps[path] = r.newApp(&of, metrics)
	}
	notFound := func(http.ResponseWriter, *http.Request) (int, error) { return 0, server.ErrNotFound }
	r.unknown = unnamed.instrument(notFound, r.log, r.clock)
	return r, nil
}

// SetBackend says where updates go from now on. Until there is a backend, and after it was set to nil, the receiver asks
// Meta to try again: set it once this replica leads and its ledger and caches are there. Requests under way finish with
// the backend they began with.
func (r *Receiver) SetBackend(backend *ingest.Backend) { r.backend.Store(backend) }

// Receives says whether webhooks about a WhatsApp Business account can be taken: an app that may speak about it has its secret. Without an
// account it says so of a number that no resource gives to one, of which every app may speak.
func (r *Receiver) Receives(account string) bool {
	for _, app := range r.apps {
		if app.credentials.get().ready() && (app.accounts == nil || account == "" || app.accounts[account]) {
			return true
		}
	}
	return false
}

// Subscribe has changed called whenever Receives may say something else. It must not wait for anything.
func (r *Receiver) Subscribe(changed func()) {
	for _, app := range r.apps {
		app.credentials.subscribe(changed)
	}
}

// ServeHTTP implements http.Handler.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if app := r.apps[req.URL.Path]; app != nil {
		app.handler.ServeHTTP(w, req)
		return
	}
	r.unknown.ServeHTTP(w, req)
}

// serve answers a request to an app, and returns the code.
func (r *Receiver) serve(app *app, w http.ResponseWriter, req *http.Request) (code int, err error) {
	answer := ""
	switch req.Method {
	case http.MethodGet:
		answer, err = handshake(app, req)
	case http.MethodPost:
		err = r.receive(app, w, req)
	default:
		err = server.ErrMethodNotAllowed
	}
	if err != nil {
		return 0, err
	}
	return reply(w, http.StatusOK, answer), nil
}

func refuse(w http.ResponseWriter, err *server.Error) (code int) {
	if err.Code == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", "GET, POST")
	}
	return reply(w, err.Code, err.Message)
}

func reply(w http.ResponseWriter, code int, text string) int {
	contentType := ""
	if text != "" {
		contentType = "text/plain; charset=utf-8"
	}
	server.WriteHeader(w, code, contentType)
	_, _ = io.WriteString(w, text) //nolint:gosec // it is plain text; whoever asked may be gone
	return code
}

// handshake answers Meta's question whether this is the right place, asked when the webhook is set up.
func handshake(app *app, req *http.Request) (challenge string, err error) {
	query := req.URL.Query()
	challenge = query.Get("hub.challenge")
	if query.Get("hub.mode") != "subscribe" || !printable(challenge) || !app.credentials.get().verifyToken(query.Get("hub.verify_token")) {
		return "", &server.Error{Code: http.StatusForbidden, Message: "forbidden"}
	}
	return challenge, nil
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

var errUnsigned = &server.Error{Code: http.StatusUnauthorized,
	Message: "no app secret of the receiver signed this body: X-Hub-Signature-256 must be sha256= and the body's HMAC-SHA256 in hex"}

// receive takes a POST.
func (r *Receiver) receive(app *app, w http.ResponseWriter, req *http.Request) error {
	// Refuse before the body is read what can be refused without it.
	if err := r.bodies.Check(req); err != nil {
		return err
	}
	secrets, backend := app.credentials.get(), r.backend.Load()
	if backend == nil || !secrets.ready() {
		return server.ErrUnavailable
	}
	signature, ok := signatureOf(req.Header)
	if !ok {
		return errUnsigned
	}
	now := r.clock.Now()
	received := r.pool.Get().(*ingest.Received)
	received.Entries, received.Reports, received.Displays = received.Entries[:0], received.Reports[:0], received.Displays[:0]
	var updates tally
	// Body and parser are given back before the ledger is waited for.
	err := r.bodies.Read(w, req, func(body []byte) (err error) {
		if !secrets.verifyBody(body, &signature) {
			return errUnsigned
		}
		if err := backend.Ledger.Fresh(); err != nil {
			return err
		}
		updates, err = r.read(req.Context(), app, body, backend, now, received)
		return err
	})
	if err != nil {
		r.pool.Put(received)
		return err
	}
	stored, unclaimed, err := backend.Store(req.Context(), received, now)
	if err != nil {
		if req.Context().Err() == nil { // otherwise whoever sent them hung up
			app.metrics.unstored.Inc()
			r.log.Error(err, "Webhook updates could not be stored; Meta will send them again")
		}
		return err
	}
	app.metrics.received(now, &updates, unclaimed, stored)
	r.pool.Put(received)
	return nil
}

// read parses a signed body, takes what the app may speak about into received, and counts the updates.
func (r *Receiver) read(ctx context.Context, app *app, body []byte, backend *ingest.Backend, now time.Time, received *ingest.Received) (tally, error) {
	updates, err := meta.ParseOf(body, now.Add(counts.Ahead), app.allowed(), backend.Ledger)
	if err != nil {
		r.log.Info("A signed webhook was refused", "app", app.name, "problem", err.Error())
		code := http.StatusBadRequest
		if _, many := errors.AsType[*meta.TooManyError](err); many {
			code = http.StatusRequestEntityTooLarge
		}
		return tally{}, &server.Error{Code: code, Message: err.Error()}
	}
	defer updates.Release()
	if n := len(updates.Unread); n > 0 {
		// Meta differs from its documentation, or the parser from both: an operator should know.
		r.log.Info("Part of a signed webhook could not be read, and was passed over", "app", app.name, "parts", n, "problem", updates.Unread[0].Error())
	}
	records.Add(&received.Batch, updates, backend.Hasher)
	received.Request = requestOf(updates, now)
	if app.accounts != nil {
		denied, err := app.authorize(ctx, received, len(updates.Claims), r.owners)
		if err != nil { // what is stored cannot be taken back
			r.log.Info("A webhook waits, since it cannot be told yet whose numbers it is about", "app", app.name, "problem", err.Error())
			return tally{}, server.ErrUnavailable
		}
		if updates.Foreign > 0 {
			denied.add(updates.Foreign, "an entry", printableID(updates.ForeignAccount))
		}
		if denied.updates > 0 {
			if err := r.refuseDenied(app, &denied, len(received.Entries)+len(received.Reports)+len(received.Failures)); err != nil {
				return tally{}, err
			}
		}
	}
	received.Activity = activity(updates, backend.Known)
	return tallyOf(updates), nil
}

// requestOf is what a webhook brings that the ledger does not keep. It aliases nothing of the updates.
func requestOf(u *meta.Updates, now time.Time) (request receipts.Request) {
	for i := range u.Deliveries {
		if d := &u.Deliveries[i]; d.Category != meta.NoCategory {
			request.Delivered = append(request.Delivered, receipts.Delivered{Number: d.Number, Category: d.Category})
		}
	}
	for i := range u.Failures {
		failed := receipts.Failure{Number: u.Failures[i].Number, Code: u.Failures[i].Code, At: now}
		if at := u.Failures[i].At; at > 0 {
			failed.At = time.Unix(at, 0).UTC()
		}
		request.Failures = append(request.Failures, failed)
	}
	return request
}

// activity is what a webhook brings about numbers that are not known. It aliases nothing of the updates.
func activity(u *meta.Updates, known func(number string) bool) (all []unclaimed.Activity) {
	if known == nil {
		return nil
	}
	for i := range u.Named {
		if n := &u.Named[i]; n.Number != "" && !known(n.Number) {
			all = append(all, unclaimed.Activity{Subject: n.Number, ID: strings.Clone(n.ID), Account: printableID(n.Account), Updates: int64(n.Updates)})
		}
	}
	return all
}
