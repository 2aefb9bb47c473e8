package meta_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
	"unicode/utf8"

	"numberfleet.dev/numberfleet/internal/meta"
	"numberfleet.dev/numberfleet/internal/meta/metatest"
	"numberfleet.dev/numberfleet/internal/report"
)

// FuzzParse promises that no body makes Parse panic, quote the body, or give facts that lack what they need.
func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.json")
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	f.Add([]byte(`{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"messages","value":{"metadata":{"display_phone_number":"\u002b15550001111"}}}]}]}`))
	f.Add(messages(`"messages":[{"type":"system","from":"1","timestamp":"1790000000","system":{"type":"user_changed_user_id","wa_id":2,"user_id":"US.2","previous_user_id":"US.1"}},{"type":"edit"},7]`))
	f.Add([]byte(`{"object":"instagram","entry":[{"changes":[{"value":{"messaging_product":"whatsapp","metadata":{}}}]}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		u, err := meta.Parse(body, latest)
		if err != nil {
			if u != nil || len(err.Error()) > 300 {
				t.Fatalf("%v, %v", u, err)
			}
			return
		}
		if !json.Valid(body) {
			t.Fatal("what is not JSON was read")
		}
		found := u.Sent + u.Changed + u.Skipped + len(u.Unread) + u.Preferred.Stopped + u.Preferred.Resumed + u.Preferred.Other + len(u.Deliveries) + len(u.Received) + len(u.Failures)
		for _, n := range u.Other.All {
			found += n
		}
		if found > meta.MaxUpdates {
			t.Fatalf("%d updates", found)
		}
		for _, d := range u.Deliveries {
			if d.Number[0] != '+' || d.User == (meta.Identity{}) || d.MessageID == "" || d.At < 1 || d.At > latest.Unix() {
				t.Fatalf("%+v", d)
			}
		}
		long := func(e *meta.FieldError) bool { return len(e.Error()) > 300 }
		if slices.ContainsFunc(u.Unread, long) || (u.Changed > 0) != (len(u.Joins) > 0) {
			t.Fatalf("unread %v, %d changed, %d joins", u.Unread, u.Changed, len(u.Joins))
		}
		for _, j := range u.Joins {
			if j.Number[0] != '+' || j.One == "" || j.Other == "" || j.One == j.Other || j.At < 1 || j.At > latest.Unix() {
				t.Fatalf("%+v", j)
			}
		}
		for _, m := range u.Received {
			if m.Number[0] != '+' || m.User == (meta.Identity{}) || m.At < 1 || m.At > latest.Unix() {
				t.Fatalf("%+v", m)
			}
		}
		for _, r := range u.Reports {
			if of := r.Subject; of.ID == "" || of.Type == report.Number && !of.IsE164() || len(of.ID) > 32 || r.Until < 0 || time.Unix(r.Until, 0).UTC().Year() > 9999 || r.Kind == "" || r.Value == "" || len(r.Value) > 64 || r.At < 1 || r.At > latest.Unix() {
				t.Fatalf("%+v", r)
			}
			if of := r.Subject; of.Type == report.Template && !slices.ContainsFunc(u.Templates, func(t meta.Template) bool { return t.Subject() == of }) {
				t.Fatalf("no template is named for %+v", r)
			}
			if !utf8.ValidString(r.Reason) || utf8.RuneCountInString(r.Reason) > 256 {
				t.Fatalf("%+v", r)
			}
		}
		for _, template := range u.Templates {
			if template.Account == "" || template.Name == "" || template.Language == "" {
				t.Fatalf("%+v", template)
			}
		}
		// Of accounts that may not be heard of, nothing is.
		if none, err := meta.ParseOf(body, latest, func(string) bool { return false }, nil); err != nil {
			t.Fatal(err)
		} else {
			if kept := len(none.Deliveries) + len(none.Replies) + len(none.Received) + len(none.Failures) + len(none.Joins) + len(none.Reports); kept > 0 ||
				none.Foreign+len(none.Claims) != len(u.Deliveries)+len(u.Replies)+len(u.Received)+len(u.Failures)+len(u.Joins)+len(u.Reports) {
				t.Fatalf("%+v", none)
			}
			none.Release()
		}
		// Reading it again gives the same, whatever was read in between.
		once := fmt.Sprintf("%+v", factsOf(u))
		u.Release()
		again, err := meta.Parse(body, latest)
		if err != nil {
			t.Fatal(err)
		}
		defer again.Release()
		if twice := fmt.Sprintf("%+v", factsOf(again)); once != twice {
			t.Fatalf("\n got %s\nthen %s", once, twice)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	for _, n := range []int{1, 10, 100, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			// Different bodies, so that no branch is learnt by heart.
			bodies := make([][]byte, 32)
			for i := range bodies {
				bodies[i] = payload(n, i*n, time.Unix(1790000000, 0))
			}
			b.ReportAllocs()
			b.SetBytes(int64(len(bodies[0])))
			b.ResetTimer()
			for i := range b.N {
				u, err := meta.Parse(bodies[i%len(bodies)], latest)
				if err != nil {
					b.Fatal(err)
				}
				u.Release()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/status")
		})
	}
}

func payload(n, from int, at time.Time) []byte {
	all := statuses(n, at)
	for i := range all {
		all[i].ID = fmt.Sprintf("wamid.HBgLMTU1NTc3NzAwMDAVAgARGBI%021d", from+i)
		all[i].Phone = fmt.Sprintf("1555%07d", (from+i)*7919%10000000)
		all[i].Scoped = fmt.Sprintf("US.%017d", from+i)
	}
	return metatest.MessagesPayload(number, all, nil)
}

func statuses(n int, at time.Time) []metatest.Status {
	all := make([]metatest.Status, n)
	for i := range all {
		all[i] = metatest.Status{ID: "wamid.A", Status: "delivered", Phone: "15557770000", At: at}
	}
	return all
}
