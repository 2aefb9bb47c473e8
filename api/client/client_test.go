package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/utils/clock"

	"numberfleet.dev/numberfleet/api/client"
	"numberfleet.dev/numberfleet/internal/gate/gatetest"
)

// served is the API of a gate with a limit, on loopback, and a client of it.
func served(t *testing.T, limit int64, token string) (*gatetest.Gate, *client.Client) {
	t.Helper()
	g := gatetest.New(t, limit, clock.RealClock{})
	a, backend := g.NewAPI(t, clock.RealClock{})
	a.SetBackend(backend)
	url, stop := gatetest.Serve(t, a)
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	return g, newClient(t, client.Options{URL: url, Token: func(context.Context) (string, error) { return token, nil }})
}

func newClient(t *testing.T, o client.Options) *client.Client {
	t.Helper()
	c, err := client.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func to(user int) client.Request {
	return client.Request{Number: gatetest.Number, User: fmt.Sprintf("+1555020%04d", user), Category: "Marketing", TTL: "90s"}
}

func TestAClientReservesConfirmsAndReleases(t *testing.T) {
	g, c := served(t, 2, gatetest.ShopToken)
	ctx := t.Context()
	first, err := c.Reserve(ctx, to(1))
	if err != nil {
		t.Fatal(err)
	}
	if first.State != "Held" || first.Why != "Reserved" || first.Namespace != "shop" || first.Name != "sales" || first.Number != gatetest.Number ||
		first.NumberID != gatetest.NumberID || first.Remaining != 1 || !first.Expires.After(g.Clock.Now()) {
		t.Errorf("it is %+v", first)
	}
	results, err := c.ReserveAll(ctx, []client.Request{to(2), to(3)})
	if err != nil || results[0].Status != 201 || results[0].Reservation == nil || results[1].Status != 429 || results[1].Problem.Reason != "LimitReached" {
		t.Fatalf("they are %+v, %v", results, err)
	}
	_, err = c.Reserve(ctx, to(3))
	problem, ok := errors.AsType[*client.Problem](err)
	if !ok || problem.Status != 429 || problem.Reason != "LimitReached" || problem.RetryAfter < 60 || problem.Until.IsZero() || !strings.HasPrefix(err.Error(), "LimitReached: 0 of 2 are used and 2 are held") {
		t.Errorf("the refusal is %+v", err)
	}
	if err := c.Release(ctx, results[0].Reservation.ID); err != nil {
		t.Error(err)
	}
	if _, err := c.Reserve(ctx, to(3)); err != nil {
		t.Errorf("with room after a release: %v", err)
	}
	if err := c.Confirm(ctx, first.ID, "wamid.1"); err != nil {
		t.Error(err)
	}
	if err := c.Confirm(ctx, first.ID, "wamid.2"); err == nil || !strings.HasPrefix(err.Error(), "OtherMessage: ") {
		t.Errorf("confirmed with another message: %v", err)
	}
}

func TestAClientPreviewsAReservation(t *testing.T) {
	g, c := served(t, 1, gatetest.ShopToken)
	for range 2 {
		if p, err := c.Preview(t.Context(), to(1)); err != nil || *p != (client.Preview{Namespace: "shop", Name: "sales", Number: gatetest.Number, NumberID: gatetest.NumberID, State: "Held", Why: "Reserved", Remaining: 1}) {
			t.Errorf("it is %+v, %v", p, err)
		}
	}
	g.Deliver(t, "15550200001", "wamid.1")
	if p, err := c.Preview(t.Context(), to(1)); err != nil || p.State != "Free" || p.Why != "AlreadyCounted" {
		t.Errorf("to a user who is counted it is %+v, %v", p, err)
	}
	if _, err := c.Preview(t.Context(), to(2)); err == nil || !strings.HasPrefix(err.Error(), "LimitReached: 1 of 1 are used") {
		t.Errorf("to another one it is %v", err)
	}
}

func TestAClientWatchesWhatMayBeSent(t *testing.T) {
	_, c := served(t, 2, gatetest.ShopToken)
	selection := client.Selection{Namespace: "shop"}
	items, err := c.Standing(t.Context(), selection)
	if err != nil || len(items) != 1 || items[0].Name != "sales" || *items[0].Limit != 2 || items[0].Remaining != 2 || !items[0].Sendable {
		t.Fatalf("it stands at %+v, %v", items, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var ended error
	seen := 0
	for change, err := range c.Watch(ctx, selection) {
		if ended = err; err != nil {
			break
		}
		if seen++; change.Name != "sales" || change.Removed {
			t.Errorf("it tells of %+v", change)
		}
		cancel()
	}
	if seen != 1 || !errors.Is(ended, context.Canceled) {
		t.Errorf("it told of %d and ended with %v", seen, ended)
	}
	for _, err := range c.Watch(t.Context(), client.Selection{}) {
		if problem, ok := errors.AsType[*client.Problem](err); !ok || problem.Reason != "Forbidden" {
			t.Errorf("without the right it tells %v", err)
		}
	}
}

// answers is a server in the same process.
type answers func(*http.Request) *http.Response

func (a answers) RoundTrip(request *http.Request) (*http.Response, error) {
	response := a(request)
	response.StatusCode = http.StatusOK
	return response, nil
}

// A connection may be lost without a word. What a stream said last is then not taken for what is so now: it ends, and says why. Who takes their
// time to read loses nothing.
func TestAStreamOfWhichNothingComesEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, client.Options{URL: "https://gate.example", HTTP: &http.Client{Transport: answers(func(request *http.Request) *http.Response {
			body, server := io.Pipe()
			context.AfterFunc(request.Context(), func() { _ = body.CloseWithError(request.Context().Err()) })
			go func() {
				for range 4 {
					_, _ = io.WriteString(server, "event: standing\ndata: {\"name\": \"sales\"}\n\n")
					time.Sleep(40 * time.Second) // the last time for ever
				}
			}()
			return &http.Response{Body: body}
		})}})
		real, changes := clock.RealClock{}, 0
		begun := real.Now()
		for change, err := range c.Watch(t.Context(), client.Selection{}) {
			if err != nil {
				if !strings.Contains(err.Error(), "nothing came for 45s") {
					t.Errorf("it ends with %v", err)
				}
				break
			}
			if changes++; change.Name != "sales" {
				t.Errorf("it says %+v", change)
			}
			if changes == 2 {
				time.Sleep(time.Hour)
			}
		}
		if took := real.Since(begun); changes != 4 || took < time.Hour {
			t.Errorf("%d changes came in %s", changes, took)
		}
	})
}

// Where the numbers of a large fleet stand is read as a whole.
func TestAClientReadsWhereALargeFleetStands(t *testing.T) {
	const numbers = 50_000
	item := `{"kind": "PhoneNumber", "namespace": "fleet", "name": "number-00001", "number": "+15550100001", "numberID": "106540352242922", "limit": 1000, "used": 450, "reserved": 0, "remaining": 550, "sendable": true}`
	c := newClient(t, client.Options{URL: "https://gate.example", HTTP: &http.Client{Transport: answers(func(*http.Request) *http.Response {
		return &http.Response{Body: io.NopCloser(strings.NewReader(`{"items": [` + strings.Repeat(item+", ", numbers-1) + item + "]}"))}
	})}})
	items, err := c.Standing(t.Context(), client.Selection{})
	if err != nil || len(items) != numbers {
		t.Errorf("%d are read, and %v", len(items), err)
	}
}

func TestAClientWaitsAsLongAsItIsAskedToWithinItsBounds(t *testing.T) {
	var asked atomic.Int64
	answers := []struct {
		code  int
		retry string
	}{{503, "1"}, {429, "1"}, {204, ""}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		answer := answers[min(asked.Add(1), 3)-1]
		w.Header().Set("Retry-After", answer.retry)
		w.WriteHeader(answer.code)
	}))
	defer server.Close()
	if err := newClient(t, client.Options{URL: server.URL}).Release(t.Context(), "id"); err != nil || asked.Load() != 3 {
		t.Errorf("after %d tries it says %v", asked.Load(), err)
	}
	asked.Store(0)
	answers[0].retry = "11"
	if err := newClient(t, client.Options{URL: server.URL}).Release(t.Context(), "id"); err == nil || asked.Load() != 1 {
		t.Errorf("asked to wait for longer than it does, after %d tries it says %v", asked.Load(), err)
	}
	asked.Store(0)
	answers[0].retry = "1"
	if err := newClient(t, client.Options{URL: server.URL, Retries: -1}).Release(t.Context(), "id"); err == nil || asked.Load() != 1 {
		t.Errorf("told not to try again, after %d tries it says %v", asked.Load(), err)
	}
	asked.Store(0)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	if err := newClient(t, client.Options{URL: server.URL}).Release(ctx, "id"); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled while it waits, it says %v", err)
	}
}

func TestARequestThatIsSentAgainHasTheSameKey(t *testing.T) {
	bodies := make(chan string, 4)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		bodies <- string(body)
		panic(http.ErrAbortHandler) // the answer is lost
	}))
	defer server.Close()
	c := newClient(t, client.Options{URL: server.URL, Retries: 1})
	send := func() (first, again string) {
		t.Helper()
		if _, err := c.Reserve(t.Context(), to(1)); err == nil {
			t.Error("without an answer it says that it was granted")
		}
		return <-bodies, <-bodies
	}
	first, again := send()
	if first != again || !strings.Contains(first, `"key":"`) {
		t.Errorf("it sends %s, then %s", first, again)
	}
	if other, _ := send(); other == first {
		t.Errorf("another request has the same key: %s", other)
	}
}

func TestAnAnswerThatIsNotTheGatesIsAProblemWithItsStatus(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		http.Error(w, "<html>", http.StatusForbidden)
	}))
	defer server.Close()
	_, err := newClient(t, client.Options{URL: server.URL}).Standing(t.Context(), client.Selection{})
	if problem, ok := errors.AsType[*client.Problem](err); !ok || problem.Status != 403 || problem.Reason != "Forbidden" {
		t.Errorf("it is %v", err)
	}
}

func TestAnAddressThatIsNotAbsoluteIsRefused(t *testing.T) {
	for _, url := range []string{"", "localhost", "/v1", ":"} {
		if _, err := client.New(client.Options{URL: url}); err == nil {
			t.Errorf("%q is taken", url)
		}
	}
}
