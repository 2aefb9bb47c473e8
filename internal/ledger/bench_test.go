package ledger_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/ledger/journal/pebble"
)

func openDir(dir string, options ledger.Options) (*ledger.Ledger, error) {
	store, err := pebble.Open(dir, pebble.Options{})
	if err != nil {
		return nil, err
	}
	return ledger.Open(store, options)
}

func deliveries(next *atomic.Uint64, numbers, users, n int) []counts.Entry {
	entries := make([]counts.Entry, n)
	for i := range entries {
		id := next.Add(1)
		entries[i] = counts.Entry{
			Number: fmt.Sprint("+1555010", id/100%uint64(numbers)), Kind: counts.Delivered, User: counts.UserKey(rand.Uint64N(uint64(users)) + 1),
			Message: counts.MessageKey(id), At: begin.Unix() + int64(id/2000),
		}
	}
	return entries
}

// Entries per second made durable and counted where all numbers are in groups, by numbers in each.
func BenchmarkAppendInGroups(b *testing.B) {
	for _, size := range []int{0, 2, 20} {
		b.Run(fmt.Sprintf("numbers=%d", size), func(b *testing.B) {
			l, err := openDir(b.TempDir(), ledger.Options{})
			if err != nil {
				b.Fatal(err)
			}
			for i := 0; size > 0 && i < 20; i += size {
				var names []string
				for j := range size {
					names = append(names, fmt.Sprint("+1555010", i+j))
				}
				if err := l.SetPortfolio(fmt.Sprint(i), names); err != nil {
					b.Fatal(err)
				}
			}
			var next atomic.Uint64
			b.SetParallelism(64 / runtime.GOMAXPROCS(0))
			const batch = 100
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					entries := deliveries(&next, 20, 1_000_000, batch)
					now := time.Unix(entries[batch-1].At, 0)
					if _, err := l.Append(context.Background(), counts.Batch{Entries: entries}, now); err != nil {
						b.Error(err)
					}
				}
			})
			b.ReportMetric(batch*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
			b.StopTimer()
		})
	}
}

// Entries per second made durable and counted, by batch size and callers.
func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{1, 10, 100, 1000} {
		for _, callers := range []int{1, 64} {
			b.Run(fmt.Sprintf("batch=%d/callers=%d", size, callers), func(b *testing.B) {
				l, err := openDir(b.TempDir(), ledger.Options{})
				if err != nil {
					b.Fatal(err)
				}
				var next atomic.Uint64
				b.ReportAllocs()
				b.SetParallelism(max(1, callers/runtime.GOMAXPROCS(0)))
				one := func() {
					entries := deliveries(&next, 16, 1_000_000, size)
					now := time.Unix(entries[len(entries)-1].At, 0)
					if _, err := l.Append(context.Background(), counts.Batch{Entries: entries}, now); err != nil {
						b.Error(err)
					}
				}
				if callers == 1 {
					for b.Loop() {
						one()
					}
				} else {
					b.RunParallel(func(pb *testing.PB) {
						for pb.Next() {
							one()
						}
					})
				}
				b.ReportMetric(float64(size)*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
				b.StopTimer()
			})
		}
	}
}

// Time to open a ledger, by users that the last snapshot has or that are in the journal only.
func BenchmarkOpen(b *testing.B) {
	for _, bench := range []struct {
		users, numbers int
		saved          bool
	}{{1_000_000, 10, true}, {1_000_000, 10, false}, {10_000_000, 100, true}} {
		b.Run(fmt.Sprintf("users=%d/saved=%t", bench.users, bench.saved), func(b *testing.B) {
			dir := b.TempDir()
			l, err := openDir(dir, ledger.Options{JournalBytes: 1 << 40})
			if err != nil {
				b.Fatal(err)
			}
			for i := 0; i < bench.users; i += 10_000 {
				var batch counts.Batch
				for j := range 10_000 {
					id := uint64(i + j + 1)
					batch.Entries = append(batch.Entries, counts.Entry{
						Number: fmt.Sprint("+1555010", i/10_000%bench.numbers), Kind: counts.Delivered, User: counts.UserKey(id), Message: counts.MessageKey(id),
						At: begin.Unix() - rand.Int64N(30*day),
					})
				}
				if _, err := l.Append(context.Background(), batch, begin); err != nil {
					b.Fatal(err)
				}
			}
			if bench.saved {
				start := time.Now()
				if err := l.Snapshot(context.Background()); err != nil {
					b.Fatal(err)
				}
				b.Logf("the snapshot took %s", time.Since(start))
			}
			for b.Loop() {
				l, err := openDir(dir, ledger.Options{})
				if err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				if n := len(l.Numbers()); n != bench.numbers {
					b.Fatal(n)
				}
				l = nil
				runtime.GC()
				b.StartTimer()
			}
		})
	}
}
