package notify

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	neturl "net/url"
	"strconv"
	"time"

	"numberfleet.dev/numberfleet/internal/trust"
)

// maxRetryAfter bounds how long a receiver can ask to be left alone.
const maxRetryAfter = time.Hour

// ResponseError is an answer other than success.
type ResponseError struct {
	Code int
	// RetryAfter is how long the receiver asks to be left alone, at most an hour; zero where it does not.
	RetryAfter time.Duration
}

func (e *ResponseError) Error() string {
	text := fmt.Sprintf("the receiver answers %d %s", e.Code, http.StatusText(e.Code))
	if e.RetryAfter > 0 {
		text += fmt.Sprintf(", to be tried again in %s", e.RetryAfter)
	}
	return text
}

// client is that of a receiver. It trusts what the receiver's caFile holds.
func client(transports *trust.Transports) (*http.Client, error) {
	transport, err := transports.Get()
	if err != nil {
		return nil, fmt.Errorf("caFile %s: %w", transports.CAFile, err)
	}
	return &http.Client{Transport: successOnly{transport}, Timeout: Timeout}, nil
}

// successOnly makes an error of every answer but 2xx, for libraries that would tell less of it. A redirect is one of them:
// it is not followed, for a token must not go where someone else says.
type successOnly struct{ base http.RoundTripper }

func (s successOnly) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := s.base.RoundTrip(request)
	if err != nil || response.StatusCode/100 == 2 {
		return response, err
	}
	// Read to the end, as far as that is near, so that the connection can be used again.
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 64<<10))
	_ = response.Body.Close()
	return nil, &ResponseError{Code: response.StatusCode, RetryAfter: retryAfter(response.Header)}
}

// retryAfter reads seconds, or a date, which is taken against the receiver's own clock.
func retryAfter(header http.Header) time.Duration {
	value := header.Get("Retry-After")
	var wait time.Duration
	if seconds, err := strconv.ParseInt(value, 10, 32); err == nil {
		wait = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(value); err == nil {
		if now, err := http.ParseTime(header.Get("Date")); err == nil {
			wait = at.Sub(now)
		}
	}
	return min(max(0, wait), maxRetryAfter)
}

// scrub takes the URL out of an error: that of a webhook is a secret.
func scrub(err error) error {
	if e, ok := errors.AsType[*neturl.Error](err); ok {
		return fmt.Errorf("post: %w", e.Err)
	}
	return err
}
