package graph_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/meta/graph"
	"numberfleet.dev/numberfleet/internal/meta/graphtest"
)

const token = "EAAtestTOKENtestTOKENtestTOKENtestTOKEN0123456789"

var start = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

// world is a client that reads from a stand-in over HTTP.
type world struct {
	*graphtest.Server
	clock  *clocktesting.FakePassiveClock
	client *graph.Client

	mu    sync.Mutex
	token string
	calls []graph.Kind // how each failed, as observed
}

func (w *world) setToken(token string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.token = token
}

func (w *world) observed() []graph.Kind {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.calls)
}

func (w *world) pass(d time.Duration) { w.clock.SetTime(w.clock.Now().Add(d)) }

// newWorld has a portfolio 3001 with an account 2001 with a phone number 1001.
func newWorld(t *testing.T, change ...func(*graph.Options)) *world {
	t.Helper()
	clock := clocktesting.NewFakePassiveClock(start)
	w := &world{Server: graphtest.New(clock), clock: clock, token: token}
	w.AddToken(token)
	w.AddBusiness("3001", "Harbour Group")
	w.AddAccount("2001", "3001", "Harbour")
	w.AddPhoneNumber("1001", "2001", "+1 555-000-1111", "Harbour Tickets")
	server := httptest.NewServer(w.Server)
	t.Cleanup(server.Close)
	o := graph.Options{
		Token: func(context.Context) (string, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.token, nil
		},
		Clock:   clock,
		BaseURL: server.URL,
		Observe: func(failed graph.Kind) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.calls = append(w.calls, failed)
		},
	}
	for _, f := range change {
		f(&o)
	}
	var err error
	if w.client, err = graph.New(o); err != nil {
		t.Fatal(err)
	}
	return w
}

func fails(t *testing.T, err error, kind graph.Kind) {
	t.Helper()
	if e := failure(t, err, kind); e.What == "" {
		t.Fatalf("%v does not say what was read", err)
	}
}

// failure is err, which is of a kind, and shows nothing that it must not.
func failure(t *testing.T, err error, kind graph.Kind) *graph.Error {
	t.Helper()
	var e *graph.Error
	if !errors.As(err, &e) || e.Kind != kind || graph.KindOf(err) != kind {
		t.Fatalf("got %v, want a %s", err, kind)
	}
	for _, shown := range []string{e.Error(), fmt.Sprintf("%+v", *e), fmt.Sprintf("%v", e.Unwrap())} {
		if strings.Contains(shown, "TOKEN") || strings.Contains(shown, "Bearer") || strings.Contains(shown, "555-000") {
			t.Fatalf("the error shows what it must not: %s", shown)
		}
	}
	return e
}

func TestANumberAndItsAccountAreRead(t *testing.T) {
	w := newWorld(t)
	w.Set("3001", graphtest.Fields{"verification_status": "verified", "whatsapp_business_manager_messaging_limit": "TIER_2K"})
	w.Set("1001", graphtest.Fields{"quality_rating": "GREEN"})
	w.ChangeHealth(start, "2001", graphtest.Fields{"can_send_message": "LIMITED", "additional_info": []any{"Add a payment method"}})
	health := func(entities ...graph.HealthEntity) graph.Health {
		return graph.Health{Overall: "LIMITED", Entities: append(entities,
			graph.HealthEntity{Type: "WABA", CanSendMessage: "LIMITED", Info: []string{"Add a payment method"}},
			graph.HealthEntity{Type: "BUSINESS", CanSendMessage: "AVAILABLE"},
			graph.HealthEntity{Type: "APP", CanSendMessage: "AVAILABLE"},
		)}
	}
	number, err := w.client.PhoneNumber(t.Context(), "1001")
	want := graph.PhoneNumber{
		ID: "1001", DisplayPhoneNumber: "+1 555-000-1111", VerifiedName: "Harbour Tickets", Connection: "Connected", Rating: "High", PortfolioLimit: "2000",
		Platform: "CLOUD_API", Throughput: "STANDARD",
		Health: health(graph.HealthEntity{Type: "PHONE_NUMBER", CanSendMessage: "AVAILABLE"}),
	}
	if err != nil || !reflect.DeepEqual(number, want) {
		t.Errorf("%v\n got %+v\nwant %+v", err, number, want)
	}
	numbers, err := w.client.PhoneNumbers(t.Context(), "2001")
	if err != nil || len(numbers) != 1 || !reflect.DeepEqual(numbers[0], want) {
		t.Errorf("%v\n got %+v\nwant %+v", err, numbers, want)
	}
	account, err := w.client.Account(t.Context(), "2001")
	if want := (graph.Account{ID: "2001", Review: "Approved", BusinessVerification: "Verified"}); err != nil || account != want {
		t.Errorf("%v\n got %+v\nwant %+v", err, account, want)
	}
	for _, c := range w.Calls() {
		if c.Version != "v27.0" || c.Token != token || strings.Contains(c.Query, "TOKEN") || !strings.HasPrefix(c.Fields, "id,") {
			t.Errorf("the call was %+v", c)
		}
	}
	if observed := w.observed(); !slices.Equal(observed, make([]graph.Kind, len(w.Calls()))) {
		t.Errorf("observed %v", observed)
	}
}

func TestWhatChangesIsSeen(t *testing.T) {
	w := newWorld(t)
	w.Change(start.Add(time.Hour), "1001", graphtest.Fields{"quality_rating": "RED"})
	w.Change(start.Add(2*time.Hour), "1001", graphtest.Fields{"verified_name": "Harbour"})
	w.Change(start.Add(3*time.Hour), "3001", graphtest.Fields{"whatsapp_business_manager_messaging_limit": "TIER_10K"})
	w.Change(start.Add(4*time.Hour), "1001", graphtest.Fields{"status": "BANNED"})
	w.Remove(start.Add(5*time.Hour), "1001")
	type seen struct{ connection, quality, users, name, health string }
	for hour, want := range []seen{
		{"Connected", "Unknown", "250", "Harbour Tickets", "Available"},
		{"Connected", "Low", "250", "Harbour Tickets", "Available"},
		{"Connected", "Low", "250", "Harbour", "Available"},
		{"Connected", "Low", "10000", "Harbour", "Available"},
		{"Blocked", "Low", "10000", "Harbour", "Blocked"},
	} {
		n, err := w.client.PhoneNumber(t.Context(), "1001")
		if err != nil {
			t.Fatal(err)
		}
		got := seen{string(n.Connection), string(n.Rating), n.PortfolioLimit, n.VerifiedName, string(n.Health.Messaging())}
		if got != want {
			t.Errorf("after %d h: got %+v, want %+v", hour, got, want)
		}
		w.pass(time.Hour)
	}
	_, err := w.client.PhoneNumber(t.Context(), "1001")
	if e := failure(t, err, graph.NotFound); e.Code != 100 || e.Subcode != 33 || e.HTTPStatus != http.StatusBadRequest {
		t.Errorf("got %+v", e)
	}
	if numbers, err := w.client.PhoneNumbers(t.Context(), "2001"); err != nil || len(numbers) != 0 {
		t.Errorf("a list without numbers: got %+v, %v", numbers, err)
	}
}

func addNumbers(w *world, from, to int) {
	for i := from; i < to; i++ {
		w.AddPhoneNumber(strconv.Itoa(1001+i), "2001", fmt.Sprintf("+1 555-000-%04d", i), "Number "+strconv.Itoa(i))
	}
}

// inOrder checks that numbers are 1001 and on, each once.
func inOrder(t *testing.T, numbers []graph.PhoneNumber, err error, want int) {
	t.Helper()
	if err != nil || len(numbers) != want {
		t.Fatalf("got %d numbers, want %d: %v", len(numbers), want, err)
	}
	for i, n := range numbers {
		if n.ID != strconv.Itoa(1001+i) {
			t.Fatalf("number %d is %s", i, n.ID)
		}
	}
}

func TestAllPagesAreRead(t *testing.T) {
	for _, size := range []int{1, 99, 100, 101, 200, 250} {
		w := newWorld(t)
		addNumbers(w, 1, size)
		numbers, err := w.client.PhoneNumbers(t.Context(), "2001")
		inOrder(t, numbers, err, size)
		if calls := len(w.Calls()); calls != (size+99)/100 {
			t.Errorf("%d numbers took %d calls", size, calls)
		}
	}
}

func TestAListIsBegunAnewOnceWhenItsCursorIsInvalid(t *testing.T) {
	var once sync.Once
	var w *world
	w = newWorld(t, func(o *graph.Options) {
		o.Transport = intercept(func(r *http.Request) {
			if r.URL.Query().Get("after") != "" {
				once.Do(w.InvalidateCursors)
			}
		})
	})
	addNumbers(w, 1, 250)
	numbers, err := w.client.PhoneNumbers(t.Context(), "2001")
	inOrder(t, numbers, err, 250)
	var after []bool
	for _, c := range w.Calls() {
		after = append(after, c.After != "")
	}
	if !slices.Equal(after, []bool{false, true, false, true, true}) {
		t.Errorf("the cursors of the calls: %v", after)
	}

	// Whoever never gets a good cursor gives up after the second.
	w = newWorld(t, func(o *graph.Options) {
		o.Transport = intercept(func(r *http.Request) {
			if r.URL.Query().Get("after") != "" {
				w.InvalidateCursors()
			}
		})
	})
	addNumbers(w, 1, 250)
	_, err = w.client.PhoneNumbers(t.Context(), "2001")
	if e := failure(t, err, graph.Permanent); e.Code != 131059 || len(w.Calls()) != 4 {
		t.Errorf("got %+v after %d calls", e, len(w.Calls()))
	}
	// Without a cursor there is nothing to begin anew.
	w = newWorld(t)
	w.Fail(graphtest.Fault{Refusal: &graphtest.Refusal{Status: 400, Code: 131059, Type: "OAuthException", Message: "Invalid cursor"}})
	_, err = w.client.PhoneNumbers(t.Context(), "2001")
	if fails(t, err, graph.Permanent); len(w.Calls()) != 1 {
		t.Errorf("%d calls", len(w.Calls()))
	}
}

// intercept is a transport that calls something first.
type intercept func(*http.Request)

func (f intercept) RoundTrip(r *http.Request) (*http.Response, error) {
	f(r)
	return http.DefaultTransport.RoundTrip(r)
}

func TestAListThatMakesNoSenseIsRefused(t *testing.T) {
	number := `{"id":"1001","status":"CONNECTED"}`
	for name, body := range map[string]string{
		"no list":                   `{"paging":{}}`,
		"no object in it":           `{"data":["1001"]}`,
		"no id in it":               `{"data":[{"status":"CONNECTED"}]}`,
		"more, but not where":       `{"data":[` + number + `],"paging":{"next":"https://graph.facebook.com/v27.0/2001/phone_numbers?after=x&access_token=` + token + `"}}`,
		"the same page for ever":    `{"data":[` + number + `],"paging":{"cursors":{"after":"again"},"next":"https://x"}}`,
		"a cursor that is too long": `{"data":[` + number + `],"paging":{"cursors":{"after":"` + strings.Repeat("x", 5000) + `"},"next":"https://x"}}`,
		"cursors of another shape":  `{"data":[` + number + `],"paging":{"cursors":[]}}`,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.Fail(graphtest.Fault{Status: 200, Body: body})
			_, err := w.client.PhoneNumbers(t.Context(), "2001")
			fails(t, err, graph.Permanent)
			if calls := len(w.Calls()); calls > 2 {
				t.Errorf("%d calls", calls)
			}
		})
	}
	// A number that comes twice is told as it came last, and no last page needs cursors.
	w := newWorld(t)
	w.Fail(graphtest.Fault{Times: 1, Body: `{"data":[` + number + `],"paging":{"cursors":{"after":"b"},"next":"https://x"}}`})
	w.Fail(graphtest.Fault{Times: 1, Status: 200, Body: `{"data":[{"id":"1002"},{"id":"1001","status":"BANNED"}]}`})
	numbers, err := w.client.PhoneNumbers(t.Context(), "2001")
	if err != nil || len(numbers) != 2 || numbers[0].ID != "1001" || numbers[0].Connection != v1alpha1.StateBlocked || numbers[1].ID != "1002" {
		t.Errorf("got %+v, %v", numbers, err)
	}
	// A list without end ends.
	page := 0
	w = newWorld(t, func(o *graph.Options) {
		o.Transport = roundTrip(func(r *http.Request) *http.Response {
			page++
			return answer(r, fmt.Sprintf(`{"data":[],"paging":{"cursors":{"after":"%d"},"next":"https://x"}}`, page))
		})
	})
	_, err = w.client.PhoneNumbers(t.Context(), "2001")
	if fails(t, err, graph.Permanent); page != 100 {
		t.Errorf("%d pages", page)
	}
}

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

func TestAFieldThatMetaTookAwayCostsOnlyItself(t *testing.T) {
	gone := func(w *world, field string) {
		w.Fail(graphtest.Fault{Times: 1, Refusal: &graphtest.Refusal{
			Status: 400, Code: 100, Type: "OAuthException", Message: "(#100) Tried accessing nonexisting field (" + field + ") on node type (WhatsAppBusinessPhoneNumber)",
		}})
	}
	w := newWorld(t)
	gone(w, "health_status")
	gone(w, "is_on_biz_app")
	n, err := w.client.PhoneNumber(t.Context(), "1001")
	if err != nil || n.Connection != v1alpha1.StateConnected || n.OnBusinessApp || !slices.Equal(n.Unread, []string{"health_status", "is_on_biz_app"}) {
		t.Errorf("got %+v, %v", n, err)
	}
	if n, err = w.client.PhoneNumber(t.Context(), "1001"); err != nil || len(n.Unread) != 2 || len(w.Calls()) != 4 {
		t.Errorf("the next time: got %+v, %v after %d calls", n, err, len(w.Calls()))
	}
	if fields := w.Calls()[3].Fields; strings.Contains(fields, "health_status") || !strings.Contains(fields, "status") {
		t.Errorf("asked for %s", fields)
	}
	// Of something else that is refused like it, nothing is left out, and nothing is tried for ever.
	for _, field := range []string{"id", "phone_numbers"} {
		w := newWorld(t)
		gone(w, field)
		_, err := w.client.PhoneNumber(t.Context(), "1001")
		if fails(t, err, graph.Permanent); len(w.Calls()) != 1 {
			t.Errorf("%d calls", len(w.Calls()))
		}
	}
	_, err = w.client.PhoneNumbers(t.Context(), "3001") // a portfolio has no such list
	fails(t, err, graph.Permanent)
}

// Each language of a template is one, with its own state. All pages are read, and no limit of the account is asked for there.
func TestTemplatesAreRead(t *testing.T) {
	w := newWorld(t)
	long := strings.Repeat("a", 512)
	w.AddTemplate("4001", "2001", "order_update", "en_US", "UTILITY")
	w.AddTemplate("4002", "2001", "order_update", "pt_BR", "UTILITY")
	w.AddTemplate("4003", "2001", long, "en", "MARKETING")
	w.AddTemplate("5001", "2002", "of_another_account", "en", "MARKETING")
	w.Set("4002", graphtest.Fields{"status": "REJECTED", "rejected_reason": "SCAM"})
	w.Set("4003", graphtest.Fields{"status": "PAUSED", "quality_score": graphtest.Fields{"score": "RED", "date": 1790000000}})
	want := []graph.Template{
		{ID: "4001", Name: "order_update", Language: "en_US", State: "Approved", Category: "Utility", Rating: "Unknown"},
		{ID: "4002", Name: "order_update", Language: "pt_BR", State: "Rejected", Category: "Utility", Rating: "Unknown", RejectedReason: "SCAM"},
		{ID: "4003", Name: long, Language: "en", State: "Paused", Category: "Marketing", Rating: "Low"},
	}
	if got, err := w.client.Templates(t.Context(), "2001"); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	if fields := w.Calls()[0].Fields; fields != "id,name,language,status,category,quality_score,rejected_reason" {
		t.Errorf("asked for %s", fields)
	}
	for i := range 150 {
		w.AddTemplate(strconv.Itoa(6001+i), "2001", "offer_"+strconv.Itoa(i), "en", "MARKETING")
	}
	w.Forget()
	if got, err := w.client.Templates(t.Context(), "2001"); err != nil || len(got) != 153 || len(w.Calls()) != 2 {
		t.Errorf("got %d templates in %d calls, %v", len(got), len(w.Calls()), err)
	}
	// What has another shape costs only itself.
	w.Set("4001", graphtest.Fields{"name": 7, "quality_score": "GREEN", "category": []any{}})
	got, err := w.client.Templates(t.Context(), "2001")
	if err != nil || !slices.Equal(got[0].Unread, []string{"category", "quality_score"}) || got[0].State != v1alpha1.TemplateApproved {
		t.Errorf("got %+v, %v", got[0], err)
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

func TestAnOlderVersionTellsTheNumbersOwnLimit(t *testing.T) {
	w := newWorld(t, func(o *graph.Options) { o.Version = "v23.0" })
	w.Set("1001", graphtest.Fields{"messaging_limit_tier": "TIER_1K"})
	n, err := w.client.PhoneNumber(t.Context(), "1001")
	if err != nil || n.Limit != "1000" || n.PortfolioLimit != "" || len(n.Unread) != 0 {
		t.Errorf("got %+v, %v", n, err)
	}
	if a, err := w.client.Account(t.Context(), "2001"); err != nil || a.Review != "Approved" {
		t.Errorf("got %+v, %v", a, err)
	}
	for _, c := range w.Calls() {
		if c.Version != "v23.0" {
			t.Errorf("the call was %+v", c)
		}
	}
	w = newWorld(t, func(o *graph.Options) { o.Version = "v99.0" })
	_, err = w.client.PhoneNumber(t.Context(), "1001")
	fails(t, err, graph.Permanent)
}

func TestAnIDThatIsNoneIsNotCalled(t *testing.T) {
	w := newWorld(t)
	for _, id := range []string{"", ".", "..", "1001/register", "1001?x", "%2e%2e", "me", "+15550001111", " 1001", strings.Repeat("1", 33), token} {
		_, err := w.client.PhoneNumber(t.Context(), id)
		if e := failure(t, err, graph.Permanent); id != "" && strings.Contains(e.Error(), id) && len(id) > 2 {
			t.Errorf("the error quotes %s: %s", id, e)
		}
	}
	if len(w.Calls()) != 0 {
		t.Errorf("%d calls", len(w.Calls()))
	}
}

func TestOptionsAreChecked(t *testing.T) {
	valid := graph.Options{Token: func(context.Context) (string, error) { return token, nil }, Clock: clocktesting.NewFakePassiveClock(start)}
	if _, err := graph.New(valid); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*graph.Options){
		"no token":            func(o *graph.Options) { o.Token = nil },
		"no clock":            func(o *graph.Options) { o.Clock = nil },
		"a version without v": func(o *graph.Options) { o.Version = "26.0" },
		"a path for version":  func(o *graph.Options) { o.Version = "v27.0/../me" },
		"no host":             func(o *graph.Options) { o.BaseURL = "graph.facebook.com" },
		"in the clear":        func(o *graph.Options) { o.BaseURL = "http://graph.facebook.com" },
		"another scheme":      func(o *graph.Options) { o.BaseURL = "ftp://127.0.0.1" },
		"a query":             func(o *graph.Options) { o.BaseURL = "https://graph.facebook.com?access_token=x" },
		"a user":              func(o *graph.Options) { o.BaseURL = "https://u:p@graph.facebook.com" },
	} {
		o := valid
		change(&o)
		if _, err := graph.New(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	for _, address := range []string{"https://graph.facebook.com/", "http://localhost:8080", "http://[::1]:8080/graph", "http://127.0.0.1:1"} {
		o := valid
		o.BaseURL = address
		if _, err := graph.New(o); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
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

func TestManyReadAtOnce(t *testing.T) {
	w := newWorld(t, func(o *graph.Options) { o.Limiter = graph.NewLimiter(graph.HourlyCallsActive, o.Clock) })
	w.SetAllowance("2001", graph.HourlyCallsActive)
	w.Fail(graphtest.Fault{Times: 1, Refusal: &graphtest.Refusal{Status: 400, Code: 100, Type: "OAuthException", Message: "(#100) Tried accessing nonexisting field (health_status)"}})
	addNumbers(w, 1, 20)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for k := range 10 {
				if _, err := w.client.PhoneNumber(t.Context(), strconv.Itoa(1001+(i+k)%20)); err != nil {
					t.Error(err)
				}
				w.Set("1001", graphtest.Fields{"quality_rating": "GREEN"})
			}
		})
	}
	wg.Wait()
}
