package chart

import (
	"strconv"

	"numberfleet.dev/numberfleet/internal/rules"
)

// Series puts what is used and the limit on one axis of time. What is used is known from an instant on, and 0 there unless a point says
// otherwise. Limits are those of tiers by name; a reported limit that is no tier goes by its number.
func (s *Subject) Series(known int64, points []Point, limits map[string]int64) {
	l := line{subject: s, known: known, limits: limits}
	steps := s.Tiers
	l.add(s.Start)
	for _, p := range points {
		at := max(p.At, s.Start)
		for ; len(steps) > 0 && steps[0].From < at; steps = steps[1:] {
			l.step(steps[0])
		}
		l.used = p.Used
		l.add(at)
		s.Peak = max(s.Peak, p.Used)
	}
	for _, last := range steps {
		l.step(last)
	}
	l.add(s.End)
}

// line is what is drawn from left to right.
type line struct {
	subject *Subject
	known   int64
	limits  map[string]int64
	tier    int // of the subject's, the one that holds
	used    int64
}

func (l *line) add(at int64) {
	s := l.subject
	for l.tier < len(s.Tiers)-1 && s.Tiers[l.tier+1].From <= at {
		l.tier++
	}
	var limit, used *int64
	if l.tier < len(s.Tiers) {
		limit = l.limit(s.Tiers[l.tier].What)
	}
	if at >= l.known {
		used = new(l.used)
	}
	if last := len(s.Times) - 1; last >= 0 && s.Times[last] >= at {
		if used != nil && s.Used[last] != nil {
			*used = max(*used, *s.Used[last])
		}
		s.Used[last], s.Limits[last] = used, limit
		return
	}
	s.Times, s.Used, s.Limits = append(s.Times, at), append(s.Used, used), append(s.Limits, limit)
}

// step is where a tier begins.
func (l *line) step(to Span) {
	if l.limit(to.What) == nil {
		l.add(to.From - 1) // the line of the limit goes on until here, and ends
	}
	l.add(to.From)
}

// limit is that of a tier; nil for unlimited, and where it is not known.
func (l *line) limit(tier string) *int64 {
	limit, ok := l.limits[tier]
	if !ok {
		limit, _ = strconv.ParseInt(tier, 10, 64)
	}
	if limit == rules.Unlimited {
		return nil
	}
	return &limit
}
