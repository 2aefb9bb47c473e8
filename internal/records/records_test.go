package records_test

import (
	"testing"
	"time"

	"numberfleet.dev/numberfleet/internal/cloudevents"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/meta"
	"numberfleet.dev/numberfleet/internal/records"
	"numberfleet.dev/numberfleet/internal/report"
)

// Every pricing category of Meta's is one that budgets tell apart, a reply that of Service, and what nobody said is none.
func TestCategoriesOfDeliveries(t *testing.T) {
	hasher := counts.NewHasher([16]byte{})
	for category := range meta.Category(meta.Categories) {
		var batch counts.Batch
		records.Add(&batch, &meta.Updates{Deliveries: []meta.Delivery{{MessageID: "m", User: meta.Identity{Phone: "1"}, Category: category}}}, hasher)
		got := batch.Entries[0].Category
		if (got == counts.NoCategory) != (category == meta.NoCategory) || (got == counts.Service) != category.Reply() || got == counts.Service && !batch.Entries[0].Reply {
			t.Errorf("%s is %q", category, got.Name())
		}
	}
}

// A webhook and an event tell the same of the same message.
func TestWebhooksAndEventsMakeTheSameEntries(t *testing.T) {
	hasher := counts.NewHasher([16]byte{})
	at := time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)
	user := meta.Identity{Phone: "15557770000"}
	var batch counts.Batch
	records.Add(&batch, &meta.Updates{
		Deliveries: []meta.Delivery{{Number: "+1", User: user, MessageID: "m1", Category: meta.Utility, At: at.Unix()}},
		Failures:   []meta.Failure{{Number: "+1", User: user, MessageID: "m2", At: at.Unix()}, {Number: "+1", At: at.Unix()}},
	}, hasher)
	event := cloudevents.Event{Number: "+1", User: user.Phone, Time: at}
	delivered, failed := event, event
	delivered.Type, delivered.MessageID, delivered.Category = cloudevents.MessageDelivered, "m1", report.Utility
	failed.Type, failed.MessageID = cloudevents.MessageFailed, "m2"
	for i, e := range []cloudevents.Event{delivered, failed} {
		if got, is := records.OfEvent(&e, hasher); !is || got != batch.Entries[i] {
			t.Errorf("the event makes %+v, and the webhook %+v", got, batch.Entries[i])
		}
	}
	if len(batch.Entries) != 2 {
		t.Errorf("a status that does not say which message failed makes %+v", batch.Entries[2:])
	}
}
