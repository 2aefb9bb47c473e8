package counts

import (
	"encoding/binary"
	"fmt"
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

// Reservations of which each ends after a second, as many come and go: of sixteen limits with 10,000 counted users each, in rounds of eighty; and the
// longest that a round took.
func BenchmarkReserveAndEnd(b *testing.B) {
	const numbers, users, round, perSecond = 16, 20_000, 80, 30_000
	m := NewMachine()
	at := time.Unix(1_760_000_000, 0).UnixMilli()
	var names [numbers]string
	for i := range names {
		names[i] = fmt.Sprint("+1555010", i)
		limit := LimitSetting{Subject: names[i], Limit: users, Measure: v1alpha1.MeasureUniqueUsers, Window: 24 * time.Hour, ReleaseUnconfirmed: true}
		r := &Record{Clock: at, Settings: Settings{Limits: []LimitSetting{limit}, Senders: []SenderSetting{{Number: names[i]}}}}
		for user := range users / 2 {
			r.Entries = append(r.Entries, Entry{Number: names[i], Kind: Delivered, User: UserKey(user+1) * 0x9e3779b97f4a7c15, Message: MessageKey(user + 1), At: at / 1000})
		}
		applyOne(m, r)
	}
	random := rand.New(rand.NewPCG(1, 2))
	one := func(i int) {
		r := Round{Records: make([]*Record, round)}
		for j := range r.Records {
			var id ReservationID
			binary.LittleEndian.PutUint64(id[:], random.Uint64())
			r.Records[j] = &Record{Clock: at + int64(i*round+j)*1000/perSecond, Operations: []Operation{{
				Kind: Reserve, ID: id, Number: names[random.IntN(numbers)], User: UserKey(random.IntN(users)+1) * 0x9e3779b97f4a7c15, TTL: 1, Category: Marketing,
			}}}
		}
		m.Apply(m.Position()+1, &r)
	}
	n := 0
	for ; n*round < perSecond; n++ {
		one(n)
	}
	var longest time.Duration
	b.ReportAllocs()
	for b.Loop() {
		start := time.Now()
		one(n)
		longest = max(longest, time.Since(start))
		n++
	}
	b.ReportMetric(float64(longest.Microseconds()), "longest-us")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*round), "ns/reservation")
}
