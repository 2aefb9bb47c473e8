//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"k8s.io/utils/clock"

	"numberfleet.dev/numberfleet/hack/rig"
	"numberfleet.dev/numberfleet/internal/meta/metatest"
)

// meta posts webhooks as Meta does: each over and over until it is acknowledged.
type meta struct {
	url, secret, number string

	delivered int // webhooks that were acknowledged, each about another user
	refused   int // answers that acknowledge nothing, and requests without an answer
}

// deliver posts that one more user has got a message, until it is acknowledged.
func (m *meta) deliver(ctx context.Context) error {
	body := metatest.MessagesPayload(m.number, []metatest.Status{{ID: fmt.Sprint("wamid.", m.delivered), Status: "delivered",
		Phone: fmt.Sprintf("1556%07d", m.delivered), At: clock.RealClock{}.Now()}}, nil)
	for !m.post(ctx, body) {
		m.refused++
		if err := rig.Sleep(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
	m.delivered++
	return nil
}

var impatient = &http.Client{Timeout: 5 * time.Second}

func (m *meta) post(ctx context.Context, body []byte) (acknowledged bool) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, m.url, bytes.NewReader(body))
	if err != nil {
		return false
	}
	request.Header.Set("X-Hub-Signature-256", metatest.Sign(m.secret, body))
	response, err := impatient.Do(request)
	return err == nil && response.Body.Close() == nil && response.StatusCode == http.StatusOK
}

// during delivers without a pause until something is done, and for some webhooks before and after it.
func (m *meta) during(ctx context.Context, t *testing.T, something func()) {
	t.Helper()
	const some = 20
	done, failed := make(chan struct{}), make(chan error, 1)
	first := make(chan struct{})
	go func() {
		left := some
		for i := 0; left > 0; i++ {
			if err := m.deliver(ctx); err != nil {
				failed <- err
				return
			}
			if i == some {
				close(first)
			}
			select {
			case <-done:
				left--
			default:
			}
		}
		failed <- nil
	}()
	select {
	case <-first:
		something()
	case err := <-failed:
		t.Fatal(err)
	}
	close(done)
	if err := <-failed; err != nil {
		t.Fatal(err)
	}
}
