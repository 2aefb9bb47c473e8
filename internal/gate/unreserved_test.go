package gate_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/utils/clock"

	"numberfleet.dev/numberfleet/internal/gate"
	"numberfleet.dev/numberfleet/internal/gate/gatetest"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/ledger/journal"
	"numberfleet.dev/numberfleet/internal/ledger/journal/memory"
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/server/servertest"
)

// cut is a process's way to a log, which can be cut.
type cut struct {
	journal.Shared
	off atomic.Bool
}

func (c *cut) Append(ctx context.Context, r *counts.Round) error {
	for c.off.Load() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
	return c.Shared.Append(ctx, r)
}

// full is a disk that takes no more once it is full.
type full struct {
	journal.Journal
	is atomic.Bool
}

func (f *full) Append(ctx context.Context, r *counts.Round) error {
	if f.is.Load() {
		return errors.New("no space is left")
	}
	return f.Journal.Append(ctx, r)
}

// unready has gates whose ledgers cannot decide any more once fail is called.
var unready = map[string]func(t *testing.T) (l *ledger.Ledger, fail func()){
	"a log that is cut off": func(t *testing.T) (*ledger.Ledger, func()) {
		t.Helper()
		l, way := shared(t)
		return l, func() { way.off.Store(true) }
	},
	"a full disk": func(t *testing.T) (*ledger.Ledger, func()) {
		t.Helper()
		disk := &full{Journal: journal.Discard}
		l, err := ledger.Open(disk, ledger.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return l, func() { disk.is.Store(true) }
	},
	"a ledger that is closed": func(*testing.T) (*ledger.Ledger, func()) {
		l := ledger.OpenMemory()
		return l, func() { _ = l.Close() }
	},
}

// shared is a ledger that leads on a shared log, and its way there.
func shared(t *testing.T) (*ledger.Ledger, *cut) {
	t.Helper()
	way := &cut{Shared: memory.NewLog().Open()}
	l, err := ledger.Open(way, ledger.Options{Clock: clock.RealClock{}, Rules: clock.RealClock{}})
	if err == nil {
		err = l.Lead(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	return l, way
}

// logins lets login codes through, and nothing else.
var logins = counts.LimitSetting{Subject: gatetest.Number, Limit: 10, Budgets: []counts.BudgetSetting{
	{Name: "logins", Categories: []counts.Category{counts.Authentication}, AllowUnreserved: true},
}}

// login is a request for a login code.
func login(user int) gate.Request {
	r := to(user)
	r.Category = report.Authentication
	return r
}

// While the ledger cannot decide, a message goes out without a reservation where its budget says so or the user's window is open, and all
// others are asked to try again. It is counted, and told once. To confirm or to release what there is no reservation of changes nothing.
func TestWhileTheLedgerCannotDecideOnlyWhatIsAllowedGoesOut(t *testing.T) {
	for name, open := range unready {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, fail := open(t)
				d := &desk{Gate: gatetest.NewOn(t, l, 10, clock.RealClock{}), T: t}
				d.Configure(t, logins)
				if err := l.SetWindows(gatetest.Number, counts.Windows{Service: time.Minute, Conversation: 24 * time.Hour}); err != nil {
					t.Fatal(err)
				}
				d.Receive(t, "15550200001")
				wrote := d.Clock.Now()
				reply := to(1)
				reply.FreeForm = true
				fail()
				const refused = "503 Unavailable: reservations cannot be kept now"
				answers := d.reserve(shop, login(2), to(3), reply, login(4))
				d.expect(answers, "Unreserved Allowed", refused, "Unreserved InsideWindow", "Unreserved Allowed")
				if p := answers[1].Problem; p.RetryAfter != gate.RetryAfter || p.Type() != "https://numberfleet.dev/docs/gate#unavailable" {
					t.Errorf("the refusal is %+v", p)
				}
				for _, a := range []gate.Answer{answers[0], answers[2]} {
					if left := gate.Remaining(&a.Decision); left != 0 || a.NumberID != gatetest.NumberID || a.Decision.Expires == 0 {
						t.Errorf("%d remain of %+v", left, a)
					}
					confirmed, err := d.Confirm(t.Context(), shop, a.Decision.ID, "wamid.1")
					if err != nil || said(&confirmed) != "Unreserved " {
						t.Errorf("confirmed it is %q, %v", said(&confirmed), err)
					}
					if released, err := d.Release(t.Context(), shop, a.Decision.ID); err != nil || released.Problem != nil {
						t.Errorf("released it is %q, %v", said(&released), err)
					}
				}
				time.Sleep(d.Clock.Wait(wrote.Add(time.Minute))) // the window closes by the own clock
				d.expect(d.reserve(shop, reply), refused)

				want := `numberfleet_gate_decisions_total{state="Refused"}{why="Unavailable"} 2
numberfleet_gate_decisions_total{state="Unreserved"}{why="Allowed"} 2
numberfleet_gate_decisions_total{state="Unreserved"}{why="InsideWindow"} 1`
				if got := servertest.Counter(t, d.Metrics, "numberfleet_gate_decisions_total"); got != want {
					t.Errorf("it counts\n%s\nwant\n%s", got, want)
				}
				for _, want := range []string{
					"Warning MessagesUnreserved Allowed: messages are sent without a reservation, since reservations cannot be kept now; the limit may be exceeded",
					"Warning ReservationsRefused Unavailable: reservations cannot be kept now",
				} {
					if got := <-d.Recorder.Events; got != want {
						t.Errorf("it tells %q, want %q", got, want)
					}
				}
				if more := len(d.Recorder.Events); more != 0 {
					t.Errorf("it tells %d times more", more)
				}
			})
		})
	}
}

// A message that went out while the log was cut off may be decided later: then it is confirmed and released as any other.
func TestAMessageThatIsDecidedLaterIsConfirmedAndReleased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, way := shared(t)
		logs := &servertest.Logs{}
		g := gatetest.NewOn(t, l, 10, clock.RealClock{})
		service, err := gate.New(gate.Options{
			Ledger: l, Directory: g.Fleet, Clock: g.Clock, Real: clock.RealClock{}, Recorder: g.Recorder, Metrics: prometheus.NewRegistry(), Log: logs.Logger(),
		})
		if err != nil {
			t.Fatal(err)
		}
		g.Service = service
		d := &desk{Gate: g, T: t}
		d.Configure(t, logins)
		way.off.Store(true)
		answers := d.reserve(shop, login(1))
		d.expect(answers, "Unreserved Allowed")
		way.off.Store(false)
		time.Sleep(time.Second)
		if held := l.Reserved(gatetest.Number, d.Clock.Now()); held != 1 {
			t.Fatalf("later %d are held", held)
		}
		confirmed, err := d.Confirm(t.Context(), shop, answers[0].Decision.ID, "wamid.1")
		if err != nil || said(&confirmed) != "Confirmed " {
			t.Errorf("confirmed it is %q, %v", said(&confirmed), err)
		}
		if _, err := d.Release(t.Context(), shop, answers[0].Decision.ID); err != nil {
			t.Error(err)
		}
		if held := l.Reserved(gatetest.Number, d.Clock.Now()); held != 0 {
			t.Errorf("after the release %d are held", held)
		}
		d.expect(d.reserve(shop, login(1)), "Held Reserved")
		if got := logs.String(); strings.Count(got, "cannot be decided") != 1 || strings.Count(got, "decided again") != 1 || strings.Contains(got, "+1555") {
			t.Errorf("it logs %s", got)
		}
	})
}
