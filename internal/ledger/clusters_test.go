package ledger_test

import (
	"context"
	"testing"
	"time"

	testingclock "k8s.io/utils/clock/testing"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
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
