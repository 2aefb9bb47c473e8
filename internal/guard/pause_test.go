package guard_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/config"
	"numberfleet.dev/numberfleet/internal/gate"
	"numberfleet.dev/numberfleet/internal/guard"
	"numberfleet.dev/numberfleet/internal/meta/graphtest"
)

func messageTo(user string) string { return strings.Replace(text, "+15557770000", user, 1) }

// Where Meta throttles, the next messages of what it throttles are refused here for as long as it asked to wait, without asking Meta and
// without holding a place; others pass.
func TestMetasThrottlingBecomesAPause(t *testing.T) {
	retry := http.Header{"Retry-After": {"30"}}
	regain := http.Header{"X-Business-Use-Case-Usage": {`{"2001":[{"call_count":100,"estimated_time_to_regain_access":3}]}`}}
	app := graphtest.AppThrottled()
	account := &graphtest.Refusal{Status: 400, Code: 80007, Type: "OAuthException", Message: "(#80007) Rate limit hit"}
	for name, test := range map[string]struct {
		fault              graphtest.Fault
		wait               time.Duration
		code               string
		toOther, fromOther bool          // pass
		anotherToken       bool          // passes
		again              time.Duration // the second time
	}{
		"a number":                 {fault: graphtest.Fault{Refusal: graphtest.NumberThrottled()}, wait: time.Second, code: "130429", fromOther: true, again: 2 * time.Second},
		"a number, told how long":  {fault: graphtest.Fault{Refusal: graphtest.NumberThrottled(), Header: retry}, wait: 30 * time.Second, code: "130429", fromOther: true, again: 30 * time.Second},
		"a number, with the usage": {fault: graphtest.Fault{Refusal: graphtest.NumberThrottled(), Header: regain}, wait: time.Second, code: "130429", fromOther: true, again: 2 * time.Second},
		"a pair":                   {fault: graphtest.Fault{Refusal: graphtest.PairThrottled()}, wait: 4 * time.Second, code: "131056", toOther: true, fromOther: true, again: 16 * time.Second},
		"an account":               {fault: graphtest.Fault{Refusal: account, Header: regain}, wait: 3 * time.Minute, code: "80007", again: 3 * time.Minute},
		"an app":                   {fault: graphtest.Fault{Refusal: app}, wait: time.Minute, code: "4", anotherToken: true, again: 2 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStand(t)
			s.meta.AddToken("another")
			s.send(messageTo("15557770009")) // now Meta's token is known
			s.gate.became(1)
			test.fault.Path, test.fault.Times = "1001/messages", 1
			passes := func(path, body, token string) bool {
				t.Helper()
				before := len(s.gate.requests)
				res, answer := s.do(http.MethodPost, path, body, http.Header{"Authorization": {"Bearer " + token}})
				if res.StatusCode == http.StatusTooManyRequests && len(s.gate.requests) != before {
					t.Errorf("a place was held for what is refused with %s", answer)
				}
				return res.StatusCode == http.StatusOK
			}
			throttle := func(wait time.Duration) {
				t.Helper()
				s.meta.Fail(test.fault)
				if res, body := s.send(text); res.StatusCode != http.StatusBadRequest || !strings.Contains(body, `"code":`+test.code) {
					t.Fatalf("HTTP %d %s", res.StatusCode, body)
				}
				s.gate.became(1)
				asked := len(s.sent())
				res, body := s.send(text)
				if r := s.refusalOf(body); res.StatusCode != http.StatusTooManyRequests || r.Error.Code != 130429 || !strings.HasPrefix(r.Error.ErrorData.Details, "Throttled: ") ||
					res.Header.Get("Retry-After") != seconds(wait) {
					t.Errorf("HTTP %d %s, to be tried again after %s, want %s", res.StatusCode, body, res.Header.Get("Retry-After"), wait)
				}
				if len(s.sent()) != asked {
					t.Error("Meta was asked")
				}
				s.clock.SetTime(s.clock.Now().Add(wait))
			}
			start := s.clock.Now()
			throttle(test.wait)
			end := s.clock.Now()
			s.clock.SetTime(start.Add(test.wait / 2))
			if passes("/v27.0/1001/messages", messageTo("15557770001"), token) != test.toOther {
				t.Errorf("to another user: want %t", test.toOther)
			}
			if passes("/v27.0/1002/messages", text, token) != test.fromOther {
				t.Errorf("from another number: want %t", test.fromOther)
			}
			if test.anotherToken && !passes("/v27.0/1002/messages", text, "another") {
				t.Error("of another app: it does not pass")
			}
			s.clock.SetTime(end)
			throttle(test.again)
			if !passes("/v27.0/1001/messages", text, token) {
				t.Error("after the pause it does not pass")
			}
			if got := s.counter("numberfleet_guard_pauses_total"); got != `numberfleet_guard_pauses_total{code="`+test.code+`"} 2` {
				t.Error(got)
			}
		})
	}
}

func seconds(d time.Duration) string { return strconv.Itoa(int(d / time.Second)) }

// What Meta would refuse for being too much at a time is held back before, where that is asked for.
func TestBoundsHoldBackWhatMetaWouldRefuse(t *testing.T) {
	bounds := func(all ...config.Bound) func(*guard.Options) {
		return func(o *guard.Options) { o.Config.Bounds = all }
	}
	count := func(s *stand, body func(i int) string, from int) (sent int) {
		for i := range 200 {
			res, answer := s.send(body(from + i))
			if res.StatusCode == http.StatusTooManyRequests {
				if r := s.refusalOf(answer); !strings.HasPrefix(r.Error.ErrorData.Details, "Throttled: ") {
					t.Errorf("got %s", answer)
				}
				break
			}
			sent++
		}
		return sent
	}
	many := func(i int) string { return messageTo(strconv.Itoa(15557770000 + i)) }
	one := func(int) string { return text }
	s := newStand(t, bounds(config.ThroughputBound))
	if n := count(s, many, 0); n != 80 {
		t.Errorf("%d messages were sent at once by a number whose throughput is not known", n)
	}
	s.clock.SetTime(s.clock.Now().Add(500 * time.Millisecond))
	if n := count(s, many, 0); n != 40 {
		t.Errorf("%d messages were sent after half a second", n)
	}
	s.clock.SetTime(s.clock.Now().Add(time.Second))
	for _, number := range s.fleet {
		number.Status.Throughput.MessagesPerSecond = 20
	}
	if n := count(s, many, 0); n > 80 {
		t.Errorf("%d messages were sent in the second in which the number became slow", n)
	}
	s.clock.SetTime(s.clock.Now().Add(time.Second))
	if n := count(s, many, 0); n != 20 {
		t.Errorf("%d messages were sent by a slow number", n)
	}

	s = newStand(t, bounds(config.PairRateBound))
	if n := count(s, one, 0); n != 45 {
		t.Errorf("%d messages were sent to one user", n)
	}
	s.clock.SetTime(s.clock.Now().Add(12 * time.Second))
	if n := count(s, one, 0); n != 2 {
		t.Errorf("%d messages were sent to the user 12 s later", n)
	}
	if n := count(s, many, 1); n != 200 {
		t.Errorf("%d messages were sent to others", n)
	}
	// Without bounds there are none.
	if n := count(newStand(t), one, 0); n != 200 {
		t.Errorf("without bounds, %d messages were sent", n)
	}
}

// What Meta does not count takes nothing of the bounds: what the gate refuses, and messages of strangers, who could hold up others by it.
func TestWhatIsNotSentTakesNothingOfTheBounds(t *testing.T) {
	s := newStand(t, func(o *guard.Options) { o.Config.Bounds = []config.Bound{config.PairRateBound} })
	var refused *gate.Problem
	s.gate.decide = func(gate.Request) gate.Answer {
		s.clock.SetTime(s.clock.Now().Add(time.Millisecond)) // a decision takes time
		return gate.Answer{Problem: refused}
	}
	for range 60 {
		if res, body := s.do(http.MethodPost, "/v27.0/1001/messages", text, authorization("bad")); !strings.Contains(body, `"code":190`) {
			t.Fatalf("HTTP %d %s", res.StatusCode, body)
		}
	}
	refused = gate.NewProblem(gate.Reason(v1alpha1.RoomLimitReached), "1000 of 1000 are used")
	for range 60 {
		if res, body := s.send(text); !strings.Contains(body, "LimitReached: ") {
			t.Fatalf("HTTP %d %s", res.StatusCode, body)
		}
	}
	refused = nil
	for range 45 {
		if res, body := s.send(text); res.StatusCode != http.StatusOK {
			t.Fatalf("HTTP %d %s", res.StatusCode, body)
		}
	}
	if res, body := s.send(text); !strings.Contains(body, "Throttled: ") {
		t.Errorf("HTTP %d %s", res.StatusCode, body)
	}
}
