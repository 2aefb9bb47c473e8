package counts

import (
	"slices"

	"numberfleet.dev/numberfleet/internal/report"
)

// report adds a report, unless it is known already or older than oldest.
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

// mostReports bounds the reports of one kind about a subject. Meta sends a few a day. A sender without bounds must not fill the
// memory, nor make each report slower than the one before.
const mostReports = 1024

// forgetOldest keeps the reports of a kind within mostReports. A forgotten one that is delivered again is a late report, which
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
