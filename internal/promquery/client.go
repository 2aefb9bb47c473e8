// Package promquery asks a Prometheus, or what has its HTTP API.
package promquery

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/prometheus/client_golang/api"
	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"numberfleet.dev/numberfleet/internal/secret"
	"numberfleet.dev/numberfleet/internal/trust"
)

const (
	// DefaultTimeout bounds a query.
	DefaultTimeout = 15 * time.Second
	// maxAnswer bounds what is read of an answer, in bytes: some 100,000 samples.
	maxAnswer = 32 << 20
	// maxMessage bounds what is kept of the words of a server, in bytes.
	maxMessage = 256
)

// Options say whom to ask.
type Options struct {
	// URL of the server, without /api/v1.
	URL string
	// TokenFile holds a bearer token; none is sent where it is empty. CAFile holds the certificates to trust, in PEM; the
	// system's where it is empty. Both are read for each query.
	TokenFile, CAFile string
	UserAgent         string
	// Timeout bounds a query; DefaultTimeout where it is zero.
	Timeout time.Duration
}

// Kind says what kept a query from its answer.
type Kind int

// The kinds.
const (
	// Refused: the server takes neither this query nor this token, and will not later either.
	Refused Kind = iota + 1
	// Failed: the server could not carry the query out on the data that it has.
	Failed
	// Partial: the server warns that its answer may not be complete, so it is none.
	Partial
	// Unreachable: the server does not answer properly.
	Unreachable
)

// String is the kind in one word.
func (k Kind) String() string {
	return [...]string{"", "Refused", "Failed", "Partial", "Unreachable"}[k]
}

// Error is why there is no answer.
type Error struct {
	Kind Kind
	// Message is the server's own for Refused and Failed: one line of at most 256 bytes. For the others, whose words may be
	// others each time, it is for logs.
	Message string
}

func (e *Error) Error() string { return strings.ToLower(e.Kind.String()) + ": " + e.Message }

// Client asks one server. It can be used by several at a time.
type Client struct {
	api     v1.API
	timeout time.Duration
}

// New makes a client. The error is about the URL.
func New(o Options) (*Client, error) {
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	client, err := api.NewClient(api.Config{Address: o.URL, Client: &http.Client{
		Transport: &caller{options: o, transports: trust.Transports{CAFile: o.CAFile}},
		// A token must not go where someone else says.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}})
	if err != nil {
		return nil, errors.New("the URL of the Prometheus cannot be used") // it may have a secret in it
	}
	return &Client{api: v1.NewAPI(client), timeout: o.Timeout}, nil
}

// Query asks for the present value of a query, by the server's clock: one sample for each series. A scalar is a sample without
// labels. The error is an *Error.
func (c *Client) Query(ctx context.Context, query string) (model.Vector, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	value, warnings, _, err := c.api.Query(ctx, query, time.Time{}, v1.WithTimeout(c.timeout))
	if err != nil {
		return nil, classified(err)
	}
	if i := slices.IndexFunc(warnings, partial); i >= 0 {
		return nil, &Error{Partial, oneLine(warnings[i])}
	}
	switch value := value.(type) {
	case model.Vector:
		if slices.Contains(value, nil) {
			return nil, &Error{Unreachable, "the answer has a sample that is none"}
		}
		return value, nil
	case *model.Scalar:
		return model.Vector{{Value: value.Value, Timestamp: value.Timestamp}}, nil
	case nil:
		return nil, &Error{Unreachable, "the answer has no result"}
	default:
		return nil, &Error{Refused, fmt.Sprintf("the query gives a %s and must give an instant vector or a scalar", value.Type())}
	}
}

// partial says whether a warning is about data that is missing. What a Prometheus merely notes on a query, such as that the name
// of a metric does not end in _total, is info: newer ones send it apart, older ones among the warnings.
func partial(warning string) bool { return !strings.HasPrefix(warning, "PromQL info:") }

func classified(err error) *Error {
	if own, is := errors.AsType[*Error](err); is {
		return own
	}
	answer, is := errors.AsType[*v1.Error](err)
	if !is {
		// Without the address, in which a query may stand.
		if sent, is := errors.AsType[*url.Error](err); is {
			err = sent.Err
		}
		return &Error{Unreachable, oneLine(err.Error())}
	}
	switch answer.Type {
	case v1.ErrBadData:
		return &Error{Refused, oneLine(answer.Msg)}
	case v1.ErrExec:
		return &Error{Failed, oneLine(answer.Msg)}
	case v1.ErrClient:
		return &Error{Refused, oneLine(answer.Msg)}
	default:
		return &Error{Unreachable, oneLine(answer.Msg)}
	}
}

// caller sends requests with the token and the trust that the files hold by then.
type caller struct {
	options    Options
	transports trust.Transports
}

// RoundTrip implements http.RoundTripper.
func (c *caller) RoundTrip(request *http.Request) (*http.Response, error) {
	request = request.Clone(request.Context())
	request.Header.Set("User-Agent", c.options.UserAgent)
	if c.options.TokenFile != "" {
		token, err := secret.Read(c.options.TokenFile)
		if err != nil {
			return nil, &Error{Refused, "there is no usable token in the file that the configuration names: it " + missing(err)}
		}
		request.Header.Set("Authorization", "Bearer "+token)
	}
	transport, err := c.transports.Get()
	if err != nil {
		return nil, &Error{Refused, "there are no usable certificates in the file that the configuration names"}
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	if code := response.StatusCode; code == http.StatusTooManyRequests || code/100 == 3 {
		// The library calls the one a mistake of ours, and takes the other for an answer.
		_ = response.Body.Close()
		return nil, &Error{Unreachable, fmt.Sprintf("the server answers %d %s", code, http.StatusText(code))}
	}
	response.Body = http.MaxBytesReader(nil, response.Body, maxAnswer)
	return response, nil
}

// missing says what a file with a secret lacks, in words that stay the same.
func missing(err error) string {
	switch {
	case errors.Is(err, secret.ErrEmpty):
		return err.Error()
	case errors.Is(err, os.ErrNotExist):
		return "is not there"
	default:
		return "cannot be read"
	}
}

// oneLine makes the words of a server fit for a condition.
func oneLine(text string) string {
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " ")
	if len(text) > maxMessage {
		text = strings.ToValidUTF8(text[:maxMessage], "")
	}
	return text
}
