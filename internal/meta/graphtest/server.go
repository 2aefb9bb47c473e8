// Package graphtest stands in for Meta's Graph API, for tests and for showing the operator without Meta.
//
// It answers reads of phone numbers, message templates, WhatsApp Business accounts and business portfolios in the shapes that Meta documents,
// takes messages that phone numbers send, and refuses what Meta refuses. What it knows can change over time, and it can be made to fail:
// Change, Fail and Receive script it.
// It shares no code with the client, so that a shape read wrong is not read wrong twice.
//
// Sources: see package graph.
package graphtest

import (
	"encoding/json"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// Current is the newest version that the server knows. Newer ones are refused; a version that Meta has taken away is
	// answered like Oldest, as Meta does.
	Current = 27
	// Oldest is the oldest version, by its major number, that the server still knows.
	Oldest = 21

	// Allowance is how many calls about an account are allowed within an hour unless SetAllowance says otherwise.
	Allowance = 200

	maxCalls  = 10_000 // kept; older ones are forgotten
	traceSize = 11     // characters of a trace id
)

// Clock tells the time. A clock.PassiveClock of k8s.io/utils is one.
type Clock interface {
	Now() time.Time
}

// Fields are fields of a node, by Meta's names. A nil value takes a field away.
type Fields map[string]any

// Call is a call that the server got.
type Call struct {
	At      time.Time
	Method  string
	Version string // as in the path, such as v27.0; empty if there was none
	Node    string // the id
	Edge    string // such as phone_numbers; optional
	Fields  string // as asked for
	After   string // the cursor
	Token   string // of the header Authorization
	Query   string // the whole, as it came
	Body    string // of a message

	Status int   // of the answer; zero if the connection was closed without one
	Code   int64 // of Meta's, if it was refused
}

type kind string

const (
	business kind = "Business"
	account  kind = "WhatsAppBusinessAccount"
	number   kind = "WhatsAppBusinessPhoneNumber"
	template kind = "MessageTemplate"
)

// node is a thing with an id. Its changes are in the order of time; those of one time in the order they were made.
type node struct {
	id      string
	kind    kind
	parent  string
	changes []change
}

type change struct {
	at     time.Time
	fields Fields
	health Fields // of the entity in health_status
	gone   bool
}

// Server is an http.Handler. It is safe for concurrent use.
type Server struct {
	clock Clock

	mu         sync.Mutex
	nodes      map[string]*node
	order      []string // ids, as they were added
	tokens     map[string]*token
	secret     string // of the app, with which calls are proved; empty where none need be
	faults     []*Fault
	allowances map[string]int
	used       map[string][]time.Time // when calls were made, by the account
	cursors    int                    // how often cursors were made invalid
	calls      []Call
	traces     int
	delivered  map[string]map[int64]int // messages by the number's id and the half hour
	receive    func(Message) *Refusal
	messages   int // that were taken
}

type token struct {
	permissions []string
	state       string // empty, expired or revoked
}

// Permissions of access tokens.
const (
	Management = "whatsapp_business_management" // to read accounts and numbers
	Messaging  = "whatsapp_business_messaging"  // to send messages
	Businesses = "business_management"          // to read portfolios
)

// New returns a server that knows nothing and accepts no token.
func New(clock Clock) *Server {
	return &Server{
		clock: clock, nodes: map[string]*node{}, tokens: map[string]*token{}, allowances: map[string]int{}, used: map[string][]time.Time{},
		delivered: map[string]map[int64]int{},
	}
}

// AddBusiness adds a business portfolio that is not verified and may message 250 users.
func (s *Server) AddBusiness(id, name string) {
	s.add(id, business, "", Fields{
		"name": name, "verification_status": "not_verified", "whatsapp_business_manager_messaging_limit": "TIER_250",
	})
}

// AddAccount adds an approved WhatsApp Business account to a portfolio. The app 4001 is subscribed to it.
func (s *Server) AddAccount(id, owner, name string) {
	s.add(id, account, owner, Fields{
		"name": name, "timezone_id": "1", "message_template_namespace": "ns_" + id, "account_review_status": "APPROVED", "country": "US",
		"ownership_type": "SELF", "primary_business_location": "US", "status": "ACTIVE",
		"subscribed_apps": []string{"4001"},
	})
}

// AddPhoneNumber adds a connected phone number without a rating to an account. Meta writes numbers like +1 555-000-1111.
func (s *Server) AddPhoneNumber(id, owner, display, name string) {
	s.add(id, number, owner, Fields{
		"display_phone_number": display, "verified_name": name, "status": "CONNECTED", "quality_rating": "UNKNOWN",
		"name_status": "APPROVED", "code_verification_status": "VERIFIED", "account_mode": "LIVE", "platform_type": "CLOUD_API",
		"throughput": Fields{"level": "STANDARD"}, "is_official_business_account": false, "is_on_biz_app": false,
		"last_onboarded_time": s.clock.Now().UTC().Format("2006-01-02T15:04:05-0700"),
	})
}

// AddTemplate adds an approved message template without a rating to an account.
func (s *Server) AddTemplate(id, owner, name, language, category string) {
	s.add(id, template, owner, Fields{
		"name": name, "language": language, "status": "APPROVED", "category": category, "rejected_reason": "NONE",
		"quality_score": Fields{"score": "UNKNOWN", "date": s.clock.Now().Unix()},
	})
}

func (s *Server) add(id string, k kind, parent string, fields Fields) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.nodes[id] == nil {
		s.order = append(s.order, id)
	}
	// It was always there: a clock that starts later than what is scripted would not know it.
	s.nodes[id] = &node{id: id, kind: k, parent: parent, changes: []change{{fields: fields}}}
}

// Set changes fields of a node now.
func (s *Server) Set(id string, fields Fields) { s.Change(s.clock.Now(), id, fields) }

// Change changes fields of a node from a time on, which may be to come.
func (s *Server) Change(at time.Time, id string, fields Fields) {
	s.script(id, change{at: at, fields: fields})
}

// ChangeHealth changes what health_status says of a node from a time on: whether it can send messages (AVAILABLE, LIMITED
// or BLOCKED), why it is limited (additional_info), or what blocks it (errors).
func (s *Server) ChangeHealth(at time.Time, id string, entity Fields) {
	s.script(id, change{at: at, health: entity})
}

// Remove takes a node away from a time on.
func (s *Server) Remove(at time.Time, id string) { s.script(id, change{at: at, gone: true}) }

func (s *Server) script(id string, c change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.nodes[id]
	if n == nil {
		panic("graphtest: there is no node " + id)
	}
	n.changes = append(n.changes, c)
	slices.SortStableFunc(n.changes, func(a, b change) int { return a.at.Compare(b.at) })
}

// RequireProof makes the server refuse calls without an appsecret_proof that was made with the app's secret, as Meta does of an app
// that asks for it. A wrong one is refused in any case.
func (s *Server) RequireProof(secret string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.secret = secret
}

// AddToken makes the server accept an access token, with the permissions that are named, or with all if none is.
func (s *Server) AddToken(value string, permissions ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(permissions) == 0 {
		permissions = []string{Management, Messaging, Businesses}
	}
	s.tokens[value] = &token{permissions: permissions}
}

// ExpireToken makes a token one that has expired.
func (s *Server) ExpireToken(value string) { s.setToken(value, "expired") }

// RevokeToken makes a token one that was taken back.
func (s *Server) RevokeToken(value string) { s.setToken(value, "revoked") }

func (s *Server) setToken(value, state string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens[value] = &token{state: state}
}

// SetAllowance says how many calls about an account, its numbers included, are allowed within any hour.
func (s *Server) SetAllowance(account string, perHour int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.allowances[account] = perHour
}

// Use makes calls about an account count as made now, as those of another program of the same app do.
func (s *Server) Use(account string, calls int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	for range calls {
		s.used[account] = append(s.used[account], now)
	}
}

// InvalidateCursors makes all cursors that were given so far invalid.
func (s *Server) InvalidateCursors() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cursors++
}

// Calls are the last ten thousand calls that the server got, in their order.
func (s *Server) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// Forget forgets the calls that the server got.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = nil
}

// now is the node's fields at a time, nil if it is not there. The entity is what health_status says of it.
func (n *node) now(at time.Time) (fields, entity Fields) {
	if n.gone(at) {
		return nil, nil
	}
	fields, entity = Fields{"id": n.id}, Fields{}
	for _, c := range n.changes {
		if c.at.After(at) {
			break
		}
		apply(fields, c.fields)
		apply(entity, c.health)
	}
	return fields, entity
}

// gone says whether the node was taken away by a time.
func (n *node) gone(at time.Time) bool {
	return slices.ContainsFunc(n.changes, func(c change) bool { return c.gone && !c.at.After(at) })
}

func apply(fields, changed Fields) {
	maps.Copy(fields, changed)
	maps.DeleteFunc(fields, func(_ string, value any) bool { return value == nil })
}

// count is how many calls about an account were made within the hour before now, and when the oldest of them was.
func (s *Server) count(account string, now time.Time) (calls int, oldest time.Time) {
	used := slices.DeleteFunc(s.used[account], func(at time.Time) bool { return now.Sub(at) >= time.Hour })
	s.used[account] = used
	if len(used) == 0 {
		return 0, now
	}
	return len(used), used[0]
}

func (s *Server) allowance(account string) int {
	if perHour, ok := s.allowances[account]; ok {
		return perHour
	}
	return Allowance
}

// usage is the header X-Business-Use-Case-Usage for an account, and whether it is throttled.
func (s *Server) usage(account string, now time.Time) (header string, throttled bool) {
	calls, oldest := s.count(account, now)
	percent := calls * 100 / max(s.allowance(account), 1)
	minutes := 0
	if percent >= 100 {
		minutes = int(math.Ceil(max(oldest.Add(time.Hour).Sub(now), time.Minute).Minutes()))
	}
	return encode(map[string]any{account: []any{map[string]any{
		"type": Management, "call_count": percent, "total_cputime": percent / 4, "total_time": percent / 3, "estimated_time_to_regain_access": minutes,
	}}}), percent >= 100
}

func encode(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // a test scripted something that is no JSON
	}
	return string(b)
}

// trace is a trace id, another for every answer.
func (s *Server) trace() string {
	s.traces++
	id := "A" + strconv.FormatInt(int64(s.traces)*7919, 36)
	return id + strings.Repeat("x", max(traceSize-len(id), 0))
}

func (s *Server) record(c Call) {
	if len(s.calls) == maxCalls {
		s.calls = slices.Delete(s.calls, 0, maxCalls/10)
	}
	s.calls = append(s.calls, c)
}

var _ http.Handler = (*Server)(nil)
