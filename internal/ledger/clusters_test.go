package ledger_test

import (
	"context"
	"testing"
	"time"

	testingclock "k8s.io/utils/clock/testing"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/ledger/journal"
	"numberfleet.dev/numberfleet/internal/ledger/journal/memory"
	"numberfleet.dev/numberfleet/internal/report"
)

// Clusters that share a log have namespaces, pools and templates of their own, though they have the same names: who reserves from a pool gets a
// number of the own cluster, and what is in the way of a template there is in the way of no other.
func TestClustersHavePoolsAndTemplatesOfTheirOwn(t *testing.T) {
	log, clock := memory.NewLog(), testingclock.NewFakeClock(begin)
	ledgers := map[string]*ledger.Ledger{}
	numbers := map[string]string{"east": "+15550100001", "west": "+15550100002"}
	template := report.TemplateSubject("1", "code", "en_US")
	for cluster, number := range numbers {
		l, err := ledger.Open(log.Open(), ledger.Options{Clock: clock, Rules: clock, Cluster: cluster})
		if err != nil {
			t.Fatal(err)
		}
		ledgers[cluster] = l
		if err := l.Lead(t.Context()); err != nil {
			t.Fatal(err)
		}
		paused := counts.TemplateSetting{Name: counts.TemplateName("shop", template.String())}
		if cluster == "east" {
			paused.Obstacle.Reason = v1alpha1.RoomTemplatePaused
		}
		settings := counts.Settings{
			Senders:   []counts.SenderSetting{{Number: number, Namespace: "shop", Account: "1"}},
			Limits:    []counts.LimitSetting{{Subject: number, Limit: 10, Measure: v1alpha1.MeasureUniqueUsers, Window: time.Hour, AllowUnreserved: true}},
			Pools:     []counts.PoolSetting{{Name: counts.PoolName("shop", "all"), Members: []counts.PoolMember{{Number: number}}}},
			Templates: []counts.TemplateSetting{paused},
		}
		for range 2 { // the second time there is nothing to set
			if err := l.Configure(settings); err != nil {
				t.Fatal(err)
			}
		}
	}
	for cluster, l := range ledgers {
		if err := l.CatchUp(t.Context(), begin); err != nil {
			t.Fatal(err)
		}
		if s := l.Settings(); len(s.Pools) != 1 || s.Pools[0].Name != counts.PoolName("shop", "all") || len(s.Templates) != 1 {
			t.Errorf("of the settings of cluster %s there are %d pools and %d templates", cluster, len(s.Pools), len(s.Templates))
		}
		pooled := counts.Operation{Kind: counts.Reserve, ID: counts.ReservationID{1, cluster[0]}, Pool: counts.PoolName("shop", "all"), User: 1}
		if d := l.Unreserved(&pooled, begin); d.State != counts.Unreserved || d.Number != numbers[cluster] {
			t.Errorf("without a reservation, from the pool of cluster %s it is %+v", cluster, d)
		}
		templated := counts.Operation{Kind: counts.Reserve, ID: counts.ReservationID{2, cluster[0]}, Number: numbers[cluster], User: 1, Template: counts.Template{Name: "code", Language: "en_US"}}
		decisions, err := l.Operate(context.Background(), []counts.Operation{pooled, templated}, begin)
		if err != nil {
			t.Fatal(err)
		}
		if d := decisions[0]; d.State != counts.Held || d.Number != numbers[cluster] {
			t.Errorf("the decision about the pool of cluster %s is %+v", cluster, d)
		}
		if d := decisions[1]; (d.Why == string(v1alpha1.RoomTemplatePaused)) != (cluster == "east") {
			t.Errorf("the decision about the template of cluster %s is %+v", cluster, d)
		}
	}
	for _, l := range ledgers {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A ledger that leaves the log of several clusters is set by whoever has it then. In another log each cluster has what it had.
func TestALedgerLeavesTheLogOfItsClusters(t *testing.T) {
	log, clock := memory.NewLog(), testingclock.NewFakeClock(begin)
	limit := func(n int64) counts.Settings {
		return counts.Settings{Limits: []counts.LimitSetting{{Subject: counts.PortfolioKey("acme"), Limit: n, Measure: v1alpha1.MeasureUniqueUsers, Window: time.Hour}}}
	}
	open := func(j journal.Journal, cluster string) *ledger.Ledger {
		l, err := ledger.Open(j, ledger.Options{Clock: clock, Rules: clock, Cluster: cluster})
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Lead(t.Context()); err != nil {
			t.Fatal(err)
		}
		return l
	}
	east := open(log.Open(), "east")
	if err := east.Configure(limit(10)); err != nil {
		t.Fatal(err)
	}
	if err := east.Close(); err != nil {
		t.Fatal(err)
	}
	folder, other := memory.New(), memory.NewLog()
	for _, to := range []journal.Journal{folder, other.Open()} {
		if _, err := ledger.Copy(t.Context(), to, 0, log.Open()); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		is   *ledger.Ledger
		want int64
	}{{open(folder, ""), 5}, {open(other.Open(), "west"), 10}} {
		if err := test.is.Configure(limit(5)); err != nil {
			t.Fatal(err)
		}
		if got := test.is.Settings().Limits[0].Limit; got != test.want {
			t.Errorf("the limit is %d, not %d", got, test.want)
		}
		if err := test.is.Close(); err != nil {
			t.Error(err)
		}
	}
}
