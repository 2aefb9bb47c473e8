package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"numberfleet.dev/numberfleet/hack/rig"
	"numberfleet.dev/numberfleet/hack/torture/check"
)

// sender posts requests as Meta does: again and again until each is acknowledged.
type sender struct {
	to    *operator
	token string

	mu       sync.Mutex
	input    *check.Input // what was acknowledged
	recorded *os.File     // the same, one JSON object a line

	acknowledged atomic.Int64
	waits        *waits
}

// record is a line of the recorded input.
type record struct {
	Clock time.Time       `json:"clock"` // the event time of the acknowledgement
	Event bool            `json:"event,omitempty"`
	Body  json.RawMessage `json:"body"`
}

func newSender(to *operator, token, file string, w *waits) (*sender, error) {
	recorded, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	return &sender{to: to, token: token, input: check.NewInput(), recorded: recorded, waits: w}, nil
}

// all posts requests on several connections, and returns when each was acknowledged.
func (s *sender) all(ctx context.Context, requests []*request, random *rand.Rand) error {
	const connections = 4
	work := make(chan *request)
	failed := make(chan error, connections)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for range connections {
		mine := rand.New(rand.NewPCG(random.Uint64(), 0)) // #nosec G404 -- to be replayed
		go func() {
			var err error
			for p := range work {
				if err == nil {
					if err = s.one(ctx, p, mine); err != nil {
						cancel()
					}
				}
			}
			failed <- err
		}()
	}
	for _, p := range requests {
		work <- p
	}
	close(work)
	var err error
	for range connections {
		if e := <-failed; e != nil && (err == nil || err == context.Canceled) { //nolint:errorlint // as it was returned
			err = e
		}
	}
	return err
}

func (s *sender) one(ctx context.Context, p *request, random *rand.Rand) error {
	if p.truncation > 0 && !p.event {
		if err := s.postTruncated(ctx, p, random); err != nil {
			return err
		}
	}
	for range p.times {
		if err := s.until(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// until posts a request until it is acknowledged.
func (s *sender) until(ctx context.Context, p *request) error {
	began, last := real.Now(), ""
	for real.Since(began) < rig.Patience {
		code, text, err := s.post(ctx, p)
		switch {
		case err != nil:
			last = err.Error()
		case code == http.StatusOK:
			s.waits.note(webhookWaits, began)
			return s.acknowledge(p)
		default:
			last = fmt.Sprint(code, " ", text)
		}
		if err := rig.Sleep(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
	return fmt.Errorf("a webhook is not acknowledged after %s: %s", rig.Patience, last)
}

func (s *sender) post(ctx context.Context, p *request) (status int, answer string, err error) {
	if p.event {
		return s.to.any().PostEvents(ctx, p.body, "application/cloudevents+json", s.token)
	}
	return s.to.any().PostWebhook(ctx, p.body)
}

// acknowledge adds a request to the input: from now on it must count.
func (s *sender) acknowledge(p *request) error {
	line, err := json.Marshal(record{Clock: s.to.now(), Event: p.event, Body: p.body})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acknowledged.Add(1)
	if err := p.addTo(s.input); err != nil {
		return err
	}
	_, err = s.recorded.Write(append(line, '\n'))
	return err
}

// postTruncated posts a part of a webhook, which must not be acknowledged: with its own signature, with that of the whole, or with a broken
// connection.
func (s *sender) postTruncated(ctx context.Context, p *request, random *rand.Rand) error {
	part := p.body[:random.IntN(len(p.body)-1)+1]
	signature := s.to.Sign(p.body)
	switch p.truncation {
	case 1:
		signature = s.to.Sign(part)
	case 3:
		connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.to.Webhook)
		if err != nil {
			return nil //nolint:nilerr // nobody is there to be maltreated
		}
		_, _ = fmt.Fprintf(connection, "POST /webhooks/whatsapp HTTP/1.1\r\nHost: torture\r\nX-Hub-Signature-256: %s\r\nContent-Length: %d\r\n\r\n%s", signature, len(p.body), part)
		return connection.Close()
	}
	if code, _, err := s.to.PostSigned(ctx, part, signature); err == nil && code == http.StatusOK {
		return failure("a truncated webhook was acknowledged")
	}
	return nil
}

// failure is something that the operator did wrong.
type failure string

func (f failure) Error() string { return string(f) }
