package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// sample is how things are at an instant of the fleet's time.
type sample struct {
	at        time.Duration // since the fleet's first day began
	remaining int64         // users who may be messaged
	queued    int64         // messages
	senders   int32         // replicas that the Deployment is to have
}

func (s *sender) look(ctx context.Context) (sample, error) {
	at := s.clock.Since(s.born)
	stands, err := s.standing(ctx)
	if err != nil {
		return sample{}, err
	}
	senders, err := s.replicas(ctx, deployment)
	return sample{at: at, remaining: stands.Remaining, queued: s.queue.queued.Load(), senders: senders}, err
}

// differs says whether a line is due: other senders, or nothing may be sent any more, or something again.
func (s sample) differs(before sample) bool {
	return s.senders != before.senders || (s.remaining == 0) != (before.remaining == 0) || (s.queued == 0) != (before.queued == 0)
}

func (s sample) String() string {
	return fmt.Sprintf("day %d %02d:%02d   may be sent %5d   queued %5d   senders %2d",
		s.at/day+1, s.at%day/time.Hour, s.at%time.Hour/time.Minute, s.remaining, s.queued, s.senders)
}

// width is how many columns the chart has.
const width = 72

var blocks = []rune(" ▁▂▃▄▅▆▇█")

// chart draws what may be sent, what is queued and the senders over time, each against its own most. What is more than nothing is seen.
func chart(samples []sample) string {
	columns := min(width, len(samples))
	column := func(i int) int { return i * columns / len(samples) }
	days := []rune(strings.Repeat(" ", columns+len("day 1")))
	for i, s := range samples {
		if i == 0 || s.at/day > samples[i-1].at/day {
			copy(days[column(i):], []rune(fmt.Sprintf("day %d", s.at/day+1)))
		}
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%-12s%s\n", "", strings.TrimRight(string(days), " "))
	for _, row := range []struct {
		name string
		of   func(sample) int64
	}{
		{"may be sent", func(s sample) int64 { return s.remaining }},
		{"queued", func(s sample) int64 { return s.queued }},
		{"senders", func(s sample) int64 { return int64(s.senders) }},
	} {
		values := make([]int64, columns)
		for i, s := range samples {
			values[column(i)] = max(values[column(i)], row.of(s))
		}
		most := max(1, slices.Max(values))
		fmt.Fprintf(&text, "%-12s", row.name)
		for _, v := range values {
			text.WriteRune(blocks[(v*int64(len(blocks)-1)+most-1)/most]) // rounded up
		}
		fmt.Fprintf(&text, "  at most %d\n", most)
	}
	return text.String()
}
