package webhook

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	clocktesting "k8s.io/utils/clock/testing"

	"numberfleet.dev/numberfleet/internal/config"
	"numberfleet.dev/numberfleet/internal/ingest"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/meta/metatest"
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/server"
	"numberfleet.dev/numberfleet/internal/server/servertest"
)

const (
	number    = "+15550001111"
	appSecret = "s3cr3t-of-the-app"
	token     = "t0ken-to-verify"
)

var now = time.Unix(1790000000, 0)

// recorder is a ledger that keeps what it was given.
type recorder struct {
	batches  []counts.Batch
	appended counts.Outcome
	err      error
	stale    error // what Fresh says
	panics   bool
}

// Subject names a number as it is displayed.
func (*recorder) Subject(_, number string) string { return number }

func (l *recorder) Fresh() error { return l.stale }

func (l *recorder) Append(_ context.Context, batch counts.Batch, _ time.Time) (counts.Outcome, error) {
	if l.panics {
		panic("the ledger was given 15557770000")
	}
	if l.err != nil {
		return counts.Outcome{}, l.err
	}
	l.batches = append(l.batches, counts.Batch{
		Entries: append([]counts.Entry(nil), batch.Entries...), Reports: append([]report.Report(nil), batch.Reports...),
	})
	return l.appended, nil
}

// tableHasher gives every id a key of its own that a test can foretell.
type tableHasher struct{ ids []string }

func (h *tableHasher) key(id string) uint64 {
	for i, known := range h.ids {
		if known == id {
			return uint64(i + 1)
		}
	}
	h.ids = append(h.ids, strings.Clone(id))
	return uint64(len(h.ids))
}

func (h *tableHasher) User(id string) counts.UserKey       { return counts.UserKey(h.key(id)) }
func (h *tableHasher) Message(id string) counts.MessageKey { return counts.MessageKey(h.key(id)) }
func (h *tableHasher) Chat(id string) counts.ChatKey       { return counts.ChatKey(h.key(id)) }

// fixture is a receiver with all that it needs.
type fixture struct {
	*Receiver
	ledger  *recorder
	hasher  *tableHasher
	metrics *prometheus.Registry
	dir     string
	logs    *servertest.Logs
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{ledger: &recorder{}, hasher: &tableHasher{}, metrics: prometheus.NewRegistry(), dir: t.TempDir(), logs: &servertest.Logs{}}
	log := f.logs.Logger()
	servertest.Write(t, f.dir, config.AppSecretKey, appSecret+"\n")
	servertest.Write(t, f.dir, config.VerifyTokenKey, token)
	receiver, err := NewReceiver(Options{
		Apps: []App{{Credentials: NewCredentials(f.dir, log)}}, Clock: clocktesting.NewFakePassiveClock(now), Metrics: f.metrics, Log: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	f.Receiver = receiver
	f.SetBackend(&ingest.Backend{Ledger: f.ledger, Hasher: f.hasher})
	return f
}

func (f *fixture) do(req *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	f.ServeHTTP(w, req)
	return w
}

func (f *fixture) post(body []byte) *httptest.ResponseRecorder { return f.do(signed(body, appSecret)) }

// expectMetric compares all of a counter, one line per label.
func (f *fixture) expectMetric(t *testing.T, name, want string) {
	t.Helper()
	if got := servertest.Counter(t, f.metrics, name); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func signed(body []byte, secret string) *http.Request {
	req := httptest.NewRequest(http.MethodPost, DefaultPath, bytes.NewReader(body))
	req.Header.Set("X-Hub-Signature-256", metatest.Sign(secret, body))
	return req
}

func delivered(n int) []byte {
	statuses := make([]metatest.Status, n)
	for i := range statuses {
		statuses[i] = metatest.Status{ID: fmt.Sprintf("wamid.%05d", i), Status: "delivered", Phone: "15557770000", At: now}
	}
	return metatest.MessagesPayload(number, statuses, nil)
}

func TestTheHandshakeAnswersWithTheChallenge(t *testing.T) {
	f := newFixture(t)
	for _, test := range []struct {
		name, mode, token, challenge string
		code                         int
	}{
		{"right", "subscribe", token, "1158201444", 200},
		{"wrong token", "subscribe", token + "x", "1158201444", 403},
		{"no token", "subscribe", "", "1158201444", 403},
		{"wrong mode", "unsubscribe", token, "1158201444", 403},
		{"no challenge", "subscribe", token, "", 403},
		{"longest challenge", "subscribe", token, strings.Repeat("1", 256), 200},
		{"longer challenge", "subscribe", token, strings.Repeat("1", 257), 403},
		{"a challenge that is no text", "subscribe", token, "1\n2", 403},
	} {
		query := url.Values{"hub.mode": {test.mode}, "hub.verify_token": {test.token}, "hub.challenge": {test.challenge}}
		w := f.do(httptest.NewRequest(http.MethodGet, DefaultPath+"?"+query.Encode(), nil))
		if w.Code != test.code || test.code == 200 && w.Body.String() != test.challenge {
			t.Errorf("%s: got %d %q", test.name, w.Code, w.Body)
		}
		if got := w.Header().Get("Content-Type"); !strings.HasPrefix(got, "text/plain") || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: the answer may be read as %q", test.name, got)
		}
	}
}

func TestEveryAnswerHasItsCode(t *testing.T) {
	small := delivered(1)
	with := func(req *http.Request, change func(*http.Request)) *http.Request { change(req); return req }
	long := append(bytes.Clone(small), bytes.Repeat([]byte(" "), MaxBody+1-len(small))...)
	for _, test := range []struct {
		name  string
		code  int
		req   *http.Request
		setup func(*fixture)
	}{
		{"a signed body", 200, signed(small, appSecret), nil},
		{"another path", 404, httptest.NewRequest(http.MethodPost, DefaultPath+"/", nil), nil},
		{"another method", 405, httptest.NewRequest(http.MethodPut, DefaultPath, nil), nil},
		{"a HEAD", 405, httptest.NewRequest(http.MethodHead, DefaultPath, nil), nil},
		{"no signature", 401, with(signed(small, appSecret), func(r *http.Request) { r.Header.Del("X-Hub-Signature-256") }), nil},
		{"another secret's signature", 401, signed(small, "other"), nil},
		{"SHA-1", 401, with(signed(small, appSecret), func(r *http.Request) { r.Header.Set("X-Hub-Signature-256", "sha1="+strings.Repeat("0", 64)) }), nil},
		{"no hex", 401, with(signed(small, appSecret), func(r *http.Request) { r.Header.Set("X-Hub-Signature-256", "sha256="+strings.Repeat("g", 64)) }), nil},
		{"half a signature", 401, with(signed(small, appSecret), func(r *http.Request) {
			r.Header.Set("X-Hub-Signature-256", r.Header.Get("X-Hub-Signature-256")[:39])
		}), nil},
		{"an unsigned body that is not JSON", 401, signed([]byte("{"), "other"), nil},
		{"a signed body that is not JSON", 400, signed([]byte("{"), appSecret), nil},
		{"an empty body", 400, signed(nil, appSecret), nil},
		{"another product's body", 200, signed([]byte(`{"object":"page","entry":[{"id":"1","messaging":[]}]}`), appSecret), nil},
		{"a body with nothing that can be read", 200, signed([]byte(`{"object":"whatsapp_business_account","entry":[7,{"changes":[{"field":"messages"}]}]}`), appSecret), nil},
		{"gzip", 415, with(signed(small, appSecret), func(r *http.Request) { r.Header.Set("Content-Encoding", "gzip") }), nil},
		{"identity", 200, with(signed(small, appSecret), func(r *http.Request) { r.Header.Set("Content-Encoding", "identity") }), nil},
		{"a body that is too long", 413, signed(long, appSecret), nil},
		{"a body that is too long without saying so", 413, with(signed(long, appSecret), func(r *http.Request) { r.ContentLength = -1 }), nil},
		{"a body of the greatest length", 200, signed(long[:MaxBody], appSecret), nil},
		{"a body cut off", 400, with(signed(small, appSecret), func(r *http.Request) { r.Body = io.NopCloser(cutOff{}) }), nil},
		{"a body that comes too slowly", 408, with(signed(small, appSecret), func(r *http.Request) { r.Body = io.NopCloser(tooSlow{}) }), nil},
		{"1,000 updates", 200, signed(delivered(1000), appSecret), nil},
		{"1,001 updates", 413, signed(delivered(1001), appSecret), nil},
		{"no backend", 503, signed(small, appSecret), func(f *fixture) { f.SetBackend(nil) }},
		{"a ledger that fails", 503, signed(small, appSecret), func(f *fixture) { f.ledger.err = errors.New("the disk is full") }},
		{"a closed ledger", 503, signed(small, appSecret), func(f *fixture) { f.ledger.err = ledger.ErrClosed }},
		{"too many bodies at once", 503, signed(small, appSecret), func(f *fixture) { f.bodies = server.NewBodies(MaxBody, 1) }},
		{"a panic", 500, signed(small, appSecret), func(f *fixture) { f.ledger.panics = true }},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t)
			if test.setup != nil {
				test.setup(f)
			}
			w := f.do(test.req)
			if w.Code != test.code {
				t.Fatalf("got %d %s", w.Code, w.Body)
			}
			if stored := len(f.ledger.batches) == 1; stored != (test.code == 200) {
				t.Errorf("stored: %v", stored)
			}
			if later := w.Header().Get("Retry-After") != ""; later != (test.code == 503) {
				t.Errorf("to be tried again: %v", later)
			}
			f.expectMetric(t, "numberfleet_webhook_requests_total", fmt.Sprintf(`numberfleet_webhook_requests_total{code="%d"} 1`, test.code))
			unstored := 0
			if f.ledger.err != nil {
				unstored = 1
			}
			f.expectMetric(t, "numberfleet_webhook_unstored_requests_total", fmt.Sprintf("numberfleet_webhook_unstored_requests_total %d", unstored))
			for _, personal := range []string{"15557770000", "15550001111", "wamid", appSecret, token} {
				if strings.Contains(f.logs.String(), personal) || strings.Contains(w.Body.String(), personal) {
					t.Errorf("%q is in the answer %s or the logs\n%s", personal, w.Body, f.logs)
				}
			}
		})
	}
}

type cutOff struct{}

func (cutOff) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

type tooSlow struct{}

func (tooSlow) Read([]byte) (int, error) {
	return 0, fmt.Errorf("read tcp: %w", os.ErrDeadlineExceeded)
}

func TestAGzippedBodyIsRefusedThoughItIsSigned(t *testing.T) {
	f := newFixture(t)
	var body bytes.Buffer
	w := gzip.NewWriter(&body)
	_, _ = w.Write(delivered(1))
	_ = w.Close()
	if got := f.post(body.Bytes()); got.Code != 400 { // not said to be gzip: it is simply no JSON
		t.Errorf("got %d", got.Code)
	}
	req := signed(body.Bytes(), appSecret)
	req.Header.Set("Content-Encoding", "gzip")
	if got := f.do(req); got.Code != 415 {
		t.Errorf("got %d", got.Code)
	}
}

// The signature is over the bytes as they came: the same JSON in other bytes is another body.
func TestTheSignatureIsOverTheRawBytes(t *testing.T) {
	f := newFixture(t)
	body := delivered(1)
	req := signed(body, appSecret)
	req.Body = io.NopCloser(bytes.NewReader(append(bytes.Clone(body), '\n')))
	req.ContentLength++
	if w := f.do(req); w.Code != 401 {
		t.Errorf("a changed body got %d", w.Code)
	}
	escaped := bytes.Replace(body, []byte(`"delivered"`), []byte(`"\u0064elivered"`), 1)
	if w := f.post(escaped); w.Code != 200 || len(f.ledger.batches[0].Entries) != 1 {
		t.Errorf("a body with escapes got %d", w.Code)
	}
}

func TestNothingIsAcknowledgedUntilTheLedgerHasIt(t *testing.T) {
	f := newFixture(t)
	f.ledger.err = errors.New("the disk is full")
	if w := f.post(delivered(3)); w.Code != 503 {
		t.Fatalf("got %d", w.Code)
	}
	const updates = "numberfleet_webhook_updates_total"
	f.expectMetric(t, updates, kinds(updates, nil))
	f.ledger.err = nil
	if w := f.post(delivered(3)); w.Code != 200 || w.Body.Len() != 0 {
		t.Fatalf("got %d %s", w.Code, w.Body)
	}
	f.expectMetric(t, updates, kinds(updates, map[string]int{"delivered": 3}))
	if len(f.ledger.batches) != 1 || len(f.ledger.batches[0].Entries) != 3 {
		t.Errorf("got %v", f.ledger.batches)
	}
}

// An item that cannot be read would be the same however often it came again: it keeps back nothing that came with it.
func TestOneBadItemIsPassedOverAndNamed(t *testing.T) {
	f := newFixture(t)
	body := metatest.MessagesPayload(number, []metatest.Status{
		{ID: "wamid.A", Status: "delivered", Phone: "15557770000", At: now},
		{ID: "wamid.B", Status: "delivered", At: now},
	}, nil)
	if w := f.post(body); w.Code != 200 || len(f.ledger.batches) != 1 || len(f.ledger.batches[0].Entries) != 1 {
		t.Errorf("got %d %s and %v", w.Code, w.Body, f.ledger.batches)
	}
	const path = "entry[0].changes[0].value.statuses[1].recipient_id"
	if !strings.Contains(f.logs.String(), path) || strings.Contains(f.logs.String(), "15557770000") {
		t.Errorf("the path is not in the logs, or a user is\n%s", f.logs)
	}
	const updates = "numberfleet_webhook_updates_total"
	f.expectMetric(t, updates, kinds(updates, map[string]int{"delivered": 1, "unread": 1}))
}

func TestATimeAheadIsRefusedAndAnOldOneLeftToTheLedger(t *testing.T) {
	for _, test := range []struct {
		at   time.Time
		code int
	}{
		{now.Add(counts.Ahead), 200},
		{now.Add(counts.Ahead + time.Second), 400},
		{now.Add(-counts.Kept - counts.Lateness - time.Hour), 200},
	} {
		f := newFixture(t)
		f.ledger.appended.Expired = 1
		w := f.post(metatest.MessagesPayload(number, []metatest.Status{{ID: "m", Status: "read", Phone: "1", At: test.at}}, nil))
		if w.Code != test.code || test.code == 400 && !strings.HasPrefix(w.Body.String(), "entry[0].changes[0].value.statuses[0].timestamp must") {
			t.Errorf("%s: got %d %s", test.at.Sub(now), w.Code, w.Body)
		}
	}
}

// Where the clock is wrong by which they would be judged, webhooks are to come again, whenever they say that it happened.
func TestNothingIsJudgedByAWrongClock(t *testing.T) {
	for _, at := range []time.Duration{0, -40 * 24 * time.Hour, 2 * time.Hour, 8 * 24 * time.Hour} {
		f := newFixture(t)
		f.ledger.stale = ledger.ErrUnavailable
		w := f.post(metatest.MessagesPayload(number, []metatest.Status{{ID: "m", Status: "read", Phone: "1", At: now.Add(at)}}, nil))
		if w.Code != http.StatusServiceUnavailable || len(f.ledger.batches) > 0 {
			t.Errorf("of %s from now: got %d %s", at, w.Code, w.Body)
		}
	}
}
