package events

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	clocktesting "k8s.io/utils/clock/testing"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/cloudevents"
	"numberfleet.dev/numberfleet/internal/config"
	"numberfleet.dev/numberfleet/internal/ingest"
	"numberfleet.dev/numberfleet/internal/ingest/webhook"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/meta/metatest"
	"numberfleet.dev/numberfleet/internal/server/servertest"
)

// What comes by webhooks and by events is one.

// receiveWebhooks receives webhooks into a ledger, and returns what posts one.
func receiveWebhooks(t *testing.T, book *ledger.Ledger) (post func(body []byte)) {
	t.Helper()
	dir := t.TempDir()
	servertest.Write(t, dir, config.AppSecretKey, "s3cr3t")
	receiver, err := webhook.NewReceiver(webhook.Options{
		Apps: []webhook.App{{Credentials: webhook.NewCredentials(dir, logr.Discard())}}, Clock: clocktesting.NewFakePassiveClock(now), Metrics: prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatal(err)
	}
	receiver.SetBackend(&ingest.Backend{Ledger: book, Hasher: book.Hasher()})
	return func(body []byte) {
		t.Helper()
		req, w := httptest.NewRequest(http.MethodPost, webhook.DefaultPath, bytes.NewReader(body)), httptest.NewRecorder()
		req.Header.Set("X-Hub-Signature-256", metatest.Sign("s3cr3t", body))
		if receiver.ServeHTTP(w, req); w.Code != 200 {
			t.Fatalf("got %d %s", w.Code, w.Body)
		}
	}
}

func TestAUserOfAWebhookAndOfTheEventAPIIsOne(t *testing.T) {
	f := newFixture(t)
	post := receiveWebhooks(t, f.book)
	post(metatest.MessagesPayload(number, []metatest.Status{{ID: "wamid.00000", Status: "delivered", Phone: "15557770000", At: now}}, nil))
	for _, id := range []string{"wamid.00000", "wamid.other"} {
		if w := f.lines(occurred(id, 3600, cloudevents.MessageDelivered, toUser+`,"messageID":"`+id+`"`)); w.Code != 200 {
			t.Fatal(w.Body)
		}
	}
	if users, messages := used(f.book, number, v1alpha1.MeasureUniqueUsers), used(f.book, number, v1alpha1.MeasureMessages); users != 1 || messages != 2 {
		t.Errorf("%d users and %d messages", users, messages)
	}
	// A message of a user through one opens the service window for the other.
	if w := f.lines(occurred("r", 0, cloudevents.MessageReceived, toUser)); w.Code != 200 {
		t.Fatal(w.Body)
	}
	if got := used(f.book, number, v1alpha1.MeasureUniqueUsers); got != 0 {
		t.Errorf("%d users after a message of the only one before", got)
	}
}

// forms are two ways in which one user's number comes.
var forms = map[string][2]string{
	"Mexico": {"5215512345678", "525512345678"}, "Argentina": {"5491123456789", "541123456789"}, "Brazil": {"551187654321", "5511987654321"},
}

// A user counts once in both forms of the phone number, and a message in one form opens the window for the other, whichever comes
// first, in webhooks and in events.
func TestTwoFormsOfANumberAreOneUser(t *testing.T) {
	for name, form := range forms {
		for _, swapped := range []bool{false, true} {
			one, other := form[0], form[1]
			if swapped {
				one, other = other, one
			}
			f := newFixture(t)
			book, post := f.book, receiveWebhooks(t, f.book)
			delivered := func(id, to string, at time.Time) {
				post(metatest.MessagesPayload(number, []metatest.Status{{ID: id, Status: "delivered", Phone: to, At: at}}, nil))
			}
			counts := func(want int64, what string) {
				t.Helper()
				since := now.Add(-24 * time.Hour)
				if got := book.Count(number, v1alpha1.MeasureMessages, since, now); got != want || book.Count(number, v1alpha1.MeasureUniqueUsers, since, now) != min(want, 1) {
					t.Errorf("%s, %s first: %s: %d messages count and %d users", name, one, what, got, book.Count(number, v1alpha1.MeasureUniqueUsers, since, now))
				}
			}
			delivered("1", one, now.Add(-20*time.Hour))
			delivered("2", other, now.Add(-19*time.Hour))
			counts(2, "before the user writes")
			post(metatest.MessagesPayload(number, nil, []metatest.Inbound{{ID: "in", Phone: one, At: now.Add(-10 * time.Hour)}}))
			delivered("3", other, now.Add(-9*time.Hour))
			counts(2, "after the user wrote")
			event := occurred("e", 0, cloudevents.MessageDelivered, fmt.Sprintf(`"number":%q,"user":"+%s","messageID":"4"`, number, other))
			if w := f.lines(event); w.Code != 200 {
				t.Fatalf("got %d %s", w.Code, w.Body)
			}
			counts(2, "of an event")
			_ = book.Close()
		}
	}
}
