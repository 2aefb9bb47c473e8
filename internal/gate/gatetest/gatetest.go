// Package gatetest has a gate with a real ledger for tests of whoever asks it.
package gatetest

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"sigs.k8s.io/yaml"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/config/policies"
	"numberfleet.dev/numberfleet/internal/gate"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/server"
)

// The numbers of the fleet: of the namespaces shop and other, with Meta's ids.
const (
	Number    = "+15550100001"
	NumberID  = "106540352242922"
	Another   = "+15550100002" // in the namespace other
	AnotherID = "106540352242923"
	Account   = "102290129340398"
)

// Gate is a gate with all that is behind it.
type Gate struct {
	*gate.Service
	Fleet    *Fleet
	Ledger   *ledger.Ledger
	Clock    Clock
	Recorder *events.FakeRecorder
	Metrics  *prometheus.Registry
}

// New makes a gate whose number has a limit. Its clock may be one that stands still.
func New(t testing.TB, limit int64, real clock.WithTicker) *Gate {
	t.Helper()
	return NewOn(t, ledger.OpenMemory(), limit, real)
}

// NewOn makes a gate on a ledger, which is closed with the test.
func NewOn(t testing.TB, l *ledger.Ledger, limit int64, real clock.WithTicker) *Gate {
	t.Helper()
	g := &Gate{Fleet: NewFleet(t, limit), Ledger: l, Clock: Clock{real}, Recorder: events.NewFakeRecorder(100), Metrics: prometheus.NewRegistry()}
	t.Cleanup(func() { _ = g.Ledger.Close() })
	g.Configure(t, counts.LimitSetting{Subject: Number, Limit: limit})
	g.Configure(t, counts.LimitSetting{Subject: Another, Limit: limit})
	err := g.Ledger.Configure(counts.Settings{Senders: []counts.SenderSetting{{Number: Number, Namespace: "shop"}, {Number: Another, Namespace: "other"}}})
	if err == nil {
		g.Service, err = gate.New(gate.Options{Ledger: g.Ledger, Directory: g.Fleet, Clock: g.Clock, Real: real, Recorder: g.Recorder, Metrics: g.Metrics})
	}
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// Configure sets a limit of unique users in 24 hours.
func (g *Gate) Configure(t testing.TB, limit counts.LimitSetting) {
	t.Helper()
	limit.Measure, limit.Window = v1alpha1.MeasureUniqueUsers, 24*time.Hour
	if err := g.Ledger.Configure(counts.Settings{Limits: []counts.LimitSetting{limit}}); err != nil {
		t.Fatal(err)
	}
}

// Deliver records the delivery of a message to a user.
func (g *Gate) Deliver(t testing.TB, user, message string) {
	t.Helper()
	g.append(t, counts.Entry{Number: Number, Kind: counts.Delivered, User: g.Ledger.Hasher().User(user), Message: g.Ledger.Hasher().Message(message)})
}

// Receive records a message from a user.
func (g *Gate) Receive(t testing.TB, user string) {
	t.Helper()
	g.append(t, counts.Entry{Number: Number, Kind: counts.Received, User: g.Ledger.Hasher().User(user)})
}

func (g *Gate) append(t testing.TB, e counts.Entry) {
	t.Helper()
	now := g.Clock.Now()
	e.At = now.Unix()
	if _, err := g.Ledger.Append(t.Context(), counts.Batch{Entries: []counts.Entry{e}}, now); err != nil {
		t.Fatal(err)
	}
}

// Fleet is a directory.
type Fleet struct {
	Numbers    []*v1alpha1.PhoneNumber
	Templates  []*v1alpha1.MessageTemplate
	Portfolios []*v1alpha1.BusinessPortfolio
	Pools      []*v1alpha1.NumberPool
	Policy     v1alpha1.MessagingPolicy // of all numbers
	Err        error                    // what all answer

	mu sync.Mutex // guards the numbers once the fleet is asked by others
}

// NewFleet has the two numbers, of which the rules have concluded that they have a limit, zero for none, and can send.
func NewFleet(t testing.TB, limit int64) *Fleet {
	t.Helper()
	f := &Fleet{}
	manifest, _ := policies.Manifest("quality-based")
	if err := yaml.UnmarshalStrict(manifest, &f.Policy); err != nil {
		t.Fatal(err)
	}
	number := func(namespace, name, e164, id string) *v1alpha1.PhoneNumber {
		n := &v1alpha1.PhoneNumber{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
			Spec:       v1alpha1.PhoneNumberSpec{PhoneNumber: e164, PhoneNumberID: id, Business: v1alpha1.Business{WhatsAppBusinessAccountID: Account}},
		}
		n.Status.Conditions, n.Status.PolicyName = Ready, f.Policy.Name
		n.Status.Tier, n.Status.Connection.State = v1alpha1.TierStatus{Name: "1", Limit: limit}, v1alpha1.StateConnected
		return n
	}
	f.Numbers = []*v1alpha1.PhoneNumber{number("shop", "sales", Number, NumberID), number("other", "support", Another, AnotherID)}
	return f
}

// Ready are the conditions of a resource that the rules run for.
var Ready = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue}}

// Remove deletes the number of that name.
func (f *Fleet) Remove(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.Numbers = slices.DeleteFunc(f.Numbers, func(n *v1alpha1.PhoneNumber) bool { return n.Name == name })
}

// Number implements gate.Directory.
func (f *Fleet) Number(_ context.Context, number report.Subject) (*v1alpha1.PhoneNumber, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, n := range f.Numbers {
		if number == report.ParseSubject(n.Spec.PhoneNumber) || number == report.NumberIDSubject(n.Spec.PhoneNumberID) {
			return n, f.Err
		}
	}
	return nil, f.Err
}

// Sent implements gate.Directory.
func (f *Fleet) Sent(_ context.Context, namespace, account, template string) (sent []*v1alpha1.MessageTemplate, err error) {
	for _, t := range f.Templates {
		if t.Namespace == namespace && t.Spec.TemplateName == template && (account == "" || account == t.Spec.WhatsAppBusinessAccountID) {
			sent = append(sent, t)
		}
	}
	slices.SortFunc(sent, func(a, b *v1alpha1.MessageTemplate) int { return cmp.Compare(a.Spec.Language, b.Spec.Language) })
	return sent, f.Err
}

// NumberPool implements gate.Directory.
func (f *Fleet) NumberPool(_ context.Context, namespace, name string) (*v1alpha1.NumberPool, error) {
	for _, p := range f.Pools {
		if p.Namespace == namespace && p.Name == name {
			return p, f.Err
		}
	}
	return nil, f.Err
}

// BusinessPortfolio implements gate.Directory.
func (f *Fleet) BusinessPortfolio(_ context.Context, name string) (*v1alpha1.BusinessPortfolio, error) {
	for _, p := range f.Portfolios {
		if p.Name == name {
			return p, f.Err
		}
	}
	return nil, f.Err
}

// Caller may do all in its namespaces; in all of the cluster where one is "".
type Caller []string

// Allowed implements gate.Caller.
func (c Caller) Allowed(_ context.Context, p server.Permission) (bool, error) {
	return slices.Contains(c, "") || slices.Contains(c, p.Namespace), nil
}

// Identity implements gate.Caller.
func (c Caller) Identity() string { return "caller" }

// Clock is a clock of the rules that runs as another.
type Clock struct{ clock.PassiveClock }

// Wait implements gate.Clock.
func (c Clock) Wait(t time.Time) time.Duration { return max(0, t.Sub(c.Now())) }
