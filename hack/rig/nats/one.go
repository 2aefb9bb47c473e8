package nats

import (
	"context"
	"fmt"
	"os"
)

// WithOne runs the tests of a package with one node, which acknowledges before it has synced, and ends the node after them. It returns their
// exit code, or 1 where there is no node.
func WithOne(tests func(*Cluster) int) int {
	dir, err := os.MkdirTemp("", "nats")
	if err == nil {
		defer func() { _ = os.RemoveAll(dir) }()
		var c *Cluster
		if c, err = Start(context.Background(), Options{Folder: dir, Nodes: 1, DefaultSync: true}); err == nil {
			defer c.Kill()
			return tests(c)
		}
	}
	fmt.Fprintln(os.Stderr, err)
	return 1
}
