package counts

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// stickyModel is what a sticky pool goes by, from its definition.
type stickyModel struct {
	exchanged map[UserKey]map[string]int64 // when the last message was exchanged, by number
	written   map[UserKey]map[string]int64 // when the user wrote last
	held      map[UserKey][]heldFrom
	home      map[UserKey]string // of a user who is bound to nobody
}

type heldFrom struct {
	decision Decision
	at       int64
}

func at(of map[UserKey]map[string]int64, user UserKey) map[string]int64 {
	if of[user] == nil {
		of[user] = map[string]int64{}
	}
	return of[user]
}

// expected is the number that sends to a user; empty where nobody is bound to the user.
func (m *stickyModel) expected(user UserKey, now int64, numbers []PoolMember) string {
	type claim struct {
		ends, exchanged int64
		number          string
	}
	var best claim
	for _, n := range numbers {
		c := claim{number: n.Number, exchanged: max(m.exchanged[user][n.Number], m.written[user][n.Number])}
		if ends := m.written[user][n.Number] + 24*60*60; m.written[user][n.Number] > 0 && ends > now {
			c.ends = ends
		}
		for _, h := range m.held[user] {
			if h.decision.Number == n.Number && h.at+600+24*60*60 > now {
				c.exchanged = max(c.exchanged, h.at)
			}
		}
		if c.exchanged <= now-30*24*60*60 {
			continue
		}
		if cmp.Or(cmp.Compare(c.ends, best.ends), cmp.Compare(c.exchanged, best.exchanged)) > 0 {
			best = c
		}
	}
	return best.number
}

// No user is sent to by two numbers of a sticky pool while one of them exchanged a message with the user, or holds a reservation for the user,
// within 30 days and may send; the last one sends. Who is bound to nobody stays with the same number, or goes to one that came.
func TestStickyPoolsSendToAUserByOneNumber(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		d := newPoolDesk(t, 1_000_000, PoolSetting{Strategy: Sticky, Members: members(5)})
		pool := PoolSetting{Name: "shop/all", Members: members(4)}
		d.set(Settings{Pools: []PoolSetting{pool}})
		m := stickyModel{map[UserKey]map[string]int64{}, map[UserKey]map[string]int64{}, map[UserKey][]heldFrom{}, map[UserKey]string{}}
		message := MessageKey(0)
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			user := UserKey(rapid.IntRange(1, 3).Draw(rt, "user"))
			d.wait(time.Duration(rapid.SampledFrom([]int{1, 60, 60 * 60, 25 * 60 * 60, 20 * 24 * 60 * 60}).Draw(rt, "seconds")) * time.Second)
			now := d.now.Unix()
			m.held[user] = slices.DeleteFunc(m.held[user], func(h heldFrom) bool { return h.at+600+24*60*60 <= now })
			switch step := rapid.SampledFrom([]string{"reserve", "reserve", "reserve", "write", "deliver", "release", "join"}).Draw(rt, "step"); step {
			case "reserve":
				got, want := d.from(user), m.expected(user, now, pool.Members)
				if !got.Granted() || want != "" && got.Number != want {
					rt.Fatalf("user %d is sent to by %s (%s), want %s", user, got.Number, got.Why, want)
				}
				if home := m.home[user]; want == "" && home != "" && got.Number != home && got.Number != member(4) {
					rt.Fatalf("user %d went from %s to %s, which did not come", user, home, got.Number)
				}
				if want == "" {
					m.home[user] = got.Number
				}
				if got.Why != InsideWindow {
					m.held[user] = append(m.held[user], heldFrom{got, now})
				}
			case "write":
				number := member(rapid.IntRange(0, 3).Draw(rt, "number"))
				d.happen(number, Received, user, 0)
				at(m.written, user)[number] = now
			case "deliver", "release":
				if len(m.held[user]) == 0 {
					continue
				}
				h := m.held[user][0]
				m.held[user] = m.held[user][1:]
				if step == "release" {
					d.operate(Operation{Kind: Release, ID: h.decision.ID})
					continue
				}
				message++
				d.operate(Operation{Kind: Confirm, ID: h.decision.ID, Message: message})
				d.happen(h.decision.Number, Delivered, user, message)
				at(m.exchanged, user)[h.decision.Number] = now
			case "join":
				pool.Members = members(5)
				d.set(Settings{Pools: []PoolSetting{pool}})
			}
		}
	})
}

// However the limits differ, those who send by LeastUsed use them alike: to within 5 % of them, or one user.
func TestLeastUsedKeepsTheMembersAlikeWhateverTheirLimits(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		limits := rapid.SliceOfN(rapid.Int64Range(20, 400), 2, 6).Draw(rt, "limits")
		d := newPoolDesk(t, 1, PoolSetting{Strategy: LeastUsed, Members: members(len(limits))})
		for i, n := range limits {
			d.set(Settings{Limits: []LimitSetting{{Subject: member(i), Limit: n, Measure: v1alpha1.MeasureUniqueUsers, Window: 24 * time.Hour}}})
		}
		taken := map[string]int64{}
		for user := range UserKey(rapid.IntRange(10, 200).Draw(rt, "users")) {
			got := d.from(user + 1)
			if !got.Granted() {
				break // all are full
			}
			taken[got.Number]++
			if rapid.Bool().Draw(rt, "delivered") {
				d.happen(got.Number, Delivered, user+1, MessageKey(user+1))
			}
		}
		for i, n := range limits {
			for j, m := range limits { // taken/n - taken/m is at most 5 %
				if a, b := taken[member(i)], taken[member(j)]; 20*(a*m-b*n) > n*m {
					rt.Fatalf("of a limit of %d there are %d taken, and of one of %d only %d", n, a, m, b)
				}
			}
		}
	})
}

// What it costs that a pool chooses, beside a reservation of a number: the numbers of a pool have a million users together, and half of
// the users who are asked for are bound to one of them.
func BenchmarkReserveFromAPool(b *testing.B) {
	const numbers, users = 10, 100_000
	now := time.Unix(1_760_000_000, 0)
	m := NewMachine()
	var s Settings
	for i := range numbers {
		s.Senders = append(s.Senders, SenderSetting{Number: member(i), Namespace: "shop"})
		s.Limits = append(s.Limits, LimitSetting{Subject: member(i), Limit: 1_000_000, Measure: v1alpha1.MeasureUniqueUsers, Window: 24 * time.Hour})
	}
	for strategy, name := range []string{"sticky", "leastused", "weighted"} {
		p := PoolSetting{Name: "shop/" + name, Strategy: Strategy(strategy)}
		for i := range numbers {
			p.Members = append(p.Members, PoolMember{Number: member(i), Weight: 10})
		}
		s.Pools = append(s.Pools, p)
	}
	applyOne(m, &Record{Settings: s})
	for i := range numbers * users {
		e := Entry{Number: member(i % numbers), Kind: Delivered, User: UserKey(i + 1), Message: MessageKey(i + 1), At: now.Unix() - 23*3600 + int64(i/20)}
		applyOne(m, &Record{Clock: now.UnixMilli(), Batch: Batch{Entries: []Entry{e}}})
	}
	id := uint64(0)
	for _, from := range []string{"number", "sticky", "leastused", "weighted"} {
		b.Run(fmt.Sprint("from=", from), func(b *testing.B) {
			for b.Loop() {
				id++
				o := Operation{Kind: Reserve, User: UserKey(1 + id*7919%(2*numbers*users)), TTL: 600, Category: Marketing, Pool: "shop/" + from}
				if from == "number" {
					o.Number, o.Pool = member(int(id%numbers)), ""
				}
				binary.LittleEndian.PutUint64(o.ID[:], id)
				applyOne(m, &Record{Clock: now.UnixMilli(), Operations: []Operation{o}})
			}
		})
	}
}
