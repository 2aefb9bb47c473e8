package jetstream

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"iter"

	"numberfleet.dev/numberfleet/internal/ledger/counts"
)

// longestRow bounds a row that is read, bytes: a row of a snapshot is far smaller.
const longestRow = 1 << 30

// writeRows writes rows, until ctx ends.
func writeRows(ctx context.Context, to io.Writer, rows iter.Seq2[counts.Row, error]) error {
	w := bufio.NewWriterSize(to, chunk)
	var length [binary.MaxVarintLen64]byte
	for row, err := range rows {
		if err := errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		for _, part := range [...][]byte{row.Key, row.Value} {
			_, _ = w.Write(binary.AppendUvarint(length[:0], uint64(len(part)))) // Flush returns the first error
			_, _ = w.Write(part)
		}
	}
	return w.Flush()
}

// readRows reads what writeRows wrote. A row's bytes may be used until the next one.
func readRows(from io.Reader) iter.Seq2[counts.Row, error] {
	return func(yield func(counts.Row, error) bool) {
		r := bufio.NewReaderSize(from, chunk)
		row := counts.Row{Key: []byte{}, Value: []byte{}} // a row that is there has a value
		for {
			if _, err := r.Peek(1); errors.Is(err, io.EOF) {
				return
			}
			var err error
			if row.Key, err = readBytes(r, row.Key); err == nil {
				row.Value, err = readBytes(r, row.Value)
			}
			if !yield(row, err) || err != nil {
				return
			}
		}
	}
}

// readBytes reads bytes after their length, into room if there is enough.
func readBytes(r *bufio.Reader, room []byte) ([]byte, error) {
	n, err := binary.ReadUvarint(r)
	if err != nil {
		return nil, inside(err)
	}
	if n > longestRow {
		return nil, errors.New("a row of a snapshot is too long")
	}
	b := bytes.NewBuffer(room[:0])
	if _, err := io.CopyN(b, r, int64(n)); err != nil { // grows as bytes come: a wrong length takes no memory
		return nil, inside(err)
	}
	return b.Bytes(), nil
}

// inside is an error in the middle of a row, where there is no end.
func inside(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// noRows are none.
func noRows(func(counts.Row, error) bool) {}

// merge is saved rows with changes, both in the order of their keys: see journal.Journal. Where the changes begin with one that removes all that
// was saved, nothing of that is read.
func merge(saved iter.Seq2[counts.Row, error], changes iter.Seq[counts.Row]) iter.Seq2[counts.Row, error] {
	return func(yield func(counts.Row, error) bool) {
		nextSaved, stop := iter.Pull2(saved)
		defer stop()
		nextChange, end := iter.Pull(changes)
		defer end()
		var was counts.Row
		var err error
		var kept bool
		change, changed := nextChange()
		if !changed || change.Value != nil || len(change.Key) > 0 {
			was, err, kept = nextSaved()
		}
		var removed []byte // a prefix of keys
		for changed || kept {
			switch {
			case err != nil:
				yield(counts.Row{}, err)
				return
			case kept && (!changed || bytes.Compare(was.Key, change.Key) < 0):
				if (removed == nil || !bytes.HasPrefix(was.Key, removed)) && !yield(was, nil) {
					return
				}
				was, err, kept = nextSaved()
			case change.Value == nil:
				if removed == nil || !bytes.HasPrefix(change.Key, removed) {
					removed = bytes.Clone(change.Key)
				}
				change, changed = nextChange()
			default:
				if kept && bytes.Equal(was.Key, change.Key) {
					was, err, kept = nextSaved()
				}
				if !yield(change, nil) {
					return
				}
				change, changed = nextChange()
			}
		}
	}
}
