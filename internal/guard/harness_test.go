package guard_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/config"
	"numberfleet.dev/numberfleet/internal/gate"
	"numberfleet.dev/numberfleet/internal/guard"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/meta/graphtest"
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/server"
	"numberfleet.dev/numberfleet/internal/server/servertest"
)

const (
	token    = "EAAgood-token"
	text     = `{"messaging_product":"whatsapp","to":"+15557770000","type":"text","text":{"body":"hi"}}`
	template = `{"messaging_product":"whatsapp","recipient_type":"individual","to":"15557770000","type":"template","template":{"name":"sale","language":{"code":"en_US"}},"biz_opaque_callback_data":"c-42"}`
)

// scripted is a gate that decides as a test says, and remembers what it was asked. It grants all that decide is not set to refuse.
type scripted struct {
	mu       sync.Mutex
	decide   func(gate.Request) gate.Answer
	requests []gate.Request
	held     int // places
	most     int // that were held at a time
	settled  []string
	changed  chan struct{}
}

func (s *scripted) Reserve(_ context.Context, caller gate.Caller, requests []gate.Request) ([]gate.Answer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if caller.Identity() == "" || strings.Contains(caller.Identity(), token) {
		return nil, fmt.Errorf("a caller is known as %q", caller.Identity())
	}
	s.requests = append(s.requests, requests...)
	if s.decide != nil {
		if answer := s.decide(requests[0]); answer.Problem != nil || answer.Decision.State != "" {
			return []gate.Answer{answer}, nil
		}
	}
	s.held++
	s.most = max(s.most, s.held)
	return []gate.Answer{{Decision: counts.Decision{ID: counts.ReservationID{byte(len(s.requests))}, State: counts.Held, Why: counts.Reserved}}}, nil
}

func (s *scripted) Confirm(ctx context.Context, _ gate.Caller, id counts.ReservationID, message string) (gate.Answer, error) {
	return gate.Answer{}, s.settle(ctx, fmt.Sprintf("confirm %d %s", id[0], message))
}

func (s *scripted) Release(ctx context.Context, _ gate.Caller, id counts.ReservationID) (gate.Answer, error) {
	return gate.Answer{}, s.settle(ctx, fmt.Sprintf("release %d", id[0]))
}

func (s *scripted) settle(ctx context.Context, how string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held--
	s.settled = append(s.settled, how)
	s.changed <- struct{}{}
	return ctx.Err()
}

// asked is of how many messages the gate decided.
func (s *scripted) asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.requests)
}

// became waits for n reservations to be settled, and returns how.
func (s *scripted) became(n int) []string {
	for range n {
		<-s.changed
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.settled)
}

// fleet are PhoneNumbers by the subject that they are found by.
type fleet map[report.Subject]*v1alpha1.PhoneNumber

func (f fleet) Number(_ context.Context, number report.Subject) (*v1alpha1.PhoneNumber, error) {
	return f[number], nil
}

// names is what a ledger knows: that the id 1002 is +15550100002.
type names struct{}

func (names) Subject(id, _ string) string {
	if id == "1002" {
		return "+15550100002"
	}
	return report.NumberIDSubject(id).String()
}

// stand is a guard in front of the stand-in for the Graph API.
type stand struct {
	t       *testing.T
	meta    *graphtest.Server
	gate    *scripted
	fleet   fleet
	clock   *clocktesting.FakePassiveClock
	metrics *prometheus.Registry
	logs    *servertest.Logs
	address string
	stop    func() error
}

func phoneNumber(name, e164 string) *v1alpha1.PhoneNumber {
	return &v1alpha1.PhoneNumber{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name},
		Spec:       v1alpha1.PhoneNumberSpec{PhoneNumber: e164, Business: v1alpha1.Business{WhatsAppBusinessAccountID: "2001"}},
	}
}

// newStand serves a guard. The numbers 1001 and 1002 are the fleet's, 1003 is nobody's.
func newStand(t *testing.T, with ...func(*guard.Options)) *stand {
	t.Helper()
	s, g := newUnready(t, with...)
	g.SetBackend(&guard.Backend{Gate: s.gate, Names: names{}})
	return s
}

// newUnready serves a guard that has no backend yet.
func newUnready(t *testing.T, with ...func(*guard.Options)) (*stand, *guard.Guard) {
	t.Helper()
	s := &stand{
		t: t, gate: &scripted{changed: make(chan struct{}, 1000)}, clock: clocktesting.NewFakePassiveClock(clock.RealClock{}.Now().Add(time.Hour)), // deadlines of connections are real, and come after the test
		metrics: prometheus.NewRegistry(), logs: &servertest.Logs{},
		fleet: fleet{report.NumberIDSubject("1001"): phoneNumber("sales", "+15550100001"), report.ParseSubject("+15550100002"): phoneNumber("care", "+15550100002")},
	}
	s.meta = graphtest.New(s.clock)
	s.meta.AddToken(token)
	s.meta.AddBusiness("3001", "Harbour Group")
	s.meta.AddAccount("2001", "3001", "Harbour")
	s.meta.SetAllowance("2001", 1_000_000)
	for _, id := range []string{"1001", "1002", "1003"} {
		s.meta.AddPhoneNumber(id, "2001", "+1 555-010-0"+id[1:], "Harbour")
	}
	options := guard.Options{
		Config: &config.Guard{Authentication: config.PassThrough}, BaseURL: newUpstream(t, s.meta.ServeHTTP), Directory: s.fleet, Clock: s.clock, Metrics: s.metrics,
		Log: s.logs.Logger(),
	}
	for _, change := range with {
		change(&options)
	}
	g, err := guard.New(options)
	if err != nil {
		t.Fatal(err)
	}
	address, stop := servertest.Serve(t, &server.Server{Name: "the guard", Handler: g, Limits: guard.Limits, Log: s.logs.Logger()})
	s.address, s.stop = address, sync.OnceValue(stop)
	t.Cleanup(func() { _ = s.stop() })
	return s, g
}

// newUpstream serves something in place of the Graph API.
func newUpstream(t *testing.T, handle http.HandlerFunc) (address string) {
	t.Helper()
	upstream := httptest.NewServer(handle)
	t.Cleanup(upstream.Close)
	return upstream.URL
}

func numberID(id string) report.Subject { return report.NumberIDSubject(id) }

// do sends a request with the good token, unless the header says otherwise.
func (s *stand) do(method, path, body string, header http.Header) (*http.Response, string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, "http://"+s.address+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header = http.Header{"Authorization": {"Bearer " + token}, "Content-Type": {"application/json"}}
	maps.Copy(req.Header, header)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	content, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return res, string(content)
}

func (s *stand) send(body string) (*http.Response, string) {
	s.t.Helper()
	return s.do(http.MethodPost, "/v27.0/1001/messages", body, nil)
}

// sent are the messages that came to Meta.
func (s *stand) sent() (all []graphtest.Call) {
	for _, call := range s.meta.Calls() {
		if call.Method == http.MethodPost {
			all = append(all, call)
		}
	}
	return all
}

// refusal is Meta's error envelope.
type refusal struct {
	Error struct {
		Message   string `json:"message"`
		Type      string `json:"type"`
		Code      int64  `json:"code"`
		TraceID   string `json:"fbtrace_id"`
		ErrorData struct {
			Product string `json:"messaging_product"`
			Details string `json:"details"`
		} `json:"error_data"`
	} `json:"error"`
}

// refusalOf reads an answer that must be a whole envelope and nothing else.
func (s *stand) refusalOf(body string) (r refusal) {
	s.t.Helper()
	decoder := json.NewDecoder(bytes.NewReader([]byte(body)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&r); err != nil || r.Error.Type != "OAuthException" || r.Error.TraceID == "" || r.Error.ErrorData.Product != "whatsapp" ||
		!strings.HasPrefix(r.Error.Message, fmt.Sprintf("(#%d) ", r.Error.Code)) {
		s.t.Errorf("%s is no envelope of Meta's: %v", body, err)
	}
	return r
}

func (s *stand) counter(name string) string {
	s.t.Helper()
	return servertest.Counter(s.t, s.metrics, name)
}
