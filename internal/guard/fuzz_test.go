package guard

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"numberfleet.dev/numberfleet/internal/identity"
)

// Whatever a body is, a message that is taken has one reading: its first and its last recipient are those that a place is reserved for.
func FuzzMessage(f *testing.F) {
	for _, body := range []string{
		`{"messaging_product":"whatsapp","to":"+1 555 777 0000","type":"text"}`, `{"to":15557770000,"type":"template","template":{"name":"a","language":{"code":"en"}}}`,
		`{"recipient":"US.1349"}`, `{"status":"read"}`, `{"recipient_type":"group","to":"Y2Fw"}`, `{"to":"1555777000","\u0074o":"1"}`, `{"To":"15557770000"}`, `{"to":null,"to":"15557770000"}`,
		"{\"to\":\"1555\xff\"}", `{"type":"template","template":null}`,
	} {
		f.Add([]byte(body), "messages")
		f.Add([]byte(body), "marketing_messages")
	}
	f.Fuzz(func(t *testing.T, content []byte, edge string) {
		m, problem := parse(content, edge)
		if problem != nil {
			if problem.Status < 400 || problem.Detail == "" {
				t.Errorf("%q is refused with %+v", content, problem)
			}
			return
		}
		if m.reserves() != (m.user != "") || !m.reserves() && m != (message{}) {
			t.Errorf("%q is read as %+v", content, m)
		}
		values := topLevel(t, content)
		if recipients := len(values["to"]) + len(values["recipient"]); m.reserves() && recipients > 2 || len(values["to"]) > 1 || len(values["recipient"]) > 1 || len(values["type"]) > 1 {
			t.Errorf("%q has several readings", content)
		}
		if m.reserves() {
			var written string
			for _, raw := range append(values["to"], values["recipient"]...) {
				if text := strings.Trim(string(raw), `"`); text != "null" && text != "" {
					written = text
					_ = json.Unmarshal(raw, &written) // a number stays as it is written
				}
			}
			if user, ok := identity.ParseUser(written); !ok || user != m.user {
				t.Errorf("%q is for %q, and a place is reserved for %q", content, written, m.user)
			}
		}
	})
}

// topLevel are all values of each field of an object, in their order.
func topLevel(t *testing.T, content []byte) map[string][]json.RawMessage {
	t.Helper()
	values := map[string][]json.RawMessage{}
	decoder := json.NewDecoder(strings.NewReader(string(content)))
	if first, err := decoder.Token(); err != nil || first != json.Delim('{') {
		return values // null
	}
	for decoder.More() {
		name, err := decoder.Token()
		var value json.RawMessage
		if err == nil {
			err = decoder.Decode(&value)
		}
		if err != nil {
			t.Fatalf("%q is taken, though it is no JSON: %v", content, err)
		}
		values[name.(string)] = append(values[name.(string)], value)
	}
	return values
}

// However a path is written, one that names an edge of messages is guarded or refused.
func FuzzRoute(f *testing.F) {
	for _, target := range []string{"/v27.0/1001/messages", "/v27.0/1001/messages?method=post", "/1001/%6dessages", "/?batch=[]", "/v27.0/a/media", "//1001//messages/", "/v1.0/1/MESSAGES;a?b;c"} {
		f.Add("POST", target)
		f.Add("GET", target)
	}
	f.Fuzz(func(t *testing.T, method, target string) {
		at, err := url.ParseRequestURI(target)
		if err != nil {
			return
		}
		to, problem := routeOf(&http.Request{Method: method, URL: at})
		if problem != nil || to.sends() {
			return
		}
		last := strings.ToLower(strings.Trim(at.Path, "/"))
		if i := strings.LastIndex(last, "/"); i >= 0 {
			last = last[i+1:]
		}
		if method == http.MethodPost && (last == messagesEdge || last == marketingEdge || last == "") {
			t.Errorf("%s %q passes as %+v", method, target, to)
		}
	})
}

// Whatever answers, a place is given back only where an error of Meta's is read, and confirmed only with an id.
func FuzzAnswer(f *testing.F) {
	f.Add(200, []byte(`{"messages":[{"id":"wamid.A"}]}`))
	f.Add(400, []byte(`{"error":{"code":131026}}`))
	f.Add(500, []byte(`{"error":{"code":"2"},"messages":[{"id":"wamid.A"}]}`))
	f.Add(400, []byte(`{"error":{"code":-1}}`))
	f.Fuzz(func(t *testing.T, status int, content []byte) {
		a := readAnswer(status, content)
		if a.message != "" && (a.nothing || status != http.StatusOK) || a.nothing && (a.code <= 0 || !json.Valid(content)) {
			t.Errorf("%d %q is read as %+v", status, content, a)
		}
	})
}
