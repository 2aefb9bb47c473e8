package scaler_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	testingclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/cache/informertest"
	"sigs.k8s.io/yaml"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/rules"
	"numberfleet.dev/numberfleet/internal/scaler"
	pb "numberfleet.dev/numberfleet/internal/scaler/externalscaler"
	"numberfleet.dev/numberfleet/internal/server"
	"numberfleet.dev/numberfleet/internal/standing"
)

var start = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// fleet is what a scaler tells of: resources as the cache has them, and a ledger. It satisfies standing.Counts.
type fleet struct {
	t         testing.TB
	ledger    *ledger.Ledger
	informers informertest.FakeInformers
	clock     *fakeClock

	*standing.Resources
	policy v1alpha1.MessagingPolicy
	looks  atomic.Int64 // at what is used
}

// fakeClock is the clock of the rules, and of those who wait.
type fakeClock struct{ *testingclock.FakeClock }

func (c *fakeClock) Wait(t time.Time) time.Duration { return max(0, t.Sub(c.Now())) }

func newFleet(t testing.TB) *fleet {
	t.Helper()
	f := &fleet{t: t, ledger: ledger.OpenMemory(), clock: &fakeClock{testingclock.NewFakeClock(start)}}
	t.Cleanup(func() { _ = f.ledger.Close() })
	f.informers.Scheme = runtime.NewScheme()
	if err := v1alpha1.AddToScheme(f.informers.Scheme); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(filepath.Join("..", "..", "config", "policies", "meta-2025.yaml"))
	if err == nil {
		err = yaml.UnmarshalStrict(content, &f.policy)
	}
	if err != nil {
		t.Fatal(err)
	}
	f.Resources = standing.NewResources(&f.policy)
	return f
}

// Number implements standing.Counts.
func (f *fleet) Number(n *v1alpha1.PhoneNumber, policy *rules.Policy, now time.Time) standing.Used {
	return f.used(n.Spec.PhoneNumber, policy, now)
}

// Portfolio implements standing.Counts.
func (f *fleet) Portfolio(name string, _ []*v1alpha1.PhoneNumber, policy *rules.Policy, now time.Time) standing.Used {
	return f.used(counts.PortfolioKey(name), policy, now)
}

func (f *fleet) used(subject string, policy *rules.Policy, now time.Time) standing.Used {
	f.looks.Add(1)
	usage := rules.Exact{Counted: f.ledger.Usage(subject)}
	if policy == nil {
		return standing.Used{Usage: usage}
	}
	return standing.Used{Usage: usage, Now: new(rules.Used(policy, usage, now))}
}

// connected is a status of a number or portfolio that was evaluated at a limit.
func connected(limit int64) (common v1alpha1.CommonStatus, tier v1alpha1.TierStatus) {
	common.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue}}
	return common, v1alpha1.TierStatus{Name: "tier", Limit: limit}
}

// add adds a number of the namespace shop, or of a portfolio there.
func (f *fleet) add(name string, limit int64, portfolio string) {
	n := &v1alpha1.PhoneNumber{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, Labels: map[string]string{"name": name}}}
	n.Spec.PhoneNumber = fmt.Sprintf("+1555010%04d", len(f.Numbers.ListKeys()))
	n.Status.CommonStatus, n.Status.Tier = connected(limit)
	n.Status.PolicyName, n.Status.Quality.Rating = f.policy.Name, v1alpha1.QualityHigh
	n.Status.Portfolio, n.Status.Connection.State = portfolio, v1alpha1.StateConnected
	f.keep(f.Numbers.Add(n))
}

// addPortfolio adds a portfolio whose numbers are there.
func (f *fleet) addPortfolio(name string, limit int64) {
	p := &v1alpha1.BusinessPortfolio{ObjectMeta: metav1.ObjectMeta{Name: name}}
	p.Status.CommonStatus, p.Status.Tier = connected(limit)
	p.Status.PolicyName = f.policy.Name
	f.keep(f.Portfolios.Add(p))
	var members []string
	for _, n := range f.Sharing(name) {
		members = append(members, n.Spec.PhoneNumber)
	}
	f.keep(f.ledger.SetPortfolio(name, members))
}

func (f *fleet) keep(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// addPool adds a pool of the namespace shop.
func (f *fleet) addPool(name string, asked ...metav1.LabelSelectorRequirement) {
	f.keep(f.Pools.Add(&v1alpha1.NumberPool{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name},
		Spec:       v1alpha1.NumberPoolSpec{Selector: &metav1.LabelSelector{MatchExpressions: asked}},
	}))
}

// number is the one of that name.
func (f *fleet) number(name string) *v1alpha1.PhoneNumber {
	f.t.Helper()
	n, exists, err := f.Numbers.GetByKey("shop/" + name)
	if f.keep(err); !exists {
		f.t.Fatal("there is no number", name)
	}
	return n.(*v1alpha1.PhoneNumber)
}

// change changes the resource of a number, as the cache hears of it.
func (f *fleet) change(name string, change func(*v1alpha1.PhoneNumber)) {
	f.t.Helper()
	was := f.number(name)
	is := was.DeepCopy()
	change(is)
	f.keep(f.Numbers.Update(is))
	informer, err := f.informers.FakeInformerFor(f.t.Context(), is)
	f.keep(err)
	informer.Update(was, is)
}

// deliver has a number deliver to further users.
func (f *fleet) deliver(name string, users int) {
	f.t.Helper()
	number := f.number(name).Spec.PhoneNumber
	var batch counts.Batch
	for i := range users {
		id := fmt.Sprintf("%s %d %d", name, f.clock.Now().Unix(), i)
		batch.Entries = append(batch.Entries, counts.Entry{Number: number, Kind: counts.Delivered, At: f.clock.Now().Unix(),
			User: f.ledger.Hasher().User(id), Message: f.ledger.Hasher().Message(id)})
	}
	_, err := f.ledger.Append(f.t.Context(), batch, f.clock.Now())
	f.keep(err)
}

// serve serves a scaler, and returns a client of it and what the scaler counts.
func (f *fleet) serve(listener server.Listener, transport credentials.TransportCredentials) (pb.ExternalScalerClient, *prometheus.Registry) {
	f.t.Helper()
	registry := prometheus.NewRegistry()
	listener.Address = "127.0.0.1:0"
	serving, err := scaler.New(scaler.Options{
		Listener: listener, Standing: &standing.Source{Resources: func() (*standing.Resources, error) { return f.Resources, nil }, Counts: f, Compiled: &standing.Policies{}, Clock: f.clock}, Clock: f.clock, Real: f.clock,
		Ledger: f.ledger, Informers: &f.informers, Metrics: registry,
	})
	if err != nil {
		f.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(f.t.Context())
	var at net.Listener
	if at, err = serving.Listener.Listen(ctx); err != nil {
		f.t.Fatal(err)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- serving.Serve(ctx, at) }()
	for !f.clock.HasWaiters() { // until it hears of time that passes
		time.Sleep(time.Millisecond)
	}
	connection, err := grpc.NewClient(at.Addr().String(), grpc.WithTransportCredentials(transport))
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() {
		cancel()
		if err := <-stopped; err != nil {
			f.t.Error(err)
		}
		_ = connection.Close()
	})
	return pb.NewExternalScalerClient(connection), registry
}

func (f *fleet) client() pb.ExternalScalerClient {
	f.t.Helper()
	c, _ := f.serve(server.Listener{}, insecure.NewCredentials())
	return c
}
