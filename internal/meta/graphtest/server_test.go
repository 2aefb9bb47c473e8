package graphtest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"
)

var start = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

// stand is a server with a portfolio 3001, an account 2001 and the number 1001.
func stand(t *testing.T) (s *Server, clock *clocktesting.FakePassiveClock, get func(path string) (int, string, http.Header)) {
	t.Helper()
	clock = clocktesting.NewFakePassiveClock(start)
	s = New(clock)
	s.AddToken("good")
	s.AddBusiness("3001", "Harbour Group")
	s.AddAccount("2001", "3001", "Harbour")
	s.AddPhoneNumber("1001", "2001", "+1 555-000-1111", "Harbour Tickets")
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return s, clock, func(path string) (int, string, http.Header) {
		t.Helper()
		token := "good"
		if with, rest, ok := strings.Cut(path, "@"); ok {
			token, path = with, rest
		}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			request.Header.Set("Authorization", "Bearer "+token)
		}
		response, err := server.Client().Do(request)
		if err != nil {
			return 0, "", nil
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			return response.StatusCode, "cut: " + string(body), response.Header
		}
		return response.StatusCode, string(body), response.Header
	}
}

func TestTheShapesOfAnswers(t *testing.T) {
	_, _, get := stand(t)
	for path, want := range map[string]string{
		"/v27.0/1001":                                                  `{"display_phone_number":"+1 555-000-1111","id":"1001","quality_rating":"UNKNOWN","verified_name":"Harbour Tickets"}`,
		"/1001":                                                        `{"display_phone_number":"+1 555-000-1111","id":"1001","quality_rating":"UNKNOWN","verified_name":"Harbour Tickets"}`,
		"/v27.0/1001?fields=status,throughput":                         `{"id":"1001","status":"CONNECTED","throughput":{"level":"STANDARD"}}`,
		"/v27.0/1001?fields=new_display_name":                          `{"id":"1001"}`,
		"/v27.0/1001?fields=messaging_limit_tier,id":                   `{"id":"1001","messaging_limit_tier":"TIER_250"}`,
		"/v27.0/2001?fields=owner_business_info":                       `{"id":"2001","owner_business_info":{"id":"3001","name":"Harbour Group"}}`,
		"/v27.0/2001?fields=owner_business_info%7Bid%7D,name":          `{"id":"2001","name":"Harbour","owner_business_info":{"id":"3001"}}`,
		"/v27.0/2001?fields=business_verification_status":              `{"business_verification_status":"not_verified","id":"2001"}`,
		"/v27.0/3001":                                                  `{"id":"3001","name":"Harbour Group"}`,
		"/v27.0/3001?fields=whatsapp_business_manager_messaging_limit": `{"id":"3001","whatsapp_business_manager_messaging_limit":"TIER_250"}`,
		"/v27.0/2001?fields=health_status": `{"health_status":{"can_send_message":"AVAILABLE","entities":[{"can_send_message":"AVAILABLE","entity_type":"WABA","id":"2001"},` +
			`{"can_send_message":"AVAILABLE","entity_type":"BUSINESS","id":"3001"},{"can_receive_call_sip":"AVAILABLE","can_send_message":"AVAILABLE","entity_type":"APP","id":"4001"}]},"id":"2001"}`,
	} {
		if status, body, header := get(path); status != http.StatusOK || body != want || !strings.HasPrefix(header.Get("Content-Type"), "application/json") {
			t.Errorf("%s: HTTP %d\n got %s\nwant %s", path, status, body, want)
		}
	}
}

func TestTheShapesOfRefusals(t *testing.T) {
	s, _, get := stand(t)
	s.AddToken("old")
	s.ExpireToken("old")
	s.RevokeToken("gone")
	s.AddToken("narrow", Management)
	for path, want := range map[string]Refusal{
		"@/v27.0/1001":                       {Status: 400, Code: 104, Type: "OAuthException"},
		"wrong@/v27.0/1001":                  {Status: 400, Code: 190, Type: "OAuthException"},
		"old@/v27.0/1001":                    {Status: 401, Code: 190, Subcode: 463, Type: "OAuthException"},
		"gone@/v27.0/1001":                   {Status: 401, Code: 190, Subcode: 460, Type: "OAuthException"},
		"narrow@/v27.0/3001":                 {Status: 403, Code: 200, Type: "OAuthException"},
		"/v27.0/9999":                        {Status: 400, Code: 100, Subcode: 33, Type: "GraphMethodException"},
		"/v27.0/9999/phone_numbers":          {Status: 400, Code: 100, Subcode: 33, Type: "GraphMethodException"},
		"/v27.0/1001?fields=status,nonsense": {Status: 400, Code: 100, Type: "OAuthException"},
		"/v23.0/1001?fields=whatsapp_business_manager_messaging_limit": {Status: 400, Code: 100, Type: "OAuthException"},
		"/v27.0/1001?fields=status%7B":                                 {Status: 400, Code: 2500, Type: "OAuthException"},
		"/v27.0/1001/phone_numbers":                                    {Status: 400, Code: 100, Type: "OAuthException"},
		"/v27.0/2001/phone_numbers?limit=101":                          {Status: 400, Code: 100, Type: "OAuthException"},
		"/v27.0/2001/phone_numbers?after=x":                            {Status: 400, Code: 131059, Type: "OAuthException", Details: "Retry the request without cursors"},
		"/v23.0/2001/phone_numbers?after=x":                            {Status: 400, Code: 100, Type: "OAuthException"},
		"/v28.0/1001":                                                  {Status: 400, Code: 2500, Type: "OAuthException"},
	} {
		status, body, _ := get(path)
		var got struct {
			Error struct {
				Message   string
				Type      string
				Code      int64
				Subcode   int64 `json:"error_subcode"`
				ErrorData struct {
					Details string
				} `json:"error_data"`
				TraceID string `json:"fbtrace_id"`
			}
		}
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			t.Errorf("%s: %v: %s", path, err, body)
			continue
		}
		e := got.Error
		if is := (Refusal{Status: status, Code: e.Code, Subcode: e.Subcode, Type: e.Type, Details: e.ErrorData.Details}); is != want || e.Message == "" || len(e.TraceID) < traceSize {
			t.Errorf("%s\n got %+v: %s\nwant %+v", path, is, body, want)
		}
	}
}

func TestPagesHaveCursorsAndLinks(t *testing.T) {
	s, _, get := stand(t)
	for i := range 4 {
		s.AddPhoneNumber(fmt.Sprint(1002+i), "2001", "+1 555-000-2222", "More")
	}
	s.AddAccount("2002", "3001", "Empty")
	type page struct {
		Data   []struct{ ID string }
		Paging *struct {
			Cursors        struct{ Before, After string }
			Next, Previous string
		}
	}
	read := func(path string) (p page) {
		t.Helper()
		status, body, _ := get(path)
		if err := json.Unmarshal([]byte(body), &p); err != nil || status != http.StatusOK {
			t.Fatalf("%s: HTTP %d, %v: %s", path, status, err, body)
		}
		return p
	}
	var ids []string
	path := "/v27.0/2001/phone_numbers?limit=2&fields=id"
	for number := 0; ; number++ {
		p := read(path)
		for _, n := range p.Data {
			ids = append(ids, n.ID)
		}
		if (p.Paging.Previous != "") != (number > 0) || p.Paging.Cursors.Before == "" || p.Paging.Cursors.After == "" {
			t.Errorf("page %d: %+v", number, p.Paging)
		}
		if p.Paging.Next == "" {
			break
		}
		if !strings.Contains(p.Paging.Next, "access_token=good") {
			t.Errorf("Meta's links have the token in them: %s", p.Paging.Next)
		}
		path = "/v27.0/2001/phone_numbers?limit=2&fields=id&after=" + p.Paging.Cursors.After
	}
	if want := []string{"1001", "1002", "1003", "1004", "1005"}; !slices.Equal(ids, want) {
		t.Errorf("got %v", ids)
	}
	if p := read("/v27.0/2002/phone_numbers"); len(p.Data) != 0 || p.Paging != nil {
		t.Errorf("an empty list: %+v", p)
	}
	if _, body, _ := get("/v27.0/2001/phone_numbers?limit=1"); !strings.Contains(body, `"verified_name"`) || strings.Contains(body, `"status"`) {
		t.Errorf("the default fields: %s", body)
	}
}

func TestCallsAreCountedByTheHour(t *testing.T) {
	s, clock, get := stand(t)
	s.SetAllowance("2001", 4)
	usage := func(h http.Header) (percent, minutes float64) {
		var all map[string][]map[string]any
		if err := json.Unmarshal([]byte(h.Get("X-Business-Use-Case-Usage")), &all); err != nil || len(all["2001"]) != 1 {
			t.Fatalf("%v: %v", err, h)
		}
		u := all["2001"][0]
		return u["call_count"].(float64), u["estimated_time_to_regain_access"].(float64)
	}
	for i, path := range []string{"/v27.0/1001", "/v27.0/2001", "/v27.0/2001/phone_numbers", "/v27.0/9999", "/v27.0/3001", "/v27.0/1001"} {
		status, body, header := get(path)
		if path == "/v27.0/9999" || path == "/v27.0/3001" {
			continue // what is not the account's does not count for it
		}
		if percent, _ := usage(header); status != http.StatusOK || int(percent) != []int{25, 50, 75, 0, 0, 100}[i] {
			t.Errorf("call %d: HTTP %d, %v %%, %s", i, status, percent, body)
		}
		clock.SetTime(clock.Now().Add(10 * time.Minute))
	}
	status, body, header := get("/v27.0/1001")
	if percent, minutes := usage(header); status != http.StatusBadRequest || !strings.Contains(body, `"code":80008`) || percent != 100 || minutes != 20 {
		t.Errorf("throttled: HTTP %d, %v %%, %v min, %s", status, percent, minutes, body)
	}
	clock.SetTime(start.Add(time.Hour))
	if status, body, _ := get("/v27.0/1001"); status != http.StatusOK {
		t.Errorf("when the first call is an hour old: HTTP %d, %s", status, body)
	}
}

func TestFaults(t *testing.T) {
	s, clock, get := stand(t)
	s.Fail(Fault{From: start.Add(time.Hour), Until: start.Add(2 * time.Hour), Refusal: Unavailable()})
	s.Fail(Fault{Path: "2001/phone_numbers", Times: 1, Status: 502, Body: "no"})
	s.Fail(Fault{Path: "1001", Skip: 1, Times: 1, Status: 503, Body: "the second"})
	s.Fail(Fault{Path: "3001", Truncate: 5})
	s.Fail(Fault{Path: "2001", Close: true})
	for _, step := range []struct {
		path   string
		status int
		body   string
	}{
		{"/v27.0/1001?fields=id", 200, `{"id":"1001"}`},
		{"/v27.0/1001?fields=id", 503, "the second"},
		{"/v27.0/1001?fields=id", 200, `{"id":"1001"}`},
		{"/v27.0/2001/phone_numbers?fields=id", 502, "no"},
		{"/v27.0/2001/phone_numbers?fields=id", 200, `"data":[{"id":"1001"}]`},
		{"/v27.0/3001", 200, `cut: {"id"`},
		{"/v27.0/2001", 0, ""},
	} {
		if status, body, _ := get(step.path); status != step.status || !strings.Contains(body, step.body) {
			t.Errorf("%s: HTTP %d, %s", step.path, status, body)
		}
	}
	clock.SetTime(start.Add(time.Hour))
	if status, body, _ := get("/v27.0/1001"); status != 500 || !strings.Contains(body, `"is_transient":true`) {
		t.Errorf("within the fault's time: HTTP %d, %s", status, body)
	}
	clock.SetTime(start.Add(2 * time.Hour))
	if status, _, _ := get("/v27.0/1001"); status != 200 {
		t.Errorf("after it: HTTP %d", status)
	}
	s.Recover()
	if status, _, _ := get("/v27.0/2001"); status != 200 {
		t.Errorf("recovered: HTTP %d", status)
	}
}

func TestCallsAreRecorded(t *testing.T) {
	s, _, get := stand(t)
	get("/v27.0/2001/phone_numbers?fields=id&after=x")
	get("wrong@/1001")
	want := []Call{
		{At: start, Method: http.MethodGet, Version: "v27.0", Node: "2001", Edge: "phone_numbers", Fields: "id", After: "x", Token: "good", Query: "fields=id&after=x", Status: 400, Code: 131059},
		{At: start, Method: http.MethodGet, Node: "1001", Token: "wrong", Status: 400, Code: 190},
	}
	if got := s.Calls(); !reflect.DeepEqual(got, want) {
		t.Errorf("\n got %+v\nwant %+v", got, want)
	}
	s.Forget()
	for range maxCalls + 1 {
		s.finish(Call{})
	}
	if n := len(s.Calls()); n > maxCalls || n < maxCalls/2 {
		t.Errorf("%d calls are kept", n)
	}
}

func FuzzFields(f *testing.F) {
	for _, s := range []string{"id,name", "a{b,c{d}},e", "a{", "a{}", ",", "}", "a{b}c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, asked string) {
		fields, ok := parseFields(asked)
		if ok && asked != "" && len(fields) == 0 {
			t.Fatalf("%q asks for nothing", asked)
		}
		narrow(Fields{"a": Fields{"b": 1}}, fields)
	})
}
