package jetstream

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"numberfleet.dev/numberfleet/hack/rig"
	"numberfleet.dev/numberfleet/hack/rig/s3"
	"numberfleet.dev/numberfleet/internal/ledger/bucket"
)

// withBackup are the options of a new log on the server, and a server with a bucket, which runs until the test ends.
func withBackup(t *testing.T) (Options, *s3.Server) {
	t.Helper()
	server, err := s3.New(t.Context(), t.TempDir())
	must(t, err)
	t.Cleanup(server.Kill)
	o := onServer()
	o.Backup, err = bucket.Open(server.Options())
	must(t, err)
	return o, server
}

// snapshots appends rounds, and saves and copies a snapshot after each.
func snapshots(t *testing.T, j *Journal, n int) {
	t.Helper()
	start(t, j)
	for i := 1; i <= n; i++ {
		add(t, j, i)
		must(t, j.Save(t.Context(), uint64(i), whole(row("a", fmt.Sprint(i)), row("large", strings.Repeat("x", 3*chunk)))))
		must(t, j.CopySnapshot(t.Context()))
	}
}

// copiesOf is the positions of the copies in the bucket, the newest first.
func copiesOf(t *testing.T, o Options) (positions []uint64) {
	t.Helper()
	names, err := o.listCopies(t.Context())
	must(t, err)
	for _, name := range names {
		c, err := o.describe(t.Context(), name)
		must(t, err)
		positions = append(positions, c.position)
	}
	return positions
}

// loseStore removes the store of a log's snapshots.
func loseStore(t *testing.T, j *Journal) {
	t.Helper()
	must(t, j.js.DeleteObjectStore(t.Context(), j.options.bucket()))
}

// Three copies are kept in the bucket, and whatever else is there. Another process copies nothing again.
func TestThreeCopiesAreKept(t *testing.T) {
	o, _ := withBackup(t)
	must(t, o.Backup.Write(t.Context(), o.copies()+"notes", nil, strings.NewReader("x"), 1))
	j := openTest(t, o)
	must(t, j.CopySnapshot(t.Context()))
	if !j.Stats().BackedUp.IsZero() {
		t.Error("without a snapshot there is a copy")
	}
	snapshots(t, j, 5)
	must(t, openTest(t, o).CopySnapshot(t.Context()))
	if kept := copiesOf(t, o); !slices.Equal(kept, []uint64{5, 4, 3}) {
		t.Errorf("the copies %d are kept", kept)
	}
	names, err := o.Backup.List(t.Context(), "")
	must(t, err)
	if len(names) != 4 {
		t.Errorf("the bucket has %q", names)
	}
	if j.Stats().BackedUp.IsZero() {
		t.Error("it is not known when the newest copy was saved")
	}
}

// Where the store of the log's snapshots is gone, a start reads the newest copy, and what the log has after it.
func TestAStartReadsACopyWhereTheStoreIsGone(t *testing.T) {
	o, _ := withBackup(t)
	j := openTest(t, o)
	snapshots(t, j, 3)
	add(t, j, 4)
	loseStore(t, j)
	again := openTest(t, o)
	rows, batches := start(t, again)
	if !strings.HasPrefix(text(rows), "a=3 ") || !slices.Equal(batches, []uint64{4}) {
		t.Errorf("a start reads %.200q and the rounds %d", text(rows), batches)
	}
	must(t, again.Seal(t.Context()))
	add(t, again, 5)
	if again.Stats().Seals != 1 {
		t.Error("what was read is not what the log has")
	}
}

// A copy that is damaged is passed over: a start reads the one before it, and more of the log.
func TestADamagedCopyIsPassedOver(t *testing.T) {
	o, server := withBackup(t)
	j := openTest(t, o)
	snapshots(t, j, 2)
	names, err := o.listCopies(t.Context())
	must(t, err)
	file := server.Object(names[0])
	content, err := os.ReadFile(file)
	must(t, err)
	content[len(content)/2]++
	must(t, os.WriteFile(file, content, 0o600))
	loseStore(t, j)
	rows, batches := start(t, openTest(t, o))
	if !strings.HasPrefix(text(rows), "a=1 ") || !slices.Equal(batches, []uint64{2}) {
		t.Errorf("a start reads %.200q and the rounds %d", text(rows), batches)
	}
	backup, err := OpenBackup(t.Context(), o)
	must(t, err)
	if backup.Position != 1 {
		t.Errorf("a new log would begin with the copy of %d", backup.Position)
	}
}

// A snapshot is copied as soon as the server of the bucket is back. Meanwhile snapshots are saved, and processes start.
func TestTheBucketIsAway(t *testing.T) {
	o, server := withBackup(t)
	j := openTest(t, o)
	snapshots(t, j, 1)
	server.Kill()
	add(t, j, 2)
	must(t, j.Save(t.Context(), 2, whole(row("a", "2"))))
	if err := j.CopySnapshot(t.Context()); err == nil {
		t.Error("a snapshot is copied to a server that is away")
	}
	if rows, _ := start(t, openTest(t, o)); text(rows) != "a=2" {
		t.Errorf("a start reads %.200q", text(rows))
	}
	must(t, server.Start(t.Context()))
	must(t, j.CopySnapshot(t.Context()))
	if kept := copiesOf(t, o); !slices.Equal(kept, []uint64{2, 1}) {
		t.Errorf("there are copies of %d", kept)
	}
}

// With another key nothing is copied, which is counted. What is in the log is read as without a bucket; a new log is not begun, since one might be
// gone.
func TestABucketThatRefuses(t *testing.T) {
	o, server := withBackup(t)
	must(t, os.WriteFile(server.Options().SecretAccessKey, []byte("another"), 0o600))
	waiting, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := Open(waiting, o); err == nil {
		t.Error("a log is begun, and nobody knows whether there was one")
	}
	without := o
	without.Backup = nil
	j := openTest(t, without)
	start(t, j)
	add(t, j, 1)
	must(t, j.Save(t.Context(), 1, whole(row("a", "1"))))

	j = openTest(t, o)
	if rows, _ := start(t, j); text(rows) != "a=1" {
		t.Errorf("a start reads %q", text(rows))
	}
	trying, end := context.WithCancel(t.Context())
	defer end()
	go j.BackUp(trying, func() bool { return true })
	if !rig.Eventually(t.Context(), func() bool { return j.Stats().Uncopied > 0 }) {
		t.Error("no attempt to copy a snapshot failed")
	}
	if !j.Stats().BackedUp.IsZero() {
		t.Error("a snapshot was copied")
	}
}

// Whoever leads copies each new snapshot, and nobody else does.
func TestTheLeaderCopiesSnapshots(t *testing.T) {
	o, _ := withBackup(t)
	j := openTest(t, o)
	start(t, j)
	add(t, j, 1)
	must(t, j.Save(t.Context(), 1, whole(row("a", "1"))))
	ctx, end := context.WithCancel(t.Context())
	asked := make(chan struct{})
	go j.BackUp(ctx, func() bool {
		select {
		case asked <- struct{}{}:
		case <-ctx.Done():
		}
		return false
	})
	<-asked
	<-asked // so it did nothing when it was asked first
	end()
	if kept := copiesOf(t, o); len(kept) > 0 {
		t.Errorf("one who does not lead has copied %d", kept)
	}
	go j.BackUp(t.Context(), func() bool { return true })
	awaitCopies := func(n int) {
		t.Helper()
		if !rig.Eventually(t.Context(), func() bool { return len(copiesOf(t, o)) == n }) {
			t.Fatalf("there are not %d copies", n)
		}
	}
	awaitCopies(1)
	add(t, j, 2)
	must(t, j.Save(t.Context(), 2, whole(row("a", "2"))))
	awaitCopies(2)
}

// No log is made in place of one of which the bucket has copies, but to begin it with what is there.
func TestNoLogIsMadeInPlaceOfOneThatIsGone(t *testing.T) {
	o, _ := withBackup(t)
	j := openTest(t, o)
	snapshots(t, j, 1)
	must(t, j.js.DeleteStream(t.Context(), o.stream()))
	loseStore(t, j)
	_, err := Open(t.Context(), o)
	if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "run manager ledger restore") {
		t.Errorf("a start ends with %v", err)
	}
	other := o
	other.Fingerprint = "another"
	if _, err = OpenBackup(t.Context(), other); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "another secret") {
		t.Errorf("with another secret the error is %v", err)
	}
	other.Instance = "another"
	if _, err = OpenBackup(t.Context(), other); !errors.Is(err, ErrNoBackup) {
		t.Errorf("where there is no copy, the error is %v", err)
	}
	o.Moving = In
	openTest(t, o)
}
