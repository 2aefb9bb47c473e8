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
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	clocktesting "k8s.io/utils/clock/testing"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
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

// A user whose number changed counts once, by the phone number, by the new one and by the ids of both times.
func TestAUserWhoChangesNumberCountsOnce(t *testing.T) {
	l := ledger.OpenMemory()
	defer func() { _ = l.Close() }()
	f := newFixture(t)
	f.SetBackend(&ingest.Backend{Ledger: l, Hasher: l.Hasher()})
	at := now.Unix()
	change := fmt.Sprintf(`{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"messages","value":{"metadata":{"display_phone_number":"15550001111"},
		"messages":[{"from":"15557770000","id":"wamid.C","timestamp":"%d","type":"system","system":{"type":"user_changed_number","wa_id":"15557770009","user_id":"US.2","previous_user_id":"US.1"}}]}}]}]}`, at)
	bodies := [][]byte{
		metatest.MessagesPayload(number, []metatest.Status{{ID: "wamid.A", Status: "delivered", Phone: "15557770000", At: now.Add(-time.Minute)}}, nil),
		[]byte(change),
		metatest.MessagesPayload(number, []metatest.Status{{ID: "wamid.B", Status: "delivered", Phone: "15557770009", At: now}, {ID: "wamid.D", Status: "delivered", Scoped: "US.1", At: now}, {ID: "wamid.E", Status: "read", Scoped: "US.2", At: now}}, nil),
	}
	for range 2 {
		for _, body := range bodies {
			if w := f.post(body); w.Code != 200 {
				t.Fatalf("got %d %s", w.Code, w.Body)
			}
		}
	}
	since, to := now.Add(-time.Hour), now.Add(time.Hour)
	if users, messages := l.Count(number, v1alpha1.MeasureUniqueUsers, since, to), l.Count(number, v1alpha1.MeasureMessages, since, to); users != 1 || messages != 4 {
		t.Errorf("%d users are counted and %d messages: the change opens no window", users, messages)
	}
	const updates = "numberfleet_webhook_updates_total"
	f.expectMetric(t, updates, kinds(updates, map[string]int{"delivered": 8, "changed": 2}))
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

func TestUpdatesBecomeRecords(t *testing.T) {
	f := newFixture(t)
	for _, file := range []string{"delivered", "old_shape", "scoped_only", "groups", "inbound", "calls", "sent_and_failed", "flagged", "downgrade", "throughput", "other_fields", "template_quality", "template_status", "account_alerts", "account", "numbers"} {
		body, err := os.ReadFile(filepath.Join("..", "..", "meta", "testdata", file+".json"))
		if err != nil {
			t.Fatal(err)
		}
		if w := f.post(body); w.Code != 200 {
			t.Fatalf("%s: %d %s", file, w.Code, w.Body)
		}
	}
	user, message := f.hasher.User, f.hasher.Message
	want := [][]counts.Entry{
		{{Number: number, Kind: counts.Delivered, Category: counts.Marketing, User: user("15557770000"), Alias: user("US.123"), Message: message("wamid.A"), At: 1790000001}},
		{{Number: number, Kind: counts.Delivered, Category: counts.Marketing, User: user("15557770001"), Message: message("wamid.B"), At: 1790000002}},
		{
			{Number: number, Kind: counts.Delivered, User: user("US.124"), Message: message("wamid.C"), At: 1790000003},
			{Number: number, Kind: counts.Delivered, User: user("US.124"), Message: message("wamid.D"), At: 1790000004},
			{Number: number, Kind: counts.Received, User: user("US.124"), At: 1790000005},
		},
		{
			{Number: number, Kind: counts.Delivered, User: user("15557770002"), Alias: user("US.125"), Message: message("wamid.F"), Chat: f.hasher.Chat("group1"), At: 1790000006},
			{Number: number, Kind: counts.Received, User: user("15557770002"), Alias: user("US.125"), Chat: f.hasher.Chat("group1"), At: 1790000007},
		},
		{
			{Number: number, Kind: counts.Received, User: user("15557770003"), Alias: user("US.126"), At: 1790000008},
			{Number: number, Kind: counts.Received, User: user("15557770003"), Alias: user("US.126"), At: 1790000009},
			{Number: number, Kind: counts.AliasLinked, User: user("15557770003"), Alias: user("15557770004"), At: 1790000010},
		},
		{{Number: number, Kind: counts.Received, User: user("15557770005"), At: 1790000011}},
		{{Number: number, Kind: counts.Failed, User: user("15557770006"), Message: message("wamid.K"), At: 1790000013}},
		nil, nil, nil, nil, nil, nil, nil, nil, nil,
	}
	order, sale := report.TemplateSubject("2001", "order_update", "en_US"), report.TemplateSubject("2001", "spring_sale", "en")
	portfolio, account := report.PortfolioSubject("3001"), report.AccountSubject("2001")
	reports := map[int][]report.Report{
		7: {
			{Subject: report.ParseSubject(number), Kind: report.Quality, At: 1790000016, Value: "Low", Reason: "FLAGGED"},
			{Subject: report.ParseSubject(number), Kind: report.Connection, At: 1790000016, Value: "Flagged", Reason: "FLAGGED"},
			{Subject: report.ParseSubject(number), Kind: report.Limit, At: 1790000016, Value: "1000", Reason: "FLAGGED"},
		},
		8: {{Subject: report.ParseSubject(number), Kind: report.Limit, At: 1790000017, Value: "10000", Reason: "DOWNGRADE"}},
		11: {
			{Subject: order, Kind: report.Quality, At: 1790000021, Value: "Medium"},
			{Subject: order, Kind: report.Quality, At: 1790000021, Value: "Low"},
			{Subject: report.TemplateSubject("2002", "spring_sale", "pt_BR"), Kind: report.Quality, At: 1790000022, Value: "NA"},
		},
		12: {
			{Subject: order, Kind: report.TemplateState, At: 1790000023, Value: "Paused", Reason: "FIRST_PAUSE"},
			{Subject: order, Kind: report.TemplateState, At: 1790000023, Value: "Disabled"},
			{Subject: sale, Kind: report.TemplateState, At: 1790000023, Value: "Rejected", Reason: "INVALID_FORMAT: its parameters"},
			{Subject: sale, Kind: report.TemplateState, At: 1790000023, Value: "PendingDeletion"},
		},
		13: {
			{Subject: portfolio, Kind: report.Increase, At: 1790000024, Value: "Deferred", Reason: "Not yet."},
			{Subject: portfolio, Kind: report.Increase, At: 1790000024, Value: "NeedMoreInfo"},
			{Subject: report.NumberIDSubject("1001"), Kind: report.Alert, At: 1790000024, Value: "OBA_APPROVED", Reason: "It has a badge now."},
		},
		14: {
			{Subject: account, Kind: report.Limit, At: 1790000025, Value: "2000"},
			{Subject: account, Kind: report.Restriction, At: 1790000025, Value: "RESTRICTED_BIZ_INITIATED_MESSAGING", Reason: "Wait.", Until: 1790600000},
			{Subject: account, Kind: report.Restriction, At: 1790000025, Value: "RESTRICTED_UTILITY_TEMPLATES", Until: 1790600000},
			{Subject: account, Kind: report.Violation, At: 1790000025, Value: "SCAM"},
			{Subject: account, Kind: report.Ban, At: 1790000025, Value: "SCHEDULE_FOR_DISABLE", Reason: "April 17, 2025"},
			{Subject: account, Kind: report.Review, At: 1790000025, Value: "Approved"},
			{Subject: account, Kind: report.Verification, At: 1790000025, Value: "Verified"},
			{Subject: portfolio, Kind: report.Verification, At: 1790000025, Value: "Verified"},
		},
		15: {
			{Subject: report.ParseSubject(number), Kind: report.DisplayName, At: 1790000026, Value: "Rejected", Reason: "NAME_FORMAT_UNACCEPTABLE"},
			{Subject: report.ParseSubject(number), Kind: report.DisplayName, At: 1790000026, Value: "Approved"},
			{Subject: report.ParseSubject(number), Kind: report.Limit, At: 1790000026, Value: "2000", Reason: "ONBOARDING"},
		},
	}
	if len(f.ledger.batches) != len(want) {
		t.Fatalf("%d batches", len(f.ledger.batches))
	}
	for i, batch := range f.ledger.batches {
		if !reflect.DeepEqual(batch.Entries, want[i]) || !reflect.DeepEqual(batch.Reports, reports[i]) {
			t.Errorf("batch %d\n got %+v\nwant %+v and %+v", i, batch, want[i], reports[i])
		}
	}
	const updates, other = "numberfleet_webhook_updates_total", "numberfleet_webhook_other_changes_total"
	f.expectMetric(t, updates, kinds(updates, map[string]int{
		"delivered": 5, "received": 5, "sent": 1, "failed": 1, "report": 25, "preference": 2, "changed": 1, "skipped": 8, "other": 3,
	}))
	f.expectMetric(t, other, other+`{field="account_settings_update"} 1
`+other+`{field="flows"} 1
`+other+`{field="other"} 1`)
	const preferred = "numberfleet_webhook_marketing_preferences_total"
	f.expectMetric(t, preferred, preferred+`{kind="other"} 0
`+preferred+`{kind="resume"} 1
`+preferred+`{kind="stop"} 1`)
}

func TestWhatTheLedgerKnewAndWhatNobodyClaimsIsCounted(t *testing.T) {
	f := newFixture(t)
	f.ledger.appended = counts.Outcome{New: 1, Repeated: 2, Expired: 3}
	f.SetBackend(&ingest.Backend{Ledger: f.ledger, Hasher: f.hasher, Known: func(n string) bool { return n != number }})
	for _, body := range [][]byte{
		delivered(4), metatest.QualityUpdatePayload(number, "FLAGGED", "", now), metatest.QualityUpdatePayload("+15550002222", "FLAGGED", "", now),
	} {
		if w := f.post(body); w.Code != 200 {
			t.Fatalf("got %d %s", w.Code, w.Body)
		}
	}
	for name, want := range map[string]int{"repeated": 6, "expired": 9, "unclaimed": 6} {
		name = "numberfleet_webhook_" + name + "_updates_total"
		f.expectMetric(t, name, fmt.Sprintf("%s %d", name, want))
	}
}

// A receiver, a ledger and Meta's redelivery: what is reported about templates, accounts and portfolios is there once, in order.
func TestReportsAboutWhatIsNoNumberAreKeptOnce(t *testing.T) {
	f := newFixture(t)
	l := ledger.OpenMemory()
	asked := 0
	f.SetBackend(&ingest.Backend{Ledger: l, Hasher: l.Hasher(), Known: func(string) bool { asked++; return false }})
	const description = "Limits cannot be increased for your business Ana."
	at := func(minutes int) time.Time { return now.Add(time.Duration(minutes-60) * time.Minute) }
	for _, body := range [][]byte{
		metatest.TemplateQualityPayload(metatest.Account, "order_update", "en_US", "GREEN", "RED", at(0)),
		metatest.TemplateStatusPayload(metatest.Account, "order_update", "en_US", "PAUSED", "FIRST_PAUSE", at(1)),
		metatest.TemplateStatusPayload(metatest.Account, "order_update", "en_US", "APPROVED", "UNPAUSE", at(2)),
		metatest.TemplateStatusPayload(metatest.Account, "order_update", "en_US", "FLAGGED", "", at(3)),
		metatest.TemplateStatusPayload(metatest.Account, "order_update", "es", "PENDING", "", at(4)),
		metatest.AccountAlertPayload("3001", "INCREASED_CAPABILITIES_ELIGIBILITY_FAILED", description, at(5)),
		metatest.RestrictionPayload(metatest.Account, at(6), metatest.Restriction{Type: "RESTRICTED_BIZ_INITIATED_MESSAGING", Expiration: at(600).Unix()}),
		metatest.AlertPayload("PHONE_NUMBER", "1001", "OBA_APPROVED", "", at(7)),
	} {
		for range 2 {
			if w := f.post(body); w.Code != 200 {
				t.Fatalf("got %d %s", w.Code, w.Body)
			}
		}
	}
	restriction := report.Report{Sequence: 1, Kind: report.Restriction, At: at(6).Unix(), Value: "RESTRICTED_BIZ_INITIATED_MESSAGING", Until: at(600).Unix()}
	said := func(sequence int64, kind report.Kind, minutes int, value, reason string) report.Report {
		return report.Report{Sequence: sequence, Kind: kind, At: at(minutes).Unix(), Value: value, Reason: reason}
	}
	want := map[report.Subject][]report.Report{
		report.TemplateSubject(metatest.Account, "order_update", "en_US"): {
			said(1, report.Quality, 0, "Low", ""), said(2, report.TemplateState, 1, "Paused", "FIRST_PAUSE"),
			said(3, report.TemplateState, 2, "Approved", "UNPAUSE"), said(4, report.Quality, 3, "Low", "FLAGGED"),
		},
		report.TemplateSubject(metatest.Account, "order_update", "es"): {said(1, report.TemplateState, 4, "Pending", "")},
		report.PortfolioSubject("3001"):                                {said(1, report.Increase, 5, "Failed", description)},
		report.AccountSubject(metatest.Account):                        {restriction},
		report.NumberIDSubject("1001"):                                 {said(1, report.Alert, 7, "OBA_APPROVED", "")},
	}
	if got := l.Numbers(); len(got) != len(want) {
		t.Errorf("the ledger knows %v", got)
	}
	for subject, reports := range want {
		for i := range reports {
			reports[i].Subject = subject
		}
		if got := l.Reports(subject, 0); !reflect.DeepEqual(got, reports) {
			t.Errorf("\n got %+v\nwant %+v", got, reports)
		}
	}
	const repeated, unclaimed = "numberfleet_webhook_repeated_updates_total", "numberfleet_webhook_unclaimed_updates_total"
	f.expectMetric(t, repeated, repeated+" 8")
	f.expectMetric(t, unclaimed, unclaimed+" 0") // they are about no number
	if asked > 0 {
		t.Errorf("asked %d times who claims something that is no number", asked)
	}
	if strings.Contains(f.logs.String(), "Ana") || strings.Contains(f.logs.String(), "order_update") {
		t.Errorf("the logs tell what was reported\n%s", f.logs)
	}
}

// The ledger bounds what it keeps reports under; what it would refuse for good is refused before, by name.
func TestTheLongestSubjectFitsIntoTheLedger(t *testing.T) {
	f := newFixture(t)
	l := ledger.OpenMemory()
	f.SetBackend(&ingest.Backend{Ledger: l, Hasher: l.Hasher()})
	for digits, reports := range map[int]int{32: 1, 33: 0} {
		portfolio := strings.Repeat("9", digits)
		w := f.post(metatest.AccountAlertPayload(portfolio, "INCREASED_CAPABILITIES_ELIGIBILITY_FAILED", "", now))
		if got := len(l.Reports(report.PortfolioSubject(portfolio), 0)); w.Code != 200 || got != reports {
			t.Errorf("%d digits: got %d %s and %d reports", digits, w.Code, w.Body, got)
		}
	}
	if w := f.post(metatest.TemplateQualityPayload(metatest.Account, strings.Repeat("n", 512), "pt_BR", "GREEN", "RED", now)); w.Code != 200 {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

// FuzzReceive promises that no request makes the receiver panic, acknowledge what the ledger does not have, or write about the
// account of another app.
func FuzzReceive(f *testing.F) {
	for _, body := range []string{
		`{}`, string(delivered(2)), string(metatest.QualityUpdatePayload(number, "FLAGGED", "", now)),
		string(metatest.TemplateQualityPayload(metatest.Account, "sale", "en", "GREEN", "RED", now)), string(metatest.TemplateStatusPayload(metatest.Account, "sale", "en", "PAUSED", "FIRST_PAUSE", now)),
		string(metatest.AccountAlertPayload("3001", "INCREASED_CAPABILITIES_ELIGIBILITY_FAILED", "no", now)), string(metatest.CapabilityPayload(metatest.Account, -1, now)),
		string(metatest.RestrictionPayload(metatest.Account, now, metatest.Restriction{Type: "RESTRICTED_BIZ_INITIATED_MESSAGING", Expiration: "2026-09-28T12:53:20+0000"})),
		string(metatest.BanPayload(metatest.Account, "DISABLE", "April 17, 2025", now)), string(metatest.CertificationPayload(metatest.Account, "3001", "APPROVED", now)),
		string(metatest.NameUpdatePayload(number, "REJECTED", "Acme", "NAME_FORMAT_UNACCEPTABLE", now)), string(metatest.PreferencePayload(number, "15557770000", "stop", now)),
	} {
		f.Add("POST", DefaultPath, metatest.Sign(appSecret, []byte(body)), body, true)
	}
	f.Add("GET", DefaultPath+"?hub.mode=subscribe&hub.verify_token="+token+"&hub.challenge=1", "", "", false)
	f.Add("POST", DefaultPath+"/shop", "", string(of(shop, statusTo(shopNumber))), true)
	f.Add("POST", DefaultPath+"/shop", "", string(of(shop, statusTo(bankNumber))), true)
	f.Add("POST", DefaultPath+"/shop", "", string(both(of(shop, statusTo(freeNumber)), of(bank, statusTo(freeNumber)))), true)
	fixture := newTenants(f)
	f.Fuzz(func(t *testing.T, method, target, signature, body string, sign bool) {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			return
		}
		secret, guarded := appSecret, u.Path == DefaultPath+"/shop"
		if guarded {
			secret = shopSecret
		}
		if sign {
			signature = metatest.Sign(secret, []byte(body))
		}
		req := &http.Request{
			Method: method, URL: u, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
			Header: http.Header{"X-Hub-Signature-256": {signature}},
		}
		fixture.ledger.batches = nil
		w := fixture.do(req)
		if w.Code == 500 {
			t.Fatal("it panicked")
		}
		acknowledged := method == http.MethodPost && w.Code == 200
		if acknowledged != (len(fixture.ledger.batches) == 1) || acknowledged && signature != metatest.Sign(secret, []byte(body)) {
			t.Fatalf("acknowledged: %v, stored: %d", acknowledged, len(fixture.ledger.batches))
		}
		if acknowledged && guarded {
			for _, e := range fixture.ledger.batches[0].Entries {
				if e.Number == bankNumber {
					t.Fatal("the shop wrote about the bank")
				}
			}
			for _, r := range fixture.ledger.batches[0].Reports {
				if r.Subject == report.ParseSubject(bankNumber) || r.Subject == report.AccountSubject(bank) || r.Subject == report.PortfolioSubject("8002") {
					t.Fatal("the shop wrote about the bank")
				}
			}
		}
	})
}

// kinds are the lines of a counter by kind: zero but for those given.
func kinds(metric string, counts map[string]int) string {
	var lines []string
	for _, kind := range []string{"changed", "delivered", "failed", "other", "preference", "received", "report", "sent", "skipped", "unread"} {
		lines = append(lines, fmt.Sprintf(`%s{kind="%s"} %d`, metric, kind, counts[kind]))
	}
	return strings.Join(lines, "\n")
}

// nothing is a ledger and a hasher that cost nothing: what is left is the receiver.
type nothing struct{}

func (nothing) Append(context.Context, counts.Batch, time.Time) (counts.Outcome, error) {
	return counts.Outcome{}, nil
}
func (nothing) Fresh() error                        { return nil }
func (nothing) Subject(_, number string) string     { return number }
func (nothing) User(id string) counts.UserKey       { return counts.UserKey(len(id)) }
func (nothing) Message(id string) counts.MessageKey { return counts.MessageKey(len(id)) }
func (nothing) Chat(id string) counts.ChatKey       { return counts.ChatKey(len(id)) }

func BenchmarkReceive(b *testing.B) {
	for _, n := range []int{1, 10, 100, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			f := newFixture(b)
			f.log = logr.Discard()
			f.SetBackend(&ingest.Backend{Ledger: nothing{}, Hasher: nothing{}, Known: func(string) bool { return true }})
			body := delivered(n)
			source := bytes.NewReader(body)
			req := signed(body, appSecret)
			w := discard{header: http.Header{}}
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				source.Reset(body)
				req.Body = io.NopCloser(source)
				if f.ServeHTTP(&w, req); w.code != 200 {
					b.Fatal(w.code)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/status")
		})
	}
}

type discard struct {
	header http.Header
	code   int
}

func (w *discard) Header() http.Header         { return w.header }
func (w *discard) WriteHeader(code int)        { w.code = code }
func (w *discard) Write(b []byte) (int, error) { return len(b), nil }
