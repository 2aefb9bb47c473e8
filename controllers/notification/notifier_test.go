package notification

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	managerconfig "sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/controllertest"
	"numberfleet.dev/numberfleet/controllers/internal/lookup"
	"numberfleet.dev/numberfleet/hack/rig"
	"numberfleet.dev/numberfleet/internal/config"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/notify/notifytest"
	"numberfleet.dev/numberfleet/internal/report"
)

// notified is a bench with one receiver of each kind. Notifiers are started and stopped by the test, as operators are.
type notified struct {
	*controllertest.Bench
	mail      *notifytest.MailServer
	chat      *notifytest.WebServer
	sink      *notifytest.WebServer
	receivers []config.Receiver
	metrics   *Metrics
}

func newNotified(t *testing.T) *notified {
	t.Helper()
	n := &notified{Bench: controllertest.New(t), mail: notifytest.NewMailServer(t, config.StartTLS), chat: notifytest.NewWebServer(t, true),
		sink: notifytest.NewWebServer(t, false), metrics: NewMetrics(prometheus.NewRegistry())}
	n.receivers = []config.Receiver{
		{Name: "mail", Email: &config.Email{Host: "127.0.0.1", Port: n.mail.Port, TLS: config.StartTLS, CAFile: n.mail.CAFile, From: "fleet@example.com",
			To: []string{"ops@example.com"}, Username: notifytest.Username, PasswordFile: notifytest.File(t, "password", notifytest.Password)}},
		{Name: "chat", Slack: &config.Slack{URL: n.chat.URL, CAFile: n.chat.CAFile}},
		{Name: "sink", CloudEvents: &config.CloudEvents{URL: n.sink.URL}},
	}
	for i := range n.receivers {
		n.receivers[i].Namespaces = []string{n.Namespace} // the API server is shared with other tests
	}
	return n
}

// operate runs a notifier until it is stopped, with its own manager, cache and memory.
func (n *notified) operate(change ...func(*ctrl.Options)) (stop func()) {
	n.T.Helper()
	options := ctrl.Options{
		Scheme: controllertest.Scheme, Metrics: server.Options{BindAddress: "0"}, Controller: managerconfig.Controller{SkipNameValidation: new(true)},
		Client: client.Options{Cache: &client.CacheOptions{EnableReadYourWritesConsistency: new(true)}},
	}
	for _, c := range change {
		c(&options)
	}
	manager, err := ctrl.NewManager(controllertest.APIServer, options)
	n.Must(err)
	n.Must(lookup.SetupIndexes(n.Ctx, manager.GetFieldIndexer()))
	n.Must((&Notifier{
		Receivers: n.receivers, Namespace: n.Namespace, Clock: n.FakeClock, Real: clock.RealClock{}, Metrics: n.metrics,
		MinBackoff: 20 * time.Millisecond, MaxBackoff: 500 * time.Millisecond,
	}).SetupWithManager(manager))
	ctx, cancel := context.WithCancel(n.Ctx)
	done := make(chan error, 1)
	go func() { done <- manager.Start(ctx) }()
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			cancel()
			if err := <-done; err != nil && !strings.Contains(err.Error(), "leader election lost") {
				n.T.Errorf("the manager: %v", err)
			}
		}
	}
	n.T.Cleanup(stop)
	if !options.LeaderElection {
		n.begun()
	}
	return stop
}

// begun waits until it is remembered since when the receivers are there.
func (n *notified) begun() {
	n.T.Helper()
	n.soon("the receivers begin", func() bool {
		var known corev1.ConfigMap
		err := n.Direct.Get(n.Ctx, client.ObjectKey{Namespace: n.Namespace, Name: subscriptionsName}, &known)
		return err == nil && len(known.Data) == len(n.receivers)
	})
}

func (n *notified) soon(what string, is func() bool) {
	n.T.Helper()
	if rig.Eventually(n.Ctx, is) {
		return
	}
	n.T.Fatalf("not so: %s; %d mails, %d messages, %d events", what, len(n.mail.Mails()), len(n.chat.Posts()), len(n.sink.Posts()))
}

// heard are the transitions that the sink was told, as name/number reason, in the order in which they came.
func (n *notified) heard() []string {
	n.T.Helper()
	var heard []string
	for _, post := range n.sink.Posts() {
		var e struct {
			ID, Type string
			Data     struct {
				Name, Reason       string
				Transition, Missed int64
			}
		}
		n.Must(json.Unmarshal([]byte(post.Body), &e))
		if e.Data.Missed > 0 {
			heard = append(heard, fmt.Sprintf("%s missed %d", e.Data.Name, e.Data.Missed))
		} else {
			heard = append(heard, fmt.Sprintf("%s/%d %s", e.Data.Name, e.Data.Transition, e.Data.Reason))
		}
	}
	return heard
}

// happenings are what a number's status says, in the same words.
func happenings(number *v1alpha1.PhoneNumber) []string {
	var all []string
	for i, t := range number.Status.History {
		all = append(all, fmt.Sprintf("%s/%d %s", number.Name, number.Status.Transitions-int64(len(number.Status.History))+int64(i)+1, t.Reason))
	}
	return all
}

// settled waits until the status says that all receivers are done with all transitions, and for a while longer.
func (n *notified) settled(number *v1alpha1.PhoneNumber) {
	n.T.Helper()
	n.soon("everything is written down", func() bool {
		n.Must(n.Direct.Get(n.Ctx, client.ObjectKeyFromObject(number), number))
		done := 0
		for _, p := range number.Status.Notifications {
			if *p.Transitions == number.Status.Transitions {
				done++
			}
		}
		return done == len(n.receivers)
	})
	time.Sleep(200 * time.Millisecond)
}

// flag brings two transitions, QualityChanged and Flagged; unflag brings the opposite two.
func (n *notified) flag(number *v1alpha1.PhoneNumber) {
	n.T.Helper()
	n.FakeClock.Advance(time.Minute)
	n.Report(number.Spec.PhoneNumber, report.Quality, "Low")
	n.EvaluateUntil(number, func() bool { return number.Status.State == v1alpha1.StateFlagged })
}

func (n *notified) unflag(number *v1alpha1.PhoneNumber) {
	n.T.Helper()
	n.FakeClock.Advance(time.Minute)
	n.Report(number.Spec.PhoneNumber, report.Quality, "High")
	n.FakeClock.Advance(8 * 24 * time.Hour)
	n.EvaluateUntil(number, func() bool { return number.Status.State == v1alpha1.StateConnected })
}

func TestEachTransitionIsSentOnceToEachReceiverAcrossRestarts(t *testing.T) {
	n := newNotified(t)
	stop := n.operate()
	number := n.Create("netcore")
	n.Evaluate(number)
	n.flag(number)
	n.settled(number)
	if mails, messages, events := n.mail.Mails(), n.chat.Posts(), n.heard(); len(mails) != 1 || len(messages) != 1 || !slices.Equal(events, happenings(number)) || len(events) != 2 {
		t.Errorf("%d mails, %d messages and the events %q are sent of %q", len(mails), len(messages), events, happenings(number))
	}
	for _, text := range []string{n.mail.Mails()[0].Content, n.chat.Posts()[0].Body, n.sink.Posts()[0].Body} {
		if !strings.Contains(text, number.Name) || strings.Contains(text, strings.TrimPrefix(number.Spec.PhoneNumber, "+")) {
			t.Errorf("it does not name the resource, or names the phone number:\n%s", text)
		}
	}

	// Nothing is sent again by another process; what happens while none runs is sent by the next.
	stop()
	stop = n.operate()
	time.Sleep(300 * time.Millisecond)
	stop()
	n.unflag(number)
	before := number.ResourceVersion
	if number.Status.Transitions != 4 || len(number.Status.Notifications) != 3 {
		t.Fatalf("the reconciler leaves %d transitions and the notifications %+v", number.Status.Transitions, number.Status.Notifications)
	}
	n.operate()
	n.settled(number)
	if before == number.ResourceVersion {
		t.Error("nothing was written down")
	}
	if mails, messages, events := n.mail.Mails(), n.chat.Posts(), n.heard(); len(mails) != 2 || len(messages) != 2 || !slices.Equal(events, happenings(number)) {
		t.Errorf("after restarts %d mails, %d messages and the events %q are sent of %q", len(mails), len(messages), events, happenings(number))
	}

	// At rest nothing is written, by neither controller.
	rest := number.ResourceVersion
	for range 5 {
		n.Evaluate(number)
		time.Sleep(50 * time.Millisecond)
	}
	if n.Evaluate(number); number.ResourceVersion != rest {
		t.Error("a number at rest is written")
	}
	for i := range n.receivers {
		if got := testutil.ToFloat64(n.metrics.notifications.WithLabelValues(n.receivers[i].Name, "sent")); got != 2 {
			t.Errorf("%g notifications to %s are counted", got, n.receivers[i].Name)
		}
	}
}

// What the providers' documents promise a notification for: a flag and its end, a restriction, and a change of the limit.
func TestFlagsRestrictionsAndLimitsAreMailed(t *testing.T) {
	n := newNotified(t)
	n.receivers = n.receivers[:1]
	n.receivers[0].Reasons = []v1alpha1.TransitionReason{v1alpha1.ReasonFlagged, v1alpha1.ReasonFlagCleared, v1alpha1.ReasonRestricted,
		v1alpha1.ReasonTierUpgraded, v1alpha1.ReasonTierDowngraded, v1alpha1.ReasonLimitReported}
	n.operate()
	number := n.Create("netcore")
	n.Evaluate(number)
	n.Deliver(number.Spec.PhoneNumber, 1000) // the limit
	n.Evaluate(number)
	n.FakeClock.Advance(25 * time.Hour)
	n.Deliver(number.Spec.PhoneNumber, 1000) // twice the limit within 7 days
	n.Evaluate(number)
	n.flag(number)
	n.FakeClock.Advance(7 * 24 * time.Hour) // still Low: the flag ends, and the tier falls
	n.EvaluateUntil(number, func() bool { return number.Status.Tier.Name == "1" })
	n.FakeClock.Advance(time.Minute)
	n.Report(number.Spec.PhoneNumber, report.Limit, "10000")
	n.EvaluateUntil(number, func() bool { return number.Status.Tier.Name == "2" })
	n.settled(number)
	all := ""
	for _, m := range n.mail.Mails() {
		all += m.Content
	}
	for _, reason := range n.receivers[0].Reasons {
		if !strings.Contains(all, "UTC  "+string(reason)) {
			t.Errorf("there is no mail about %s; the number has %q", reason, happenings(number))
		}
	}
	for _, reason := range []v1alpha1.TransitionReason{v1alpha1.ReasonQualityChanged, v1alpha1.ReasonRestrictionLifted} {
		if strings.Contains(all, "UTC  "+string(reason)) {
			t.Errorf("a mail is about %s, which was not asked for", reason)
		}
	}
}

func TestAnotherLeaderSendsNothingTwice(t *testing.T) {
	n := newNotified(t)
	elect := func(o *ctrl.Options) {
		o.LeaderElection, o.LeaderElectionID, o.LeaderElectionNamespace = true, "notifications", n.Namespace
		o.LeaderElectionReleaseOnCancel = true
		o.LeaseDuration, o.RenewDeadline, o.RetryPeriod = new(time.Minute), new(50*time.Second), new(200*time.Millisecond)
	}
	number := n.Create("netcore")
	n.Evaluate(number)
	first := n.operate(elect)
	n.begun()
	n.operate(elect)
	n.flag(number)
	n.settled(number)
	first()
	n.unflag(number)
	n.settled(number)
	if mails, messages, events := n.mail.Mails(), n.chat.Posts(), n.heard(); len(mails) != 2 || len(messages) != 2 || !slices.Equal(events, happenings(number)) || len(events) != 4 {
		t.Errorf("%d mails, %d messages and the events %q are sent of %q", len(mails), len(messages), events, happenings(number))
	}
}

func TestWithoutReceiversNothingIsSetUp(t *testing.T) {
	n := newNotified(t)
	manager := n.Manager()
	n.Must((&Notifier{}).SetupWithManager(manager))
	n.StartManager(manager)
	var known corev1.ConfigMap
	if err := n.Direct.Get(n.Ctx, client.ObjectKey{Namespace: n.Namespace, Name: subscriptionsName}, &known); err == nil {
		t.Error("it remembers receivers that are not there")
	}
}

// A portfolio has no namespace: who hears of a namespace hears of the portfolios that have a number there.
func TestAPortfolioIsToldOfWhereItsNumbersAre(t *testing.T) {
	n := newNotified(t)
	n.receivers = n.receivers[2:]
	n.receivers[0].Namespaces = []string{n.Namespace}
	var portfolios []*v1alpha1.BusinessPortfolio
	for range 2 {
		p := &v1alpha1.BusinessPortfolio{ObjectMeta: metav1.ObjectMeta{GenerateName: "acme-"}, Spec: v1alpha1.BusinessPortfolioSpec{DisplayName: "Acme"}}
		n.Must(n.Direct.Create(n.Ctx, p))
		t.Cleanup(func() { _ = n.Direct.Delete(t.Context(), p) })
		p.Status.Transitions = 1
		p.Status.History = []v1alpha1.Transition{{Time: metav1.NewTime(controllertest.Start), Reason: v1alpha1.ReasonTierUpgraded, From: "250", To: "2K", Message: "the limit rises"}}
		n.Must(n.Direct.Status().Update(n.Ctx, p))
		portfolios = append(portfolios, p)
	}
	here, elsewhere := portfolios[0].Name, portfolios[1].Name
	n.Create("", func(number *v1alpha1.PhoneNumber) { number.Spec.Business.Portfolio = here })
	n.operate()
	n.soon("the one with a number here is told of", func() bool { return slices.Contains(n.heard(), here+"/1 TierUpgraded") })
	if slices.Contains(n.heard(), elsewhere+"/1 TierUpgraded") {
		t.Error("the other is told of as well")
	}
}

// Portfolios and templates are told of like numbers.
func TestPortfoliosAndTemplatesAreToldOf(t *testing.T) {
	n := newNotified(t)
	n.receivers = n.receivers[2:]
	n.receivers[0].Namespaces = nil
	happened := []v1alpha1.Transition{{Time: metav1.NewTime(controllertest.Start), Reason: v1alpha1.ReasonTierUpgraded, From: "250", To: "2K", Message: "the limit rises"}}
	portfolio := &v1alpha1.BusinessPortfolio{ObjectMeta: metav1.ObjectMeta{GenerateName: "acme-"}, Spec: v1alpha1.BusinessPortfolioSpec{DisplayName: "Acme"}}
	n.Must(n.Direct.Create(n.Ctx, portfolio))
	portfolio.Status.Transitions, portfolio.Status.History = 1, happened
	n.Must(n.Direct.Status().Update(n.Ctx, portfolio))
	template := &v1alpha1.MessageTemplate{ObjectMeta: metav1.ObjectMeta{Namespace: n.Namespace, GenerateName: "welcome-"}, Spec: v1alpha1.MessageTemplateSpec{WhatsAppBusinessAccountID: "102290129340398", TemplateName: "welcome", Language: "en"}}
	n.Must(n.Direct.Create(n.Ctx, template))
	template.Status.Transitions, template.Status.History = 1, []v1alpha1.Transition{{Time: metav1.NewTime(controllertest.Start), Reason: v1alpha1.ReasonTemplateFlagged, Message: "the rating is Low"}}
	n.Must(n.Direct.Status().Update(n.Ctx, template))
	n.operate()
	n.soon("both are told of", func() bool {
		heard := n.heard()
		return slices.Contains(heard, portfolio.Name+"/1 TierUpgraded") && slices.Contains(heard, template.Name+"/1 TemplateFlagged")
	})
	for _, post := range n.sink.Posts() {
		if strings.Contains(post.Body, portfolio.Name) && !strings.Contains(post.Body, `"source":"/apis/whatsapp.numberfleet.dev/v1alpha1/businessportfolios/`+portfolio.Name+`"`) {
			t.Errorf("the event is %s", post.Body)
		}
	}
	n.soon("it is written down", func() bool {
		n.Must(n.Direct.Get(n.Ctx, client.ObjectKeyFromObject(portfolio), portfolio))
		n.Must(n.Direct.Get(n.Ctx, client.ObjectKeyFromObject(template), template))
		return len(portfolio.Status.Notifications) == 1 && len(template.Status.Notifications) == 1
	})
}

// A late report's transition stands behind what was told already, so that no number means two things.
func TestALateTransitionMovesNoNumber(t *testing.T) {
	b := controllertest.New(t)
	number := b.Create("netcore")
	b.Evaluate(number)
	b.FakeClock.Advance(time.Hour)
	b.Report(number.Spec.PhoneNumber, report.Connection, "Offline")
	b.EvaluateUntil(number, func() bool { return number.Status.Transitions == 1 })
	_, err := b.Ledger.Append(b.Ctx, counts.Batch{Reports: []report.Report{{Subject: report.ParseSubject(number.Spec.PhoneNumber), Kind: report.Quality, Value: "Medium", At: controllertest.Start.Add(time.Minute).Unix()}}}, b.FakeClock.Now())
	b.Must(err)
	b.EvaluateUntil(number, func() bool { return number.Status.Transitions == 2 })
	if got, want := controllertest.History(number), []string{"2026-03-02 10:00:00 ConnectionChanged", "2026-03-02 09:01:00 QualityChanged"}; !slices.Equal(got, want) {
		t.Errorf("the history is %q, not %q", got, want)
	}
}
