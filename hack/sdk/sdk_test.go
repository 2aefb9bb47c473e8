//go:build sdk

// Package sdk_test sends through the guard with a client of the Cloud API that others wrote. It runs with `make test-sdk`, since it needs Node.js.
package sdk_test

import (
	"encoding/json"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"

	"k8s.io/utils/clock"

	"numberfleet.dev/numberfleet/internal/config"
	"numberfleet.dev/numberfleet/internal/gate/gatetest"
	"numberfleet.dev/numberfleet/internal/guard"
	"numberfleet.dev/numberfleet/internal/meta/graphtest"
)

// outcome is what the client says of a message.
type outcome struct {
	ID         string
	Code       int64
	HTTPStatus int
	Details    string
	Category   string
	Action     string
	RetryAfter float64 // milliseconds
}

// The client gets ids of messages as from Meta, and understands a refusal as one of Meta's: what it is, and whether and when to try again.
func TestAClientOfOthersSendsThroughTheGuard(t *testing.T) {
	const token = "EAAtoken"
	g := gatetest.New(t, 2, clock.RealClock{})
	g.Receive(t, "15557770009") // whose service window is open
	meta := graphtest.New(g.Clock)
	meta.AddToken(token)
	meta.AddAccount(gatetest.Account, "", "Harbour")
	meta.AddPhoneNumber(gatetest.NumberID, gatetest.Account, gatetest.Number, "Harbour")
	upstream := httptest.NewServer(meta)
	t.Cleanup(upstream.Close)
	guarded, err := guard.New(guard.Options{
		Config: &config.Guard{Authentication: config.PassThrough}, BaseURL: upstream.URL, Directory: g.Fleet, Clock: clock.RealClock{}, Metrics: g.Metrics,
	})
	if err != nil {
		t.Fatal(err)
	}
	guarded.SetBackend(&guard.Backend{Gate: g.Service, Names: g.Ledger})
	server := httptest.NewServer(guarded)
	t.Cleanup(server.Close)

	send := exec.CommandContext(t.Context(), "node", "send.mjs", server.URL, token, gatetest.NumberID)
	send.Stdin = strings.NewReader("15557770001 sale\n15557770002 sale\n15557770002 sale\n15557770003 sale\n15557770009\n15557770001\n")
	var problems strings.Builder
	send.Stderr = &problems
	lines, err := send.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, problems.String())
	}
	var got []outcome
	for line := range strings.Lines(string(lines)) {
		var o outcome
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		got = append(got, o)
	}
	if len(got) != 6 {
		t.Fatalf("got %s", lines)
	}
	for i, what := range map[int]string{0: "the first user", 1: "the second", 2: "the second again", 4: "a user whose window is open"} {
		if !strings.HasPrefix(got[i].ID, "wamid.") {
			t.Errorf("to %s: got %+v", what, got[i])
		}
	}
	full := got[3]
	if full.Code != 130429 || full.HTTPStatus != 429 || !strings.HasPrefix(full.Details, "LimitReached: 0 of 2 are used and 2 are held") || full.Category != "throttling" ||
		full.Action != "retry_after" || full.RetryAfter <= 0 {
		t.Errorf("to a third user: got %+v", full)
	}
	outside := got[5]
	if outside.Code != 131047 || outside.HTTPStatus != 409 || !strings.HasPrefix(outside.Details, "OutsideWindow: ") || outside.Category != "reengagementWindow" ||
		outside.Action != "do_not_retry" {
		t.Errorf("text outside of a window: got %+v", outside)
	}
	sent := 0
	for _, call := range meta.Calls() {
		if call.Edge == "messages" {
			sent++
		}
	}
	if sent != 4 {
		t.Errorf("%d messages came to Meta", sent)
	}
}
