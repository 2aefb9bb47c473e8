package scaledclock

import "time"

// Limited is a clock that never shows more than a limit, which moves on: where the machine's clock is set forth by mistake, it is not believed.
// It is safe for concurrent use if Limit is.
type Limited struct {
	*Clock
	Limit func() time.Time // nil for none
}

// Now is the clock's time, or the limit if that is earlier, in UTC.
func (l Limited) Now() time.Time {
	now := l.Clock.Now()
	if l.Limit == nil {
		return now
	}
	if limit := l.Limit().UTC(); limit.Before(now) {
		return limit
	}
	return now
}

// Since is how much of the clock's time has passed since t.
func (l Limited) Since(t time.Time) time.Duration { return l.Now().Sub(t) }

// Wait is the real time that passes until the clock shows t, if the limit moves as the clock does; zero if it does already.
func (l Limited) Wait(t time.Time) time.Duration { return l.wait(l.Now(), t) }
