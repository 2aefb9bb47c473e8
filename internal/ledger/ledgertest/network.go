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

// gate is open, or closed for a while.
type gate struct {
	mu     sync.Mutex
	closed chan struct{} // is closed while the gate is
	opened chan struct{} // is closed while the gate is not
}

func newGate() *gate {
	g := &gate{closed: make(chan struct{}), opened: make(chan struct{})}
	close(g.opened)
	return g
}

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.closed)
	g.opened = make(chan struct{})
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.opened)
	g.closed = make(chan struct{})
}

// isClosed is closed while the gate is.
func (g *gate) isClosed() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.closed
}

// pass waits while the gate is closed.
func (g *gate) pass(ctx context.Context) error {
	g.mu.Lock()
	opened := g.opened
	g.mu.Unlock()
	select {
	case <-opened:
	case <-ctx.Done():
	}
	return ctx.Err()
}

// connection is the journal of a ledger, behind a network from which it may be cut off.
type connection struct {
	journal.Shared
	network   *network
	out, in   *gate        // of what it appends, and of what it follows
	appended  atomic.Int64 // rounds
	savedAt   uint64
	savedRows []counts.Row
}

func connect(j journal.Shared, n *network) *connection {
	return &connection{Shared: j, network: n, out: newGate(), in: newGate()}
}

// cut cuts it off.
func (c *connection) cut() {
	c.in.close()
	c.out.close()
}

// mend ends that it is cut off.
func (c *connection) mend() {
	c.out.open()
	c.in.open()
}

// Append implements journal.Journal.
func (c *connection) Append(ctx context.Context, r *counts.Round) error {
	c.appended.Add(1)
	for {
		if err := c.out.pass(ctx); err != nil {
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
		if err := c.in.pass(ctx); err != nil {
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
	c.savedAt, c.savedRows = position, saved
	return nil
}
