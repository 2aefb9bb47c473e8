package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// waits is how long what is asked of the operator had to wait at most, by what was wrong meanwhile.
type waits struct {
	mu    sync.Mutex
	fault string // empty: none
	since time.Time
	now   longest // since then
	all   map[string]longest
}

// longest are the longest waits of each kind; zero where nobody waited.
type longest [takeover + 1]time.Duration

// The kinds of waits.
const (
	webhookWaits = iota // from when it was posted first until it was acknowledged, at any replica
	senderWaits         // from when it was asked first until it was answered, at any replica
	takeover            // from when the leader was killed or paused until another replica led
)

// begin says what is wrong from now on, and returns the longest waits of what was before. Who waits already waits for it from now on.
func (w *waits) begin(fault string) (before string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fault != "" && w.now != (longest{}) {
		before = w.fault + ": " + w.now.String()
		of := w.all[w.fault]
		for kind, wait := range w.now {
			of[kind] = max(of[kind], wait)
		}
		if w.all == nil {
			w.all = map[string]longest{}
		}
		w.all[w.fault] = of
	}
	w.fault, w.since, w.now = fault, real.Now(), longest{}
	return before
}

// note notes a wait that has ended.
func (w *waits) note(kind int, from time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if from.Before(w.since) {
		from = w.since
	}
	w.now[kind] = max(w.now[kind], real.Since(from))
}

// String is a line for each fault.
func (w *waits) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var text strings.Builder
	for _, fault := range slices.Sorted(maps.Keys(w.all)) {
		fmt.Fprintf(&text, "       %s: %s\n", fault, w.all[fault])
	}
	return text.String()
}

func (l longest) String() string {
	var said []string
	for kind, what := range [...]string{"a webhook %s at most", "a sender %s at most", "the next leader came after %s at most"} {
		if l[kind] > 0 {
			said = append(said, fmt.Sprintf(what, l[kind].Round(10*time.Millisecond)))
		}
	}
	return strings.Join(said, ", ")
}
