package nats

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
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

// connect is JetStream through one of some nodes.
func connect(t *testing.T, url string) jetstream.JetStream {
	t.Helper()
	connection, err := nats.Connect(url, nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
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
	if _, err := js.CreateStream(t.Context(), synced(c)); err != nil {
		t.Fatal(err)
	}
	return js
}

// publish publishes until it is acknowledged: nodes may be down, or elect a leader.
func publish(t *testing.T, js jetstream.JetStream, message string) {
	t.Helper()
	for t.Context().Err() == nil {
		if _, err := js.Publish(t.Context(), "log", []byte(message)); err == nil {
			return
		}
	}
	t.Fatalf("%q was never acknowledged", message)
}

// messages are those of the stream, as a reader gets them.
func messages(t *testing.T, js jetstream.JetStream) []string {
	t.Helper()
	consumer, err := js.OrderedConsumer(t.Context(), stream, jetstream.OrderedConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for {
		message, err := consumer.Next(jetstream.FetchMaxWait(10 * time.Second))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(message.Data()))
		if about, err := message.Metadata(); err != nil || about.NumPending == 0 {
			return all
		}
	}
}
