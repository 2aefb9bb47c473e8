package nats

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"numberfleet.dev/numberfleet/hack/rig"
)

// Node is a nats-server. Its name and addresses stay the same over restarts.
//
// Kill is SIGKILL, and Stop is SIGTERM: it hands over what it leads before it ends. Start runs it again on what it has on its disk.
type Node struct {
	*rig.Process
	Name string
	Host *rig.Host // nil: the cluster has no network

	address, routes, monitor string // host:port
	cluster                  *Cluster
	options                  Options
	disk                     *rig.Disk // nil: the machine's
}

// URL is where clients connect.
func (n *Node) URL() string { return "nats://" + n.address }

// Alive says whether the node runs, if only paused.
func (n *Node) Alive() bool { return n.Process != nil && n.Process.Alive() }

// Start runs the node. Ready waits for it.
func (n *Node) Start(ctx context.Context) (err error) {
	command := rig.Command{Name: n.Name, Path: n.options.Program, Args: []string{"--config", n.configuration()}, Log: n.folder() + ".log"}
	if n.options.Lazyfs != "" {
		if n.disk == nil || !n.disk.Alive() {
			if n.disk, err = rig.MountDisk(ctx, n.options.Lazyfs, n.folder()); err != nil {
				return err
			}
		}
		command = n.disk.Command(command)
	}
	if n.Host != nil {
		command = n.Host.Command(command)
	}
	if err := n.configure(); err != nil {
		return err
	}
	n.Process, err = rig.Start(command)
	return err
}

// Ready waits until the node takes clients, knows the cluster's leader, and has what the leader has, as far as it knows: a node that was
// paused or cut off takes a moment to hear what it missed.
func (n *Node) Ready(ctx context.Context) error {
	return n.Until(ctx, func(ctx context.Context) bool {
		seen, err := n.jetStream(ctx)
		return err == nil && (seen.Meta.Leader != "" || len(n.cluster.Nodes) == 1) && n.get(ctx, "/healthz", nil) == nil
	})
}

// Pause is SIGSTOP: the node does nothing, and its connections stay.
func (n *Node) Pause() { n.Signal(syscall.SIGSTOP) }

// Continue ends a pause.
func (n *Node) Continue() { n.Signal(syscall.SIGCONT) }

// LosePower kills the node, and takes from its disk what was not synced. The options of the cluster must have Lazyfs.
func (n *Node) LosePower() error {
	n.Kill()
	return n.disk.LosePower()
}

// Wipe removes the data of a node that does not run: it starts again with an empty disk.
func (n *Node) Wipe() error { return os.RemoveAll(n.data()) }

// Backup copies the data of a node that does not run into a folder that is not there yet.
func (n *Node) Backup(to string) error { return os.CopyFS(to, os.DirFS(n.data())) }

// Restore gives a node that does not run the data of a Backup in place of its own.
func (n *Node) Restore(from string) error {
	if err := n.Wipe(); err != nil {
		return err
	}
	return os.CopyFS(n.data(), os.DirFS(from))
}

// Flip inverts some bits in the middle of each file of messages, those of streams and those of Raft's logs, and returns how many files
// there were.
func (n *Node) Flip() (files int, err error) {
	err = filepath.WalkDir(n.data(), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".blk" {
			return err
		}
		info, err := entry.Info()
		if err != nil || info.Size() == 0 {
			return err
		}
		files++
		return flip(path, info.Size()/2)
	})
	return files, err
}

// flip inverts the bits of at most eight bytes of a file.
func flip(path string, from int64) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	var some [8]byte
	n, err := f.ReadAt(some[:], from)
	if n == 0 {
		return err
	}
	for i := range some[:n] {
		some[i] = ^some[i]
	}
	if _, err := f.WriteAt(some[:n], from); err != nil {
		return err
	}
	return f.Sync()
}

func (n *Node) folder() string        { return filepath.Join(n.options.Folder, n.Name) }
func (n *Node) configuration() string { return n.folder() + ".conf" }
func (n *Node) data() string          { return filepath.Join(n.folder(), "jetstream") }

// configure writes the node's configuration.
func (n *Node) configure() error {
	store := n.folder()
	if n.disk != nil {
		store = n.disk.Mount
	}
	text := fmt.Sprintf("server_name: %s\nlisten: %q\nhttp: %q\n", n.Name, n.address, n.monitor)
	if n.options.DefaultSync {
		text += fmt.Sprintf("jetstream: {store_dir: %q}\n", store)
	} else {
		text += fmt.Sprintf("jetstream: {store_dir: %q, sync_interval: always}\nserver_tags: [\"sync:always\"]\n", store)
	}
	if len(n.cluster.Nodes) > 1 {
		var routes []string
		for _, other := range n.cluster.Nodes {
			routes = append(routes, strconv.Quote("nats://"+other.routes))
		}
		text += fmt.Sprintf("cluster: {name: numberfleet, listen: %q, routes: [%s]}\n", n.routes, strings.Join(routes, ", "))
	}
	return os.WriteFile(n.configuration(), []byte(text), 0o600)
}
