package guard

import (
	"math"
	"net/http"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/util/cache"
	"k8s.io/utils/clock"

	"numberfleet.dev/numberfleet/internal/meta/graph"
)

// scope is what Meta throttles.
type scope uint8

const (
	byNumber  scope = iota // the messages of a number
	byPair                 // the messages of a number to one user
	byAccount              // the calls to a WhatsApp Business account
	byApp                  // the calls of an app, and so of its access tokens
)

// subject is one thing that Meta throttles.
type subject struct {
	scope  scope
	of     string // the number's id, the account's, or the hash of the token
	toUser string // byPair only
}

// throttle is a code with which Meta throttles: what, and for how long where the answer does not say. The wait grows by a factor with each
// time that it did not help.
type throttle struct {
	scope       scope
	first, most time.Duration
	factor      float64
}

// throttles are by Meta's pages "support/error-codes" and "rate-limiting"; for pairs the page "about-the-platform" asks for 4^n seconds. Of
// accounts the pages disagree on the code.
var throttles = map[int64]throttle{
	130429: {byNumber, time.Second, time.Minute, 2},
	131056: {byPair, 4 * time.Second, 17 * time.Minute, 4},
	80007:  {byAccount, time.Minute, time.Hour, 2},
	80008:  {byAccount, time.Minute, time.Hour, 2},
	4:      {byApp, time.Minute, time.Hour, 2},
}

// wait is how long to pause for the n-th time in a row, from 1.
func (t throttle) wait(n int) time.Duration {
	return time.Duration(min(float64(t.first)*math.Pow(t.factor, float64(n-1)), float64(t.most)))
}

// told is how long an answer asks to wait; zero where it does not say. What a header says of the calls to accounts and of apps is not
// about messages.
func (t throttle) told(h http.Header, now time.Time) time.Duration {
	asked := graph.RetryAfter(h, now)
	if t.scope == byAccount || t.scope == byApp {
		asked = max(asked, graph.RegainAccess(h))
	}
	return asked
}

const maxPauses = 16 << 10 // remembered at a time, the latest: some MB

// pauses are the subjects that Meta throttles now. It is safe for concurrent use.
type pauses struct {
	clock   clock.PassiveClock
	metrics *metrics
	known   *cache.LRUExpireCache // of *pause, by subject
}

// pause is until when nothing is sent, and how often in a row that was so.
type pause struct {
	until time.Time
	times int
}

func newPauses(clk clock.PassiveClock, m *metrics) *pauses {
	return &pauses{clock: clk, metrics: m, known: cache.NewLRUExpireCacheWithClock(maxPauses, clk)}
}

// wait is how long any of the subjects is paused; zero if none is.
func (p *pauses) wait(of []subject) (wait time.Duration) {
	now := p.clock.Now()
	for _, s := range of {
		if known, ok := p.known.Get(s); ok {
			wait = max(wait, known.(*pause).until.Sub(now))
		}
	}
	return wait
}

// observe notes what an answer about a message of the subjects says: a code of Meta's, or zero where the message was sent.
func (p *pauses) observe(of []subject, code int64, header http.Header) {
	t, throttled := throttles[code]
	if !throttled {
		if code == 0 {
			p.end(of)
		}
		return
	}
	p.metrics.pauses.WithLabelValues(strconv.FormatInt(code, 10)).Inc()
	now := p.clock.Now()
	for _, s := range of {
		if s.scope == t.scope {
			p.begin(s, t, t.told(header, now), now)
		}
	}
}

// begin pauses a subject. The answers to messages that were under way together are one time.
func (p *pauses) begin(s subject, t throttle, told time.Duration, now time.Time) {
	next := pause{times: 1}
	if known, ok := p.known.Get(s); ok {
		next = *known.(*pause)
		if !next.until.After(now) {
			next.times++
		}
	}
	wait := told
	if wait == 0 {
		wait = t.wait(next.times)
	}
	if until := now.Add(wait); until.After(next.until) {
		next.until = until
	}
	p.known.Add(s, &next, next.until.Sub(now)+t.most)
}

// end forgets how often subjects were paused, once a message of theirs was sent.
func (p *pauses) end(of []subject) {
	for _, s := range of {
		if known, ok := p.known.Get(s); ok && !known.(*pause).until.After(p.clock.Now()) {
			p.known.Remove(s)
		}
	}
}
