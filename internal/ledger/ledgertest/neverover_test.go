package ledgertest

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
)

// Of senders that ask, and send nothing else than what is granted, at no instant are more users counted than the limit is, whatever becomes
// of their messages: they are delivered late, fail, are told of late, twice, out of order or under another name of the user, senders forget
// to confirm, and the machine is restored. No budget exceeds its maximum, nobody is refused what is guaranteed, no hold is lost, and none is
// left for good.
func TestSendersThatAskAreNeverOver(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		for range rapid.IntRange(10, 80).Draw(t, "steps") {
			w.pass(rapid.SampledFrom([]int64{0, 0, 1, 60, 600, 3600, 5 * 3600}).Draw(t, "on"))
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			case 0:
				w.receive(t)
			case 1:
				w.machine = again(t, w.machine)
			case 2:
				w.raise(t)
			default:
				w.reserve(t)
			}
			w.check(t)
		}
		w.end(t)
	})
}

// world is what senders, users and Meta do, and what the machine is told of it.
type world struct {
	machine   *counts.Machine
	now       int64 // Unix seconds
	names     bool  // both names of each user are known to be one from the start; else some are taken for two users
	numbers   []string
	setting   counts.LimitSetting
	messages  []*message
	due       []event        // what comes, in the order of its time
	delivered []counts.Entry // in truth
	received  []counts.Entry
	records   []string // for a test that fails
}

func (w *world) String() string { return strings.Join(w.records, "\n") }

// message is one that was granted.
type message struct {
	id     counts.ReservationID
	user   counts.UserKey // by the first name
	number string
	key    counts.MessageKey
	free   bool  // it holds nothing, for the user's window is open
	ended  bool  // the machine was told
	until  int64 // by when it ends by itself
}

type event struct {
	at int64
	do func()
}

const (
	worldUsers = 7
	otherName  = 100 // what is added to the key of a user
)

var worldPool = counts.PoolName(namespaces[1], "all")

func newWorld(t *rapid.T) *world {
	w := &world{machine: counts.NewMachine(), now: begin.Unix(), numbers: []string{number, "+15550100002", "+15550100003"}, names: rapid.Bool().Draw(t, "names")}
	w.setting = counts.LimitSetting{
		Subject: counts.PortfolioKey("p"), Limit: rapid.Int64Range(1, 4).Draw(t, "limit"), Window: 24 * time.Hour,
		Measure: rapid.SampledFrom([]v1alpha1.Measure{v1alpha1.MeasureUniqueUsers, v1alpha1.MeasureConversations}).Draw(t, "measure"),
		Budgets: []counts.BudgetSetting{
			{Name: "first", Categories: []counts.Category{counts.Marketing}, Guaranteed: someAmount(t), Maximum: someAmount(t)},
			{Name: "second", Namespaces: namespaces[1:], Guaranteed: someAmount(t), Maximum: someAmount(t)},
		}[:rapid.IntRange(0, 2).Draw(t, "budgets")],
	}
	w.apply(&counts.Record{
		Portfolios: []counts.Portfolio{{Name: "p", Numbers: w.numbers}},
		Settings: counts.Settings{Limits: []counts.LimitSetting{w.setting}, Senders: []counts.SenderSetting{
			{Number: w.numbers[0], Namespace: namespaces[0]}, {Number: w.numbers[1], Namespace: namespaces[1]}, {Number: w.numbers[2], Namespace: namespaces[1]},
		}, Pools: []counts.PoolSetting{somePoolSetting(t, worldPool, w.numbers)}},
	})
	for user := counts.UserKey(1); w.names && user <= worldUsers; user++ {
		for _, number := range w.numbers {
			w.apply(&counts.Record{Batch: counts.Batch{Entries: []counts.Entry{{Number: number, Kind: counts.AliasLinked, User: user, Alias: user + otherName, At: w.now}}}})
		}
	}
	return w
}

func (w *world) apply(r *counts.Record) counts.Applied {
	r.Clock = w.now * 1000
	applied := applyTo(w.machine, r)
	w.records = append(w.records, fmt.Sprintf("%s %+v: %+v", time.Unix(w.now, 0).Sub(begin), *r, applied.Decisions))
	return applied
}

// raise sets a higher limit. What is guaranteed of it grows by no more than it does.
func (w *world) raise(t *rapid.T) {
	w.setting.Limit += 2 * rapid.Int64Range(0, 1).Draw(t, "raise")
	w.apply(&counts.Record{Settings: counts.Settings{Limits: []counts.LimitSetting{w.setting}}})
}

// receive has a user write to a number. The machine hears of it later.
func (w *world) receive(t *rapid.T) {
	e := counts.Entry{Number: rapid.SampledFrom(w.numbers).Draw(t, "number"), Kind: counts.Received, User: someUser(t), At: w.now}
	w.received = append(w.received, e)
	w.tell(t, e, nil)
}

// at has something happen.
func (w *world) at(at int64, do func()) {
	i, _ := slices.BinarySearchFunc(w.due, at+1, func(e event, at int64) int { return cmp.Compare(e.at, at) })
	w.due = slices.Insert(w.due, i, event{at, do})
}

// pass has time pass, and what is due happen.
func (w *world) pass(seconds int64) {
	until := w.now + seconds
	for len(w.due) > 0 && w.due[0].at <= until {
		e := w.due[0]
		w.due, w.now = w.due[1:], max(w.now, e.at)
		e.do()
	}
	w.now = until
}

// tell has a webhook come once or twice, within three hours, by any name of the user or both.
func (w *world) tell(t *rapid.T, e counts.Entry, of *message) {
	for range rapid.IntRange(1, 2).Draw(t, "times") {
		told := e
		switch rapid.IntRange(0, 3).Draw(t, "name") {
		case 0:
			told.User += otherName
		case 1:
			told.Alias = told.User + otherName
		}
		w.at(e.At+rapid.SampledFrom([]int64{0, 1, 60, 10000}).Draw(t, "delay"), func() {
			if of != nil {
				of.ended = true
			}
			w.apply(&counts.Record{Batch: counts.Batch{Entries: []counts.Entry{told}}})
		})
	}
}

// close has a sender confirm or release.
func (w *world) close(at int64, m *message, kind counts.OperationKind) {
	w.at(at, func() {
		o := counts.Operation{Kind: kind, ID: m.id}
		if m.until = w.now + day; kind == counts.Confirm {
			o.Message = m.key
		} else {
			m.ended = true
		}
		w.apply(&counts.Record{Operations: []counts.Operation{o}})
	})
}

func someUser(t *rapid.T) counts.UserKey {
	return counts.UserKey(rapid.Uint64Range(1, worldUsers).Draw(t, "user"))
}

// reserve asks for a message, and decides what becomes of it if it is granted.
func (w *world) reserve(t *rapid.T) {
	user, ttl := someUser(t), rapid.SampledFrom([]int64{1, 600, 3600, day}).Draw(t, "ttl")
	m := &message{
		user: user, number: rapid.SampledFrom(w.numbers).Draw(t, "number"), key: counts.MessageKey(len(w.messages) + 1), until: w.now + ttl + day,
	}
	binary.BigEndian.PutUint64(m.id[:], uint64(m.key))
	o := counts.Operation{
		Kind: counts.Reserve, ID: m.id, Number: m.number, User: user + rapid.SampledFrom([]counts.UserKey{0, otherName}).Draw(t, "name"), TTL: uint32(ttl),
		Category: rapid.SampledFrom([]counts.Category{counts.Marketing, counts.Utility}).Draw(t, "category"),
	}
	if rapid.IntRange(0, 3).Draw(t, "from the pool") == 0 {
		o.Number, o.Pool = "", worldPool
	}
	before := w.machine.Budgets(w.setting.Subject, time.Unix(w.now, 0))
	d := w.apply(&counts.Record{Operations: []counts.Operation{o}}).Decisions[0]
	if !d.Granted() {
		for _, b := range before {
			if w.names && b.Name == d.Budget.Name && b.Used+b.Held < b.Guaranteed && d.Why == string(v1alpha1.RoomLimitReached) {
				t.Fatalf("a guaranteed place is refused: %+v, after\n%s", d, w)
			}
		}
		w.refusedUntil(t, o, d.Until-1)
		return
	}
	w.messages = append(w.messages, m)
	m.number, m.free = d.Number, d.Why == counts.InsideWindow
	sent := w.now + rapid.Int64Range(0, ttl-1).Draw(t, "sent")
	confirmed := sent + rapid.SampledFrom([]int64{0, 1, 100}).Draw(t, "confirm")
	e := counts.Entry{Number: m.number, Kind: counts.Delivered, User: user, Message: m.key, Category: o.Category, At: sent}
	switch rapid.IntRange(0, 9).Draw(t, "fate") {
	case 0: // the sender dies before it sends
		return
	case 1:
		w.close(confirmed, m, counts.Release)
		return
	case 2, 3: // it dies after that
	default:
		w.close(confirmed, m, counts.Confirm)
	}
	switch rapid.IntRange(0, 5).Draw(t, "outcome") {
	case 0: // nobody hears of it again
	case 1:
		e.Kind, e.Category = counts.Failed, counts.NoCategory
		w.tell(t, e, m)
	default:
		if !m.free { // a message inside of a window is there before it closes
			e.At += rapid.SampledFrom([]int64{0, 0, 60, 7200, 20 * 3600}).Draw(t, "delivered")
		}
		w.delivered = append(w.delivered, e)
		w.tell(t, e, m)
	}
}

// refusedUntil asks again, if by then nothing else happened: what is refused is not granted before it is said to be.
func (w *world) refusedUntil(t *rapid.T, o counts.Operation, last int64) {
	if last <= w.now {
		return
	}
	later := again(t, w.machine)
	d := applyTo(later, &counts.Record{Clock: last * 1000, Operations: []counts.Operation{o}}).Decisions[0]
	if d.State != counts.Refused {
		t.Fatalf("what was refused is granted at %s already: %+v, after\n%s", time.Unix(last, 0).Sub(begin), d, w)
	}
}

// check finds what is wrong by now.
func (w *world) check(t *rapid.T) {
	now := time.Unix(w.now, 0)
	for _, b := range w.machine.Budgets(w.setting.Subject, now) {
		if w.names && b.Maximum >= 0 && b.Used+b.Held > b.Maximum {
			t.Fatalf("a budget is over: %+v, after\n%s", b, w)
		}
	}
	used := w.machine.Count(w.setting.Subject, w.setting.Measure, now.Add(-w.setting.Window), now)
	if held := w.machine.Reserved(w.setting.Subject, now); w.names && used+held > w.setting.Limit {
		t.Fatalf("%d are used and %d held of %d, after\n%s", used, held, w.setting.Limit, w)
	}
	for _, m := range w.messages {
		if r, found := w.machine.Reservation(m.id); w.names && !m.ended && !m.free && w.now < m.until && (!found || r.State == counts.Ended) {
			t.Fatalf("the hold of message %d is lost: %+v, after\n%s", m.key, r, w)
		}
	}
}

// end looks at what was delivered in truth, and at what is left when all is over.
func (w *world) end(t *rapid.T) {
	truth := model{windows: counts.DefaultWindows, entries: slices.Concat(w.delivered, w.received)}
	for _, e := range w.delivered {
		times := truth.happened().times(truth.windows, e.At)[w.setting.Measure]
		if n := int64(len(within(times, e.At-day, e.At))); n > w.setting.Limit {
			t.Fatalf("%d are counted at %s, of a limit of %d, after\n%s", n, time.Unix(e.At, 0).Sub(begin), w.setting.Limit, w)
		}
	}
	w.pass(5 * day)
	w.apply(&counts.Record{})
	if holds := w.machine.Holds(w.setting.Subject, time.Unix(math.MaxInt32, 0)); holds.Open != 0 {
		t.Fatalf("holds are left: %+v, after\n%s", holds, w)
	}
}
