package guard

import (
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/apimachinery/pkg/util/cache"
	"k8s.io/utils/clock"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/config"
)

// What Meta lets a number send, by its pages "throughput" and "about-the-platform".
const (
	standardThroughput = 80 // messages a second, where Meta does not say the level of the number

	pairInterval = 6 * time.Second // between two messages to one user, in the long run
	pairBurst    = 45              // messages at once
)

const (
	maxPaces = 64 << 10 // numbers and pairs that are remembered, the latest: some 10 MB
	paceKept = pairBurst * pairInterval
)

// pace holds messages back that Meta would refuse for being too many at a time. It is safe for concurrent use.
type pace struct {
	clock             clock.PassiveClock
	throughput, pairs bool // are bounded

	mu    sync.Mutex
	known *cache.LRUExpireCache // of *rate.Limiter, by subject
}

func newPace(bounds []config.Bound, clk clock.PassiveClock) *pace {
	return &pace{
		clock: clk, throughput: slices.Contains(bounds, config.ThroughputBound), pairs: slices.Contains(bounds, config.PairRateBound),
		known: cache.NewLRUExpireCacheWithClock(maxPaces, clk),
	}
}

// take counts a message to a user. Where it is one too many, nothing is counted, and wait is when it would not be. Giving back undoes it, for
// a message that was not sent.
func (p *pace) take(number *v1alpha1.PhoneNumber, id, user string) (giveBack func(), wait time.Duration) {
	now := p.clock.Now()
	var taken []*rate.Limiter
	giveBack = func() {
		for _, limiter := range taken {
			limiter.ReserveN(p.clock.Now(), -1) // which Reservation.Cancel would not do any more after the time to act
		}
	}
	take := func(s subject, limit rate.Limit, burst int) {
		limiter := p.limiter(s, limit, burst, now)
		taken = append(taken, limiter)
		wait = max(wait, limiter.ReserveN(now, 1).DelayFrom(now))
	}
	if p.throughput {
		second := standardThroughput
		if said := number.Status.Throughput.MessagesPerSecond; said > 0 {
			second = int(said)
		}
		take(subject{scope: byNumber, of: id}, rate.Limit(second), second)
	}
	if p.pairs {
		take(subject{byPair, id, user}, rate.Every(pairInterval), pairBurst)
	}
	if wait > 0 {
		giveBack()
	}
	return giveBack, wait
}

// limiter is that of a subject, as fast as Meta says now.
func (p *pace) limiter(s subject, limit rate.Limit, burst int, now time.Time) *rate.Limiter {
	p.mu.Lock()
	defer p.mu.Unlock()
	limiter := rate.NewLimiter(limit, burst)
	if known, ok := p.known.Get(s); ok {
		limiter = known.(*rate.Limiter)
		if limiter.Limit() != limit {
			limiter.SetLimitAt(now, limit)
			limiter.SetBurstAt(now, burst)
		}
	}
	p.known.Add(s, limiter, paceKept)
	return limiter
}
