package jetstream

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"numberfleet.dev/numberfleet/internal/ledger/counts"
)

// Each process reads what all append, in one order, from where it stopped.
func TestAllReadAll(t *testing.T) {
	o := onServer()
	a, b := openTest(t, o), openTest(t, o)
	start(t, a)
	add(t, a, 1, 2, 3)
	if _, batches := start(t, b); !slices.Equal(batches, []uint64{1, 2, 3}) {
		t.Errorf("the rounds %d are replayed", batches)
	}
	add(t, b, 4, 5)
	follow(t, a, 2)
	if a.log.last != b.log.last {
		t.Errorf("two processes have read %+v and %+v", a.log.last, b.log.last)
	}
}

// What is read has the stamp of the server, in the time of the rules.
func TestRoundsHaveTheServersTime(t *testing.T) {
	o := onServer()
	j := openTest(t, o)
	start(t, j)
	must(t, j.Append(t.Context(), round(1)))
	seen := errors.New("seen")
	err := j.Follow(t.Context(), func(_ uint64, r *counts.Round) error {
		if want := o.Time(j.created).UnixMilli(); r.Stamp != want {
			t.Errorf("the stamp is %d, not %d", r.Stamp, want)
		}
		return seen
	})
	if !errors.Is(err, seen) {
		t.Fatal(err)
	}
}

// A process whose log is replaced by another one does not go on.
func TestAnotherLogIsNotFollowed(t *testing.T) {
	t.Parallel()
	o := onServer()
	j := openTest(t, o)
	start(t, j)
	add(t, j, 1)
	js := client(t, server.URL())
	must(t, js.DeleteStream(t.Context(), o.stream()))
	if err := failure(t, j); !errors.Is(err, ErrReplaced) {
		t.Errorf("without its log it ends with %v", err)
	}
	_, err := js.CreateStream(t.Context(), j.options.configuration())
	must(t, err)
	if err := failure(t, j); !errors.Is(err, ErrReplaced) {
		t.Errorf("with another log it ends with %v", err)
	}
}

// A process that has read more than its log has does not go on, and neither does one whose log gives out sequences again.
func TestAShorterLogIsNotFollowed(t *testing.T) {
	t.Parallel()
	o := onServer()
	j := openTest(t, o)
	start(t, j)
	add(t, j, 1, 2)
	j.reader.last.Store(3)
	if err := failure(t, j); !errors.Is(err, ErrShortened) {
		t.Errorf("it ends with %v", err)
	}

	j = openTest(t, o)
	start(t, j)
	j.log.last.position = 3
	if err := j.Append(t.Context(), round(3)); !errors.Is(err, ErrShortened) {
		t.Errorf("an append that is given a sequence that was read returns %v", err)
	}
	if err := failure(t, j); !errors.Is(err, ErrShortened) {
		t.Errorf("it then ends with %v", err)
	}
}

// A log that lacks a message between others is not read beyond it.
func TestAGapIsNotReadOver(t *testing.T) {
	t.Parallel()
	o := onServer()
	js := client(t, server.URL())
	stream, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: o.stream(), Subjects: []string{o.rounds()}, AllowDirect: true})
	must(t, err)
	for range 5 {
		_, err := js.Publish(t.Context(), o.rounds(), nil)
		must(t, err)
	}
	must(t, stream.DeleteMsg(t.Context(), 4))
	connection, err := connect(&o)
	must(t, err)
	t.Cleanup(connection.Close)
	r := &reader{connection: connection.Conn, js: js, stream: o.stream(), created: stream.CachedInfo().Created}
	err = r.read(t.Context(), 5, func(*message) error { return nil })
	if !errors.Is(err, ErrGap) || r.last.Load() != 3 {
		t.Errorf("it ends after %d with %v", r.last.Load(), err)
	}
}

// A round that is too large for the log is refused, and the log goes on.
func TestATooLargeRoundIsRefused(t *testing.T) {
	j := openTest(t, onServer())
	start(t, j)
	r := round(1)
	r.Records = []*counts.Record{{Portfolios: []counts.Portfolio{{Name: strings.Repeat("x", MaxRound)}}}}
	if err := j.Append(t.Context(), r); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a large round: %v", err)
	}
	r.Records[0].Portfolios[0].Name = strings.Repeat("x", MaxRound-100)
	must(t, j.Append(t.Context(), r))
	follow(t, j, 1)
}

// A log that has no more room refuses a round, which is not tried again, and keeps what it has.
func TestAFullLogRefuses(t *testing.T) {
	o := onServer()
	must(t, o.complete())
	small := o.configuration()
	small.MaxBytes = 1000
	_, err := client(t, server.URL()).CreateStream(t.Context(), small)
	must(t, err)
	j := openTest(t, o)
	start(t, j)
	appended := 0
	for err == nil {
		if err = j.Append(t.Context(), round(appended+1)); err == nil {
			appended++
		}
	}
	if _, refused := errors.AsType[*jetstream.APIError](err); !refused || appended == 0 {
		t.Errorf("after %d rounds an append returns %v", appended, err)
	}
	follow(t, j, appended)
}

// What is under way when a journal is closed ends.
func TestCloseEndsWhatIsUnderWay(t *testing.T) {
	j := openTest(t, onServer())
	start(t, j)
	ended := make(chan error, 1)
	go func() { ended <- j.Follow(t.Context(), func(uint64, *counts.Round) error { return nil }) }()
	must(t, j.Close())
	if err := <-ended; !errors.Is(err, errClosed) {
		t.Errorf("following ends with %v", err)
	}
	if err := j.Append(t.Context(), round(1)); !errors.Is(err, errClosed) {
		t.Errorf("an append returns %v", err)
	}
}
