package guard_test

import (
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/config"
	"numberfleet.dev/numberfleet/internal/gate"
	"numberfleet.dev/numberfleet/internal/guard"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/meta/graphtest"
	"numberfleet.dev/numberfleet/internal/report"
)

const ofPool = "/v27.0/pool.shop.all.of-us/messages"

// newPoolStand serves a guard whose gate chooses the number sales.
func newPoolStand(t *testing.T) (*stand, *v1alpha1.PhoneNumber) {
	t.Helper()
	s := newStand(t, injecting(t), func(o *guard.Options) { o.Config.Bounds = []config.Bound{config.ThroughputBound} })
	s.meta.RequireProof("hunter2")
	sales := phoneNumber("sales", "+15550100001")
	sales.Spec.PhoneNumberID = "1001"
	s.fleet[report.ParseSubject("+15550100001")] = sales
	s.gate.decide = func(r gate.Request) gate.Answer {
		if len(r.Without) > 0 {
			return gate.Answer{Problem: gate.NewProblem(r.Without[0].Reason, "")}
		}
		return gate.Answer{Number: "+15550100001", Decision: counts.Decision{ID: counts.ReservationID{7}, State: counts.Held, Why: counts.Reserved}}
	}
	return s, sales
}

// A message to a pool goes to Meta by the number that the gate chose, and the sender hears which that is.
func TestAMessageOfAPoolIsSentByTheNumberThatIsChosen(t *testing.T) {
	s, _ := newPoolStand(t)
	res, body := s.do(http.MethodPost, ofPool, template, authorization("cluster-forwarder"))
	if res.StatusCode != http.StatusOK || res.Header.Get("X-Numberfleet-Number") != "shop/sales" {
		t.Errorf("HTTP %d %s %v", res.StatusCode, body, res.Header)
	}
	if got, want := s.gate.requests[0], (gate.Request{Pool: "all.of-us", Namespace: "shop", User: "15557770000", Template: "sale", Language: "en_US", TTL: time.Minute}); !reflect.DeepEqual(got, want) {
		t.Errorf("the gate was asked for %+v", got)
	}
	if settled := s.gate.became(1); !strings.HasPrefix(settled[0], "confirm 7 wamid.") {
		t.Errorf("it became %q", settled)
	}
	if call := s.sent()[0]; call.Node != "1001" || call.Token != token || call.Body != template {
		t.Errorf("Meta got %+v", call)
	}
}

// What is not sent gives its place back.
func TestAMessageOfAPoolThatIsNotSentGivesItsPlaceBack(t *testing.T) {
	s, sales := newPoolStand(t)
	s.meta.Fail(graphtest.Fault{Refusal: &graphtest.Refusal{Status: 400, Code: 131056, Type: "OAuthException", Message: "(#131056) too fast"}})
	for i, status := range []int{400, 429} { // Meta throttles the pair, and the guard then does
		if res, body := s.do(http.MethodPost, ofPool, template, authorization("cluster-forwarder")); res.StatusCode != status {
			t.Errorf("%d: HTTP %d %s", i, res.StatusCode, body)
		}
		if settled := s.gate.became(1); settled[i] != "release 7" {
			t.Errorf("%d: it became %q", i, settled)
		}
	}
	sales.Spec.PhoneNumberID = ""
	res, body := s.do(http.MethodPost, ofPool, template, authorization("cluster-forwarder"))
	if res.StatusCode != http.StatusServiceUnavailable || !strings.Contains(body, "NotConfigured: ") || !strings.Contains(body, "spec.phoneNumberID") || s.gate.became(1)[2] != "release 7" {
		t.Errorf("HTTP %d %s", res.StatusCode, body)
	}
}

// A message goes out by another number of the pool where the one that was chosen cannot be named to Meta, has no token, or is throttled. The
// place of each that was tried is given back.
func TestAMessageOfAPoolGoesOutByAnotherNumberWhereOneCannotSendIt(t *testing.T) {
	for name, test := range map[string]struct {
		sales  func(*v1alpha1.PhoneNumber)
		before int // messages
		want   gate.Exclusion
	}{
		"no id":    {func(n *v1alpha1.PhoneNumber) { n.Spec.PhoneNumberID = "" }, 0, gate.Exclusion{Reason: gate.NotConfigured}},
		"no token": {func(n *v1alpha1.PhoneNumber) { n.Spec.Business.WhatsAppBusinessAccountID = "9" }, 0, gate.Exclusion{Reason: gate.NotConfigured}},
		"too fast": {func(n *v1alpha1.PhoneNumber) { n.Status.Throughput.MessagesPerSecond = 2 }, 2, gate.Exclusion{Reason: gate.Throttled, Wait: time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			s, sales := newPoolStand(t)
			test.sales(sales)
			care := phoneNumber("care", "+15550100002")
			care.Spec.PhoneNumberID = "1002"
			s.fleet[report.ParseSubject("+15550100002")] = care
			s.gate.decide = func(r gate.Request) gate.Answer {
				n := byte(1 + len(r.Without))
				number := "+1555010000" + string('0'+n)
				return gate.Answer{Number: number, Decision: counts.Decision{ID: counts.ReservationID{n}, Number: number, State: counts.Held, Why: counts.Reserved}}
			}
			for i := range test.before + 1 {
				res, body := s.do(http.MethodPost, ofPool, template, authorization("cluster-forwarder"))
				number := "shop/sales"
				if i == test.before {
					number = "shop/care"
				}
				if res.StatusCode != http.StatusOK || res.Header.Get("X-Numberfleet-Number") != number {
					t.Errorf("HTTP %d %s %v", res.StatusCode, body, res.Header)
				}
			}
			settled := s.gate.became(test.before + 2)[test.before:]
			if settled[0] != "release 1" || !strings.HasPrefix(settled[1], "confirm 2 wamid.") {
				t.Errorf("they became %q", settled)
			}
			test.want.Number = "+15550100001"
			if got := s.gate.requests[len(s.gate.requests)-1].Without; !reflect.DeepEqual(got, []gate.Exclusion{test.want}) {
				t.Errorf("the gate was asked without %+v", got)
			}
		})
	}
}

// Who may not send from the namespace of a pool hears the same of each, and no message of a pool goes around the gate.
func TestAPoolIsForThoseWhoMaySendFromItsNamespace(t *testing.T) {
	s, _ := newPoolStand(t)
	for _, test := range []struct {
		path, body, token string
		status            int
	}{
		{ofPool, text, "cluster-stranger", 403},
		{ofPool, text, "none", 401},
		{"/v27.0/pool.other.all/messages", text, "cluster-forwarder", 403},
		{"/v27.0/pool.shop/messages", text, "cluster-forwarder", 400},
		{"/v27.0/pool.shop.ALL/messages", text, "cluster-forwarder", 400},
		{"/v27.0/pool.shop.all/media", text, "cluster-forwarder", 403},
		{ofPool, `{"messaging_product":"whatsapp","status":"read"}`, "cluster-forwarder", 400},
	} {
		if res, body := s.do(http.MethodPost, test.path, test.body, authorization(test.token)); res.StatusCode != test.status {
			t.Errorf("%s as %s: HTTP %d %s", test.path, test.token, res.StatusCode, body)
		}
	}
	if calls := s.meta.Calls(); len(calls) != 0 || len(s.gate.requests) != 0 {
		t.Errorf("Meta got %+v, and the gate %+v", calls, s.gate.requests)
	}
	passing := newStand(t)
	if res, body := passing.do(http.MethodPost, ofPool, text, nil); res.StatusCode != http.StatusBadRequest || !strings.Contains(body, "Inject") || len(passing.meta.Calls()) != 0 {
		t.Errorf("HTTP %d %s", res.StatusCode, body)
	}
}
