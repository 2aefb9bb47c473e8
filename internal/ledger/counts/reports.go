package counts

import (
	"slices"

	"numberfleet.dev/numberfleet/internal/report"
)

// report adds a report, unless it is known, and says whether it did. One from before the horizon was either dropped
// before or came too late.
func (s *numberState) report(r report.Report, oldest int64) result {
	r.Subject = report.ParseSubject(s.number)
	for _, known := range s.reports {
		r.Sequence = known.Sequence
		if r == known {
			return repeated
		}
	}
	if r.At < max(oldest, s.horizon) {
		return expired
	}
	s.dirty = true
	s.sequence++
	r.Sequence = s.sequence
	s.reports = append(s.reports, r)
	s.forgetOldest(r.Kind)
	return changed
}

// mostReports is how many reports of one kind are kept about a subject. Meta sends some a day; a sender that sends without
// end must not fill the memory, nor make each report slower than the one before.
const mostReports = 1024

// forgetOldest keeps the reports of a kind within bounds. One that is forgotten and comes again is a late report, and as such
// changes nothing in the rules.
func (s *numberState) forgetOldest(kind report.Kind) {
	of, first := 0, -1
	for i := range s.reports {
		if s.reports[i].Kind == kind {
			if of++; first < 0 {
				first = i
			}
		}
	}
	if of > mostReports {
		s.reports = slices.Delete(s.reports, first, first+1)
	}
}
