package ledger_test

import (
	"context"
	"errors"
	"iter"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	testingclock "k8s.io/utils/clock/testing"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/ledger/journal"
	"numberfleet.dev/numberfleet/internal/ledger/journal/memory"
)

// What is shared with a log that lost what it had kept ends at the next seal: whoever opened a replica is told once, and its calls are
// answered with an error. What each knows is kept. One that starts after that goes on with what is left.
func TestALogThatLostSomethingStopsItsReplicas(t *testing.T) {
	log := memory.NewLog()
	var mu sync.Mutex
	told := map[*ledger.Ledger][]error{}
	clocks := map[*ledger.Ledger]*testingclock.FakeClock{}
	open := func() *ledger.Ledger {
		var l *ledger.Ledger
		clock := testingclock.NewFakeClock(begin)
		l, err := ledger.Open(log.Open(), ledger.Options{Clock: clock, Rules: clock, Fatal: func(err error) {
			mu.Lock()
			defer mu.Unlock()
			told[l] = append(told[l], err)
		}})
		if err != nil {
			t.Fatal(err)
		}
		clocks[l] = clock
		return l
	}
	leader, other := open(), open()
	if err := leader.Lead(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		if _, err := other.Append(t.Context(), delivery(i), begin); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := leader.Append(t.Context(), delivery(5), begin); err != nil { // and so it knows the others
		t.Fatal(err)
	}
	kept := func(l *ledger.Ledger) int64 {
		return l.Count(number, v1alpha1.MeasureMessages, begin.Add(-time.Hour), begin.Add(time.Hour))
	}
	for kept(other) < 6 { // it reads what the leader records
		time.Sleep(time.Millisecond)
	}
	log.Lose(2)
	for stopped := 0; stopped < 2; time.Sleep(time.Millisecond) {
		mu.Lock()
		stopped = len(told)
		mu.Unlock()
		for _, clock := range clocks {
			clock.Step(time.Second)
		}
	}
	if err := other.Lead(context.Background()); !errors.Is(err, memory.ErrSealed) {
		t.Errorf("who would lead after that is told %v", err)
	}
	for _, l := range []*ledger.Ledger{leader, other} {
		if _, err := l.Append(t.Context(), delivery(9), begin); err == nil {
			t.Error("after that it records something")
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if len(told[l]) != 1 || !errors.Is(told[l][0], memory.ErrSealed) {
			t.Errorf("it is told %v", told[l])
		}
	}
	for _, j := range log.Kept() {
		again, err := ledger.Open(j, ledger.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if n := kept(again); n != 6 {
			t.Errorf("of 6 deliveries %d are kept", n)
		}
	}
	if n := len(log.Kept()); n != 2 {
		t.Errorf("%d of 2 replicas have kept what they knew", n)
	}
	after := open()
	if _, err := after.Append(t.Context(), delivery(9), begin); err != nil {
		t.Errorf("a start after that says %v", err)
	}
	if err := after.Close(); err != nil {
		t.Error(err)
	}
}

// What lies too far ahead of log time, since the log's clock is behind, is not acknowledged: it is counted when it comes again and the clock is
// right.
func TestWhatIsAheadOfTheLogIsNotAcknowledged(t *testing.T) {
	log := memory.NewLog()
	stamp := testingclock.NewFakePassiveClock(begin.Add(-counts.Ahead - time.Second))
	log.Stamp = stamp.Now
	l, err := ledger.Open(log.Open(), ledger.Options{Clock: testingclock.NewFakeClock(begin), Rules: testingclock.NewFakePassiveClock(begin)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if got, err := l.Append(t.Context(), delivery(1), begin); !errors.Is(err, ledger.ErrUnavailable) || got.Ahead != 1 || l.Known(number) {
		t.Errorf("while the log's clock is behind: %+v, %v", got, err)
	}
	stamp.SetTime(begin)
	if got, err := l.Append(t.Context(), delivery(1), begin); err != nil || got.New != 1 {
		t.Errorf("when it is right: %+v, %v", got, err)
	}
}

// A clock that is ahead moves log time only as far as the other one has come, that of the log or that of whoever proposes: no reservation
// ends earlier than both say.
func TestLogTimeFollowsTheSlowerClock(t *testing.T) {
	const ttl = 60
	log := memory.NewLog()
	stamp := testingclock.NewFakePassiveClock(begin)
	log.Stamp = stamp.Now
	rules := testingclock.NewFakePassiveClock(begin)
	l, err := ledger.Open(log.Open(), ledger.Options{Clock: testingclock.NewFakeClock(begin), Rules: rules})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if err := l.Lead(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := l.Configure(counts.Settings{
		Senders: []counts.SenderSetting{{Number: number}},
		Limits:  []counts.LimitSetting{{Subject: number, Limit: 9, Measure: v1alpha1.MeasureUniqueUsers, Window: 24 * time.Hour, ReleaseUnconfirmed: true}},
	}); err != nil {
		t.Fatal(err)
	}
	for user, test := range []struct {
		what              string
		log, own, logTime time.Duration // since begin
		held              int64         // who asked before and this one
	}{
		{"both are right", 0, 0, 0, 1},
		{"the proposer is ahead", time.Second, 2 * time.Hour, time.Second, 2},
		{"the log is ahead", 2 * time.Hour, 2 * time.Second, 2 * time.Second, 3},
		{"both go back", 0, 0, 2 * time.Second, 4},
		{"time passes", 61 * time.Second, 61 * time.Second, 61 * time.Second, 3},
		{"both are ahead", time.Hour, time.Hour, time.Hour, 1},
	} {
		stamp.SetTime(begin.Add(test.log))
		rules.SetTime(begin.Add(test.own))
		if err := l.Expire(rules.Now()); err != nil {
			t.Fatal(err)
		}
		decisions, err := l.Operate(t.Context(), []counts.Operation{{
			Kind: counts.Reserve, ID: counts.ReservationID{byte(user + 1)}, Number: number, User: counts.UserKey(user + 1), TTL: ttl,
		}}, rules.Now())
		if err != nil {
			t.Fatal(err)
		}
		if d := decisions[0]; d.Expires != begin.Add(test.logTime).Unix()+ttl || d.Room.Held != test.held {
			t.Errorf("%s: a reservation expires %s after the beginning, and %d are held, not %d", test.what,
				time.Unix(d.Expires, 0).Sub(begin), d.Room.Held, test.held)
		}
	}
}

// A replica whose clock is too far from the log's refuses records, whichever of the two is wrong, until they agree: with heartbeats it learns of
// that by itself.
func TestAReplicaWithAWrongClockRefuses(t *testing.T) {
	log := memory.NewLog()
	stamp := testingclock.NewFakePassiveClock(begin)
	log.Stamp = stamp.Now
	rules, beats := testingclock.NewFakePassiveClock(begin), testingclock.NewFakeClock(begin)
	l, err := ledger.Open(log.Open(), ledger.Options{Clock: beats, Rules: rules, Skew: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	for user, test := range []struct {
		what     string
		own, log time.Duration // since begin
		wrong    bool
	}{
		{"both are right", 0, 0, false},
		{"its own is ahead", time.Minute, 30*time.Second - time.Millisecond, true},
		{"it is less ahead", time.Minute, 30 * time.Second, false},
		{"its own is behind", 0, time.Minute, false}, // by 30 s
		{"its own is further behind", -time.Millisecond, time.Minute, true},
		{"both are right again", time.Minute, time.Minute, false},
	} {
		rules.SetTime(begin.Add(test.own))
		stamp.SetTime(begin.Add(test.log))
		beats.Step(250 * time.Millisecond)
		for l.Age() > 0 { // until a heartbeat has told
			time.Sleep(time.Millisecond)
		}
		if err := l.Fresh(); (err != nil) != test.wrong {
			t.Errorf("where %s, with a difference of %s, it is fresh: %v", test.what, l.Skew(), err)
		}
		_, err := l.Append(t.Context(), delivery(user), rules.Now())
		if errors.Is(err, ledger.ErrUnavailable) != test.wrong || err != nil && !test.wrong {
			t.Errorf("where %s, with a difference of %s, it says %v", test.what, l.Skew(), err)
		}
	}
}

// From the instant on at which its clock is set wrong a replica takes nothing by it, and goes by the log: it would take what comes for what is
// long past, and acknowledge it.
func TestAClockThatIsSetWrongIsNotBelieved(t *testing.T) {
	log := memory.NewLog()
	log.Stamp = testingclock.NewFakePassiveClock(begin).Now
	rules := testingclock.NewFakePassiveClock(begin)
	l, err := ledger.Open(log.Open(), ledger.Options{Clock: testingclock.NewFakeClock(begin), Rules: rules, Skew: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	const kept = counts.Kept + counts.Lateness + time.Minute
	for _, test := range []struct {
		own   time.Duration // since begin
		wrong bool
	}{{kept, true}, {31 * time.Second, true}, {30 * time.Second, false}, {-30 * time.Second, false}, {-31 * time.Second, true}, {-kept, true}, {0, false}} {
		rules.SetTime(begin.Add(test.own))
		if err := l.OnTime(); (err != nil) != test.wrong {
			t.Errorf("with a clock that is %s ahead it says %v", test.own, err)
		}
		if _, err := l.Append(t.Context(), delivery(1), rules.Now()); errors.Is(err, ledger.ErrUnavailable) != test.wrong || err != nil && !test.wrong {
			t.Errorf("with a clock that is %s ahead it answers %v", test.own, err)
		}
		if got := l.Latest(); !got.Equal(begin.Add(30 * time.Second)) {
			t.Errorf("with a clock that is %s ahead it may be %s after the beginning", test.own, got.Sub(begin))
		}
	}
}

// Where the clock of a replica is behind, a service window that has closed by the log is not open for what is sent without a reservation.
func TestAWindowIsOpenByTheLogToo(t *testing.T) {
	log := memory.NewLog()
	rules := testingclock.NewFakePassiveClock(begin)
	log.Stamp = rules.Now
	l, err := ledger.Open(log.Open(), ledger.Options{Clock: testingclock.NewFakeClock(begin), Rules: rules})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if err := l.Lead(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := l.Configure(counts.Settings{
		Senders: []counts.SenderSetting{{Number: number}},
		Limits:  []counts.LimitSetting{{Subject: number, Limit: 9, Measure: v1alpha1.MeasureUniqueUsers, Window: 24 * time.Hour}},
	}); err != nil {
		t.Fatal(err)
	}
	wrote := counts.Batch{Entries: []counts.Entry{{Number: number, Kind: counts.Received, User: 1, At: begin.Unix()}}}
	if _, err := l.Append(t.Context(), wrote, begin); err != nil {
		t.Fatal(err)
	}
	closed := begin.Add(24 * time.Hour)
	before := closed.Add(-time.Hour)
	for _, test := range []struct {
		log  time.Time
		want counts.ReservationState
	}{{begin, counts.Unreserved}, {closed, counts.Refused}} {
		rules.SetTime(test.log)
		if err := l.CatchUp(t.Context(), test.log); err != nil { // which moves log time
			t.Fatal(err)
		}
		if d := l.Unreserved(&counts.Operation{Kind: counts.Reserve, Number: number, User: 1, TTL: 60}, before); d.State != test.want {
			t.Errorf("with log time at %s, an hour before the window closes it is %s", test.log, d.State)
		}
	}
}

// countedLog counts the snapshots that are saved.
type countedLog struct {
	journal.Shared
	saved atomic.Int64
}

func (j *countedLog) Save(ctx context.Context, position uint64, rows iter.Seq[counts.Row]) error {
	j.saved.Add(1)
	return j.Shared.Save(ctx, position, rows)
}

// However little a log grows, its leader takes a snapshot every six hours: a log forgets its rounds with age, and a start needs a snapshot of
// those that are gone. Others take none.
func TestASnapshotIsTakenEverySixHours(t *testing.T) {
	log := memory.NewLog()
	open := func() (*countedLog, *ledger.Ledger, *testingclock.FakeClock) {
		j, clock := &countedLog{Shared: log.Open()}, testingclock.NewFakeClock(begin)
		l, err := ledger.Open(j, ledger.Options{Clock: clock, Rules: clock})
		if err != nil {
			t.Fatal(err)
		}
		return j, l, clock
	}
	led, leader, time1 := open()
	other, follower, time2 := open()
	if err := leader.Lead(t.Context()); err != nil {
		t.Fatal(err)
	}
	for day := range 4 {
		for led.saved.Load() <= int64(day) {
			time1.Step(6 * time.Hour)
			time2.Step(6 * time.Hour)
			time.Sleep(time.Millisecond)
		}
	}
	if n := other.saved.Load(); n != 0 {
		t.Errorf("who does not lead has saved %d snapshots", n)
	}
	for _, l := range []*ledger.Ledger{leader, follower} {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}
