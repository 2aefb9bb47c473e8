package webhook

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ingest"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/meta/metatest"
)

// Signed webhooks, posted in any order, split in any way and delivered again at random, end in the counts of one ordered
// delivery: through the receiver and the ledger together, as Meta's redelivery would do it.
func TestWebhooksReplayedInAnyOrderGiveTheSameCounts(t *testing.T) {
	f := newFixture(t)
	deliver := func(bodies [][]byte) *ledger.Ledger {
		l := ledger.OpenMemory()
		f.SetBackend(&ingest.Backend{Ledger: l, Hasher: l.Hasher()})
		for _, body := range bodies {
			if response := f.post(body); response.Code != http.StatusOK {
				t.Fatalf("a webhook is answered with %d: %s", response.Code, response.Body)
			}
		}
		return l
	}
	rapid.Check(t, func(t *rapid.T) {
		var ordered [][]byte
		for n := range rapid.IntRange(1, 30).Draw(t, "webhooks") {
			var statuses []metatest.Status
			var inbound []metatest.Inbound
			at := now.Add(-time.Duration(30*24-n*22) * time.Hour)
			for i := range rapid.IntRange(1, 6).Draw(t, "updates") {
				at = at.Add(time.Duration(rapid.IntRange(0, 4*3600).Draw(t, "later")) * time.Second)
				user := rapid.IntRange(0, 4).Draw(t, "user")
				phone, scoped := fmt.Sprintf("1556000%04d", user), fmt.Sprintf("US.%04d", user)
				// Known by the phone number, by the business-scoped id, or by both.
				switch rapid.IntRange(0, 2).Draw(t, "known by") {
				case 0:
					scoped = ""
				case 1:
					phone = ""
				}
				if rapid.Bool().Draw(t, "from the user") {
					inbound = append(inbound, metatest.Inbound{ID: fmt.Sprint("in.", n, ".", i), Phone: phone, Scoped: scoped, At: at})
					continue
				}
				id := fmt.Sprint("out.", n, ".", i)
				status := rapid.SampledFrom([]string{"delivered", "read", "played", "sent", "failed"}).Draw(t, "status")
				statuses = append(statuses, metatest.Status{ID: id, Status: status, Phone: phone, Scoped: scoped, At: at})
				if status == "delivered" && rapid.Bool().Draw(t, "read as well") {
					statuses = append(statuses, metatest.Status{ID: id, Status: "read", Phone: phone, Scoped: scoped, At: at.Add(time.Minute)})
				}
			}
			ordered = append(ordered, metatest.MessagesPayload(number, statuses, inbound))
		}
		replayed := slices.Concat(ordered, ordered[:rapid.IntRange(0, len(ordered)).Draw(t, "again")])
		replayed = rapid.Permutation(replayed).Draw(t, "order")
		reversed := slices.Clone(ordered)
		slices.Reverse(reversed)

		want := deliver(ordered)
		for name, got := range map[string]*ledger.Ledger{"replayed": deliver(replayed), "reversed": deliver(reversed)} {
			for _, measure := range []v1alpha1.Measure{v1alpha1.MeasureUniqueUsers, v1alpha1.MeasureConversations, v1alpha1.MeasureMessages} {
				for _, window := range []time.Duration{24 * time.Hour, 7 * 24 * time.Hour, 30 * 24 * time.Hour} {
					for at := now; at.After(now.Add(-10 * 24 * time.Hour)); at = at.Add(-17 * time.Hour) {
						if a, b := want.Count(number, measure, at.Add(-window), at), got.Count(number, measure, at.Add(-window), at); a != b {
							t.Fatalf("%s: measure %s over %s up to %s is %d, in order it is %d", name, measure, window, at, b, a)
						}
					}
				}
			}
		}
	})
}
