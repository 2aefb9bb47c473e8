package ledgertest

import (
	"context"
	"iter"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"

	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/ledger/journal"
)

// fate is what becomes of an attempt to append a round.
type fate int

const (
	arrives fate = iota
	lost         // it is tried again
	doubled      // it arrives, and is tried again
	delayed      // it arrives, and a copy of it comes later
)

// network lies between some ledgers and their log.
type network struct {
	mu      sync.Mutex
	fate    func() fate // of the next attempt
	late    []*counts.Round
	deliver func() bool // whether the first of the late rounds comes now
}

// quiet has everything arrive once. What is late already comes when the test says so.
func (n *network) quiet() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.fate, n.deliver = func() fate { return arrives }, func() bool { return false }
}

// disturbed has a third of the attempts meet another fate, as follows from a seed.
func (n *network) disturbed(seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // a test that is the same each time
	n.mu.Lock()
	defer n.mu.Unlock()
	n.fate = func() fate { return max(arrives, fate(rng.IntN(9)-5)) }
	n.deliver = func() bool { return rng.IntN(3) == 0 }
}

// delaying has a copy of each round come late.
func (n *network) delaying() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.fate = func() fate { return delayed }
}

func (n *network) next(r *counts.Round) fate {
	n.mu.Lock()
	defer n.mu.Unlock()
	is := n.fate()
	if is == delayed {
		n.late = append(n.late, r)
	}
	return is
}

// due are the late rounds that come now.
func (n *network) due() (rounds []*counts.Round) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for len(n.late) > 0 && n.deliver() {
		rounds, n.late = append(rounds, n.late[0]), n.late[1:]
	}
	return rounds
}

// all are the late rounds.
func (n *network) all() []*counts.Round {
	n.mu.Lock()
	defer n.mu.Unlock()
	rounds := n.late
	n.late = nil
	return rounds
}

// connection is the journal of a ledger, behind a network from which it may be cut off.
type connection struct {
	journal.Shared
	network  *network
	appended atomic.Int64 // rounds

	mu        sync.Mutex
	down      chan struct{} // closed while it is cut off
	up        chan struct{} // closed while it is not
	savedAt   uint64
	savedRows []counts.Row
}

func connect(j journal.Shared, n *network) *connection {
	c := &connection{Shared: j, network: n, down: make(chan struct{}), up: make(chan struct{})}
	close(c.up)
	return c
}

// cut cuts it off, or mends it.
func (c *connection) cut(off bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if off {
		close(c.down)
		c.up = make(chan struct{})
	} else {
		close(c.up)
		c.down = make(chan struct{})
	}
}

// isCut is closed while it is cut off.
func (c *connection) isCut() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.down
}

// whole waits while it is cut off.
func (c *connection) whole(ctx context.Context) error {
	c.mu.Lock()
	up := c.up
	c.mu.Unlock()
	select {
	case <-up:
	case <-ctx.Done():
	}
	return ctx.Err()
}

// Append implements journal.Journal.
func (c *connection) Append(ctx context.Context, r *counts.Round) error {
	c.appended.Add(1)
	for {
		if err := c.whole(ctx); err != nil {
			return err
		}
		is := c.network.next(r)
		if is == lost {
			continue
		}
		if err := c.appendAll(c.network.due()); err != nil {
			return err
		}
		if is == doubled {
			if err := c.appendAll([]*counts.Round{r}); err != nil {
				return err
			}
		}
		return c.Shared.Append(ctx, r)
	}
}

// appendAll appends what is on its way already, whoever gave it up.
func (c *connection) appendAll(rounds []*counts.Round) error {
	for _, r := range rounds {
		if err := c.Shared.Append(context.Background(), r); err != nil {
			return err
		}
	}
	return nil
}

// Follow implements journal.Shared.
func (c *connection) Follow(ctx context.Context, call func(position uint64, r *counts.Round) error) error {
	return c.Shared.Follow(ctx, func(position uint64, r *counts.Round) error {
		if err := c.whole(ctx); err != nil {
			return err
		}
		return call(position, r)
	})
}

// Save implements journal.Journal, and notes what is saved.
func (c *connection) Save(ctx context.Context, position uint64, rows iter.Seq[counts.Row]) error {
	var saved []counts.Row
	for row := range rows {
		saved = append(saved, counts.Row{Key: slices.Clone(row.Key), Value: slices.Clone(row.Value)})
	}
	if err := c.Shared.Save(ctx, position, slices.Values(saved)); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.savedAt, c.savedRows = position, saved
	return nil
}
