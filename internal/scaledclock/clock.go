// Package scaledclock has the operator's clock: real time, or real time at a multiple, so that weeks of a fleet's life can
// be watched in minutes.
package scaledclock

import (
	"fmt"
	"math"
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

// Fastest is the highest speed of a clock: a day in a second.
const Fastest = 24 * 60 * 60

// New makes a clock that showed origin at the real instant anchor, and runs at speed times the real clock. Two processes
// with the same three values show the same time, up to 292 years after the origin, where it stands still. The error names a speed
// that is not positive, or more than Fastest.
func New(real clock.PassiveClock, anchor, origin time.Time, speed float64) (*Clock, error) {
	if !(speed > 0 && speed <= Fastest) {
		return nil, fmt.Errorf("the clock's speed is %v: it must be more than 0 and at most %d; 1 is real time", speed, Fastest)
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
	return c.origin.Add(times(c.real.Since(c.anchor), c.speed)).UTC()
}

// never is later than all that a clock shows.
var never = time.Unix(1<<33, 0).UTC()

// At is the clock's time at a real instant, in UTC. Before the anchor the time may have run otherwise, so that At is later than all times
// that it had.
func (c *Clock) At(real time.Time) time.Time {
	switch {
	case c.anchor.IsZero():
		return real.UTC()
	case real.Before(c.anchor):
		return never
	}
	return c.origin.Add(times(real.Sub(c.anchor), c.speed)).UTC()
}

// Since is how much of the clock's time has passed since t.
func (c *Clock) Since(t time.Time) time.Duration { return c.Now().Sub(t) }

// Wait is the real time that passes until the clock shows t; zero if it does already. It is rounded up, so that the clock
// shows at least t afterwards.
func (c *Clock) Wait(t time.Time) time.Duration { return c.wait(c.Now(), t) }

// wait is the real time from one of the clock's times to another.
func (c *Clock) wait(from, to time.Time) time.Duration {
	left := to.Sub(from)
	if left <= 0 {
		return 0
	}
	return times(left, 1/c.speed) + time.Millisecond
}

// times multiplies a duration; what is too long for one becomes the longest that there is, less a second.
func times(d time.Duration, factor float64) time.Duration {
	const most = math.MaxInt64 - float64(time.Second)
	return time.Duration(max(-most, min(float64(d)*factor, most)))
}
