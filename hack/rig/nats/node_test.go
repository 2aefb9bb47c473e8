package nats

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"numberfleet.dev/numberfleet/hack/rig"
)

// stop ends a node in order.
func stop(t *testing.T, n *Node) {
	t.Helper()
	if err := n.Stop(rig.Patience); err != nil {
		t.Fatal(err)
	}
}

// restart starts nodes and waits until they have what the others have.
func restart(t *testing.T, nodes ...*Node) {
	t.Helper()
	for _, n := range nodes {
		if err := n.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range nodes {
		if err := n.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// leader is the node that leads the stream.
func leader(t *testing.T, c *Cluster) *Node {
	t.Helper()
	n, err := c.Leader(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// leaderAfter is the next leader: it takes the others some seconds to miss the old one.
func leaderAfter(t *testing.T, c *Cluster, old *Node) *Node {
	t.Helper()
	for {
		if n := leader(t, c); n != old {
			return n
		}
	}
}

// blocks are the contents of a node's files of messages.
func blocks(t *testing.T, n *Node) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	err := fs.WalkDir(os.DirFS(n.data()), ".", func(path string, _ fs.DirEntry, err error) error {
		if filepath.Ext(path) == ".blk" && err == nil {
			all[path], err = os.ReadFile(filepath.Join(n.data(), path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// A cluster goes on when its leader is killed, paused or asked to end, and a node whose disk was wiped or damaged comes back: what was
// acknowledged is still there.
func TestAClusterGoesOnWithoutOneOfItsNodes(t *testing.T) {
	t.Parallel()
	c := newCluster(t, Options{})
	js := newStream(t, c)
	publish(t, js, "at first")

	killed := leader(t, c)
	killed.Kill()
	publish(t, js, "without the one that was killed")
	restart(t, killed)

	paused := leader(t, c)
	paused.Pause()
	leaderAfter(t, c, paused)
	if !paused.Alive() {
		t.Error("a node that is paused has ended")
	}
	publish(t, js, "while one is paused")
	paused.Continue()
	if err := c.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}

	ended := leader(t, c)
	stop(t, ended)
	publish(t, js, "without the one that ended")
	if err := ended.Wipe(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(ended.data()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the data of a node that was wiped: %v", err)
	}
	restart(t, ended)

	damaged := leader(t, c)
	stop(t, damaged)
	before := blocks(t, damaged)
	if files, err := damaged.Flip(); err != nil || files == 0 {
		t.Fatalf("%d files, %v", files, err)
	}
	for path, content := range blocks(t, damaged) {
		if len(content) != len(before[path]) || len(content) > 0 && bytes.Equal(content, before[path]) {
			t.Errorf("%s had %d bytes and has %d, which differ: %t", path, len(before[path]), len(content), !bytes.Equal(content, before[path]))
		}
	}
	if err := damaged.Wipe(); err != nil { // it may not mend what is damaged
		t.Fatal(err)
	}
	restart(t, damaged)
	publish(t, js, "at last")

	holds(t, js, "at first", "without the one that was killed", "while one is paused", "without the one that ended", "at last")
}

// When all nodes lose their power at once, what was acknowledged is there if everything is synced before; by default it is not.
func TestNodesThatSyncKeepWhatTheyAcknowledgedWhenThePowerIsLost(t *testing.T) {
	t.Parallel()
	lazyfs := os.Getenv("LAZYFS")
	if unsupported := rig.PowerLossSupported(t.Context()); unsupported != nil {
		if _, err := Start(t.Context(), Options{Folder: t.TempDir(), Lazyfs: lazyfs}); err == nil {
			t.Errorf("a cluster starts, where %v", unsupported)
		}
		return
	}
	losePower := func(c *Cluster) {
		for _, n := range c.Nodes {
			n.Kill()
		}
		for _, n := range c.Nodes {
			if err := errors.Join(n.LosePower(), n.Start(t.Context())); err != nil {
				t.Fatal(err)
			}
		}
	}

	c := newCluster(t, Options{Lazyfs: lazyfs})
	js := newStream(t, c)
	publish(t, js, "acknowledged")
	losePower(c)
	publish(t, js, "afterwards")
	holds(t, js, "acknowledged", "afterwards")
	c.Kill()

	c = newCluster(t, Options{Lazyfs: lazyfs, Nodes: 1, DefaultSync: true})
	js = newStream(t, c)
	publish(t, js, "acknowledged")
	losePower(c)
	err := c.Nodes[0].Until(t.Context(), func(ctx context.Context) bool {
		_, err := js.Stream(ctx, stream)
		return errors.Is(err, jetstream.ErrStreamNotFound)
	})
	if err != nil {
		t.Errorf("a node that syncs minutes later still has its stream: it lost no power: %v", err)
	}
}

// The others elect a leader when they no longer hear theirs, which goes on alone, acknowledges nothing, and catches up afterwards.
func TestALeaderThatIsCutOffLeadsNoMore(t *testing.T) {
	t.Parallel()
	network, err := rig.NewNetwork(t.Context())
	if unsupported := rig.NetworkSupported(t.Context()); unsupported != nil {
		if err == nil {
			t.Errorf("there is a network, where %v", unsupported)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(network.Close)
	c := newCluster(t, Options{Network: network})
	js := newStream(t, c)
	publish(t, js, "at first")

	old := leader(t, c)
	var others []*rig.Host
	for _, n := range c.Nodes {
		if n != old {
			others = append(others, n.Host)
		}
	}
	if err := network.Cut(t.Context(), old.Host, others...); err != nil {
		t.Fatal(err)
	}
	if _, err := connect(t, old.URL()).Publish(t.Context(), "log", []byte("lost")); err == nil {
		t.Error("a leader that is alone acknowledges")
	}
	next := leaderAfter(t, c, old)
	publish(t, connect(t, next.URL()), "without the one that is cut off")

	if err := network.Cut(t.Context(), network.Machine, next.Host); err != nil {
		t.Fatal(err)
	}
	if _, err := next.jetStream(t.Context()); err == nil || !next.Alive() {
		t.Errorf("this machine is cut off from %s, which lives: %t", next.Name, next.Alive())
	}
	if err := network.Heal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	holds(t, connect(t, old.URL()), "at first", "without the one that is cut off")
}

func TestOneNodeIsAServerWithoutACluster(t *testing.T) {
	c := newCluster(t, Options{Nodes: 1})
	js := newStream(t, c)
	publish(t, js, "before")
	leader(t, c).Kill()
	restart(t, c.Nodes...)
	publish(t, js, "after")
	holds(t, js, "before", "after")
}

func TestNodesThatDoNotSyncHaveNoStreamThatAsksForIt(t *testing.T) {
	c := newCluster(t, Options{DefaultSync: true})
	if _, err := connect(t, c.URL()).CreateStream(t.Context(), synced(c)); err == nil || !strings.Contains(err.Error(), "no suitable peers") {
		t.Errorf("a stream on nodes that do not sync: %v", err)
	}
}
