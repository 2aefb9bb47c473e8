package rig

import (
	"fmt"
	"time"
)

// SetClock has a process see a wall clock that is ahead of this machine's by whole seconds, or behind if they are negative; zero is that of
// this machine again. It is set at once, as by whoever corrects the time of a machine. Clocks that only measure stay as they are, and
// so do those of other processes. The error is ErrEnded if the process has ended.
func (p *Process) SetClock(ahead time.Duration) error {
	err := setClock(p, int32(ahead/time.Second)) // #nosec G115 -- up to 68 years
	if err == nil {
		return nil
	}
	select {
	case <-p.exited:
		return ErrEnded
	case <-time.After(time.Second): // one that is ending cannot be changed either
		return fmt.Errorf("set the clock of %s: %w", p.name, err)
	}
}

// ClockSupported is an error that says why the clock of one process cannot be set on this machine.
func ClockSupported() error {
	p, err := Start(Command{Name: "a process", Path: "sleep", Args: []string{fmt.Sprint(Patience.Seconds())}})
	if err != nil {
		return err
	}
	defer p.Kill()
	return p.SetClock(time.Hour)
}
