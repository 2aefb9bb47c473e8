// Package timelapse has the operator's clock: real time, or real time at a multiple, so that weeks of a fleet's life can
// be watched in minutes.
package timelapse

import (
	"fmt"
	"time"

	"k8s.io/utils/clock"
)

// Clock tells the operator's time. It is safe for concurrent use.
type Clock struct {
	real    clock.PassiveClock
	started time.Time // real
	origin  time.Time // the operator's time at the start
	speed   float64
}

// New starts a clock at an instant, running at speed times the real clock. Speed 1 from the real clock's own now is real
// time. The error names a speed that is not positive.
func New(real clock.PassiveClock, origin time.Time, speed float64) (*Clock, error) {
	if !(speed > 0) {
		return nil, fmt.Errorf("the clock's speed is %v: it must be more than 0, 1 for real time", speed)
	}
	return &Clock{real: real, started: real.Now(), origin: origin, speed: speed}, nil
}

// Now is the operator's time, in UTC.
func (c *Clock) Now() time.Time {
	return c.origin.Add(time.Duration(float64(c.real.Since(c.started)) * c.speed)).UTC()
}

// Since is the operator's time that has passed since t.
func (c *Clock) Since(t time.Time) time.Duration { return c.Now().Sub(t) }

// Wait is the real time that passes until the operator's clock shows t; zero if it does already. It is never too short by
// rounding.
func (c *Clock) Wait(t time.Time) time.Duration {
	left := t.Sub(c.Now())
	if left <= 0 {
		return 0
	}
	return time.Duration(float64(left)/c.speed) + time.Millisecond
}
