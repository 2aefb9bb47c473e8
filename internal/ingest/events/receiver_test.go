package events

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	cloudeventssdk "github.com/cloudevents/sdk-go/v2"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	clocktesting "k8s.io/utils/clock/testing"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/cloudevents"
	"numberfleet.dev/numberfleet/internal/ingest"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/ledger/journal/pebble"
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/server"
	"numberfleet.dev/numberfleet/internal/server/servertest"
)

var now = time.Unix(1790000000, 0)

const (
	number  = "+15550001111"
	inShop  = number         // its resource is in namespace shop
	inOther = "+15550002222" // in namespace other
	nowhere = "+15550003333" // no resource
)

// town is a directory.
type town struct{ err error }

func (d *town) Namespace(_ context.Context, number string) (string, error) {
	return map[string]string{inShop: "shop", inOther: "other"}[number], d.err
}

func (d *town) Portfolio(_ context.Context, name string) (report.Subject, error) {
	return map[string]report.Subject{"acme": report.PortfolioSubject("506914307656634")}[name], d.err
}

func (d *town) Templates(_ context.Context, name, number string) ([]report.Subject, error) {
	if name != "sale" || number == nowhere {
		return nil, d.err
	}
	return []report.Subject{report.TemplateSubject("1", "sale", "en"), report.TemplateSubject("1", "sale", "fr")}, d.err
}

// may is what callers may: the namespaces, where "" is the whole cluster, by resource.
type may map[string][]string

func (m may) Authorize(_ context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
	if a.GetVerb() != "create" || a.GetAPIGroup() != "whatsapp.numberfleet.dev" || a.GetSubresource() != "events" || !a.IsResourceRequest() {
		return authorizer.DecisionDeny, "", errors.New("not what is to be asked")
	}
	if slices.Contains(m[a.GetResource()], a.GetNamespace()) {
		return authorizer.DecisionAllow, "", nil
	}
	return authorizer.DecisionNoOpinion, "", nil
}

func (m may) ConditionsAwareAuthorize(ctx context.Context, a authorizer.Attributes) authorizer.ConditionsAwareDecision {
	return authorizer.ConditionsAwareDecisionFromParts(m.Authorize(ctx, a))
}

func (m may) EvaluateConditions(context.Context, authorizer.ConditionsAwareDecision, authorizer.ConditionsData) (authorizer.Decision, string, error) {
	return authorizer.DecisionDeny, "", authorizer.ErrorConditionEvaluationNotSupported
}

// fixture is an event API with a ledger, whose caller may do all.
type fixture struct {
	*Receiver
	book    *ledger.Ledger
	town    *town
	metrics *prometheus.Registry
	logs    *servertest.Logs
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{book: ledger.OpenMemory(), town: &town{}, metrics: prometheus.NewRegistry(), logs: &servertest.Logs{}}
	receiver, err := NewReceiver(Options{
		Access: &server.Access{
			Authenticator: authenticator.RequestFunc(func(req *http.Request) (*authenticator.Response, bool, error) {
				switch req.Header.Get("Authorization") {
				case "Bearer t0ken":
					return &authenticator.Response{User: &user.DefaultInfo{Name: "system:serviceaccount:shop:forwarder"}}, true, nil
				case "Bearer outage":
					return nil, false, context.DeadlineExceeded
				default:
					return nil, false, errors.New("invalid bearer token")
				}
			}),
			Authorizer: may{"phonenumbers": {""}, "businessportfolios": {""}},
		},
		Clock: clocktesting.NewFakePassiveClock(now), Metrics: f.metrics,
		Directory: f.town, Log: f.logs.Logger(),
	})
	if err != nil {
		t.Fatal(err)
	}
	f.Receiver = receiver
	f.SetBackend(f.backendOf(f.book))
	return f
}

func (f *fixture) backendOf(book *ledger.Ledger) *ingest.Backend {
	return &ingest.Backend{Ledger: book, Hasher: book.Hasher(), Known: func(n string) bool { return n != nowhere }}
}

func (f *fixture) request(media, body string) *http.Request {
	req := httptest.NewRequest(http.MethodPost, Path, strings.NewReader(body))
	req.Header.Set("Content-Type", media)
	req.Header.Set("Authorization", "Bearer t0ken")
	return req
}

func (f *fixture) do(req *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	f.ServeHTTP(w, req)
	return w
}

// lines posts events, one per line.
func (f *fixture) lines(events ...string) *httptest.ResponseRecorder {
	return f.do(f.request(linesType, strings.Join(events, "\n")))
}

// occurred is an event of some seconds after an hour ago.
func occurred(id string, seconds int, kind cloudevents.Type, data string) string {
	at := now.Add(-time.Hour + time.Duration(seconds)*time.Second).UTC().Format(time.RFC3339)
	return fmt.Sprintf(`{"specversion":"1.0","id":%q,"source":"/platform","type":%q,"time":%q,"data":{%s}}`, id, kind, at, data)
}

const toUser = `"number":"` + number + `","user":"+15557770000"`

func used(book *ledger.Ledger, of string, measure v1alpha1.Measure) int64 {
	return book.Count(of, measure, now.Add(-24*time.Hour), now)
}

func TestEveryFormatIsTaken(t *testing.T) {
	a := occurred("1", 0, cloudevents.MessageDelivered, toUser+`,"messageID":"m1"`)
	b := occurred("2", 1, cloudevents.MessageDelivered, `"number":"`+number+`","user":"15557770001","messageID":"m2"`)
	for name, test := range map[string]struct {
		media, body string
		events      int
	}{
		"one":           {"application/cloudevents+json; charset=utf-8", a, 1},
		"a batch":       {"application/cloudevents-batch+json", "[" + a + "," + b + "]", 2},
		"an empty one":  {"application/cloudevents-batch+json", "[]", 0},
		"lines":         {"application/x-ndjson", a + "\n" + b + "\n", 2},
		"lines as well": {"application/jsonl", a + "\n\n" + b, 2},
	} {
		f := newFixture(t)
		w := f.do(f.request(test.media, test.body))
		want := fmt.Sprintf(`{"events":%d,"new":%d,"repeated":0,"expired":0}`+"\n", test.events, test.events)
		if w.Code != 200 || w.Body.String() != want || used(f.book, number, v1alpha1.MeasureUniqueUsers) != int64(test.events) {
			t.Errorf("%s: got %d %s", name, w.Code, w.Body)
		}
	}
}

// The official SDK sends events in every way that it knows.
func TestEventsOfTheSDKAreTaken(t *testing.T) {
	f := newFixture(t)
	server := httptest.NewServer(f)
	defer server.Close()
	client, err := cloudeventssdk.NewClientHTTP(cloudeventssdk.WithTarget(server.URL+Path), cloudeventssdk.WithHeader("Authorization", "Bearer t0ken"))
	if err != nil {
		t.Fatal(err)
	}
	for i, with := range []func(context.Context) context.Context{cloudeventssdk.WithEncodingBinary, cloudeventssdk.WithEncodingStructured} {
		e := cloudeventssdk.NewEvent()
		e.SetID(fmt.Sprint(i))
		e.SetSource("/platform")
		e.SetType(string(cloudevents.MessageDelivered))
		e.SetTime(now.Add(-time.Minute))
		e.SetExtension("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
		if err := e.SetData("application/json", map[string]string{"number": number, "user": fmt.Sprint(1555777000, i), "messageID": fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
		if result := client.Send(with(t.Context()), e); !cloudeventssdk.IsACK(result) {
			t.Errorf("way %d: %v", i, result)
		}
		if got := used(f.book, number, v1alpha1.MeasureUniqueUsers); got != int64(i+1) {
			t.Errorf("way %d: %d users", i, got)
		}
	}
}

// What every type does to the ledger; sent again, also in another order, it changes nothing.
func TestEveryTypeHasItsEffect(t *testing.T) {
	sale, vente := report.TemplateSubject("1", "sale", "en"), report.TemplateSubject("1", "sale", "fr")
	acme := report.PortfolioSubject("506914307656634")
	events := []string{
		occurred("1", 1, cloudevents.MessageDelivered, toUser+`,"messageID":"m1","template":"sale"`),
		occurred("2", 2, cloudevents.MessageReceived, `"number":"`+number+`","user":"15557770001"`),
		occurred("3", 3, cloudevents.MessageDelivered, `"number":"`+number+`","user":"15557770001","messageID":"m2"`), // a reply
		occurred("4", 4, cloudevents.MessageFailed, toUser+`,"messageID":"m3","code":131049`),
		occurred("5", 5, cloudevents.FeedbackReceived, toUser+`,"kind":"Block","reason":"Spam"`),
		occurred("6", 6, cloudevents.QualityReported, `"number":"`+number+`","rating":"Low","reason":"many blocks"`),
		occurred("7", 7, cloudevents.LimitReported, `"number":"`+number+`","limit":1000`),
		occurred("8", 8, cloudevents.LimitReported, `"portfolio":"acme"`),
		occurred("9", 9, cloudevents.ConnectionReported, `"number":"`+number+`","state":"Offline"`),
		occurred("10", 10, cloudevents.VerificationReported, `"number":"`+number+`","business":"Verified"`),
		occurred("11", 11, cloudevents.VerificationReported, `"portfolio":"acme","business":"Rejected"`),
		occurred("12", 12, cloudevents.TemplateReported, `"template":"sale","number":"`+number+`","rating":"Low","state":"Paused"`),
		occurred("13", 13, cloudevents.TemplateReported, `"template":"sale","rating":"High","state":"Edited"`),
		occurred("14", 14, cloudevents.TemplateReported, `"template":"sale","state":"Approved"`),
	}
	f := newFixture(t)
	if w := f.lines(events...); w.Code != 200 || w.Body.String() != `{"events":14,"new":20,"repeated":0,"expired":0}`+"\n" {
		t.Fatalf("got %d %s", w.Code, w.Body)
	}
	check := func() {
		t.Helper()
		for measure, want := range map[v1alpha1.Measure]int64{v1alpha1.MeasureUniqueUsers: 1, v1alpha1.MeasureMessages: 1, v1alpha1.MeasureComplaining: 1} {
			if got := used(f.book, number, measure); got != want {
				t.Errorf("measure %s is %d, not %d", measure, got, want)
			}
		}
		if got := f.book.Feedback(number, now.Add(-time.Hour), now); len(got) != 1 || got[0].Kind != "Block" || got[0].Reason != "Spam" || got[0].Users != 1 {
			t.Errorf("feedback is %v", got)
		}
		ofTemplate := []string{"12 Quality Low ", "12 Template Paused ", "13 Template Edited ", "13 Quality High ", "14 Template Approved "}
		for subject, want := range map[report.Subject][]string{
			report.ParseSubject(number): {"6 Quality Low many blocks", "7 Limit 1000 ", "9 Connection Offline ", "10 Verification Verified "},
			acme:                        {"8 Limit Unlimited ", "11 Verification Rejected "},
			sale:                        ofTemplate, vente: ofTemplate,
		} {
			var got []string
			for _, r := range f.book.Reports(subject, 0) {
				got = append(got, fmt.Sprintf("%d %s %s %s", r.At-now.Add(-time.Hour).Unix(), r.Kind, r.Value, r.Reason))
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("reports about %s are %q", subject, got)
			}
		}
		if got := f.book.Numbers(); len(got) != 4 {
			t.Errorf("the ledger knows %q", got)
		}
	}
	check()
	for range 3 {
		rand.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
		if w := f.lines(events...); w.Code != 200 || w.Body.String() != `{"events":14,"new":0,"repeated":20,"expired":0}`+"\n" {
			t.Errorf("again: %d %s", w.Code, w.Body)
		}
		check()
	}
}

// Deliveries and messages from users, sent in any order, split in any way and some of them twice, count as in order.
func TestEventsInAnyOrderCountTheSame(t *testing.T) {
	var events []string
	for i := range 300 {
		kind, data := cloudevents.MessageDelivered, fmt.Sprintf(`"number":%q,"user":"1555777%04d","messageID":"m%d"`, number, rand.IntN(40), i)
		if i%5 == 0 {
			kind, data = cloudevents.MessageReceived, fmt.Sprintf(`"number":%q,"user":"+1555777%04d"`, number, rand.IntN(40))
		}
		events = append(events, occurred(fmt.Sprint(i), rand.IntN(3600), kind, data))
	}
	counts := func(order []string) (all [3]int64) {
		f := newFixture(t)
		for part := range slices.Chunk(order, 1+rand.IntN(50)) {
			if w := f.lines(part...); w.Code != 200 {
				t.Fatalf("got %d %s", w.Code, w.Body)
			}
		}
		for i, measure := range []v1alpha1.Measure{v1alpha1.MeasureUniqueUsers, v1alpha1.MeasureConversations, v1alpha1.MeasureMessages} {
			all[i] = used(f.book, number, measure)
		}
		return all
	}
	want := counts(events)
	for range 5 {
		again := slices.Concat(events, events[:rand.IntN(len(events))])
		rand.Shuffle(len(again), func(i, j int) { again[i], again[j] = again[j], again[i] })
		if got := counts(again); got != want {
			t.Errorf("got %v, in order it is %v", got, want)
		}
	}
}

const (
	brazilian = "+5511987654321"
	ivorian   = "+2250707654321"
)

func TestEventsNameANumberByItsID(t *testing.T) {
	f := newFixture(t)
	if err := f.book.Claim("7001", brazilian); err != nil {
		t.Fatal(err)
	}
	delivered := func(id, names string) string {
		return occurred(id, 0, cloudevents.MessageDelivered, names+`,"user":"+15557770000","messageID":"m`+id+`"`)
	}
	for _, test := range []struct {
		events string
		code   int
		body   string
	}{
		{delivered("1", `"numberID":"7001"`), 200, `"new":1`},
		{delivered("1", `"number":"`+brazilian+`","numberID":"7001"`), 200, `"repeated":1`},
		{delivered("2", `"numberID":"7009"`), 200, `"new":1`},
		{delivered("1", `"number":"`+number+`","numberID":"7001"`), 200, `"repeated":1`},
		{delivered("4", `"numberID":"seven"`), 400, `data.numberID: must be the id that Meta gave to the number`},
	} {
		if w := f.lines(test.events); w.Code != test.code || !strings.Contains(w.Body.String(), test.body) {
			t.Errorf("%s\ngot %d %s", test.events, w.Code, w.Body)
		}
	}
	if got := f.book.Count(brazilian, v1alpha1.MeasureMessages, now.Add(-2*time.Hour), now); got != 1 {
		t.Errorf("%d messages count", got)
	}
	if err := f.book.Claim("7009", ivorian); err != nil || f.book.Count(ivorian, v1alpha1.MeasureMessages, now.Add(-2*time.Hour), now) != 1 {
		t.Errorf("what came before the claim is not found: %v", err)
	}
}

func TestEveryAnswerToEventsHasItsCode(t *testing.T) {
	good := occurred("1", 0, cloudevents.MessageDelivered, toUser+`,"messageID":"m1"`)
	bad := occurred("2", 0, cloudevents.MessageDelivered, `"number":"SECRET","user":"SECRET"`)
	batch := func(events ...string) string { return "[" + strings.Join(events, ",") + "]" }
	for _, test := range []struct {
		name        string
		code        int
		media, body string
		want        string // in the answer
		change      func(*fixture, *http.Request)
	}{
		{"another path", 404, linesType, good, "not found", func(_ *fixture, r *http.Request) { r.URL.Path += "/" }},
		{"another method", 405, linesType, good, "method", func(_ *fixture, r *http.Request) { r.Method = http.MethodGet }},
		{"an encoding", 415, linesType, good, "encoded", func(_ *fixture, r *http.Request) { r.Header.Set("Content-Encoding", "gzip") }},
		{"another type", 415, "text/plain", good, "application/cloudevents+json", nil},
		{"no type", 415, "", good, "application/cloudevents+json", nil},
		{"JSON without attributes in headers", 415, "application/json", good, "attributes in headers", nil},
		{"no token", 401, linesType, good, "Bearer", func(_ *fixture, r *http.Request) { r.Header.Del("Authorization") }},
		{"another token", 401, linesType, good, "Bearer", func(_ *fixture, r *http.Request) { r.Header.Set("Authorization", "Bearer SECRET") }},
		{"an API server that is away", 503, linesType, good, "try again", func(_ *fixture, r *http.Request) { r.Header.Set("Authorization", "Bearer outage") }},
		{"no ledger yet", 503, linesType, good, "try again", func(f *fixture, _ *http.Request) { f.SetBackend(nil) }},
		{"a closed ledger", 503, linesType, good, "try again", func(f *fixture, _ *http.Request) { _ = f.book.Close() }},
		{"no memory", 503, linesType, good, "try again", func(f *fixture, _ *http.Request) { f.bodies = server.NewBodies(MaxBody, 1) }},
		{"no cache yet", 503, linesType, occurred("1", 0, cloudevents.LimitReported, `"portfolio":"acme"`), "try again",
			func(f *fixture, _ *http.Request) { f.town.err = errors.New("not yet") }},
		{"too long", 413, linesType, strings.Repeat("\n", MaxBody+1), "3145728 bytes", nil},
		{"too long and not said", 413, linesType, strings.Repeat("\n", MaxBody+1), "3145728 bytes", func(_ *fixture, r *http.Request) { r.ContentLength = -1 }},
		{"too many", 413, linesType, strings.Repeat(`{"specversion":"1.0","id":"1","source":"s","type":"dev.numberfleet.message.received.v1","time":"2026-03-02T09:00:00Z","data":{"number":"+15550001111","user":"US.u"}}`+"\n", MaxEvents+1),
			"at most 10000 events", nil},
		{"garbage", 400, "application/cloudevents+json", "\x00\xff{", `"error":"is not JSON`, nil},
		{"truncated", 400, linesType, good[:50], `"error":"line 1: is not JSON: each line must be one CloudEvent, a JSON object","line":1}`, nil},
		{"a bad line", 400, linesType, good + "\n" + bad, `"line":2,"field":"data.number"}`, nil},
		{"a bad item", 400, "application/cloudevents-batch+json", batch(bad, good), `"index":0,"field":"data.number"}`, nil},
		{"a bad one", 400, "application/cloudevents+json", bad, `"error":"data.number: must be in E.164: a plus`, nil},
		{"an event of tomorrow", 400, linesType, good + "\n" + occurred("3", 3600+3601, cloudevents.MessageReceived, toUser), `"line":2,"field":"time"}`, nil},
		{"a long event", 400, "application/cloudevents+json", strings.Repeat(" ", MaxEvent) + good, "65536 bytes", nil},
		{"an unknown portfolio", 400, linesType, good + "\n" + occurred("2", 0, cloudevents.LimitReported, `"portfolio":"SECRET"`), `"line":2,"field":"data.portfolio"}`, nil},
		{"an unknown template", 400, linesType, good + "\n" + occurred("2", 0, cloudevents.TemplateReported, `"template":"SECRET","state":"Paused"`), `"line":2,"field":"data.template"}`, nil},
		{"a number of no resource", 200, linesType, occurred("1", 0, cloudevents.MessageReceived, `"number":"`+nowhere+`","user":"US.u"`), `"new":1`, nil},
		{"an event of long ago", 200, linesType, strings.Replace(good, "2026-", "2020-", 1), `"expired":1`, nil},
	} {
		f := newFixture(t)
		req := f.request(test.media, test.body)
		if test.change != nil {
			test.change(f, req)
		}
		w := f.do(req)
		if w.Code != test.code || !strings.Contains(w.Body.String(), test.want) || !json.Valid(w.Body.Bytes()) || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s: got %d %s", test.name, w.Code, w.Body)
		}
		for _, secret := range []string{"SECRET", "1555", "t0ken"} {
			if strings.Contains(w.Body.String(), secret) || strings.Contains(f.logs.String(), secret) {
				t.Errorf("%s: told %s:\n%s\n%s", test.name, secret, w.Body, f.logs)
			}
		}
		if (w.Header().Get("Retry-After") != "") != (test.code == 503) || (w.Header().Get("WWW-Authenticate") != "") != (test.code == 401) || (w.Header().Get("Allow") != "") != (test.code == 405) {
			t.Errorf("%s: headers are %v", test.name, w.Header())
		}
		if test.code != 200 && used(f.book, number, v1alpha1.MeasureMessages) != 0 {
			t.Errorf("%s: something was stored", test.name)
		}
	}
}

func TestOneMayOnlySendEventsOfOnesNamespaces(t *testing.T) {
	about := func(of string) string {
		return occurred("1", 0, cloudevents.MessageDelivered, `"number":"`+of+`","user":"US.u","messageID":"m"`)
	}
	portfolio := occurred("2", 0, cloudevents.LimitReported, `"portfolio":"acme","limit":250`)
	template := occurred("3", 0, cloudevents.TemplateReported, `"template":"sale","state":"Paused"`)
	ofShop := occurred("4", 0, cloudevents.TemplateReported, `"template":"sale","number":"`+inShop+`","state":"Paused"`)
	for name, test := range map[string]struct {
		may    may
		events []string
		code   int
	}{
		"its own":                        {may{"phonenumbers": {"shop"}}, []string{about(inShop), ofShop}, 200},
		"another's":                      {may{"phonenumbers": {"shop"}}, []string{about(inShop), about(inOther)}, 403},
		"nobody's":                       {may{"phonenumbers": {"shop"}}, []string{about(inShop), about(nowhere)}, 403},
		"nothing at all":                 {may{}, []string{about(inShop)}, 403},
		"a portfolio":                    {may{"phonenumbers": {""}}, []string{portfolio}, 403},
		"a template of whom it may":      {may{"phonenumbers": {"shop"}}, []string{template}, 403},
		"everybody's":                    {may{"phonenumbers": {""}}, []string{about(inShop), about(inOther), about(nowhere), template}, 200},
		"a portfolio, with the right":    {may{"businessportfolios": {""}}, []string{portfolio}, 200},
		"a portfolio's right for no one": {may{"businessportfolios": {""}}, []string{about(nowhere)}, 403},
	} {
		f := newFixture(t)
		f.access.Authorizer = test.may
		started := time.Now() //nolint:forbidigo // how long the answer takes
		w := f.lines(test.events...)
		if w.Code != test.code || strings.Contains(w.Body.String(), "1555") {
			t.Errorf("%s: got %d %s", name, w.Code, w.Body)
		}
		if took := time.Since(started); test.code == 403 && took < server.DeniedAfter { //nolint:forbidigo // how long the answer takes
			t.Errorf("%s: denied after %s", name, took)
		}
		if test.code == 403 && len(f.book.Numbers()) > 0 {
			t.Errorf("%s: something was stored", name)
		}
	}
	// Whether a number has a resource in a namespace that one may not send to, one is not told.
	f := newFixture(t)
	f.access.Authorizer = may{"phonenumbers": {"shop"}}
	if a, b := f.lines(about(inOther)), f.lines(about(nowhere)); a.Body.String() != b.Body.String() || a.Code != b.Code {
		t.Errorf("got %s and %s", a.Body, b.Body)
	}
}

func TestEventsAreMeasured(t *testing.T) {
	f := newFixture(t)
	good := occurred("1", 0, cloudevents.MessageReceived, `"number":"`+nowhere+`","user":"US.u"`)
	f.lines(good, good)
	f.lines(strings.Replace(good, "2026-", "2020-", 1))
	f.lines("{")
	_ = f.book.Close()
	f.lines(good)
	expectMetric := func(name, want string) {
		t.Helper()
		if got := servertest.Counter(t, f.metrics, name); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	}
	expectMetric("numberfleet_events_requests_total", "numberfleet_events_requests_total{code=\"200\"} 2\nnumberfleet_events_requests_total{code=\"400\"} 1\nnumberfleet_events_requests_total{code=\"503\"} 1")
	expectMetric("numberfleet_events_unstored_requests_total", "numberfleet_events_unstored_requests_total 1")
	expectMetric("numberfleet_events_repeated_records_total", "numberfleet_events_repeated_records_total 1")
	expectMetric("numberfleet_events_expired_records_total", "numberfleet_events_expired_records_total 1")
	expectMetric("numberfleet_events_unclaimed_records_total", "numberfleet_events_unclaimed_records_total 3")
	families, err := f.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == "numberfleet_events_received_total" && len(family.GetMetric()) != len(cloudevents.Types()) {
			t.Errorf("got %v", family)
		}
	}
}

func TestASlowOrCutOffSenderOfEventsIsRefused(t *testing.T) {
	f := newFixture(t)
	good := occurred("1", 0, cloudevents.MessageDelivered, toUser+`,"messageID":"m1"`) + "\n"
	head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer t0ken\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", Path, linesType, 2*len(good))
	for name, test := range map[string]struct {
		limits server.Limits
		end    func(*net.TCPConn) error
		want   string
	}{
		"slow":    {server.Limits{Read: 300 * time.Millisecond}, func(*net.TCPConn) error { return nil }, "HTTP/1.1 408 "},
		"cut off": {server.Limits{}, (*net.TCPConn).CloseWrite, "HTTP/1.1 400 "},
	} {
		address, stop := servertest.Serve(t, &server.Server{Handler: f, Listener: server.Listener{Tokens: true}, Limits: test.limits})
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(c, head+good); err != nil {
			t.Fatal(err)
		}
		if err := test.end(c.(*net.TCPConn)); err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(c)
		if err != nil || !strings.HasPrefix(string(answer), test.want) {
			t.Errorf("%s: got %q, %v", name, answer, err)
		}
		_, _ = c.Close(), stop()
	}
	if used(f.book, number, v1alpha1.MeasureMessages) != 0 {
		t.Error("half a request was stored")
	}
}

// Whatever comes is answered, and stored only if it is acknowledged, and all of it then.
func FuzzEvents(f *testing.F) {
	good := occurred("1", 0, cloudevents.MessageDelivered, toUser+`,"messageID":"m1"`)
	for i, body := range []string{good, "[" + good + "]", good + "\n" + good, `{"number":"+15550001111","user":"US.u"}`, "[", "\xff"} {
		f.Add(i, body)
	}
	media := []string{"application/cloudevents+json", "application/cloudevents-batch+json", linesType, "application/json"}
	f.Fuzz(func(t *testing.T, format int, body string) {
		fixture := newFixture(t)
		req := fixture.request(media[uint(format)%uint(len(media))], body)
		req.Header.Set("Ce-Specversion", "1.0")
		req.Header.Set("Ce-Id", "1")
		req.Header.Set("Ce-Source", "/s")
		req.Header.Set("Ce-Type", string(cloudevents.MessageReceived))
		req.Header.Set("Ce-Time", "2026-09-21T14:00:00Z")
		w := fixture.do(req)
		var taken accepted
		if w.Code != 200 && w.Code != 400 && w.Code != 413 || json.NewDecoder(bytes.NewReader(w.Body.Bytes())).Decode(&taken) != nil {
			t.Fatalf("got %d %s", w.Code, w.Body)
		}
		if known := len(fixture.book.Numbers()) > 0; known != (taken.New > 0) || w.Code != 200 && known {
			t.Fatalf("got %d %s, and stored: %v", w.Code, w.Body, known)
		}
	})
}

// BenchmarkEvents takes lines of new deliveries, past the network, into a ledger in memory and one on disk.
func BenchmarkEvents(b *testing.B) {
	const n = 1000
	for name, open := range map[string]func() (*ledger.Ledger, error){
		"memory": func() (*ledger.Ledger, error) { return ledger.OpenMemory(), nil },
		"disk": func() (*ledger.Ledger, error) {
			store, err := pebble.Open(b.TempDir(), pebble.Options{})
			if err != nil {
				return nil, err
			}
			return ledger.Open(store, ledger.Options{Secret: store.Secret()})
		},
	} {
		b.Run(name, func(b *testing.B) {
			f := newFixture(b)
			book, err := open()
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = book.Close() }()
			f.SetBackend(f.backendOf(book))
			next := 0
			for b.Loop() {
				b.StopTimer()
				lines := make([]string, n)
				for i := range lines {
					lines[i] = occurred(fmt.Sprint(next), next%3600, cloudevents.MessageDelivered, fmt.Sprintf(`"number":%q,"user":"1556%08d","messageID":"wamid.%d"`, number, next*7919%1_000_000, next))
					next++
				}
				req := f.request(linesType, strings.Join(lines, "\n"))
				b.StartTimer()
				if w := f.do(req); w.Code != 200 {
					b.Fatal(w.Body)
				}
			}
			b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// stale is a ledger of a process whose clock is wrong.
type stale struct{ *ledger.Ledger }

func (stale) Fresh() error { return ledger.ErrUnavailable }

// Where the clock is wrong by which they would be judged, events are to come again: those that lie ahead of it, too, which are refused else.
func TestNothingIsJudgedByAWrongClock(t *testing.T) {
	for at, code := range map[time.Duration]int{0: http.StatusOK, 2 * time.Hour: http.StatusBadRequest} {
		f := newFixture(t)
		event := fmt.Sprintf(`{"specversion": "1.0", "id": "1", "source": "/s", "type": "dev.numberfleet.quality.reported.v1", "time": %q, "data": {"number": %q, "rating": "High"}}`,
			now.Add(at).Format(time.RFC3339), number)
		if w := f.do(f.request("application/cloudevents+json", event)); w.Code != code {
			t.Errorf("%s ahead of a clock that is right: got %d %s", at, w.Code, w.Body)
		}
		backend := f.backendOf(f.book)
		backend.Ledger = stale{f.book}
		f.SetBackend(backend)
		if w := f.do(f.request("application/cloudevents+json", event)); w.Code != http.StatusServiceUnavailable {
			t.Errorf("%s ahead of one that is wrong: got %d %s", at, w.Code, w.Body)
		}
	}
}
