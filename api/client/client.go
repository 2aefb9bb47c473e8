// Package client is a client of the gate's API: it asks before a message is sent, says afterwards what became of it, and watches what may be
// sent now. docs/openapi.yaml describes the API.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

// Options say how a Client is made.
type Options struct {
	// URL is where the API is, such as https://numberfleet-events.numberfleet-system.svc.
	URL string
	// Token is asked for a bearer token before each request, which may be a new one each time. Nil sends none.
	Token func(ctx context.Context) (string, error)
	// HTTP sends the requests; http.DefaultClient where it is nil. A time-out of it ends what Watch yields, too.
	HTTP *http.Client
	// Retries is how many times a request is sent again that the API could not take, or that it asks to wait for; 3 where it is zero, and
	// none where it is negative.
	Retries int
	// MostWait is the longest time to wait that the API may ask for, 10 s where it is zero. A refusal that asks for more is returned at
	// once.
	MostWait time.Duration
}

const (
	defaultRetries  = 3
	defaultMostWait = 10 * time.Second
	leastWait       = 200 * time.Millisecond
	mostAnswer      = 256 << 20 // bytes that are read of an answer: where 50,000 numbers stand is 10 MB, and each budget adds to it
	mostProblem     = 1 << 20   // bytes that are read of a refusal, which a proxy may have written
)

// Client is a client of the gate's API. It is safe for concurrent use.
type Client struct {
	base  *url.URL
	token func(ctx context.Context) (string, error)
	http  *retryablehttp.Client
}

// New makes a client. The error says which option is wrong.
func New(o Options) (*Client, error) {
	base, err := url.Parse(o.URL)
	if err != nil || base.Host == "" {
		return nil, errors.New("the URL of the gate's API is not absolute")
	}
	c := &Client{base: base, token: o.Token, http: &retryablehttp.Client{
		HTTPClient: o.HTTP, RetryMax: max(0, o.Retries), RetryWaitMin: leastWait, RetryWaitMax: o.MostWait,
		Backoff: retryablehttp.DefaultBackoff, ErrorHandler: retryablehttp.PassthroughErrorHandler,
	}}
	if o.HTTP == nil {
		c.http.HTTPClient = http.DefaultClient
	}
	if o.Retries == 0 {
		c.http.RetryMax = defaultRetries
	}
	if o.MostWait == 0 {
		c.http.RetryWaitMax = defaultMostWait
	}
	c.http.CheckRetry = c.again
	return c, nil
}

// again says whether a request is sent again: not where the API asks for too long a wait.
func (c *Client) again(ctx context.Context, response *http.Response, err error) (bool, error) {
	if err == nil {
		seconds, _ := strconv.ParseInt(response.Header.Get("Retry-After"), 10, 64)
		if seconds > int64(c.http.RetryWaitMax/time.Second) {
			return false, nil
		}
	}
	return retryablehttp.DefaultRetryPolicy(ctx, response, err)
}

// send sends a request and returns the answer, whose body the caller closes. A refusal is a *Problem.
func (c *Client) send(ctx context.Context, method, path string, query url.Values, body any) (*http.Response, error) {
	at := c.base.JoinPath(path)
	at.RawQuery = query.Encode()
	var content io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(ctx, method, at.String(), content)
	if err != nil {
		return nil, err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if c.token != nil {
		token, err := c.token(ctx)
		if err != nil {
			return nil, fmt.Errorf("get a token for the gate: %w", err)
		}
		request.Header.Set("Authorization", "Bearer "+token)
	}
	retryable, err := retryablehttp.FromRequest(request)
	if err != nil {
		return nil, err
	}
	response, err := c.http.Do(retryable)
	if err != nil {
		return nil, err
	}
	if response.StatusCode/100 != 2 {
		defer func() { _ = response.Body.Close() }()
		return nil, problemOf(response)
	}
	return response, nil
}

// exchange sends a request and reads its answer into a value; nil for none.
func (c *Client) exchange(ctx context.Context, method, path string, query url.Values, body, answer any) error {
	response, err := c.send(ctx, method, path, query, body)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if answer == nil {
		return nil
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, mostAnswer)).Decode(answer); err != nil {
		return fmt.Errorf("read an answer of the gate: %w", err)
	}
	return nil
}

// Problem is a refusal of the gate's, as RFC 9457 says it.
type Problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	// Reason is one word, such as LimitReached: docs/gate.md has what to do about each.
	Reason string `json:"reason"`
	// Detail is a sentence with the numbers.
	Detail string `json:"detail"`
	// Field of the request that is wrong; empty where none is.
	Field string `json:"field,omitempty"`
	// Until is when waiting ends; zero where that is not known.
	Until time.Time `json:"until,omitzero"`
	// RetryAfter is when to try again, in seconds; zero where waiting does not help.
	RetryAfter int64 `json:"retryAfter,omitempty"`
	// Members says of a pool why each of its numbers does not send.
	Members []Member `json:"members,omitempty"`
}

// Member is why a number of a pool does not send, by the name of its PhoneNumber. Until is zero where it is not known.
type Member struct {
	Name   string    `json:"name"`
	Reason string    `json:"reason"`
	Until  time.Time `json:"until,omitzero"`
}

// Error implements error.
func (p *Problem) Error() string { return p.Reason + ": " + p.Detail }

// problemOf reads a refusal. One that is not the gate's, such as a proxy's, has its status alone.
func problemOf(response *http.Response) *Problem {
	p := &Problem{}
	content, err := io.ReadAll(io.LimitReader(response.Body, mostProblem))
	if err != nil || json.Unmarshal(content, p) != nil || p.Reason == "" {
		text := http.StatusText(response.StatusCode)
		*p = Problem{Type: "about:blank", Title: text, Reason: strings.ReplaceAll(text, " ", ""), Detail: "the answer is not the gate's"}
	}
	p.Status = response.StatusCode
	return p
}
