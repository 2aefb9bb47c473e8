package prometheus

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/util/workqueue"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/controllertest"
	"numberfleet.dev/numberfleet/controllers/internal/usage"
	"numberfleet.dev/numberfleet/internal/config"
	"numberfleet.dev/numberfleet/internal/report"
)

// sampling is a fleet with a Sampler that the test calls, and what answers in the place of a Prometheus: a real one gives
// partial answers, histograms and the like only with others behind it.
type sampling struct {
	*controllertest.Fleet
	*Poller
	config   config.Prometheus
	registry *prometheus.Registry

	mu      sync.Mutex
	answers map[string]string // by query: a status code, or what stands in data and beside it
	asked   []string
}

const samplePeriod = time.Minute

func newSampling(t *testing.T, queries config.PrometheusQueries) *sampling {
	t.Helper()
	s := &sampling{Fleet: controllertest.NewFleet(t), answers: map[string]string{}}
	server := httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(server.Close)
	s.config = config.Prometheus{
		PeriodSeconds: int(samplePeriod.Seconds()), Namespaces: []config.PrometheusNamespace{{
			Name: s.Namespace, URL: server.URL, Label: "number", Holds: config.HoldsPhoneNumber, Queries: queries,
		}},
	}
	s.Poller = &Poller{Cache: s.Operator.Cache, Policies: s.Operator.Policies, Clock: s.FakeClock}
	s.restart()
	return s
}

// restart begins anew, with nothing remembered.
func (s *sampling) restart() {
	s.T.Helper()
	s.Poller.Samples = usage.NewPrometheus(s.config)
	s.Operator.Samples = s.Poller.Samples
	s.registry = prometheus.NewRegistry()
	s.Poller.Metrics = NewMetrics(s.registry)
	s.Must(s.open())
	s.Poller.Metrics.collect(s.namespaces, s.FakeClock)
	queue := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[string]())
	defer queue.ShutDown()
	s.Must(s.begin(s.Ctx, queue))
}

func (s *sampling) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	query := r.FormValue("query")
	s.asked = append(s.asked, query)
	answer, known := s.answers[query]
	switch code := 0; {
	case !known:
		answer = vector()
		fallthrough
	case strings.HasPrefix(answer, "{"):
		_, _ = fmt.Fprintf(w, `{"status":"success","data":%s}`, answer)
	default:
		_, _ = fmt.Sscan(answer, &code)
		w.WriteHeader(code)
		_, _ = fmt.Fprintf(w, `{"status":"error","errorType":%q,"error":"no"}`, map[int]string{400: "bad_data", 422: "execution", 503: "unavailable"}[code])
	}
}

// vector is a result with samples of numbers, such as "+15550200001=12.5".
func vector(samples ...string) string {
	var all []string
	for _, sample := range samples {
		number, value, _ := strings.Cut(sample, "=")
		all = append(all, fmt.Sprintf(`{"metric":{"number":%q},"value":[1772442000,%q]}`, number, value))
	}
	return `{"resultType":"vector","result":[` + strings.Join(all, ",") + `]}`
}

func (s *sampling) answer(query, answer string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[query] = answer
}

// say has a query answered with a count of each number given.
func (s *sampling) say(query string, counts map[*v1alpha1.PhoneNumber]float64) {
	var samples []string
	for n, count := range counts {
		samples = append(samples, fmt.Sprintf("%s=%v", n.Spec.PhoneNumber, count))
	}
	s.answer(query, vector(samples...))
}

// sample lets a period pass, asks, and has everything reconciled.
func (s *sampling) sample() {
	s.T.Helper()
	s.FakeClock.Advance(max(s.namespaces[s.Namespace].next.Sub(s.FakeClock.Now()), 0))
	result, err := s.Poller.Reconcile(s.Ctx, s.Namespace)
	s.Must(err)
	if result.RequeueAfter <= 0 || result.RequeueAfter > 2*samplePeriod {
		s.T.Fatalf("it is asked again in %s", result.RequeueAfter)
	}
	s.Settle()
}

func (s *sampling) fresh(n *v1alpha1.PhoneNumber) string {
	if c := meta.FindStatusCondition(n.Status.Conditions, v1alpha1.ConditionUsageFresh); c != nil {
		return c.Reason
	}
	return ""
}

// alone is a number with a limit of its own.
func (s *sampling) alone(policy string, change ...func(*v1alpha1.PhoneNumber)) *v1alpha1.PhoneNumber {
	s.T.Helper()
	return s.Number(append([]func(*v1alpha1.PhoneNumber){func(n *v1alpha1.PhoneNumber) {
		n.Spec.PolicyName, n.Spec.Business.Portfolio = policy, ""
	}}, change...)...)
}

func TestAQueryOfTheNamespaceIsAskedOnceForAllItsNumbers(t *testing.T) {
	s := newSampling(t, config.PrometheusQueries{Used: "used[$window]", UniqueUsers: "users[$upgradeWindow]", Messages: "messages[$upgradeWindow]"})
	counts := map[*v1alpha1.PhoneNumber]float64{}
	for i := range 30 {
		counts[s.alone("quality-based")] = float64(i) + 0.5
	}
	counted := s.alone("quality-based", func(n *v1alpha1.PhoneNumber) { n.Spec.Usage.Source = v1alpha1.UsageFromLedger })
	own := s.alone("quality-based", func(n *v1alpha1.PhoneNumber) { n.Spec.Usage.Queries.Used = "own[$window]" })
	s.Settle()
	if s.fresh(own) != v1alpha1.ReasonNotSampledYet || own.Status.Usage.Used != nil || own.Status.Tier.Name != "1" || own.Status.State != v1alpha1.StateConnected {
		t.Errorf("before anything was asked %s is said, and the status is %+v", s.fresh(own), own.Status)
	}
	s.say("used[1d]", counts)
	s.say("users[1w]", counts)
	s.say("messages[1w]", counts)
	s.answer("own[1d]", `{"resultType":"scalar","result":[1772442000,"77"]}`)
	s.sample()

	slices.Sort(s.asked)
	if want := []string{"messages[1w]", "own[1d]", "used[1d]", "users[1w]"}; !slices.Equal(s.asked, want) {
		t.Errorf("asked are %q, not %q", s.asked, want)
	}
	for n, count := range counts {
		u := n.Status.Usage
		if *u.Used != int64(count+0.5) || *u.UniqueUsers7d != int64(count-0.5) || *u.Messages7d != int64(count-0.5) || u.Source != v1alpha1.CountedByPrometheus ||
			*u.Remaining != 1000-*u.Used || *n.Status.Upgrade.Achieved != int64(count-0.5) || s.fresh(n) != v1alpha1.ReasonSampled {
			t.Errorf("of %v the status has %+v and %+v, and %s", count, u, n.Status.Upgrade, s.fresh(n))
		}
	}
	if *own.Status.Usage.Used != 77 || own.Status.Usage.UniqueUsers7d != nil || s.fresh(own) != v1alpha1.ReasonNotSampledYet {
		t.Errorf("by its own query it has %+v, and %s", own.Status.Usage, s.fresh(own))
	}
	if *counted.Status.Usage.Used != 0 || counted.Status.Usage.Source != v1alpha1.CountedHere || s.fresh(counted) != v1alpha1.ReasonNothingReceived {
		t.Errorf("by the ledger it has %+v, and %s", counted.Status.Usage, s.fresh(counted))
	}
}

func TestAFleetThatIsSampledAtRestCostsNoWrites(t *testing.T) {
	s := newSampling(t, config.PrometheusQueries{Used: "used"})
	counts := map[*v1alpha1.PhoneNumber]float64{}
	for range 10 {
		counts[s.alone("quality-based")] = 500
	}
	s.say("used", counts)
	s.sample()
	before := resourceVersions(s.Numbers)
	for range 30 {
		s.sample()
	}
	// An outage that passes is none either.
	s.answer("used", "503")
	s.sample()
	s.say("used", counts)
	s.sample()
	if after := resourceVersions(s.Numbers); !slices.Equal(before, after) {
		t.Errorf("numbers at rest were written: %q, then %q", before, after)
	}
	if asked := testutil.ToFloat64(s.Poller.Metrics.queries.WithLabelValues(s.Namespace, "ok")); asked != 32 {
		t.Errorf("%v queries were answered", asked)
	}
	if failed := testutil.ToFloat64(s.Poller.Metrics.queries.WithLabelValues(s.Namespace, "unreachable")); failed != 1 {
		t.Errorf("%v queries were not", failed)
	}
}

func resourceVersions(numbers []*v1alpha1.PhoneNumber) []string {
	var all []string
	for _, n := range numbers {
		all = append(all, n.Name+" "+n.ResourceVersion)
	}
	return all
}

func TestWhatIsNoCountIsNotTaken(t *testing.T) {
	s := newSampling(t, config.PrometheusQueries{Used: "used"})
	number := s.alone("quality-based")
	full := vector(number.Spec.PhoneNumber + "=1000")
	for name, c := range map[string]struct {
		answer, reason string
		Time           int // the period in which it is said
	}{
		"partial":          {strings.TrimSuffix(vector(number.Spec.PhoneNumber+"=1"), "}") + `},"warnings":["store unavailable"],"infos":[""]`, v1alpha1.ReasonPartialData, 2},
		"no series":        {vector("+15550999999=1"), v1alpha1.ReasonNoData, 2},
		"NaN":              {vector(number.Spec.PhoneNumber + "=NaN"), v1alpha1.ReasonInvalidSample, 2},
		"infinite":         {vector(number.Spec.PhoneNumber + "=+Inf"), v1alpha1.ReasonInvalidSample, 2},
		"negative":         {vector(number.Spec.PhoneNumber + "=-1"), v1alpha1.ReasonInvalidSample, 2},
		"twice":            {vector(number.Spec.PhoneNumber+"=1", strings.TrimPrefix(number.Spec.PhoneNumber, "+")+"=2"), v1alpha1.ReasonInvalidSample, 2},
		"not carried out":  {"422", v1alpha1.ReasonQueryFailed, 2},
		"nobody there":     {"503", v1alpha1.ReasonPrometheusUnreachable, 2},
		"a wrong query":    {"400", v1alpha1.ReasonQueryFailed, 1},
		"a forbidden one":  {"403", v1alpha1.ReasonQueryFailed, 1},
		"a range of times": {`{"resultType":"matrix","result":[]}`, v1alpha1.ReasonQueryFailed, 1},
	} {
		s.answer("used", full)
		s.sample()
		if number.Status.State != v1alpha1.StateRestricted || s.fresh(number) != v1alpha1.ReasonSampled {
			t.Fatalf("before %s it is %s and %s", name, number.Status.State, s.fresh(number))
		}
		s.answer("used", c.answer)
		for period := 1; period <= 4; period++ {
			s.sample()
			// The instants of a namespace are up to a tenth of a period late: the second may be just before two periods.
			said := s.fresh(number) == c.reason
			if period < c.Time && said || period > c.Time && !said || !said && s.fresh(number) != v1alpha1.ReasonSampled {
				t.Errorf("%s: in period %d %s is said", name, period, s.fresh(number))
			}
			if *number.Status.Usage.Used != 1000 || number.Status.State != v1alpha1.StateRestricted {
				t.Errorf("%s: in period %d it is %s, with %d used", name, period, number.Status.State, *number.Status.Usage.Used)
			}
		}
	}
}

func TestNothingIsConcludedFromWhatIsNotKnown(t *testing.T) {
	s := newSampling(t, config.PrometheusQueries{Used: "used", UniqueUsers: "users"})
	restricted, climbing := s.alone("quality-based"), s.alone("quality-based")
	s.say("used", map[*v1alpha1.PhoneNumber]float64{restricted: 1000, climbing: 1})
	s.say("users", map[*v1alpha1.PhoneNumber]float64{restricted: 1, climbing: 900})
	s.Report(climbing.Spec.PhoneNumber, report.Quality, "Low")
	s.Settle()
	s.sample()
	if restricted.Status.State != v1alpha1.StateRestricted || climbing.Status.Tier.Name != "1" || climbing.Status.State != v1alpha1.StateFlagged {
		t.Fatalf("at first they are %s, and %s on tier %s", restricted.Status.State, climbing.Status.State, climbing.Status.Tier.Name)
	}
	// While nobody answers, and after a restart, time and reports go on.
	s.answer("used", "503")
	s.answer("users", "503")
	s.restart()
	for range 6 { // for more than two periods, wherever the instants lie
		s.sample()
	}
	s.Report(climbing.Spec.PhoneNumber, report.Quality, "High")
	s.At(8 * 24 * time.Hour)
	s.sample()
	for _, n := range s.Numbers {
		if s.fresh(n) != v1alpha1.ReasonPrometheusUnreachable {
			t.Errorf("after the restart %s is said", s.fresh(n))
		}
	}
	if restricted.Status.State != v1alpha1.StateRestricted || *restricted.Status.Usage.Used != 1000 {
		t.Errorf("the restriction is lifted with %d used, which nobody has seen", *restricted.Status.Usage.Used)
	}
	if climbing.Status.State != v1alpha1.StateConnected || climbing.Status.Tier.Name != "1" || climbing.Status.Upgrade.Achieved != nil {
		t.Errorf("without a count it is %s on tier %s: %+v", climbing.Status.State, climbing.Status.Tier.Name, climbing.Status.Upgrade)
	}
	if told := strings.Join(restricted.Status.Explanation, " "); !strings.Contains(told, "How much is used now is not known: there is room again once a count shows it.") {
		t.Errorf("it is explained with %s", told)
	}
	s.say("used", map[*v1alpha1.PhoneNumber]float64{restricted: 10, climbing: 1})
	s.say("users", map[*v1alpha1.PhoneNumber]float64{restricted: 10, climbing: 900})
	s.sample()
	if restricted.Status.State != v1alpha1.StateConnected || climbing.Status.Tier.Name != "2" {
		t.Errorf("with counts they are %s, and on tier %s", restricted.Status.State, climbing.Status.Tier.Name)
	}
	// It happened when it was seen.
	if reached := restricted.Status.LimitReached; !reached.RoomSinceTime.Time.Equal(s.FakeClock.Now().Truncate(time.Second)) {
		t.Errorf("there is room since %s", reached.RoomSinceTime)
	}
}

func TestASpanIsCountedFromTheFirstRiseThatWasSeen(t *testing.T) {
	s := newSampling(t, config.PrometheusQueries{Used: "used", UniqueUsers: "users"})
	number := s.alone("meta-2020") // 2,000 users within 7 days, who must span 48 h
	say := func(users float64) {
		s.say("used", map[*v1alpha1.PhoneNumber]float64{number: 1})
		s.say("users", map[*v1alpha1.PhoneNumber]float64{number: users})
		s.sample()
	}
	say(3000)
	if missing := strings.Join(number.Status.Upgrade.Missing, "; "); !strings.Contains(missing, "the deliveries must span 48 h, from the first that is seen to come in") {
		t.Errorf("missing is %q", missing)
	}
	s.FakeClock.Advance(50 * time.Hour)
	say(3000)
	if number.Status.Tier.Name != "1" {
		t.Fatal("deliveries of unknown times are taken to span 48 h")
	}
	say(3001)
	rose := s.FakeClock.Now()
	s.FakeClock.Advance(47 * time.Hour)
	say(3002)
	if number.Status.Tier.Name != "1" {
		t.Fatalf("%s after the first delivery that was seen the tier rises", s.FakeClock.Since(rose))
	}
	s.FakeClock.Advance(time.Hour)
	say(3002)
	if number.Status.Tier.Name != "2" {
		t.Errorf("%s after the first delivery that was seen the tier is %s: %+v", s.FakeClock.Since(rose), number.Status.Tier.Name, number.Status.Upgrade)
	}
}

func TestAPortfolioAddsUpWhatIsUsedAndTakesTheMostForTheWayUp(t *testing.T) {
	s := newSampling(t, config.PrometheusQueries{})
	query := func(name string) func(*v1alpha1.PhoneNumber) {
		return func(n *v1alpha1.PhoneNumber) {
			n.Spec.Usage.Queries = v1alpha1.UsageQueries{Used: name + "_used", UniqueUsers: name + "_users[$upgradeWindow]"}
		}
	}
	a, b, counted := s.Number(query("a")), s.Number(query("b")), s.Number()
	scalar := func(query string, value int) {
		s.answer(query, fmt.Sprintf(`{"resultType":"scalar","result":[1772442000,"%d"]}`, value))
	}
	s.Settle()
	if p := s.Portfolio.Status; p.Usage.Used != nil || p.Usage.Source != v1alpha1.CountedMixed {
		t.Errorf("before anything was asked the portfolio shows %+v", p.Usage)
	}
	s.Deliver(counted.Spec.PhoneNumber, 50)
	scalar("a_used", 100)
	scalar("b_used", 90)
	scalar("a_users[30d]", 1500)
	scalar("b_users[30d]", 1900)
	s.sample()
	p := &s.Portfolio.Status
	if *p.Usage.Used != 240 || *p.Usage.Remaining != 10 || *p.Upgrade.Achieved != 1900 || p.Usage.SampledTime.IsZero() {
		t.Errorf("together they have used %d, of which %d count for %+v", *p.Usage.Used, *p.Upgrade.Achieved, p.Upgrade)
	}
	if *a.Status.Usage.Used != 240 || *a.Status.Usage.OwnUsed != 100 || a.Status.Usage.Source != v1alpha1.CountedByPrometheus || counted.Status.Usage.Source != v1alpha1.CountedHere {
		t.Errorf("its numbers show %+v and %+v", a.Status.Usage, counted.Status.Usage)
	}
	if metric := gauged(t, s.Figures(), "numberfleet_portfolio_used", s.Portfolio.Name); metric != 240 {
		t.Errorf("the metric of the portfolio is %v", metric)
	}

	scalar("b_used", 101)
	s.sample()
	if p.Restriction.SinceTime.IsZero() || !p.Restriction.UntilTime.IsZero() || b.Status.State != v1alpha1.StateRestricted {
		t.Errorf("with 251 used the portfolio shows %+v, and a number %s", p.Restriction, b.Status.State)
	}
	// One that is not known may have used anything.
	s.answer("a_used", "422")
	for range 3 {
		s.sample()
	}
	scalar("b_used", 1)
	s.sample()
	c := meta.FindStatusCondition(p.Conditions, v1alpha1.ConditionUsageFresh)
	if p.Restriction.SinceTime.IsZero() || c == nil || c.Reason != v1alpha1.ReasonMembersNotFresh || !strings.Contains(c.Message, a.Name+": QueryFailed") {
		t.Errorf("without one count the portfolio shows %+v, and %+v", p.Restriction, c)
	}
	scalar("a_used", 2)
	scalar("a_users[30d]", 2000)
	s.sample()
	if !p.Restriction.SinceTime.IsZero() || *p.Usage.Used != 53 || p.Tier.Name != "2K" {
		t.Errorf("in the end the portfolio shows %+v, %d used, tier %s", p.Restriction, *p.Usage.Used, p.Tier.Name)
	}
}

// gauged is the value of a metric about a name; -1 if there is none.
func gauged(t *testing.T, registry prometheus.Gatherer, metric, name string) float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			for _, label := range m.GetLabel() {
				if family.GetName() == metric && label.GetName() == "name" && label.GetValue() == name {
					return m.GetGauge().GetValue()
				}
			}
		}
	}
	return -1
}

func TestWhereNoPrometheusIsConfigured(t *testing.T) {
	b := controllertest.New(t)
	number := b.Create("quality-based", func(n *v1alpha1.PhoneNumber) { n.Spec.Usage.Source = v1alpha1.UsageFromPrometheus })
	b.Evaluate(number)
	c := meta.FindStatusCondition(number.Status.Conditions, v1alpha1.ConditionUsageFresh)
	if c.Reason != v1alpha1.ReasonSourceNotConfigured || number.Status.Usage.Used != nil || number.Status.Usage.Source != v1alpha1.CountedByPrometheus {
		t.Errorf("the condition is %+v, the usage %+v", c, number.Status.Usage)
	}
	s := newSampling(t, config.PrometheusQueries{Messages: "messages"})
	without := s.alone("quality-based")
	s.sample()
	if s.fresh(without) != v1alpha1.ReasonSourceNotConfigured {
		t.Errorf("without a query for used %s is said", s.fresh(without))
	}
}
