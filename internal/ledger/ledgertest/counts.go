package ledgertest

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"numberfleet.dev/numberfleet/internal/ledger/counts"
)

// All answers are those of the definitions, whatever the order, the batches and the repetitions, and whenever numbers join portfolios
// and leave them.
func countsFollowFromTheSet(t *testing.T, empty func() Store) {
	t.Helper()
	rapid.Check(t, func(t *rapid.T) {
		now := begin.Add(40*24*time.Hour + 30*time.Minute)
		since := now.Add(-counts.Kept - counts.Lateness)
		m := model{windows: someWindows(t)}
		spread := rapid.SampledFrom([]int64{2 * day, 10 * day, 40 * day}).Draw(t, "spread")
		people := rapid.Uint64Range(1, 6).Draw(t, "people")
		some := rapid.SampledFrom([]int{2, 12, 120}).Draw(t, "some")
		numbers := someNumbers(t)
		entries := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) counts.Entry {
			return someEntry(t, numbers, people, someTime(t, now.Unix()-spread, now.Unix()+3600))
		}), some, some).Draw(t, "entries")
		m.add(entries, now)

		again := rapid.SliceOfN(rapid.SampledFrom(entries), 0, 20).Draw(t, "again")
		shuffled := rapid.Permutation(slices.Concat(entries, again)).Draw(t, "order")

		l := open(t, empty())
		defer func() { _ = l.Close() }()
		shared := portfolios{}
		for i := range numbers {
			some := rapid.IntRange(0, len(shuffled)).Draw(t, "configured after")
			shared.change(t, l.Ledger, numbers)
			l.appendAll(t, shuffled[:some], now)
			shared.change(t, l.Ledger, numbers)
			shuffled = shuffled[some:]
			if rapid.Bool().Draw(t, "expire") {
				l.expire(t, now)
			}
			must(t, l.SetWindows(numbers[i], m.windows))
		}
		l.appendAll(t, shuffled, now)
		shared.compare(t, l.Ledger, &m, numbers, now, since, "appended")

		if got := l.appendAll(t, entries, now); got.New != 0 {
			t.Fatalf("of a repetition %d are new", got.New)
		}
		shared.compare(t, l.Ledger, &m, numbers, now, since, "repeated")
		l.expire(t, now)
		shared.compare(t, l.Ledger, &m, numbers, now, since, "expired")
	})
}

// appendAll appends entries in batches of some sizes.
func (o *opened) appendAll(t *rapid.T, entries []counts.Entry, now time.Time) (sum counts.Outcome) {
	for len(entries) > 0 {
		n := rapid.IntRange(1, len(entries)).Draw(t, "batch")
		got := o.append(t, counts.Batch{Entries: entries[:n]}, now)
		sum.New, sum.Repeated, sum.Expired = sum.New+got.New, sum.Repeated+got.Repeated, sum.Expired+got.Expired
		entries = entries[n:]
	}
	return sum
}

// Through weeks of events, snapshots that fail at any row, restarts and crashes, nothing that was appended is lost or counted twice.
func countsSurvive(t *testing.T, empty func() Store) {
	t.Helper()
	rapid.Check(t, func(t *rapid.T) {
		l := open(t, empty())
		defer func() { _ = l.Close() }()
		now := begin
		m := model{windows: someWindows(t)}
		numbers := someNumbers(t)
		for _, number := range numbers {
			must(t, l.SetWindows(number, m.windows))
		}
		shared := portfolios{}
		w := weeks{numbers: numbers}
		for range rapid.SampledFrom([]int{5, 30}).Draw(t, "steps") {
			switch rapid.IntRange(0, 8).Draw(t, "step") {
			case 0, 1, 2:
				entries := w.entries(t, &m, now)
				m.add(entries, now)
				l.appendAll(t, entries, now)
			case 3:
				now = now.Add(rapid.SampledFrom([]time.Duration{time.Hour, 20 * time.Hour, 100 * time.Hour, 30 * 24 * time.Hour, 120 * 24 * time.Hour}).Draw(t, "on"))
			case 4:
				l.expire(t, now)
			case 5:
				l.save(t)
			case 6:
				l.journal.row = failAt(rapid.IntRange(0, 4).Draw(t, "failing at"))
				_ = l.Snapshot(t.Context())
				l.journal.row = nil
			case 7:
				l = l.restart(t, rapid.Bool().Draw(t, "crash"), rapid.Uint64().Draw(t, "lost"))
			case 8:
				shared.change(t, l.Ledger, numbers)
			}
			shared.compare(t, l.Ledger, &m, numbers, now, now.Add(-counts.Kept), "step")
		}
	})
}

// weeks makes entries week after week.
type weeks struct {
	numbers []string
	message counts.MessageKey
}

// entries are new ones of the last week, and some of the last weeks once more.
func (w *weeks) entries(t *rapid.T, m *model, now time.Time) (entries []counts.Entry) {
	for range rapid.IntRange(1, 20).Draw(t, "entries") {
		// Users from 10 on have two keys. At the first number every event names both, in either order; the others know them by one each.
		e := counts.Entry{Number: rapid.SampledFrom(w.numbers).Draw(t, "number"), Kind: counts.Delivered, User: counts.UserKey(rapid.IntRange(1, 12).Draw(t, "user"))}
		e.At = someTime(t, now.Add(-counts.Lateness).Unix(), now.Unix())
		if e.User >= 10 && e.Number == number {
			e.Alias = e.User + 100
			if rapid.Bool().Draw(t, "swapped") {
				e.User, e.Alias = e.Alias, e.User
			}
		}
		switch rapid.IntRange(0, 7).Draw(t, "kind") {
		case 0, 1:
			e.Kind = counts.Received
		case 2:
			e.Kind = counts.Complained
			e.Complaint = someComplaint(t)
		case 3:
			e.Kind = rapid.SampledFrom([]counts.Kind{counts.Replied, counts.Failed}).Draw(t, "word")
		}
		if e.Kind != counts.Received {
			w.message++
			e.Message = w.message
		}
		someWord(t, &e)
		if e.Alias != 0 && rapid.IntRange(0, 3).Draw(t, "joins") == 0 {
			e.Kind, e.Complaint, e.Message, e.Reply, e.Category, e.Chat = counts.AliasLinked, 0, 0, false, 0, 0
		}
		entries = append(entries, e)
	}
	for range 5 {
		if len(m.entries) == 0 {
			break
		}
		e := rapid.SampledFrom(m.entries).Draw(t, "again")
		if e.At <= now.Add(-counts.Kept).Unix() || e.Kind == counts.Received {
			continue
		}
		e.At = min(now.Unix(), e.At+rapid.SampledFrom([]int64{0, 5, day}).Draw(t, "later"))
		// One status of a message may say what another does not, and be of it before it is delivered.
		if e.Kind == counts.Delivered || e.Kind == counts.Replied {
			e.Kind = rapid.SampledFrom([]counts.Kind{counts.Delivered, counts.Delivered, counts.Replied}).Draw(t, "kind")
			e.Reply, e.Category, e.Chat = false, counts.NoCategory, rapid.SampledFrom([]counts.ChatKey{0, e.Chat}).Draw(t, "chat")
			if e.Kind == counts.Delivered {
				e.Reply = rapid.IntRange(0, 3).Draw(t, "reply") == 0
			}
		}
		entries = append(entries, e)
	}
	return entries
}
