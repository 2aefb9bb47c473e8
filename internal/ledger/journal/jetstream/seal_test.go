package jetstream

import (
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/ledger/journal"
)

// Processes that have read the same find so at a seal, whoever sealed and however much came between; one that started from a snapshot too.
func TestSealsAgree(t *testing.T) {
	o := onServer()
	a, b := openTest(t, o), openTest(t, o)
	start(t, a)
	start(t, b)
	add(t, a, 1, 2)
	must(t, a.Save(t.Context(), a.position(), whole()))
	must(t, b.Append(t.Context(), round(3)))
	must(t, a.Seal(t.Context()))
	must(t, b.Append(t.Context(), round(4)))
	must(t, a.Append(t.Context(), round(5)))
	follow(t, a, 3)
	follow(t, b, 5)
	c := openTest(t, o)
	start(t, c)
	for name, j := range map[string]*Journal{"the one that sealed": a, "another": b, "one from a snapshot": c} {
		if stats := j.Stats(); stats.Seals != 1 || stats.Position != 6 || stats.Snapshot != 2 {
			t.Errorf("%s has %+v", name, stats)
		}
	}
	if a.Size() != b.Size() || a.Size() != c.Size() {
		t.Errorf("a start would read %d, %d and %d bytes", a.Size(), b.Size(), c.Size())
	}
}

// Of two processes that have not read the same, the one whose rounds the log has no more ends and says so, whichever of them sealed. The other one
// ends where it reads the seal, and starts again.
func TestASealThatDiffersEndsIt(t *testing.T) {
	for _, sealer := range []string{"the one that read the log as it is", "the other one"} {
		t.Run(sealer, func(t *testing.T) {
			o := onServer()
			right, wrong := openTest(t, o), openTest(t, o)
			start(t, right)
			start(t, wrong)
			add(t, right, 1)
			follow(t, wrong, 1)
			wrong.log.last.digest[0]++ // as if the log had another round now
			wrong.log.add(wrong.log.last)
			if sealer == "the other one" {
				must(t, wrong.Seal(t.Context()))
				if err := failure(t, right); !errors.Is(err, ErrDiffers) || errors.Is(err, journal.ErrLost) {
					t.Errorf("the one that read the log as it is ends with %v", err)
				}
			} else {
				must(t, right.Seal(t.Context()))
			}
			if err := failure(t, wrong); !errors.Is(err, ErrChanged) || !errors.Is(err, journal.ErrLost) {
				t.Errorf("the other one ends with %v", err)
			}
		})
	}
}

// A start goes by the last seal. Where that is of something else than the log has, something was lost that nobody remembers; where others have sealed
// since, it was of a process that had read something else.
func TestAStartGoesByTheLastSeal(t *testing.T) {
	o := onServer()
	right, _ := sealedOtherwise(t, o)
	late := openTest(t, o)
	if err := late.Replay(0, func(uint64, *counts.Round) error { return nil }); !errors.Is(err, ErrDiffers) {
		t.Errorf("a start after a seal of something else: %v", err)
	}
	if err := failure(t, right); !errors.Is(err, ErrDiffers) { // it seals
		t.Errorf("the other one ends with %v", err)
	}
	if _, batches := start(t, openTest(t, o)); !slices.Equal(batches, []uint64{1}) {
		t.Errorf("a start after that reads the rounds %v", batches)
	}
}

// One that read the log as it is ends as the others do where one of these finds that the log lost something: it is to keep what it knows.
func TestWhoReadTheLogAsItIsIsToldThatItLostSomething(t *testing.T) {
	right, wrong := sealedOtherwise(t, onServer())
	wrong.tellOthers(t.Context())
	if err := failure(t, right); !errors.Is(err, ErrGivenUp) {
		t.Errorf("it ends with %v", err)
	}
}

// sealedOtherwise are two processes on a log, the second of which has read something else than it has, and sealed it.
func sealedOtherwise(t *testing.T, o Options) (right, wrong *Journal) {
	t.Helper()
	right, wrong = openTest(t, o), openTest(t, o)
	start(t, right)
	start(t, wrong)
	add(t, right, 1)
	follow(t, wrong, 1)
	wrong.log.last.digest[0]++
	must(t, wrong.Seal(t.Context()))
	return right, wrong
}

// A seal of what was read so long ago that it is not remembered says nothing.
func TestAnOldSealSaysNothing(t *testing.T) {
	o := onServer()
	j := openTest(t, o)
	start(t, j)
	add(t, j, 1)
	must(t, j.Seal(t.Context()))
	j.log.recent[1] = prefix{position: 1 + remembered}
	add(t, j, 2)
	if stats := j.Stats(); stats.Seals != 0 || stats.Position != 3 {
		t.Errorf("it has %+v", stats)
	}
}

// A prefix is another one if any of its messages is another, comes at another place or has another time.
func TestAPrefixTellsMessagesApart(t *testing.T) {
	first := message{sequence: 1, stamp: 7, data: []byte("a")}
	second := message{sequence: 2, stamp: 8, data: []byte("b")}
	is := prefix{}.and(&first, true).and(&second, true)
	for name, change := range map[string]func(first, second *message){
		"another message": func(first, _ *message) { first.data = []byte("c") },
		"another time":    func(_, second *message) { second.stamp++ },
		"another order":   func(first, second *message) { first.data, second.data = second.data, first.data },
		"a shift":         func(first, second *message) { first.data, second.data = []byte("ab"), nil },
	} {
		first, second := first, second
		change(&first, &second)
		if (prefix{}).and(&first, true).and(&second, true).digest == is.digest {
			t.Errorf("%s is not told", name)
		}
	}
	if again := (prefix{}).and(&first, true).and(&second, true); again != is {
		t.Error("the same messages are told apart")
	}
}

func somePrefix(t *rapid.T) prefix {
	p := prefix{position: rapid.Uint64().Draw(t, "position"), bytes: rapid.Uint64().Draw(t, "bytes")}
	copy(p.digest[:], rapid.SliceOfN(rapid.Byte(), len(p.digest), len(p.digest)).Draw(t, "digest"))
	return p
}

// Seals and prefixes are read as they were written.
func TestSealsAreReadAsWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := seal{kind: rapid.SampledFrom([]sealKind{sealed, lost, claimed, begun}).Draw(t, "kind"), read: somePrefix(t), snapshot: somePrefix(t)}
		if s.kind >= claimed {
			s.id = rapid.Uint64().Draw(t, "id")
		}
		if got, err := readSeal(s.appendRow(nil)); err != nil || got != s {
			t.Errorf("%+v is read as %+v, %v", s, got, err)
		}
		if got, err := parsePrefix(s.read.String()); err != nil || got != s.read {
			t.Errorf("%+v is read as %+v, %v", s.read, got, err)
		}
	})
}

// Whatever is read as a seal is written as it was read: nothing else passes.
func FuzzSeal(f *testing.F) {
	f.Add(seal{kind: sealed, read: prefix{position: 7, bytes: 9}, snapshot: prefix{position: 3}}.appendRow(nil))
	f.Add(seal{kind: lost}.appendRow(nil))
	f.Add(seal{kind: begun, id: 7}.appendRow(nil))
	f.Add([]byte{byte(sealed)})
	f.Fuzz(func(t *testing.T, row []byte) {
		s, err := readSeal(row)
		if err != nil {
			return
		}
		if again, err := readSeal(s.appendRow(nil)); err != nil || again != s {
			t.Errorf("%+v is read again as %+v, %v", s, again, err)
		}
	})
}

// The same of the description of a snapshot.
func FuzzPrefix(f *testing.F) {
	f.Add(prefix{position: 7, bytes: 9}.String())
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parsePrefix(text)
		if err != nil {
			return
		}
		if again, err := parsePrefix(p.String()); err != nil || again != p {
			t.Errorf("%+v is read again as %+v, %v", p, again, err)
		}
	})
}
