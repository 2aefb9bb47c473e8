package counts

import "numberfleet.dev/numberfleet/internal/ledger/codec"

// reader reads rows of records and snapshots.
type reader struct{ codec.Reader }

// unseal reads a row of which there are versions up to the newest.
func unseal(row []byte, newest byte) *reader { return &reader{codec.Open(row, newest)} }

// check makes the reader fail with an error.
func (r *reader) check(err error) {
	if err != nil {
		r.Fail(err)
	}
}

// ended says whether a row of version 1 has ended, which leaves out what there is nothing of.
func (r *reader) ended() bool { return r.Err() != nil || r.Version == 1 && !r.More() }
