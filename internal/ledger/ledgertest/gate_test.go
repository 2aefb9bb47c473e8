package ledgertest

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/report"
)

// Every operation is decided as the definitions say, and what is held, used and left of budgets is what they say, whatever came before:
// limits that rise and fall, budgets that change, portfolios that form and dissolve, users who turn out to be one, deliveries that are
// late, repeated or out of order. Which budget a place belongs to is compared where no users become one and no number changes its
// portfolio. A machine that is restored now and then decides the same.
func TestOperationsAreDecidedByTheDefinitions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := &generator{numbers: someNumbers(t), now: begin, model: newGateModel(counts.DefaultWindows), steady: rapid.Bool().Draw(t, "steady")}
		if !g.steady {
			g.numbers = append(g.numbers, report.NumberIDSubject("7001").String())
		}
		m, restored := counts.NewMachine(), counts.NewMachine()
		for position := range uint64(rapid.IntRange(5, 60).Draw(t, "records")) {
			r := g.record(t, position)
			g.records = append(g.records, r)
			want := g.model.apply(r)
			applied := applyTo(m, r)
			if other := applyTo(restored, r); !reflect.DeepEqual(other, applied) || state(restored) != state(m) {
				t.Fatalf("a restored machine has\n%+v\n%s, and the other\n%+v\n%s, after\n%s", other, state(restored), applied, state(m), g)
			}
			if rapid.IntRange(0, 5).Draw(t, "restore") == 0 {
				restored = again(t, restored)
			}
			got := applied.Decisions
			for i := range want {
				if a, b := compared(got[i], g.steady), compared(want[i], g.steady); !reflect.DeepEqual(a, b) {
					t.Fatalf("operation %+v of record %d is decided\n%+v, not\n%+v\n%s", r.Operations[i], position+1, a, b, g)
				}
			}
			g.compare(t, m)
		}
	})
}

// compared is a decision without when what is refused may be granted, and without what it was ended by.
func compared(d counts.Decision, budgets bool) counts.Decision {
	d.Until, d.Room.Guaranteed = 0, 0
	if d.State == counts.Ended {
		d = counts.Decision{ID: d.ID, State: d.State}
	}
	if !budgets || d.State == counts.Free && d.Why != counts.AlreadyCounted {
		d.Budget = counts.BudgetUse{}
	}
	return d
}

// compare compares what is held of every limit.
func (g *generator) compare(t *rapid.T, is *counts.Machine) {
	t.Helper()
	m := g.model
	at := time.Unix(m.now, 0)
	for _, subject := range append([]string{counts.PortfolioKey("one"), counts.PortfolioKey("two")}, g.numbers...) {
		l := m.limit(m.own(subject))
		if l.setting.Measure == "" {
			continue
		}
		own := m.own(subject) == m.owner(m.own(subject)) || m.portfolios[strings.TrimPrefix(subject, counts.PortfolioKey(""))] != nil
		if !own {
			l = &limitNow{} // its portfolio has the limit
		}
		if got, want := is.Reserved(subject, at), l.heldOnly(); got != want {
			t.Fatalf("of %s %d are held, not %d, after\n%s", subject, got, want, g)
		}
		if !g.steady || !own {
			continue
		}
		if got, want := is.Budgets(subject, at), l.uses(); !slices.Equal(got, want) {
			t.Fatalf("the budgets of %s are %+v, not %+v, after\n%s", subject, got, want, g)
		}
	}
	for _, r := range m.reservations {
		if got, found := is.Reservation(r.asked.ID); r.holds() && (!found || got.State == counts.Ended) {
			t.Fatalf("reservation %s is open and not held: %+v, after\n%s", r.asked.ID, got, g)
		}
	}
}

// generator makes records that meet each other.
type generator struct {
	numbers []string
	now     time.Time
	model   *gateModel
	records []*counts.Record
	made    int  // reservations
	steady  bool // no users become one, and numbers stay in their portfolios
}

const gateUsers = 6

func (g *generator) record(t *rapid.T, position uint64) *counts.Record {
	steps := []time.Duration{0, 0, 0, 30 * time.Millisecond, 700 * time.Millisecond, time.Second, time.Minute, 10 * time.Minute, time.Hour, 24*time.Hour - time.Second, 24 * time.Hour, -time.Hour}
	g.now = g.now.Add(rapid.SampledFrom(steps).Draw(t, "on"))
	r := &counts.Record{Clock: g.now.UnixMilli()}
	n := len(g.numbers)
	kind := rapid.IntRange(0, 11).Draw(t, "record")
	switch {
	case position == 0:
		if shared := rapid.IntRange(0, n).Draw(t, "shared"); shared > 0 {
			r.Portfolios = []counts.Portfolio{{Name: "one", Numbers: g.numbers[:shared]}}
		}
	case position == 1:
		for _, subject := range append([]string{counts.PortfolioKey("one"), counts.PortfolioKey("two")}, g.numbers...) {
			l := someLimit(t, subject, g.now)
			l.Obstacle = counts.Obstacle{}
			r.Limits = append(r.Limits, l)
		}
		for i, number := range g.numbers {
			r.Senders = append(r.Senders, counts.SenderSetting{Number: number, Namespace: namespaces[i%2]})
		}
	case kind == 0 && !g.steady && rapid.IntRange(0, 3).Draw(t, "claimed") == 0:
		r.Claims = []counts.Claim{{ID: "7001", Number: number}}
	case kind == 0 && !g.steady:
		r.Portfolios = []counts.Portfolio{{
			Name: rapid.SampledFrom([]string{"one", "two"}).Draw(t, "portfolio"), Numbers: slices.Sorted(slices.Values(rapid.SliceOfDistinct(rapid.SampledFrom(g.numbers), rapid.ID).Draw(t, "members"))),
		}}
	case kind == 1 && !g.steady && rapid.Bool().Draw(t, "windows"):
		windows := counts.Windows{Conversation: 24 * time.Hour, Service: rapid.SampledFrom([]time.Duration{time.Hour, 24 * time.Hour, 72 * time.Hour}).Draw(t, "service")}
		for _, number := range g.numbers {
			r.Windows = append(r.Windows, counts.NumberWindows{Number: number, Windows: windows})
		}
	case kind == 1:
		r.Settings = someSettings(t, g.numbers, g.now)
	case kind < 6:
		for range rapid.IntRange(1, 3).Draw(t, "entries") {
			r.Entries = append(r.Entries, g.entry(t))
		}
	default:
		for range rapid.IntRange(1, 3).Draw(t, "operations") {
			r.Operations = append(r.Operations, g.operation(t))
		}
	}
	g.settleBudgets(r)
	return r
}

// operation is about a new reservation, or one that is known, or about one that is not.
func (g *generator) operation(t *rapid.T) counts.Operation {
	o := someOperation(t, g.numbers, gateUsers)
	if o.Pool != "" { // which number that is, the model does not know
		o.Number, o.Pool = g.numbers[0], ""
	}
	known := rapid.IntRange(0, 5).Draw(t, "known")
	switch {
	case (known > 0) == (o.Kind != counts.Reserve) && len(g.model.reservations) > 0:
		o.ID = rapid.SampledFrom(g.model.reservations).Draw(t, "one").asked.ID
	case known > 0:
		g.made++
		o.ID = counts.ReservationID{byte(g.made >> 8), byte(g.made)}
	default:
		o.ID = counts.ReservationID{255}
	}
	if o.Kind == counts.Confirm {
		o.Message = someMessage(t, o.ID)
	}
	return o
}

// settleBudgets leaves budgets out, or has them always, and the same measure: it follows from entries alone for which message a user was
// counted.
func (g *generator) settleBudgets(r *counts.Record) {
	for i := range r.Limits {
		l := &r.Limits[i]
		if !g.steady {
			l.Budgets = nil
			continue
		}
		l.Removed, l.Window, l.Measure = false, 24*time.Hour, v1alpha1.MeasureUniqueUsers
		if l.Subject == number {
			l.Measure = v1alpha1.MeasureConversations
		}
		if len(l.Budgets) == 0 {
			l.Budgets = []counts.BudgetSetting{{Name: "all"}}
		}
	}
}

// entry is of any time, and often of a message of a reservation.
func (g *generator) entry(t *rapid.T) counts.Entry {
	at := g.now.Add(rapid.SampledFrom([]time.Duration{0, 0, -time.Second, -time.Minute, -23 * time.Hour, -24 * time.Hour, -48 * time.Hour, 30 * time.Minute}).Draw(t, "at"))
	e := someEntry(t, g.numbers, gateUsers, at.Unix())
	if g.steady && (e.Kind == counts.AliasLinked || e.Alias != 0) {
		e = counts.Entry{Number: e.Number, Kind: counts.Received, User: e.User, At: e.At}
	}
	if e.Kind == counts.Complained {
		e.Kind, e.Complaint = counts.Failed, 0
	}
	if open := g.model.reservations; len(open) > 0 && rapid.Bool().Draw(t, "of a reservation") {
		r := rapid.SampledFrom(open).Draw(t, "which")
		e.Number, e.User = r.asked.Number, r.asked.User
		if e.Message != 0 {
			e.Message = someMessage(t, r.asked.ID)
		}
	}
	return e
}

// String is the records, for a test that fails.
func (g *generator) String() string {
	var b strings.Builder
	for _, r := range g.records {
		fmt.Fprintf(&b, "%s %+v\n", time.UnixMilli(r.Clock).Sub(begin), *r)
	}
	return b.String()
}
