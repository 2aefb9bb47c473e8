// Package redis runs the redis-server that is measured beside the operator.
package redis

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"regexp"

	"numberfleet.dev/numberfleet/hack/rig"

	"numberfleet.dev/numberfleet/hack/bench/measure"
)

// Program is what is run; Debian's package has the same name.
const Program = "redis-server"

// ErrMissing says that it is not installed and cannot be from here.
var ErrMissing = errors.New("redis-server is missing; install it with: sudo apt-get install redis-server")

// Install sees that Redis is there, with apt where that is allowed, and returns its version.
func Install(ctx context.Context, b *measure.Bench) (string, error) {
	if _, err := exec.LookPath(Program); err != nil {
		if _, err := exec.LookPath("apt-get"); err != nil || os.Geteuid() != 0 || b.Short {
			return "", ErrMissing
		}
		b.Say("installing Debian's %s", Program)
		install := exec.CommandContext(ctx, "apt-get", "install", "--yes", "--no-install-recommends", Program)
		if out, err := install.CombinedOutput(); err != nil {
			return "", fmt.Errorf("%w: %w: %s", ErrMissing, err, bytes.TrimSpace(out))
		}
	}
	out, err := exec.CommandContext(ctx, Program, "--version").Output()
	if err != nil {
		return "", err
	}
	version := regexp.MustCompile(`v=(\S+)`).FindSubmatch(out)
	if version == nil {
		return "", fmt.Errorf("%s --version says %q", Program, out)
	}
	return "Redis " + string(version[1]), nil
}

// Find is Install, and returns what versions are measured: none, where Redis is missing and the run is short.
func Find(ctx context.Context, b *measure.Bench) (versions []string, err error) {
	version, err := Install(ctx, b)
	switch {
	case err == nil:
		return []string{version + " through rueidis " + measure.Version("github.com/redis/rueidis")}, nil
	case b.Short && errors.Is(err, ErrMissing):
		b.Say("without Redis: %v", err)
		return nil, nil
	default:
		return nil, err
	}
}

// When an append is synced to disk.
const (
	EverySecond = "everysec" // a crash loses a second
	Always      = "always"   // before it is answered
)

// Server is a server on loopback.
type Server struct {
	*rig.Process
	Address string
}

// Start starts a server on loopback that keeps an append-only file in a folder. It may have more settings.
func Start(ctx context.Context, folder, fsync string, more ...string) (*Server, error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	addresses, err := rig.FreeAddresses(1)
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(addresses[0])
	if err != nil {
		return nil, err
	}
	process, err := rig.Start(rig.Command{Name: Program, Path: Program, Args: append([]string{"--bind", "127.0.0.1", "--port", port, "--dir", folder,
		"--daemonize", "no", "--save", "", "--appendonly", "yes", "--appendfsync", fsync, "--logfile", "redis.log"}, more...)})
	if err != nil {
		return nil, err
	}
	if err := process.Listens(ctx, addresses[0]); err != nil {
		return nil, errors.Join(err, process.Stop(rig.Patience))
	}
	return &Server{process, addresses[0]}, nil
}

// StartCopy starts a server that copies another.
func StartCopy(ctx context.Context, folder, fsync string, of *Server) (*Server, error) {
	host, port, err := net.SplitHostPort(of.Address)
	if err != nil {
		return nil, err
	}
	return Start(ctx, folder, fsync, "--replicaof", host, port)
}
