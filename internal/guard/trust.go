package guard

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
	"k8s.io/apimachinery/pkg/util/cache"
	"k8s.io/utils/clock"
)

// Anyone can bring a token that is none, and each reservation holds a place until Meta has refused it. So few places of a number are held
// at a time for callers who have not sent from it yet.
const (
	maxStrangers  = 8                // places of a number
	strangersWait = 5 * time.Second  // for one of them
	strangerHeld  = 10 * time.Minute // a place is one of them for that long where Meta does not say what became of the message

	trustKept  = time.Hour
	maxTrusted = 16 << 10 // callers that are remembered, with a number each: some MB
)

// right is what Meta has shown that a caller may do with a number.
type right struct {
	caller, number string
	send           bool // else only to see it
}

// trust is what Meta has shown of callers within the last hour. It is safe for concurrent use.
type trust struct {
	rights *cache.LRUExpireCache // by right

	mu        sync.Mutex
	strangers map[string]*semaphore.Weighted // by the number's id: those of the fleet, so few
}

func newTrust(clk clock.PassiveClock) *trust {
	return &trust{rights: cache.NewLRUExpireCacheWithClock(maxTrusted, clk), strangers: map[string]*semaphore.Weighted{}}
}

func (t *trust) shown(r right) { t.rights.Add(r, struct{}{}, trustKept) }

// withdraw forgets what a caller may do with a number.
func (t *trust) withdraw(caller, number string) {
	t.rights.Remove(right{caller, number, true})
	t.rights.Remove(right{caller, number, false})
}

func (t *trust) may(r right) bool {
	_, known := t.rights.Get(r)
	return known
}

// admit waits until a caller may hold a place of a number, and is false where there is none in time. Done tells whether it is known what
// became of the message.
func (t *trust) admit(ctx context.Context, caller, number string) (done func(known bool), ok bool) {
	sends, nothing := right{caller, number, true}, func(bool) {}
	if t.may(sends) {
		return nothing, true
	}
	places := t.places(number)
	ctx, cancel := context.WithTimeout(ctx, strangersWait)
	defer cancel()
	if places.Acquire(ctx, 1) != nil {
		return nil, false
	}
	if t.may(sends) { // meanwhile
		places.Release(1)
		return nothing, true
	}
	return func(known bool) {
		if known {
			places.Release(1)
			return
		}
		time.AfterFunc(strangerHeld, func() { places.Release(1) })
	}, true
}

func (t *trust) places(number string) *semaphore.Weighted {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.strangers[number] == nil {
		t.strangers[number] = semaphore.NewWeighted(maxStrangers)
	}
	return t.strangers[number]
}
