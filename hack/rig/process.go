// Package rig runs on this machine what the programs below hack/ need: processes, a control plane, the operator.
package rig

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Command is a program to start.
type Command struct {
	Name string // for errors
	Path string
	Args []string
	Env  []string // in addition to the environment of this process
	Log  string   // file that all output is appended to; empty: standard error is kept for errors
}

// Process is a program that runs. It is killed when this process ends, for whatever reason.
type Process struct {
	name    string
	command *exec.Cmd
	log     string
	stderr  bytes.Buffer
	exited  chan struct{}
}

// running are the processes that KillAll ends.
var running struct {
	sync.Mutex
	all map[*Process]bool
}

// Start starts a program in a process group of its own, so that Ctrl-C does not reach it and the caller ends it in order.
func Start(c Command) (*Process, error) {
	p := &Process{name: c.Name, command: exec.Command(c.Path, c.Args...), log: c.Log, exited: make(chan struct{})}
	p.command.Env = append(os.Environ(), c.Env...)
	p.command.Stderr = &p.stderr
	if c.Log != "" {
		out, err := os.OpenFile(c.Log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			return nil, err
		}
		defer func() { _ = out.Close() }()
		p.command.Stdout, p.command.Stderr = out, out
	}
	p.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	dieWithParent(p.command.SysProcAttr)
	running.Lock()
	defer running.Unlock()
	if err := p.command.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", p.name, err)
	}
	if running.all == nil {
		running.all = map[*Process]bool{}
	}
	running.all[p] = true
	go func() {
		_ = p.command.Wait() // Err has the result
		running.Lock()
		delete(running.all, p)
		running.Unlock()
		close(p.exited)
	}()
	return p, nil
}

// Output runs a program to its end and returns its standard output.
func Output(ctx context.Context, path string, args ...string) ([]byte, error) {
	command := exec.CommandContext(ctx, path, args...)
	command.SysProcAttr = &syscall.SysProcAttr{}
	dieWithParent(command.SysProcAttr)
	out, err := command.Output()
	if exit, is := errors.AsType[*exec.ExitError](err); is {
		return nil, fmt.Errorf("%s: %w: %s", path, err, bytes.TrimSpace(exit.Stderr))
	}
	return out, err
}

// PID is the id of the process.
func (p *Process) PID() int { return p.command.Process.Pid }

// Exited is closed when the process has ended.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Alive says whether the process still runs.
func (p *Process) Alive() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// Code is the exit code of a process that has ended; negative if a signal ended it.
func (p *Process) Code() int { return p.command.ProcessState.ExitCode() }

// Err is how a process ended: nil with code 0.
func (p *Process) Err() error {
	switch {
	case p.Code() == 0:
		return nil
	case p.log != "":
		return fmt.Errorf("%s ended with %s; its log is %s", p.name, p.command.ProcessState, p.log)
	default:
		return fmt.Errorf("%s ended with %s: %s", p.name, p.command.ProcessState, strings.TrimSpace(p.stderr.String()))
	}
}

// Signal sends a signal. A process that has ended gets none.
func (p *Process) Signal(s syscall.Signal) {
	if err := p.command.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		fmt.Fprintf(os.Stderr, "signal %s: %v\n", p.name, err)
	}
}

// Kill is kill -9. It returns when the process has ended.
func (p *Process) Kill() {
	p.Signal(syscall.SIGKILL)
	<-p.exited
}

// Stop asks the process to end. It is an error if the process does not end in time, and is killed, or ends with another code than 0.
func (p *Process) Stop(within time.Duration) error {
	p.Signal(syscall.SIGTERM)
	select {
	case <-p.exited:
		return p.Err()
	case <-time.After(within):
		p.Kill()
		return fmt.Errorf("%s did not end within %s of SIGTERM", p.name, within)
	}
}

// KillAll kills every process that still runs, paused ones as well.
func KillAll() {
	running.Lock()
	var left []*Process
	for p := range running.all {
		left = append(left, p)
	}
	running.Unlock()
	for _, p := range left {
		p.Signal(syscall.SIGCONT)
		p.Kill()
	}
}

// Until asks a process over and over until it says yes. It is an error if the process ends first, or Patience does.
func (p *Process) Until(ctx context.Context, yes func(context.Context) bool) error {
	patience := time.After(Patience)
	for !yes(ctx) {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-p.exited:
			return errors.Join(ErrEnded, p.Err())
		case <-patience:
			return fmt.Errorf("%s is not ready after %s; its log is %s", p.name, Patience, p.log)
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

// ErrEnded says that a process ended while it was waited for.
var ErrEnded = errors.New("the process ended by itself")

// Listens waits until the process takes connections at an address.
func (p *Process) Listens(ctx context.Context, address string) error {
	return p.Until(ctx, func(ctx context.Context) bool {
		connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		return err == nil && connection.Close() == nil
	})
}
