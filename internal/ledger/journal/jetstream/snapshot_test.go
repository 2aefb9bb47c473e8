package jetstream

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"numberfleet.dev/numberfleet/internal/ledger/counts"
)

// whole are rows that replace all that were saved, as the ledger gives them.
func whole(rows ...counts.Row) iter.Seq[counts.Row] {
	return slices.Values(append([]counts.Row{{}}, rows...))
}

// row is one with a value.
func row(key, value string) counts.Row { return counts.Row{Key: []byte(key), Value: []byte(value)} }

// text is what rows are, for comparisons.
func text(rows []counts.Row) string {
	var all []string
	for _, r := range rows {
		all = append(all, fmt.Sprintf("%s=%s", r.Key, r.Value))
	}
	return strings.Join(all, " ")
}

// A start reads the newest snapshot, with rows of all sizes, and the rounds after it.
func TestAStartReadsTheNewestSnapshot(t *testing.T) {
	o := onServer()
	j := openTest(t, o)
	start(t, j)
	add(t, j, 1)
	must(t, j.Save(t.Context(), 1, whole(row("a", "1"))))
	add(t, j, 2, 3)
	large := []counts.Row{row("", "the machine"), row("b", ""), row("c", strings.Repeat("c", 3*chunk+1)), row("d", "4")}
	must(t, j.Save(t.Context(), 2, whole(large...)))
	rows, batches := start(t, openTest(t, o))
	if text(rows) != text(large) || !slices.Equal(batches, []uint64{3}) {
		t.Errorf("a start reads %.200q and the rounds %d", text(rows), batches)
	}
}

// Three snapshots are kept, and of the others nothing.
func TestThreeSnapshotsAreKept(t *testing.T) {
	o := onServer()
	j := openTest(t, o)
	start(t, j)
	for i := range 5 {
		add(t, j, i+1)
		must(t, j.Save(t.Context(), uint64(i+1), whole(row("a", "1"))))
	}
	all, err := j.list(t.Context(), j.snapshots)
	must(t, err)
	var kept []uint64
	for _, s := range all {
		kept = append(kept, s.position)
	}
	if !slices.Equal(kept, []uint64{5, 4, 3}) {
		t.Errorf("the snapshots %d are kept", kept)
	}
	if n := pieces(t, j); n != 3 {
		t.Errorf("they have %d messages with rows", n)
	}
}

// pieces is how many messages with rows the store has.
func pieces(t *testing.T, j *Journal) (n uint64) {
	t.Helper()
	stream, err := j.js.Stream(t.Context(), streamOf(j.options.bucket()))
	must(t, err)
	info, err := stream.Info(t.Context(), jetstream.WithSubjectFilter("$O."+j.options.bucket()+".C.>"))
	must(t, err)
	for _, of := range info.State.Subjects {
		n += of
	}
	return n
}

// A snapshot that ends in the middle leaves nothing, and the ones before as they were.
func TestAnEndedSnapshotLeavesNothing(t *testing.T) {
	j := openTest(t, onServer())
	start(t, j)
	add(t, j, 1)
	must(t, j.Save(t.Context(), 1, whole(row("a", "1"))))
	add(t, j, 2)
	ctx, cancel := context.WithCancel(t.Context())
	err := j.Save(ctx, 2, func(yield func(counts.Row) bool) {
		for i := range 100 {
			if !yield(row(fmt.Sprintf("%02d", i), strings.Repeat("x", chunk))) {
				return
			}
			if i == 50 {
				cancel()
			}
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("a snapshot that was ended returns %v", err)
	}
	if n := pieces(t, j); n != 1 {
		t.Errorf("the store has %d messages with rows", n)
	}
	if j.Stats().Snapshot != 1 {
		t.Errorf("the newest snapshot is %d", j.Stats().Snapshot)
	}
}

// A snapshot that is damaged is passed over: a start reads the one before it, and more of the log.
func TestADamagedSnapshotIsPassedOver(t *testing.T) {
	o := onServer()
	j := openTest(t, o)
	start(t, j)
	add(t, j, 1)
	must(t, j.Save(t.Context(), 1, whole(row("a", "1"))))
	add(t, j, 2)
	must(t, j.Save(t.Context(), 2, whole(row("b", strings.Repeat("b", 3*chunk)))))
	all, err := j.list(t.Context(), j.snapshots)
	must(t, err)
	stream, err := j.js.Stream(t.Context(), streamOf(o.bucket()))
	must(t, err)
	info, err := j.snapshots.GetInfo(t.Context(), all[0].name)
	must(t, err)
	object := chunks(info)
	first, err := stream.GetMsg(t.Context(), 1, jetstream.WithGetMsgSubject(object))
	must(t, err)
	must(t, stream.DeleteMsg(t.Context(), first.Sequence))
	_, err = j.js.Publish(t.Context(), object, first.Data[1:]) // what is there is too short, and then of another digest
	must(t, err)
	_, err = j.js.Publish(t.Context(), object, []byte("x"))
	must(t, err)
	rows, batches := start(t, openTest(t, o))
	if text(rows) != "a=1" || !slices.Equal(batches, []uint64{2}) {
		t.Errorf("a start reads %.200q and the rounds %d", text(rows), batches)
	}
}

// Changes are saved only on the snapshot that they are changes of.
func TestChangesOfAnotherSnapshotAreRefused(t *testing.T) {
	o := onServer()
	a, b := openTest(t, o), openTest(t, o)
	start(t, a)
	start(t, b)
	add(t, a, 1, 2)
	follow(t, b, 2)
	must(t, a.Save(t.Context(), 1, whole(row("a", "1"))))
	if err := b.Save(t.Context(), 2, slices.Values([]counts.Row{row("b", "2")})); err == nil {
		t.Error("changes since no snapshot are saved where there is one")
	}
	if err := a.Save(t.Context(), 3, whole()); err == nil {
		t.Error("a snapshot of a position is saved that was not read")
	}
	must(t, a.Save(t.Context(), 2, slices.Values([]counts.Row{row("b", "2")})))
	if rows, _ := start(t, openTest(t, o)); text(rows) != "a=1 b=2" {
		t.Errorf("a start reads %q", text(rows))
	}
}
