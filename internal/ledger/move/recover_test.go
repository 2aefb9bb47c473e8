package move

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"
	"k8s.io/utils/clock"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	rig "numberfleet.dev/numberfleet/hack/rig/nats"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/ledger/journal"
	"numberfleet.dev/numberfleet/internal/ledger/journal/jetstream"
)

// settings have a thousand users be reached through the portfolio of the number.
var settings = counts.Settings{
	Limits:  []counts.LimitSetting{{Subject: counts.PortfolioKey(portfolio), Limit: limit, Measure: v1alpha1.MeasureUniqueUsers, Window: 24 * time.Hour}},
	Senders: []counts.SenderSetting{{Number: number}},
}

// replicas are some on a log, the first of which has set what the number may send.
type replicas struct {
	options Options
	ledgers []*ledger.Ledger
	ended   chan error // why each that ended did
}

func newReplicas(t *testing.T, o Options, n int) *replicas {
	t.Helper()
	r := &replicas{options: o, ended: make(chan error, n+1)}
	for range n {
		r.ledgers = append(r.ledgers, r.open(t, o.Log))
	}
	if n > 0 {
		lead(t, r.ledgers[0])
	}
	return r
}

// lead has a replica lead, and set what the number may send.
func lead(t *testing.T, l *ledger.Ledger) {
	t.Helper()
	must(t, l.Lead(t.Context()))
	insist(t, func() error { return l.SetPortfolio(portfolio, []string{number}) })
	insist(t, func() error { return l.Configure(settings) })
}

func (r *replicas) open(t *testing.T, o jetstream.Options) *ledger.Ledger {
	t.Helper()
	log, err := jetstream.Open(t.Context(), o)
	must(t, err)
	return open(t, log, ledger.Options{Clock: hurried{}, Fatal: func(err error) { r.ended <- err }})
}

// hurried is a clock by which a log is sealed each second.
type hurried struct{ clock.RealClock }

// NewTicker implements clock.WithTicker.
func (h hurried) NewTicker(d time.Duration) clock.Ticker { return h.RealClock.NewTicker(d / 10) }

// end returns when all have ended, since the log lost something, and says so of each.
func (r *replicas) end(t *testing.T) {
	t.Helper()
	for range r.ledgers {
		isError(t, "a replica ends", <-r.ended, journal.ErrLost)
	}
	for _, l := range r.ledgers {
		if _, err := l.Append(t.Context(), counts.Batch{}, now); err == nil {
			t.Error("after that a replica answers")
		}
	}
	_, err := jetstream.Open(t.Context(), r.options.Log)
	isError(t, "a start", err, jetstream.ErrKept)
}

// recovered is a replica on a new log that began with what was left. So many users were reached before, and for so many others places are held.
func (r *replicas) recovered(t *testing.T, reached, held int) {
	t.Helper()
	o := r.options
	o.Log.Instance = instance()
	for range 2 {
		_, err := Recover(t.Context(), o, r.options.Log.Instance)
		if errors.Is(err, jetstream.ErrBegun) {
			break
		}
		must(t, err)
	}
	l := replica(t, o)
	if n := used(l); n != int64(reached) {
		t.Errorf("%d users were reached, and %d are known", reached, n)
	}
	if d := reserve(t, l, 900); d.Why != string(v1alpha1.RoomNotReady) {
		t.Errorf("before anyone has set what may be sent it is decided %+v", d)
	}
	must(t, l.Configure(settings))
	for user := 1000; user < 1000+limit-reached-held; user++ {
		if d := reserve(t, l, user); d.State != counts.Held {
			t.Fatalf("a place that is free is not granted: %+v", d)
		}
	}
	if d := reserve(t, l, 999); d.State != counts.Refused {
		t.Errorf("beyond the limit it is decided %+v", d)
	}
	if n := deliver(t, l, 0, reached); n != 0 {
		t.Errorf("%d deliveries count again that came again", n)
	}
}

// The log of three replicas is deleted. Each keeps what it knows and answers nothing any more, and none starts on the log, though it could make
// another one. A new log begins with what they knew: nothing that was acknowledged is lost, and what was held is held.
func TestALogIsRecoveredFromItsReplicas(t *testing.T) {
	t.Parallel()
	o := options("", server.URL(), instance())
	r := newReplicas(t, o, 3)
	for i, l := range r.ledgers {
		deliver(t, l, 10*i, 10*i+10)
		if d := reserve(t, l, 100+i); d.State != counts.Held {
			t.Fatalf("a reservation is answered with %+v", d)
		}
	}
	if _, err := Recover(t.Context(), options("", server.URL(), instance()), o.Log.Instance); err == nil {
		t.Error("a new log begins beside one that lost nothing")
	}
	deleteStreams(t, o, streamOf(o))
	r.end(t)
	r.recovered(t, 30, 3)
}

// deleteStreams deletes streams of a log, as an administrator can.
func deleteStreams(t *testing.T, o Options, names ...string) {
	t.Helper()
	connection, err := nats.Connect(o.Log.Servers[0])
	must(t, err)
	defer connection.Close()
	js, err := natsjs.New(connection)
	must(t, err)
	for _, name := range names {
		for !errors.Is(js.DeleteStream(t.Context(), name), natsjs.ErrStreamNotFound) {
			must(t, t.Context().Err())
		}
	}
}

// streamOf is the stream of a log.
func streamOf(o Options) string { return "NUMBERFLEET_" + o.Log.Instance }

// restarted kills the node of a log, and starts it again.
func restarted(t *testing.T, node *rig.Node, meanwhile func() error) {
	t.Helper()
	node.Kill()
	must(t, meanwhile())
	must(t, node.Start(t.Context()))
	must(t, node.Ready(t.Context()))
}

// fresh returns when a replica has heard from the log again.
func fresh(t *testing.T, l *ledger.Ledger) *ledger.Ledger {
	t.Helper()
	for l.Fresh() != nil || l.CatchUp(t.Context(), now) != nil {
		time.Sleep(10 * time.Millisecond)
		must(t, t.Context().Err())
	}
	return l
}

// The nodes of a log come back from an older copy. The replicas have read more, and put it into a new log.
func TestALogThatLostItsTailIsRecovered(t *testing.T) {
	c, err := rig.Start(t.Context(), rig.Options{Nodes: 1, DefaultSync: true, Folder: t.TempDir()})
	must(t, err)
	t.Cleanup(c.Kill)
	node, older := c.Nodes[0], t.TempDir()+"/older"
	r := newReplicas(t, options("", c.URL(), instance()), 3)
	deliver(t, r.ledgers[0], 0, 30)
	restarted(t, node, func() error { return node.Backup(older) })
	for i, l := range r.ledgers {
		deliver(t, fresh(t, l), 30+10*i, 40+10*i)
		if d := reserve(t, l, 100+i); d.State != counts.Held {
			t.Fatalf("a reservation is answered with %+v", d)
		}
	}
	restarted(t, node, func() error { return node.Restore(older) })
	r.end(t)
	r.recovered(t, 60, 3)
}

// One replica is ahead of the others, and cut off, when the nodes of its log come back from an older copy. Others start on that and go on. The log
// grows beyond what the one has read. At a seal all find that they have not read the same, and end. A new log has what each of them knew.
func TestALogThatReplicasReadOtherwiseIsRecovered(t *testing.T) {
	c, err := rig.Start(t.Context(), rig.Options{Nodes: 1, DefaultSync: true, Folder: t.TempDir()})
	must(t, err)
	t.Cleanup(c.Kill)
	node, older := c.Nodes[0], t.TempDir()+"/older"
	way := newLink(t, strings.TrimPrefix(c.URL(), "nats://"))
	r := newReplicas(t, options("", c.URL(), instance()), 0)
	cut := r.options.Log
	cut.Servers = []string{way.url()}
	ahead := r.open(t, cut)
	lead(t, ahead)
	deliver(t, ahead, 0, 30)
	restarted(t, node, func() error { return node.Backup(older) })
	deliver(t, fresh(t, ahead), 30, 50)
	if d := reserve(t, ahead, 100); d.State != counts.Held {
		t.Fatalf("a reservation is answered with %+v", d)
	}
	way.setCut(true)
	restarted(t, node, func() error { return node.Restore(older) })

	others := newReplicas(t, r.options, 2)
	for i, l := range others.ledgers {
		if n := deliver(t, l, 0, 30); n != 0 {
			t.Errorf("%d deliveries of before the copy are not known", n)
		}
		deliver(t, l, 50+10*i, 60+10*i)
		if d := reserve(t, l, 200+i); d.State != counts.Held {
			t.Fatalf("a reservation is answered with %+v", d)
		}
	}
	way.setCut(false)
	isError(t, "the one that was ahead ends", <-r.ended, journal.ErrLost)
	for range others.ledgers {
		if err := <-others.ended; !errors.Is(err, jetstream.ErrDiffers) && !errors.Is(err, journal.ErrLost) { // the first if the other one sealed
			t.Errorf("another one ends with %v", err)
		}
	}
	others.recovered(t, 70, 3)
}
