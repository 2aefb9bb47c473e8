package ledgertest

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
)

// Replicas know what the rounds of the log lead to, whoever proposes them and leads, whatever becomes of rounds on their way, and whenever
// a replica is cut off or starts again, from a snapshot or without one.
func replicasAgree(t *testing.T, empty func() Store) {
	t.Helper()
	rapid.Check(t, func(t *rapid.T) {
		c := newCluster(t, empty(), 3)
		c.network.disturbed(rapid.Uint64().Draw(t, "fates"))
		numbers, now := append(someNumbers(t), brazilian), begin
		var working sync.WaitGroup
		off := -1 // who is cut off
		mend := func() {
			if off >= 0 {
				c.replicas[off].connection.mend()
			}
			off = -1
			working.Wait()
		}
		for range rapid.IntRange(1, 15).Draw(t, "steps") {
			i := rapid.IntRange(0, len(c.replicas)-1).Draw(t, "replica")
			r := c.replicas[i]
			work := func(do func() error) {
				working.Go(func() {
					if err := do(); err != nil && !errors.Is(err, ledger.ErrFenced) {
						t.Error(err)
					}
				})
				if off < 0 {
					working.Wait()
				}
			}
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			case 0:
				mend()
				r.connection.cut()
				off = i
			case 1:
				mend()
			case 2:
				work(func() error { return r.Lead(t.Context()) })
			case 3:
				work(func() error { return r.Snapshot(t.Context()) })
			case 4:
				mend()
				must(t, r.Close())
				c.replicas[i] = c.open(t)
			case 5:
				now = now.Add(rapid.SampledFrom([]time.Duration{time.Second, time.Hour, 40 * 24 * time.Hour}).Draw(t, "on"))
				c.rules.SetTime(now)
			default:
				some, at := someRecord(t, numbers, now), now
				work(func() error { return give(r.Ledger, some, at) })
			}
		}
		mend()
		c.agree(t)
		c.close(t)
	})
}

// A round that comes a second time finds the machine as other rounds have left it since. It neither grants what was refused, nor sets what
// was replaced. A replica that started from a snapshot meanwhile knows that too.
func roundsCountOnce(t *testing.T, empty func() Store) {
	t.Helper()
	for _, restarted := range []bool{false, true} {
		c := newCluster(t, empty(), 2)
		leader, other := c.replicas[0], c.replicas[1]
		must(t, leader.Configure(counts.Settings{Senders: []counts.SenderSetting{{Number: number}}, Limits: []counts.LimitSetting{limitOf(1)}}))
		first, second := reserve(1), reserve(2)
		decide(t, other.Ledger, first, counts.Held)

		c.network.delaying()
		decide(t, other.Ledger, second, counts.Refused)
		must(t, leader.Configure(counts.Settings{Limits: []counts.LimitSetting{limitOf(2)}}))
		c.network.quiet()

		must(t, leader.Configure(counts.Settings{Limits: []counts.LimitSetting{limitOf(3)}}))
		first.Kind = counts.Release
		decide(t, other.Ledger, first, counts.Ended)
		if restarted {
			must(t, leader.Snapshot(t.Context()))
			must(t, other.Close())
			other = c.open(t)
			c.replicas[1] = other
		}
		late := c.network.all()
		must(t, leader.connection.appendAll(late))
		for _, r := range c.replicas {
			r.catchUp(t)
			held := r.Reserved(number, begin)
			if limit := r.Settings().Limits[0].Limit; len(late) == 0 || held != 0 || limit != 3 {
				t.Errorf("after %d rounds that came late %d users are held of a limit of %d", len(late), held, limit)
			}
		}
		c.agree(t)
		c.close(t)
	}
}

func limitOf(limit int64) counts.LimitSetting {
	return counts.LimitSetting{Subject: number, Limit: limit, Measure: measures[0], Window: 24 * time.Hour}
}

// reserve asks for a message to a user.
func reserve(user byte) counts.Operation {
	return counts.Operation{Kind: counts.Reserve, ID: counts.ReservationID{user}, Number: number, User: counts.UserKey(user), TTL: 600}
}

// decide has a ledger decide of an operation, as it must.
func decide(t *testing.T, l *ledger.Ledger, o counts.Operation, want counts.ReservationState) {
	t.Helper()
	decisions, err := l.Operate(t.Context(), []counts.Operation{o}, begin)
	must(t, err)
	if !slices.ContainsFunc(decisions, func(d counts.Decision) bool { return d.State == want }) {
		t.Fatalf("operation %+v is decided %+v, not %s", o, decisions, want)
	}
}
