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
	real   clock.PassiveClock
	anchor time.Time // an instant of real time
	origin time.Time // what this clock showed then
	speed  float64
}

// New makes a clock that showed origin at the real instant anchor, and runs at speed times the real clock. Two processes
// with the same three values show the same time. The error names a speed that is not positive.
func New(real clock.PassiveClock, anchor, origin time.Time, speed float64) (*Clock, error) {
	if !(speed > 0) {
		return nil, fmt.Errorf("the clock's speed is %v: it must be more than 0; 1 is real time", speed)
	}
	return &Clock{real: real, anchor: anchor, origin: origin, speed: speed}, nil
}

// Real is the clock that shows real time.
func Real(real clock.PassiveClock) *Clock {
	return &Clock{real: real, speed: 1}
}

// Now is the clock's time, in UTC.
func (c *Clock) Now() time.Time {
	if c.anchor.IsZero() {
		return c.real.Now().UTC() // follows the wall clock where that is set anew
	}
	return c.origin.Add(time.Duration(float64(c.real.Since(c.anchor)) * c.speed)).UTC()
}

// Since is how much of the clock's time has passed since t.
func (c *Clock) Since(t time.Time) time.Duration { return c.Now().Sub(t) }

// Wait is the real time that passes until the clock shows t; zero if it does already. It is rounded up, so that the clock
// shows at least t afterwards.
func (c *Clock) Wait(t time.Time) time.Duration {
	left := t.Sub(c.Now())
	if left <= 0 {
		return 0
	}
	return time.Duration(float64(left)/c.speed) + time.Millisecond
}
