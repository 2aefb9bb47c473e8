package api_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/gate/api"
	"numberfleet.dev/numberfleet/internal/gate/gatetest"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
)

var begin = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// desk is an API that is served, whose answers are held to its description in OpenAPI.
type desk struct {
	*testing.T
	*gatetest.Gate
	api     *api.API
	backend *api.Backend
	url     string
	stop    func() error
	routes  routers.Router // of docs/openapi.yaml
}

func newDesk(t *testing.T, limit int64) *desk {
	t.Helper()
	return newDeskOn(t, limit, clocktesting.NewFakeClock(begin))
}

func newDeskOn(t *testing.T, limit int64, clock clock.WithTicker) *desk {
	t.Helper()
	d := &desk{T: t, routes: described(t)}
	d.Gate = gatetest.New(t, limit, clock)
	d.api, d.backend = d.NewAPI(t, clock)
	d.api.SetBackend(d.backend)
	url, stop := gatetest.Serve(t, d.api)
	d.url, d.stop = url, sync.OnceValue(stop)
	t.Cleanup(func() { _ = d.stop() })
	return d
}

// described are the routes of the description in OpenAPI, which is valid.
func described(t *testing.T) routers.Router {
	t.Helper()
	document, err := openapi3.NewLoader().LoadFromFile(filepath.Join("..", "..", "..", "docs", "openapi.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	document.Servers = nil // wherever it is served
	routes, err := legacy.NewRouter(document)
	if err != nil {
		t.Fatal(err)
	}
	return routes
}

// answer is one to a request.
type answer struct {
	*http.Response
	body string
}

// send sends a request, and holds the answer to the description; the request too, where it is taken.
func (d *desk) send(method, path, token, body string, headers ...string) answer {
	d.Helper()
	request := func() *http.Request {
		r, err := http.NewRequestWithContext(d.Context(), method, d.url+path, strings.NewReader(body))
		if err != nil {
			d.Fatal(err)
		}
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		if body != "" {
			r.Header.Set("Content-Type", "application/json")
		}
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		return r
	}
	response, err := http.DefaultClient.Do(request())
	if err != nil {
		d.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		d.Fatal(err)
	}
	d.describes(request(), response, content)
	return answer{response, strings.TrimSpace(string(content))}
}

// describes holds an answer to the description, and a request that is taken.
func (d *desk) describes(request *http.Request, response *http.Response, body []byte) {
	d.Helper()
	route, parameters, err := d.routes.FindRoute(request)
	if err != nil {
		if response.StatusCode != http.StatusNotFound && response.StatusCode != http.StatusMethodNotAllowed {
			d.Errorf("%s %s is not described: %v", request.Method, request.URL.Path, err)
		}
		return
	}
	input := &openapi3filter.RequestValidationInput{Request: request, PathParams: parameters, Route: route, Options: &openapi3filter.Options{
		AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true, ExcludeResponseBody: body == nil, // of a stream
	}}
	if response.StatusCode < 300 {
		if err := openapi3filter.ValidateRequest(d.Context(), input); err != nil {
			d.Errorf("%s %s is taken, and not as described: %v", request.Method, request.URL, err)
		}
	}
	output := &openapi3filter.ResponseValidationInput{RequestValidationInput: input, Status: response.StatusCode, Header: response.Header, Options: input.Options}
	if err := openapi3filter.ValidateResponse(d.Context(), output.SetBodyBytes(body)); err != nil {
		d.Errorf("%s %s: %d %s is not as described: %v", request.Method, request.URL, response.StatusCode, body, err)
	}
}

func (d *desk) expect(a answer, code int, body string) {
	d.Helper()
	if a.StatusCode != code || a.body != body {
		d.Errorf("it is %d %s\nwant %d %s", a.StatusCode, a.body, code, body)
	}
}

// to is a request for a user.
func to(user int, more ...string) string {
	return fmt.Sprintf(`{"number":%q,"user":"+1555020%04d"%s}`, gatetest.Number, user, strings.Join(more, ""))
}

const reservations = "/v1/reservations"

// id is that of a reservation that was granted.
func (d *desk) id(a answer) string {
	d.Helper()
	var granted struct{ ID string }
	if err := json.Unmarshal([]byte(a.body), &granted); err != nil || a.StatusCode != http.StatusCreated {
		d.Fatalf("nothing was granted: %d %s", a.StatusCode, a.body)
	}
	return granted.ID
}

func TestASenderReservesConfirmsAndReleases(t *testing.T) {
	d := newDesk(t, 2)
	first := d.send(http.MethodPost, reservations, gatetest.ShopToken, to(1, `,"category":"Marketing","ttl":"90s"`))
	id := d.id(first)
	d.expect(first, 201, fmt.Sprintf(`{"id":%q,"namespace":"shop","name":"sales","number":"+15550100001","numberID":"106540352242922",`+
		`"state":"Held","why":"Reserved","expires":"2026-11-01T12:01:30Z","remaining":1}`, id))
	second := d.id(d.send(http.MethodPost, reservations, gatetest.ShopToken, fmt.Sprintf(`{"numberID":%q,"user":"15550200002","namespace":"shop"}`, gatetest.NumberID)))

	refused := d.send(http.MethodPost, reservations, gatetest.ShopToken, to(3))
	d.expect(refused, 429, `{"type":"https://numberfleet.dev/docs/gate#limitreached","title":"The limit is reached","status":429,"reason":"LimitReached",`+
		`"detail":"0 of 2 are used and 2 are held; the first place is free at 2026-11-02T12:01:30Z","until":"2026-11-02T12:01:30Z","retryAfter":86490}`)
	if got := refused.Header.Get("Retry-After"); got != "86490" || refused.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("Retry-After is %q, of a %s", got, refused.Header.Get("Content-Type"))
	}

	for range 2 {
		d.expect(d.send(http.MethodPost, reservations+"/"+id+"/confirm", gatetest.ShopToken, `{"messageID":"wamid.1"}`), 200, fmt.Sprintf(`{"id":%q,"state":"Confirmed"}`, id))
	}
	if a := d.send(http.MethodPost, reservations+"/"+id+"/confirm", gatetest.ShopToken, `{"messageID":"wamid.2"}`); a.StatusCode != http.StatusConflict {
		t.Errorf("confirmed with another message: %d %s", a.StatusCode, a.body)
	}
	for range 2 {
		d.expect(d.send(http.MethodDelete, reservations+"/"+second, gatetest.ShopToken, ""), 204, "")
	}
	d.id(d.send(http.MethodPost, reservations, gatetest.ShopToken, to(3)))
	d.expect(d.send(http.MethodDelete, reservations+"/"+strings.Repeat("0f", 16), gatetest.ShopToken, ""), 204, "")
	if a := d.send(http.MethodPost, reservations+"/"+strings.Repeat("0f", 16)+"/confirm", gatetest.ShopToken, `{"messageID":"wamid.1"}`); a.StatusCode != http.StatusNotFound {
		t.Errorf("confirmed, though there is none: %d %s", a.StatusCode, a.body)
	}
}

// While nothing can be decided, what is let through is granted all the same, with nothing that remains. It is confirmed and released.
func TestASenderIsLetThroughWithoutAReservation(t *testing.T) {
	d := newDesk(t, 2)
	d.Configure(t, counts.LimitSetting{Subject: gatetest.Number, Limit: 2, Budgets: []counts.BudgetSetting{
		{Name: "logins", Categories: []counts.Category{counts.Authentication}, AllowUnreserved: true},
	}})
	if err := d.Ledger.Close(); err != nil {
		t.Fatal(err)
	}
	a := d.send(http.MethodPost, reservations, gatetest.ShopToken, to(1, `,"category":"Authentication"`))
	id := d.id(a)
	d.expect(a, 201, fmt.Sprintf(`{"id":%q,"namespace":"shop","name":"sales","number":"+15550100001","numberID":"106540352242922",`+
		`"state":"Unreserved","why":"Allowed","expires":"2026-11-01T12:10:00Z","remaining":0}`, id))
	d.expect(d.send(http.MethodPost, reservations+"/"+id+"/confirm", gatetest.ShopToken, `{"messageID":"wamid.1"}`), 200, fmt.Sprintf(`{"id":%q,"state":"Unreserved"}`, id))
	d.expect(d.send(http.MethodDelete, reservations+"/"+id, gatetest.ShopToken, ""), 204, "")
	refused := d.send(http.MethodPost, reservations, gatetest.ShopToken, to(1, `,"category":"Marketing"`))
	d.expect(refused, 503, `{"type":"https://numberfleet.dev/docs/gate#unavailable","title":"Not available now","status":503,"reason":"Unavailable",`+
		`"detail":"reservations cannot be kept now","retryAfter":10}`)
	if got := refused.Header.Get("Retry-After"); got != "10" {
		t.Errorf("Retry-After is %q", got)
	}
}

func TestSeveralReservationsHaveTheirResultsInOrder(t *testing.T) {
	d := newDesk(t, 1)
	a := d.send(http.MethodPost, reservations, gatetest.ShopToken, fmt.Sprintf(`{"reservations":[%s,%s,%s]}`, to(1), to(2), to(1)))
	var got struct {
		Results []struct {
			Status      int
			Reservation struct{ Why string }
			Problem     struct{ Reason string }
		}
	}
	if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	if text := fmt.Sprint(got.Results); text != "[{201 {Reserved} {}} {429 {} {LimitReached}} {201 {AlreadyHeld} {}}]" {
		t.Errorf("the results are %s", text)
	}
	many := `{"reservations":[` + strings.Repeat(to(1)+",", 1000) + to(1) + `]}`
	for _, body := range []string{many, `{"reservations":[]}`} {
		if a := d.send(http.MethodPost, reservations, gatetest.ShopToken, body); a.StatusCode != http.StatusBadRequest || !strings.Contains(a.body, "1 to 1000") {
			t.Errorf("of another number of reservations: %d %s", a.StatusCode, a.body)
		}
	}
}

func TestWhatIsRefusedBeforeItIsDecidedHasItsCode(t *testing.T) {
	d := newDesk(t, 5)
	some := strings.Repeat("0f", 16)
	for _, test := range []struct {
		what, method, path, token, body string
		code                            int
		says                            string
	}{
		{"no token", "POST", reservations, "", to(1), 401, `"reason":"Unauthorized"`},
		{"another token", "POST", reservations, "another", to(1), 401, `"reason":"Unauthorized"`},
		{"an outage", "POST", reservations, gatetest.OutageToken, to(1), 503, `"retryAfter":10`},
		{"no right", "POST", reservations, gatetest.StrangerToken, to(1), 403, `"reason":"Forbidden"`},
		{"no right to confirm nothing", "POST", reservations + "/" + some + "/confirm", gatetest.StrangerToken, `{"messageID":"1"}`, 404, `"reason":"NotFound"`},
		{"another path below", "POST", reservations + "/" + some + "/cancel", gatetest.ShopToken, `{}`, 405, `"reason":"MethodNotAllowed"`},
		{"another method", "PUT", reservations, gatetest.ShopToken, to(1), 405, `"reason":"MethodNotAllowed"`},
		{"no id", "DELETE", reservations + "/1", gatetest.ShopToken, "", 404, `"reason":"NotFound"`},
		{"no JSON", "POST", reservations, gatetest.ShopToken, "user", 400, "the body must be a JSON object"},
		{"a list", "POST", reservations, gatetest.ShopToken, "[]", 400, "the body must be a JSON object"},
		{"an unknown field", "POST", reservations, gatetest.ShopToken, to(1, `,"usr":"1"`), 400, `unknown field \"usr\"; the fields are number, numberID, `},
		{"an unknown field of one of several", "POST", reservations, gatetest.ShopToken, `{"reservations":[` + to(1, `,"ttL":"1s"`) + `]}`, 400, `unknown field \"reservations[0].ttL\"`},
		{"a field twice", "POST", reservations, gatetest.ShopToken, to(1, `,"user":"1"`), 400, `duplicate field \"user\"`},
		{"a field of another type", "POST", reservations, gatetest.ShopToken, to(1, `,"ttl":600`), 400, "ttl is of another JSON type"},
		{"a field of one of another type", "POST", reservations, gatetest.ShopToken, `{"number":5}`, 400, `"number is of another JSON type"`},
		{"one and several", "POST", reservations, gatetest.ShopToken, `{"user":"15550200001","reservations":[` + to(1) + `]}`, 400, "do not go together"},
		{"a wrong field", "POST", reservations, gatetest.ShopToken, to(1, `,"ttl":"soon"`), 400, `"field":"ttl"`},
		{"another field to confirm", "POST", reservations + "/" + some + "/confirm", gatetest.ShopToken, `{"message":"1"}`, 400, "the fields are messageID alone"},
		{"no right to look", "GET", "/v1/standing?namespace=shop", gatetest.StrangerToken, "", 403, "get on phonenumbers/standing"},
		{"no right to look at all", "GET", "/v1/standing", gatetest.ShopToken, "", 403, "unless namespace is given"},
		{"no right to watch all", "GET", "/v1/standing/stream", gatetest.ShopToken, "", 403, "unless namespace is given"},
		{"another parameter", "GET", "/v1/standing?namespace=shop&name=sales", gatetest.ShopToken, "", 400, "the parameters are namespace, number, numberID, portfolio and pool"},
		{"a body that is too long", "POST", reservations, gatetest.ShopToken, `{"user":"` + strings.Repeat("1", api.MaxBody) + `"}`, 413, `"reason":"RequestEntityTooLarge"`},
	} {
		a := d.send(test.method, test.path, test.token, test.body)
		if a.StatusCode != test.code || !strings.Contains(a.body, test.says) || a.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %s %s", test.what, a.StatusCode, a.Header.Get("Content-Type"), a.body)
		}
		if strings.Contains(a.body, "1555020") || strings.Contains(a.body, gatetest.Number) {
			t.Errorf("%s: the answer repeats what was sent: %s", test.what, a.body)
		}
	}
	if a := d.send("POST", reservations, gatetest.ShopToken, to(1), "Content-Type", "text/plain"); a.StatusCode != http.StatusUnsupportedMediaType {
		t.Errorf("of another type: %d %s", a.StatusCode, a.body)
	}
	if a := d.send("POST", reservations, gatetest.ShopToken, to(1), "Content-Encoding", "gzip"); a.StatusCode != http.StatusUnsupportedMediaType {
		t.Errorf("encoded: %d %s", a.StatusCode, a.body)
	}
	d.api.SetBackend(nil)
	if a := d.send("POST", reservations, gatetest.ShopToken, to(1)); a.StatusCode != http.StatusServiceUnavailable || a.Header.Get("Retry-After") != "10" {
		t.Errorf("without a backend: %d %s", a.StatusCode, a.body)
	}
	if held := d.Ledger.Reserved(gatetest.Number, begin); held != 0 {
		t.Errorf("%d are held", held)
	}
}

func TestStandingSaysWhatMayBeSentNow(t *testing.T) {
	d := newDesk(t, 2)
	d.Deliver(t, "15550200001", "wamid.1")
	sales := `{"kind":"PhoneNumber","namespace":"shop","name":"sales","number":"+15550100001","numberID":"106540352242922",` +
		`"limit":2,"used":1,"reserved":0,"remaining":1,"sendable":true}`
	support := `{"kind":"PhoneNumber","namespace":"other","name":"support","number":"+15550100002","numberID":"106540352242923",` +
		`"limit":2,"used":0,"reserved":0,"remaining":2,"sendable":true}`
	for path, want := range map[string]string{
		"?namespace=shop": sales, "?namespace=shop&number=%2B15550100001": sales, "?namespace=shop&numberID=106540352242922": sales,
		"?namespace=shop&number=%2B15550100002": "", "?namespace=shop&portfolio=acme": "",
	} {
		d.expect(d.send(http.MethodGet, "/v1/standing"+path, gatetest.ShopToken, ""), 200, `{"items":[`+want+`]}`)
	}
	d.expect(d.send(http.MethodGet, "/v1/standing", gatetest.ClusterToken, ""), 200, `{"items":[`+support+","+sales+`]}`)
	d.Deliver(t, "15550200002", "wamid.2")
	d.expect(d.send(http.MethodGet, "/v1/standing?namespace=shop", gatetest.ShopToken, ""), 200, `{"items":[`+
		strings.Replace(sales, `"used":1,"reserved":0,"remaining":1,"sendable":true`,
			`"used":2,"reserved":0,"remaining":0,"sendable":false,"reason":"LimitReached","until":"2026-11-02T12:00:00Z"`, 1)+`]}`)
}

func TestStandingShowsWhatIsReservedAndTheBudgets(t *testing.T) {
	d := newDesk(t, 10)
	d.Configure(t, counts.LimitSetting{Subject: gatetest.Number, Limit: 10, Budgets: []counts.BudgetSetting{
		{Name: "logins", Categories: []counts.Category{counts.Authentication}, Guaranteed: counts.Amount{Set: true, N: 2}},
		{Name: "rest", Maximum: counts.Amount{Set: true, N: 50, Percent: true}},
	}})
	d.id(d.send(http.MethodPost, reservations, gatetest.ShopToken, to(1)))
	a := d.send(http.MethodGet, "/v1/standing?namespace=shop", gatetest.ShopToken, "")
	want := `"used":0,"reserved":1,"remaining":9,"sendable":true,"budgets":[{"name":"logins","used":0,"reserved":0,"guaranteed":2,"remaining":9},` +
		`{"name":"rest","used":0,"reserved":1,"guaranteed":0,"maximum":5,"remaining":4}]}]}`
	if a.StatusCode != http.StatusOK || !strings.HasSuffix(a.body, want) {
		t.Errorf("it is %d %s\nwant %s", a.StatusCode, a.body, want)
	}
}

func TestAStreamTellsWhereAllStandThenWhatChangesUntilTheServerStops(t *testing.T) {
	d := newDeskOn(t, 2, clock.RealClock{})
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, d.url+"/v1/standing/stream?namespace=shop", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+gatetest.ShopToken)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	d.describes(request, response, nil)
	lines := bufio.NewScanner(response.Body)
	next := func() (event string) {
		for lines.Scan() && lines.Text() != "" {
			event += lines.Text() + "\n"
		}
		return event
	}
	stands := func(event, room string) {
		t.Helper()
		if got := next(); !strings.HasPrefix(got, "event: "+event+"\n") || !strings.Contains(got, `"name":"sales"`) || !strings.Contains(got, room) {
			t.Errorf("it tells %q, want %s with %s", got, event, room)
		}
	}
	stands("standing", `"remaining":2`)
	d.Deliver(t, "15550200001", "wamid.1")
	stands("standing", `"remaining":1`)
	d.Fleet.Remove("sales")
	stands("removed", `"namespace":"shop"`)
	if err := d.stop(); err != nil {
		t.Errorf("with an open stream the server stops with %v", err)
	}
	if rest := next(); rest != "" || lines.Err() != nil {
		t.Errorf("then it tells %q, and ends with %v", rest, lines.Err())
	}
}

func TestStreamsAreBoundedTogetherAndOfEachCaller(t *testing.T) {
	d := newDeskOn(t, 2, clock.RealClock{})
	open := func(token string) (code int) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, d.url+"/v1/standing/stream?namespace=shop", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+token)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = response.Body.Close() })
		return response.StatusCode
	}
	for _, caller := range []struct {
		token string
		most  int
	}{{gatetest.ClusterToken, 48}, {gatetest.ShopToken, 16}} {
		for i := range caller.most {
			if code := open(caller.token); code != http.StatusOK {
				t.Fatalf("stream %d of a caller is answered with %d", i, code)
			}
		}
		if code := open(caller.token); code != http.StatusServiceUnavailable {
			t.Errorf("one more is answered with %d", code)
		}
	}
}

func TestAPoolIsReservedFromAndStands(t *testing.T) {
	d := newDesk(t, 1)
	d.Fleet.Numbers[0].Labels = map[string]string{"pool": "all"}
	d.Fleet.Pools = []*v1alpha1.NumberPool{{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "all"}, Spec: v1alpha1.NumberPoolSpec{
			Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"pool": "all"}}, OnLowQuality: v1alpha1.Keep,
		},
	}}
	if err := d.Ledger.Configure(counts.Settings{Pools: []counts.PoolSetting{{
		Name: counts.PoolName("shop", "all"), Members: []counts.PoolMember{{Number: gatetest.Number, Weight: 1}},
	}}}); err != nil {
		t.Fatal(err)
	}
	stands := func(as string) {
		t.Helper()
		d.expect(d.send(http.MethodGet, "/v1/standing?namespace=shop&pool=all", gatetest.ShopToken, ""), 200, `{"items":[{"kind":"NumberPool","namespace":"shop","name":"all",`+as+`}]}`)
	}
	stands(`"reserved":0,"remaining":1,"sendable":true`)
	d.id(d.send(http.MethodPost, reservations, gatetest.ShopToken, `{"pool":"all","namespace":"shop","user":"15550200001"}`))
	stands(`"reserved":1,"remaining":0,"sendable":false,"reason":"LimitReached"`)
	a := d.send(http.MethodPost, reservations, gatetest.ShopToken, `{"pool":"all","namespace":"shop","user":"15550200002"}`)
	if a.StatusCode != http.StatusTooManyRequests || !strings.Contains(a.body, `"members":[{"name":"sales","reason":"LimitReached","until":"2026-11-02T12:10:00Z"}]`) {
		t.Errorf("it is %d %s", a.StatusCode, a.body)
	}
}
