package guard_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/gate"
	"numberfleet.dev/numberfleet/internal/guard"
	"numberfleet.dev/numberfleet/internal/meta/graphtest"
)

func authorization(token string) http.Header {
	return http.Header{"Authorization": {"Bearer " + token}}
}

// Whoever has no token that Meta takes holds few places of a number while Meta is asked, and none after that.
func TestACallerWithABadTokenKeepsNoPlace(t *testing.T) {
	s := newStand(t)
	s.meta.Fail(graphtest.Fault{Path: "1001/messages", Delay: 5 * time.Millisecond})
	var waiting sync.WaitGroup
	for i := range 64 {
		waiting.Go(func() {
			body := messageTo(fmt.Sprintf("155577700%02d", i))
			if res, answer := s.do(http.MethodPost, "/v27.0/1001/messages", body, authorization(fmt.Sprint("bad", i%4))); !strings.Contains(answer, `"code":190`) || res.Header.Get("X-Numberfleet-Number") != "" {
				t.Errorf("HTTP %d %s %v", res.StatusCode, answer, res.Header)
			}
		})
	}
	waiting.Wait()
	s.gate.became(s.gate.asked()) // who waits for too long is refused before
	if s.gate.held != 0 || s.gate.most > 8 {
		t.Errorf("%d places are held, and %d were at a time", s.gate.held, s.gate.most)
	}
}

// Those who have sent from a number are not held up by those who cannot, even while Meta says of no message what became of it.
func TestStrangersHoldUpNobodyElse(t *testing.T) {
	s := newStand(t)
	s.send(text)
	s.gate.became(1)
	s.meta.Fail(graphtest.Fault{Path: "1001/messages", Times: 8, Close: true})
	for i := range 8 {
		s.do(http.MethodPost, "/v27.0/1001/messages", messageTo(fmt.Sprintf("155577700%02d", i)), authorization("bad"))
	}
	refused := make(chan string, 1)
	go func() {
		_, body := s.do(http.MethodPost, "/v27.0/1001/messages", messageTo("15557770099"), authorization("bad"))
		refused <- body
	}()
	if res, body := s.send(text); res.StatusCode != http.StatusOK {
		t.Errorf("HTTP %d %s", res.StatusCode, body)
	}
	if body := <-refused; !strings.Contains(body, `"code":190`) {
		t.Errorf("a ninth is answered %s", body)
	}
	if s.gate.most > 9 {
		t.Errorf("%d places were held at a time", s.gate.most)
	}
}

// How a number stands is told to nobody whom Meta does not let see the number, nor that it is one of the fleet.
func TestAStrangerLearnsNothing(t *testing.T) {
	s := newStand(t)
	s.meta.AddToken("reader", graphtest.Management)
	s.meta.AddToken("sender", graphtest.Messaging)
	s.gate.decide = func(r gate.Request) gate.Answer {
		if r.User == "15557770000" {
			return gate.Answer{Problem: gate.NewProblem(gate.Reason(v1alpha1.RoomLimitReached), "1000 of 1000 are used")}
		}
		return gate.Answer{}
	}
	for _, bad := range []string{"bad", "sender"} {
		res, body := s.do(http.MethodPost, "/v27.0/1001/messages", text, authorization(bad))
		if !strings.Contains(body, `"code":190`) && !strings.Contains(body, `"code":200`) || strings.Contains(body, "1000") || res.Header.Get("X-Numberfleet-Number") != "" {
			t.Errorf("%s: HTTP %d %s %v", bad, res.StatusCode, body, res.Header)
		}
	}
	for range 2 {
		res, body := s.do(http.MethodPost, "/v27.0/1001/messages", text, authorization("reader"))
		if r := s.refusalOf(body); res.StatusCode != http.StatusTooManyRequests || r.Error.ErrorData.Details != "LimitReached: 1000 of 1000 are used" || res.Header.Get("X-Numberfleet-Number") != "shop/sales" {
			t.Errorf("HTTP %d %s %v", res.StatusCode, body, res.Header)
		}
	}
	// Who may send is told once that was seen.
	s.do(http.MethodPost, "/v27.0/1001/messages", messageTo("15557770001"), authorization("sender"))
	if res, body := s.do(http.MethodPost, "/v27.0/1001/messages", text, authorization("sender")); res.StatusCode != http.StatusTooManyRequests {
		t.Errorf("HTTP %d %s", res.StatusCode, body)
	}
	if asked := len(s.meta.Calls()) - len(s.sent()); asked != 3 {
		t.Errorf("Meta was asked %d times who may see the number", asked)
	}
	if logs := s.logs.String(); strings.Contains(logs, "555777") || strings.Contains(logs, "reader") || strings.Contains(logs, "5550100001") {
		t.Errorf("the log has too much: %s", logs)
	}
}

// Who may not see a number hears of one of the fleet what Meta says of any other, whatever is wrong with the request.
func TestAStrangerHearsTheSameOfEveryNumber(t *testing.T) {
	s := newStand(t)
	traceID := regexp.MustCompile(`"fbtrace_id":"[^"]*"`)
	for name, test := range map[string]struct {
		body   string
		header http.Header
	}{
		"a message":                {text, authorization("bad")},
		"no token":                 {text, http.Header{"Authorization": nil}},
		"no JSON":                  {"{", authorization("bad")},
		"no recipient":             {`{"type":"text"}`, authorization("bad")},
		"another type":             {text, http.Header{"Authorization": {"Bearer bad"}, "Content-Type": {"text/plain"}}},
		"a body that is too long":  {strings.Repeat(" ", 300<<10), authorization("bad")},
		"a body that is encoded":   {text, http.Header{"Authorization": {"Bearer bad"}, "Content-Encoding": {"gzip"}}},
		"a long one without token": {strings.Repeat(" ", 300<<10), http.Header{"Authorization": nil}},
	} {
		own, said := s.do(http.MethodPost, "/v27.0/1001/messages", test.body, test.header)
		other, saidOfOther := s.do(http.MethodPost, "/v27.0/1003/messages", test.body, test.header)
		if own.StatusCode != other.StatusCode || traceID.ReplaceAllString(said, "") != traceID.ReplaceAllString(saidOfOther, "") || len(own.Header) != len(other.Header) {
			t.Errorf("%s: HTTP %d %s %v; of a number of nobody HTTP %d %s %v", name, own.StatusCode, said, own.Header, other.StatusCode, saidOfOther, other.Header)
		}
	}
}

// A token that Meta takes no more is a stranger's again.
func TestATokenThatIsTakenBackIsAStrangers(t *testing.T) {
	s := newStand(t)
	s.send(text)
	s.meta.RevokeToken(token)
	if res, body := s.send(text); res.StatusCode != http.StatusUnauthorized || !strings.Contains(body, `"code":190`) {
		t.Errorf("HTTP %d %s", res.StatusCode, body)
	}
	s.gate.became(2)
	s.gate.decide = func(gate.Request) gate.Answer {
		return gate.Answer{Problem: gate.NewProblem(gate.Reason(v1alpha1.RoomLimitReached), "1000 of 1000 are used")}
	}
	if res, body := s.send(text); res.StatusCode != http.StatusUnauthorized || !strings.Contains(body, `"code":190`) || strings.Contains(body, "1000") {
		t.Errorf("HTTP %d %s", res.StatusCode, body)
	}
}

// A sender that goes away while Meta is asked loses nothing: what became of its message is known all the same.
func TestASenderThatGoesAwayLosesNoConfirmation(t *testing.T) {
	asked, leave := make(chan struct{}), make(chan struct{})
	upstream := newUpstream(t, func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		close(asked)
		<-leave
		if req.Context().Err() != nil {
			t.Error("the message was given up")
		}
		_, _ = io.WriteString(w, `{"messages":[{"id":"wamid.A"}]}`)
	})
	s := newStand(t, func(o *guard.Options) { o.BaseURL = upstream })
	c, err := net.Dial("tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(c, "POST /v27.0/1001/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", token, len(text), text); err != nil {
		t.Fatal(err)
	}
	<-asked
	_ = c.Close()
	time.Sleep(20 * time.Millisecond) // for the guard to see it
	close(leave)
	if got := s.gate.became(1); !slices.Equal(got, []string{"confirm 1 wamid.A"}) {
		t.Errorf("got %q", got)
	}
}

// A guard that stops answers what is under way, and tells the gate of it.
func TestAGuardThatStopsFinishes(t *testing.T) {
	asked, leave := make(chan struct{}), make(chan struct{})
	upstream := newUpstream(t, func(w http.ResponseWriter, _ *http.Request) {
		close(asked)
		<-leave
		_, _ = io.WriteString(w, `{"messages":[{"id":"wamid.A"}]}`)
	})
	s := newStand(t, func(o *guard.Options) { o.BaseURL = upstream })
	answers := make(chan int, 1)
	go func() {
		res, _ := s.send(text)
		answers <- res.StatusCode
	}()
	<-asked
	stopped := make(chan error, 1)
	go func() { stopped <- s.stop() }()
	time.Sleep(20 * time.Millisecond) // for the shutdown to begin
	close(leave)
	if code := <-answers; code != http.StatusOK {
		t.Errorf("got %d", code)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if !slices.Equal(s.gate.settled, []string{"confirm 1 wamid.A"}) {
		t.Errorf("got %q", s.gate.settled)
	}
}

// Everything else of the Graph API passes as it comes, without waiting for its end in either direction, and Meta's host is the only one that
// it goes to.
func TestEverythingElsePasses(t *testing.T) {
	came, read := make(chan struct{}), make(chan struct{})
	upstream := newUpstream(t, func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("X-Meta", req.Method+" "+req.Host+" "+req.URL.String()+" "+req.Header.Get("Authorization")+req.Header.Get("X-Forwarded-For")+req.Header.Get("Upgrade"))
		if req.Body == http.NoBody {
			return
		}
		body := bufio.NewReader(req.Body)
		line, _ := body.ReadString('\n')
		came <- struct{}{}
		_, _ = io.Copy(io.Discard, body)
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, line)
		_ = http.NewResponseController(w).Flush()
		<-read
	})
	host := strings.TrimPrefix(upstream, "http://")
	s := newStand(t, func(o *guard.Options) { o.BaseURL = upstream })
	for _, test := range []struct{ method, path string }{
		{"POST", "/v27.0/1001/media"}, {"GET", "/v27.0/2001/message_templates?limit=3&after=a%3D"}, {"DELETE", "/v27.0/2001/message_templates?name=x"},
		{"GET", "/v27.0/1001/messages"}, {"POST", "/v27.0/upload:MTphdHQ=?sig=a"}, {"GET", "/"}, {"POST", "/v27.0/1001/register"}, {"PUT", "/v27.0/1001"},
	} {
		body, writer := io.Pipe()
		req, err := http.NewRequest(test.method, "http://"+s.address+test.path, body)
		if err != nil {
			t.Fatal(err)
		}
		req.Header = http.Header{"Authorization": {"Bearer theirs"}, "X-Forwarded-For": {"10.0.0.1"}, "Connection": {"Upgrade"}, "Upgrade": {"websocket"}}
		go func() {
			_, _ = io.WriteString(writer, "line\n")
			<-came
			_ = writer.Close()
		}()
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		line, err := bufio.NewReader(res.Body).ReadString('\n')
		if got, want := res.Header.Get("X-Meta"), test.method+" "+host+" "+test.path+" Bearer theirs"; res.StatusCode != http.StatusAccepted || got != want || line != "line\n" {
			t.Errorf("HTTP %d %q %q, %v; want %q", res.StatusCode, got, line, err, want)
		}
		read <- struct{}{}
		_ = res.Body.Close()
	}
	c, err := net.Dial("tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = io.WriteString(c, "GET http://192.0.2.1/v27.0/1001 HTTP/1.1\r\nHost: 192.0.2.2\r\n\r\n")
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || res.Header.Get("X-Meta") != "GET "+host+" /v27.0/1001" {
		t.Errorf("of another host: %v, %v", res, err)
	}
}
