package jetstream

import (
	"context"
	"fmt"

	"numberfleet.dev/numberfleet/internal/ledger/codec"
)

// seal is a message of the log: what its sender has read, and the newest snapshot that it knows. It comes some messages after those that
// it tells of, since others publish meanwhile.
type seal struct {
	read, snapshot prefix
}

const sealVersion = 1

func (s seal) appendRow(row []byte) []byte {
	row = append(row, sealVersion)
	return codec.Seal(s.snapshot.appendTo(s.read.appendTo(row)))
}

// readSeal reads what appendRow appended.
func readSeal(row []byte) (seal, error) {
	r := codec.Open(row, sealVersion)
	s := seal{read: readPrefix(&r), snapshot: readPrefix(&r)}
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
