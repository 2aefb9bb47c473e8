package jetstream

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"numberfleet.dev/numberfleet/internal/ledger/counts"
)

// client is JetStream on a server, as its administrators use it.
func client(t *testing.T, url string) jetstream.JetStream {
	t.Helper()
	connection, err := nats.Connect(url)
	must(t, err)
	t.Cleanup(connection.Close)
	js, err := jetstream.New(connection)
	must(t, err)
	return js
}

// A stream that is there and promises less than the log needs is refused, and the error names the field.
func TestAWeakerStreamIsRefused(t *testing.T) {
	js := client(t, server.URL())
	for field, weaken := range map[string]func(*jetstream.StreamConfig){
		"subjects":             func(c *jetstream.StreamConfig) { c.Subjects = c.Subjects[:1] },
		"retention":            func(c *jetstream.StreamConfig) { c.Retention = jetstream.InterestPolicy },
		"discard":              func(c *jetstream.StreamConfig) { c.Discard = jetstream.DiscardOld },
		"max_age":              func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour },
		"max_msgs_per_subject": func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject = 10 },
		"max_msg_size":         func(c *jetstream.StreamConfig) { c.MaxMsgSize = 1000 },
		"deny_delete":          func(c *jetstream.StreamConfig) { c.DenyDelete = false },
		"deny_purge":           func(c *jetstream.StreamConfig) { c.DenyPurge = false },
		"allow_direct":         func(c *jetstream.StreamConfig) { c.AllowDirect = false },
		"allow_rollup_hdrs":    func(c *jetstream.StreamConfig) { c.AllowRollup, c.DenyPurge = true, false },
		"allow_msg_ttl":        func(c *jetstream.StreamConfig) { c.AllowMsgTTL = true },
		"no_ack":               func(c *jetstream.StreamConfig) { c.NoAck = true },
		"first_seq":            func(c *jetstream.StreamConfig) { c.FirstSeq = 100 },
		"persist_mode":         func(c *jetstream.StreamConfig) { c.PersistMode = jetstream.AsyncPersistMode },
		"subject_transform": func(c *jetstream.StreamConfig) {
			c.SubjectTransform = &jetstream.SubjectTransformConfig{Source: c.Subjects[0], Destination: c.Subjects[1]}
		},
		"storage": func(c *jetstream.StreamConfig) { c.Storage = jetstream.MemoryStorage },
		secretOf:  func(c *jetstream.StreamConfig) { c.Metadata = nil },
	} {
		o := onServer()
		must(t, o.complete())
		weak := o.configuration()
		weak.Subjects = slices.Clone(weak.Subjects)
		weaken(&weak)
		if _, err := js.CreateStream(t.Context(), weak); err != nil {
			t.Fatalf("%s: %v", field, err)
		}
		if _, err := Open(t.Context(), o); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), field) {
			t.Errorf("a stream with another %s: %v", field, err)
		}
	}
}

// A stream that the log's administrators made, and that promises more, is taken.
func TestAStrongerStreamIsTaken(t *testing.T) {
	o := onServer()
	must(t, o.complete())
	strong := o.configuration()
	strong.MaxAge, strong.MaxBytes, strong.Compression = 0, 1<<30, jetstream.S2Compression
	_, err := client(t, server.URL()).CreateStream(t.Context(), strong)
	must(t, err)
	add(t, openTest(t, o), 1)
}

// A process with another secret than the log's is refused: its keys are others.
func TestAnotherSecretIsRefused(t *testing.T) {
	o := onServer()
	openTest(t, o)
	o.Fingerprint = "another"
	if _, err := Open(t.Context(), o); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "fingerprint") {
		t.Errorf("a process with another secret: %v", err)
	}
}

// Where nothing tells that servers sync before they acknowledge, the log is refused unless the options allow it.
func TestAServerThatMayLoseIsRefused(t *testing.T) {
	o := onServer()
	o.AllowUnsynced = false
	if _, err := Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), "requireSync") {
		t.Errorf("a server without a cluster: %v", err)
	}
}

// Where the log is gone, its snapshots are refused to another log: nothing begins anew because something was lost.
func TestAStoreOfAnotherLogIsRefused(t *testing.T) {
	o := onServer()
	must(t, openTest(t, o).Close())
	js := client(t, server.URL())
	must(t, js.DeleteStream(t.Context(), o.stream()))
	for range 2 {
		if _, err := Open(t.Context(), o); !errors.Is(err, ErrReplaced) {
			t.Errorf("after the log was removed: %v", err)
		}
	}
	must(t, js.DeleteObjectStore(t.Context(), o.bucket()))
	openTest(t, o)
}

// Options that name no log are refused before anything is asked.
func TestIncompleteOptionsAreRefused(t *testing.T) {
	for _, spoil := range []func(*Options){
		func(o *Options) { o.Servers = nil },
		func(o *Options) { o.Instance = "" },
		func(o *Options) { o.Instance = "a.b" },
		func(o *Options) { o.Fingerprint = "" },
	} {
		o := onServer()
		spoil(&o)
		if j, err := Open(t.Context(), o); err == nil {
			t.Errorf("a log is opened with %+v", o)
			_ = j.Close()
		}
	}
}

// A log that reaches back no further than to after the newest snapshot is not replayed.
func TestALogThatForgotIsRefused(t *testing.T) {
	t.Parallel()
	o := onServer()
	j := openTest(t, o)
	start(t, j)
	add(t, j, 1, 2)
	js := client(t, server.URL())
	forget := j.options.configuration()
	forget.MaxAge = time.Second
	stream, err := js.UpdateStream(t.Context(), forget)
	must(t, err)
	for stream.CachedInfo().State.FirstSeq == 1 {
		sleep(t.Context(), 50*time.Millisecond)
		_, err := stream.Info(t.Context())
		must(t, err)
	}
	_, err = js.UpdateStream(t.Context(), j.options.configuration())
	must(t, err)
	add(t, j, 3)
	late := openTest(t, o)
	if err := late.Replay(0, func(uint64, *counts.Round) error { return nil }); !errors.Is(err, ErrGap) {
		t.Errorf("a start without what the log has forgotten: %v", err)
	}
}
