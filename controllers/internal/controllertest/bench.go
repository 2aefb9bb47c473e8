// Package controllertest is what tests of controllers run on: an API server with the CRDs and the shipped policies, a ledger, a
// clock that the test sets, and the reconcilers.
package controllertest

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	testingclock "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	managerconfig "sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/yaml"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/fleet"
	"numberfleet.dev/numberfleet/controllers/internal/lookup"
	"numberfleet.dev/numberfleet/controllers/internal/reconciler"
	"numberfleet.dev/numberfleet/controllers/internal/throttle"
	"numberfleet.dev/numberfleet/controllers/internal/usage"
	"numberfleet.dev/numberfleet/hack/rig"
	"numberfleet.dev/numberfleet/hack/rig/apiserver"
	"numberfleet.dev/numberfleet/internal/config"
	"numberfleet.dev/numberfleet/internal/ingest"
	"numberfleet.dev/numberfleet/internal/ingest/webhook"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/meta/metatest"
	"numberfleet.dev/numberfleet/internal/receipts"
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/standing"
)

// Webhooks gives what Meta posts to a receiver in front of the bench's ledger.
func (b *Bench) Webhooks() func(body []byte) {
	b.T.Helper()
	dir := b.T.TempDir()
	for name, value := range map[string]string{config.AppSecretKey: "a secret of the app", config.VerifyTokenKey: "a token"} {
		b.Must(os.WriteFile(filepath.Join(dir, name), []byte(value), 0o600))
	}
	receiver, err := webhook.NewReceiver(webhook.Options{
		Apps: []webhook.App{{Credentials: webhook.NewCredentials(dir, logr.Discard())}}, Clock: b.FakeClock, Metrics: prometheus.NewRegistry(), Log: logr.Discard(),
	})
	b.Must(err)
	receiver.SetBackend(&ingest.Backend{Ledger: b.Ledger, Hasher: ledger.OpenMemory().Hasher()})
	return func(body []byte) {
		b.T.Helper()
		req := httptest.NewRequestWithContext(b.Ctx, http.MethodPost, webhook.DefaultPath, bytes.NewReader(body))
		req.Header.Set("X-Hub-Signature-256", metatest.Sign("a secret of the app", body))
		w := httptest.NewRecorder()
		if receiver.ServeHTTP(w, req); w.Code != http.StatusOK {
			b.T.Fatalf("the webhook is answered by %d %s", w.Code, w.Body)
		}
	}
}

// OwnAccount is the id of an account that no other test names.
func OwnAccount() string { return "9" + strings.TrimLeft(NewNumber(), "+") }

// InAccount puts a number into an account.
func InAccount(id string) func(*v1alpha1.PhoneNumber) {
	return func(n *v1alpha1.PhoneNumber) { n.Spec.Business.WhatsAppBusinessAccountID = id }
}

// ExpectCondition fails unless a condition of a number has a reason, and a sentence that its message contains.
func (b *Bench) ExpectCondition(number *v1alpha1.PhoneNumber, conditionType, reason, sentence string) {
	b.T.Helper()
	if is := meta.FindStatusCondition(number.Status.Conditions, conditionType); is == nil || is.Reason != reason || !strings.Contains(is.Message, sentence) {
		b.T.Errorf("the condition is %+v, not %s: %s", is, reason, sentence)
	}
}

const account = "200100"

// ADay is a day.
const ADay = 24 * time.Hour

// Fresh is the condition UsageFresh of a number, in a word, after a reconcile.
func (b *Bench) Fresh(number *v1alpha1.PhoneNumber) (reason string, wake time.Duration) {
	b.T.Helper()
	result := b.Evaluate(number)
	c := meta.FindStatusCondition(number.Status.Conditions, v1alpha1.ConditionUsageFresh)
	if (c.Reason == v1alpha1.ReasonCounting) != (c.Status == metav1.ConditionTrue) || c.Status == metav1.ConditionFalse {
		b.T.Errorf("with the reason %s the condition is %s", c.Reason, c.Status)
	}
	return c.Reason, result.RequeueAfter
}

// APIServer is a real one, with the CRDs and the shipped policies.
var (
	APIServer *rest.Config
	Scheme    = runtime.NewScheme()
)

// repository is the root of the repository, above this file.
func repository() string {
	_, file, _, _ := goruntime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..", "..")
}

// Main runs the tests of a package beside an API server.
func Main(m *testing.M) int {
	ctrl.SetLogger(logr.Discard())
	env := &envtest.Environment{}
	config, err := apiserver.Start(env)
	if err != nil {
		fmt.Fprintln(os.Stderr, "start the API server:", err)
		return 1
	}
	defer func() { _ = env.Stop() }()
	APIServer = config
	if err := clientgoscheme.AddToScheme(Scheme); err != nil {
		panic(err)
	}
	if err := v1alpha1.AddToScheme(Scheme); err != nil {
		panic(err)
	}
	direct, err := client.New(APIServer, client.Options{Scheme: Scheme})
	if err != nil {
		panic(err)
	}
	files, err := filepath.Glob(filepath.Join(repository(), "config", "policies", "*.yaml"))
	if err != nil {
		panic(err)
	}
	for _, file := range files {
		if filepath.Base(file) == "kustomization.yaml" {
			continue
		}
		var policy v1alpha1.MessagingPolicy
		content, err := os.ReadFile(file)
		if err != nil {
			panic(err)
		}
		if err := yaml.UnmarshalStrict(content, &policy); err != nil {
			panic(err)
		}
		if err := direct.Create(context.Background(), &policy); err != nil {
			fmt.Fprintln(os.Stderr, "create the policy of", file, err)
			return 1
		}
	}
	return m.Run()
}

// Clock is set by the test.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// Now implements reconciler.Clock.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Since implements reconciler.Clock.
func (c *Clock) Since(t time.Time) time.Duration { return c.Now().Sub(t) }

// Wait implements reconciler.Clock.
func (c *Clock) Wait(t time.Time) time.Duration { return max(0, t.Sub(c.Now())) }

// Advance lets time pass.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Present is an operator that is there since a time.
type Present struct{ SinceTime time.Time }

// PresentSince implements reconciler.Presence.
func (p *Present) PresentSince() time.Time { return p.SinceTime }

// Webhooks can be received, unless the secret of every app is missing.
type Webhooks struct {
	missing atomic.Bool
	changed atomic.Pointer[func()]
}

// Receives implements reconciler.Webhooks.
func (w *Webhooks) Receives(string) bool { return !w.missing.Load() }

// Subscribe implements reconciler.Webhooks.
func (w *Webhooks) Subscribe(changed func()) { w.changed.Store(&changed) }

// SetMissing says whether the secrets are missing.
func (w *Webhooks) SetMissing(missing bool) {
	w.missing.Store(missing)
	if changed := w.changed.Load(); changed != nil {
		(*changed)()
	}
}

// Bench is one test's namespace, clock and ledger, and what controllers work with. The test reconciles, so that each step is the test's
// own; see Manager for controllers that run by themselves.
type Bench struct {
	reconciler.Operator
	T         *testing.T
	Ctx       context.Context
	Namespace string
	FakeClock *Clock
	Recorder  *events.FakeRecorder
	Direct    client.Client // past the cache
	Message   int
	registry  *prometheus.Registry
	resources func() (*standing.Resources, error)
}

var (
	// Start is when the clock of every test begins.
	Start = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	// numbers gives every test phone numbers of its own: the API server is shared.
	numbersMu sync.Mutex
	numbers   = 15550200000
)

// NewNumber is a phone number that no other test has.
func NewNumber() string {
	numbersMu.Lock()
	defer numbersMu.Unlock()
	numbers++
	return fmt.Sprintf("+%d", numbers)
}

// New makes the bench of a test.
func New(t *testing.T) *Bench {
	t.Helper()
	b := &Bench{T: t, Ctx: t.Context(), FakeClock: &Clock{now: Start}, Recorder: events.NewFakeRecorder(1000), registry: prometheus.NewRegistry()}
	var err error
	if b.Direct, err = client.New(APIServer, client.Options{Scheme: Scheme}); err != nil {
		t.Fatal(err)
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}
	b.Must(b.Direct.Create(b.Ctx, namespace))
	b.Namespace = namespace.Name

	manager := b.Manager()
	b.Must(lookup.SetupIndexes(b.Ctx, manager.GetFieldIndexer()))
	book := ledger.OpenMemory()
	t.Cleanup(func() { _ = book.Close() })
	b.Operator = reconciler.Operator{
		Client: manager.GetClient(), Cache: manager.GetClient(), Policies: lookup.Policies{Reader: manager.GetClient(), Compiled: &standing.Policies{}},
		Clock: b.FakeClock, Real: testingclock.NewFakePassiveClock(Start), Ledger: book, Samples: usage.NewPrometheus(config.Prometheus{}),
		Receipts: receipts.New(), Presence: &Present{Start}, Webhooks: &Webhooks{}, Recorder: b.Recorder,
		Metrics: reconciler.NewMetrics(b.registry), Throttle: Unthrottled(), BatchPeriod: 10 * time.Millisecond, Concurrency: 1,
	}
	b.resources, err = standing.Watch(b.Ctx, manager.GetCache())
	b.Must(err)
	b.StartManager(manager)
	return b
}

// Manager makes a manager for controllers that run by themselves.
func (b *Bench) Manager() ctrl.Manager {
	b.T.Helper()
	manager, err := ctrl.NewManager(APIServer, ctrl.Options{
		Scheme: Scheme, Metrics: server.Options{BindAddress: "0"},
		Client:     client.Options{Cache: &client.CacheOptions{EnableReadYourWritesConsistency: new(true)}},
		Controller: managerconfig.Controller{SkipNameValidation: new(true)}, // several tests run the same controllers
	})
	b.Must(err)
	return manager
}

// StartManager runs the manager until the test ends.
func (b *Bench) StartManager(manager ctrl.Manager) {
	b.T.Helper()
	ctx, cancel := context.WithCancel(b.Ctx)
	done := make(chan error, 1)
	go func() { done <- manager.Start(ctx) }()
	b.T.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			b.T.Errorf("the manager: %v", err)
		}
	})
	if !manager.GetCache().WaitForCacheSync(ctx) {
		b.T.Fatal("the cache did not sync")
	}
}

// Must fails the test on an error.
func (b *Bench) Must(err error) {
	b.T.Helper()
	if err != nil {
		b.T.Fatal(err)
	}
}

// Create creates a number that is governed by a policy.
func (b *Bench) Create(policy string, change ...func(*v1alpha1.PhoneNumber)) *v1alpha1.PhoneNumber {
	b.T.Helper()
	number := &v1alpha1.PhoneNumber{
		ObjectMeta: metav1.ObjectMeta{Namespace: b.Namespace, GenerateName: "number-"},
		Spec:       v1alpha1.PhoneNumberSpec{PhoneNumber: NewNumber(), PolicyName: policy, Business: v1alpha1.Business{HumanEscalationPaths: []v1alpha1.HumanEscalationPath{v1alpha1.PhoneCall}}},
	}
	for _, c := range change {
		c(number)
	}
	// Through the consistent client, so that the cache knows of it.
	b.Must(b.Client.Create(b.Ctx, number))
	return number
}

// Reconcile reconciles a key as after a start, with nothing remembered.
func (b *Bench) Reconcile(key lookup.Key) (result ctrl.Result) {
	b.T.Helper()
	b.Within(fmt.Sprint(key, " is reconciled without a conflict"), func() bool {
		var err error
		result, err = (&fleet.Reconciler{Operator: b.Operator}).Reconcile(b.Ctx, key)
		b.Must(err)
		return result.RequeueAfter != 100*time.Millisecond // a conflict, while the cache does not have the last write yet
	})
	return result
}

// Evaluate reconciles the number once, with its portfolio if it names one, and reads it back from the API server.
func (b *Bench) Evaluate(number *v1alpha1.PhoneNumber) ctrl.Result {
	b.T.Helper()
	result := b.Reconcile(lookup.NumberKey(number))
	if name := number.Spec.Business.Portfolio; name != "" && result.RequeueAfter == 0 {
		result = b.Reconcile(lookup.PortfolioKey(name))
	}
	b.Must(b.Direct.Get(b.Ctx, client.ObjectKeyFromObject(number), number))
	return result
}

// KeysFor are the keys that are reconciled once something is received about a subject.
func (b *Bench) KeysFor(subject string) []lookup.Key {
	b.T.Helper()
	queue := &keys{}
	(&fleet.Reconciler{Operator: b.Operator}).Receive(b.Ctx, queue, subject)
	return queue.all
}

// keys is a queue that only keeps what is added, once.
type keys struct{ all []lookup.Key }

// Add implements the part of a queue that is needed.
func (k *keys) Add(key lookup.Key) {
	if !slices.Contains(k.all, key) {
		k.all = append(k.all, key)
	}
}

// Deliver records deliveries to n users who had none before, one a second up to now.
func (b *Bench) Deliver(number string, n int) {
	b.T.Helper()
	now := b.FakeClock.Now()
	var batch counts.Batch
	for i := range n {
		b.Message++
		batch.Entries = append(batch.Entries, counts.Entry{Number: number, Kind: counts.Delivered,
			User: counts.UserKey(b.Message), Message: counts.MessageKey(b.Message), At: now.Add(time.Duration(i-n+1) * time.Second).Unix()})
	}
	_, err := b.Ledger.Append(b.Ctx, batch, now)
	b.Must(err)
}

// Report records a report of now.
func (b *Bench) Report(subject string, kind report.Kind, value string) {
	b.T.Helper()
	now := b.FakeClock.Now()
	_, err := b.Ledger.Append(b.Ctx, counts.Batch{Reports: []report.Report{{Subject: report.ParseSubject(subject), Kind: kind, Value: value, At: now.Unix()}}}, now)
	b.Must(err)
}

// Metric is the value of a counter, of which the labels are given by name and value, in order.
func (b *Bench) Metric(name string, labels ...string) float64 {
	b.T.Helper()
	families, err := b.registry.Gather()
	b.Must(err)
	for _, family := range families {
		for _, m := range family.GetMetric() {
			var has []string
			for _, label := range m.GetLabel() {
				has = append(has, label.GetName(), label.GetValue())
			}
			if family.GetName() == name && slices.Equal(has, labels) {
				return m.GetCounter().GetValue()
			}
		}
	}
	return 0
}

// Reasons are the events that were recorded so far, without their sentences.
func (b *Bench) Reasons() []string {
	var reasons []string
	for {
		select {
		case event := <-b.Recorder.Events:
			reasons = append(reasons, strings.Fields(event)[1])
		default:
			return reasons
		}
	}
}

// History are the times and reasons of a number's transitions.
func History(number *v1alpha1.PhoneNumber) []string {
	var lines []string
	for _, t := range number.Status.History {
		lines = append(lines, t.Time.UTC().Format(time.DateTime)+" "+string(t.Reason))
	}
	return lines
}

// Eventually waits until what the API server has fits.
func (b *Bench) Eventually(number *v1alpha1.PhoneNumber, what string, fits func() bool) {
	b.T.Helper()
	if !rig.Eventually(b.Ctx, func() bool {
		b.Must(b.Direct.Get(b.Ctx, client.ObjectKeyFromObject(number), number))
		return fits()
	}) {
		b.T.Fatalf("not so within %s: %s; the status is %+v", rig.Patience, what, number.Status)
	}
}

// Within waits until it is so.
func (b *Bench) Within(what string, is func() bool) {
	b.T.Helper()
	if !rig.Eventually(b.Ctx, is) {
		b.T.Fatalf("not so within %s: %s", rig.Patience, what)
	}
}

// EvaluateUntil reconciles until it fits: a write past the cache takes the cache a moment.
func (b *Bench) EvaluateUntil(number *v1alpha1.PhoneNumber, fits func() bool) {
	b.T.Helper()
	if !rig.Eventually(b.Ctx, func() bool { b.Evaluate(number); return fits() }) {
		b.T.Fatalf("the status stays at %+v", number.Status)
	}
}

// Unthrottled writes every count at once, so that a test sees what there is.
func Unthrottled() *throttle.Throttle { return throttle.NewThrottle(0, math.Inf(1), clock.RealClock{}) }
