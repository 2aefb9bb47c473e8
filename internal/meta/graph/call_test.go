package graph_test

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"numberfleet.dev/numberfleet/internal/meta/graph"
	"numberfleet.dev/numberfleet/internal/meta/graphtest"
)

type roundTrip func(*http.Request) *http.Response

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r), nil }

// broken is a transport that fails.
type broken struct{ err error }

func (b broken) RoundTrip(*http.Request) (*http.Response, error) { return nil, b.err }

func answer(r *http.Request, body string) *http.Response {
	w := httptest.NewRecorder()
	_, _ = w.WriteString(body)
	response := w.Result()
	response.Request = r
	return response
}

func TestTheTokenIsAskedForEveryTime(t *testing.T) {
	w := newWorld(t)
	read := func() error {
		_, err := w.client.PhoneNumber(t.Context(), "1001")
		return err
	}
	if err := read(); err != nil {
		t.Fatal(err)
	}
	w.ExpireToken(token)
	if e := failure(t, read(), graph.Token); e.Subcode != 463 || !strings.Contains(e.Error(), "has expired") {
		t.Errorf("got %+v", e)
	}
	next := "EAAnextTOKENnextTOKENnextTOKENnextTOKEN0123456789"
	w.AddToken(next)
	w.setToken(next)
	if err := read(); err != nil {
		t.Error(err)
	}
	w.RevokeToken(next)
	if e := failure(t, read(), graph.Token); strings.Contains(e.Error(), "expired") {
		t.Errorf("got %s", e)
	}
	w.setToken("EAAunknownTOKENunknownTOKENunknown0123456789") // the stand-in quotes it, as Meta does
	fails(t, read(), graph.Token)
	w.setToken("EAAmanagementTOKEN")
	w.AddToken("EAAmanagementTOKEN", graphtest.Management)
	if err := read(); err != nil {
		t.Error(err)
	}
	w.setToken("EAAbusinessTOKEN")
	w.AddToken("EAAbusinessTOKEN", graphtest.Businesses)
	if e := failure(t, read(), graph.Permission); !strings.Contains(e.Error(), "whatsapp_business_management") {
		t.Errorf("the sentence does not say which permission: %s", e)
	}
	before := len(w.Calls())
	for _, bad := range []string{"", " \n", "two TOKENS", "TOKEN\r\nX-Other: 1", "TOKEN\x00", "TÖKEN", strings.Repeat("TOKEN", 1000)} {
		w.setToken(bad)
		fails(t, read(), graph.Token)
	}
	if len(w.Calls()) != before {
		t.Error("a call was made without a token")
	}
	none := newWorld(t, func(o *graph.Options) {
		o.Token = func(context.Context) (string, error) { return "", errors.New("the Secret fleet/meta does not exist") }
	})
	_, err := none.client.Account(t.Context(), "2001")
	if e := failure(t, err, graph.Token); !strings.Contains(e.Error(), "the Secret fleet/meta does not exist") {
		t.Errorf("got %s", e)
	}
}

func TestTheLimiterIsAskedAndTold(t *testing.T) {
	var limiter *graph.Limiter
	w := newWorld(t, func(o *graph.Options) {
		limiter = graph.NewLimiter(graph.HourlyCalls, o.Clock)
		o.Limiter = limiter
	})
	read := func() error {
		_, err := w.client.PhoneNumber(t.Context(), "1001")
		return err
	}
	for range 20 {
		if err := read(); err != nil {
			t.Fatal(err)
		}
	}
	e := failure(t, read(), graph.RateLimited)
	if !e.Held || !e.RetryAt.Equal(start.Add(20*time.Second)) || len(w.Calls()) != 20 {
		t.Errorf("got %+v after %d calls", e, len(w.Calls()))
	}
	if percent := limiter.State().Percent; percent != 10 {
		t.Errorf("after 20 of 200 calls, %v %% are used", percent)
	}
	// Another program of the same app uses the rest: the next answer says so.
	w.Use("2001", 170)
	w.pass(20 * time.Second)
	if err := read(); err != nil {
		t.Fatal(err)
	}
	if state := limiter.State(); state.Percent != 95 || state.Rate > 40 {
		t.Errorf("at 191 of 200 calls: %+v", state)
	}
}

// A poller that does what it is told gets through a throttling, and is refused by Meta at most once.
func TestAThrottlingIsWaitedFor(t *testing.T) {
	w := newWorld(t, func(o *graph.Options) { o.Limiter = graph.NewLimiter(graph.HourlyCallsActive, o.Clock) }) // more than is allowed
	w.Use("2001", 150)
	refused, held, done := 0, 0, 0
	for w.clock.Now().Before(start.Add(3 * time.Hour)) {
		_, err := w.client.PhoneNumber(t.Context(), "1001")
		if err == nil {
			done++
			w.pass(time.Second)
			continue
		}
		e := failure(t, err, graph.RateLimited)
		if !e.RetryAt.After(w.clock.Now()) || e.RetryAt.Sub(w.clock.Now()) > time.Hour {
			t.Fatalf("at %s, come back at %s", w.clock.Now(), e.RetryAt)
		}
		if e.Held {
			held++
		} else {
			refused++
		}
		w.clock.SetTime(e.RetryAt)
	}
	if refused > 1 || held == 0 || done < 100 {
		t.Errorf("%d read, %d held back, %d refused by Meta", done, held, refused)
	}
	t.Logf("%d read, %d held back, %d refused by Meta", done, held, refused)
}

func TestWhenToComeBack(t *testing.T) {
	usage := `{"2001":[{"type":"whatsapp_business_management","call_count":100,"estimated_time_to_regain_access":7}]}`
	for name, test := range map[string]struct {
		fault graphtest.Fault
		want  time.Duration
	}{
		"as the usage says":         {graphtest.Fault{Refusal: graphtest.Throttled(), Header: http.Header{"X-Business-Use-Case-Usage": {usage}}}, 7 * time.Minute},
		"as Retry-After says":       {graphtest.Fault{Refusal: graphtest.AppThrottled(), Header: http.Header{"Retry-After": {"90"}}}, 90 * time.Second},
		"the later of both":         {graphtest.Fault{Refusal: graphtest.Throttled(), Header: http.Header{"Retry-After": {"90"}, "X-Business-Use-Case-Usage": {usage}}}, 7 * time.Minute},
		"the other later":           {graphtest.Fault{Refusal: graphtest.Throttled(), Header: http.Header{"Retry-After": {"3600"}, "X-Business-Use-Case-Usage": {usage}}}, time.Hour},
		"a date":                    {graphtest.Fault{Status: 429, Body: "slow down", Header: http.Header{"Retry-After": {"Sun, 22 Nov 2026 10:02:00 GMT"}}}, 2 * time.Minute},
		"nothing says":              {graphtest.Fault{Refusal: graphtest.AppThrottled()}, 5 * time.Minute},
		"what is said is malformed": {graphtest.Fault{Refusal: graphtest.Throttled(), Header: http.Header{"Retry-After": {"soon"}, "X-Business-Use-Case-Usage": {"{"}}}, 5 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(o *graph.Options) { o.Limiter = graph.NewLimiter(graph.HourlyCalls, o.Clock) })
			test.fault.Times = 1
			w.Fail(test.fault)
			_, err := w.client.PhoneNumber(t.Context(), "1001")
			if e := failure(t, err, graph.RateLimited); e.Held || !e.RetryAt.Equal(start.Add(test.want)) {
				t.Errorf("got %s, want %s", e.RetryAt.Sub(start), test.want)
			}
			_, err = w.client.PhoneNumber(t.Context(), "1001")
			if e := failure(t, err, graph.RateLimited); !e.Held || !e.RetryAt.Equal(start.Add(test.want)) || len(w.Calls()) != 1 {
				t.Errorf("the limiter was not told: %+v, %d calls", e, len(w.Calls()))
			}
			w.pass(test.want)
			if _, err := w.client.PhoneNumber(t.Context(), "1001"); err != nil {
				t.Errorf("at the time: %v", err)
			}
		})
	}
}

func TestWhatMayPassIsTemporary(t *testing.T) {
	for name, fault := range map[string]graphtest.Fault{
		"Meta's own failure":           {Refusal: graphtest.Unavailable()},
		"a proxy's page":               {Status: 502, Body: "<html>Bad gateway " + token + "</html>"},
		"a page that says all is well": {Body: "<html>Log in to this network</html>"},
		"a redirect":                   {Status: 302, Body: "elsewhere", Header: http.Header{"Location": {"https://elsewhere.example/"}}},
		"a cut body":                   {Truncate: 40},
		"half of the JSON":             {Body: `{"id":"1001","status":`},
		"an empty body":                {Body: " "},
		"a closed connection":          {Close: true},
		"slow":                         {Delay: time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(o *graph.Options) { o.Timeout = 200 * time.Millisecond })
			w.Fail(fault)
			_, err := w.client.PhoneNumber(t.Context(), "1001")
			first := failure(t, err, graph.Temporary)
			_, err = w.client.PhoneNumber(t.Context(), "1001")
			if second := failure(t, err, graph.Temporary); first.Error() != second.Error() {
				t.Errorf("one cause, two sentences:\n%s\n%s", first, second)
			}
			t.Log(first)
			w.Recover()
			if _, err := w.client.PhoneNumber(t.Context(), "1001"); err != nil {
				t.Errorf("after it: %v", err)
			}
			observed := w.observed()
			if len(observed) != 3 || observed[0] != graph.Temporary || observed[2] != 0 {
				t.Errorf("observed %+v", observed)
			}
		})
	}
}

func TestAFailureMaySayWhenToComeBack(t *testing.T) {
	w := newWorld(t)
	w.Fail(graphtest.Fault{Status: 503, Body: "down for a while", Header: http.Header{"Retry-After": {"120"}}, Times: 1})
	w.Fail(graphtest.Fault{Status: 503, Body: "down", Times: 1})
	_, err := w.client.PhoneNumber(t.Context(), "1001")
	if e := failure(t, err, graph.Temporary); !e.RetryAt.Equal(start.Add(2 * time.Minute)) {
		t.Errorf("got %s", e.RetryAt)
	}
	_, err = w.client.PhoneNumber(t.Context(), "1001")
	if e := failure(t, err, graph.Temporary); !e.RetryAt.IsZero() {
		t.Errorf("got %s", e.RetryAt)
	}
	if graph.KindOf(errors.New("another")) != 0 {
		t.Error("another error is of a kind")
	}
}

func TestTheNetworkFails(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := listener.Addr().String()
	listener.Close()
	untrusted := httptest.NewUnstartedServer(http.NotFoundHandler())
	untrusted.Config.ErrorLog = log.New(io.Discard, "", 0)
	untrusted.StartTLS()
	t.Cleanup(untrusted.Close)
	unresolved := broken{&net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{
		Err: "server misbehaving", Name: "graph.facebook.com", Server: "10.96.0.10:53",
	}}}
	reset := broken{&net.OpError{
		Op: "read", Net: "tcp", Source: &net.TCPAddr{Port: 40123}, Err: os.NewSyscallError("read", syscall.ECONNRESET),
	}}
	for name, test := range map[string]struct {
		address   string
		transport http.RoundTripper
		want      string
	}{
		"nothing listens":           {"http://" + closed, nil, "the network fails to dial: connection refused"},
		"nobody trusts who answers": {untrusted.URL, nil, "the certificate of " + strings.TrimPrefix(untrusted.URL, "https://") + " cannot be verified"},
		"the certificate is old": {
			graph.DefaultBaseURL, broken{x509.CertificateInvalidError{Reason: x509.Expired, Detail: "current time 2026-11-22T10:00:00Z is after"}},
			"the certificate of graph.facebook.com is not valid, or not at this time",
		},
		"no such name":        {graph.DefaultBaseURL, unresolved, "the name graph.facebook.com cannot be resolved"},
		"the connection ends": {graph.DefaultBaseURL, reset, "the network fails to read: connection reset by peer"},
		"something else":      {graph.DefaultBaseURL, broken{errors.New("proxy 10.0.0.1:40123 says no")}, "the network fails"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(o *graph.Options) { o.BaseURL, o.Transport = test.address, test.transport })
			_, err := w.client.PhoneNumber(t.Context(), "1001")
			if e := failure(t, err, graph.Temporary); e.Error() != "phone number 1001: "+test.want || e.HTTPStatus != 0 {
				t.Errorf("got %s, want %s", e, test.want)
			}
		})
	}
}

func TestASlowAnswerIsWaitedForAndGivenUpWithItsContext(t *testing.T) {
	w := newWorld(t)
	w.Fail(graphtest.Fault{Delay: 100 * time.Millisecond, Times: 1})
	if _, err := w.client.PhoneNumber(t.Context(), "1001"); err != nil {
		t.Errorf("a slow answer: %v", err)
	}
	w.Fail(graphtest.Fault{Delay: time.Minute})
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	_, err := w.client.PhoneNumber(ctx, "1001")
	if fails(t, err, graph.Temporary); !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = w.client.PhoneNumbers(ctx, "2001")
	if fails(t, err, graph.Temporary); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("too late: %v", err)
	}
}

func TestAnAnswerIsBounded(t *testing.T) {
	w := newWorld(t)
	w.Fail(graphtest.Fault{Body: `{"id":"1001","x":"` + strings.Repeat("x", 5<<20) + `"}`, Times: 1})
	_, err := w.client.PhoneNumber(t.Context(), "1001")
	fails(t, err, graph.Permanent)
	w.Fail(graphtest.Fault{Header: http.Header{"X-Long": {strings.Repeat("x", 1<<20)}}, Times: 1})
	_, err = w.client.PhoneNumber(t.Context(), "1001")
	fails(t, err, graph.Temporary)
	w.Fail(graphtest.Fault{Body: `{"id":"1002"}`, Times: 1})
	_, err = w.client.PhoneNumber(t.Context(), "1001")
	fails(t, err, graph.Permanent) // it is about another number
	w.Fail(graphtest.Fault{Body: `["1001"]`, Times: 1})
	_, err = w.client.PhoneNumber(t.Context(), "1001")
	fails(t, err, graph.Permanent)
}

func TestARedirectDoesNotGetTheToken(t *testing.T) {
	var got atomic.Int32
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { got.Add(1) }))
	t.Cleanup(elsewhere.Close)
	w := newWorld(t)
	w.Fail(graphtest.Fault{Status: http.StatusTemporaryRedirect, Body: "there", Header: http.Header{"Location": {elsewhere.URL}}})
	_, err := w.client.PhoneNumber(t.Context(), "1001")
	if fails(t, err, graph.Temporary); got.Load() != 0 {
		t.Error("the redirect was followed")
	}
}

// An app can ask Meta to demand a proof that a call comes from it. It is made anew of the token and the secret for every call, and
// neither the proof nor the secret shows in an error.
func TestCallsAreProvedWithTheAppSecret(t *testing.T) {
	secret := "0123456789abcdef0123456789abcdef"
	w := newWorld(t, func(o *graph.Options) {
		o.AppSecret = func(context.Context) (string, error) { return secret, nil }
	})
	w.RequireProof("0123456789abcdef0123456789abcdef")
	if _, err := w.client.PhoneNumber(t.Context(), "1001"); err != nil {
		t.Errorf("a call that is proved: %v", err)
	}
	if numbers, err := w.client.PhoneNumbers(t.Context(), "2001"); err != nil || len(numbers) != 1 {
		t.Errorf("a list that is proved: %v", err)
	}
	w.AddToken("EAAotherOTHERotherOTHER")
	w.setToken("EAAotherOTHERotherOTHER")
	if _, err := w.client.PhoneNumber(t.Context(), "1001"); err != nil {
		t.Errorf("with another token: %v", err)
	}
	secret = "fedcba9876543210fedcba9876543210"
	_, err := w.client.PhoneNumber(t.Context(), "1001")
	if e := failure(t, err, graph.Permanent); e.Code != 100 || strings.Contains(err.Error(), secret) {
		t.Errorf("with another app's secret: %v", err)
	}
	for _, secret = range []string{"", " \n", "two words"} {
		calls := len(w.Calls())
		_, err := w.client.PhoneNumber(t.Context(), "1001")
		if fails(t, err, graph.Token); len(w.Calls()) != calls || !strings.Contains(err.Error(), "app secret") {
			t.Errorf("with %q: %v", secret, err)
		}
	}
	unproved := newWorld(t)
	unproved.RequireProof("0123456789abcdef0123456789abcdef")
	_, err = unproved.client.PhoneNumber(t.Context(), "1001")
	fails(t, err, graph.Permanent)
}

func TestTheAddressAndHeadersOfACall(t *testing.T) {
	var got *http.Request
	w := newWorld(t, func(o *graph.Options) {
		o.BaseURL, o.UserAgent, o.Version = "http://127.0.0.1/graph/", "numberfleet/1.0", "v24.0"
		o.Transport = roundTrip(func(r *http.Request) *http.Response {
			got = r
			return answer(r, `{"data":[]}`)
		})
	})
	if _, err := w.client.PhoneNumbers(t.Context(), "2001"); err != nil {
		t.Fatal(err)
	}
	query, err := url.ParseQuery(got.URL.RawQuery)
	if err != nil || got.Method != http.MethodGet || got.URL.Path != "/graph/v24.0/2001/phone_numbers" || query.Get("limit") != "100" || len(query) != 2 ||
		got.Header.Get("Authorization") != "Bearer "+token || got.UserAgent() != "numberfleet/1.0" {
		t.Errorf("got %s %s with %v", got.Method, got.URL, got.Header)
	}
}
