package counts

import (
	"encoding/binary"
	"errors"
	"iter"
	"maps"
	"slices"
	"time"

	"numberfleet.dev/numberfleet/internal/ledger/codec"
)

// shared is what a machine knows of those who propose rounds to one log.
type shared struct {
	// terms are the positions of the rounds by which the leaders of now lead, by their clusters. Control follows from Kubernetes objects, which
	// processes see at different times: so only the leader of a cluster writes it. A leader that was paused, while another took over, has an
	// older term, and changes nothing.
	terms     map[string]uint64
	proposers map[uint64]*proposer
}

// proposer is what was applied of one run of a process.
type proposer struct {
	least uint64   // none before this batch comes any more
	seen  []uint64 // the batches from least on that were applied, in order
	at    int64    // log time of the last of them, Unix milliseconds
}

const (
	// A proposer that proposed nothing for so long has ended: one that runs proposes something each second.
	proposerKept = int64(time.Hour / time.Millisecond)
	// The first round of a proposer that comes so late is one that was kept under way until its proposer was forgotten.
	proposerLate = int64(30 * time.Minute / time.Millisecond)
)

// admit reports whether a round is to be applied, and notes that it was. A round has no effect if it was applied before, if its proposer gave
// it up, or if it is so late that this is not known any more.
func (m *Machine) admit(r *Round) bool {
	if r.Proposer == 0 {
		return true
	}
	now := r.time(r.Clock)
	p := m.shared.proposers[r.Proposer]
	if p == nil {
		if r.Clock < m.time-proposerLate {
			return false
		}
		p = &proposer{}
		if m.shared.proposers == nil {
			m.shared.proposers = map[uint64]*proposer{}
		}
		m.shared.proposers[r.Proposer] = p
		maps.DeleteFunc(m.shared.proposers, func(_ uint64, other *proposer) bool { return other != p && other.at < now-proposerKept })
	}
	i, applied := slices.BinarySearch(p.seen, r.Batch)
	if applied || r.Batch < p.least {
		return false
	}
	if m.present.Load() == 0 || now-m.time > Break.Milliseconds() {
		m.present.Store(now)
	}
	p.seen = slices.Insert(p.seen, i, r.Batch)
	p.least = max(p.least, r.Least)
	p.seen = slices.DeleteFunc(p.seen, func(batch uint64) bool { return batch < p.least })
	p.at = max(m.time, now)
	if r.Lead {
		if m.shared.terms == nil {
			m.shared.terms = map[string]uint64{}
		}
		m.shared.terms[r.Cluster] = m.position
	}
	return true
}

// Proposers are those who proposed a round within the last hour of log time, in order, with the log time of the last one.
func (m *Machine) Proposers() iter.Seq2[uint64, time.Time] {
	return func(yield func(uint64, time.Time) bool) {
		for _, id := range slices.Sorted(maps.Keys(m.shared.proposers)) {
			if !yield(id, time.UnixMilli(m.shared.proposers[id].at)) {
				return
			}
		}
	}
}

// MoveTo makes the machine one of another log, of which it knows all up to a position. Who proposes there, who leads, and since when somebody is
// there to receive, is for that log to say.
func (m *Machine) MoveTo(position uint64) {
	m.position, m.shared = position, shared{}
	m.present.Store(0)
}

// time is that which a clock of the round's proposer stands for: no later than the log's own clock. So log time moves ahead of
// the true time only if both clocks do.
func (r *Round) time(clock int64) int64 {
	if r.Stamp == 0 {
		return clock
	}
	return min(clock, r.Stamp)
}

func (h *shared) encode(row []byte) []byte {
	row = binary.AppendUvarint(row, uint64(len(h.terms)))
	for _, cluster := range slices.Sorted(maps.Keys(h.terms)) {
		row = binary.AppendUvarint(codec.AppendString(row, cluster), h.terms[cluster])
	}
	row = binary.AppendUvarint(row, uint64(len(h.proposers)))
	for _, id := range slices.Sorted(maps.Keys(h.proposers)) {
		p := h.proposers[id]
		row = binary.LittleEndian.AppendUint64(row, id)
		row = binary.AppendVarint(binary.AppendUvarint(row, p.least), p.at)
		row = binary.AppendUvarint(row, uint64(len(p.seen)))
		for _, batch := range p.seen {
			row = binary.AppendUvarint(row, batch)
		}
	}
	return row
}

func (h *shared) decode(r *reader) {
	h.terms = map[string]uint64{}
	for range r.Count(2) {
		cluster := r.String()
		h.terms[cluster] = r.Uvarint()
	}
	h.proposers = map[uint64]*proposer{}
	for range r.Count(11) {
		id := r.Uint64()
		p := &proposer{least: r.Uvarint(), at: r.Varint()}
		for range r.Count(1) {
			p.seen = append(p.seen, r.Uvarint())
		}
		if !slices.IsSorted(p.seen) {
			r.Fail(errors.New("the batches of a proposer are out of order"))
		}
		h.proposers[id] = p
	}
}
