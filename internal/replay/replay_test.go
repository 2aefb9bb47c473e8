package replay

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"
	clocktesting "k8s.io/utils/clock/testing"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ingest"
	"numberfleet.dev/numberfleet/internal/ingest/webhook"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/meta/metatest"
)

const (
	number = "+15550001111"
	secret = "s3cr3t-of-the-app"
)

var now = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

// operator is the operator's own receiver and ledger, behind HTTP.
type operator struct {
	*httptest.Server
	ledger *ledger.Ledger
	taken  []string // bodies, in their order
}

func newOperator(t *testing.T) *operator {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "app-secret"), secret)
	write(t, filepath.Join(dir, "verify-token"), "t0ken-to-verify")
	receiver, err := webhook.NewReceiver(webhook.Options{
		Apps: []webhook.App{{Credentials: webhook.NewCredentials(dir, logr.Discard())}}, Clock: clocktesting.NewFakePassiveClock(now), Metrics: prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatal(err)
	}
	op := &operator{ledger: ledger.OpenMemory()}
	receiver.SetBackend(&ingest.Backend{Ledger: op.ledger, Hasher: op.ledger.Hasher()})
	op.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body bytes.Buffer
		_, _ = body.ReadFrom(r.Body)
		op.taken = append(op.taken, body.String())
		r.Body = io.NopCloser(&body)
		receiver.ServeHTTP(w, r)
	}))
	t.Cleanup(op.Close)
	return op
}

func write(t *testing.T, file, content string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// delivered is a webhook about a message to a user of a number, so long before now.
func delivered(user int, ago time.Duration) string {
	return string(metatest.MessagesPayload(number, []metatest.Status{
		{ID: fmt.Sprint("wamid.", user), Status: "delivered", Phone: fmt.Sprint(15557770000 + user), At: now.Add(-ago)},
	}, nil))
}

func options(url, dir string) Options {
	return Options{Target: Target{URL: url + "/webhooks/whatsapp", Secret: secret, Client: http.DefaultClient, Tries: 3, Wait: time.Millisecond}, Rate: rate.Inf,
		Posted: filepath.Join(dir, "posted"), Done: func() {}}
}

func queue(t *testing.T, name string) *Queue {
	t.Helper()
	q, err := ReadQueue(name, now)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// Kept webhooks reach the operator as they were kept, in order of time over all files, and only those that can count still; the counts
// are those of the webhooks. A run that is ended goes on where it was, also where its last line was cut off, and what was kept
// meanwhile is posted too.
func TestKeptWebhooksAreCountedOnce(t *testing.T) {
	op, dir := newOperator(t), t.TempDir()
	kept := filepath.Join(dir, "kept")
	if err := os.Mkdir(kept, 0o700); err != nil {
		t.Fatal(err)
	}
	first, second, third, fourth := delivered(1, 5*time.Hour), delivered(2, 4*time.Hour), delivered(3, 3*time.Hour), delivered(4, 2*time.Hour)
	write(t, filepath.Join(kept, "a.jsonl"), "\ufeff"+fourth+"\n"+second+"\n"+delivered(9, Oldest+time.Second)+"\n")
	write(t, filepath.Join(kept, "b.json"), "[\n "+third+",\n"+first+"]")

	q := queue(t, kept)
	if q.Len() != 4 || q.Old != 1 {
		t.Fatalf("%d webhooks are worth posting and %d too old, want 4 and 1", q.Len(), q.Old)
	}
	ctx, cancel := context.WithCancel(t.Context())
	stopping := options(op.URL, dir)
	stopping.Done = func() {
		if len(op.taken) == 2 {
			cancel()
		}
	}
	if summary, err := q.Post(ctx, stopping); err == nil || summary.Posted != 2 {
		t.Fatalf("a run that is ended after two posts %d, and says %v", summary.Posted, err)
	}
	posted, err := os.ReadFile(stopping.Posted)
	if err != nil {
		t.Fatal(err)
	}
	write(t, stopping.Posted, strings.TrimRight(string(posted), "\n")[:len(posted)-6])

	write(t, filepath.Join(kept, "c.json"), delivered(5, 6*time.Hour))
	summary, err := queue(t, kept).Post(t.Context(), options(op.URL, dir))
	if err != nil || summary.Posted != 4 || summary.Before != 1 || len(summary.Refused) > 0 {
		t.Fatalf("the next run: %+v, %v", summary, err)
	}
	want := []string{first, second, delivered(5, 6*time.Hour), second, third, fourth}
	if got := strings.Join(op.taken, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("the operator was posted\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
	if got := op.ledger.Count(number, v1alpha1.MeasureUniqueUsers, now.Add(-24*time.Hour), now); got != 5 {
		t.Errorf("%d users are counted, want 5", got)
	}
	if summary, err := queue(t, kept).Post(t.Context(), options(op.URL, dir)); err != nil || summary.Posted != 0 || summary.Before != 5 {
		t.Errorf("a run with nothing to do: %+v, %v", summary, err)
	}
	other := newOperator(t)
	if summary, err := queue(t, kept).Post(t.Context(), options(other.URL, dir)); err != nil || summary.Posted != 5 {
		t.Errorf("another operator: %+v, %v", summary, err)
	}
}

// A webhook that the operator would refuse keeps all others from being posted, and is named.
func TestWhatCannotBeReadIsNamedBeforeAnythingIsPosted(t *testing.T) {
	for content, want := range map[string]string{
		delivered(1, 0) + "\n{\"object\":7}":     `line 2: object must be "whatsapp_business_account", but is another number`,
		delivered(1, -2*time.Hour):               "line 1: entry[0].changes[0].value.statuses[0].timestamp must be a time that has come",
		delivered(1, 0) + "\n" + `{"object":"wh`: "line 2: is no webhook: the JSON object that begins here does not end",
	} {
		file := filepath.Join(t.TempDir(), "kept.jsonl")
		write(t, file, content)
		if _, err := ReadQueue(file, now); err == nil || !strings.HasPrefix(err.Error(), file+" "+want) {
			t.Errorf("%s: %v, want %s", content, err, want)
		}
	}
}

// What the operator cannot take now is tried again, what it never takes is passed by and named, and where nothing would be taken the run
// ends with what to mend.
func TestAnswers(t *testing.T) {
	for _, test := range []struct {
		name    string
		answers []int // the last stays
		want    Summary
		problem string
		posts   int
	}{
		{"taken", []int{200}, Summary{Posted: 2}, "", 2},
		{"busy, then taken", []int{503, 429, 200}, Summary{Posted: 2}, "", 4},
		{"always busy", []int{503}, Summary{}, "the operator did not take it: run it again later (503 Service Unavailable: no)", 3},
		{"one that is refused", []int{400, 200}, Summary{Posted: 1, Refused: []string{"FILE line 1: 400 Bad Request: no"}}, "", 2},
		{"one that is too long", []int{413, 200}, Summary{Posted: 1, Refused: []string{"FILE line 1: 413 Request Entity Too Large: no"}}, "", 2},
		{"another secret", []int{401}, Summary{}, "the operator does not know the signature", 1},
		{"another app", []int{403}, Summary{}, "the app of this address may not speak about an account in it", 1},
		{"another path", []int{404}, Summary{}, "no webhooks are received there", 1},
		{"a redirect", []int{301}, Summary{}, "the operator did not take it", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "kept.jsonl")
			write(t, file, delivered(1, time.Hour)+"\n"+delivered(2, time.Minute))
			posts := 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				code := test.answers[min(posts, len(test.answers)-1)]
				posts++
				w.Header().Set("Retry-After", "0")
				w.WriteHeader(code)
				_, _ = w.Write([]byte("no"))
			}))
			defer server.Close()
			summary, err := queue(t, file).Post(t.Context(), options(server.URL, dir))
			if test.problem == "" && err != nil || test.problem != "" && (err == nil || !strings.Contains(err.Error(), "kept.jsonl line 1: "+test.problem)) {
				t.Errorf("it ends with %v, want %q", err, test.problem)
			}
			got := strings.ReplaceAll(fmt.Sprintf("%+v", summary), file, "FILE")
			if got != fmt.Sprintf("%+v", test.want) || posts != test.posts {
				t.Errorf("%d posts come to %s, want %d and %+v", posts, got, test.posts, test.want)
			}
		})
	}
}

// The operator says how long to wait, within bounds.
func TestRetryAfterIsWaitedFor(t *testing.T) {
	for after, want := range map[string]time.Duration{"10": 10 * time.Second, "86400": 5 * time.Minute, "": time.Second} {
		response := &http.Response{StatusCode: http.StatusServiceUnavailable, Header: http.Header{"Retry-After": {after}}}
		if got := wait(time.Second, maxWait, 0, response); got != want {
			t.Errorf("Retry-After %q: %s, want %s", after, got, want)
		}
	}
}
