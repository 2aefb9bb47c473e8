package measure

import (
	"context"
	"os"
	"time"

	"numberfleet.dev/numberfleet/hack/rig"
)

// StartRole starts this program again, in another role.
func StartRole(role string, args ...string) (*rig.Process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return rig.Start(rig.Command{Name: role, Path: self, Args: append([]string{role}, args...)})
}

// RunRole runs this program in another role, to its end, and returns what it wrote to standard output.
func RunRole(ctx context.Context, role string, args ...string) ([]byte, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return rig.Output(ctx, self, append([]string{role}, args...)...)
}

// WaitIdle waits until processes have finished their background work, and returns the CPU time of each.
func WaitIdle(ctx context.Context, pids []int) ([]time.Duration, error) {
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
		if err := rig.Sleep(ctx, look); err != nil {
			return nil, err
		}
	}
}
