package counts

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"
)

func heapSize() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// Memory per tracked user of one number, everything included, at several numbers of users and spreads of their times.
func BenchmarkMemory(b *testing.B) {
	for _, spread := range []time.Duration{24 * time.Hour, 30 * 24 * time.Hour} {
		for _, users := range []int{1_000, 10_000, 100_000, 1_000_000, 3_000_000} {
			for _, inbound := range []bool{false, true} {
				b.Run(fmt.Sprintf("users=%d/spread=%s/inbound=%t", users, spread, inbound), func(b *testing.B) {
					for range b.N {
						before := heapSize()
						s := newNumberState(number, 0)
						// As they come: in order of time, many in some seconds and none in others.
						times := make([]uint32, users)
						for i := range times {
							times[i] = uint32(begin.Unix()) + rand.Uint32N(uint32(spread/time.Second))
						}
						slices.Sort(times)
						for i, at := range times {
							k := newKey(UserKey(i + 1))
							if inbound {
								s.record(event{kind: Received, user: k, at: at - 2*day})
							}
							s.record(event{kind: Delivered, user: k, fingerprint: uint32(i), at: at})
						}
						times = nil
						s.scratch, s.scratch2, s.before, s.after = history{}, history{}, samples{}, samples{}
						b.ReportMetric(float64(heapSize()-before)/float64(users), "B/user")
						runtime.KeepAlive(s)
					}
				})
			}
		}
	}
	b.Run("users=1000000/map", func(b *testing.B) {
		for range b.N {
			before := heapSize()
			m := map[uint64]uint32{}
			for i := range 1_000_000 {
				m[scatter(uint64(i))] = uint32(i)
			}
			b.ReportMetric(float64(heapSize()-before)/1e6, "B/user")
			runtime.KeepAlive(m)
		}
	})
}

// Time to record one event in memory, in a number with a million users, and the longest that any took.
func BenchmarkRecord(b *testing.B) {
	const users = 1_000_000
	for _, bench := range []struct {
		name  string
		event func(i int) event
	}{
		{"new user", func(i int) event {
			return event{kind: Delivered, user: newKey(UserKey(i + users + 1)), fingerprint: 1, at: uint32(begin.Unix()) + uint32(day+i/100)}
		}},
		{"random user", func(i int) event {
			return event{kind: Delivered, user: newKey(UserKey(rand.Uint64N(users) + 1)), fingerprint: uint32(i+users) & (1<<fingerprintBits - 1), at: uint32(begin.Unix()) + uint32(day+i/100)}
		}},
		{"late", func(i int) event {
			return event{kind: Delivered, user: newKey(UserKey(rand.Uint64N(users) + 1)), fingerprint: uint32(i+users) & (1<<fingerprintBits - 1), at: uint32(begin.Unix()) + rand.Uint32N(day)}
		}},
		{"repeated", func(i int) event {
			j := i % users
			return event{kind: Delivered, user: newKey(UserKey(j + 1)), fingerprint: uint32(j), at: uint32(begin.Unix()) + uint32(j%day)}
		}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			s := fillScope(users, func(i int) UserKey { return UserKey(i + 1) })
			var longest time.Duration
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				start := time.Now()
				s.record(bench.event(i))
				longest = max(longest, time.Since(start))
				i++
			}
			b.ReportMetric(float64(longest.Microseconds()), "longest-us")
		})
	}
}

// Time to count an entry in memory, of a random user whom a number knows, by how many come at once: a batch is about one of ten
// numbers, which have 100,000 users each.
func BenchmarkCount(b *testing.B) {
	const numbers, users = 10, 1_000_000
	for _, size := range []int{1, 100} {
		b.Run(fmt.Sprintf("batch=%d", size), func(b *testing.B) {
			l, names := fillGroup(numbers, users/numbers, false)
			entries := make([]Entry, size)
			b.ReportAllocs()
			id := users
			for b.Loop() {
				for i := range entries {
					id++
					n := id / size % numbers
					user := UserKey(n*users/numbers+rand.IntN(users/numbers)+1) << 1
					entries[i] = Entry{Number: names[n], Kind: Delivered, User: user, Message: MessageKey(id), At: begin.Unix() + day + int64(id/5000)}
				}
				applyOne(l.Machine, &Record{Clock: entries[0].At * 1000, Batch: Batch{Entries: entries}})
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*size), "ns/entry")
		})
	}
}

// fillGroup gives numbers with some users each of their own, who have two keys each where they are paired.
func fillGroup(numbers, users int, paired bool) (*applier, []string) {
	l := newApplier()
	names := make([]string, numbers)
	for i := range names {
		names[i] = fmt.Sprint("+1555010", i)
		var batch Batch
		for j := range users {
			user := UserKey(i*users+j+1) << 1
			e := Entry{Number: names[i], Kind: Delivered, User: user, Message: MessageKey(user), At: begin.Unix() + int64(j%day)}
			if paired {
				e.Alias = user | 1
			}
			batch.Entries = append(batch.Entries, e)
		}
		if _, err := l.Append(context.Background(), batch, begin.Add(24*time.Hour)); err != nil {
			panic(err)
		}
	}
	return l, names
}

// Time to record one event in memory for a number that is in a portfolio of a million users.
func BenchmarkRecordInGroup(b *testing.B) {
	const users = 1_000_000
	for _, numbers := range []int{0, 2, 20} {
		for name, user := range map[string]func(i, number int) UserKey{
			"new user": func(i, number int) UserKey { return UserKey(i+users+1) << 1 },
			"a user of the number": func(_, number int) UserKey {
				return UserKey(number*users/max(1, numbers)+rand.IntN(users/max(1, numbers))+1) << 1
			},
			"a user of any of the numbers": func(int, int) UserKey { return UserKey(rand.IntN(users)+1) << 1 },
		} {
			b.Run(fmt.Sprintf("numbers=%d/%s", numbers, name), func(b *testing.B) {
				l, names := fillGroup(max(1, numbers), users/max(1, numbers), false)
				if err := l.Group("g", names[:numbers]); err != nil {
					b.Fatal(err)
				}
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					number := i % len(names)
					l.number(names[number]).record(event{
						kind: Delivered, user: newKey(user(i, number)), fingerprint: uint32(i+users) & (1<<fingerprintBits - 1), at: uint32(begin.Unix()) + uint32(day+i/100),
					})
					i++
				}
			})
		}
	}
}

// Memory per user of numbers in a portfolio, and time to declare it.
func BenchmarkGroup(b *testing.B) {
	const users = 1_000_000
	for _, numbers := range []int{2, 20} {
		for _, paired := range []bool{false, true} {
			b.Run(fmt.Sprintf("numbers=%d/paired=%t", numbers, paired), func(b *testing.B) {
				for range b.N {
					b.StopTimer()
					none := heapSize()
					l, names := fillGroup(numbers, users/numbers, paired)
					alone := heapSize()
					b.StartTimer()
					if err := l.Group("g", names); err != nil {
						b.Fatal(err)
					}
					b.StopTimer()
					b.ReportMetric(float64(alone-none)/users, "B/user-alone")
					b.ReportMetric(float64(heapSize()-none)/users, "B/user")
				}
			})
		}
	}
}

// Time of a decision's questions, on a million deliveries over 30 days.
func BenchmarkQueries(b *testing.B) {
	l := newApplier()
	now := begin
	for i := range 1000 {
		var batch Batch
		for j := range 1000 {
			id := uint64(i*1000 + j + 1)
			batch.Entries = append(batch.Entries, Entry{Number: number, Kind: Delivered, User: UserKey(id), Message: MessageKey(id), At: begin.Unix() - rand.Int64N(30*day)})
		}
		if _, err := l.Append(context.Background(), batch, now); err != nil {
			b.Fatal(err)
		}
	}
	for _, window := range []time.Duration{24 * time.Hour, Kept} {
		b.Run(fmt.Sprintf("Count/%s", window), func(b *testing.B) {
			for b.Loop() {
				l.Count(number, Users, now.Add(-window), now)
			}
		})
		b.Run(fmt.Sprintf("FallsBelow/%s", window), func(b *testing.B) {
			for b.Loop() {
				l.FallsBelow(number, Users, window, 1000, now)
			}
		})
	}
}
