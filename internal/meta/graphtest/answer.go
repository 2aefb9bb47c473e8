package graphtest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	oauth      = "OAuthException"
	noSuchNode = "GraphMethodException"

	defaultLimit = 25
	maxLimit     = 100
)

// answer is what will be sent.
type answer struct {
	status int
	header http.Header
	body   string
	code   int64
}

// ServeHTTP answers a call.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	call, major := s.parse(r)
	if call.sends() {
		body, err := io.ReadAll(io.LimitReader(r.Body, maxMessage))
		if err != nil {
			panic(http.ErrAbortHandler) // there is nobody to answer
		}
		call.Body = string(body)
	}
	s.mu.Lock()
	fault := s.fault(call.At, call.Node, call.Edge)
	s.mu.Unlock()
	if fault != nil && fault.Delay > 0 {
		timer := time.NewTimer(fault.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
			s.finish(call)
			return
		}
	}
	if fault != nil && fault.Close {
		s.finish(call)
		panic(http.ErrAbortHandler)
	}
	a := s.answer(r, call, major, fault)
	call.Status, call.Code = a.status, a.code
	s.finish(call)
	maps.Copy(w.Header(), a.header)
	if fault != nil && fault.Truncate > 0 && fault.Truncate < len(a.body) {
		w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
		a.body = a.body[:fault.Truncate]
	}
	w.WriteHeader(a.status)
	_, _ = w.Write([]byte(a.body)) // who hung up does not want it
}

func (s *Server) finish(call Call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.record(call)
}

// parse takes a call apart. The major version is Oldest if there is none or one that was taken away, and zero if it is none.
func (s *Server) parse(r *http.Request) (call Call, major int) {
	query := r.URL.Query()
	call = Call{At: s.clock.Now(), Method: r.Method, Query: r.URL.RawQuery, Fields: query.Get("fields"), After: query.Get("after")}
	call.Token, _ = strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	path := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	major = Oldest
	if v, ok := strings.CutPrefix(path[0], "v"); ok {
		call.Version, path = path[0], path[1:]
		whole, _, _ := strings.Cut(v, ".")
		n, err := strconv.Atoi(whole)
		switch {
		case err != nil || n < 1 || n > Current:
			major = 0
		default:
			major = max(n, Oldest)
		}
	}
	if len(path) > 0 {
		call.Node = path[0]
	}
	if len(path) > 1 {
		call.Edge = strings.Join(path[1:], "/")
	}
	return call, major
}

// answer decides on a call, in the order that Meta does: the version, the token, the allowance, the node, its fields.
func (s *Server) answer(r *http.Request, call Call, major int, fault *Fault) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	header := http.Header{"Content-Type": {"application/json; charset=UTF-8"}, "Facebook-Api-Version": {fmt.Sprintf("v%d.0", major)}}
	if fault != nil {
		for name, values := range fault.Header {
			header[http.CanonicalHeaderKey(name)] = values
		}
	}
	refusal := s.admit(r, call, major)
	if fault != nil && fault.Refusal != nil {
		refusal = fault.Refusal
	}
	if owner := s.accountOf(call.Node); refusal == nil && owner != "" && !call.sends() {
		if _, throttled := s.usage(owner, call.At); throttled {
			refusal = Throttled()
		} else {
			s.used[owner] = append(s.used[owner], call.At)
		}
		if usage, _ := s.usage(owner, call.At); header.Get("X-Business-Use-Case-Usage") == "" {
			header.Set("X-Business-Use-Case-Usage", usage)
		}
	}
	a := answer{status: http.StatusOK, header: header}
	switch {
	case refusal != nil:
	case call.sends():
		a.body, refusal = s.take(call)
	default:
		a.body, refusal = s.read(r, call, major)
	}
	if refusal != nil {
		a.status, a.code, a.body = refusal.Status, refusal.Code, s.envelope(refusal)
	}
	if fault != nil && fault.Status != 0 {
		a.status, a.body, a.code = fault.Status, "", 0
	}
	if fault != nil && fault.Body != "" {
		a.body, a.code = fault.Body, 0
	}
	return a
}

func (s *Server) envelope(r *Refusal) string {
	e := map[string]any{"message": r.Message, "type": r.Type, "code": r.Code, "fbtrace_id": s.trace()}
	if r.Subcode != 0 {
		e["error_subcode"] = r.Subcode
	}
	if r.Details != "" {
		e["error_data"] = map[string]any{"messaging_product": "whatsapp", "details": r.Details}
	}
	if r.Transient {
		e["is_transient"] = true
	}
	return encode(map[string]any{"error": e})
}

// admit checks the version, the method and the token.
func (s *Server) admit(r *http.Request, call Call, major int) *Refusal {
	switch {
	case major == 0:
		return refuse(2500, "Unknown path components: /"+call.Version)
	case r.Method != http.MethodGet && !call.sends():
		return &Refusal{Status: http.StatusBadRequest, Code: 100, Type: noSuchNode, Message: "Unsupported " + strings.ToLower(r.Method) + " request"}
	case call.Token == "":
		return refuse(104, "An access token is required to request this resource.")
	}
	t := s.tokens[call.Token]
	switch {
	case t == nil: // Meta quotes it
		return refuse(190, "Malformed access token "+call.Token)
	case t.state == "expired":
		return &Refusal{
			Status: http.StatusUnauthorized, Code: 190, Subcode: 463, Type: oauth,
			Message: "Error validating access token: Session has expired on " + call.At.UTC().Format("Monday, 02-Jan-06 15:04:05 MST") + ".",
		}
	case t.state != "":
		return &Refusal{
			Status: http.StatusUnauthorized, Code: 190, Subcode: 460, Type: oauth,
			Message: "Error validating access token: The session is not valid any more.",
		}
	}
	if proof := r.URL.Query().Get("appsecret_proof"); s.secret != "" || proof != "" {
		mac := hmac.New(sha256.New, []byte(s.secret))
		mac.Write([]byte(call.Token))
		switch {
		case proof == "":
			return &Refusal{Status: http.StatusBadRequest, Code: 100, Type: noSuchNode, Message: "API calls from the server require an appsecret_proof argument"}
		case proof != hex.EncodeToString(mac.Sum(nil)):
			return &Refusal{Status: http.StatusBadRequest, Code: 100, Type: noSuchNode, Message: "Invalid appsecret_proof provided in the API argument"}
		}
	}
	needs := Management
	if n := s.nodes[call.Node]; n != nil && n.kind == business {
		needs = Businesses
	} else if call.sends() {
		needs = Messaging
	}
	if !slices.Contains(t.permissions, needs) {
		refusal := refuse(200, "(#200) Requires "+needs+" permission to manage the object")
		refusal.Status = http.StatusForbidden
		return refusal
	}
	return nil
}

// accountOf is the account that a call about a node counts for, empty if it counts for none.
func (s *Server) accountOf(id string) string {
	n := s.nodes[id]
	switch {
	case n == nil || n.kind == business:
		return ""
	case n.kind == number || n.kind == template:
		return n.parent
	default:
		return n.id
	}
}

// find is the node that a call is about.
func (s *Server) find(call Call) (*node, *Refusal) {
	n := s.nodes[call.Node]
	if n != nil {
		if fields, _ := n.now(call.At); fields != nil {
			return n, nil
		}
	}
	return nil, &Refusal{
		Status: http.StatusBadRequest, Code: 100, Subcode: 33, Type: noSuchNode,
		Message: "Unsupported " + strings.ToLower(call.Method) + " request. Object with ID '" + call.Node +
			"' does not exist, or cannot be loaded due to missing permissions",
	}
}

// read is the body of the answer to a call that was admitted.
func (s *Server) read(r *http.Request, call Call, major int) (string, *Refusal) {
	n, refusal := s.find(call)
	if refusal != nil {
		return "", refusal
	}
	switch {
	case call.Edge == "" && n.kind == account && strings.HasPrefix(call.Fields, "analytics."):
		return s.analytics(n, call)
	case call.Edge == "subscribed_apps" && n.kind == account:
		return s.subscribedApps(n, call.At), nil
	case call.Edge == "":
		selected, refusal := s.choose(n, call.Fields, call.At, major)
		if refusal != nil {
			return "", refusal
		}
		return encode(selected), nil
	case call.Edge == "phone_numbers" && n.kind == account:
		return s.list(r, call, number, major)
	case call.Edge == "message_templates" && n.kind == account:
		return s.list(r, call, template, major)
	default:
		return "", noField(call.Edge, n.kind)
	}
}

func noField(name string, k kind) *Refusal {
	return refuse(100, fmt.Sprintf("(#100) Tried accessing nonexisting field (%s) on node type (%s)", name, k))
}

// list is a page of an account's phone numbers, or of its message templates.
func (s *Server) list(r *http.Request, call Call, of kind, major int) (string, *Refusal) {
	query := r.URL.Query()
	limit := defaultLimit
	if written := query.Get("limit"); written != "" {
		n, err := strconv.Atoi(written)
		if err != nil || n < 1 || n > maxLimit {
			return "", refuse(100, "(#100) param limit must be between 1 and 100")
		}
		limit = n
	}
	var all []*node
	for _, id := range s.order {
		n := s.nodes[id]
		if n.kind == of && n.parent == call.Node && !n.gone(call.At) {
			all = append(all, n)
		}
	}
	from := 0
	if call.After != "" {
		at, ok := s.readCursor(call.Node, call.After)
		if !ok {
			if major < 24 {
				return "", refuse(100, "(#100) Invalid parameter")
			}
			refusal := refuse(131059, "(#131059) Invalid cursor")
			refusal.Details = "Retry the request without cursors"
			return "", refusal
		}
		from = min(at, len(all))
	}
	to := min(from+limit, len(all))
	data := []any{}
	for _, n := range all[from:to] {
		selected, refusal := s.choose(n, call.Fields, call.At, major)
		if refusal != nil {
			return "", refusal
		}
		data = append(data, selected)
	}
	page := map[string]any{"data": data}
	if len(data) > 0 {
		paging := map[string]any{"cursors": map[string]any{"before": s.cursor(call.Node, from), "after": s.cursor(call.Node, to)}}
		if to < len(all) {
			paging["next"] = s.link(r, call, "after", s.cursor(call.Node, to))
		}
		if from > 0 {
			paging["previous"] = s.link(r, call, "before", s.cursor(call.Node, from))
		}
		page["paging"] = paging
	}
	return encode(page), nil
}

// link is the address of another page. Meta's have the access token in them.
func (s *Server) link(r *http.Request, call Call, name, cursor string) string {
	query := r.URL.Query()
	query.Del("after")
	query.Del("before")
	query.Set(name, cursor)
	query.Set("access_token", call.Token)
	return (&url.URL{Scheme: "https", Host: "graph.facebook.com", Path: r.URL.Path, RawQuery: query.Encode()}).String()
}

func (s *Server) cursor(account string, at int) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%s %d %d", account, s.cursors, at))
}

func (s *Server) readCursor(account, cursor string) (at int, ok bool) {
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return 0, false
	}
	var of string
	var generation int
	if n, err := fmt.Sscanf(string(b), "%s %d %d", &of, &generation, &at); n != 3 || err != nil {
		return 0, false
	}
	return at, of == account && generation == s.cursors && at >= 0
}
