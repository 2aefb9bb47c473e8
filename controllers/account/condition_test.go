package account

import (
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/meta/graphtest"
)

func TestWhatKeepsANumberFromBeingRead(t *testing.T) {
	for _, c := range []struct {
		name, reason string
		fail         func(p *polling)
		mend         func(p *polling)
	}{
		{"an expired token", v1alpha1.ReasonTokenRefused, func(p *polling) { p.meta.ExpireToken(pollToken) },
			func(p *polling) { p.meta.AddToken("EAAnew"); p.token("EAAnew") }},
		{"a token that Meta does not know", v1alpha1.ReasonTokenRefused, func(p *polling) { p.token("EAAwrong") }, func(p *polling) { p.token(pollToken) }},
		{"no token", v1alpha1.ReasonTokenRefused, func(p *polling) { p.Must(os.Remove(p.tokenFile)) }, func(p *polling) { p.token(pollToken) }},
		{"a token for something else", v1alpha1.ReasonPermissionMissing, func(p *polling) { p.meta.AddToken(pollToken, graphtest.Businesses) },
			func(p *polling) { p.meta.AddToken(pollToken) }},
		{"no such account", v1alpha1.ReasonNotFoundAtMeta, func(p *polling) { p.meta.Remove(p.Bench.FakeClock.Now(), "2001") },
			func(p *polling) { p.meta.AddAccount("2001", portfolio, "Acme") }},
		{"no such number", v1alpha1.ReasonNotFoundAtMeta, func(p *polling) { p.meta.Remove(p.Bench.FakeClock.Now(), "1001") },
			func(p *polling) { p.meta.AddPhoneNumber("1001", "2001", "", "Acme") }},
		{"another number", v1alpha1.ReasonNumberMismatch, func(p *polling) { p.meta.Set("1001", graphtest.Fields{"display_phone_number": "+1 555-000-1111"}) },
			func(p *polling) { p.meta.Set("1001", graphtest.Fields{"display_phone_number": nil}) }},
		{"another refusal", v1alpha1.ReasonReadRefused, func(p *polling) {
			p.meta.Fail(graphtest.Fault{Refusal: &graphtest.Refusal{Status: http.StatusBadRequest, Code: 100, Type: "OAuthException", Message: "(#100) Invalid parameter"}})
		}, func(p *polling) { p.meta.Recover() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPolling(t, "2001")
			number := p.number("2001", "1001")
			p.tick()
			p.wantReason(number, v1alpha1.ReasonPolled)
			c.fail(p)
			p.meta.Forget()
			p.tick()
			p.wantReason(number, c.reason)
			before, asked, began := p.versions(), len(p.meta.Calls()), p.Bench.FakeClock.Now()
			for p.Bench.FakeClock.Since(began) < 45*time.Minute {
				p.tick()
			}
			if calls := len(p.meta.Calls()); asked > 3 || calls > 3*5 {
				t.Errorf("Meta was called %d times at once, and %d times in five periods", asked, calls)
			}
			if after := p.versions(); !slices.Equal(before, after) {
				t.Error("the same condition was written again")
			}
			c.mend(p)
			p.tick()
			p.wantReason(number, v1alpha1.ReasonPolled)
		})
	}
}

// The condition belongs to the poller; the rest of the status does not.
func TestTheConditionHasItsOwnOwner(t *testing.T) {
	p := newPolling(t, "2001")
	number := p.number("2001", "1001")
	p.Evaluate(number)
	p.tick()
	p.Deliver(number.Spec.PhoneNumber, 240)
	p.Evaluate(number)
	p.wantReason(number, v1alpha1.ReasonPolled)
	owners := 0
	for _, f := range number.ManagedFields {
		if f.FieldsV1 == nil || f.Subresource != "status" {
			continue
		}
		fields := f.FieldsV1.GetRawString()
		if strings.Contains(fields, v1alpha1.ConditionReportsFresh) {
			owners++
			if f.Manager != string(FieldOwner) || strings.Contains(fields, "f:tier") || strings.Contains(fields, v1alpha1.ConditionReady) {
				t.Errorf("%s owns %s", f.Manager, fields)
			}
		}
	}
	if owners != 1 {
		t.Errorf("the condition has %d owners", owners)
	}

	// Without the account in the configuration the condition goes, and nothing else.
	p.Poller.Config.Accounts = nil
	p.restart()
	if !p.stops(number) {
		t.Error("nobody looks after a condition of an account that is not read any more")
	}
	_, err := p.Poller.Reconcile(p.Ctx, "2001")
	p.Must(err)
	p.wantReason(number, "")
	if meta.FindStatusCondition(number.Status.Conditions, v1alpha1.ConditionReady) == nil || number.Status.Tier.Name == "" {
		t.Errorf("more than the condition went: %+v", number.Status)
	}
}
