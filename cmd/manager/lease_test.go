package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/utils/clock"
	testingclock "k8s.io/utils/clock/testing"

	"numberfleet.dev/numberfleet/internal/ledger"
)

// written counts what is written to a lease.
type written struct {
	resourcelock.Interface
	n int
}

func (w *written) Identity() string { return "one" }

func (w *written) Get(context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	return &resourcelock.LeaderElectionRecord{HolderIdentity: "another"}, nil, nil
}

func (w *written) Create(context.Context, resourcelock.LeaderElectionRecord) error { w.n++; return nil }

func (w *written) Update(context.Context, resourcelock.LeaderElectionRecord) error { w.n++; return nil }

// known is how a replica stands with its log.
type known struct {
	age   time.Duration
	wrong error // of the clock
}

func (k known) Age() time.Duration { return k.age }

func (k known) OnTime() error { return k.wrong }

// A replica that does not hear from the log, or whose clock is wrong, neither takes the lease nor renews it, and gives it up all the same.
func TestAReplicaThatDoesNotHearFromTheLogDoesNotLead(t *testing.T) {
	taken, givenUp := resourcelock.LeaderElectionRecord{HolderIdentity: "one"}, resourcelock.LeaderElectionRecord{}
	for log, writes := range map[known]int{{}: 3, {age: mostLeaderAge}: 3, {age: mostLeaderAge + 1}: 1, {wrong: ledger.ErrUnavailable}: 1} {
		to := &written{}
		l := &lease{Interface: to, log: log, clock: clock.RealClock{}}
		for what, err := range map[string]error{"taking": l.Create(t.Context(), taken), "renewing": l.Update(t.Context(), taken)} {
			if (err == nil) != (writes == 3) {
				t.Errorf("%s it where the log is %+v: %v", what, log, err)
			}
		}
		if err := l.Update(t.Context(), givenUp); err != nil || to.n != writes {
			t.Errorf("where the log is %+v it gives up with %v, and wrote %d times", log, err, to.n)
		}
	}
}

// A leader that renews its lease at each retry writes once in a second, and gives it up at once.
func TestALeaderWritesItsLeaseOnceInASecond(t *testing.T) {
	to, clock := &written{}, testingclock.NewFakePassiveClock(time.Date(2026, 11, 29, 0, 0, 0, 0, time.UTC))
	l := &lease{Interface: to, log: known{}, clock: clock}
	write := func(holder string, want int) {
		t.Helper()
		if err := l.Update(t.Context(), resourcelock.LeaderElectionRecord{HolderIdentity: holder}); err != nil || to.n != want {
			t.Errorf("it wrote %d times, want %d: %v", to.n, want, err)
		}
	}
	write("one", 1)
	for clock.SetTime(clock.Now().Add(replicaRetry)); clock.Now().Nanosecond() != 0; clock.SetTime(clock.Now().Add(replicaRetry)) {
		write("one", 1)
	}
	write("one", 2)
	write("", 3)
	write("one", 4)
}

// A leader that was paused does not give up the lease that another replica has taken meanwhile: a third one would take it at once.
func TestALeaderThatWasPausedLeavesTheLeaseOfAnother(t *testing.T) {
	to := &written{}
	l := &lease{Interface: to, log: known{}, clock: clock.RealClock{}}
	if err := l.Update(t.Context(), resourcelock.LeaderElectionRecord{HolderIdentity: "one"}); err != nil || to.n != 1 {
		t.Fatalf("it leads: %v", err)
	}
	if _, _, err := l.Get(t.Context()); err != nil { // which says that another one leads
		t.Fatal(err)
	}
	if err := l.Update(t.Context(), resourcelock.LeaderElectionRecord{}); err != nil || to.n != 1 {
		t.Errorf("it gives up with %v, and wrote %d times", err, to.n)
	}
}

// read is a lease that somebody renewed at an instant.
type read struct {
	resourcelock.Interface
	renewed time.Time
}

func (r *read) Get(context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	return &resourcelock.LeaderElectionRecord{HolderIdentity: "another", RenewTime: metav1.NewTime(r.renewed)}, nil, nil
}

// A replica that does not hear from the log is not ready while another one does, which renews the lease. Where none does, it is ready to
// answer what can be answered without the log.
func TestAReplicaIsReadyWhereNoneHearsFromTheLog(t *testing.T) {
	now := time.Date(2026, 11, 29, 0, 0, 0, 0, time.UTC)
	of, clock := &read{renewed: now}, testingclock.NewFakePassiveClock(now)
	l := &lease{Interface: of, clock: clock}
	for _, step := range []struct {
		when    string
		passes  time.Duration
		renewed bool
		fresh   error
		ready   bool
	}{
		{"it hears from the log", 0, true, nil, true},
		{"another one renews the lease", time.Second, true, ledger.ErrUnavailable, false},
		{"the lease has not run out", replicaLease, false, ledger.ErrUnavailable, false},
		{"the lease has run out", 1, false, ledger.ErrUnavailable, true},
		{"another one has taken it", 0, true, ledger.ErrUnavailable, false},
		{"it hears from the log again", 0, true, nil, true},
	} {
		clock.SetTime(clock.Now().Add(step.passes))
		if step.renewed {
			of.renewed = clock.Now()
		}
		if _, _, err := l.Get(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := l.Ready(step.fresh); (err == nil) != step.ready {
			t.Errorf("where %s it is ready: %v", step.when, err)
		}
	}
}

// Of operators that share a log one must lead: without an election none starts.
func TestWithALogAndNoElectionItEnds(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.yaml")
	content := "apiVersion: config.numberfleet.dev/v1alpha1\nkind: OperatorConfiguration\nledger: {engine: Log, log: {servers: ['nats://127.0.0.1'], secretFile: /secret}}"
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := newProgram(flags{configFile: file, refreshQPS: 1}, logr.Discard()); !errors.Is(err, errNoElection) {
		t.Errorf("it says %v", err)
	}
}
