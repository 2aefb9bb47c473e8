package account

import (
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"numberfleet.dev/numberfleet/controllers/internal/statuses"
	"numberfleet.dev/numberfleet/internal/meta/graph"
)

// retryAt is when a read that failed is tried again: at the account's next instant, or before it where that may help.
func retryAt(failed error, failures int, next, now time.Time, period time.Duration) time.Time {
	e, is := errors.AsType[*graph.Error](failed)
	switch {
	case !is:
		return next
	case e.Kind == graph.RateLimited:
		// Not before Meta says. Whoever was refused together does not come back together.
		return e.RetryAt.Add(wait.Jitter(time.Second, 10))
	case e.Kind == graph.Token:
		return statuses.Earliest(next, now.Add(period/looks)) // its file may have another one by then
	case e.Kind != graph.Temporary:
		return next // it takes a human: no storm of calls until then
	}
	// Often enough that an outage of half a period leaves nobody stale for two.
	backoff := min(leastPollBackoff<<min(failures-1, 10), period/looks)
	retry := now.Add(wait.Jitter(backoff, 0.3))
	if e.RetryAt.After(retry) {
		return e.RetryAt
	}
	if next.Before(retry) {
		return next
	}
	return retry
}

// affordableAt is when the allowance has room for a whole read: one that is cut short was in vain.
func (a *account) affordableAt(numbers int, now time.Time) time.Time {
	state := a.limiter.State()
	if state.HeldUntil.After(now) {
		return state.HeldUntil
	}
	a.calls = max(a.calls, callsFor(numbers))
	if a.calls > state.PerHour/burstShare {
		// So many numbers are surely in use, for which Meta allows more.
		a.limiter.SetAllowance(graph.HourlyCallsActive)
		state = a.limiter.State()
	}
	missing := float64(min(a.calls, state.PerHour/burstShare)) - state.Left
	if missing <= 0 || state.Rate <= 0 {
		return now
	}
	return now.Add(time.Duration(missing / state.Rate * float64(time.Hour))).Add(time.Second)
}

// burstShare is the part of the allowance that the limiter lets pass at once.
const burstShare = 10

// callsFor is how many calls it takes to read an account with so many numbers.
func callsFor(numbers int) int { return pagesOf(numbers) + 2 }

// pagesOf is how many calls it takes to read a list of so many.
func pagesOf(items int) int { return max((items+99)/100, 1) }

func (a *account) due() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.next
}

// since is when the account was read last, or since when it is; false if another process reads.
func (a *account) since() (read time.Time, begun bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.read, !a.read.IsZero()
}

func (a *account) schedule(set func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	set()
}
