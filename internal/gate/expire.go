package gate

import (
	"context"
	"errors"
	"time"

	"numberfleet.dev/numberfleet/internal/ledger"
)

// expirePeriod is how often what ends with time is looked at, in real time.
const expirePeriod = time.Second

// Start ends what ends with time, until ctx is done: reservations, though nothing else is recorded, and stretches of refusals. It implements
// manager.Runnable.
func (s *Service) Start(ctx context.Context) error {
	ticker := s.real.NewTicker(expirePeriod)
	defer ticker.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C():
			now := s.clock.Now()
			err := s.ledger.Expire(now)
			if err != nil && !failing && !errors.Is(err, ledger.ErrClosed) {
				s.log.Error(err, "Reservations do not end with time until this can be recorded")
			}
			failing = err != nil
			s.refusals.end(now)
		}
	}
}

// NeedLeaderElection says that each process does so: for its own ledger.
func (s *Service) NeedLeaderElection() bool { return false }
