package reconciler

import (
	"time"

	"k8s.io/utils/clock"
)

// Clock tells the time of the rules, and how long to sleep until an instant of it.
type Clock interface {
	clock.PassiveClock
	// Wait is the real time until the clock shows t; zero if it does already.
	Wait(t time.Time) time.Duration
}
