package ledgertest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/report"
)

// Users who turn out to be one while a snapshot is between the rows that they are in are saved whole.
func usersJoinDuringASnapshot(t *testing.T, empty func() Store) {
	t.Helper()
	const pairs = 10_000
	l := open(t, empty())
	for _, second := range []int64{0, 1} {
		var batch counts.Batch
		for i := range pairs {
			for _, user := range []int{i, i + pairs} {
				batch.Entries = append(batch.Entries, counts.Entry{
					Number: number, Kind: counts.Delivered, User: counts.UserKey(user + 1), Message: counts.MessageKey(user + 1), At: begin.Unix() - second,
				})
			}
		}
		l.append(t, batch, begin)
	}
	joined := 0
	l.journal.row = func(int) error {
		var batch counts.Batch
		for range 100 {
			joined++
			batch.Entries = append(batch.Entries, counts.Entry{
				Number: number, Kind: counts.Received, User: counts.UserKey(joined), Alias: counts.UserKey(joined + pairs), At: begin.Unix() - 3*day,
			})
		}
		_, err := l.Append(context.Background(), batch, begin)
		return err
	}
	l.save(t)
	if joined < 200 {
		t.Fatalf("%d users were joined", joined)
	}
	l.survives(t, "after the snapshot")
	l.close(t)
}

// A snapshot while numbers grow, users are joined and what is over is forgotten saves each number as it was at one moment.
func snapshotsDuringAppends(t *testing.T, empty func() Store) {
	t.Helper()
	l := open(t, empty())
	var writing sync.WaitGroup
	var done atomic.Bool
	for w := range 2 {
		writing.Go(func() {
			defer done.Store(true)
			rng := rand.New(rand.NewPCG(uint64(w), 0)) //nolint:gosec // a test that is the same each time
			for i := range 150 {
				var batch counts.Batch
				for range 200 {
					user := counts.UserKey(1 + rng.IntN(40_000))
					e := counts.Entry{Number: fmt.Sprint("+1555", rng.IntN(3)), Kind: counts.Delivered, User: user, At: begin.Unix() - rng.Int64N(day)}
					e.Message = counts.MessageKey(rng.Uint64() | 1)
					switch rng.IntN(8) {
					case 0, 1:
						e.Alias = user + 100_000
					case 2, 3:
						e.User += 100_000
					}
					batch.Entries = append(batch.Entries, e)
				}
				batch.Reports = []report.Report{{Subject: report.ParseSubject("+15550"), Kind: report.Quality, At: begin.Unix(), Value: fmt.Sprint(w, i)}}
				if _, err := l.Append(context.Background(), batch, begin); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := 0; !done.Load(); i++ {
		if i%3 == 2 {
			l.journal.row = failAt(i % 20)
		}
		_ = l.Snapshot(context.Background())
		l.journal.row = nil
		started(t, l.store) // fails the test if a snapshot is not of one moment
	}
	writing.Wait()
	l.survives(t, "after all was appended")
	l = l.restart(t, true, 1)
	l.save(t)
	l.survives(t, "after a restart and a snapshot")
	l.close(t)
}
