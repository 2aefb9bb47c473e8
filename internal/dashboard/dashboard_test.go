package dashboard_test

import (
	"bufio"
	"encoding/json"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/dashboard"
	"numberfleet.dev/numberfleet/internal/dashboard/dashboardtest"
	"numberfleet.dev/numberfleet/internal/standing/remote"
)

// event is one of the stream's.
type event struct{ name, data string }

// follow yields the events of the stream.
func follow(t *testing.T, at string) func() event {
	t.Helper()
	lines := bufio.NewScanner(get(t, at+"/api/stream").Body)
	lines.Buffer(nil, 1<<20)
	return func() (e event) {
		t.Helper()
		for lines.Scan() {
			switch name, value, _ := strings.Cut(lines.Text(), ": "); name {
			case "event":
				e.name = value
			case "data":
				e.data = value
			default:
				return e
			}
		}
		t.Fatalf("the stream ended: %v", lines.Err())
		return e
	}
}

// row is what the tests read of a row.
type row struct {
	Kind, Namespace, Name, Title, State, Problem string
	Limit, Used                                  *int64
	Remaining                                    int64
	Sendable, Live                               bool
	Urgency                                      int
}

// rowsUntil reads rows until one of them is as it is to be, and returns the rows by name.
func rowsUntil(t *testing.T, next func() event, done func(map[string]row) bool) map[string]row {
	t.Helper()
	found := map[string]row{}
	for !done(found) {
		switch e := next(); e.name {
		case "rows":
			var rows []row
			if err := json.Unmarshal([]byte(e.data), &rows); err != nil {
				t.Fatal(err)
			}
			for _, r := range rows {
				found[r.Name] = r
			}
		case "gone":
			var r row
			if err := json.Unmarshal([]byte(e.data), &r); err != nil {
				t.Fatal(err)
			}
			delete(found, r.Name)
		}
	}
	return found
}

func evaluate(t *testing.T, n *v1alpha1.PhoneNumber, used int64) {
	t.Helper()
	if err := cluster.Evaluate(t.Context(), n, used); err != nil {
		t.Fatal(err)
	}
}

// The page is told what there is, and then what comes, changes and goes. Until the operator has seen a number, nothing may be sent.
func TestStreamTellsWhatThereIsAndWhatChanges(t *testing.T) {
	namespace := cluster.Namespace(t)
	first, second := dashboardtest.Number(namespace, "first", 1), dashboardtest.Number(namespace, "second", 2)
	cluster.Create(t, first)
	next := follow(t, dashboardtest.Serve(t, cluster.Admin, namespace))
	found := rowsUntil(t, next, func(rows map[string]row) bool { return len(rows) > 0 })
	if r := found["first"]; r.Kind != "PhoneNumber" || r.Sendable || r.Remaining != 0 || r.Used != nil || r.Live || r.Urgency != 0 {
		t.Errorf("a number that nobody has seen: %+v", r)
	}
	cluster.Create(t, second)
	evaluate(t, second, 250)
	rowsUntil(t, next, func(rows map[string]row) bool {
		r := rows["second"]
		return r.State == "Connected" && r.Sendable && r.Remaining == 750 && *r.Used == 250 && *r.Limit == 1000
	})
	evaluate(t, second, 251)
	rowsUntil(t, next, func(rows map[string]row) bool { return rows["second"].Remaining == 749 })
	if err := cluster.API.Delete(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	for e := next(); ; e = next() {
		if e.name == "gone" && strings.Contains(e.data, `"first"`) {
			break
		}
	}
}

// Whoever comes later is told all that there is by then.
func TestStreamBeginsWithAll(t *testing.T) {
	namespace := cluster.Namespace(t)
	at := dashboardtest.Serve(t, cluster.Admin, namespace)
	next := follow(t, at)
	cluster.Create(t, dashboardtest.Number(namespace, "first", 1))
	rowsUntil(t, next, func(rows map[string]row) bool { return len(rows) == 1 })
	cluster.Create(t, dashboardtest.Number(namespace, "second", 2))
	rowsUntil(t, next, func(rows map[string]row) bool { return len(rows) == 1 })
	rowsUntil(t, follow(t, at), func(rows map[string]row) bool { return len(rows) == 2 })
}

// Who may read one namespace is shown its numbers and no other, and told what is missing; who asks for more is refused.
func TestRightsAreTheUsers(t *testing.T) {
	own, other := cluster.Namespace(t), cluster.Namespace(t)
	cluster.Create(t, dashboardtest.Number(own, "mine", 1), dashboardtest.Number(other, "theirs", 2))
	user := reader(t, own)
	at := dashboardtest.Serve(t, user, own)
	var notes struct{ Kinds map[string]string }
	next := follow(t, at)
	for rows := false; !rows || notes.Kinds == nil; {
		e := next()
		if strings.Contains(e.data, "theirs") {
			t.Errorf("%s has %s", e.name, e.data)
		}
		rows = rows || e.name == "rows" && strings.Contains(e.data, "mine")
		if e.name == "notes" {
			if err := json.Unmarshal([]byte(e.data), &notes); err != nil {
				t.Fatal(err)
			}
		}
	}
	if why := notes.Kinds["BusinessPortfolio"]; why != "you may not list businessportfolios in the whole cluster" {
		t.Errorf("of portfolios it is said: %s", why)
	}
	if response := get(t, at+"/api/object?kind=PhoneNumber&namespace="+other+"&name=theirs"); response.StatusCode != http.StatusNotFound {
		t.Errorf("a number of another namespace is answered with %s", response.Status)
	}
	for _, namespace := range []string{"", other} {
		if _, err := dashboard.New(t.Context(), dashboard.Options{Config: user, Namespace: namespace, Operator: &remote.Options{}, Clock: clock.RealClock{}}); err == nil ||
			!strings.HasPrefix(err.Error(), "you may not list phonenumbers in ") {
			t.Errorf("in %q: %v", namespace, err)
		}
	}
}

// A cluster that does not answer is an error, before anything is served.
func TestClusterThatNeverAnswers(t *testing.T) {
	if _, err := dashboard.New(t.Context(), dashboard.Options{Config: &rest.Config{Host: "http://127.0.0.1:1"}, Operator: &remote.Options{}, Clock: clock.RealClock{}}); err == nil {
		t.Error("a cluster that does not answer is no error")
	}
}

// While the cluster cannot be reached the page says so, and no longer than that; then it shows what changed meanwhile.
func TestPageSaysThatTheClusterDoesNotAnswer(t *testing.T) {
	at, err := url.Parse(cluster.Admin.Host)
	if err != nil {
		t.Fatal(err)
	}
	forward := httputil.NewSingleHostReverseProxy(at)
	if forward.Transport, err = rest.TransportFor(cluster.Admin); err != nil {
		t.Fatal(err)
	}
	forward.ErrorLog = log.New(io.Discard, "", 0)
	var cut atomic.Bool
	network := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if cut.Load() {
			panic(http.ErrAbortHandler)
		}
		forward.ServeHTTP(w, req)
	}))
	t.Cleanup(network.Close)
	namespace := cluster.Namespace(t)
	n := dashboardtest.Number(namespace, "a", 1)
	cluster.Create(t, n)
	next := follow(t, dashboardtest.Serve(t, &rest.Config{Host: network.URL}, namespace))
	rowsUntil(t, next, func(rows map[string]row) bool { return len(rows) == 1 })
	var note string
	var remaining int64
	read := func() {
		t.Helper()
		switch e := next(); e.name {
		case "notes":
			var notes struct{ Kinds map[string]string }
			if err := json.Unmarshal([]byte(e.data), &notes); err != nil {
				t.Fatal(err)
			}
			note = notes.Kinds["PhoneNumber"]
		case "rows":
			var rows []row
			if err := json.Unmarshal([]byte(e.data), &rows); err != nil {
				t.Fatal(err)
			}
			remaining = rows[0].Remaining
		}
	}
	cut.Store(true)
	network.CloseClientConnections()
	for !strings.HasPrefix(note, "what changes is not known now: ") {
		read()
	}
	evaluate(t, n, 250)
	cut.Store(false)
	for note != "" || remaining != 750 {
		read()
	}
}

// The chart of a number has the steps of its limit from the history, and what was used from the time on at which it was looked at.
func TestChartDoesNotKnowWhatWasUsedBefore(t *testing.T) {
	namespace := cluster.Namespace(t)
	n := dashboardtest.Number(namespace, "a", 1)
	cluster.Create(t, n)
	evaluate(t, n, 250)
	at := dashboardtest.Serve(t, cluster.Admin, namespace)
	rowsUntil(t, follow(t, at), func(rows map[string]row) bool { return rows["a"].Remaining == 750 })
	var d struct {
		Since time.Time
		Chart struct {
			Start, End     int64
			Times          []int64
			Used, Limits   []*int64
			Tiers, Quality []struct{ What string }
			Happened       []struct{ Message string }
		}
	}
	if err := json.NewDecoder(get(t, at+"/api/object?kind=PhoneNumber&namespace="+namespace+"&name=a").Body).Decode(&d); err != nil {
		t.Fatal(err)
	}
	c := d.Chart
	if !d.Since.Equal(cluster.Evaluated.Time) || c.Start != cluster.Evaluated.Add(-72*time.Hour).Unix() || len(c.Happened) != 2 || len(c.Tiers) != 2 || len(c.Quality) != 2 {
		t.Errorf("known since %s: %+v", d.Since, c)
	}
	for i, at := range c.Times {
		if known := at >= cluster.Evaluated.Unix(); known != (c.Used[i] != nil) || known && *c.Used[i] != 250 {
			t.Errorf("at %d used is %v", at, c.Used[i])
		}
		limit := int64(1000)
		if at < cluster.Evaluated.Add(-48*time.Hour).Unix() {
			limit = 250
		}
		if c.Limits[i] == nil || *c.Limits[i] != limit {
			t.Errorf("at %d the limit is %v, not %d", at, c.Limits[i], limit)
		}
	}
}

// Only a browser is let in that was shown the dashboardtest.Token, by the name of this machine, from the page itself.
func TestOnlyTheUserIsLetIn(t *testing.T) {
	at, err := url.Parse(dashboardtest.Serve(t, cluster.Admin, cluster.Namespace(t)))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, method, path, host, cookie string
		header                           http.Header
		want                             int
	}{
		{"with the token in the URL", "GET", "/?token=" + dashboardtest.Token, "", "", nil, http.StatusOK},
		{"with the cookie", "GET", "/app.js", "", dashboardtest.Token, nil, http.StatusOK},
		{"by the name localhost", "GET", "/?token=" + dashboardtest.Token, "localhost:" + at.Port(), "", nil, http.StatusOK},
		{"from the page itself", "GET", "/app.js", "", dashboardtest.Token, http.Header{"Origin": {at.String()}, "Sec-Fetch-Site": {"same-origin"}}, http.StatusOK},
		{"by a link from elsewhere with the token", "GET", "/?token=" + dashboardtest.Token, "", "", http.Header{"Sec-Fetch-Site": {"cross-site"}, "Sec-Fetch-Mode": {"navigate"}}, http.StatusOK},
		{"without a token", "GET", "/", "", "", nil, http.StatusUnauthorized},
		{"with another token", "GET", "/?token=OTHER", "", "OTHER", nil, http.StatusUnauthorized},
		{"without a token for the stream", "GET", "/api/stream", "", "", nil, http.StatusUnauthorized},
		{"by a name that leads here", "GET", "/?token=" + dashboardtest.Token, "rebound.example:" + at.Port(), dashboardtest.Token, nil, http.StatusMisdirectedRequest},
		{"by a name that begins like an address", "GET", "/?token=" + dashboardtest.Token, "127.0.0.1.rebound.example:" + at.Port(), dashboardtest.Token, nil, http.StatusMisdirectedRequest},
		{"without a port", "GET", "/?token=" + dashboardtest.Token, "rebound.example", dashboardtest.Token, nil, http.StatusMisdirectedRequest},
		{"from another origin", "GET", "/api/stream", "", dashboardtest.Token, http.Header{"Origin": {"https://elsewhere.example"}}, http.StatusForbidden},
		{"from another port of this machine", "GET", "/api/stream", "", dashboardtest.Token, http.Header{"Origin": {"http://127.0.0.1:1"}}, http.StatusForbidden},
		{"as a script of another site", "GET", "/app.js", "", dashboardtest.Token, http.Header{"Sec-Fetch-Site": {"cross-site"}, "Sec-Fetch-Mode": {"no-cors"}}, http.StatusForbidden},
		{"to write", "POST", "/api/object", "", dashboardtest.Token, nil, http.StatusMethodNotAllowed},
		{"a file that is none of the page's", "GET", "/..%2fpage.go", "", dashboardtest.Token, nil, http.StatusNotFound},
	} {
		t.Run(test.name, func(t *testing.T) {
			request, err := http.NewRequestWithContext(t.Context(), test.method, at.String()+test.path, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			request.Host = test.host
			maps.Copy(request.Header, test.header)
			if test.cookie != "" {
				request.AddCookie(&http.Cookie{Name: "numberfleet-" + at.Port(), Value: test.cookie})
			}
			response, err := http.DefaultTransport.RoundTrip(request)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			if response.StatusCode != test.want {
				t.Errorf("answered with %s", response.Status)
			}
			for _, cookie := range response.Cookies() {
				if response.StatusCode != http.StatusOK || !cookie.HttpOnly || cookie.SameSite != http.SameSiteStrictMode {
					t.Errorf("a cookie comes with %s: %+v", response.Status, cookie)
				}
			}
		})
	}
}

// The page loads nothing from elsewhere, has no script or style in itself, and never makes markup of text.
func TestPageIsWholeAndClosed(t *testing.T) {
	at := dashboardtest.Serve(t, cluster.Admin, cluster.Namespace(t))
	response := get(t, at+"/")
	for name, want := range map[string]string{
		"Content-Security-Policy": "default-src 'none'; script-src 'self'; ", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
	} {
		if got := response.Header.Get(name); !strings.HasPrefix(got, want) {
			t.Errorf("%s is %q", name, got)
		}
	}
	inline := regexp.MustCompile(`(?i)<script>|<style|\sstyle=|\son\w+=|javascript:|https?://|innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(`)
	seen := map[string]bool{}
	var look func(path string)
	look = func(path string) {
		if seen[path] {
			return
		}
		seen[path] = true
		response := get(t, at+path)
		content, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") == "" {
			t.Fatalf("%s is answered with %s, %v", path, response.Status, err)
		}
		if strings.HasPrefix(path, "/chart/uplot") {
			return // as its authors wrote it
		}
		text := strings.ReplaceAll(string(content), "http://www.w3.org/2000/svg", "")
		if found := inline.FindString(text); found != "" {
			t.Errorf("%s has %s", path, found)
		}
		for _, link := range regexp.MustCompile(`(?:src=|href=|from )"(?:\./|/)([\w./]+)"`).FindAllStringSubmatch(text, -1) {
			look("/" + link[1])
		}
	}
	look("/")
	if len(seen) < 10 {
		t.Errorf("the page is made of %v", seen)
	}
}
