package measure

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// Child is a process that a section started. It ends with this one.
type Child struct {
	command *exec.Cmd
	ended   chan struct{} // closed when it has
	failed  error         // that it ended with
	said    bytes.Buffer  // on standard error
}

// Start starts a program.
func Start(name string, args ...string) (*Child, error) { return StartWith(nil, name, args...) }

// StartWith starts a program with more environment than this one has.
func StartWith(environment []string, name string, args ...string) (*Child, error) {
	c := &Child{command: exec.Command(name, args...), ended: make(chan struct{})}
	c.command.Env = append(os.Environ(), environment...)
	c.command.Stderr = &c.said
	c.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := c.command.Start(); err != nil {
		return nil, err
	}
	go func() {
		c.failed = c.command.Wait()
		close(c.ended)
	}()
	return c, nil
}

// StartRole starts this program again, in another role.
func StartRole(role string, args ...string) (*Child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return Start(self, append([]string{role}, args...)...)
}

// RunRole runs this program in another role, to its end, and returns what it wrote to standard output.
func RunRole(ctx context.Context, role string, args ...string) ([]byte, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	command := exec.CommandContext(ctx, self, append([]string{role}, args...)...)
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := command.Output()
	if exit, is := errors.AsType[*exec.ExitError](err); is {
		return nil, fmt.Errorf("%s: %w: %s", role, err, exit.Stderr)
	}
	return out, err
}

// PID of the process.
func (c *Child) PID() int { return c.command.Process.Pid }

// Listens waits until the child takes connections at an address.
func (c *Child) Listens(ctx context.Context, address string) error {
	for {
		connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err == nil {
			return connection.Close()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-c.ended:
			return fmt.Errorf("%s ended before it listened: %w: %s", c.command.Path, c.failed, strings.TrimSpace(c.said.String()))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Stop asks the child to end, and waits for that; it may be called again. An error is one that the child ended with.
func (c *Child) Stop() error {
	_ = c.command.Process.Signal(syscall.SIGTERM) // it may have ended
	<-c.ended
	if c.failed != nil {
		return fmt.Errorf("%s: %w: %s", c.command.Path, c.failed, strings.TrimSpace(c.said.String()))
	}
	return nil
}

// FreePort is an address on loopback that nothing listens at.
func FreePort() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String(), nil
}

// Quiet waits until processes do next to nothing, such as what they put off, and returns the CPU time that each has run.
func Quiet(ctx context.Context, pids []int) ([]time.Duration, error) {
	const look, next = 50 * time.Millisecond, 2 * time.Millisecond
	before := make([]time.Duration, len(pids))
	for {
		busy := false
		for i, pid := range pids {
			used, err := CPU(pid)
			if err != nil {
				return nil, err
			}
			busy = busy || used-before[i] > next
			before[i] = used
		}
		if !busy {
			return before, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(look):
		}
	}
}
