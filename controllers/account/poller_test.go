package account

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/controllertest"
	"numberfleet.dev/numberfleet/controllers/internal/reconciler"
	"numberfleet.dev/numberfleet/controllers/internal/statuses"
	"numberfleet.dev/numberfleet/hack/rig"
	"numberfleet.dev/numberfleet/internal/config"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/meta/graphtest"
	"numberfleet.dev/numberfleet/internal/report"
)

const (
	pollToken = "EAAGm0PX4ZCpsBAKZCexample"
	portfolio = "9001"
)

// polling is a bench with a stand-in for Meta, and a poller that the test calls.
type polling struct {
	*controllertest.Bench
	*Poller
	meta      *graphtest.Server
	tokenFile string
	registry  *prometheus.Registry
}

func newPolling(t *testing.T, accounts ...string) *polling {
	t.Helper()
	p := &polling{Bench: controllertest.New(t), tokenFile: filepath.Join(t.TempDir(), "token"), registry: prometheus.NewRegistry()}
	p.meta = graphtest.New(p.Bench.FakeClock)
	p.meta.AddToken(pollToken)
	p.meta.AddBusiness(portfolio, "Acme")
	server := httptest.NewServer(p.meta)
	t.Cleanup(server.Close)
	p.token(pollToken)
	p.Poller = &Poller{
		Config: config.GraphAPI{BaseURL: server.URL, PeriodMinutes: 15}, Client: p.Operator.Client, Clock: p.Bench.FakeClock,
		Ledger: p.Operator.Ledger, Metrics: NewMetrics(p.registry), Presence: p.Operator.Presence, Timeout: rig.Patience,
	}
	for _, id := range accounts {
		p.meta.AddAccount(id, portfolio, "Acme "+id)
		p.Poller.Config.Accounts = append(p.Poller.Config.Accounts, config.Account{ID: id, TokenFile: p.tokenFile})
	}
	p.restart()
	return p
}

func (p *polling) token(token string) {
	p.T.Helper()
	p.Must(os.WriteFile(p.tokenFile, []byte(token+"\n"), 0o600))
}

// restart begins anew, with nothing remembered.
func (p *polling) restart() {
	p.T.Helper()
	p.registry = prometheus.NewRegistry()
	p.Poller.Metrics = NewMetrics(p.registry)
	p.Must(p.open())
	p.Poller.Metrics.collect(p.accounts, p.Bench.FakeClock)
	queue := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[string]())
	defer queue.ShutDown()
	p.Must(p.begin(p.Ctx, queue))
}

// number is a PhoneNumber of an account, and the same at Meta.
func (p *polling) number(account, id string, change ...func(*v1alpha1.PhoneNumber)) *v1alpha1.PhoneNumber {
	p.T.Helper()
	number := p.Create("meta-2023", append([]func(*v1alpha1.PhoneNumber){func(n *v1alpha1.PhoneNumber) {
		n.Spec.Business.WhatsAppBusinessAccountID, n.Spec.PhoneNumberID = account, id
	}}, change...)...)
	// The API server is shared, and accounts are read for all namespaces.
	p.T.Cleanup(func() { _ = p.Direct.Delete(context.Background(), number) })
	p.atMeta(account, id, number.Spec.PhoneNumber)
	return number
}

// atMeta adds a number to an account at Meta.
func (p *polling) atMeta(account, id, number string) {
	digits := number[1:]
	p.meta.AddPhoneNumber(id, account, fmt.Sprintf("+%s %s-%s-%s", digits[:1], digits[1:4], digits[4:7], digits[7:]), "Acme "+id)
}

// tick lets the clock go on to the next instant at which an account is read, and reads it.
func (p *polling) tick() {
	p.T.Helper()
	next := p.nextAccount()
	p.Bench.FakeClock.Advance(max(next.due().Sub(p.Bench.FakeClock.Now()), 0))
	result, err := p.Poller.Reconcile(p.Ctx, next.id)
	p.Must(err)
	if result.RequeueAfter <= 0 {
		p.T.Fatalf("account %s is never read again", next.id)
	}
}

// nextAccount is the account that is due first.
func (p *polling) nextAccount() *account {
	var next *account
	for _, a := range p.accounts {
		if next == nil || a.due().Before(next.due()) {
			next = a
		}
	}
	return next
}

func (p *polling) get(number *v1alpha1.PhoneNumber) *metav1.Condition {
	p.T.Helper()
	p.Must(p.Direct.Get(p.Ctx, client.ObjectKeyFromObject(number), number))
	return meta.FindStatusCondition(number.Status.Conditions, v1alpha1.ConditionReportsFresh)
}

func (p *polling) wantReason(number *v1alpha1.PhoneNumber, want string) {
	p.T.Helper()
	got := ""
	if c := p.get(number); c != nil {
		got = c.Reason
		if (c.Status == metav1.ConditionTrue) != (want == v1alpha1.ReasonPolled) {
			p.T.Errorf("the condition with the reason %s is %s", c.Reason, c.Status)
		}
		if strings.Contains(c.Message, pollToken) || strings.Contains(c.Message, number.Spec.PhoneNumber[1:]) {
			p.T.Errorf("the condition shows a secret: %s", c.Message)
		}
	}
	if got != want {
		p.T.Errorf("the condition ReportsFresh has the reason %q, not %q", got, want)
	}
}

// versions are what the API server has of all numbers, which any write changes.
func (p *polling) versions() []string {
	p.T.Helper()
	var list v1alpha1.PhoneNumberList
	p.Must(p.Direct.List(p.Ctx, &list, client.InNamespace(p.Namespace)))
	var all []string
	for i := range list.Items {
		all = append(all, list.Items[i].Name+" "+list.Items[i].ResourceVersion)
	}
	return all
}

func reportWords(book *ledger.Ledger, number string) []string {
	var words []string
	for _, r := range book.Reports(report.ParseSubject(number), 0) {
		words = append(words, string(r.Kind)+" "+r.Value)
	}
	return words
}

func TestWhatIsReadBecomesTheStatus(t *testing.T) {
	p := newPolling(t, "2001")
	number := p.number("2001", "1001")
	byDigits := p.number("2001", "1002", func(n *v1alpha1.PhoneNumber) { n.Spec.PhoneNumberID = "" })
	p.meta.Set("1001", graphtest.Fields{"quality_rating": "YELLOW", "status": "RESTRICTED"})
	p.meta.Set("1002", graphtest.Fields{"quality_rating": "BEIGE", "status": "LINKED"})
	p.meta.Set(portfolio, graphtest.Fields{"whatsapp_business_manager_messaging_limit": "TIER_10K", "verification_status": "verified"})
	p.Evaluate(number)
	p.wantReason(number, "")
	p.tick()
	p.Evaluate(number)

	s := &number.Status
	if s.Quality.Rating != v1alpha1.QualityMedium || s.Quality.Source != v1alpha1.FromReport || s.State != v1alpha1.StateRestricted ||
		s.Tier.Name != "10K" || s.Tier.Source != v1alpha1.FromReport || s.Verification.State != v1alpha1.Verified {
		t.Errorf("the status is %+v", s)
	}
	if !s.Quality.ReportedTime.Equal(new(statuses.Time(p.Bench.FakeClock.Now()))) {
		t.Errorf("the rating is of %s, and was read at %s", s.Quality.ReportedTime, p.Bench.FakeClock.Now())
	}
	p.wantReason(number, v1alpha1.ReasonPolled)
	p.wantReason(byDigits, v1alpha1.ReasonPolled)
	// Words that nobody knows are kept as they came.
	want := []string{"Connection LINKED", "Quality BEIGE", "Verification Verified", "Limit 10000", "Throughput STANDARD"}
	if got := reportWords(p.Poller.Ledger, byDigits.Spec.PhoneNumber); !slices.Equal(got, want) {
		t.Errorf("the reports are %q, not %q", got, want)
	}

	p.meta.Set("1001", graphtest.Fields{"quality_rating": "RED", "status": "CONNECTED"})
	p.tick()
	p.Evaluate(number)
	if s.Quality.Rating != v1alpha1.QualityLow || s.State != v1alpha1.StateFlagged {
		t.Errorf("a period later the rating is %s, the state %s", s.Quality.Rating, s.State)
	}
}

// The review of the account is what the webhook account_review_update would have said. Health is told from the first trouble on.
func TestWhatIsReadOfReviewAndHealthShows(t *testing.T) {
	p := newPolling(t, "2001")
	number := p.number("2001", "1001")
	p.meta.Set("2001", graphtest.Fields{"account_review_status": "PENDING"})
	show := func() string {
		p.tick()
		p.Evaluate(number)
		s := &number.Status
		return strings.Join([]string{s.Account.Review.Value, s.Health.Value, s.Health.Reason}, ", ")
	}
	for _, c := range []struct {
		change func()
		want   string
	}{
		{func() {}, "Pending, , "},
		{func() { p.meta.Set("2001", graphtest.Fields{"account_review_status": "APPROVED"}) }, "Approved, , "},
		{func() {
			p.meta.ChangeHealth(p.Bench.FakeClock.Now(), "1001", graphtest.Fields{"can_send_message": "LIMITED", "additional_info": []any{"The display name has not been approved yet"}})
		}, "Approved, Limited, PHONE_NUMBER: The display name has not been approved yet"},
		{func() {
			p.meta.ChangeHealth(p.Bench.FakeClock.Now(), "2001", graphtest.Fields{"can_send_message": "BLOCKED", "errors": []any{graphtest.Fields{"error_code": 141014, "error_description": "The account is banned"}}})
		}, "Approved, Blocked, PHONE_NUMBER: The display name has not been approved yet; WABA: The account is banned (code 141014)"},
		{func() {
			p.meta.ChangeHealth(p.Bench.FakeClock.Now(), "1001", graphtest.Fields{"can_send_message": "AVAILABLE", "additional_info": nil})
			p.meta.ChangeHealth(p.Bench.FakeClock.Now(), "2001", graphtest.Fields{"can_send_message": "AVAILABLE", "errors": nil})
		}, "Approved, Available, "},
	} {
		c.change()
		if got := show(); got != c.want {
			t.Errorf("it shows %q, not %q", got, c.want)
		}
		before := p.versions()
		if show(); !slices.Equal(before, p.versions()) {
			t.Errorf("%q was written again", c.want)
		}
	}
	if number.Status.State != v1alpha1.StateConnected {
		t.Errorf("health makes it %s", number.Status.State)
	}
}

func TestAFleetAtRestCostsNoWrites(t *testing.T) {
	p := newPolling(t, "2001", "2002")
	for i := range 120 {
		p.number([]string{"2001", "2002"}[i%2], fmt.Sprint(1001+i))
	}
	p.tick()
	p.tick()
	before := p.versions()
	reports := testutil.ToFloat64(p.Poller.Metrics.reports)
	for range 40 {
		p.tick()
	}
	p.restart() // and what was known is known
	for range 10 {
		p.tick()
	}
	if after := p.versions(); !slices.Equal(before, after) {
		t.Errorf("numbers at rest were written:\n%q\n%q", before, after)
	}
	if reports != 120*5+2 || testutil.ToFloat64(p.Poller.Metrics.reports) != 0 {
		t.Errorf("%v reports at first, then %v", reports, testutil.ToFloat64(p.Poller.Metrics.reports))
	}
}

// What a webhook says while an account is read, or later, is newer than what was read.
func TestAWebhookThatIsNewerStands(t *testing.T) {
	p := newPolling(t, "2001")
	number := p.number("2001", "1001")
	p.tick()
	p.Bench.FakeClock.Advance(time.Hour)
	p.Report(number.Spec.PhoneNumber, report.Limit, "100000") // from a clock that is ahead
	p.Bench.FakeClock.Advance(-time.Hour)
	before := p.Poller.Ledger.LastReport(report.ParseSubject(number.Spec.PhoneNumber))
	p.tick()
	if got := p.Poller.Ledger.LastReport(report.ParseSubject(number.Spec.PhoneNumber)); got != before {
		t.Errorf("%d reports were added against one that is newer", got-before)
	}
	// Once it is older than a read, what is read stands.
	p.Bench.FakeClock.Advance(time.Hour)
	p.tick()
	words := reportWords(p.Poller.Ledger, number.Spec.PhoneNumber)
	if last := words[len(words)-1]; last != "Limit 250" {
		t.Errorf("the last report is %q", last)
	}
}

// An account with thousands of numbers takes more calls than the smaller allowance lets pass at once. That it has so many
// shows while it is read; from then on it is read whole or not at all.
func TestAnAccountOfThousandsIsRead(t *testing.T) {
	p := newPolling(t, "2001")
	p.meta.SetAllowance("2001", 5000)
	for i := range 4000 {
		p.meta.AddPhoneNumber(fmt.Sprint(500000+i), "2001", fmt.Sprintf("+1 555-030-%04d", i), "Acme")
	}
	number := p.number("2001", "1001")
	began := p.Bench.FakeClock.Now()
	for p.get(number) == nil && p.Bench.FakeClock.Since(began) < time.Hour {
		p.tick()
	}
	p.wantReason(number, v1alpha1.ReasonPolled)
	p.meta.Forget()
	for range 4 {
		p.tick()
	}
	if calls := len(p.meta.Calls()); calls != 4*(41+2) {
		t.Errorf("four reads of 41 pages took %d calls", calls)
	}
}

func TestMetricsTellOfTheReads(t *testing.T) {
	p := newPolling(t, "2001")
	p.number("2001", "1001")
	p.tick()
	p.meta.Fail(graphtest.Fault{Refusal: graphtest.Unavailable()})
	p.tick()
	age := p.Bench.FakeClock.Since(p.accounts["2001"].read).Seconds()
	want := fmt.Sprintf(`# HELP numberfleet_graph_calls_total Number of calls to Meta's Graph API, by account and result: ok, temporary, ratelimited, token, permission, notfound or permanent.
# TYPE numberfleet_graph_calls_total counter
numberfleet_graph_calls_total{account="2001",result="ok"} 3
numberfleet_graph_calls_total{account="2001",result="temporary"} 1
# HELP numberfleet_graph_oldest_read_age_seconds Time since all numbers of an account were read, or since the start if they were not yet; absent while another process leads.
# TYPE numberfleet_graph_oldest_read_age_seconds gauge
numberfleet_graph_oldest_read_age_seconds{account="2001"} %v
# HELP numberfleet_graph_usage_percent How much of the calls that Meta allows to an account within an hour are used, as Meta said last.
# TYPE numberfleet_graph_usage_percent gauge
numberfleet_graph_usage_percent{account="2001"} 1
`, age)
	if err := testutil.GatherAndCompare(p.registry, strings.NewReader(want), "numberfleet_graph_calls_total",
		"numberfleet_graph_oldest_read_age_seconds", "numberfleet_graph_usage_percent"); err != nil {
		t.Error(err)
	}
}

func TestInstantsAreSpreadAndOncePerPeriod(t *testing.T) {
	const period = 15 * time.Minute
	var quarters [4]int
	for i := range 400 {
		account := fmt.Sprint(102290129340398 + i)
		last := reconciler.InstantAfter(account, period, controllertest.Start)
		quarters[int(last.Sub(controllertest.Start)%period/(period/4))]++
		for range 50 {
			next := reconciler.InstantAfter(account, period, last)
			if gap := next.Sub(last); gap < period-period/10 || gap > period+period/10 {
				t.Fatalf("account %s is read at %s and %s, %s apart", account, last, next, gap)
			}
			if again := reconciler.InstantAfter(account, period, next.Add(-time.Nanosecond)); !again.Equal(next) {
				t.Fatalf("%s before it, the instant %s is %s", time.Nanosecond, next, again)
			}
			last = next
		}
	}
	for i, n := range quarters {
		if n < 70 || n > 130 {
			t.Errorf("of 400 accounts %d are read in quarter %d of the period", n, i+1)
		}
	}
}
