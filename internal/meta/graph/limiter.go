package graph

import (
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// What Meta allows of calls to a WhatsApp Business account, its phone numbers and templates, per app and hour, by its page
// "rate-limiting".
const (
	HourlyCalls       = 200
	HourlyCallsActive = 5000 // of an account with a registered phone number
)

const (
	slowFrom      = 75 // percent of the allowance from which on calls are spread
	slowest       = 10 // percent of the usual rate that is always left, for a call is needed to see that usage fell
	usageLives    = time.Hour
	heldByDefault = 5 * time.Minute // where Meta says that it refuses calls, but not for how long
)

// Clock tells the time. A clock.PassiveClock of k8s.io/utils is one.
type Clock interface {
	Now() time.Time
}

// Limiter keeps the calls to one account within what Meta allows. It never waits: who may not call is told when.
//
// It is a token bucket that passes no more than the allowance within any hour, a tenth of it at once. What Meta says of the
// usage, which counts the same app's calls from elsewhere too, takes from it: no more calls are left than Meta says, and
// from three quarters of the allowance on they are spread more and more. It is safe for concurrent use.
type Limiter struct {
	clock Clock

	mu       sync.Mutex
	bucket   *rate.Limiter
	perHour  int
	held     time.Time // nothing passes before
	percent  float64   // used, as Meta said last
	observed time.Time // when it did
}

// NewLimiter allows perHour calls within any hour, at least one.
func NewLimiter(perHour int, clock Clock) *Limiter {
	l := &Limiter{clock: clock, perHour: max(perHour, 1)}
	usual, burst := l.usual()
	l.bucket = rate.NewLimiter(usual, burst)
	return l
}

// usual is the rate, per second, and the burst that together stay within the allowance in any hour.
func (l *Limiter) usual() (rate.Limit, int) {
	burst := max(l.perHour/10, 1)
	// At least one call an hour, or an allowance of one would never be renewed.
	return rate.Limit(float64(max(l.perHour-burst, 1)) / time.Hour.Seconds()), burst
}

// Take takes one call, or tells when there may be one again. Nothing is kept for who was told so.
func (l *Limiter) Take() (retryAt time.Time, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock.Now()
	if now.Before(l.held) {
		return l.held, false
	}
	if l.percent > 0 && now.Sub(l.observed) >= usageLives {
		// Meta counts by the hour, so what it said then is over.
		l.percent = 0
		l.apply(now)
	}
	r := l.bucket.ReserveN(now, 1)
	if delay := r.DelayFrom(now); delay > 0 {
		r.CancelAt(now)
		return now.Add(delay), false
	}
	return time.Time{}, true
}

// SetAllowance changes how many calls are allowed within an hour, at least one.
func (l *Limiter) SetAllowance(perHour int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if perHour = max(perHour, 1); perHour != l.perHour {
		l.perHour = perHour
		l.apply(l.clock.Now())
	}
}

// Observe corrects the limiter by what an answer says of the usage. Nothing said changes nothing.
func (l *Limiter) Observe(usage []Usage) {
	if len(usage) == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock.Now()
	var throttled bool
	var regain time.Duration
	l.percent, l.observed = 0, now
	for _, u := range usage {
		l.percent = max(l.percent, u.Percent())
		throttled = throttled || u.Throttled()
		regain = max(regain, u.RegainAccess)
	}
	if throttled {
		if regain == 0 {
			regain = heldByDefault
		}
		l.hold(now.Add(regain))
	}
	l.apply(now)
	left := float64(l.perHour) * max(100-l.percent, 0) / 100
	if tokens := l.bucket.TokensAt(now); tokens > left {
		l.bucket.AllowN(now, int(min(math.Ceil(tokens-left), math.Floor(tokens))))
	}
}

// Hold lets nothing pass before a time.
func (l *Limiter) Hold(until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hold(until)
}

func (l *Limiter) hold(until time.Time) {
	if until.After(l.held) {
		l.held = until
	}
}

// apply sets the bucket to the allowance and to what was observed of the usage.
func (l *Limiter) apply(now time.Time) {
	usual, burst := l.usual()
	share := min(max((100-l.percent)/(100-slowFrom), slowest/100.0), 1)
	l.bucket.SetLimitAt(now, usual*rate.Limit(share))
	l.bucket.SetBurstAt(now, burst)
}

// LimiterState is where a Limiter stands.
type LimiterState struct {
	PerHour   int       // the allowance
	Rate      float64   // calls per hour that are renewed now
	Left      float64   // calls that would pass now, one after the other
	Percent   float64   // of the allowance used, as Meta said last, zero if nothing
	HeldUntil time.Time // nothing passes before; zero or past if something does
}

// State is where the limiter stands now.
func (l *Limiter) State() LimiterState {
	l.mu.Lock()
	defer l.mu.Unlock()
	return LimiterState{
		PerHour:   l.perHour,
		Rate:      float64(l.bucket.Limit()) * time.Hour.Seconds(),
		Left:      max(l.bucket.TokensAt(l.clock.Now()), 0),
		Percent:   l.percent,
		HeldUntil: l.held,
	}
}

// Allowance is how many calls Meta allows within an hour to an account with these phone numbers.
func Allowance(numbers []PhoneNumber) int {
	for i := range numbers {
		if numbers[i].Registered() {
			return HourlyCallsActive
		}
	}
	return HourlyCalls
}
