package counts

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// Reservations of a limit of 125,000, whose places are counted, for users of whom half have one.
func BenchmarkReserve(b *testing.B) {
	for _, budgets := range []string{"none", "two"} {
		b.Run("budgets="+budgets, func(b *testing.B) {
			const users = 125_000
			now := time.Unix(1_760_000_000, 0)
			m := NewMachine()
			set := LimitSetting{Subject: "+1", Limit: users + users/2, Measure: v1alpha1.MeasureUniqueUsers, Window: 24 * time.Hour}
			if budgets == "two" {
				set.Budgets = []BudgetSetting{{Name: "a", Categories: []Category{Marketing}, Maximum: Amount{Set: true, N: 80, Percent: true}},
					{Name: "b", Categories: []Category{Utility}, Guaranteed: Amount{Set: true, N: 10, Percent: true}}}
			}
			applyOne(m, &Record{Settings: Settings{Limits: []LimitSetting{set}, Senders: []SenderSetting{{Number: "+1"}}}})
			for i := range users {
				e := Entry{Number: "+1", Kind: Delivered, Category: Marketing, User: UserKey(i + 1), Message: MessageKey(i + 1), At: now.Unix() - 23*3600 + int64(i/2)}
				applyOne(m, &Record{Clock: now.UnixMilli(), Batch: Batch{Entries: []Entry{e}}})
			}
			random := rand.New(rand.NewPCG(1, 2))
			granted := 0
			for i := 0; b.Loop(); i++ {
				var id ReservationID
				binary.LittleEndian.PutUint64(id[:], uint64(i+1))
				o := Operation{Kind: Reserve, ID: id, Number: "+1", User: UserKey(1 + random.IntN(2*users)), TTL: 600, Category: Marketing}
				if d := applyOne(m, &Record{Clock: now.UnixMilli(), Operations: []Operation{o}}).Decisions[0]; d.Granted() {
					granted++
				}
			}
			b.ReportMetric(float64(granted)/float64(b.N), "granted")
		})
	}
}
