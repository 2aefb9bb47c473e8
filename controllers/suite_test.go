package controllers

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	applymetav1 "k8s.io/client-go/applyconfigurations/meta/v1"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	managerconfig "sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/yaml"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/config"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/receipts"
	"numberfleet.dev/numberfleet/internal/report"
)

// apiServer is a real one, with the CRDs and the shipped policies.
var (
	apiServer *rest.Config
	scheme    = runtime.NewScheme()
)

func TestMain(m *testing.M) { os.Exit(withAPIServer(m)) }

func withAPIServer(m *testing.M) int {
	ctrl.SetLogger(logr.Discard())
	env := &envtest.Environment{CRDDirectoryPaths: []string{filepath.Join("..", "config", "crd", "bases")}, ErrorIfCRDPathMissing: true}
	config, err := env.Start()
	if err != nil {
		fmt.Fprintln(os.Stderr, "start the API server:", err)
		return 1
	}
	defer func() { _ = env.Stop() }()
	apiServer = config
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		panic(err)
	}
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		panic(err)
	}
	direct, err := client.New(apiServer, client.Options{Scheme: scheme})
	if err != nil {
		panic(err)
	}
	files, err := filepath.Glob(filepath.Join("..", "config", "policies", "*.yaml"))
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

// fakeClock is set by the test.
type fakeClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *fakeClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}
func (c *fakeClock) Since(t time.Time) time.Duration { return c.Now().Sub(t) }
func (c *fakeClock) Wait(t time.Time) time.Duration  { return max(0, t.Sub(c.Now())) }
func (c *fakeClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// present is an operator that is there since a time.
type present struct{ since time.Time }

func (p *present) Since() time.Time { return p.since }

// bench is one test's namespace, clock, ledger and reconciler. The reconciler is called by the test, so that each step is
// the test's own; see manager for one that runs by itself.
type bench struct {
	*PhoneNumberReconciler
	t         *testing.T
	ctx       context.Context
	namespace string
	clock     *fakeClock
	recorder  *events.FakeRecorder
	direct    client.Client // past the cache
	message   int
}

var (
	start = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	// numbers gives every test phone numbers of its own: the API server is shared.
	numbersMu sync.Mutex
	numbers   = 15550200000
)

func newNumber() string {
	numbersMu.Lock()
	defer numbersMu.Unlock()
	numbers++
	return fmt.Sprintf("+%d", numbers)
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, ctx: t.Context(), clock: &fakeClock{now: start}, recorder: events.NewFakeRecorder(1000)}
	var err error
	if b.direct, err = client.New(apiServer, client.Options{Scheme: scheme}); err != nil {
		t.Fatal(err)
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}
	b.must(b.direct.Create(b.ctx, namespace))
	b.namespace = namespace.Name

	manager := b.manager()
	b.must(SetupIndexes(b.ctx, manager.GetFieldIndexer()))
	book := ledger.OpenMemory()
	t.Cleanup(func() { _ = book.Close() })
	b.PhoneNumberReconciler = &PhoneNumberReconciler{Operator{
		Client: manager.GetClient(), Cache: manager.GetClient(), Clock: b.clock, Ledger: book, Samples: NewSamples(config.Prometheus{}),
		Receipts: receipts.New(), Presence: &present{start}, Recorder: b.recorder,
		Metrics: NewMetrics(prometheus.NewRegistry()), Throttle: unthrottled(), BatchPeriod: 10 * time.Millisecond, Concurrency: 1,
	}}
	b.start(manager)
	return b
}

func (b *bench) manager() ctrl.Manager {
	b.t.Helper()
	manager, err := ctrl.NewManager(apiServer, ctrl.Options{
		Scheme: scheme, Metrics: server.Options{BindAddress: "0"},
		Client:     client.Options{Cache: &client.CacheOptions{EnableReadYourWritesConsistency: new(true)}},
		Controller: managerconfig.Controller{SkipNameValidation: new(true)}, // several tests run the same controllers
	})
	b.must(err)
	return manager
}

// start runs the manager until the test ends.
func (b *bench) start(manager ctrl.Manager) {
	b.t.Helper()
	ctx, cancel := context.WithCancel(b.ctx)
	done := make(chan error, 1)
	go func() { done <- manager.Start(ctx) }()
	b.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			b.t.Errorf("the manager: %v", err)
		}
	})
	if !manager.GetCache().WaitForCacheSync(ctx) {
		b.t.Fatal("the cache did not sync")
	}
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) create(policy string, change ...func(*v1alpha1.PhoneNumber)) *v1alpha1.PhoneNumber {
	b.t.Helper()
	number := &v1alpha1.PhoneNumber{
		ObjectMeta: metav1.ObjectMeta{Namespace: b.namespace, GenerateName: "number-"},
		Spec:       v1alpha1.PhoneNumberSpec{PhoneNumber: newNumber(), PolicyName: policy, Business: v1alpha1.Business{HumanEscalationPaths: []v1alpha1.HumanEscalationPath{v1alpha1.PhoneCall}}},
	}
	for _, c := range change {
		c(number)
	}
	// Through the consistent client, so that the cache knows of it.
	b.must(b.Client.Create(b.ctx, number))
	return number
}

// reconcile reconciles the number once and reads it back from the API server.
func (b *bench) reconcile(number *v1alpha1.PhoneNumber) ctrl.Result {
	b.t.Helper()
	result, err := b.Reconcile(b.ctx, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(number)})
	// A conflict, while the cache does not have the last write yet.
	for tries := 0; err == nil && result.RequeueAfter == 100*time.Millisecond && tries < 20; tries++ {
		time.Sleep(10 * time.Millisecond)
		result, err = b.Reconcile(b.ctx, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(number)})
	}
	b.must(err)
	b.must(b.direct.Get(b.ctx, client.ObjectKeyFromObject(number), number))
	return result
}

// deliver records deliveries to n users who had none before, one a second up to now.
func (b *bench) deliver(number string, n int) {
	b.t.Helper()
	now := b.clock.Now()
	var batch counts.Batch
	for i := range n {
		b.message++
		batch.Entries = append(batch.Entries, counts.Entry{Number: number, Kind: counts.Delivered,
			User: counts.UserKey(b.message), Message: counts.MessageKey(b.message), At: now.Add(time.Duration(i-n+1) * time.Second).Unix()})
	}
	_, err := b.Ledger.Append(b.ctx, batch, now)
	b.must(err)
}

func (b *bench) report(subject string, kind report.Kind, value string) {
	b.t.Helper()
	now := b.clock.Now()
	_, err := b.Ledger.Append(b.ctx, counts.Batch{Reports: []report.Report{{Subject: report.ParseSubject(subject), Kind: kind, Value: value, At: now.Unix()}}}, now)
	b.must(err)
}

// reasons are the events that were recorded so far, without their sentences.
func (b *bench) reasons() []string {
	var reasons []string
	for {
		select {
		case event := <-b.recorder.Events:
			reasons = append(reasons, strings.Fields(event)[1])
		default:
			return reasons
		}
	}
}

func history(number *v1alpha1.PhoneNumber) []string {
	var lines []string
	for _, t := range number.Status.History {
		lines = append(lines, t.Time.UTC().Format(time.DateTime)+" "+string(t.Reason))
	}
	return lines
}

// eventually waits until what the API server has fits.
func (b *bench) eventually(number *v1alpha1.PhoneNumber, what string, fits func() bool) {
	b.t.Helper()
	for range 600 {
		b.must(b.direct.Get(b.ctx, client.ObjectKeyFromObject(number), number))
		if fits() {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	b.t.Fatalf("not so within 30 s: %s; the status is %+v", what, number.Status)
}

// reconcileUntil reconciles until it fits: a write past the cache takes the cache a moment.
func (b *bench) reconcileUntil(number *v1alpha1.PhoneNumber, fits func() bool) {
	b.t.Helper()
	for range 100 {
		if b.reconcile(number); fits() {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	b.t.Fatalf("the status stays at %+v", number.Status)
}

func conditionApply(conditionType string, status metav1.ConditionStatus, reason string, now time.Time) *applymetav1.ConditionApplyConfiguration {
	return applymetav1.Condition().WithType(conditionType).WithStatus(status).WithReason(reason).WithMessage("").WithLastTransitionTime(metav1.NewTime(now))
}

// unthrottled writes every count at once, so that a test sees what there is.
func unthrottled() *Throttle { return NewThrottle(0, math.Inf(1), clock.RealClock{}) }
