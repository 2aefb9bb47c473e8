package webhook

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"

	"numberfleet.dev/numberfleet/internal/ingest"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/meta/metatest"
	"numberfleet.dev/numberfleet/internal/report"
)

// FuzzReceive promises that no request makes the receiver panic, acknowledge what the ledger does not have, or write about the
// account of another app.
func FuzzReceive(f *testing.F) {
	for _, body := range []string{
		`{}`, string(delivered(2)), string(metatest.QualityUpdatePayload(number, "FLAGGED", "", now)),
		string(metatest.TemplateQualityPayload(metatest.Account, "sale", "en", "GREEN", "RED", now)), string(metatest.TemplateStatusPayload(metatest.Account, "sale", "en", "PAUSED", "FIRST_PAUSE", now)),
		string(metatest.AccountAlertPayload("3001", "INCREASED_CAPABILITIES_ELIGIBILITY_FAILED", "no", now)), string(metatest.CapabilityPayload(metatest.Account, -1, now)),
		string(metatest.RestrictionPayload(metatest.Account, now, metatest.Restriction{Type: "RESTRICTED_BIZ_INITIATED_MESSAGING", Expiration: "2026-09-28T12:53:20+0000"})),
		string(metatest.BanPayload(metatest.Account, "DISABLE", "April 17, 2025", now)), string(metatest.CertificationPayload(metatest.Account, "3001", "APPROVED", now)),
		string(metatest.NameUpdatePayload(number, "REJECTED", "Acme", "NAME_FORMAT_UNACCEPTABLE", now)), string(metatest.PreferencePayload(number, "15557770000", "stop", now)),
	} {
		f.Add("POST", DefaultPath, metatest.Sign(appSecret, []byte(body)), body, true)
	}
	f.Add("GET", DefaultPath+"?hub.mode=subscribe&hub.verify_token="+token+"&hub.challenge=1", "", "", false)
	f.Add("POST", DefaultPath+"/shop", "", string(of(shop, statusTo(shopNumber))), true)
	f.Add("POST", DefaultPath+"/shop", "", string(of(shop, statusTo(bankNumber))), true)
	f.Add("POST", DefaultPath+"/shop", "", string(both(of(shop, statusTo(freeNumber)), of(bank, statusTo(freeNumber)))), true)
	fixture := newTenants(f)
	f.Fuzz(func(t *testing.T, method, target, signature, body string, sign bool) {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			return
		}
		secret, guarded := appSecret, u.Path == DefaultPath+"/shop"
		if guarded {
			secret = shopSecret
		}
		if sign {
			signature = metatest.Sign(secret, []byte(body))
		}
		req := &http.Request{
			Method: method, URL: u, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
			Header: http.Header{"X-Hub-Signature-256": {signature}},
		}
		fixture.ledger.batches = nil
		w := fixture.do(req)
		if w.Code == 500 {
			t.Fatal("it panicked")
		}
		acknowledged := method == http.MethodPost && w.Code == 200
		if acknowledged != (len(fixture.ledger.batches) == 1) || acknowledged && signature != metatest.Sign(secret, []byte(body)) {
			t.Fatalf("acknowledged: %v, stored: %d", acknowledged, len(fixture.ledger.batches))
		}
		if acknowledged && guarded {
			for _, e := range fixture.ledger.batches[0].Entries {
				if e.Number == bankNumber {
					t.Fatal("the shop wrote about the bank")
				}
			}
			for _, r := range fixture.ledger.batches[0].Reports {
				if r.Subject == report.ParseSubject(bankNumber) || r.Subject == report.AccountSubject(bank) || r.Subject == report.PortfolioSubject("8002") {
					t.Fatal("the shop wrote about the bank")
				}
			}
		}
	})
}

// nothing is a ledger and a hasher that cost nothing: what is left is the receiver.
type nothing struct{}

func (nothing) Append(context.Context, counts.Batch, time.Time) (counts.Outcome, error) {
	return counts.Outcome{}, nil
}

func (nothing) Fresh() error { return nil }

func (nothing) Subject(_, number string) string { return number }

func (nothing) User(id string) counts.UserKey { return counts.UserKey(len(id)) }

func (nothing) Message(id string) counts.MessageKey { return counts.MessageKey(len(id)) }

func (nothing) Chat(id string) counts.ChatKey { return counts.ChatKey(len(id)) }

func BenchmarkReceive(b *testing.B) {
	for _, n := range []int{1, 10, 100, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			f := newFixture(b)
			f.log = logr.Discard()
			f.SetBackend(&ingest.Backend{Ledger: nothing{}, Hasher: nothing{}, Known: func(string) bool { return true }})
			body := delivered(n)
			source := bytes.NewReader(body)
			req := signed(body, appSecret)
			w := discard{header: http.Header{}}
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				source.Reset(body)
				req.Body = io.NopCloser(source)
				if f.ServeHTTP(&w, req); w.code != 200 {
					b.Fatal(w.code)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/status")
		})
	}
}

type discard struct {
	header http.Header
	code   int
}

func (w *discard) Header() http.Header { return w.header }

func (w *discard) WriteHeader(code int) { w.code = code }

func (w *discard) Write(b []byte) (int, error) { return len(b), nil }
