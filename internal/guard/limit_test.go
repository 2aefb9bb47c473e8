package guard_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/utils/clock"

	"numberfleet.dev/numberfleet/internal/config"
	"numberfleet.dev/numberfleet/internal/gate/gatetest"
	"numberfleet.dev/numberfleet/internal/guard"
	"numberfleet.dev/numberfleet/internal/meta/graphtest"
	"numberfleet.dev/numberfleet/internal/server"
	"numberfleet.dev/numberfleet/internal/server/servertest"
)

// Many senders at once, some of whom go away, before a Meta that refuses some messages and whose answers get lost: with a real gate and
// ledger, Meta never takes messages to more users than the limit, and all of the limit is used or held in the end.
func TestSendersThroughTheGuardNeverExceedTheLimit(t *testing.T) {
	const limit, senders, users = 100, 64, 300
	g := gatetest.New(t, limit, clock.RealClock{})
	meta := graphtest.New(g.Clock)
	meta.AddToken(token)
	meta.AddAccount(gatetest.Account, "", "Harbour")
	meta.AddPhoneNumber(gatetest.NumberID, gatetest.Account, gatetest.Number, "Harbour")
	var mu sync.Mutex
	taken, came := map[string]bool{}, 0
	meta.Receive(func(m graphtest.Message) *graphtest.Refusal {
		mu.Lock()
		defer mu.Unlock()
		if came++; came%5 == 0 {
			return &graphtest.Refusal{Status: 400, Code: 131026, Type: "OAuthException", Message: "(#131026) Message undeliverable"}
		}
		taken[m.To] = true
		return nil
	})
	for i := range 5 { // of messages that are taken, and of which nothing is heard
		meta.Fail(graphtest.Fault{Path: gatetest.NumberID + "/messages", Skip: 7 + 3*i, Times: 1, Truncate: 10})
		meta.Fail(graphtest.Fault{Path: gatetest.NumberID + "/messages", Skip: 8 + 5*i, Times: 1, Close: true})
	}
	guarded, err := guard.New(guard.Options{
		Config: &config.Guard{Authentication: config.PassThrough}, BaseURL: newUpstream(t, meta.ServeHTTP), Directory: g.Fleet, Clock: clock.RealClock{}, Metrics: g.Metrics,
	})
	if err != nil {
		t.Fatal(err)
	}
	guarded.SetBackend(&guard.Backend{Gate: g.Service, Names: g.Ledger})
	address, stop := servertest.Serve(t, &server.Server{Handler: guarded, Limits: guard.Limits})
	send := func(ctx context.Context, user int) (status int, answer string) {
		body := strings.Replace(template, "15557770000", fmt.Sprint(15557770000+user), 1)
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+"/v27.0/"+gatetest.NumberID+"/messages", strings.NewReader(body))
		if err != nil {
			t.Error(err)
			return 0, ""
		}
		req.Header = http.Header{"Authorization": {"Bearer " + token}, "Content-Type": {"application/json"}}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return 0, ""
		}
		defer res.Body.Close()
		content, _ := io.ReadAll(res.Body) // of a sender that goes away there is none
		return res.StatusCode, string(content)
	}

	var sending sync.WaitGroup
	for sender := range senders {
		sending.Go(func() {
			for user := sender; user < users; user += senders {
				ctx := t.Context()
				if user%7 == 0 {
					var leave context.CancelFunc
					ctx, leave = context.WithTimeout(ctx, time.Duration(user%5)*time.Millisecond)
					defer leave()
				}
				send(ctx, user)
				send(ctx, user+senders) // whom another sender messages too
			}
		})
	}
	sending.Wait()
	full := 0
	for user := users; full < 20 && user < 2*users; user++ { // what was given back meanwhile
		if status, answer := send(t.Context(), user); status == http.StatusTooManyRequests && strings.Contains(answer, "LimitReached: ") {
			full++
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if held := g.Ledger.Reserved(gatetest.Number, g.Clock.Now()); held != limit {
		t.Errorf("%d places are held", held)
	}
	if len(taken) > limit || len(taken) < limit-10 {
		t.Errorf("Meta took messages to %d users", len(taken))
	}
}
