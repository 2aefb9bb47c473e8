package guard_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/gate/gatetest"
	"numberfleet.dev/numberfleet/internal/guard"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/report"
)

// While the ledger cannot decide, the guard passes on what is let through, and asks all other senders to try again.
func TestWhileNothingCanBeDecidedTheGuardPassesOnWhatIsLetThrough(t *testing.T) {
	login := strings.Replace(template, `"sale"`, `"login"`, 1)
	for name, test := range map[string]struct {
		body    string
		wrote   bool // the user, within the service window
		outcome string
	}{
		"a login code":                     {login, false, "Sent"},
		"a login code in a service window": {login, true, "Sent"},
		"a campaign":                       {template, false, "NotReady"},
		"a campaign in a service window":   {template, true, "Sent"},
		"a reply in a service window":      {text, true, "Sent"},
		"a reply outside a service window": {text, false, "NotReady"},
	} {
		t.Run(name, func(t *testing.T) {
			g := gatetest.New(t, 10, clock.RealClock{})
			g.Configure(t, counts.LimitSetting{Subject: gatetest.Number, Limit: 10, Budgets: []counts.BudgetSetting{
				{Name: "logins", Categories: []counts.Category{counts.Authentication}, AllowUnreserved: true},
			}})
			g.Fleet.Templates = []*v1alpha1.MessageTemplate{{
				ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "login"},
				Spec:       v1alpha1.MessageTemplateSpec{TemplateName: "login", Language: "en_US", WhatsAppBusinessAccountID: gatetest.Account},
			}}
			subject := report.TemplateSubject(gatetest.Account, "login", "en_US").String()
			if err := g.Ledger.Configure(counts.Settings{Templates: []counts.TemplateSetting{
				{Name: counts.TemplateName("shop", subject), Category: counts.Authentication},
			}, Senders: []counts.SenderSetting{{Number: gatetest.Number, Namespace: "shop", Account: gatetest.Account}}}); err != nil {
				t.Fatal(err)
			}
			if test.wrote {
				g.Receive(t, "15557770000")
			}
			s, guarded := newUnready(t, func(o *guard.Options) { o.Directory = g.Fleet })
			s.meta.AddAccount(gatetest.Account, "", "Harbour")
			s.meta.SetAllowance(gatetest.Account, 1_000_000)
			s.meta.AddPhoneNumber(gatetest.NumberID, gatetest.Account, gatetest.Number, "Harbour")
			guarded.SetBackend(&guard.Backend{Gate: g.Service, Names: g.Ledger})
			if err := g.Ledger.Close(); err != nil {
				t.Fatal(err)
			}

			res, body := s.do(http.MethodPost, "/v27.0/"+gatetest.NumberID+"/messages", test.body, nil)
			if sent := len(s.sent()) == 1; sent != (test.outcome == "Sent") || sent != (res.StatusCode == http.StatusOK) {
				t.Errorf("%d messages came to Meta, and the answer is %d %s", len(s.sent()), res.StatusCode, body)
			}
			if res.StatusCode != http.StatusOK {
				r := s.refusalOf(body)
				if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") != "10" || r.Error.Code != 131016 || !strings.HasPrefix(r.Error.ErrorData.Details, "Unavailable") {
					t.Errorf("it is refused with %d %s", res.StatusCode, body)
				}
			}
			if err := s.stop(); err != nil { // after it is settled
				t.Error(err)
			}
			if got, want := s.counter("numberfleet_guard_messages_total"), fmt.Sprintf("numberfleet_guard_messages_total{outcome=%q} 1", test.outcome); got != want {
				t.Errorf("it counts %s, want %s", got, want)
			}
			if logged := s.logs.String(); strings.Contains(logged, `"error"`) {
				t.Errorf("it logs %s", logged)
			}
		})
	}
}
