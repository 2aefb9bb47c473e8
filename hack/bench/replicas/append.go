package replicas

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"numberfleet.dev/numberfleet/internal/ledger/counts"

	"numberfleet.dev/numberfleet/hack/bench/measure"
	"numberfleet.dev/numberfleet/hack/bench/report"
)

// What takes batches, in the order of a round.
const (
	embedded = iota
	unapplied
	behind
	one
	three
)

const appenders = 64

// appends measures what ledgers append, and what the goals compare.
func (b *bench) appends(ctx context.Context, section *report.Section) error {
	kinds := [...]struct {
		name string
		open func(context.Context) (ledgers, error)
	}{
		embedded: {"embedded", b.embedded}, unapplied: {"acknowledged, not applied", b.unapplied}, behind: {"acknowledged, applied behind", b.behind},
		one: {"one replica", b.one}, three: {"three replicas", b.three},
	}
	sizes := [...]int{1, 100}
	var measured [len(kinds)][len(sizes)]runs
	for range b.Rounds {
		for k, kind := range kinds {
			all, err := kind.open(ctx)
			if err != nil {
				return err
			}
			err = fill(ctx, all[0], 0, b.users)
			for s, size := range sizes {
				if err == nil {
					err = b.append(ctx, fmt.Sprint(k, "-", size), all, size, &measured[k][s])
				}
			}
			if err := errors.Join(err, all.close()); err != nil {
				return fmt.Errorf("%s: %w", kind.name, err)
			}
		}
	}
	table := report.Table{
		Title:   fmt.Sprintf("Append with %d callers: statuses per second, times of a call in milliseconds, CPU per status in microseconds", appenders),
		Columns: []string{"batch", "ledger", "statuses/s", "of embedded", "p50", "p99", "CPU of nodes", "of replicas and callers"},
	}
	for s, size := range sizes {
		for k, kind := range kinds {
			m := &measured[k][s]
			b.Say("batches of %d, %s: %s statuses/s", size, kind.name, report.Whole(m.rate.Median()))
			table.Add(strconv.Itoa(size), kind.name, report.Cell(m.rate, report.Whole), report.Percent(measure.Ratios(m.rate, measured[embedded][s].rate).Median()),
				report.Decimal(m.p50.Median()), report.Decimal(m.p99.Median()), report.Decimal(m.servers.Median()), report.Decimal(m.own.Median()))
		}
	}
	section.Tables = append(section.Tables, table)
	applies := fmt.Sprintf("a status takes %s microseconds of CPU, nodes and all, and %s where it is not applied; by profile three quarters of what the "+
		"replica takes is to apply it, most of which waits for memory", report.Decimal(measured[one][1].cpu()), report.Decimal(measured[unapplied][1].cpu()))
	for _, goal := range []struct {
		what   string
		of, by int
		size   int
		wanted float64
		limit  string
	}{
		{"one status: share of the same rounds acknowledged and not applied", one, unapplied, 0, 0.85, ""},
		{"one status: share of the same rounds acknowledged and applied behind", one, behind, 0, 0.85, ""},
		{"batches of 100: share of the same rounds acknowledged and not applied", one, unapplied, 1, 0.85, applies},
		{"batches of 100: share of the same rounds acknowledged and applied behind", one, behind, 1, 0.85, applies},
		{"batches of 100, one replica: share of the embedded ledger", one, embedded, 1, 0.60, ""},
		{"batches of 100, three replicas: share of the embedded ledger", three, embedded, 1, 0.40, ""},
		{"one status, one replica: share of the embedded ledger", one, embedded, 0, 0.25, ""},
		{"one status, three replicas: share of the embedded ledger", three, embedded, 0, 0.15, ""},
	} {
		ratios := measure.Ratios(measured[goal.of][goal.size].rate, measured[goal.by][goal.size].rate)
		stated := report.AtLeast(goal.what, ratios, goal.wanted, report.Percent)
		stated.Limit = goal.limit
		section.Goals = append(section.Goals, stated)
	}
	return nil
}

// append measures batches of deliveries to known users, each of one number, as a webhook is.
func (b *bench) append(ctx context.Context, name string, to ledgers, size int, m *runs) error {
	return b.closedLoop(ctx, name, m, appenders, size, b.nodes(), func(ctx context.Context, i int, random *rand.Rand) error {
		now := time.Now()
		number := random.IntN(len(numbers))
		entries := make([]counts.Entry, size)
		for j := range entries {
			entries[j] = delivery(random.IntN(b.users/len(numbers))*len(numbers)+number, now, random)
		}
		_, err := to[i%len(to)].Append(ctx, counts.Batch{Entries: entries}, now)
		return err
	})
}
