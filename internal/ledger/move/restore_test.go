package move

import (
	"testing"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/hack/rig/s3"
	"numberfleet.dev/numberfleet/internal/ledger/bucket"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/ledger/journal/jetstream"
)

// newBucket is a bucket of a server that runs until the test ends.
func newBucket(t *testing.T) *bucket.Bucket {
	t.Helper()
	server, err := s3.New(t.Context(), t.TempDir())
	must(t, err)
	t.Cleanup(server.Kill)
	b, err := bucket.Open(server.Options())
	must(t, err)
	return b
}

// The log and its snapshots are gone with their servers. No replica starts on an empty log. A new log begins with the newest snapshot in the bucket:
// what came after it is lost, counts when it comes again, and nothing else does. What was held then is held, and no more is granted than that leaves.
func TestALogThatIsGoneIsRestoredFromTheBucket(t *testing.T) {
	o := options("", server.URL(), instance())
	o.Log.Backup = newBucket(t)
	_, err := Restore(t.Context(), o, o.Log.Instance)
	isError(t, "without a copy", err, jetstream.ErrNoBackup)
	l := newReplicas(t, o, 1).ledgers[0]
	deliver(t, l, 0, 20)
	reserve(t, l, 100)
	must(t, l.Snapshot(t.Context()))
	log, err := jetstream.Open(t.Context(), o.Log)
	must(t, err)
	must(t, log.CopySnapshot(t.Context()))
	must(t, log.Close())
	deliver(t, l, 20, 30)
	must(t, l.Close())

	deleteStreams(t, o, streamOf(o), "OBJ_"+streamOf(o)+"_snapshots")
	_, err = jetstream.Open(t.Context(), o.Log)
	isError(t, "a start", err, jetstream.ErrRefused)

	_, err = Restore(t.Context(), o, o.Log.Instance)
	must(t, err)
	_, err = Restore(t.Context(), o, o.Log.Instance)
	isError(t, "again", err, jetstream.ErrBegun)
	l = replica(t, o)
	if n := used(l); n != 20 {
		t.Errorf("20 users were reached before the snapshot, and %d are known", n)
	}
	if n := deliver(t, l, 0, 30); n != 10 {
		t.Errorf("%d deliveries count again, and 10 were lost", n)
	}
	if d := reserve(t, l, 900); d.Why != string(v1alpha1.RoomNotReady) {
		t.Errorf("before anyone has set what may be sent it is decided %+v", d)
	}
	must(t, l.Configure(settings))
	for user := 200; user < 200+limit-31; user++ {
		if d := reserve(t, l, user); d.State != counts.Held {
			t.Fatalf("a place that is free is not granted: %+v", d)
		}
	}
	if d := reserve(t, l, 99); d.State != counts.Refused {
		t.Errorf("beyond the limit it is decided %+v", d)
	}
}
