package guard

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"numberfleet.dev/numberfleet/internal/gate"
)

// The edges of a phone number that the guard knows.
const (
	messagesEdge  = "messages"
	marketingEdge = "marketing_messages"
	mediaEdge     = "media"
)

// route is what a request is about, as far as the guard cares. The zero value is anything else of the Graph API.
type route struct {
	version string // such as v27.0; empty where the path has none
	number  string // Meta's id of a phone number; empty where there is a pool
	pool    pool
	edge    string
}

// pool is a NumberPool that a request names in place of a number. The zero value is none.
type pool struct{ namespace, name string }

// path is the path of an edge of the number at Meta, or of the number itself without one.
func (r route) path(edge string) string {
	path := "/" + r.number
	if r.version != "" {
		path = "/" + r.version + path
	}
	if edge != "" {
		path += "/" + edge
	}
	return path
}

// sends says whether it is about messages.
func (r route) sends() bool { return r.edge == messagesEdge || r.edge == marketingEdge }

var (
	guarded = regexp.MustCompile(`^(?:/(v[0-9]{1,3}\.[0-9]{1,3}))?/(?:([0-9]{1,32})|pool\.([a-z0-9-]{1,63})\.([a-z0-9.-]{1,253}))/(messages|marketing_messages|media)/?$`)
	root    = regexp.MustCompile(`^/*(?:v[0-9.]*)?/*$`)
)

// modifiers are the parameters of Meta's in the query of a message that change nothing about to whom it goes.
var modifiers = []string{tokenParameter, proofParameter, "appsecret_time", "debug", "fields", "format", "locale", "pretty"}

// routeOf finds out what a request is about. It refuses what may send messages in a way that the guard does not read:
//
//   - requests in a batch, and calls of several ids at once, which are made of the root;
//   - a path that is written otherwise than Meta documents it and names an edge of messages all the same: what Meta makes of it is not known;
//   - a request that overrides its method, as old apps may, and fields of a message in the query.
func routeOf(req *http.Request) (route, *gate.Problem) {
	query := req.URL.Query()
	reads := (req.Method == http.MethodGet || req.Method == http.MethodHead || req.Method == http.MethodOptions) && !query.Has("method")
	path := req.URL.EscapedPath()
	found := guarded.FindStringSubmatch(path)
	var to route
	if found != nil {
		to = route{found[1], found[2], pool{found[3], found[4]}, found[5]}
	}
	switch {
	case root.MatchString(path) && (!reads || query.Has("batch")):
		return route{}, gate.NewProblem(gate.BadRequest, "requests in a batch do not pass the guard: send each by itself")
	case reads:
		return route{}, nil
	case to.edge == mediaEdge && to.pool == (pool{}) && req.Method == http.MethodPost && !query.Has("method"):
		return to, nil
	case to.edge == mediaEdge:
		return route{}, nil
	case found != nil && req.Method != http.MethodPost || found == nil && namesMessages(path):
		return route{}, gate.NewProblem(gate.BadRequest, "messages are sent by POST to /VERSION/PHONE-NUMBER-ID/messages, written like that")
	case found == nil:
		return route{}, nil
	}
	for parameter := range query {
		if !slices.Contains(modifiers, parameter) {
			return route{}, gate.NewProblem(gate.BadRequest, "a message is sent in the body: its query may have "+strings.Join(modifiers, ", ")+" only")
		}
	}
	if strings.Contains(req.URL.RawQuery, ";") {
		return route{}, gate.NewProblem(gate.BadRequest, "the query must have no semicolons")
	}
	return to, nil
}

// namesMessages says whether an edge of messages is among the segments of a path, however they are written.
func namesMessages(path string) bool {
	for range 2 { // what is encoded may itself be encoded
		if decoded, err := url.PathUnescape(path); err == nil {
			path = decoded
		}
	}
	between := func(r rune) bool { return strings.ContainsRune(`/\;?#. `, r) || r < ' ' }
	return slices.ContainsFunc(strings.FieldsFunc(strings.ToLower(path), between), func(segment string) bool {
		return segment == messagesEdge || segment == marketingEdge
	})
}
