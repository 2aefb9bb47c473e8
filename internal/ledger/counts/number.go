package counts

import (
	"slices"
	"sync"
	"time"

	"numberfleet.dev/numberfleet/internal/report"
)

// scope is what is known about one number: its users in parts, and the points that follow from them on timelines.
type numberState struct {
	number string
	names  []string // others that it goes by; guarded by View.mu

	mu        sync.RWMutex    // guards what follows against those who read; see lock
	portfolio *portfolioState // nil for none
	windows   windowLengths
	horizon   int64 // Unix seconds; nothing earlier is recorded or counted any more. Set by the first event, raised by sweeps
	users     userTable
	series    seriesSet
	activity  activity

	complaints map[key][]delivery // by user, in order of time. They are few, and saved with the number's own row
	linked     map[key]uint32     // by user, when two of their keys were last said to be one user. So are they
	chats      chats              // and what is known of groups of users

	reports  []report.Report // by sequence
	sequence int64           // the last that was given

	dirty bool // the number's own row is not as the last snapshot that was kept has it

	prefetched        uint64  // what warm read, so that it is read
	scratch, scratch2 history // scratch
	before, after     samples
}

func newNumberState(number string, horizon int64) *numberState {
	return &numberState{number: number, windows: newWindowLengths(DefaultWindows), horizon: horizon, dirty: true}
}

// lock keeps readers away from the number, and from its group, whose timelines follow from all its numbers.
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

// recount makes the timelines anew from the users.
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

// known says whether anything is known about the number.
func (s *numberState) known() bool {
	return s.sequence > 0 || len(s.complaints)+len(s.chats.written) > 0 || slices.ContainsFunc(s.users.shards, func(p *shard) bool { return p.used > 0 })
}

// configure sets the windows and says whether they are others than before.
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
