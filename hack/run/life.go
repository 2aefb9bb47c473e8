package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"k8s.io/utils/clock"

	"numberfleet.dev/numberfleet/internal/timelapse"
)

// life is the fleet's time, which stands still between runs.
type life struct {
	*timelapse.Clock
	file   string
	anchor time.Time // real
	origin time.Time // the fleet's time at the anchor
	born   time.Time // when the fleet's life began
	speed  float64
	first  bool // there was no run before
}

type saved struct {
	Born time.Time `json:"born"`
	Now  time.Time `json:"now"`
}

// resume goes on with the fleet's time where the last run stopped, or starts it now.
func resume(folder string, real clock.PassiveClock, speed float64) (*life, error) {
	l := &life{file: filepath.Join(folder, "clock.json"), anchor: real.Now(), speed: speed}
	var was saved
	content, err := os.ReadFile(l.file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		// Midnight makes days easy to read.
		l.born = l.anchor.UTC().Truncate(24 * time.Hour)
		l.origin, l.first = l.born, true
	case err != nil:
		return nil, err
	default:
		if err := json.Unmarshal(content, &was); err != nil {
			return nil, fmt.Errorf("%s: %w", l.file, err)
		}
		l.born, l.origin = was.Born, was.Now
	}
	if speed == 1 && l.origin.Before(l.anchor) {
		l.origin = l.anchor // real time, unless the fleet is ahead of it already
	}
	l.Clock, err = timelapse.New(real, l.anchor, l.origin, speed)
	return l, err
}

func (l *life) save() error {
	content, err := json.Marshal(saved{Born: l.born, Now: l.Now()})
	if err != nil {
		return err
	}
	if err := os.WriteFile(l.file+".new", content, 0o600); err != nil {
		return err
	}
	return os.Rename(l.file+".new", l.file)
}
