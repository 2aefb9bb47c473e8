package jetstream

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"numberfleet.dev/numberfleet/hack/rig/nats"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
)

// server is one that all tests share which need no cluster. Each has an instance of its own.
var server *nats.Cluster

func TestMain(m *testing.M) {
	os.Exit(nats.WithOne(func(c *nats.Cluster) int {
		server = c
		return m.Run()
	}))
}

var logs atomic.Int64

// onServer are the options of a new log on the server. Its time is later than that of all records, so that log time is theirs alone.
func onServer() Options {
	return Options{
		Servers: []string{server.URL()}, Instance: fmt.Sprintf("test-%d", logs.Add(1)), Fingerprint: "secret",
		Replicas: 1, AllowUnsynced: true, Time: func(time.Time) time.Time { return time.Unix(1<<33, 0) },
	}
}

// openTest opens a log until the test ends.
func openTest(t *testing.T, o Options) *Journal {
	t.Helper()
	j, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	return j
}

// start is what a process does before it follows. It returns the rows of the snapshot, and the batches of the rounds after it.
func start(t *testing.T, j *Journal) (rows []counts.Row, batches []uint64) {
	t.Helper()
	for row, err := range j.Load() {
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, counts.Row{Key: append([]byte{}, row.Key...), Value: append([]byte{}, row.Value...)})
	}
	err := j.Replay(j.position(), func(_ uint64, r *counts.Round) error {
		batches = append(batches, r.Batch)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows, batches
}

// round is one without records.
func round(batch int) *counts.Round {
	return &counts.Round{Proposer: 1, Batch: uint64(batch), Least: 1}
}

// add appends rounds, and follows up to the last of them.
func add(t *testing.T, j *Journal, batches ...int) {
	t.Helper()
	for _, batch := range batches {
		if err := j.Append(t.Context(), round(batch)); err != nil {
			t.Fatal(err)
		}
	}
	follow(t, j, len(batches))
}

// follow follows so many rounds.
func follow(t *testing.T, j *Journal, n int) {
	t.Helper()
	if n == 0 {
		return
	}
	enough := errors.New("that is enough")
	err := j.Follow(t.Context(), func(uint64, *counts.Round) error {
		if n--; n == 0 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) {
		t.Fatal(err)
	}
}

// failure is why a journal does not follow its log any more.
func failure(t *testing.T, j *Journal) error {
	t.Helper()
	return j.Follow(t.Context(), func(uint64, *counts.Round) error { return nil })
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
