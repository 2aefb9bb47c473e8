package counts

import (
	"slices"
	"sync"
	"time"

	"numberfleet.dev/numberfleet/internal/report"
)

// numberState is what the machine knows about one number, or about another subject of reports.
//
// The users' histories are the source. The series of samples follow from them and from the windows, and can be made anew (see recount).
// Apply is the only writer: it holds lock while it changes anything. Readers hold rlock.
type numberState struct {
	number string
	names  []string // others that it goes by; guarded by View.mu

	mu        sync.RWMutex    // guards what follows against those who read; see lock
	portfolio *portfolioState // nil for none; guarded by View.gate, as are
	sender    *SenderSetting  // nil for none,
	limit     *limit          // that the number has while it is in no portfolio; nil for none,
	reserved  int             // and how many reservations of the number are known
	windows   windowLengths
	horizon   int64 // Unix seconds: nothing earlier is recorded or counted. It only rises
	users     userTable
	series    seriesSet
	activity  activity

	// What follows is small, and saved in the number's own row.
	complaints map[key][]delivery // by user, in order of time
	linked     map[key]uint32     // by user: when two of their keys were last reported to be one user
	chats      chats

	reports  []report.Report // by sequence
	sequence int64           // of the last report

	dirty bool // the own row has changed since the last snapshot that was kept

	// Scratch space of the writer.
	scratch, scratch2 history
	before, after     samples
	prefetched        uint64 // keeps the compiler from dropping the reads of prefetch
}

func newNumberState(number string, horizon int64) *numberState {
	return &numberState{number: number, windows: newWindowLengths(DefaultWindows), horizon: horizon, dirty: true}
}

// lock excludes readers of the number and of its portfolio, whose series follow from all its numbers. The portfolio is locked first.
func (s *numberState) lock() {
	if s.portfolio != nil {
		s.portfolio.mu.Lock()
	}
	s.mu.Lock()
}

func (s *numberState) unlock() {
	s.mu.Unlock()
	if s.portfolio != nil {
		s.portfolio.mu.Unlock()
	}
}

func (s *numberState) rlock()   { s.mu.RLock() }
func (s *numberState) runlock() { s.mu.RUnlock() }

func newWindowLengths(w Windows) windowLengths {
	return windowLengths{service: int64(w.Service.Seconds()), conversation: int64(w.Conversation.Seconds()), countReached: w.CountReached}
}

func (w windowLengths) windows() Windows {
	return Windows{Service: time.Duration(w.service) * time.Second, Conversation: time.Duration(w.conversation) * time.Second, CountReached: w.countReached}
}

// recount makes the series anew from the users.
func (s *numberState) recount() {
	var all samples
	h := &s.scratch
	for _, p := range s.users.all() {
		all[countedSeries] = slices.Grow(all[countedSeries], p.used)
		for _, is := range p.slots {
			if is[1]&(delivered|received|replied) == delivered && len(s.chats.sent) == 0 {
				d := p.deliveryOf(is)
				if int64(d.at) >= s.horizon {
					all[countedSeries] = append(all[countedSeries], newSample(d.at, oneSample))
					if s.windows.countReached {
						all[reachedSeries] = append(all[reachedSeries], newSample(d.at, oneSample))
					}
				}
				continue
			}
			if is.empty() || is.isAlias() {
				continue
			}
			s.load(p, is, h)
			counted, opened := s.appendSamples(h, &all)
			if is.isOverflow() {
				b := p.overflow(is)
				b[overflowCounted], b[overflowOpened] = counted, opened
			}
		}
	}
	for _, complaints := range s.complaints {
		h := history{deliveries: complaints}
		all[complaintSeries] = h.appendAll(s.horizon, all[complaintSeries])
	}
	s.series.fill(&all)
}

// known reports whether anything is known about the number. Windows alone do not count.
func (s *numberState) known() bool {
	return s.sequence > 0 || len(s.complaints)+len(s.chats.written) > 0 || slices.ContainsFunc(s.users.shards, func(p *shard) bool { return p.used > 0 })
}

// configure sets the windows. It reports whether they changed.
func (s *numberState) configure(w windowLengths) bool {
	if w == s.windows {
		return false
	}
	s.windows = w
	s.dirty = true
	s.recount()
	if s.portfolio != nil {
		s.portfolio.rebuild()
	}
	return true
}

func (s *numberState) allSeries() *seriesSet { return &s.series }
