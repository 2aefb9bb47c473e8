package account

import (
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/controllertest"
	"numberfleet.dev/numberfleet/internal/meta/graph"
	"numberfleet.dev/numberfleet/internal/meta/metatest"
	"numberfleet.dev/numberfleet/internal/report"
)

// A read says what Meta holds. Whatever moved the number since the last read that said the same, the read is told again, and moves it
// back; one that agrees with what shows writes nothing.
func TestAReadThatContradictsWhatShowsIsAReport(t *testing.T) {
	type scene struct {
		*controllertest.Fleet
		number *v1alpha1.PhoneNumber
		id     string // of its account
		post   func([]byte)
	}
	webhook := func(event, limit string) func(*scene) {
		return func(s *scene) {
			s.post(metatest.QualityUpdatePayload(s.number.Spec.PhoneNumber, event, limit, s.FakeClock.Now()))
		}
	}
	sent := func(messages int) func(*scene) {
		return func(s *scene) { s.Deliver(s.number.Spec.PhoneNumber, messages) }
	}
	reported := func(kind report.Kind, value string) func(*scene) {
		return func(s *scene) { s.Report(s.number.Spec.PhoneNumber, kind, value) }
	}
	ofAccount := func(body func(id string, at time.Time) []byte) func(*scene) {
		return func(s *scene) { s.post(body(s.id, s.FakeClock.Now())) }
	}
	capability := func(limit any) func(*scene) {
		return ofAccount(func(id string, at time.Time) []byte { return metatest.CapabilityPayload(id, limit, at) })
	}
	ban := func(state string) func(*scene) {
		return ofAccount(func(id string, at time.Time) []byte { return metatest.BanPayload(id, state, "", at) })
	}
	left := func(s *scene) {
		s.post(fmt.Appendf(nil, `{"object":"whatsapp_business_account","entry":[{"id":"47","time":%d,"changes":[{"field":"account_update","value":{"event":"PARTNER_REMOVED",`+
			`"phone_number":%q,"waba_info":{"waba_id":%q},"disconnection_info":{"reason":"PRIMARY_INACTIVITY"}}}]}]}`, s.FakeClock.Now().Unix(), s.number.Spec.PhoneNumber[1:], s.id))
	}
	read := graph.PhoneNumber{Connection: "Connected", Rating: "High", PortfolioLimit: "250"}
	for _, test := range []struct {
		name, policy string // empty for a member of a portfolio
		between      func(*scene)
		moved, want  string
		publish      bool // though nothing moves
	}{
		{"the policy raised the limit", "meta-2023", sent(1000), "1K Restricted High Unverified", "250 Restricted High Unverified", false},
		{"the policy raised that of the portfolio", "", sent(2000), "2K Restricted High Unverified", "250 Restricted High Unverified", false},
		{"a webhook told a limit", "meta-2023", webhook("UPGRADE", "TIER_10K"), "10K Connected High Unverified", "250 Connected High Unverified", false},
		{"a webhook told that of the portfolio", "", webhook("UPGRADE", "TIER_10K"), "10K Connected High Unverified", "250 Connected High Unverified", false},
		{"the account told a limit", "meta-2025", capability(-1), "Unlimited Connected High Unverified", "250 Connected High Unverified", false},
		{"the account told that of the portfolio", "", capability("TIER_100K"), "100K Connected High Unverified", "250 Connected High Unverified", false},
		{"a REINSTATE was lost", "meta-2025", ban("DISABLE"), "250 Blocked High Unverified", "250 Connected High Unverified", false},
		{"a REINSTATE was lost to a member", "", ban("DISABLE"), "250 Blocked High Unverified", "250 Connected High Unverified", false},
		{"it left the API, and that it came back was lost", "meta-2025", left, "250 Offline High Unverified", "250 Connected High Unverified", false},
		{"a webhook told a rating", "meta-2025", reported(report.Quality, "Low"), "250 Connected Low Unverified", "250 Connected High Unverified", false},
		{"a webhook told a state", "meta-2025", reported(report.Connection, "Offline"), "250 Offline High Unverified", "250 Connected High Unverified", false},
		{"Meta flagged it, and takes that back", "netcore", reported(report.Connection, "Flagged"), "250 Flagged High Unverified", "250 Connected High Unverified", false},
		{"a webhook told a verification", "meta-2025", reported(report.Verification, "Verified"), "2K Connected High Verified", "250 Connected High Unverified", false},
		{"the account told a verification", "", ofAccount(func(id string, at time.Time) []byte { return metatest.CertificationPayload(id, "", "APPROVED", at) }),
			"2K Connected High Verified", "250 Connected High Unverified", false},
		{"a webhook told the same", "meta-2025", webhook("DOWNGRADE", "TIER_250"), "250 Connected High Unverified", "250 Connected High Unverified", false},
		{"nothing happened", "", func(*scene) {}, "250 Connected High Unverified", "250 Connected High Unverified", false},
		{"the limit is reached, which Meta does not say", "netcore", sent(250), "250 Restricted High Unverified", "250 Restricted High Unverified", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := controllertest.NewFleet(t)
			s := &scene{Fleet: f, id: controllertest.OwnAccount(), post: f.Webhooks()}
			if test.policy == "" {
				s.number = f.Number(controllertest.InAccount(s.id))
				f.Number(controllertest.InAccount(s.id)) // which says the same of the portfolio
			} else {
				s.number = f.Create(test.policy, controllertest.InAccount(s.id))
				f.Numbers = append(f.Numbers, s.number)
			}
			poller := &Poller{Client: f.Client, Clock: f.FakeClock, Ledger: f.Ledger, Metrics: NewMetrics(prometheus.NewRegistry())}
			last := func() (sum int64) {
				for _, n := range f.Numbers {
					sum += f.Ledger.LastReport(report.ParseSubject(n.Spec.PhoneNumber))
				}
				return sum
			}
			readAll := func() (reports int64) {
				f.FakeClock.Advance(15 * time.Minute)
				f.Settle()
				var found []graph.PhoneNumber
				var numbers []v1alpha1.PhoneNumber
				for i, n := range f.Numbers {
					is := read
					is.ID, is.DisplayPhoneNumber = fmt.Sprint(i), n.Spec.PhoneNumber
					found, numbers = append(found, is), append(numbers, *n)
				}
				all := newReadout(found)
				all.verification = v1alpha1.Unverified
				before := last()
				f.Must(poller.record(f.Ctx, s.id, all, numbers, f.FakeClock.Now()))
				f.Settle()
				return last() - before
			}
			shows := func() string {
				n := &s.number.Status
				return fmt.Sprintf("%s %s %s %s", n.Tier.Name, n.State, n.Quality.Rating, n.Verification.State)
			}
			f.Settle()
			readAll()
			if n := readAll(); n != 0 {
				t.Errorf("the same is told again: %d reports", n)
			}
			f.FakeClock.Advance(time.Minute)
			test.between(s)
			f.Settle()
			if is := shows(); is != test.moved {
				t.Fatalf("in between it shows %q, not %q", is, test.moved)
			}
			n := readAll()
			if is := shows(); is != test.want || (n > 0) != (test.moved != test.want || test.publish) {
				t.Errorf("after %d reports of a read it shows %q, not %q", n, is, test.want)
			}
			for range 3 {
				if n := readAll(); n != 0 {
					t.Errorf("what agrees is told: %d reports", n)
				}
			}
		})
	}
}
