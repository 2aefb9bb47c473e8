package graph

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"numberfleet.dev/numberfleet/internal/identity"
)

const (
	// DefaultBaseURL is Meta's Graph API.
	DefaultBaseURL = "https://graph.facebook.com"
	// DefaultVersion was made the current one on 2026-11-04. Meta keeps a version for about two years.
	DefaultVersion = "v27.0"
	// DefaultTimeout bounds a call.
	DefaultTimeout = 30 * time.Second
)

const (
	maxBody    = 4 << 20  // bytes: a page of 100 numbers has some 100 KB
	maxHeaders = 64 << 10 // bytes
	maxToken   = 4 << 10  // bytes: Meta's have some 200
	maxCursor  = 4 << 10  // bytes
	pageSize   = 100      // items of a list: the most that Meta allows of phone numbers
	maxPages   = 100      // of one list: an account has some ten thousand numbers at most, and some six thousand templates

	portfolioLimitSince = 24 // the major version
)

// Options say how a Client calls.
type Options struct {
	// Token returns the access token, such as that of a system user. It is asked before every call, so a token that changed
	// is used from the next call on. It is sent in the header Authorization and kept nowhere.
	Token func(ctx context.Context) (string, error)
	// AppSecret returns the secret of the app that the access token was made for. Where it is given, it is asked before every
	// call, and the call is proved with it, as an app can ask Meta to demand: appsecret_proof is the HMAC-SHA256 of the token with
	// the secret, in hex. Optional.
	AppSecret func(ctx context.Context) (string, error)
	// Clock tells when a call was made, and when to come back.
	Clock Clock

	// Version is a version of the Graph API, such as v27.0. Default: DefaultVersion.
	Version string
	// BaseURL is where the Graph API is, without a version. It must be https, or on this machine. Default: DefaultBaseURL.
	BaseURL string
	// Transport makes the calls. Default: one of the Client's own, which follows the environment's proxies.
	Transport http.RoundTripper
	// Timeout bounds a call, from dialling to the last byte. Default: DefaultTimeout.
	Timeout time.Duration
	// UserAgent is sent with every call. Optional.
	UserAgent string
	// Limiter is asked before every call, and told what Meta says of the usage. It should be the account's. Optional.
	Limiter *Limiter
	// Observe is told of every call that was made how it failed, zero if it did not. It must not block, and may be called
	// concurrently. Optional.
	Observe func(failed Kind)
}

// Node is a kind of thing that a Client reads.
type Node string

// What is read.
const (
	NodePhoneNumber  Node = "phone number"
	NodePhoneNumbers Node = "phone numbers of the account"
	NodeAccount      Node = "account"
	NodeTemplates    Node = "message templates of the account"
)

// Client reads from the Graph API with one access token. It is safe for concurrent use. Every error it returns is an
// *Error.
type Client struct {
	options Options
	http    *http.Client
	base    *url.URL // with the version
	major   int      // of the version

	mu      sync.Mutex
	refused map[Node][]string // fields that Meta says do not exist
}

var versionForm = regexp.MustCompile(`^v([1-9][0-9]{0,2})\.[0-9]{1,2}$`)

// New returns a client. The error says which option is wrong.
func New(o Options) (*Client, error) {
	if o.Token == nil || o.Clock == nil {
		return nil, errors.New("the token and the clock are required")
	}
	if o.Version == "" {
		o.Version = DefaultVersion
	}
	version := versionForm.FindStringSubmatch(o.Version)
	if version == nil {
		return nil, fmt.Errorf("the version %q must be written like %s", o.Version, DefaultVersion)
	}
	major, err := strconv.Atoi(version[1])
	if err != nil {
		return nil, err
	}
	if o.BaseURL == "" {
		o.BaseURL = DefaultBaseURL
	}
	base, err := url.Parse(o.BaseURL)
	if err != nil || base.Hostname() == "" || base.User != nil || base.RawQuery != "" || base.Fragment != "" {
		return nil, errors.New("the base URL must be written like " + DefaultBaseURL)
	}
	if base.Scheme != "https" && (base.Scheme != "http" || !loopback(base.Hostname())) {
		return nil, errors.New("the base URL must be https, for the access token is sent there")
	}
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	transport := o.Transport
	if transport == nil {
		own := http.DefaultTransport.(*http.Transport).Clone()
		own.MaxResponseHeaderBytes = maxHeaders
		transport = own
	}
	return &Client{
		options: o,
		base:    base.JoinPath(o.Version),
		major:   major,
		refused: map[Node][]string{},
		http: &http.Client{
			Transport: transport,
			// The Graph API does not redirect, so whoever does is not it, and must not get the token.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// PhoneNumber reads the phone number with an id of Meta's.
func (c *Client) PhoneNumber(ctx context.Context, id string) (PhoneNumber, error) {
	return node(ctx, c, NodePhoneNumber, id, readPhoneNumber)
}

// Account reads the WhatsApp Business account with an id of Meta's.
func (c *Client) Account(ctx context.Context, id string) (Account, error) {
	return node(ctx, c, NodeAccount, id, readAccount)
}

// PhoneNumbers reads all phone numbers of the WhatsApp Business account with an id of Meta's, in Meta's order, each once.
// It takes a call per 100 numbers, and returns nothing if one of them fails. At most 10,000 numbers are read; more are an
// error of the kind Permanent.
func (c *Client) PhoneNumbers(ctx context.Context, account string) ([]PhoneNumber, error) {
	return all(ctx, c, NodePhoneNumbers, account, "phone_numbers", readPhoneNumber)
}

// Templates reads all message templates of the WhatsApp Business account with an id of Meta's, each language by itself, likewise.
func (c *Client) Templates(ctx context.Context, account string) ([]Template, error) {
	return all(ctx, c, NodeTemplates, account, "message_templates", readTemplate)
}

// all reads a list of an account.
func all[T any](ctx context.Context, c *Client, kind Node, account, edge string, read func(*object, string) T) ([]T, error) {
	items, followed, err := list(ctx, c, kind, account, edge, read)
	if e, is := errors.AsType[*Error](err); is && e.Code == codeCursor && followed {
		// Cursors end when the list changes. Meta's changelog of v24.0 says to begin anew.
		items, _, err = list(ctx, c, kind, account, edge, read)
	}
	return items, err
}

// list goes through the pages once. It reports whether it followed a cursor.
func list[T any](
	ctx context.Context, c *Client, what Node, account, edge string, read func(*object, string) T,
) (items []T, followed bool, err error) {
	seen := map[string]int{}
	query := url.Values{"limit": {strconv.Itoa(pageSize)}}
	for range maxPages {
		body, refused, err := c.read(ctx, what, account, edge, query)
		if err != nil {
			return nil, followed, err
		}
		page, err := readPage(body)
		if err != nil {
			return nil, followed, malformed(what, account, err)
		}
		for _, raw := range page.Data {
			id, item, err := readNode(raw, refused, read)
			if err != nil {
				return nil, followed, malformed(what, account, err)
			}
			// A list that changes while it is read may bring an item twice; the later is the newer.
			if at, twice := seen[id]; twice {
				items[at] = item
				continue
			}
			seen[id] = len(items)
			items = append(items, item)
		}
		// The last page has cursors too, but no next. The address in next is not used: it has the token in it, and is not ours.
		if page.Paging.Next == "" {
			return items, followed, nil
		}
		after := page.Paging.Cursors.After
		if after == "" || len(after) > maxCursor || after == query.Get("after") {
			return nil, followed, malformed(what, account, errors.New("the list goes on, but its cursor does not say where"))
		}
		query.Set("after", after)
		followed = true
	}
	return nil, followed, malformed(what, account, fmt.Errorf("the list has more than %d pages", maxPages))
}

// node reads one node.
func node[T any](ctx context.Context, c *Client, kind Node, id string, read func(*object, string) T) (T, error) {
	var zero T
	body, refused, err := c.read(ctx, kind, id, "", url.Values{})
	if err != nil {
		return zero, err
	}
	is, got, err := readNode(body, refused, read)
	if err == nil && is != id {
		err = errors.New("the answer is about something else")
	}
	if err != nil {
		return zero, malformed(kind, id, err)
	}
	return got, nil
}

// malformed is permanent: the same answer will come again.
func malformed(kind Node, id string, cause error) error {
	return &Error{Kind: Permanent, What: kind.of(id), HTTPStatus: http.StatusOK, cause: cause}
}

// of names a node. Only what looks like an id is named: who passes something else may have passed a token or a number.
func (n Node) of(id string) string {
	if !identity.IsMetaID(id) {
		return string(n)
	}
	return string(n) + " " + id
}

var noSuchField = regexp.MustCompile(`nonexisting field \(([a-z_]+)\)`)

var errID = errors.New("an id of Meta's has 1 to 32 digits")

// read returns the body of the answer about a node or one of its edges, and the fields that were not asked for because Meta
// says that there are none.
//
// One field that Meta does not have refuses the whole call, and Meta takes fields away with its versions. Such a field is
// left out from then on; the rest is still read.
func (c *Client) read(
	ctx context.Context, kind Node, id, edge string, query url.Values,
) (body []byte, refused []string, err error) {
	if !identity.IsMetaID(id) {
		return nil, nil, &Error{Kind: Permanent, What: kind.of(id), cause: errID}
	}
	all := c.fields(kind)
	for range all {
		refused = c.refusedFields(kind)
		fields := slices.DeleteFunc(slices.Clone(all), func(field string) bool { return slices.Contains(refused, field) })
		query.Set("fields", strings.Join(fields, ","))
		body, err = c.call(ctx, kind, id, edge, query)
		e, is := errors.AsType[*Error](err)
		if !is || e.Code != codeParameter {
			return body, refused, err
		}
		match := noSuchField.FindStringSubmatch(e.Message)
		if match == nil || match[1] == "id" || !slices.Contains(fields, match[1]) {
			return nil, nil, err
		}
		c.refuse(kind, match[1])
	}
	return nil, nil, err
}

func (c *Client) fields(kind Node) []string {
	switch {
	case kind == NodeAccount:
		return accountFields
	case kind == NodeTemplates:
		return templateFields
	case c.major >= portfolioLimitSince:
		return append(slices.Clone(phoneNumberFields), fieldPortfolioLimit)
	default:
		return append(slices.Clone(phoneNumberFields), fieldLimit)
	}
}

func (c *Client) refusedFields(kind Node) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.refused[kind])
}

func (c *Client) refuse(kind Node, field string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.Contains(c.refused[kind], field) {
		c.refused[kind] = append(c.refused[kind], field)
	}
}
