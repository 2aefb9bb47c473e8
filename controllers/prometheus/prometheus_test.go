package prometheus

import (
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/fleet"
	"numberfleet.dev/numberfleet/controllers/internal/controllertest"
	"numberfleet.dev/numberfleet/controllers/internal/lookup"
	"numberfleet.dev/numberfleet/controllers/internal/usage"
	"numberfleet.dev/numberfleet/internal/config"
	"numberfleet.dev/numberfleet/internal/promquery/promtest"
	"numberfleet.dev/numberfleet/internal/scaledclock"
)

// The operator's own controllers, an API server, a Prometheus and what it scrapes: all real, but for the sender.
func TestANumberLivesByAPrometheus(t *testing.T) {
	b := controllertest.New(t)
	sender := promtest.NewSender(t)
	server := promtest.Start(t, "..", &promtest.Options{Targets: []string{strings.TrimPrefix(sender.URL, "http://")}})
	number := b.Create("quality-based") // 1,000 unique users within 24 h
	used := fmt.Sprintf("sent_users{number=%q}", strings.TrimPrefix(number.Spec.PhoneNumber, "+"))
	// A fraction, as increase() makes them.
	sender.Set(used, 998.2)

	manager := b.Manager()
	b.Must(lookup.SetupIndexes(b.Ctx, manager.GetFieldIndexer()))
	now := scaledclock.Real(clock.RealClock{})
	b.Samples = usage.NewPrometheus(config.Prometheus{PeriodSeconds: 1, Namespaces: []config.PrometheusNamespace{{
		Name: b.Namespace, URL: server.URL, Label: "number", Holds: config.HoldsPhoneNumber,
		Queries: config.PrometheusQueries{Used: "sent_users"},
	}}})
	b.Operator.Client, b.Operator.Clock = manager.GetClient(), now
	b.Must((&fleet.Reconciler{Operator: b.Operator}).SetupWithManager(manager))
	sampler := &Poller{Samples: b.Samples, Cache: manager.GetClient(), Policies: b.Policies, Clock: now, Metrics: NewMetrics(prometheus.NewRegistry())}
	b.Must(sampler.SetupWithManager(manager))
	b.StartManager(manager)

	s := &number.Status
	fresh := func(reason string) func() bool {
		return func() bool {
			c := meta.FindStatusCondition(s.Conditions, v1alpha1.ConditionUsageFresh)
			return c != nil && c.Reason == reason && (c.Status == metav1.ConditionTrue) == (reason == v1alpha1.ReasonSampled)
		}
	}
	b.Eventually(number, "used is rounded up, and marked", func() bool {
		return s.Usage.Used != nil && *s.Usage.Used == 999 && s.Usage.Source == v1alpha1.CountedByPrometheus && !s.Usage.SampledTime.IsZero() && fresh(v1alpha1.ReasonSampled)()
	})
	if s.State != v1alpha1.StateConnected || *s.Usage.Remaining != 1 {
		t.Errorf("with %d used it is %s", *s.Usage.Used, s.State)
	}

	sender.Set(used, 999.1)
	b.Eventually(number, "the limit is reached", func() bool { return s.State == v1alpha1.StateRestricted })
	if !s.Restriction.UntilTime.IsZero() || !s.Usage.RoomFreesTime.IsZero() {
		t.Errorf("nobody knows when there is room again, and it says %s and %s", s.Restriction.UntilTime, s.Usage.RoomFreesTime)
	}

	sender.Remove(used)
	b.Eventually(number, "the series is missed", fresh(v1alpha1.ReasonNoData))
	if s.State != v1alpha1.StateRestricted || *s.Usage.Used != 1000 {
		t.Errorf("without a series it is %s with %d used", s.State, *s.Usage.Used)
	}
	sender.Set(used, 10)
	b.Eventually(number, "there is room", func() bool {
		return s.State == v1alpha1.StateConnected && *s.Usage.Used == 10 && fresh(v1alpha1.ReasonSampled)()
	})

	server.Stop()
	b.Eventually(number, "the Prometheus is missed", fresh(v1alpha1.ReasonPrometheusUnreachable))
	server.Resume()
	b.Eventually(number, "the Prometheus is back", fresh(v1alpha1.ReasonSampled))

	patch := client.MergeFrom(number.DeepCopy())
	number.Spec.Usage.Queries.Used = "sum(sent_users"
	b.Must(b.Direct.Patch(b.Ctx, number, patch))
	b.Eventually(number, "the query is refused", fresh(v1alpha1.ReasonQueryFailed))
	if c := meta.FindStatusCondition(s.Conditions, v1alpha1.ConditionUsageFresh); !strings.Contains(c.Message, "parse error") {
		t.Errorf("the condition does not say what is wrong: %s", c.Message)
	}
	patch = client.MergeFrom(number.DeepCopy())
	number.Spec.Usage.Queries.Used = "scalar(sum(sent_users)) * 3"
	b.Must(b.Direct.Patch(b.Ctx, number, patch))
	b.Eventually(number, "its own query counts", func() bool { return *s.Usage.Used == 30 && fresh(v1alpha1.ReasonSampled)() })

	patch = client.MergeFrom(number.DeepCopy())
	number.Spec.Usage = v1alpha1.UsageSpec{Source: v1alpha1.UsageFromLedger}
	b.Must(b.Direct.Patch(b.Ctx, number, patch))
	b.Eventually(number, "the ledger counts", func() bool { return *s.Usage.Used == 0 && s.Usage.Source == v1alpha1.CountedHere })
}
