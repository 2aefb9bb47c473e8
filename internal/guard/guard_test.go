package guard_test

import (
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/gate"
	"numberfleet.dev/numberfleet/internal/guard"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/meta/graphtest"
	"numberfleet.dev/numberfleet/internal/report"
)

// A message is reserved for its user, goes to Meta byte by byte, and is confirmed with the id that Meta answers; the sender has Meta's
// answer as it came.
func TestAMessageIsReservedForwardedAndConfirmed(t *testing.T) {
	s := newStand(t)
	for i, test := range []struct {
		path, body string
		want       gate.Request
		number     string
	}{
		{"/v27.0/1001/messages", text, gate.Request{Number: "+15550100001", User: "15557770000", FreeForm: true}, "shop/sales"},
		{"/v27.0/1001/messages", template, gate.Request{Number: "+15550100001", User: "15557770000", Template: "sale", Language: "en_US"}, "shop/sales"},
		{"/1001/messages/", template, gate.Request{Number: "+15550100001", User: "15557770000", Template: "sale", Language: "en_US"}, "shop/sales"},
		{"/v27.0/1001/marketing_messages", template, gate.Request{Number: "+15550100001", User: "15557770000", Template: "sale", Language: "en_US", Category: report.Marketing}, "shop/sales"},
		{"/v27.0/1001/messages", `{"messaging_product":"whatsapp","recipient":"US.1349","text":{"body":"hi"}}`, gate.Request{Number: "+15550100001", User: "US.1349", FreeForm: true}, "shop/sales"},
		{"/v27.0/1001/messages", `{"messaging_product":"whatsapp","to":"5215512345678","type":"reaction"}`, gate.Request{Number: "+15550100001", User: "525512345678", FreeForm: true}, "shop/sales"},
		// Meta's id is the ledger's discovery, the resource names the number only.
		{"/v27.0/1002/messages", text, gate.Request{Number: "+15550100002", User: "15557770000", FreeForm: true}, "shop/care"},
	} {
		res, body := s.do(http.MethodPost, test.path, test.body, nil)
		id := fmt.Sprintf("wamid.HBg%09d", i+1)
		if res.StatusCode != http.StatusOK || !strings.Contains(body, id) || res.Header.Get("X-Numberfleet-Number") != test.number {
			t.Errorf("%s %s: HTTP %d %s %v", test.path, test.body, res.StatusCode, body, res.Header)
		}
		test.want.Namespace, test.want.TTL = "shop", time.Minute
		if got := s.gate.requests[i]; !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s %s: got %+v", test.path, test.body, got)
		}
		if settled := s.gate.became(1); settled[i] != fmt.Sprintf("confirm %d %s", i+1, id) {
			t.Errorf("%s %s: got %q", test.path, test.body, settled)
		}
		if call := s.sent()[i]; call.Body != test.body || call.Token != token {
			t.Errorf("%s %s: Meta got %+v", test.path, test.body, call)
		}
	}
	if got := s.counter("numberfleet_guard_messages_total"); got != `numberfleet_guard_messages_total{outcome="Sent"} 7` {
		t.Error(got)
	}
}

// A place is given back where Meta says that nothing was sent, and stays held where that is not known.
func TestWhatMetaAnswersSaysWhatBecomesOfAPlace(t *testing.T) {
	refuse := func(status int, code int64) *graphtest.Refusal {
		return &graphtest.Refusal{Status: status, Code: code, Type: "OAuthException", Message: fmt.Sprintf("(#%d) no", code)}
	}
	for name, test := range map[string]struct {
		fault   graphtest.Fault
		status  int
		outcome string
	}{
		"a number that is not on WhatsApp": {graphtest.Fault{Refusal: refuse(400, 131026)}, 400, "Rejected"},
		"a closed window":                  {graphtest.Fault{Refusal: refuse(400, 131047)}, 400, "Rejected"},
		"a bad token":                      {graphtest.Fault{Refusal: refuse(401, 190)}, 401, "Rejected"},
		"an account that is locked":        {graphtest.Fault{Refusal: refuse(403, 131031)}, 403, "Rejected"},
		"a template that is missing":       {graphtest.Fault{Refusal: refuse(404, 132001)}, 404, "Rejected"},
		"a number in maintenance":          {graphtest.Fault{Refusal: refuse(500, 131057)}, 500, "Rejected"},
		"a code that nobody knows":         {graphtest.Fault{Refusal: refuse(400, 987654)}, 400, "Rejected"},
		"a code as a string":               {graphtest.Fault{Status: 400, Body: `{"error":{"code":"131026"}}`}, 400, "Rejected"},
		"an error of Meta's own":           {graphtest.Fault{Refusal: graphtest.Unavailable()}, 500, "Unknown"},
		"something went wrong":             {graphtest.Fault{Refusal: refuse(500, 131000)}, 500, "Unknown"},
		"a failure that nobody knows":      {graphtest.Fault{Refusal: refuse(500, 987654)}, 500, "Unknown"},
		"an error without a code":          {graphtest.Fault{Status: 400, Body: `{"error":{}}`}, 400, "Unknown"},
		"a proxy in between":               {graphtest.Fault{Status: 502, Body: "<html>Bad Gateway</html>"}, 502, "Unknown"},
		"a proxy that refuses":             {graphtest.Fault{Status: 403, Body: "<html>Forbidden</html>"}, 403, "Unknown"},
		"no id":                            {graphtest.Fault{Body: `{"messages":[]}`}, 200, "Unknown"},
		"an answer that breaks off":        {graphtest.Fault{Truncate: 10}, 504, "Unknown"},
		"a connection that breaks":         {graphtest.Fault{Close: true}, 504, "Unknown"},
		"an answer without end":            {graphtest.Fault{Body: strings.Repeat("x", 2<<20)}, 504, "Unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStand(t)
			s.meta.Fail(test.fault)
			res, body := s.send(text)
			if res.StatusCode != test.status {
				t.Errorf("HTTP %d %s", res.StatusCode, body)
			}
			want := []string{"release 1"}
			if test.outcome == "Unknown" {
				want = nil
				_ = s.stop() // what is under way ends
			} else {
				s.gate.became(1)
			}
			if !slices.Equal(s.gate.settled, want) {
				t.Errorf("got %q", s.gate.settled)
			}
			if res.StatusCode == http.StatusGatewayTimeout {
				if r := s.refusalOf(body); r.Error.Code != 131016 || !strings.HasPrefix(r.Error.ErrorData.Details, "Unknown: ") || res.Header.Get("Retry-After") != "" {
					t.Errorf("got %s, %v", body, res.Header)
				}
			}
			_ = s.stop()
			if got := s.counter("numberfleet_guard_messages_total"); got != `numberfleet_guard_messages_total{outcome="`+test.outcome+`"} 1` {
				t.Error(got)
			}
		})
	}
}

func TestAPlaceIsGivenBackWhereMetaCannotBeReached(t *testing.T) {
	s := newStand(t, func(o *guard.Options) { o.BaseURL = "http://127.0.0.1:1" })
	res, body := s.send(text)
	if r := s.refusalOf(body); res.StatusCode != http.StatusBadGateway || r.Error.Code != 131016 || !strings.HasPrefix(r.Error.ErrorData.Details, "Unreachable: ") {
		t.Errorf("HTTP %d %s", res.StatusCode, body)
	}
	if got := s.gate.became(1); !slices.Equal(got, []string{"release 1"}) {
		t.Errorf("got %q", got)
	}
}

// A refusal is in Meta's error envelope, so that SDKs read it; its details begin with our reason.
func TestARefusalIsInMetasWords(t *testing.T) {
	s := newStand(t)
	s.send(text) // now Meta's token is known
	s.gate.became(1)
	for reason, want := range map[v1alpha1.RoomReason]struct {
		status int
		code   int64
		wait   string
	}{
		v1alpha1.RoomLimitReached:        {429, 130429, "10"},
		v1alpha1.RoomBudgetReached:       {429, 130429, "10"},
		v1alpha1.RoomTemplatePaused:      {429, 130429, "10"},
		v1alpha1.RoomAccountRestricted:   {429, 130429, "10"},
		v1alpha1.RoomBlocked:             {409, 131031, ""},
		v1alpha1.RoomOffline:             {409, 131031, ""},
		v1alpha1.RoomPending:             {409, 131031, ""},
		v1alpha1.RoomSuspended:           {409, 131031, ""},
		v1alpha1.RoomTemplateNotSendable: {409, 132001, ""},
		v1alpha1.RoomOutsideWindow:       {409, 131047, ""},
		v1alpha1.RoomNotReady:            {503, 131016, "10"},
	} {
		s.gate.decide = func(gate.Request) gate.Answer {
			return gate.Answer{Problem: gate.NewProblem(gate.Reason(reason), "1000 of 1000 are used")}
		}
		res, body := s.send(text)
		r := s.refusalOf(body)
		if res.StatusCode != want.status || r.Error.Code != want.code || res.Header.Get("Retry-After") != want.wait || res.Header.Get("X-Numberfleet-Number") != "shop/sales" ||
			r.Error.ErrorData.Details != string(reason)+": 1000 of 1000 are used" || !strings.HasPrefix(res.Header.Get("Content-Type"), "application/json") {
			t.Errorf("%s: HTTP %d %s %v", reason, res.StatusCode, body, res.Header)
		}
	}
	if n := len(s.sent()); n != 1 {
		t.Errorf("%d messages came to Meta", n)
	}
}

// A reservation that holds no place is neither confirmed nor given back. A message without a reservation is: it may have been decided later.
func TestWhatIsFreeIsNotSettled(t *testing.T) {
	s := newStand(t)
	for _, test := range []struct {
		state counts.ReservationState
		why   string
		want  int
	}{
		{counts.Free, counts.InsideWindow, 0}, {counts.Free, counts.Unlimited, 0}, {counts.Free, counts.AlreadyCounted, 1},
		{counts.Unreserved, counts.Allowed, 1}, {counts.Unreserved, counts.InsideWindow, 1},
	} {
		s.gate.settled = nil
		s.gate.decide = func(gate.Request) gate.Answer {
			return gate.Answer{Decision: counts.Decision{ID: counts.ReservationID{9}, State: test.state, Why: test.why}}
		}
		if res, body := s.send(text); res.StatusCode != http.StatusOK {
			t.Errorf("%s: HTTP %d %s", test.why, res.StatusCode, body)
		}
		if got := s.gate.became(test.want); len(got) != test.want {
			t.Errorf("%s: got %q", test.why, got)
		}
	}
}

// What reaches no single user passes without a reservation; so does all of a number that nobody claims, which is counted.
func TestWhatCannotBeReservedPasses(t *testing.T) {
	s := newStand(t)
	for _, body := range []string{
		`{"messaging_product":"whatsapp","status":"read","message_id":"wamid.X","typing_indicator":{"type":"text"}}`,
		`{"messaging_product":"whatsapp","recipient_type":"group","to":"Y2FwaV9ncm91cDox","type":"text","text":{"body":"hi"}}`,
	} {
		if res, answer := s.send(body); res.StatusCode != http.StatusOK {
			t.Errorf("%s: HTTP %d %s", body, res.StatusCode, answer)
		}
	}
	if res, body := s.do(http.MethodPost, "/v27.0/1003/messages", text, nil); res.StatusCode != http.StatusOK || res.Header.Get("X-Numberfleet-Number") != "" {
		t.Errorf("HTTP %d %s", res.StatusCode, body)
	}
	if len(s.gate.requests) != 0 || len(s.sent()) != 3 {
		t.Errorf("%d were reserved, %d were sent", len(s.gate.requests), len(s.sent()))
	}
	if got := s.counter("numberfleet_guard_messages_total"); got != `numberfleet_guard_messages_total{outcome="Unreserved"} 2` {
		t.Error(got)
	}
	if got := s.counter("numberfleet_guard_unguarded_total"); got != "numberfleet_guard_unguarded_total 1" {
		t.Error(got)
	}
}
