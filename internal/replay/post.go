package replay

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/hashicorp/go-retryablehttp"
	"golang.org/x/time/rate"
)

// Target is where webhooks are posted, and how.
type Target struct {
	URL    string
	Secret string       // of the app, which signs them
	Client *http.Client // for its TLS; its Timeout bounds a request
	// Tries are how often a webhook is posted that the operator cannot take now, and Wait how long is waited after the first of them,
	// twice as long after each further one and at most 30 s, unless the operator says in Retry-After how long: up to 5 min.
	Tries int
	Wait  time.Duration
}

// Options say how the webhooks of a queue are posted.
type Options struct {
	Target
	Rate   rate.Limit // webhooks a second, at most
	Posted string     // the file that remembers what the operator has taken
	// Done is called after each webhook.
	Done func()
}

// Summary is what became of the webhooks of a queue.
type Summary struct {
	Posted  int      // the operator has taken them
	Before  int      // an earlier run had posted them
	Refused []string // the places of those that the operator will never take, and why
}

const (
	maxWait       = 30 * time.Second // between two tries
	maxRetryAfter = 5 * time.Minute  // that is waited where the operator says how long
)

// wait is how long is waited before the next try: no proxy in between makes it a day.
func wait(least, most time.Duration, tried int, response *http.Response) time.Duration {
	return min(retryablehttp.DefaultBackoff(least, most, tried, response), maxRetryAfter)
}

// Post posts the webhooks one after the other. It ends with an error where it is of no use to go on: the signature or the address is
// wrong, the app may not speak about an account, or the operator cannot be reached. What it had posted by then is in the summary, and
// remembered for the next run.
func (q *Queue) Post(ctx context.Context, options Options) (summary Summary, err error) {
	taken, err := openCheckpoint(options.Posted)
	if err != nil {
		return summary, err
	}
	defer func() { err = errors.Join(err, taken.close()) }()
	webhooks := reader{Queue: q}
	defer webhooks.close()
	limiter := rate.NewLimiter(options.Rate, 1)

	for i := range q.items {
		item := &q.items[i]
		body, err := webhooks.read(item)
		if err != nil {
			return summary, err
		}
		key := key(options.URL, body)
		if taken.has(key) {
			summary.Before++
			options.Done()
			continue
		}
		if err := limiter.Wait(ctx); err != nil {
			return summary, err
		}
		refused, err := options.Target.Post(ctx, body)
		if err != nil {
			return summary, fmt.Errorf("%s: %w", webhooks.where(item), err)
		}
		if refused != "" {
			summary.Refused = append(summary.Refused, webhooks.where(item)+": "+refused)
		} else {
			summary.Posted++
			if err := taken.add(key); err != nil {
				return summary, err
			}
		}
		options.Done()
	}
	return summary, nil
}

// Post posts a webhook. It is refused where only this one cannot be taken, and an error where none can.
func (t *Target) Post(ctx context.Context, body []byte) (refused string, err error) {
	client := retryablehttp.NewClient()
	client.HTTPClient, client.Logger = t.Client, nil
	client.RetryMax, client.RetryWaitMin, client.RetryWaitMax = t.Tries-1, t.Wait, maxWait
	client.Backoff = wait
	client.ErrorHandler = retryablehttp.PassthroughErrorHandler // the last answer says why
	request, err := retryablehttp.NewRequestWithContext(ctx, http.MethodPost, t.URL, bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	mac := hmac.New(sha256.New, []byte(t.Secret))
	mac.Write(body)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(response.Body, 512))
	if err != nil {
		return "", err
	}
	said := response.Status
	if len(text) > 0 {
		said += ": " + string(text)
	}
	switch response.StatusCode {
	case http.StatusOK:
		return "", nil
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge:
		return said, nil
	case http.StatusUnauthorized:
		return "", fmt.Errorf("the operator does not know the signature: the secret must be that of the app whose webhooks these are, as the operator has it (%s)", said)
	case http.StatusForbidden:
		return "", fmt.Errorf("the app of this address may not speak about an account in it: post it to the address of its own app (%s)", said)
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		return "", fmt.Errorf("no webhooks are received there: the path is that of the app at the operator (%s)", said)
	default:
		return "", fmt.Errorf("the operator did not take it: run it again later (%s)", said)
	}
}
