package ledger_test

import (
	"context"
	"fmt"
	"strings"
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

// boundedLog fails the test where a round is larger than a shared log takes.
type boundedLog struct {
	journal.Shared
	t *testing.T
}

func (j *boundedLog) Append(ctx context.Context, r *counts.Round) error {
	if n := len(r.AppendRow(nil)); n > 512<<10 {
		j.t.Errorf("a round of %d records has %d bytes", len(r.Records), n)
	}
	return j.Shared.Append(ctx, r)
}

// However long the texts are that come with what is recorded, no round is larger than a shared log takes: one that is would be refused, and with
// it whoever shares it.
func TestRoundsFitIntoASharedLog(t *testing.T) {
	clock := testingclock.NewFakeClock(begin)
	l, err := ledger.Open(&boundedLog{memory.NewLog().Open(), t}, ledger.Options{Clock: clock, Rules: clock})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Lead(t.Context()); err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 512)
	var batch counts.Batch
	var operations []counts.Operation
	var settings counts.Settings
	for i := range ledger.MostOperations {
		number := fmt.Sprintf("+1555%07d", i)
		batch.Reports = append(batch.Reports, report.Report{Subject: report.ParseSubject(number), Kind: report.DisplayName, At: begin.Unix(), Value: long, Reason: long + long})
		operations = append(operations, counts.Operation{
			Kind: counts.Reserve, ID: counts.ReservationID{byte(i), byte(i >> 8), 1}, Pool: "shop/" + long, User: 1, Template: counts.Template{Name: long, Language: long},
		})
	}
	for i := range 256 {
		pool := counts.PoolSetting{Name: fmt.Sprintf("shop/%d", i)}
		for n := range 400 {
			pool.Members = append(pool.Members, counts.PoolMember{Number: batch.Reports[n].Subject.String()})
		}
		settings.Pools = append(settings.Pools, pool)
		settings.Limits = append(settings.Limits, counts.LimitSetting{
			Subject: counts.PortfolioKey(long + fmt.Sprint(i)), Measure: v1alpha1.MeasureUniqueUsers, Window: time.Hour,
			Budgets: []counts.BudgetSetting{{Name: "a", Namespaces: []string{long, long, long}}},
		})
	}
	if _, err := l.Append(t.Context(), batch, begin); err != nil {
		t.Error(err)
	}
	if decisions, err := l.Operate(t.Context(), operations, begin); err != nil || len(decisions) != len(operations) || decisions[7].ID != operations[7].ID {
		t.Errorf("%d decisions of %d operations, %v", len(decisions), len(operations), err)
	}
	if err := l.Configure(settings); err != nil {
		t.Error(err)
	}
	if got := l.Settings(); len(got.Pools) != len(settings.Pools) || len(got.Limits) != len(settings.Limits) {
		t.Errorf("%d pools and %d limits are set", len(got.Pools), len(got.Limits))
	}
	for _, number := range batch.Reports {
		if got := l.Reports(number.Subject, 0); len(got) != 1 {
			t.Fatalf("%d reports of a number are known", len(got))
		}
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}
