package account

import (
	"context"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/lookup"
	"numberfleet.dev/numberfleet/internal/meta/graphtest"
	"numberfleet.dev/numberfleet/internal/report"
)

// templatePolling is a polling with a MessageTemplate of its account, which Meta has too as 4001.
type templatePolling struct {
	*polling
	template *v1alpha1.MessageTemplate
}

func newTemplatePolling(t *testing.T, account string) *templatePolling {
	t.Helper()
	p := &templatePolling{polling: newPolling(t, account)}
	p.template = &v1alpha1.MessageTemplate{
		ObjectMeta: metav1.ObjectMeta{Namespace: p.Namespace, GenerateName: "offer-"},
		Spec:       v1alpha1.MessageTemplateSpec{TemplateName: "offer", Language: "en_US", WhatsAppBusinessAccountID: account, PolicyName: "meta-2025"},
	}
	p.Must(p.Client.Create(p.Ctx, p.template)) // so that the cache knows of it
	// The API server is shared, and accounts are read for all namespaces.
	p.T.Cleanup(func() { _ = p.Direct.Delete(context.Background(), p.template) })
	p.meta.AddTemplate("4001", account, "offer", "en_US", "UTILITY")
	p.evaluate()
	return p
}

// evaluate brings the template's status up to now.
func (p *templatePolling) evaluate() *v1alpha1.MessageTemplateStatus {
	p.T.Helper()
	p.Bench.Reconcile(lookup.TemplateKey(p.template))
	p.Must(p.Direct.Get(p.Ctx, client.ObjectKeyFromObject(p.template), p.template))
	return &p.template.Status
}

// read lets the account be read once more, and the template be evaluated.
func (p *templatePolling) read() *v1alpha1.MessageTemplateStatus {
	p.T.Helper()
	p.tick()
	return p.evaluate()
}

// shows is what a template shows, and what its condition ReportsFresh says.
func shows(s *v1alpha1.MessageTemplateStatus) string {
	said := ""
	if c := meta.FindStatusCondition(s.Conditions, v1alpha1.ConditionReportsFresh); c != nil {
		said = string(c.Status) + " " + c.Reason
	}
	return strings.Join([]string{string(s.State), string(s.Quality.Rating), s.Category, said}, ", ")
}

func (p *templatePolling) wants(when, want string, got *v1alpha1.MessageTemplateStatus) {
	p.T.Helper()
	if is := shows(got); is != want {
		p.T.Errorf("%s it shows %q, not %q", when, is, want)
	}
}

// What a read contradicts of what a template shows is a report, whatever was reported before; and where it contradicts nothing,
// nothing is written.
func TestTemplatesAreReadWithTheirAccount(t *testing.T) {
	const account = "20770001"
	p := newTemplatePolling(t, account)
	p.number(account, "1001")
	subject := lookup.TemplateSubject(p.template)
	p.wants("before it is read", "Approved, Unknown, , ", p.evaluate())
	p.wants("read", "Approved, Unknown, Utility, True Polled", p.read())

	p.meta.Set("4001", graphtest.Fields{"status": "PAUSED", "quality_score": graphtest.Fields{"score": "RED", "date": 1}})
	p.wants("paused at Meta", "Paused, Low, Utility, True Polled", p.read())
	if s := p.template.Status; !s.UntilTime.IsZero() || s.Pauses != 0 {
		t.Errorf("a pause that was read is one of the ladder: %+v", s)
	}
	p.meta.Set("4001", graphtest.Fields{"status": "APPROVED"})
	p.wants("approved again, and rated as before", "Approved, Low, Utility, True Polled", p.read())

	version, reports := p.template.ResourceVersion, p.Operator.Ledger.LastReport(subject)
	for range 4 {
		p.read()
	}
	if p.template.ResourceVersion != version || p.Operator.Ledger.LastReport(subject) != reports {
		t.Errorf("what is known was written again: %s", shows(&p.template.Status))
	}

	p.meta.Set("4001", graphtest.Fields{"status": "REJECTED", "rejected_reason": "SCAM", "category": "MARKETING"})
	p.wants("rejected", "Rejected, Low, Marketing, True Polled", p.read())
	if p.template.Status.StateReason != "SCAM" {
		t.Errorf("the reason is %q", p.template.Status.StateReason)
	}
	// A webhook says otherwise; Meta still says the same.
	p.Bench.FakeClock.Advance(time.Second)
	p.Report(subject.String(), report.TemplateState, "Approved")
	p.wants("approved by webhook", "Approved, Low, Marketing, True Polled", p.evaluate())
	p.wants("rejected all the same", "Rejected, Low, Marketing, True Polled", p.read())
	// A word that nobody knows.
	p.meta.Set("4001", graphtest.Fields{"status": "SOMETHING_NEW", "quality_score": graphtest.Fields{"score": "PURPLE"}})
	p.wants("in a new state", "SOMETHING_NEW, Low, Marketing, True Polled", p.read())
	reports = p.Operator.Ledger.LastReport(subject)
	p.read()
	if p.Operator.Ledger.LastReport(subject) != reports {
		t.Error("a new word is recorded at each read")
	}
	// What the status does not have yet is not recorded twice.
	p.meta.Set("4001", graphtest.Fields{"status": "ARCHIVED"})
	p.tick()
	p.tick()
	if n := p.Operator.Ledger.LastReport(subject); n != reports+1 {
		t.Errorf("one state is recorded %d times", n-reports)
	}
	p.wants("archived", "Archived, Low, Marketing, True Polled", p.evaluate())
}

// A template that Meta does not have is said to be missing, which changes nothing else. It is not missing where the list was not
// read to its end.
func TestATemplateThatMetaDoesNotHave(t *testing.T) {
	const account = "20770002"
	p := newTemplatePolling(t, account)
	p.number(account, "1001")
	p.wants("read", "Approved, Unknown, Utility, True Polled", p.read())
	p.meta.Fail(graphtest.Fault{Path: account + "/message_templates", Status: 502, Body: "no"})
	p.wants("while the list cannot be read", "Approved, Unknown, Utility, True Polled", p.read())
	p.wants("after two periods", "Approved, Unknown, Utility, False Unreachable", p.read())
	p.meta.Recover()
	p.meta.Remove(p.Bench.FakeClock.Now(), "4001")
	p.meta.AddTemplate("4002", account, "offer", "de", "UTILITY")
	p.wants("without the language", "Approved, Unknown, Utility, False NotFoundAtMeta", p.read())
	// It is taken out of the configuration.
	p.Poller.Config.Accounts = nil
	p.restart()
	_, err := p.Poller.Reconcile(p.Ctx, account)
	p.Must(err)
	p.wants("not read any more", "Approved, Unknown, Utility, ", p.evaluate())
}

// Templates are asked for only where there are resources about them; and an account that has nothing else is read for them.
func TestOnlyAccountsWithTemplatesAreAskedForThem(t *testing.T) {
	const account = "20770003"
	p := newTemplatePolling(t, account)
	p.wants("of an account without numbers", "Approved, Unknown, Utility, True Polled", p.read())
	number := p.number(account, "1001")
	p.Must(p.Direct.Delete(p.Ctx, p.template))
	p.Eventually(number, "the template is gone", func() bool {
		templates, err := lookup.TemplatesWith(p.Ctx, p.Poller.Client, lookup.AccountIndex, account)
		p.Must(err)
		return len(templates) == 0
	})
	p.meta.Forget()
	p.tick()
	for _, call := range p.meta.Calls() {
		if call.Edge == "message_templates" {
			t.Error("Meta is asked for templates that nobody declares")
		}
	}
	if len(p.meta.Calls()) == 0 {
		t.Error("the account was not read")
	}
}
