package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// process is a program that is started, killed and started again.
type process struct {
	name    string
	command *exec.Cmd
	exited  chan struct{}
	code    int // once it has exited; negative for a signal
}

// running are the processes that must not outlive us.
var running struct {
	sync.Mutex
	all map[*process]bool
}

// launch starts a program, which writes to a log. It dies with us, however we end.
func launch(name, log string, program string, args ...string) (*process, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = out.Close() }()
	p := &process{name: name, command: exec.Command(program, args...), exited: make(chan struct{})}
	p.command.Stdout, p.command.Stderr = out, out
	// A group of its own: Ctrl-C is ours, and we end it in order.
	p.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	dieWithParent(p.command.SysProcAttr)
	running.Lock()
	defer running.Unlock()
	if err := p.command.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	if running.all == nil {
		running.all = map[*process]bool{}
	}
	running.all[p] = true
	go func() {
		_ = p.command.Wait()
		p.code = p.command.ProcessState.ExitCode()
		running.Lock()
		delete(running.all, p)
		running.Unlock()
		close(p.exited)
	}()
	return p, nil
}

// kill is kill -9.
func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	<-p.exited
}

func (p *process) signal(s syscall.Signal) {
	if err := p.command.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		fmt.Fprintln(os.Stderr, "torture: signal", p.name+":", err)
	}
}

// stop asks it to end; false if it did not within a while, and was killed.
func (p *process) stop(within time.Duration) bool {
	p.signal(syscall.SIGTERM)
	select {
	case <-p.exited:
		return true
	case <-time.After(within):
		p.kill()
		return false
	}
}

func (p *process) alive() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// killAll ends what is left.
func killAll() {
	running.Lock()
	var left []*process
	for p := range running.all {
		left = append(left, p)
	}
	running.Unlock()
	for _, p := range left {
		p.signal(syscall.SIGCONT)
		p.kill()
	}
}
