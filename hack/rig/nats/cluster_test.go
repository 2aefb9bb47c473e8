package nats

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"numberfleet.dev/numberfleet/hack/rig"
)

// newCluster runs a cluster until the test ends.
func newCluster(t *testing.T, o Options) *Cluster {
	t.Helper()
	o.Folder = t.TempDir()
	c, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Kill)
	return c
}

// connect is JetStream through one of some nodes, and through another when that one answers no ping.
func connect(t *testing.T, url string) jetstream.JetStream {
	t.Helper()
	connection, err := nats.Connect(url, nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond), nats.PingInterval(500*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(connection.Close)
	js, err := jetstream.New(connection)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

const stream = "LOG"

// synced is a stream with a copy on each node, of nodes that sync everything.
func synced(c *Cluster) jetstream.StreamConfig {
	return jetstream.StreamConfig{Name: stream, Subjects: []string{"log"}, Replicas: len(c.Nodes), Placement: &jetstream.Placement{Tags: []string{"sync:always"}}}
}

// newStream makes such a stream.
func newStream(t *testing.T, c *Cluster) jetstream.JetStream {
	t.Helper()
	js := connect(t, c.URL())
	insist(t, func() error {
		_, err := js.CreateStream(t.Context(), synced(c))
		return err
	})
	return js
}

// publish publishes until it is acknowledged.
func publish(t *testing.T, js jetstream.JetStream, message string) {
	t.Helper()
	insist(t, func() error {
		_, err := js.Publish(t.Context(), "log", []byte(message))
		return err
	})
}

// insist tries again until it succeeds: nodes may be down, slow, or elect a leader, and after a cut their connections wait as long again
// before they send what was lost.
func insist(t *testing.T, try func() error) {
	t.Helper()
	var err error
	if !rig.Eventually(t.Context(), func() bool { err = try(); return err == nil }) {
		t.Fatal(err)
	}
}

// holds waits until a stream has exactly these messages. One that was published again may be there again, and behind others: it waited
// in a node that was paused.
func holds(t *testing.T, js jetstream.JetStream, want ...string) {
	t.Helper()
	insist(t, func() error {
		s, err := js.Stream(t.Context(), stream)
		if err != nil {
			return err
		}
		var got []string
		for i := range s.CachedInfo().State.LastSeq {
			message, err := s.GetMsg(t.Context(), i+1)
			if err != nil {
				return err
			}
			if !slices.Contains(got, string(message.Data)) {
				got = append(got, string(message.Data))
			}
		}
		if !slices.Equal(got, want) {
			return fmt.Errorf("the stream has %q, not %q", got, want)
		}
		return nil
	})
}
