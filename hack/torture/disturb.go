package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// What goes wrong while senders go through the gate.

// killAll kills the operator a few times. Once it goes on an hour later, and once it does with its clock an hour behind for a while.
func (s *senders) killAll(ctx context.Context, random *rand.Rand) error {
	const killed, back, forward = 0, 1, 2
	anHourLater := func() time.Time { return s.stopped().Add(time.Hour) }
	for _, what := range append([]int{killed}, random.Perm(3)...) {
		if s.log != nil && what == back {
			continue // the time of a log cannot be set back
		}
		if err := sleepUpTo(ctx, random, 2500); err != nil {
			return err
		}
		at := s.stopped
		switch what {
		case back:
			if err := s.restartAt(ctx, func() time.Time { return s.stopped().Add(-time.Hour) }); err != nil {
				return err
			}
			if err := sleepUpTo(ctx, random, 1500); err != nil {
				return err
			}
			at = anHourLater
		case forward:
			at = anHourLater
		}
		if err := s.restartAt(ctx, at); err != nil {
			return err
		}
	}
	return sleepUpTo(ctx, random, 1500)
}

// failOne kills the replica that leads, and pauses one past its lease, and has the node that leads the log killed, paused and cut off, while all
// others serve. The fleet's time is slowed down, since that takes a while.
func (s *senders) failOne(ctx context.Context, random *rand.Rand) error {
	faults := []fault{
		{name: "replica that leads killed", living: leaderKilled},
		{name: "node that leads killed", living: ofLeadingNode(nodeKilled)},
		{name: "node that leads paused", living: ofLeadingNode(nodePaused)},
		{name: "replica that leads paused", living: leaderReplaced},
	}
	if s.log.network != nil {
		faults = append(faults, fault{name: "node that leads cut off", living: ofLeadingNode(nodeCutOff)})
	}
	return s.oneAfterTheOther(ctx, random, faults)
}

// loseLog has the log be deleted, and the next one come back from an older copy.
func (s *senders) loseLog(ctx context.Context, random *rand.Rand) error {
	return s.oneAfterTheOther(ctx, random, []fault{
		{name: "log deleted", living: logLost(deleted)}, {name: "log comes back from an older copy", living: logLost(restored)},
	})
}

// oneAfterTheOther has things go wrong while the fleet's time runs more slowly.
func (s *senders) oneAfterTheOther(ctx context.Context, random *rand.Rand, faults []fault) error {
	s.processMu.Lock()
	err := s.slowDown(ctx, speed/6)
	s.processMu.Unlock()
	if err != nil {
		return err
	}
	for _, f := range faults {
		s.suffer(f.name)
		if err := errors.Join(f.living(ctx, s.epoch, random), sleepUpTo(ctx, random, 1500)); err != nil {
			return err
		}
	}
	return nil
}

// restartAt kills the operator and starts it with another clock.
func (s *senders) restartAt(ctx context.Context, at func() time.Time) error {
	s.processMu.Lock()
	defer s.processMu.Unlock()
	s.tell()
	s.op.Kill()
	return s.start(ctx, at(), false)
}
