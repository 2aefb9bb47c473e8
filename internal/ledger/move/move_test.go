package move

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	"k8s.io/utils/clock"
	testingclock "k8s.io/utils/clock/testing"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/hack/rig"
	"numberfleet.dev/numberfleet/hack/rig/nats"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/ledger/journal"
	"numberfleet.dev/numberfleet/internal/ledger/journal/jetstream"
	"numberfleet.dev/numberfleet/internal/ledger/journal/pebble"
)

// server is one that all tests share. Each has an instance of its own.
var server *nats.Cluster

// asMover makes the test binary move a ledger: its value is the way, the folder, the server and the instance.
const asMover = "NUMBERFLEET_TEST_AS_MOVER"

func TestMain(m *testing.M) {
	if what := strings.Fields(os.Getenv(asMover)); len(what) == 4 {
		way := In
		if what[0] == "out" {
			way = Out
		}
		fmt.Println("it begins")
		if _, err := way(context.Background(), options(what[1], what[2], what[3])); err != nil && !errors.Is(err, ErrDone) {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(nats.WithOne(func(c *nats.Cluster) int {
		server = c
		return m.Run()
	}))
}

var (
	secret = [16]byte{7}
	logs   atomic.Int64
)

func instance() string { return fmt.Sprint("move-", logs.Add(1)) }

func options(folder, url, instance string) Options {
	return Options{
		Folder: folder, Secret: secret, Clock: clock.RealClock{}, Log: jetstream.Options{
			Servers: []string{url}, Instance: instance, Fingerprint: counts.NewHasher(secret).Fingerprint(), Replicas: 1, AllowUnsynced: true,
		},
	}
}

func embedded(t *testing.T, o Options) *ledger.Ledger {
	t.Helper()
	store, err := pebble.Open(o.Folder, pebble.Options{Secret: o.Secret})
	must(t, err)
	return open(t, store, ledger.Options{})
}

// replica is one that leads. It has a clock that stands still, by which nothing takes too long, however slow the machine.
func replica(t *testing.T, o Options) *ledger.Ledger {
	t.Helper()
	return replicaOn(t, o, testingclock.NewFakeClock(now))
}

func replicaOn(t *testing.T, o Options, clock clock.WithTicker) *ledger.Ledger {
	t.Helper()
	log, err := jetstream.Open(t.Context(), o.Log)
	must(t, err)
	l := open(t, log, ledger.Options{Clock: clock})
	must(t, l.Lead(t.Context()))
	return l
}

// insist repeats what a replica cannot do for now, as its callers do: a slow machine may stand still for longer than ledger.MaximumAge.
func insist(t *testing.T, do func() error) {
	t.Helper()
	err := do()
	for errors.Is(err, ledger.ErrUnavailable) {
		must(t, rig.Sleep(t.Context(), 10*time.Millisecond))
		err = do()
	}
	must(t, err)
}

func isError(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, j journal.Journal, o ledger.Options) *ledger.Ledger {
	t.Helper()
	o.Secret, o.Rules = secret, clock.RealClock{}
	l, err := ledger.Open(j, o)
	must(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// now is of the log's server, which runs on real time.
var now = clock.RealClock{}.Now()

const number, portfolio, limit = "+15550100001", "harbour", 1000

// deliver appends deliveries to users of their own, each of whom a message from another number may have reached. It says how many were new.
func deliver(t *testing.T, l *ledger.Ledger, from, until int) int {
	t.Helper()
	var b counts.Batch
	for user := from; user < until; user++ {
		b.Entries = append(b.Entries, counts.Entry{
			Number: number, Kind: counts.Delivered, User: l.Hasher().User(fmt.Sprint(user)), Message: l.Hasher().Message(fmt.Sprint(user)), At: now.Unix() - int64(user%3600),
		})
	}
	var outcome counts.Outcome
	insist(t, func() (err error) {
		outcome, err = l.Append(t.Context(), b, now)
		return err
	})
	return outcome.New
}

// reserve reserves a place for a user, and says what was decided.
func reserve(t *testing.T, l *ledger.Ledger, user int) counts.Decision {
	t.Helper()
	id := counts.ReservationID{1, byte(user >> 8), byte(user)}
	operation := counts.Operation{Kind: counts.Reserve, ID: id, Number: number, User: l.Hasher().User(fmt.Sprint(user)), TTL: 600}
	var decisions []counts.Decision
	insist(t, func() (err error) {
		decisions, err = l.Operate(t.Context(), []counts.Operation{operation}, now)
		return err
	})
	return decisions[0]
}

// used is how many users the portfolio has reached.
func used(l *ledger.Ledger) int64 {
	return l.Count(counts.PortfolioKey(portfolio), v1alpha1.MeasureUniqueUsers, now.Add(-24*time.Hour), now)
}

// interrupt has a process move the ledger that is killed, each time later after it began than before, until it has ended by itself: by a step, and
// by an eighth where that is more, so that it ends soon on a slow machine too.
func interrupt(t *testing.T, way string, o Options, step time.Duration) {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	after := time.Duration(0)
	for kills := 0; ; kills++ {
		process := exec.Command(self)
		process.Env = append(os.Environ(), fmt.Sprintf("%s=%s %s %s %s", asMover, way, o.Folder, o.Log.Servers[0], o.Log.Instance))
		process.Stderr = os.Stderr
		begins, err := process.StdoutPipe()
		must(t, err)
		must(t, process.Start())
		_, err = begins.Read(make([]byte, 1)) // a process needs longer to start than most moves take
		must(t, err)
		kill := time.AfterFunc(after, func() { _ = process.Process.Kill() })
		after += max(step, after/8)
		err = process.Wait()
		kill.Stop()
		if err == nil {
			t.Logf("the ledger was moved %s after %d kills", way, kills)
			return
		}
		if process.ProcessState.Exited() {
			t.Fatalf("the ledger is not moved %s", way)
		}
	}
}

// A ledger is moved from a folder to a log and back, by a process that is killed at any moment and started again. All that was acknowledged is
// known each time, and counts once if it comes again; what is held is held, and who leads sets what the gate decides by.
func TestThereAndBack(t *testing.T) {
	for name, anew := range map[string]bool{"to a new folder": true, "to the folder that it is from": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // each waits for moves that are killed, and has a log of its own
			o := options(t.TempDir()+"/ledger", server.URL(), instance())
			l := embedded(t, o)
			must(t, l.SetPortfolio(portfolio, []string{number}))
			settings := counts.Settings{
				Limits:  []counts.LimitSetting{{Subject: counts.PortfolioKey(portfolio), Limit: limit, Measure: v1alpha1.MeasureUniqueUsers, Window: 24 * time.Hour}},
				Senders: []counts.SenderSetting{{Number: number}},
			}
			must(t, l.Configure(settings))
			deliver(t, l, 0, 300)
			must(t, l.Snapshot(t.Context()))
			deliver(t, l, 300, 500)
			for user := 500; user < 700; user++ {
				if d := reserve(t, l, user); d.State != counts.Held {
					t.Fatalf("a reservation is answered with %+v", d)
				}
			}
			must(t, l.Close())

			knows := func(l *ledger.Ledger, delivered, held int) {
				t.Helper()
				if n := used(l); n != int64(delivered) {
					t.Errorf("%d users are counted, want %d", n, delivered)
				}
				if n := deliver(t, l, 0, delivered); n != 0 {
					t.Errorf("%d deliveries count again that came again", n)
				}
				granted := 0
				for user := delivered + held; user < delivered+held+limit && granted <= limit; user++ {
					if reserve(t, l, user).State != counts.Held {
						break
					}
					granted++
				}
				if granted != limit-delivered-held {
					t.Errorf("%d places are granted, where %d are counted and %d held of %d", granted, delivered, held, limit)
				}
			}

			interrupt(t, "in", o, 10*time.Millisecond)
			l = replica(t, o)
			if n := used(l); n != 500 {
				t.Errorf("500 users were reached, and the log knows %d", n)
			}
			if n := deliver(t, l, 200, 600); n != 100 {
				t.Errorf("%d of 100 new deliveries are new", n)
			}
			settings.Limits[0].AllowUnreserved = true
			must(t, l.Configure(settings))
			must(t, l.Close())

			if anew {
				o.Folder = t.TempDir() + "/new"
			}
			interrupt(t, "out", o, 300*time.Millisecond)
			l = embedded(t, o)
			settings.Limits[0].AllowUnreserved = false
			must(t, l.Configure(settings))
			knows(l, 600, 100)
			must(t, l.Close())
			knows(embedded(t, o), 600, limit-600)
		})
	}
}

// At each moment the folder or the log is the ledger, or none: what is not is refused, with what to do.
func TestOneOfThemIsTheLedger(t *testing.T) {
	t.Parallel()
	into := func(o Options) error { _, err := In(t.Context(), o); return err }
	out := func(o Options) error { _, err := Out(t.Context(), o); return err }
	o := options(t.TempDir()+"/ledger", server.URL(), instance())
	isError(t, "a folder that is not there", into(o), pebble.ErrNone)
	l := embedded(t, o)
	deliver(t, l, 0, 10)
	must(t, l.Close())

	other := o
	other.Secret, other.Log.Fingerprint = [16]byte{8}, "other"
	isError(t, "another secret", into(other), ErrSecret)
	isError(t, "a log that is not there", out(o), jetstream.ErrRefused)
	begun := o
	begun.Log.Instance = instance()
	must(t, replica(t, begun).Close())
	isError(t, "a log that was begun", into(begun), jetstream.ErrBegun)
	must(t, embedded(t, o).Close())

	held := o.Log
	held.Moving = jetstream.In
	log, err := jetstream.Open(t.Context(), held)
	must(t, err)
	must(t, log.Close())
	waits, cancel := context.WithCancel(t.Context())
	waiting := o.Log
	waiting.Log = funcr.New(func(string, string) { cancel() }, funcr.Options{})
	_, err = jetstream.Open(waits, waiting)
	isError(t, "a log that a ledger is being moved into", err, context.Canceled)
	isError(t, "out of a log that a ledger is being moved into", out(o), jetstream.ErrRefused)

	must(t, into(o))
	_, err = pebble.Open(o.Folder, pebble.Options{})
	isError(t, "a folder that was moved", err, pebble.ErrMoved)
	isError(t, "again", into(o), ErrDone)
	other = o
	other.Log.Instance = instance()
	isError(t, "to another log", into(other), pebble.ErrMoved)

	replicaTime, moveTime := testingclock.NewFakeClock(now), testingclock.NewFakeClock(now)
	l = replicaOn(t, o, replicaTime)
	deliver(t, l, 10, 20)
	beside := o
	beside.Clock = moveTime
	moved := make(chan error, 1)
	go func() { moved <- out(beside) }()
	for !moveTime.HasWaiters() && len(moved) == 0 {
		time.Sleep(time.Millisecond)
	}
	replicaTime.Step(250 * time.Millisecond)
	for l.Age() > 0 { // it proposes an empty round
		time.Sleep(time.Millisecond)
	}
	moveTime.Step(ledger.MaximumAge)
	if err := <-moved; err == nil || !strings.Contains(err.Error(), "a replica of the operator still uses it") {
		t.Errorf("while a replica uses the log: %v", err)
	}
	_, err = pebble.Open(o.Folder, pebble.Options{})
	isError(t, "a folder of which not all was moved", err, pebble.ErrMoved)
	must(t, l.Close())
	must(t, replica(t, o).Close())

	inUse := o
	inUse.Folder = t.TempDir() + "/other"
	l = embedded(t, inUse)
	deliver(t, l, 0, 1)
	must(t, l.Close())
	isError(t, "to a folder in use", out(inUse), ErrInUse)

	elsewhere := o
	elsewhere.Folder = t.TempDir() + "/elsewhere"
	store, err := pebble.Open(elsewhere.Folder, pebble.Options{Secret: secret})
	must(t, err)
	must(t, errors.Join(store.Mark(pebble.Moved{Log: o.Log.Instance}), store.Close()))
	must(t, out(o))
	_, err = jetstream.Open(t.Context(), o.Log)
	isError(t, "a log that was moved", err, jetstream.ErrRefused)
	isError(t, "back again", out(o), ErrDone)
	nowhere := o
	nowhere.Folder = t.TempDir() + "/nowhere"
	isError(t, "to another folder, which is not made", out(nowhere), ErrElsewhere)
	isError(t, "to another folder", out(elsewhere), ErrElsewhere)
	l = embedded(t, o)
	if n := deliver(t, l, 0, 20); n != 0 {
		t.Errorf("%d of 20 deliveries were lost", n)
	}
}
