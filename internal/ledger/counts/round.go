package counts

import (
	"encoding/binary"
	"errors"
	"slices"

	"numberfleet.dev/numberfleet/internal/ledger/codec"
)

// Round is what one proposer puts into the log at once: the records that its callers brought while the round before was under way.
type Round struct {
	// Proposer and Batch say which round it is: a log may have a round twice, and the machine drops the second. A proposer is one run of a
	// process, and numbers its rounds from 1. Zero where the log has only one proposer, which writes each round once.
	Proposer, Batch uint64
	// Least is the least batch of the proposer that may still come: those before it were answered, or given up.
	Least uint64
	// Clock is what the proposer's clock showed when it made the round, Unix milliseconds.
	Clock int64
	// Cluster is the Kubernetes cluster whose resources the proposer follows: empty, or a name where several clusters share the log.
	Cluster string
	// Lead makes the proposer the leader of its cluster: the round's position is its term. Control records of another term have no effect (see
	// Record.control).
	Lead bool
	// Term is that of a round of a leader, zero of others'.
	Term    uint64
	Records []*Record

	// Stamp is the time that the log gave the round, Unix milliseconds; zero in a log of one process. It is no part of the row.
	Stamp int64
}

// roundVersion is the version of a round's row. Versions 1 to 3 are of one record. Version 1 has neither flags nor a clock and ends after the
// windows, or after links. Version 2 knows nothing of the gate, of categories and of messages that failed.
//
// A release reads a new version before any release writes it: while replicas are upgraded from one release to the next, all of them read what
// each writes. One that reads a version which it does not know goes on no more.
const (
	roundVersion = 4
	flagShared   = 1 << 0 // a proposer follows
	flagLead     = 1 << 1
	flagCluster  = 1 << 2 // of a proposer: the cluster follows
)

// AppendRow appends the row of a round. Numbers are written once.
func (r *Round) AppendRow(row []byte) []byte {
	row = append(row, roundVersion, flag(r.Proposer != 0, flagShared)|flag(r.Lead, flagLead)|flag(r.Cluster != "", flagCluster))
	if r.Proposer != 0 {
		row = binary.LittleEndian.AppendUint64(row, r.Proposer)
		row = binary.AppendUvarint(row, r.Batch)
		row = binary.AppendUvarint(row, r.Least)
		row = binary.AppendVarint(row, r.Clock)
		row = binary.AppendUvarint(row, r.Term)
	}
	if r.Cluster != "" {
		row = codec.AppendString(row, r.Cluster)
	}
	t := numberTable{index: map[string]int{}}
	for _, rec := range r.Records {
		t.add(rec)
	}
	row = binary.AppendUvarint(row, uint64(len(t.numbers)))
	for _, number := range t.numbers {
		row = codec.AppendString(row, number)
	}
	row = binary.AppendUvarint(row, uint64(len(r.Records)))
	for _, rec := range r.Records {
		row = rec.appendRow(row, &t)
	}
	return codec.Seal(row)
}

// leastRecord is the size of the smallest record: flags, a clock, and that there are neither entries nor reports.
const leastRecord = 4

// ReadRow reads a row into the round, whose slices it reuses. An error quotes nothing of the row.
func (r *Round) ReadRow(row []byte) error {
	*r = Round{Records: r.Records[:0]}
	in := unseal(row, roundVersion)
	if in.Version < roundVersion {
		return r.readOneRecord(in)
	}
	flags := in.Byte()
	r.Lead = flags&flagLead != 0
	if flags&flagShared != 0 {
		r.Proposer, r.Batch, r.Least, r.Clock, r.Term = in.Uint64(), in.Uvarint(), in.Uvarint(), in.Varint(), in.Uvarint()
		if in.Err() == nil && (r.Proposer == 0 || r.Batch == 0 || r.Least > r.Batch) {
			in.Fail(errors.New("its batch is impossible"))
		}
	}
	if flags&flagCluster != 0 {
		if r.Cluster = in.String(); r.Cluster == "" || len(r.Cluster) > maxName {
			in.Fail(errors.New("its cluster is impossible"))
		}
	}
	number := in.numbers()
	for range in.Count(leastRecord) {
		r.next().read(in, in.Byte(), in.Varint(), number)
	}
	return in.End()
}

// readOneRecord reads a row of before there were rounds.
func (r *Round) readOneRecord(in *reader) error {
	var flags byte
	var clock int64
	if in.Version > 1 {
		flags, clock = in.Byte(), in.Varint()
	}
	r.next().read(in, flags, clock, in.numbers())
	return in.End()
}

// next adds a record, one that the round had before if there is one.
func (r *Round) next() *Record {
	n := len(r.Records)
	r.Records = slices.Grow(r.Records, 1)[:n+1]
	if r.Records[n] == nil {
		r.Records[n] = &Record{}
	}
	return r.Records[n]
}
