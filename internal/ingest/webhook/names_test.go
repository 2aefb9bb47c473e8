package webhook

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ingest"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/unclaimed"
)

const (
	brazilian   = "+5511987654321"
	ivorian     = "+2250707654321"
	brazilianID = "7001"
	ivorianID   = "7002"
)

// about is a webhook that says that a message was delivered, as Meta names the number: its fields in JSON.
func about(metadata, message string) []byte {
	return fmt.Appendf(nil, `{"object":"whatsapp_business_account","entry":[{"id":"2001","changes":[{"field":"messages","value":{"messaging_product":"whatsapp","metadata":{%s},
		"statuses":[{"id":%q,"status":"delivered","timestamp":"%d","recipient_id":"15557770000"}]}}]}]}`, metadata, message, now.Unix())
}

// Meta displays some numbers otherwise than they are dialled, and some not at all. The id says which it is, before and after a resource
// claims it, and a report that names a number by its display alone is about the same one.
func TestANumberIsFoundByTheIDThatMetaGaveToIt(t *testing.T) {
	for name, test := range map[string]struct{ id, number, shown string }{
		"Brazil without the ninth digit": {brazilianID, brazilian, "55 11 8765-4321"},
		"Ivory Coast before 2021":        {ivorianID, ivorian, "+225 07 65 43 21"},
		"what is no number":              {"7003", "+15550100001", "Test Number"},
		"nothing":                        {"7003", "+15550100001", ""},
	} {
		t.Run(name, func(t *testing.T) {
			l := ledger.OpenMemory()
			defer func() { _ = l.Close() }()
			f := newFixture(t)
			f.SetBackend(&ingest.Backend{Ledger: l, Hasher: l.Hasher()})
			post := func(body []byte) {
				t.Helper()
				if w := f.post(body); w.Code != http.StatusOK {
					t.Fatalf("got %d %s", w.Code, w.Body)
				}
			}
			counted := func(want int64) {
				t.Helper()
				if got := l.Count(test.number, v1alpha1.MeasureMessages, now.Add(-time.Hour), now); got != want {
					t.Errorf("%d messages count, want %d", got, want)
				}
			}
			metadata := fmt.Sprintf(`"display_phone_number":%q,"phone_number_id":%q`, test.shown, test.id)
			post(about(metadata, "1"))
			counted(0)
			if err := l.Claim(test.id, test.number); err != nil {
				t.Fatal(err)
			}
			counted(1)
			post(about(metadata, "2"))
			post(about(metadata, "1")) // again
			post(about(fmt.Sprintf(`"display_phone_number":%q,"phone_number_id":%s`, test.number, test.id), "3"))
			counted(3)
			post(fmt.Appendf(nil, `{"object":"whatsapp_business_account","entry":[{"id":"2001","time":%d,"changes":[{"field":"phone_number_quality_update","value":
				{"display_phone_number":%q,"phone_number_id":%q,"event":"FLAGGED"}}]}]}`, now.Unix(), test.shown, test.id))
			if got := len(l.Reports(report.ParseSubject(test.number), 0)); got != 2 {
				t.Errorf("it has %d reports", got)
			}
			if strings.ContainsAny(test.shown, "0123456789") {
				post(fmt.Appendf(nil, `{"object":"whatsapp_business_account","entry":[{"id":"2001","time":%d,"changes":[{"field":"phone_number_name_update","value":
					{"display_phone_number":%q,"decision":"APPROVED"}}]}]}`, now.Unix(), test.shown))
				if got := len(l.Reports(report.ParseSubject(test.number), 0)); got != 3 {
					t.Errorf("with one that gives no id, it has %d reports", got)
				}
			}
		})
	}
}

// What names a number by nothing that can be read is passed over, as before.
func TestAValueWithoutANumberOrAnIDIsPassedOver(t *testing.T) {
	f := newFixture(t)
	for _, metadata := range []string{`"display_phone_number":"Test"`, `"phone_number_id":"x"`, `"phone_number_id":""`, ``} {
		if w := f.post(about(metadata, "1")); w.Code != http.StatusOK {
			t.Errorf("%s got %d", metadata, w.Code)
		}
	}
	for _, batch := range f.ledger.batches {
		if len(batch.Entries) > 0 {
			t.Errorf("%v is stored", batch.Entries)
		}
	}
}

// What no resource claims is collected by number, with the ids that Meta gives, and no longer than it is unclaimed.
func TestWhatIsNotClaimedIsCollected(t *testing.T) {
	l := ledger.OpenMemory()
	defer func() { _ = l.Close() }()
	f := newFixture(t)
	collected := &unclaimed.Collector{}
	f.SetBackend(&ingest.Backend{Ledger: l, Hasher: l.Hasher(), Unclaimed: collected, Known: func(n string) bool { return n == brazilian }})
	for _, body := range [][]byte{
		about(`"display_phone_number":"`+brazilian+`","phone_number_id":"7001"`, "1"),
		about(`"display_phone_number":"15550100009","phone_number_id":"7009"`, "2"),
		about(`"display_phone_number":"15550100009","phone_number_id":"7009"`, "3"),
		about(`"display_phone_number":"","phone_number_id":"7008"`, "4"),
	} {
		if w := f.post(body); w.Code != http.StatusOK {
			t.Fatalf("got %d %s", w.Code, w.Body)
		}
	}
	got := map[string]unclaimed.Summary{}
	for _, n := range collected.All() {
		got[n.Subject] = n
	}
	for _, want := range []unclaimed.Summary{
		{Activity: unclaimed.Activity{Subject: "+15550100009", ID: "7009", Account: "2001", Updates: 2}, First: now, Last: now},
		{Activity: unclaimed.Activity{Subject: report.NumberIDSubject("7008").String(), ID: "7008", Account: "2001", Updates: 1}, First: now, Last: now},
	} {
		if got[want.Subject] != want {
			t.Errorf("got %+v, want %+v", got[want.Subject], want)
		}
	}
	if len(got) != 2 {
		t.Errorf("got %v", got)
	}
}
