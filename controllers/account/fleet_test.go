package account

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/fleet"
	"numberfleet.dev/numberfleet/controllers/internal/controllertest"
	"numberfleet.dev/numberfleet/controllers/internal/lookup"
	"numberfleet.dev/numberfleet/controllers/internal/reconciler"
	"numberfleet.dev/numberfleet/controllers/internal/reports"
	"numberfleet.dev/numberfleet/hack/rig"
	"numberfleet.dev/numberfleet/internal/meta/graphtest"
	"numberfleet.dev/numberfleet/internal/scaledclock"
)

// calls are how many calls about an account were answered within any hour, at most, and how many were refused since there were
// more than the account is allowed.
func (p *polling) calls(account string) (most, refused int) {
	var at []time.Time
	for _, call := range p.meta.Calls() {
		if call.Node != account {
			continue
		}
		if call.Code == 80008 {
			refused++
			continue
		}
		at = append(at, call.At)
		for call.At.Sub(at[0]) >= time.Hour {
			at = at[1:]
		}
		most = max(most, len(at))
	}
	return most, refused
}

// troubled is a fleet that is read while Meta is in trouble, and the numbers' statuses are written as the operator does.
type troubled struct {
	*polling
	watched  *watchedFleet
	fleet    []*v1alpha1.PhoneNumber
	of       []string // the account of each number
	said     [][]fact // what Meta says of each number's rating
	read     map[string]time.Time
	telling  sync.Mutex      // guards told: numbers are reconciled at a time, which records what the gate decides by
	told     map[string]bool // subjects that something was recorded about
	waits    []waits
	writes   atomic.Int64 // requests to write a status that the API server took
	renewals int
}

// fact is what Meta says from a time on.
type fact struct {
	at    time.Time
	value string
}

// waits is how long Meta asked to be left alone about an account, after the first refusal since a time.
type waits struct {
	account string
	since   time.Time
	long    time.Duration
}

const fleetPeriod = 15 * time.Minute

// fleetAccounts are those of the fleet: up to five pages of numbers, one number alone, and one whose numbers are registered
// elsewhere, so that Meta allows fewer calls.
var fleetAccounts = []struct {
	id       string
	numbers  int
	platform string
}{
	{"32001", 450, "CLOUD_API"}, {"32002", 250, "CLOUD_API"}, {"32003", 199, "ON_PREMISE"}, {"32004", 100, "CLOUD_API"}, {"32005", 1, "CLOUD_API"},
}

func newTroubled(t *testing.T) *troubled {
	t.Helper()
	f := &troubled{read: map[string]time.Time{}, told: map[string]bool{}}
	var ids []string
	for _, a := range fleetAccounts {
		ids = append(ids, a.id)
	}
	f.polling = newPolling(t, ids...)
	f.Poller.Timeout = 3 * time.Second
	f.Poller.Client = tallied{f.Poller.Client, &f.writes}
	f.Operator.Client = f.Poller.Client
	f.restart()
	for _, a := range fleetAccounts {
		for range a.numbers {
			id := fmt.Sprint(3200001 + len(f.fleet))
			f.fleet = append(f.fleet, &v1alpha1.PhoneNumber{
				ObjectMeta: metav1.ObjectMeta{Namespace: f.Namespace, Name: "number-" + id},
				Spec: v1alpha1.PhoneNumberSpec{PhoneNumber: controllertest.NewNumber(), PhoneNumberID: id, PolicyName: "meta-2023",
					Business: v1alpha1.Business{WhatsAppBusinessAccountID: a.id}},
			})
			f.of = append(f.of, a.id)
			number := f.fleet[len(f.fleet)-1].Spec.PhoneNumber
			f.atMeta(a.id, id, number)
			f.meta.Set(id, graphtest.Fields{"platform_type": a.platform, "quality_rating": "GREEN"})
			f.said = append(f.said, []fact{{f.Bench.FakeClock.Now(), "High"}})
		}
		f.read[a.id] = f.Bench.FakeClock.Now()
	}
	f.Must(inParallel(f.fleet, func(n *v1alpha1.PhoneNumber) error { return f.Operator.Client.Create(f.Ctx, n) }))
	// The API server is shared, and other tests' controllers would see them.
	t.Cleanup(func() {
		_ = f.Direct.DeleteAllOf(context.Background(), &v1alpha1.PhoneNumber{}, client.InNamespace(f.Namespace))
	})
	f.watched = f.watch()
	f.Operator.Ledger.Subscribe(func(subject string) {
		f.telling.Lock()
		defer f.telling.Unlock()
		f.told[subject] = true
	})
	return f
}

// inParallel does something for each of a list, a few at a time.
func inParallel[T any](list []T, do func(T) error) error {
	const workers = 8
	failures := make([]error, workers)
	var done sync.WaitGroup
	for w := range workers {
		done.Go(func() {
			for i := w; i < len(list); i += workers {
				if err := do(list[i]); err != nil {
					failures[w] = err
				}
			}
		})
	}
	done.Wait()
	return errors.Join(failures...)
}

// tallied is a client that counts the statuses that were written.
type tallied struct {
	client.Client
	writes *atomic.Int64
}

func (c tallied) Status() client.SubResourceWriter { return talliedStatus{c.Client.Status(), c.writes} }

type talliedStatus struct {
	client.SubResourceWriter
	writes *atomic.Int64
}

func (c talliedStatus) Apply(ctx context.Context, o runtime.ApplyConfiguration, options ...client.SubResourceApplyOption) error {
	err := c.SubResourceWriter.Apply(ctx, o, options...)
	if err == nil {
		c.writes.Add(1)
	}
	return err
}

// watchedFleet is what a watch shows of the numbers: how often what matters of them changed, and what they are now.
type watchedFleet struct {
	mu      sync.Mutex
	changes int
	shows   map[string]string // what matters, by name
	version map[string]string
}

// watch follows the numbers at the API server until the test ends.
func (f *troubled) watch() *watchedFleet {
	f.T.Helper()
	direct, err := client.NewWithWatch(controllertest.APIServer, client.Options{Scheme: controllertest.Scheme})
	f.Must(err)
	var now v1alpha1.PhoneNumberList
	f.Must(direct.List(f.Ctx, &now, client.InNamespace(f.Namespace)))
	events, err := direct.Watch(f.Ctx, &v1alpha1.PhoneNumberList{}, client.InNamespace(f.Namespace), &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: now.ResourceVersion}})
	f.Must(err)
	f.T.Cleanup(events.Stop)
	w := &watchedFleet{shows: map[string]string{}, version: map[string]string{}}
	go func() {
		for event := range events.ResultChan() {
			if n, ok := event.Object.(*v1alpha1.PhoneNumber); ok {
				w.see(n)
			}
		}
	}()
	return w
}

// see notes what an event shows: what was read, not when.
func (w *watchedFleet) see(n *v1alpha1.PhoneNumber) {
	w.mu.Lock()
	defer w.mu.Unlock()
	fresh := ""
	if c := reports.ReportsFresh(n); c != nil {
		fresh = c.Reason + c.Message
	}
	shows := fmt.Sprint(fresh, n.Status.Quality.Rating, n.Status.State, n.Status.Tier.Name)
	if w.shows[n.Name] != shows {
		w.changes++
	}
	w.shows[n.Name], w.version[n.Name] = shows, n.ResourceVersion
}

// changed is how many changes were seen, once all that the API server has was.
func (f *troubled) changed() int {
	f.T.Helper()
	var now v1alpha1.PhoneNumberList
	f.Must(f.Direct.List(f.Ctx, &now, client.InNamespace(f.Namespace)))
	f.Within("the watch shows all", func() bool {
		f.watched.mu.Lock()
		defer f.watched.mu.Unlock()
		return !slices.ContainsFunc(now.Items, func(n v1alpha1.PhoneNumber) bool { return f.watched.version[n.Name] != n.ResourceVersion })
	})
	f.watched.mu.Lock()
	defer f.watched.mu.Unlock()
	return f.watched.changes
}

// reading reads the account that is due next, and has the numbers written that something was learned about.
func (f *troubled) reading() {
	f.T.Helper()
	a := f.nextAccount()
	f.tick()
	now := f.Bench.FakeClock.Now()
	if read, _ := a.since(); read.Equal(now) && a.failures == 0 {
		f.read[a.id] = now
	}
	var keys []lookup.Key
	for subject := range f.told {
		keys = append(keys, f.KeysFor(subject)...)
	}
	clear(f.told)
	slices.SortFunc(keys, func(a, b lookup.Key) int { return strings.Compare(a.String(), b.String()) })
	reconciler := &fleet.Reconciler{Operator: f.Operator}
	f.Must(inParallel(slices.Compact(keys), func(key lookup.Key) error {
		var err error
		if !rig.Eventually(f.Ctx, func() bool {
			var result ctrl.Result
			result, err = reconciler.Reconcile(f.Ctx, key)
			return err != nil || result.RequeueAfter != 100*time.Millisecond // a conflict
		}) {
			return fmt.Errorf("%s stays in conflict", key)
		}
		return err
	}))
	f.Reasons() // there is room for so many
}

// check fails if anything is stale for longer than two periods: an account, or what the API server shows of a number.
func (f *troubled) check() {
	f.T.Helper()
	now := f.Bench.FakeClock.Now()
	for account, read := range f.read {
		if age := now.Sub(read); age > 2*fleetPeriod {
			f.T.Fatalf("at %s account %s was not read for %s", now.Format(time.TimeOnly), account, age)
		}
	}
	var list v1alpha1.PhoneNumberList
	f.Must(f.Operator.Cache.List(f.Ctx, &list, client.InNamespace(f.Namespace), client.UnsafeDisableDeepCopy))
	shown := map[string]v1alpha1.QualityRating{}
	for i := range list.Items {
		shown[list.Items[i].Name] = list.Items[i].Status.Quality.Rating
	}
	for i, number := range f.fleet {
		// What Meta said two periods ago, or something newer.
		var allowed []string
		for _, said := range f.said[i] {
			if said.at.Before(now.Add(-2 * fleetPeriod)) {
				allowed = nil
			}
			if !said.at.After(now) {
				allowed = append(allowed, said.value)
			}
		}
		if first := f.said[i][0].at; !first.Before(now.Add(-2 * fleetPeriod)) {
			continue // the fleet is new
		}
		if !slices.Contains(allowed, string(shown[number.Name])) {
			f.T.Fatalf("at %s %s of account %s shows %q, and Meta has said %q", now.Format(time.TimeOnly), number.Name, f.of[i], shown[number.Name], allowed)
		}
	}
}

// troubles are what happens to the calls about an account from a time on; each is over 11 minutes later, so that an account can
// be read within two periods.
var troubles = []func(f *troubled, account string, from time.Time, dice *rand.Rand) graphtest.Fault{
	func(f *troubled, account string, from time.Time, dice *rand.Rand) graphtest.Fault { // of the account's own allowance
		minutes := 1 + dice.IntN(6)
		f.waits = append(f.waits, waits{account, from, time.Duration(minutes) * time.Minute})
		refusal := graphtest.Throttled()
		refusal.Code = 80007
		return graphtest.Fault{Times: 1, Refusal: refusal, Header: http.Header{"X-Business-Use-Case-Usage": {fmt.Sprintf(
			`{"%s":[{"type":"whatsapp_business_management","call_count":100,"total_cputime":3,"total_time":4,"estimated_time_to_regain_access":%d}]}`, account, minutes)}}}
	},
	func(f *troubled, account string, from time.Time, dice *rand.Rand) graphtest.Fault { // of the app's
		seconds := 60 + dice.IntN(300)
		f.waits = append(f.waits, waits{account, from, time.Duration(seconds) * time.Second})
		return graphtest.Fault{Times: 1, Refusal: graphtest.AppThrottled(), Header: http.Header{"Retry-After": {fmt.Sprint(seconds)}}}
	},
	func(_ *troubled, account string, _ time.Time, dice *rand.Rand) graphtest.Fault { // used up but for a little
		return graphtest.Fault{Times: 9, Header: http.Header{"X-Business-Use-Case-Usage": {fmt.Sprintf(
			`{"%s":[{"type":"whatsapp_business_management","call_count":%d,"total_cputime":3,"total_time":4,"estimated_time_to_regain_access":0}]}`, account, 75+dice.IntN(23))}}}
	},
	func(_ *troubled, _ string, from time.Time, dice *rand.Rand) graphtest.Fault { // down
		return graphtest.Fault{Until: from.Add(time.Duration(1+dice.IntN(7)) * time.Minute), Refusal: graphtest.Unavailable()}
	},
	func(*troubled, string, time.Time, *rand.Rand) graphtest.Fault { // a proxy answers
		return graphtest.Fault{Times: 2, Status: http.StatusServiceUnavailable, Body: "<html>", Header: http.Header{"Retry-After": {"90"}}}
	},
	func(_ *troubled, _ string, _ time.Time, dice *rand.Rand) graphtest.Fault { // hangs up
		return graphtest.Fault{Times: 1 + dice.IntN(3), Close: true}
	},
	func(*troubled, string, time.Time, *rand.Rand) graphtest.Fault { // does not answer in time
		return graphtest.Fault{Times: 1, Delay: time.Hour}
	},
	func(*troubled, string, time.Time, *rand.Rand) graphtest.Fault { // answers slowly
		return graphtest.Fault{Times: 4, Delay: 50 * time.Millisecond}
	},
	func(_ *troubled, _ string, _ time.Time, dice *rand.Rand) graphtest.Fault { // breaks off
		return graphtest.Fault{Times: 2, Truncate: 1 + dice.IntN(200)}
	},
	func(_ *troubled, _ string, _ time.Time, dice *rand.Rand) graphtest.Fault { // breaks off in the second page
		return graphtest.Fault{Skip: 1, Times: 1, Truncate: 1 + dice.IntN(200)}
	},
	func(*troubled, string, time.Time, *rand.Rand) graphtest.Fault { // the list changes while it is read
		return graphtest.Fault{Skip: 1, Times: 1, Refusal: &graphtest.Refusal{Status: http.StatusBadRequest, Code: 131059, Type: "OAuthException", Message: "(#131059) Invalid cursor"}}
	},
}

// script has Meta be in trouble for an hour: every other read of each account meets some, each of another kind. A tenth of
// the numbers get another rating. It returns what happens besides, by its time.
func (f *troubled) script(dice *rand.Rand) (happens map[time.Time]func()) {
	began := f.Bench.FakeClock.Now()
	end := began.Add(time.Hour)
	order := dice.Perm(len(troubles))
	for _, a := range fleetAccounts {
		next := func(after time.Time) time.Time { return reconciler.InstantAfter(a.id, fleetPeriod, after) }
		for at := next(began); at.Before(end); at = next(next(at)) {
			from := at.Add(-time.Second)
			fault := troubles[order[0]](f, a.id, from, dice)
			order = append(order[1:], order[0])
			fault.Path, fault.From = a.id+"/phone_numbers", from
			if fault.Until.IsZero() {
				fault.Until = from.Add(4 * time.Minute)
			}
			if fault.Skip == 0 && dice.IntN(4) == 0 {
				fault.Path = a.id // what is told of the numbers is taken all the same
			}
			f.meta.Fail(fault)
		}
	}
	for range len(f.fleet) / 10 {
		i, which := dice.IntN(len(f.fleet)), dice.IntN(3)
		at := began.Add(time.Duration(dice.Int64N(int64(end.Sub(began)))))
		f.meta.Change(at, f.fleet[i].Spec.PhoneNumberID, graphtest.Fields{"quality_rating": []string{"GREEN", "YELLOW", "RED"}[which]})
		f.said[i] = append(f.said[i], fact{at, []string{"High", "Medium", "Low"}[which]})
		slices.SortStableFunc(f.said[i], func(a, b fact) int { return a.at.Compare(b.at) })
	}
	happens = map[time.Time]func(){}
	// The token is renewed in its file up to two minutes after the old one is taken back, with a bad one in between. One account
	// is to be read just then.
	at := reconciler.InstantAfter("32004", fleetPeriod, reconciler.InstantAfter("32004", fleetPeriod, began)).Add(-time.Duration(1+dice.IntN(50)) * time.Second)
	was, bad, renewed := fmt.Sprint("EAA", f.renewals), fmt.Sprint("EAAbad", f.renewals), fmt.Sprint("EAA", f.renewals+1)
	f.renewals++
	happens[at] = func() { f.meta.RevokeToken(was); f.meta.RevokeToken(pollToken) }
	happens[at.Add(time.Minute)] = func() { f.token(bad) }
	happens[at.Add(time.Minute+time.Duration(1+dice.IntN(60))*time.Second)] = func() { f.meta.AddToken(renewed); f.token(renewed) }
	// Another program of the same app uses up most of what an account is allowed.
	happens[at.Add(time.Duration(dice.IntN(10))*time.Minute+time.Millisecond)] = func() { f.meta.Use("32003", 150+dice.IntN(30)) }
	return happens
}

// A thousand numbers of five accounts live through three times an hour in which calls are throttled, time out, break off and are answered
// slowly, and the token is renewed, while what Meta says of the numbers changes. No number is stale for longer than two
// periods, the calls stay within the allowance and wait for as long as Meta asks, and what is written is what changed.
func TestAThousandNumbersAreFollowedThroughTrouble(t *testing.T) {
	f := newTroubled(t)
	for range 2 * len(fleetAccounts) {
		f.reading()
		f.check()
	}
	for _, seed := range []uint64{1, 2, 3} {
		f.meta.Recover()
		f.meta.Forget()
		f.waits = nil
		t.Logf("seed %d", seed)
		written, changed := f.writes.Load(), f.changed()
		dice := rand.New(rand.NewPCG(seed, 2026))
		happens := f.script(dice)
		coming := slices.SortedFunc(maps.Keys(happens), time.Time.Compare)
		for end := f.Bench.FakeClock.Now().Add(time.Hour); f.Bench.FakeClock.Now().Before(end); {
			if len(coming) > 0 && coming[0].Before(f.nextAccount().due()) {
				f.Bench.FakeClock.Advance(coming[0].Sub(f.Bench.FakeClock.Now()))
				happens[coming[0]]()
				coming = coming[1:]
				continue
			}
			f.reading()
			f.check()
		}
		failed := map[string]int{}
		for _, call := range f.meta.Calls() {
			if call.Status != http.StatusOK {
				failed[fmt.Sprintf("HTTP %d code %d", call.Status, call.Code)]++
			}
		}
		if refused, throttled, unanswered := failed["HTTP 401 code 190"], failed["HTTP 400 code 80007"], failed["HTTP 0 code 0"]; refused == 0 || throttled == 0 || unanswered == 0 {
			t.Errorf("seed %d: the token was refused %d times, calls were throttled %d times, and not answered %d times", seed, refused, throttled, unanswered)
		}
		for _, a := range fleetAccounts {
			most, refused := f.calls(a.id)
			// Twice what it takes if nothing fails.
			if calm := callsFor(a.numbers) * int(time.Hour/fleetPeriod+1); most > 2*calm || most > graphtest.Allowance || refused > 0 {
				t.Errorf("seed %d: account %s took %d calls within an hour, %d were refused as too many", seed, a.id, most, refused)
			}
		}
		for _, w := range f.waits {
			f.waited(w)
		}
		written, changed = f.writes.Load()-written, f.changed()-changed
		t.Logf("seed %d: %d calls, of which failed %v; %d statuses written", seed, len(f.meta.Calls()), failed, written)
		if int(written) != changed || changed < len(f.fleet)/20 {
			t.Errorf("seed %d: %d statuses were written, and %d changed", seed, written, changed)
		}
	}
}

// waited fails if an account was called before Meta's refusal was over.
func (f *troubled) waited(w waits) {
	f.T.Helper()
	var refused time.Time
	for _, call := range f.meta.Calls() {
		switch {
		case call.Node != w.account || call.At.Before(w.since):
		case !refused.IsZero() && call.At.Sub(refused) < w.long:
			f.T.Errorf("account %s was refused at %s for %s, and called at %s", w.account, refused.Format(time.TimeOnly), w.long, call.At.Format(time.TimeOnly))
			return
		case refused.IsZero() && (call.Code == 80007 || call.Code == 4):
			refused = call.At
		}
	}
}

// The operator's own controllers, on a clock that runs a thousand times faster: what is read arrives in the status.
func TestTheRunningPollerOnAFastClock(t *testing.T) {
	p := newPolling(t, "2001")
	var numbers []*v1alpha1.PhoneNumber
	for i := range 20 {
		numbers = append(numbers, p.number("2001", fmt.Sprint(1001+i)))
	}
	fast, err := scaledclock.New(clock.RealClock{}, clock.RealClock{}.Now(), controllertest.Start, 1000)
	p.Must(err)
	p.meta = graphtest.New(fast)
	p.meta.AddToken(pollToken)
	p.meta.AddBusiness(portfolio, "Acme")
	p.meta.AddAccount("2001", portfolio, "Acme")
	for i, n := range numbers {
		p.meta.AddPhoneNumber(fmt.Sprint(1001+i), "2001", n.Spec.PhoneNumber, "Acme")
	}
	server := httptest.NewServer(p.meta)
	t.Cleanup(server.Close)
	manager := p.Manager()
	p.Must(lookup.SetupIndexes(p.Ctx, manager.GetFieldIndexer()))
	running := p.Operator
	running.Client, running.Clock = manager.GetClient(), fast
	p.Must((&fleet.Reconciler{Operator: running}).SetupWithManager(manager))
	settings := p.Poller.Config
	settings.BaseURL = server.URL
	poller := &Poller{Config: settings, Client: manager.GetClient(), Clock: fast, Ledger: p.Operator.Ledger, Presence: p.Operator.Presence, Metrics: NewMetrics(prometheus.NewRegistry())}
	p.Must(poller.SetupWithManager(manager))
	p.StartManager(manager)

	rated := func(want v1alpha1.QualityRating) func() bool {
		return func() bool { return numbers[19].Status.Quality.Rating == want && p.get(numbers[19]) != nil }
	}
	p.meta.Set("1020", graphtest.Fields{"quality_rating": "GREEN"})
	p.Eventually(numbers[19], "the rating is High", rated(v1alpha1.QualityHigh))
	p.meta.Set("1020", graphtest.Fields{"quality_rating": "YELLOW"})
	p.Eventually(numbers[19], "the rating is Medium", rated(v1alpha1.QualityMedium))

	// An account that a number is moved to, and that is not read.
	patch := client.MergeFrom(numbers[0].DeepCopy())
	numbers[0].Spec.Business.WhatsAppBusinessAccountID = "2999"
	p.Must(p.Direct.Patch(p.Ctx, numbers[0], patch))
	p.Eventually(numbers[0], "the condition is gone", func() bool { return p.get(numbers[0]) == nil })

	if most, refused := p.calls("2001"); most > graphtest.Allowance || refused > 0 {
		t.Errorf("%d calls within an hour, %d refused", most, refused)
	}
	// A last time per period at most: no reconcile comes without need.
	if answered := testutil.ToFloat64(poller.Metrics.calls.WithLabelValues("2001", "ok")); answered < 4 {
		t.Errorf("%v calls were answered", answered)
	}
}
