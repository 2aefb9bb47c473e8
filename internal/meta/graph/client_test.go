package graph_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
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
