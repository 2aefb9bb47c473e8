package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"k8s.io/utils/clock"

	"numberfleet.dev/numberfleet/internal/scaledclock"
)

// fleetClock is event time, which stands still between runs.
type fleetClock struct {
	*scaledclock.Clock
	file   string
	anchor time.Time // real
	origin time.Time // event time at the anchor
	born   time.Time // when event time began
	speed  float64
	first  bool // there was no run before
}

type saved struct {
	Born time.Time `json:"born"`
	Now  time.Time `json:"now"`
}

// resume goes on with the fleet's time where the last run stopped, or starts it now.
func resume(folder string, real clock.PassiveClock, speed float64) (*fleetClock, error) {
	c := &fleetClock{file: filepath.Join(folder, "clock.json"), anchor: real.Now(), speed: speed}
	var was saved
	content, err := os.ReadFile(c.file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		// Midnight makes days easy to read.
		c.born = c.anchor.UTC().Truncate(24 * time.Hour)
		c.origin, c.first = c.born, true
	case err != nil:
		return nil, err
	default:
		if err := json.Unmarshal(content, &was); err != nil {
			return nil, fmt.Errorf("%s: %w", c.file, err)
		}
		c.born, c.origin = was.Born, was.Now
	}
	if speed == 1 && c.origin.Before(c.anchor) {
		c.origin = c.anchor // real time, unless the fleet is ahead of it already
	}
	c.Clock, err = scaledclock.New(real, c.anchor, c.origin, speed)
	return c, err
}

// follow calls with one stretch of the fleet's time after the other, (from, until], as it passes.
func (c *fleetClock) follow(ctx context.Context, call func(ctx context.Context, from, until time.Time) error) error {
	done := c.origin
	for tick := time.NewTicker(100 * time.Millisecond); ; {
		select {
		case <-ctx.Done():
			tick.Stop()
			return ctx.Err()
		case <-tick.C:
		}
		until := c.Now().Truncate(time.Second)
		if err := call(ctx, done, until); err != nil {
			return err
		}
		done = until
	}
}

func (c *fleetClock) save() error {
	content, err := json.Marshal(saved{Born: c.born, Now: c.Now()})
	if err != nil {
		return err
	}
	if err := os.WriteFile(c.file+".new", content, 0o600); err != nil {
		return err
	}
	return os.Rename(c.file+".new", c.file)
}
