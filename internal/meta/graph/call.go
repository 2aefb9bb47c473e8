package graph

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"syscall"
)

// call makes one call, if the limiter allows it, and tells the limiter and the observer of it.
func (c *Client) call(ctx context.Context, kind Node, id, edge string, query url.Values) ([]byte, error) {
	token, err := c.token(ctx)
	if err != nil {
		return nil, &Error{Kind: Token, What: kind.of(id), cause: err}
	}
	if err := c.prove(ctx, token, query); err != nil {
		return nil, &Error{Kind: Token, What: kind.of(id), cause: err}
	}
	if l := c.options.Limiter; l != nil {
		if retryAt, ok := l.Take(); !ok {
			return nil, &Error{Kind: RateLimited, What: kind.of(id), RetryAt: retryAt, Held: true}
		}
	}
	address := c.base.JoinPath(id, edge)
	address.RawQuery = query.Encode()
	body, headers, err := c.get(ctx, address, token)
	now := c.options.Clock.Now()
	if l := c.options.Limiter; l != nil {
		l.Observe(parseUsage(headers))
	}
	if e, is := errors.AsType[*Error](err); is {
		e.What = kind.of(id)
		switch wait := RetryAfter(headers, now); {
		case e.Kind == RateLimited:
			e.RetryAt = now.Add(cmp.Or(max(wait, RegainAccess(headers)), heldByDefault))
			if l := c.options.Limiter; l != nil {
				l.Hold(e.RetryAt)
			}
		case e.Kind == Temporary && wait > 0:
			e.RetryAt = now.Add(wait)
		}
	}
	if c.options.Observe != nil {
		c.options.Observe(KindOf(err))
	}
	return body, err
}

// prove adds to a call that it comes from the app that the token was made for. Meta's page "graph-api/guides/secure-requests".
func (c *Client) prove(ctx context.Context, token string, query url.Values) error {
	if c.options.AppSecret == nil {
		return nil
	}
	secret, err := c.options.AppSecret(ctx)
	if err != nil {
		return fmt.Errorf("the app secret could not be read: %w", err)
	}
	if secret == "" || !printable(secret) {
		return errors.New("what is given as the app secret is none")
	}
	query.Set("appsecret_proof", Proof(token, secret))
	return nil
}

// Proof is the appsecret_proof of a call with an access token: the HMAC-SHA256 of the token with the app's secret, in hex.
func Proof(token, secret string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(token))
	return hex.EncodeToString(mac.Sum(nil))
}

func (c *Client) token(ctx context.Context) (string, error) {
	token, err := c.options.Token(ctx)
	if err != nil {
		return "", fmt.Errorf("the access token could not be read: %w", err)
	}
	switch {
	case token == "":
		return "", errors.New("there is no access token")
	case len(token) > maxToken || !printable(token):
		return "", errors.New("what is given as the access token is none")
	}
	return token, nil
}

// get returns the body and the headers of an answer that is no refusal. Any error is an *Error.
func (c *Client) get(ctx context.Context, address *url.URL, token string) ([]byte, http.Header, error) {
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), http.NoBody)
	if err != nil {
		return nil, nil, &Error{Kind: Permanent, cause: errors.New("the address cannot be called")}
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Accept", "application/json")
	if c.options.UserAgent != "" {
		request.Header.Set("User-Agent", c.options.UserAgent)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, nil, &Error{Kind: Temporary, cause: c.network(err)}
	}
	defer response.Body.Close()
	fail := func(kind Kind, cause error) ([]byte, http.Header, error) {
		return nil, response.Header, &Error{Kind: kind, HTTPStatus: response.StatusCode, cause: cause}
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody+1))
	switch {
	case err != nil:
		return fail(Temporary, fmt.Errorf("the answer broke off: %w", c.network(err)))
	case len(body) > maxBody:
		return fail(Permanent, fmt.Errorf("the answer is longer than %d bytes", maxBody))
	}
	e, transient := parseError(body, token)
	switch {
	case e != nil:
	case response.StatusCode >= http.StatusBadRequest:
		e = &Error{} // from something between, such as a proxy
	case response.StatusCode != http.StatusOK:
		return fail(Temporary, errors.New("something other than Meta's Graph API answers"))
	case !json.Valid(body):
		return fail(Temporary, errors.New("the answer is no JSON, or not all of it"))
	default:
		return body, response.Header, nil
	}
	e.HTTPStatus = response.StatusCode
	e.classify(transient)
	return nil, response.Header, e
}

// networkError is an error of net/http in words that stay the same from one failure to the next: its own have addresses,
// ports and times in them.
type networkError struct {
	text string
	err  error
}

func (e *networkError) Error() string { return e.text }

func (e *networkError) Unwrap() error { return e.err }

func (c *Client) network(err error) error {
	text := "the network fails"
	if e, is := errors.AsType[*url.Error](err); is {
		err = e.Err
	}
	if e, is := errors.AsType[*net.DNSError](err); is {
		text = "the name " + e.Name + " cannot be resolved"
	} else if e, is := errors.AsType[*net.OpError](err); is {
		text = "the network fails to " + e.Op
		if cause, is := errors.AsType[syscall.Errno](e.Err); is {
			text += ": " + cause.Error()
		}
	}
	switch {
	case errors.Is(err, context.Canceled):
		text = "the call was given up"
	case errors.Is(err, context.DeadlineExceeded):
		text = "there was no answer in time, which is at most " + c.options.Timeout.String()
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		text = "the connection was closed"
	default:
		if _, is := errors.AsType[x509.CertificateInvalidError](err); is {
			text = "the certificate of " + c.base.Host + " is not valid, or not at this time"
		} else if _, is := errors.AsType[*tls.CertificateVerificationError](err); is {
			text = "the certificate of " + c.base.Host + " cannot be verified"
		}
	}
	return &networkError{text: text, err: err}
}
