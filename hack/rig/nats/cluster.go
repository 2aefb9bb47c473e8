// Package nats runs a cluster of nats-server on this machine, and makes it suffer what clusters suffer: nodes that are killed, paused or
// cut off, disks that are wiped, damaged, or lose their power.
package nats

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"numberfleet.dev/numberfleet/hack/rig"
)

// Cluster is a number of nodes with JetStream. Its methods are for one goroutine.
type Cluster struct {
	Nodes []*Node

	client *http.Client
}

// Options say what a cluster is made of.
type Options struct {
	Program string // nats-server; empty: what the environment's NATS_SERVER names
	Folder  string // for data, configurations and logs; the data of an earlier run is used
	Nodes   int    // 0: three. One node is a server without a cluster.

	// DefaultSync acknowledges what is synced minutes later, as nats-server does by default. Otherwise everything is synced before it is
	// acknowledged, and the nodes have the tag sync:always.
	DefaultSync bool

	// Network is where each node is a host, so that it can be cut off; nil: all are on this machine's loopback.
	Network *rig.Network

	// Lazyfs is the program bin/lazyfs, with which nodes can lose their power; empty: they cannot. See rig.PowerLossSupported.
	Lazyfs string
}

// Start starts a cluster, and waits until it has a leader.
func Start(ctx context.Context, o Options) (*Cluster, error) {
	o.Program = cmp.Or(o.Program, os.Getenv("NATS_SERVER"))
	if o.Program == "" {
		return nil, errors.New("there is no nats-server: run make test, or set NATS_SERVER to one")
	}
	var err error
	if o.Folder, err = filepath.Abs(o.Folder); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.Folder, 0o700); err != nil {
		return nil, err
	}
	c := &Cluster{client: &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}}
	for i := range cmp.Or(o.Nodes, 3) {
		c.Nodes = append(c.Nodes, &Node{Name: fmt.Sprintf("node-%d", i+1), cluster: c, options: o})
	}
	if err := c.settle(ctx, o.Network); err != nil {
		return nil, err
	}
	for _, n := range c.Nodes {
		if err := n.Start(ctx); err != nil {
			c.Kill()
			return nil, err
		}
	}
	if err := c.Ready(ctx); err != nil {
		c.Kill()
		return nil, err
	}
	return c, nil
}

// settle finds addresses for all nodes.
func (c *Cluster) settle(ctx context.Context, network *rig.Network) (err error) {
	if network == nil {
		addresses, err := rig.FreeAddresses(3 * len(c.Nodes))
		for i, of := range slices.Collect(slices.Chunk(addresses, 3)) {
			n := c.Nodes[i]
			n.address, n.routes, n.monitor = of[0], of[1], of[2]
		}
		return err
	}
	for _, n := range c.Nodes {
		if n.Host, err = network.Join(ctx); err != nil {
			return err
		}
		n.address, n.routes, n.monitor = n.Host.Address+":4222", n.Host.Address+":6222", n.Host.Address+":8222"
	}
	return nil
}

// URL is where clients connect: any node, and any other after it.
func (c *Cluster) URL() string {
	var all []string
	for _, n := range c.Nodes {
		all = append(all, n.URL())
	}
	return strings.Join(all, ",")
}

// Ready waits until the nodes that run have a leader and what it has. It is an error if one ends meanwhile.
func (c *Cluster) Ready(ctx context.Context) error {
	for _, n := range c.Nodes {
		if n.Alive() {
			if err := n.Ready(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// Leader waits until a node leads a stream, and returns it: it says so itself, and more than half of the nodes that have the stream
// agree. No client and no quorum is needed to ask.
func (c *Cluster) Leader(ctx context.Context, stream string) (leader *Node, err error) {
	err = wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, rig.Patience, true, func(ctx context.Context) (bool, error) {
		votes := map[string]int{}
		claims := map[*Node]raftGroup{}
		for _, n := range c.Nodes {
			seen, err := n.jetStream(ctx)
			if err != nil {
				continue // it does not run
			}
			g := seen.stream(stream)
			votes[g.Leader]++
			if g.Leader == n.Name {
				claims[n] = g
			}
		}
		for n, g := range claims {
			if 2*votes[n.Name] > g.size() {
				leader = n
			}
		}
		return leader != nil, nil
	})
	if err != nil {
		return nil, fmt.Errorf("the stream %s has no leader: %w", stream, err)
	}
	return leader, nil
}

// Stop asks the nodes to end, one after another, so that their data can be used again.
func (c *Cluster) Stop() error {
	var err error
	for _, n := range c.Nodes {
		if n.Alive() {
			n.Continue()
			err = errors.Join(err, n.Stop(20*time.Second))
		}
	}
	c.Kill()
	return err
}

// Kill ends all nodes at once.
func (c *Cluster) Kill() {
	for _, n := range c.Nodes {
		if n.Alive() {
			n.Kill()
		}
		if n.disk != nil {
			n.disk.Kill()
		}
	}
}
