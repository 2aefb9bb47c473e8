package jetstream

import (
	"context"
	"errors"
	"fmt"

	"numberfleet.dev/numberfleet/internal/ledger/codec"
)

// seal is a message of the log: what its sender has read, and the newest snapshot that it knows. It comes some messages after those that
// it tells of, since others publish meanwhile. Or it says that its sender has found the log to have lost something.
type seal struct {
	read, snapshot prefix
	lost           bool
}

const (
	sealVersion = 1
	lostVersion = 2 // of one that says so
)

func (s seal) appendRow(row []byte) []byte {
	version := byte(sealVersion)
	if s.lost {
		version = lostVersion
	}
	return codec.Seal(s.snapshot.appendTo(s.read.appendTo(append(row, version))))
}

// readSeal reads what appendRow appended.
func readSeal(row []byte) (seal, error) {
	r := codec.Open(row, lostVersion)
	s := seal{read: readPrefix(&r), snapshot: readPrefix(&r), lost: r.Version == lostVersion}
	return s, r.End()
}

// Seal implements journal.Shared.
func (j *Journal) Seal(ctx context.Context) error {
	j.mu.Lock()
	s := seal{read: j.log.last, snapshot: j.snapshot}
	j.mu.Unlock()
	return j.publish(ctx, j.options.seals(), s.appendRow(nil))
}

// compare returns ErrDiffers if what a seal says that its sender had read is not what was read here. What was read too long ago cannot be
// compared; the next seal tells.
func (j *Journal) compare(m *message) error {
	s, err := readSeal(m.data)
	if err != nil {
		return fmt.Errorf("the seal at %d of the log cannot be read: %w", m.sequence, err)
	}
	if s.lost {
		return ErrGivenUp
	}
	j.mu.Lock()
	defer j.mu.Unlock()
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
// what it has read. Else it is the process that sealed which has read something else: it finds so by a seal of what was read here.
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
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return errors.Join(differs, j.Seal(ctx))
}
