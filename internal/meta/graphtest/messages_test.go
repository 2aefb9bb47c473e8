package graphtest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Messages are taken as Meta takes them, each with an id of its own, and what Meta refuses is refused.
func TestMessagesAreTakenOrRefused(t *testing.T) {
	s, _, _ := stand(t)
	s.AddToken("reader", Management)
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	var got []Message
	var refusal *Refusal
	s.Receive(func(m Message) *Refusal {
		got = append(got, m)
		return refusal
	})
	post := func(token, path, body string) (int, string) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+token)
		response, err := server.Client().Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		answer, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, string(answer)
	}
	const text = `{"messaging_product":"whatsapp","to":"+15557770000","type":"text","text":{"body":"hi"}}`
	for _, test := range []struct {
		token, path, body string
		refusal           *Refusal
		status            int
		answer            string // a part of it
	}{
		{"good", "/v27.0/1001/messages", text, nil, 200, `{"contacts":[{"input":"+15557770000","wa_id":"15557770000"}],"messages":[{"id":"wamid.HBg000000001"}],"messaging_product":"whatsapp"}`},
		{"good", "/1001/marketing_messages", `{"messaging_product":"whatsapp","recipient":"US.1349","type":"template","template":{"name":"sale","language":{"code":"en"}}}`, nil, 200, `"wamid.HBg000000002"`},
		{"good", "/v27.0/1001/messages", `{"messaging_product":"whatsapp","to":"Y2Fw","recipient_type":"group","type":"text"}`, nil, 200, `"wamid.HBg000000003"`},
		{"good", "/v27.0/1001/messages", `{"messaging_product":"whatsapp","status":"read","message_id":"wamid.X"}`, nil, 200, `{"success":true}`},
		{"good", "/v27.0/1001/messages", text, NumberThrottled(), 400, `"code":130429`},
		{"good", "/v27.0/1001/messages", text, PairThrottled(), 400, `"code":131056`},
		{"good", "/v27.0/1001/messages", `{"to":"1"}`, nil, 400, `"code":100`},
		{"good", "/v27.0/1001/messages", `{"messaging_product":"whatsapp","type":"text"}`, nil, 400, `"code":100`},
		{"good", "/v27.0/1001/messages", `{"messaging_product":"whatsapp","to":"1","type":"template"}`, nil, 400, `"code":131009`},
		{"good", "/v27.0/2001/messages", text, nil, 400, `"code":100`},
		{"good", "/v27.0/1009/messages", text, nil, 400, `"error_subcode":33`},
		{"reader", "/v27.0/1001/messages", text, nil, 403, `"code":200`},
		{"bad", "/v27.0/1001/messages", text, nil, 400, `"code":190`},
	} {
		refusal = test.refusal
		if status, answer := post(test.token, test.path, test.body); status != test.status || !strings.Contains(answer, test.answer) {
			t.Errorf("%s %s: HTTP %d %s, want %d %s", test.path, test.body, status, answer, test.status, test.answer)
		}
	}
	if len(got) != 5 || got[0].To != "+15557770000" || got[0].Number != "1001" || got[1].User != "US.1349" || got[1].Template != "sale" || got[1].Language != "en" || !got[2].Group {
		t.Errorf("got %+v", got)
	}
	if calls := s.Calls(); calls[0].Body != text || calls[0].Method != http.MethodPost || calls[4].Code != 130429 {
		t.Errorf("got %+v", calls)
	}
}
