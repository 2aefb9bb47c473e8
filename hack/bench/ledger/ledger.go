// Package ledger measures the ledger by itself, without HTTP: what a record and a count take, the memory and the disk of a
// user, how long a start takes and how long anything waits for a table to grow; beside a Go map and Redis.
package ledger

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"

	"numberfleet.dev/numberfleet/hack/bench/measure"
	"numberfleet.dev/numberfleet/hack/bench/redis"
	"numberfleet.dev/numberfleet/hack/bench/report"
)

const (
	numbers     = 20 // among which users are divided
	million     = 1_000_000
	bytesWanted = 24
	opensWanted = 5    // seconds, of 10 million users
	stallWanted = 60.0 // milliseconds
)

// Run measures it all.
func Run(ctx context.Context, b *measure.Bench) (report.Section, error) {
	section := report.Section{Title: "Ledger", Intro: intro, Notes: notes}
	var err error
	if section.Versions, err = redis.Find(ctx, b); err != nil {
		return report.Section{}, err
	}
	users := []int{million, 20 * million}
	if b.Short {
		users = []int{20_000}
	}
	if err := compare(ctx, b, &section, users, len(section.Versions) > 0); err != nil {
		return report.Section{}, err
	}
	if err := kinds(ctx, b, &section, users[0]); err != nil {
		return report.Section{}, err
	}
	if err := starts(ctx, b, &section, len(section.Versions) > 0); err != nil {
		return report.Section{}, err
	}
	return section, nil
}

const intro = `Each row is a process of its own. A record is a delivery to a random known user; one caller appends batches of 100. A count is of the
users of one number within 24 hours. The Go map has the last time of each user under a key of 8 bytes, so a count visits every user.
Redis has a sorted set per number; its times include the round trip on loopback.`

var notes = []string{
	"Counts are answered from memory; on disk there is a snapshot and a journal. Memory is the Go heap after a collection, or Redis' used_memory, minus the value without users.",
	"A stall is the longest time of a single record, for whatever reason, while a number gets its users one after the other.",
	"A start reads files from the page cache.",
}

// result is what a process measured of one store.
type result struct {
	Record float64 // nanoseconds
	Count  float64 // nanoseconds
	Memory float64 // bytes of a user
	Disk   float64 // bytes of a user, zero for none
	Stall  float64 // milliseconds
	Start  []float64
}

// samples are results of one store by round.
type samples struct{ record, count, memory, disk, stall measure.Samples }

func (s *samples) add(r result) {
	s.record = append(s.record, r.Record)
	s.count = append(s.count, r.Count)
	s.memory = append(s.memory, r.Memory)
	s.disk = append(s.disk, r.Disk)
	s.stall = append(s.stall, r.Stall)
}

// role runs this program to measure one store.
func role(ctx context.Context, b *measure.Bench, args ...string) (result, error) {
	out, err := measure.RunRole(ctx, Role, append(args, "--seed", strconv.FormatUint(b.Seed, 10))...)
	if err != nil {
		return result{}, err
	}
	var r result
	if err := json.Unmarshal(out, &r); err != nil {
		return result{}, fmt.Errorf("%s said %q: %w", Role, out, err)
	}
	return r, nil
}

// compare measures the stores beside each other.
func compare(ctx context.Context, b *measure.Bench, section *report.Section, sizes []int, withRedis bool) error {
	stores := []struct{ name, store string }{{"ledger, in memory", "memory"}, {"ledger, durable", "disk"}, {"Go map", "map"}}
	if withRedis {
		stores = append(stores, struct{ name, store string }{"Redis, everysec", "redis"})
	}
	table := report.Table{
		Title:   "By how many users there are",
		Columns: []string{"users", "store", "ns a record", "ns a count", "bytes of memory a user", "bytes on disk a user", "longest stall, ms"},
	}
	for _, users := range sizes {
		rounds := b.Rounds
		if users > million {
			rounds = 1 // minutes, and gibibytes
		}
		measured := make([]samples, len(stores))
		for round := range rounds {
			for i, s := range stores {
				folder := filepath.Join(b.Folder, fmt.Sprint(s.store, users, round))
				r, err := role(ctx, b, "--store", s.store, "--users", strconv.Itoa(users), "--folder", folder)
				if err != nil {
					return err
				}
				measured[i].add(r)
			}
		}
		for i, s := range stores {
			m := measured[i]
			b.Say("%s, %s users: %s ns a record, %s bytes", s.name, report.Whole(float64(users)), report.Whole(m.record.Median()), report.Decimal(m.memory.Median()))
			disk := "-"
			if m.disk.Highest() > 0 {
				disk = report.Cell(m.disk, report.Decimal)
			}
			stall := "-"
			if m.stall.Highest() > 0 {
				stall = report.Cell(m.stall, report.Decimal)
			}
			table.Add(report.Whole(float64(users)), s.name, report.Cell(m.record, report.Whole), report.Cell(m.count, report.Whole),
				report.Cell(m.memory, report.Decimal), disk, stall)
		}
		of := report.Whole(float64(users)) + " users"
		section.Goals = append(section.Goals,
			report.AtMost("bytes of memory a user, "+of, measured[0].memory, bytesWanted, report.Decimal),
			report.AtMost("longest stall while a table grows to "+of+", ms", measured[0].stall, stallWanted, report.Decimal))
	}
	section.Tables = append(section.Tables, table)
	return nil
}

// kinds measures the memory by what is known of users.
func kinds(ctx context.Context, b *measure.Bench, section *report.Section, users int) error {
	table := report.Table{
		Title:   "Memory by what is known of " + report.Whole(float64(users)) + " users, in bytes a user",
		Columns: []string{"users", "of numbers on their own", "of numbers that share a portfolio"},
	}
	for _, kind := range []struct {
		name  string
		flags []string
	}{
		{"one delivery each", nil},
		{"one delivery, and a message from the user", []string{"--inbound"}},
		{"one delivery, known by phone number and business-scoped id", []string{"--paired"}},
		{"four deliveries each", []string{"--deliveries", "4"}},
	} {
		row := []string{kind.name}
		paired := slices.Contains(kind.flags, "--paired")
		for _, group := range []bool{false, true} {
			var bytes measure.Samples
			for range b.Rounds {
				r, err := role(ctx, b, append([]string{"--store", "memory", "--memory-only", "--users", strconv.Itoa(users), "--group=" + strconv.FormatBool(group)}, kind.flags...)...)
				if err != nil {
					return err
				}
				bytes = append(bytes, r.Memory)
			}
			row = append(row, report.Cell(bytes, report.Decimal))
			if paired && !group {
				goal := report.AtMost("bytes of memory a user known under two keys", bytes, bytesWanted, report.Decimal)
				goal.Limit = pairLimit
				section.Goals = append(section.Goals, goal)
			}
		}
		table.Add(row...)
	}
	section.Tables = append(section.Tables, table)
	return nil
}

// pairLimit is what stands in the way of 24 bytes for a user with two keys.
const pairLimit = "the other key leads to the user by an entry of its own, 16 bytes in a table that is eight ninths full; its 50 bits and the place " +
	"of the user among a million would still take 7 bytes, on top of the 23 of a user with one key"

// starts measures how long it takes until counts are answered again.
func starts(ctx context.Context, b *measure.Bench, section *report.Section, withRedis bool) error {
	sizes := []int{million, 10 * million}
	if b.Short {
		sizes = []int{20_000}
	}
	table := report.Table{
		Title:   "Seconds from a start until counts are answered",
		Columns: []string{"users", "ledger, from a snapshot", "for a million users", "ledger, from the journal alone", "Redis, from a rewritten append-only file"},
	}
	for _, users := range sizes {
		of := []string{"--users", strconv.Itoa(users), "--starts", strconv.Itoa(b.Rounds)}
		folder := func(name string) []string {
			return []string{"--folder", filepath.Join(b.Folder, fmt.Sprint(name, users))}
		}
		saved, err := role(ctx, b, append(append([]string{"--store", "disk"}, of...), folder("starts")...)...)
		if err != nil {
			return err
		}
		journal, redisStart := "-", "-"
		if users <= million {
			r, err := role(ctx, b, append(append([]string{"--store", "disk", "--journal-only"}, of...), folder("journal")...)...)
			if err != nil {
				return err
			}
			journal = report.Cell(r.Start, report.Decimal)
		}
		if withRedis {
			r, err := role(ctx, b, append(append([]string{"--store", "redis"}, of...), folder("redis-starts")...)...)
			if err != nil {
				return err
			}
			redisStart = report.Cell(r.Start, report.Decimal)
		}
		each := measure.Samples(saved.Start).Median() * million / float64(users)
		table.Add(report.Whole(float64(users)), report.Cell(saved.Start, report.Decimal), report.Decimal(each), journal, redisStart)
		b.Say("%s users are back in %s s", report.Whole(float64(users)), report.Decimal(measure.Samples(saved.Start).Median()))
		if users == 10*million {
			section.Goals = append(section.Goals, report.AtMost("10,000,000 users are back, seconds", saved.Start, opensWanted, report.Decimal))
		}
	}
	section.Tables = append(section.Tables, table)
	return nil
}
