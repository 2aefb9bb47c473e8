package jetstream

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"numberfleet.dev/numberfleet/internal/ledger/codec"
	"numberfleet.dev/numberfleet/internal/ledger/journal"
)

// seal is a message of the log that is no round. One that is sealed tells what its sender has read, and the newest snapshot that it knows. It comes
// some messages after those that it tells of, since others publish meanwhile.
type seal struct {
	kind           sealKind
	read, snapshot prefix
	id             uint64 // of one that claims or has begun: no two are equal
}

// sealKind is what a seal says. It is the version of its row.
type sealKind byte

const (
	sealed  sealKind = 1 + iota
	lost             // its sender has found the log to have lost something
	claimed          // its sender moves a ledger into the log
	begun            // and has done so: the log begins with the snapshot
)

func (s seal) appendRow(row []byte) []byte {
	row = s.snapshot.appendTo(s.read.appendTo(append(row, byte(s.kind))))
	if s.kind >= claimed {
		row = binary.LittleEndian.AppendUint64(row, s.id)
	}
	return codec.Seal(row)
}

// readSeal reads what appendRow appended.
func readSeal(row []byte) (seal, error) {
	r := codec.Open(row, byte(begun))
	s := seal{kind: sealKind(r.Version), read: readPrefix(&r), snapshot: readPrefix(&r)}
	if s.kind >= claimed {
		s.id = r.Uint64()
	}
	return s, r.End()
}

// saidWithin is how long the sender of a seal that differs has to find whether the log lost something, and to say so.
const saidWithin = 5 * time.Second

// Seal implements journal.Shared.
func (j *Journal) Seal(ctx context.Context) error {
	j.mu.Lock()
	s := seal{kind: sealed, read: j.log.last, snapshot: j.snapshot}
	j.mu.Unlock()
	return j.publish(ctx, j.options.seals(), s.appendRow(nil))
}

// compare returns ErrDiffers if what a seal says that its sender had read is not what was read here. What was read too long ago cannot be
// compared; the next seal tells. It returns ErrNoBeginning if the log begins with a snapshot that was not loaded here.
func (j *Journal) compare(m *message) error {
	s, err := readSeal(m.data)
	if err != nil {
		return fmt.Errorf("the seal at %d of the log cannot be read: %w", m.sequence, err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case s.kind == lost:
		return ErrGivenUp
	case s.kind == begun && s.snapshot != j.snapshot:
		return fmt.Errorf("%w, at %d", ErrNoBeginning, s.snapshot.position)
	case s.kind != sealed:
		return nil
	}
	if s.snapshot.position > j.snapshot.position {
		j.snapshot = s.snapshot
	}
	here, known := j.log.at(s.read.position)
	switch {
	case s.read.position >= m.sequence, known && here != s.read:
		return fmt.Errorf("%w, up to %d", ErrDiffers, s.read.position)
	case known:
		j.sealed.Add(1)
	}
	return nil
}

// reread says what differs where a seal is not of what was read here: ErrChanged if the log has other messages now where this process remembers
// what it has read. Else it is the process that sealed which has read something else: it finds so by a seal of what was read here, and says whether the
// log lost something. Then this process is to keep what it knows as well: the other one may know of it.
func (j *Journal) reread(ctx context.Context, differs error) error {
	j.mu.Lock()
	last := j.log.last
	at := last
	for before, known := j.log.at(at.position - 1); at.position > 0 && known; before, known = j.log.at(at.position - 1) {
		at = before
	}
	j.mu.Unlock()
	err := j.newReader(at.position).read(ctx, last.position, func(m *message) error {
		at = at.and(m, m.subject == j.options.rounds())
		j.mu.Lock()
		defer j.mu.Unlock()
		if was, _ := j.log.at(at.position); was != at {
			return fmt.Errorf("%w, at %d", ErrChanged, at.position)
		}
		return nil
	})
	if err != nil {
		return err
	}
	sealing, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := j.Seal(sealing); err != nil {
		return errors.Join(differs, err)
	}
	listening, cancel := context.WithTimeout(ctx, saidWithin)
	defer cancel()
	if err := j.reader.read(listening, endless, j.givenUp); errors.Is(err, journal.ErrLost) {
		return err
	}
	return differs
}

// givenUp returns ErrGivenUp for a message that says that the log lost something.
func (j *Journal) givenUp(m *message) error {
	if m.subject != j.options.seals() {
		return nil
	}
	s, err := readSeal(m.data)
	if err == nil && s.kind == lost {
		return ErrGivenUp
	}
	return err
}
