package jetstream

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	"k8s.io/utils/clock"

	"numberfleet.dev/numberfleet/hack/rig"
	"numberfleet.dev/numberfleet/hack/rig/nats"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
)

// newCluster runs three nodes until the test ends.
func newCluster(t *testing.T, o nats.Options) *nats.Cluster {
	t.Helper()
	o.Folder = t.TempDir()
	c, err := nats.Start(t.Context(), o)
	must(t, err)
	t.Cleanup(c.Kill)
	return c
}

// Servers that do not sync before they acknowledge get no log unless the options allow it, and the error says what to set.
func TestServersThatMayLoseAreRefused(t *testing.T) {
	t.Parallel()
	c := newCluster(t, nats.Options{DefaultSync: true})
	o := Options{Servers: strings.Split(c.URL(), ","), Instance: "test", Fingerprint: "secret"}
	_, err := Open(t.Context(), o)
	for _, says := range []string{"sync_interval: always", "server_tags: [sync:always]", "requireSync"} {
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Fatalf("servers without the tag: %v", err)
		}
	}
	o.AllowUnsynced = true
	openTest(t, o)
	o.AllowUnsynced = false
	if _, err := Open(t.Context(), o); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "placement.tags") {
		t.Fatalf("a log on such servers: %v", err)
	}
}

// A process that starts while no server is there waits for one. It ends when it is told to.
func TestAStartWaitsForAServer(t *testing.T) {
	t.Parallel()
	c := newCluster(t, nats.Options{Nodes: 1, DefaultSync: true})
	node := c.Nodes[0]
	must(t, c.Stop())
	o := onServer()
	o.Servers = []string{c.URL()}
	waits := make(chan struct{})
	told := sync.OnceFunc(func() { close(waits) })
	o.Log = funcr.New(func(string, string) { told() }, funcr.Options{})
	var opened *Journal
	var err error
	var starting sync.WaitGroup
	starting.Go(func() { opened, err = Open(t.Context(), o) })
	<-waits
	must(t, node.Start(t.Context()))
	starting.Wait()
	must(t, err)
	must(t, opened.Close())

	must(t, c.Stop())
	ctx, cancel := context.WithCancel(t.Context())
	o.Log = funcr.New(func(string, string) { cancel() }, funcr.Options{})
	if _, err := Open(ctx, o); !errors.Is(err, context.Canceled) {
		t.Errorf("a start that is told to end says %v", err)
	}
}

// Processes that start at once on servers that have no log yet make one log, whichever node each of them asks.
func TestProcessesThatStartAtOnceMakeOneLog(t *testing.T) {
	t.Parallel()
	c := newCluster(t, nats.Options{})
	for _, instance := range []string{"a", "b"} {
		created := make(chan time.Time, 6)
		var starting sync.WaitGroup
		for i := range cap(created) {
			starting.Go(func() {
				j, err := Open(t.Context(), Options{Servers: []string{c.Nodes[i%len(c.Nodes)].URL()}, Instance: instance, Fingerprint: "secret"})
				if err != nil {
					t.Error(err)
					return
				}
				created <- j.created
				if err := j.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		starting.Wait()
		close(created)
		one := <-created
		for other := range created {
			if !other.Equal(one) {
				t.Errorf("a log was created at %s, and another at %s", one, other)
			}
		}
	}
}

// trace is what one process has followed.
type trace struct {
	mu        sync.Mutex
	positions []uint64
	batches   map[uint64]bool
	stalled   longest
}

// longest is the longest time between two ticks.
type longest struct {
	last time.Time
	max  time.Duration
}

func (l *longest) tick() {
	now := clock.RealClock{}.Now()
	if !l.last.IsZero() {
		l.max = max(l.max, now.Sub(l.last))
	}
	l.last = now
}

// follow follows until ctx ends.
func (f *trace) follow(ctx context.Context, j *Journal) error {
	return j.Follow(ctx, func(position uint64, r *counts.Round) error {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.positions = append(f.positions, position)
		f.batches[r.Batch] = true
		f.stalled.tick()
		return nil
	})
}

// Whatever happens to nodes, what was acknowledged is read by all, once and in one order; a process that starts meanwhile, and those
// that sealed, agree. How long publishing and reading stood still is logged.
func TestNothingIsLostWithANode(t *testing.T) {
	t.Parallel()
	c := newCluster(t, nats.Options{})
	o := Options{Servers: strings.Split(c.URL(), ","), Instance: "test", Fingerprint: "secret"}
	stream := o.stream()
	end := func(n *nats.Node) error { return n.Stop(rig.Patience) }
	kill := func(n *nats.Node) error { n.Kill(); return nil }
	pause := func(n *nats.Node) error { n.Pause(); return nil }
	again := func(n *nats.Node) error { return n.Start(t.Context()) }
	goOn := func(n *nats.Node) error { n.Continue(); return nil }
	leader := func(leader int) []int { return []int{leader} }
	follower := func(leader int) []int { return []int{(leader + 1) % 3} }
	all := func(int) []int { return []int{0, 1, 2} }
	for _, fault := range []struct {
		name       string
		nodes      func(leader int) []int
		begin, end func(*nats.Node) error
	}{
		{"the leader ends", leader, end, again},
		{"the leader is killed", leader, kill, again},
		{"the leader is paused", leader, pause, goOn},
		{"a follower is killed", follower, kill, again},
		{"a follower is paused", follower, pause, goOn},
		{"all are killed", all, kill, again},
	} {
		t.Run(fault.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var under sync.WaitGroup
			defer under.Wait()
			var journals []*Journal
			var traces []*trace
			for range 3 {
				j := openTest(t, o)
				start(t, j)
				f := &trace{batches: map[uint64]bool{}}
				under.Go(func() {
					if err := f.follow(ctx, j); !errors.Is(err, context.Canceled) {
						t.Errorf("following ends with %v", err)
					}
				})
				journals, traces = append(journals, j), append(traces, f)
			}

			publishing, enough := context.WithCancel(ctx)
			defer enough()
			var published longest
			appended := make(chan int, 1)
			under.Go(func() {
				n := 0
				for publishing.Err() == nil {
					if err := journals[n%3].Append(ctx, round(n+1)); err != nil {
						t.Errorf("round %d: %v", n+1, err)
						break
					}
					n++
					published.tick()
				}
				appended <- n
			})

			read := func(n int) {
				t.Helper()
				last := journals[0].position()
				for journals[0].position() < last+uint64(n) && !t.Failed() {
					sleep(ctx, 10*time.Millisecond)
				}
			}
			read(100)
			leads, err := c.Leader(ctx, stream)
			must(t, err)
			victims := fault.nodes(slices.Index(c.Nodes, leads))
			for _, i := range victims {
				must(t, fault.begin(c.Nodes[i]))
			}
			if len(victims) == 1 {
				read(100)
				must(t, journals[0].Seal(ctx))
			}
			for _, i := range victims {
				must(t, fault.end(c.Nodes[i]))
			}
			must(t, c.Ready(ctx))
			read(100)
			must(t, journals[1].Seal(ctx))
			enough()
			n := <-appended
			late := openTest(t, o)
			start(t, late)
			for _, j := range journals {
				for j.position() < late.position() {
					sleep(ctx, 10*time.Millisecond)
					must(t, t.Context().Err())
				}
			}
			cancel()
			under.Wait()

			for i, f := range traces {
				if !slices.IsSorted(f.positions) || len(slices.Compact(slices.Clone(f.positions))) != len(f.positions) {
					t.Errorf("process %d has followed positions twice, or not in order", i)
				}
				if len(f.batches) != n {
					t.Errorf("process %d has followed %d of %d rounds", i, len(f.batches), n)
				}
				if got, _ := journals[i].log.at(late.position()); got != late.log.last || journals[i].Stats().Seals == 0 {
					t.Errorf("process %d has read %s, and one that starts later %s: %+v", i, got, late.log.last, journals[i].Stats())
				}
				t.Logf("publishing stood still for %s, process %d for %s: %+v", published.max.Round(time.Millisecond), i, f.stalled.max.Round(time.Millisecond), journals[i].Stats())
			}
		})
	}
}

// A leader that is alone for some seconds, and behind, does not stop a process: it waits for a majority of the nodes.
func TestALeaderThatIsAloneIsNotBelieved(t *testing.T) {
	t.Parallel()
	c := newCluster(t, nats.Options{})
	o := Options{Servers: strings.Split(c.URL(), ","), Instance: "test", Fingerprint: "secret"}
	j := openTest(t, o)
	start(t, j)
	add(t, j, 1, 2)
	leader, err := c.Leader(t.Context(), o.stream())
	must(t, err)
	j.reader.last.Store(3) // which a leader that is behind does not know
	for _, n := range c.Nodes {
		if n != leader {
			n.Kill()
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
	defer cancel()
	err = j.Follow(ctx, func(uint64, *counts.Round) error { return nil })
	if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrShortened) {
		t.Errorf("it ends with %v", err)
	}
}
