package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// tally counts what became of the messages that numbers were to send.
type tally struct {
	mu   sync.Mutex
	days map[*pattern]*dayTally // since the last report
}

// outcome is what became of one message.
type outcome struct {
	waited  bool   // it was sent again after a wait
	refusal string // begins with its reason and a colon; empty for a message that was sent
}

type dayTally struct {
	sent, waited int
	refused      map[string]int // by reason
	last         string         // refusal
}

func newTally() *tally {
	t := &tally{days: map[*pattern]*dayTally{}}
	for i := range patterns {
		t.days[&patterns[i]] = newDayTally()
	}
	return t
}

func newDayTally() *dayTally { return &dayTally{refused: map[string]int{}} }

// add counts a message.
func (t *tally) add(of *pattern, o outcome) {
	t.mu.Lock()
	defer t.mu.Unlock()
	d := t.days[of]
	if o.waited {
		d.waited++
	}
	if o.refusal == "" {
		d.sent++
		return
	}
	reason, _, _ := strings.Cut(o.refusal, ":")
	d.refused[reason]++
	d.last = o.refusal
}

// report prints what became of the messages of a number that ended its day in (from, until], unless all were sent at once.
func (t *tally) report(p *pattern, born, from, until time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for n := max(0, int(from.Sub(born)/day)-1); !p.opens(born, n).After(until); n++ {
		ended := p.opens(born, n).Add(p.over)
		if !ended.After(from) || ended.After(until) {
			continue
		}
		if d := t.days[p]; len(d.refused)+d.waited > 0 {
			fmt.Printf("%s  %-12s %-17s %s\n", ended.UTC().Format(time.DateTime), p.name, "Sent", d)
		}
		t.days[p] = newDayTally()
	}
}

func (d *dayTally) String() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%d messages", d.sent)
	if d.waited > 0 {
		fmt.Fprintf(&text, "; had to wait: %d", d.waited)
	}
	for _, reason := range slices.Sorted(maps.Keys(d.refused)) {
		fmt.Fprintf(&text, "; refused as %s: %d", reason, d.refused[reason])
	}
	if _, detail, refused := strings.Cut(d.last, ": "); refused {
		text.WriteString(". The last: " + detail)
	}
	return text.String()
}
