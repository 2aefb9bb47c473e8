package guard_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"numberfleet.dev/numberfleet/internal/gate"
	"numberfleet.dev/numberfleet/internal/guard"
)

// No way of writing a request sends a message of the fleet without a reservation: it is refused here, or Meta takes it for something else.
func TestNoMessageGoesAroundTheGate(t *testing.T) {
	s := newStand(t)
	s.gate.decide = func(gate.Request) gate.Answer {
		return gate.Answer{Problem: gate.NewProblem(gate.BadRequest, "the gate was asked")}
	}
	for _, test := range []struct {
		method, path, body, contentType string
		status                          int
	}{
		// Paths.
		{"POST", "/v27.0//1001/messages", text, "", 400},
		{"POST", "//v27.0/1001/messages", text, "", 400},
		{"POST", "/v27.0/1001/./messages", text, "", 400},
		{"POST", "/v27.0/1002/../1001/messages", text, "", 400},
		{"POST", "/v27.0/1001%2Fmessages", text, "", 400},
		{"POST", "/v27.0/1001%252Fmessages", text, "", 400},
		{"POST", "/v27.0/%31001/messages", text, "", 400},
		{"POST", "/v27.0/1001/message%73", text, "", 400},
		{"POST", "/v27.0/1001/Messages", text, "", 400},
		{"POST", "/V27.0/1001/MESSAGES", text, "", 400},
		{"POST", "/v27.0/1001/messages//", text, "", 400},
		{"POST", "/v27.0/1001/messages;x", text, "", 400},
		{"POST", "/v27.0/1001/messages%00", text, "", 400},
		{"POST", "/v27.0/1001/messages%20", text, "", 400},
		{"POST", "/v27.0/1001\\messages", text, "", 400},
		{"POST", "/v27.0/messages?ids=1001", text, "", 400},
		{"POST", "/v27.0/me/messages", text, "", 400},
		{"POST", "/v27.0/1001/messages/1", text, "", 400},
		// Other methods.
		{"PUT", "/v27.0/1001/messages", text, "", 400},
		{"GET", "/v27.0/1001/messages?method=post", "", "", 400},
		{"POST", "/v27.0/1001/messages?method=get", text, "", 400},
		// Batches.
		{"POST", "/", `{"batch":[{"method":"POST","relative_url":"1001/messages"}]}`, "", 400},
		{"POST", "/v27.0", "batch=[]", "application/x-www-form-urlencoded", 400},
		{"POST", "/v27.0/", text, "", 400},
		{"POST", "/?id=1001/messages", text, "", 400},
		{"GET", "/?batch=[]&method=post", "", "", 400},
		// The query.
		{"POST", "/v27.0/1001/messages?to=15557770009", text, "", 400},
		{"POST", "/v27.0/1001/messages?debug=all;to=15557770009", text, "", 400},
		{"POST", "/v27.0/1001/messages?recipient_type=group", text, "", 400},
		// Bodies.
		{"POST", "/v27.0/1001/messages", "messaging_product=whatsapp&to=15557770000", "application/x-www-form-urlencoded", 415},
		{"POST", "/v27.0/1001/messages", text, "multipart/form-data; boundary=x", 415},
		{"POST", "/v27.0/1001/messages", text, "text/json", 415},
		{"POST", "/v27.0/1001/messages", `{"to":"15557770000","to":"15557770001","type":"text"}`, "", 400},
		{"POST", "/v27.0/1001/messages", `{"to":"15557770000","\u0074o":"15557770001","type":"text"}`, "", 400},
		{"POST", "/v27.0/1001/messages", `{"to":"15557770000","type":"text","type":"template","template":{"name":"a"}}`, "", 400},
		{"POST", "/v27.0/1001/messages", `{"to":"15557770000","type":"template","template":{"name":"a","name":"b"}}`, "", 400},
		{"POST", "/v27.0/1001/messages", `{"to":"15557770000","recipient":"US.1349","type":"text"}`, "", 400},
		{"POST", "/v27.0/1001/messages", `{"to":"15557770000","type":"text","template":{"name":"a"}}`, "", 400},
		{"POST", "/v27.0/1001/messages", `{"to":"15557770000","type":"template"}`, "", 400},
		{"POST", "/v27.0/1001/messages", `{"to":"15557770000","status":"read"}`, "", 400},
		{"POST", "/v27.0/1001/messages", `{"to":"15557770000","recipient_type":"group","type":"text"}`, "", 400},
		{"POST", "/v27.0/1001/messages", `{"type":"text","text":{"body":"hi"}}`, "", 400},
		{"POST", "/v27.0/1001/messages", `{"to":["15557770000"],"type":"text"}`, "", 400},
		{"POST", "/v27.0/1001/messages", `[` + text + `]`, "", 400},
		{"POST", "/v27.0/1001/messages", text + text, "", 400},
		{"POST", "/v27.0/1001/messages", "", "", 400},
		{"POST", "/v27.0/1001/messages", "{", "", 400},
		{"POST", "/v27.0/1001/marketing_messages", text, "", 400},
		{"POST", "/v27.0/1001/messages", `{"to":"` + strings.Repeat("1", 300<<10) + `"}`, "", 413},
		{"POST", "/v27.0/1001/messages", strings.Repeat("[", 200<<10), "", 400},
	} {
		header := http.Header{}
		if test.contentType != "" {
			header.Set("Content-Type", test.contentType)
		}
		res, body := s.do(test.method, test.path, test.body, header)
		if r := s.refusalOf(body); res.StatusCode != test.status || r.Error.Code != 100 || !strings.HasPrefix(r.Error.ErrorData.Details, "BadRequest: ") {
			t.Errorf("%s %s: HTTP %d %s", test.method, test.path, res.StatusCode, body)
		}
	}
	if sent := s.sent(); len(sent) != 0 || len(s.gate.requests) != 0 {
		t.Errorf("Meta got %d messages: %+v", len(sent), sent)
	}
	if res, body := s.do("POST", "/v27.0/1001/messages", text, http.Header{"Content-Encoding": {"gzip"}}); res.StatusCode != http.StatusUnsupportedMediaType {
		t.Errorf("HTTP %d %s", res.StatusCode, body)
	}
}

// Headers by which a request could be taken for another one, or be sent twice, do not come to Meta.
func TestHeadersCannotSmuggle(t *testing.T) {
	got := make(chan http.Header, 1)
	upstream := newUpstream(t, func(w http.ResponseWriter, req *http.Request) {
		got <- req.Header
		fmt.Fprint(w, `{"messages":[{"id":"wamid.A"}]}`)
	})
	s := newStand(t, func(o *guard.Options) { o.BaseURL = upstream })
	res, body := s.do(http.MethodPost, "/v27.0/1001/messages", text, http.Header{
		"Connection": {"Authorization, X-Secret"}, "X-Secret": {"x"}, "X-Forwarded-Host": {"evil"}, "X-Forwarded-For": {"10.0.0.1"}, "Forwarded": {"for=x"},
		"Te": {"trailers"}, "Upgrade": {"h2c"}, "Idempotency-Key": {"k"}, "Accept-Encoding": {"br"}, "Proxy-Authorization": {"x"}, "X-Http-Method-Override": {"DELETE"}, "X-Kept": {"kept"}, "User-Agent": {"an SDK"},
	})
	header := <-got
	for _, name := range []string{"Connection", "X-Secret", "X-Forwarded-Host", "X-Forwarded-For", "Forwarded", "Upgrade", "Idempotency-Key", "Proxy-Authorization", "Authorization", "X-Http-Method-Override"} {
		if header.Get(name) != "" {
			t.Errorf("%s comes to Meta: %q", name, header[name])
		}
	}
	if header.Get("X-Kept") != "kept" || header.Get("User-Agent") != "an SDK" || res.StatusCode != http.StatusOK {
		t.Errorf("HTTP %d %s, Meta got %v", res.StatusCode, body, header)
	}
}

// Tokens are in no log, wherever a sender puts them.
func TestTokensAreNotTold(t *testing.T) {
	s := newStand(t)
	res, body := s.do(http.MethodPost, "/v27.0/1001/messages?access_token="+token+"&appsecret_proof=pr00f", text, http.Header{"Authorization": nil})
	if call := s.meta.Calls()[0]; res.StatusCode != http.StatusBadRequest || !strings.Contains(call.Query, "access_token="+token) {
		t.Errorf("HTTP %d %s, Meta got %+v", res.StatusCode, body, call) // the stand-in takes tokens in headers only
	}
	for _, path := range []string{"/v27.0/1001/messages?access_token=", "/v27.0//1001/messages?access_token=", "/v27.0/1003/messages?access_token=", "/v27.0/1001?access_token="} {
		_, _ = s.do(http.MethodPost, path+token, `{"to":"`+token+`"}`, nil)
	}
	_ = s.stop()
	if logs := s.logs.String(); strings.Contains(logs, token) || strings.Contains(logs, "pr00f") || strings.Contains(logs, "555777") {
		t.Errorf("the log has too much: %s", logs)
	}
}

// Before there is a ledger, senders are asked to try again, and what needs none passes.
func TestAGuardThatIsNotReadySaysSo(t *testing.T) {
	s, _ := newUnready(t)
	res, body := s.send(text)
	if r := s.refusalOf(body); res.StatusCode != http.StatusServiceUnavailable || r.Error.Code != 131016 || res.Header.Get("Retry-After") == "" {
		t.Errorf("HTTP %d %s", res.StatusCode, body)
	}
	if res, body := s.do(http.MethodGet, "/v27.0/1001", "", nil); res.StatusCode != http.StatusOK {
		t.Errorf("HTTP %d %s", res.StatusCode, body)
	}
	if !slices.Equal(s.gate.settled, nil) || len(s.sent()) != 0 {
		t.Errorf("got %q", s.gate.settled)
	}
}
