package move

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/go-logr/logr/funcr"
	"golang.org/x/sync/errgroup"

	"numberfleet.dev/numberfleet/hack/rig/nats"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/ledger/journal"
	"numberfleet.dev/numberfleet/internal/ledger/journal/jetstream"
)

// openAll opens a log, or the next one, as so many processes do that start at the same time.
func openAll(t *testing.T, o Options, next string, n int) []*jetstream.Journal {
	t.Helper()
	all := make([]*jetstream.Journal, n)
	group, ctx := errgroup.WithContext(t.Context())
	for i := range all {
		group.Go(func() (err error) {
			all[i], err = Open(ctx, o, next)
			return err
		})
	}
	must(t, group.Wait())
	return all
}

// onNext are replicas on the next log, which know so many users who were reached, and hold places for so many others.
func (r *replicas) onNext(t *testing.T, next string, reached, held int) {
	t.Helper()
	after := &replicas{options: r.options, ended: make(chan error, 3)}
	for _, log := range openAll(t, r.options, next, 3) {
		if is := log.Instance(); is != next {
			t.Fatalf("a replica opens %s", is)
		}
		after.ledgers = append(after.ledgers, open(t, log, ledger.Options{Clock: hurried{}, Fatal: func(err error) { after.ended <- err }}))
	}
	first := after.ledgers[0]
	for _, l := range after.ledgers {
		insist(t, func() error { return l.CatchUp(t.Context(), now) })
		if n := used(l); n != int64(reached) {
			t.Errorf("%d users were reached, and a replica knows %d", reached, n)
		}
	}
	lead(t, first)
	granted := 0
	for user := 1000; user < 1000+limit; user++ {
		if reserve(t, after.ledgers[user%3], user).State == counts.Held {
			granted++
		}
	}
	if granted != limit-reached-held {
		t.Errorf("%d places are granted, where %d users were reached and %d places are held of %d", granted, reached, held, limit)
	}
	if n := deliver(t, first, 0, reached); n != 0 {
		t.Errorf("%d deliveries count again that came again", n)
	}
	for _, l := range after.ledgers {
		must(t, l.Close())
	}
}

// The log of three replicas is deleted. They end, and start again at the same time. The next log begins once, with all that they knew, and all go on
// with it, also after another start: though the first log could be made anew.
func TestReplicasGoOnWithTheNextLogByThemselves(t *testing.T) {
	t.Parallel()
	o, next := options("", server.URL(), instance()), instance()
	r := newReplicas(t, o, 3)
	for i, l := range r.ledgers {
		deliver(t, l, 10*i, 10*i+10)
		reserve(t, l, 100+i)
	}
	begun, err := jetstream.Begun(t.Context(), withInstance(o, next).Log)
	if must(t, err); begun {
		t.Error("the next log begins before the first one has lost anything")
	}
	deleteStreams(t, o, streamOf(o))
	r.end(t)
	r.onNext(t, next, 30, 3)
	deleteStreams(t, o, "OBJ_"+streamOf(o)+"_kept", "OBJ_"+streamOf(o)+"_snapshots")
	for _, log := range openAll(t, o, next, 2) {
		if is := log.Instance(); is != next {
			t.Errorf("another start opens %s", is)
		}
		must(t, log.Close())
	}
}

// The next log is in use, and nothing is left of the first one. Where the next one is deleted too, no replica begins the first one anew, which would
// know nothing: neither before anyone has kept what it knew of the next one, nor after that.
func TestTheFirstLogIsNotBegunAgain(t *testing.T) {
	t.Parallel()
	o, next := options("", server.URL(), instance()), instance()
	r := newReplicas(t, o, 1)
	deleteStreams(t, o, streamOf(o))
	r.end(t)
	must(t, openAll(t, o, next, 1)[0].Close())
	deleteStreams(t, o, "OBJ_"+streamOf(o)+"_kept", "OBJ_"+streamOf(o)+"_snapshots")
	after := withInstance(o, next)
	deleteStreams(t, o, streamOf(after))
	_, err := Open(t.Context(), o, next)
	isError(t, "a start where snapshots of the next log are left", err, jetstream.ErrRefused)

	o, next = options("", server.URL(), instance()), instance()
	r = newReplicas(t, withInstance(o, next), 1)
	deleteStreams(t, o, streamOf(r.options))
	r.end(t)
	_, err = Open(t.Context(), o, next)
	isError(t, "a start where the next log lost something", err, jetstream.ErrKept)
}

func withInstance(o Options, name string) Options {
	o.Log.Instance = name
	return o
}

// A log that was there before is not taken for the next one, though it may be opened: it knows nothing of the log that it is to follow.
func TestAnotherLogIsNotTakenForTheNext(t *testing.T) {
	t.Parallel()
	o := options("", server.URL(), instance())
	another := newReplicas(t, options("", server.URL(), instance()), 1).options.Log.Instance
	_, err := Open(t.Context(), o, another)
	isError(t, "a start", err, jetstream.ErrRefused)
	r := newReplicas(t, o, 1)
	deleteStreams(t, o, streamOf(o))
	r.end(t)
	_, err = Open(t.Context(), o, another)
	isError(t, "a start where the first log lost something", err, jetstream.ErrRefused)
}

// Of two replicas whose configurations name another next log, one goes on: two logs would not know of each other. The other one says which log it is to name.
func TestOneLogAloneFollows(t *testing.T) {
	t.Parallel()
	o, next := options("", server.URL(), instance()), instance()
	r := newReplicas(t, o, 2)
	deleteStreams(t, o, streamOf(o))
	r.end(t)
	must(t, openAll(t, o, next, 1)[0].Close())
	_, err := Open(t.Context(), o, instance())
	isError(t, "a start with another next log", err, jetstream.ErrChosen)
	if err == nil || !strings.Contains(err.Error(), next) {
		t.Errorf("which log goes on is not said: %v", err)
	}
	_, err = Recover(t.Context(), withInstance(o, instance()), o.Log.Instance)
	isError(t, "the command with another log", err, jetstream.ErrChosen)
}

// One of three replicas has read more than the others when the nodes of the log come back from an older copy, and is cut off. The next log does not
// begin without it, and says so, for it alone knows what it has acknowledged. When it is there again, that has everything.
func TestTheNextLogWaitsForAllWhoKnowSomething(t *testing.T) {
	c, err := nats.Start(t.Context(), nats.Options{Nodes: 1, DefaultSync: true, Folder: t.TempDir()})
	must(t, err)
	t.Cleanup(c.Kill)
	node, older := c.Nodes[0], t.TempDir()+"/older"
	way, others := newLink(t, strings.TrimPrefix(c.URL(), "nats://")), newLink(t, strings.TrimPrefix(c.URL(), "nats://"))
	through := func(l *link) Options {
		o := options("", c.URL(), "main")
		o.Log.Servers = []string{l.url()}
		return o
	}
	r := newReplicas(t, through(others), 2)
	ahead := newReplicas(t, through(way), 0)
	alone := ahead.open(t, ahead.options.Log)
	deliver(t, r.ledgers[0], 0, 30)
	restarted(t, node, func() error { return node.Backup(older) })
	deliver(t, fresh(t, alone), 30, 40)
	for _, l := range r.ledgers {
		grow(t, fresh(t, l))
	}
	others.setCut(true)
	deliver(t, alone, 40, 50)
	grow(t, alone)
	reserve(t, alone, 100)
	way.setCut(true)
	restarted(t, node, func() error { return node.Restore(older) })
	others.setCut(false)
	r.end(t)

	waits := false
	log, err := Open(t.Context(), whenWaiting(r.options, func() {
		waits = true
		way.setCut(false)
	}), "next")
	must(t, err)
	must(t, log.Close())
	if !waits {
		t.Fatal("the next log begins without what one knew who was there")
	}
	if err := <-ahead.ended; !errors.Is(err, journal.ErrLost) {
		t.Errorf("the one that was ahead ends with %v", err)
	}
	r.onNext(t, "next", 50, 1)
}

// grow adds more rounds to a log than are proposed again when its nodes are back: where it is older then, it is shorter than what a replica had read.
func grow(t *testing.T, l *ledger.Ledger) {
	t.Helper()
	for range 50 {
		insist(t, func() error { return l.CatchUp(t.Context(), now) })
	}
}

// A log is not chosen that cannot begin: the one that is named next may be in use, by mistake. Another one begins with what is left.
func TestALogThatCannotBeginIsNotChosen(t *testing.T) {
	t.Parallel()
	o := options("", server.URL(), instance())
	inUse := newReplicas(t, options("", server.URL(), instance()), 1).options
	r := newReplicas(t, o, 1)
	deliver(t, r.ledgers[0], 0, 10)
	deleteStreams(t, o, streamOf(o))
	r.end(t)
	_, err := Recover(t.Context(), inUse, o.Log.Instance)
	isError(t, "a log that is in use begins", err, jetstream.ErrRefused)
	r.recovered(t, 10, 0)
}

// whenWaiting are options of whoever opens a log, with what is done once it is said that the next log does not begin yet.
func whenWaiting(o Options, do func()) Options {
	once := sync.OnceFunc(do)
	o.Log.Log = funcr.New(func(_, message string) {
		if strings.Contains(message, "The next log does not begin yet") {
			once()
		}
	}, funcr.Options{})
	return o
}

// Replicas wait for one that kept nothing, and never will. An administrator begins the next log without it, and they go on with that.
func TestReplicasThatWaitGoOnWithALogThatACommandBegan(t *testing.T) {
	t.Parallel()
	o, next := options("", server.URL(), instance()), instance()
	gone, r := newReplicas(t, o, 1), newReplicas(t, o, 1)
	deliver(t, r.ledgers[0], 0, 10)
	must(t, gone.ledgers[0].Close())
	deliver(t, r.ledgers[0], 10, 20)
	deleteStreams(t, o, streamOf(o))
	r.end(t)
	log, err := Open(t.Context(), whenWaiting(o, func() {
		_, err := Recover(t.Context(), withInstance(o, next), o.Log.Instance)
		must(t, err)
	}), next)
	must(t, err)
	must(t, log.Close())
	r.onNext(t, next, 20, 0)
}

// A node of the log that is behind says that nobody has kept anything, where another one has said before that somebody did. The next log does not begin with
// the snapshot alone, but when what was kept can be seen.
func TestTheNextLogDoesNotBeginBeforeItIsSeenWhatWasKept(t *testing.T) {
	t.Parallel()
	o := options("", server.URL(), instance())
	way := newLink(t, strings.TrimPrefix(server.URL(), "nats://"))
	through := o
	through.Log.Servers = []string{way.url()}
	r := newReplicas(t, through, 1)
	deliver(t, r.ledgers[0], 0, 10)
	must(t, r.ledgers[0].Snapshot(t.Context()))
	deliver(t, r.ledgers[0], 10, 20)
	way.setCut(true)
	deleteStreams(t, o, streamOf(o))
	waits := false
	next := whenWaiting(withInstance(o, instance()), func() {
		waits = true
		way.setCut(false)
	})
	next.Log.Follows = o.Log.Instance
	must(t, next.recoverByItself(t.Context())) // as after another node has said that something was kept
	if !waits {
		t.Fatal("the next log begins with the snapshot alone")
	}
	r.end(t)
	r.onNext(t, next.Log.Instance, 20, 0)
}

// Without the name of a next log nothing begins by itself.
func TestWithoutANextLogReplicasDoNotStart(t *testing.T) {
	t.Parallel()
	o := options("", server.URL(), instance())
	r := newReplicas(t, o, 1)
	deleteStreams(t, o, streamOf(o))
	r.end(t)
	_, err := Open(t.Context(), o, "")
	isError(t, "a start", err, jetstream.ErrKept)
}
