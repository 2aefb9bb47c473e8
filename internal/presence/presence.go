// Package presence remembers in a file since when the operator has been there to receive, over restarts: what did not come while it was away
// says nothing about who should have sent it. Operators that share a log know it from there.
package presence

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"numberfleet.dev/numberfleet/internal/ledger/counts"
)

// beat is how often it is noted that the operator is there.
const beat = 10 * time.Minute

// Clock tells the time, and how long to wait until an instant of it.
type Clock interface {
	Now() time.Time
	Wait(t time.Time) time.Duration
}

// Presence is safe for concurrent use.
type Presence struct {
	file  string
	clock Clock

	mu  sync.Mutex
	was record
}

// record is what the file holds.
type record struct {
	Since time.Time `json:"since"` // present from here on
	Seen  time.Time `json:"seen"`  // up to here at least
}

// Open goes on with what a file says, or begins one. The error is about the file; the presence begins now where it cannot be read,
// and is kept in memory only where it cannot be written.
func Open(file string, clock Clock) (*Presence, error) {
	p := &Presence{file: file, clock: clock}
	content, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = nil
	case err == nil:
		err = json.Unmarshal(content, &p.was)
	}
	if err != nil {
		p.was, err = record{}, fmt.Errorf("read since when the operator is there: %w", err)
	}
	return p, errors.Join(err, p.note())
}

// PresentSince is when the operator last began to be there without a break that is longer than counts.Break.
func (p *Presence) PresentSince() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.was.Since
}

// Start notes that the operator is there, until it is told to end. It never fails.
func (p *Presence) Start(ctx context.Context, failed func(error)) {
	for {
		timer := time.NewTimer(max(p.clock.Wait(p.clock.Now().Add(beat)), 100*time.Millisecond))
		select {
		case <-ctx.Done():
			timer.Stop()
		case <-timer.C:
		}
		if err := p.note(); err != nil {
			failed(err)
		}
		if ctx.Err() != nil {
			return
		}
	}
}

// note notes that the operator is there now. A clock that was set back begins anew.
func (p *Presence) note() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.clock.Now().UTC()
	if p.was.Since.IsZero() || now.Sub(p.was.Seen) > counts.Break || now.Before(p.was.Since) {
		p.was.Since = now
	}
	p.was.Seen = now
	content, err := json.Marshal(p.was)
	if err != nil {
		return err
	}
	if err = os.WriteFile(p.file+".new", content, 0o600); err == nil {
		err = os.Rename(p.file+".new", p.file)
	}
	if err != nil {
		return fmt.Errorf("write since when the operator is there: %w", err)
	}
	return nil
}
