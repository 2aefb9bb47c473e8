package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"numberfleet.dev/numberfleet/api/client"
	"numberfleet.dev/numberfleet/hack/rig"
	"numberfleet.dev/numberfleet/hack/torture/check"
	"numberfleet.dev/numberfleet/internal/meta/metatest"
)

// senders send messages of the gated numbers, and ask the gate before each. What they were answered, and what became of the messages, is told
// to a check.Gate for each limit.
type senders struct {
	*epoch
	clients []*client.Client // of each replica
	next    atomic.Uint64
	limits  []*gatedLimit
	began   time.Time // real
}

// gatedLimit is a limit that senders ask for places of: that of a portfolio, or of a number.
type gatedLimit struct {
	*check.Gate
	name      string
	selection client.Selection
	kinds     []messageKind
}

// messageKind is a number, and a category that it sends messages of. A user gets messages of one kind, so it is known which budget a place
// falls under. Users of a shared kind get them from several numbers: under which budget their places fall is not known.
type messageKind struct {
	number           *number
	category, budget string
	shared           bool
}

// The budgets of a gated limit, in percent of it.
const (
	kept, keptPercent     = "kept", 30
	capped, cappedPercent = "capped", 40
)

// budgets are those of a gated limit, by what they are for.
func budgets(forKept, forCapped map[string]any) []any {
	forKept["name"], forKept["guaranteed"] = kept, fmt.Sprint(keptPercent, "%")
	forCapped["name"], forCapped["maximum"] = capped, fmt.Sprint(cappedPercent, "%")
	return []any{forKept, forCapped}
}

func newSenders(e *epoch) (*senders, error) {
	s := &senders{epoch: e, began: real.Now()}
	for _, one := range e.op.all() {
		c, err := client.New(client.Options{
			URL: "http://" + one.Events, Retries: -1,
			Token: func(context.Context) (string, error) { return e.plane.Admin().BearerToken, nil },
			HTTP:  &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: concurrentSenders}},
		})
		if err != nil {
			return nil, err
		}
		s.clients = append(s.clients, c)
	}
	var shared gatedLimit
	for _, n := range e.fleet.numbers {
		switch {
		case !n.gated:
		case n.portfolio == nil:
			own := &gatedLimit{Gate: s.gate(n, true), name: n.name, selection: client.Selection{Namespace: n.namespace, Number: n.phone}}
			own.kinds = []messageKind{{n, "Authentication", kept, false}, {n, "Utility", capped, false}, {n, "Marketing", "", false}}
			s.limits = append(s.limits, own)
		case n.namespace == "torture-a":
			shared.Gate, shared.name, shared.selection = s.gate(n, false), n.portfolio.name, client.Selection{Portfolio: n.portfolio.name}
			shared.kinds = append(shared.kinds, messageKind{n, "Authentication", kept, false}, messageKind{n, "Marketing", "", true})
		default:
			shared.kinds = append(shared.kinds, messageKind{n, "Marketing", capped, false}, messageKind{n, "Marketing", "", true})
		}
	}
	s.limits = append(s.limits, &shared)
	return s, nil
}

// gate is that of the limit of a number, which does not change.
func (s *senders) gate(n *number, release bool) *check.Gate {
	spec := &s.fleet.policies[n.policy].Spec
	limit := spec.Tiers[0].Limit
	return check.NewGate(check.GateRules{
		Limit: limit, Window: spec.Counting.WindowHours * 3600, Release: release,
		Guaranteed: map[string]int64{kept: limit * keptPercent / 100}, Maximum: map[string]int64{capped: limit * cappedPercent / 100},
	})
}

const concurrentSenders = 64

// sendThroughGate has senders ask the gate for places while the operator is disturbed. What they were granted must never exceed a limit or a
// budget, what is guaranteed must be granted, and nothing that was granted be forgotten.
func sendThroughGate(disturb func(*senders, context.Context, *rand.Rand) error) func(context.Context, *epoch, *rand.Rand) error {
	return func(ctx context.Context, e *epoch, random *rand.Rand) error {
		return e.senders.all(ctx, random, disturb)
	}
}

// all has senders send while the operator is disturbed.
func (s *senders) all(ctx context.Context, random *rand.Rand, disturb func(*senders, context.Context, *rand.Rand) error) error {
	if err := s.waitForRules(ctx); err != nil {
		return err
	}
	sending, stop := context.WithCancel(ctx)
	defer stop()
	group, together := errgroup.WithContext(ctx)
	for range concurrentSenders {
		mine := rand.New(rand.NewPCG(random.Uint64(), 0)) // #nosec G404 -- to be replayed
		group.Go(func() error {
			for sending.Err() == nil && together.Err() == nil {
				if err := s.send(together, mine); err != nil {
					return err
				}
			}
			return nil
		})
	}
	group.Go(func() error {
		defer stop()
		return disturb(s, together, random)
	})
	if err := group.Wait(); err != nil {
		return err
	}
	for _, l := range s.limits {
		if problems := l.Problems(); len(problems) > 0 {
			return failure(strings.Join(problems[:min(len(problems), 20)], "\n"))
		}
		granted, refused := l.Asked()
		s.say("%s: %d reservations granted so far, %d refused", l.name, granted, refused)
	}
	return s.checkReserved(ctx)
}

// any is a client of one of the replicas, each in its turn.
func (s *senders) any() *client.Client {
	return s.clients[s.next.Add(1)%uint64(len(s.clients))]
}

// now is this instant.
func (s *senders) now() check.Instant {
	return check.Instant{Real: real.Since(s.began), Clock: s.op.now().Unix()}
}

// tell tells the gates what the operator's clock shows.
func (s *senders) tell() {
	for _, l := range s.limits {
		l.Change(s.now(), func() {})
	}
}

// send asks for one message, and has something become of it.
func (s *senders) send(ctx context.Context, random *rand.Rand) error {
	pause := func(most int) error { return sleepUpTo(ctx, random, most) }
	if err := pause(400); err != nil {
		return err
	}
	l := s.limits[random.IntN(len(s.limits))]
	which := random.IntN(len(l.kinds))
	for l.kinds[which].budget == kept && random.IntN(40) > 0 { // else what is guaranteed would be used up
		which = random.IntN(len(l.kinds))
	}
	kind := l.kinds[which]
	of := fmt.Sprint(kind.number.policy, which)
	if kind.shared {
		of = kind.number.policy + " shared"
	}
	user := fmt.Sprintf("1557%07d", hash(of)%1000*1000+random.IntN(200))
	r, id, err := s.reserve(ctx, l, kind, user, random)
	if err != nil || id == "" {
		return err
	}
	if err := pause(300); err != nil {
		return err
	}
	message := fmt.Sprintf("wamid.gated.%016x", random.Uint64())
	confirm := func() error { return s.confirm(ctx, l, r, id, message) }
	outcome := func() error { return s.post(ctx, l, kind, r, message, random) }
	switch dice := random.IntN(20); {
	case dice < 2: // nobody knows what became of it
		return nil
	case dice < 6:
		return s.release(ctx, l, r, id)
	case l.Release:
		if err := confirm(); err != nil {
			return err
		}
		if !l.InTime(r) { // so nothing is sent
			return s.release(ctx, l, r, id)
		}
		return errors.Join(pause(300), outcome())
	case dice < 12:
		return errors.Join(confirm(), pause(300), outcome())
	case dice < 16:
		return errors.Join(outcome(), pause(300), confirm())
	default:
		return outcome()
	}
}

// reserve asks for a reservation until there is an answer. Without an id it was refused.
func (s *senders) reserve(ctx context.Context, l *gatedLimit, kind messageKind, user string, random *rand.Rand) (r *check.Reservation, id string, err error) {
	ttl := time.Duration(1+random.IntN(15)) * time.Minute
	request := client.Request{
		Number: kind.number.phone, Namespace: kind.number.namespace, User: user, Category: kind.category, TTL: ttl.String(), Key: fmt.Sprintf("%016x", random.Uint64()),
	}
	r = &check.Reservation{User: user, Budget: kind.budget, TTL: int64(ttl.Seconds()), Asked: s.now()}
	r.AskedLast = r.Asked
	l.Ask(r)
	var granted *client.Reservation
	var behind int64 // how often, when it was asked last
	refused, err := s.until(ctx, func() error {
		behind = s.op.behind.Load()
		l.Change(s.now(), func() { r.AskedLast = s.now() })
		granted, err = s.any().Reserve(ctx, request)
		return err
	}, func() { l.Change(s.now(), func() { r.Unclear = true }) })
	if err != nil {
		return nil, "", err
	}
	l.Change(s.now(), func() {
		if r.Answered = s.now(); refused != nil {
			r.Reason = refused.Reason
		} else {
			r.Granted, r.Expires = true, granted.Expires.Unix()
			r.Behind = behind%2 == 1 || behind != s.op.behind.Load()
		}
	})
	if refused != nil {
		return r, "", nil
	}
	if random.IntN(10) == 0 && !r.Unclear { // the same again
		again, err := s.any().Reserve(ctx, request)
		if err == nil && again.ID != granted.ID && s.now().Clock < r.AskedLast.Clock+1800 {
			return nil, "", failure("a request with the same key is another reservation")
		}
	}
	return r, granted.ID, nil
}

// confirm confirms a reservation until there is an answer.
func (s *senders) confirm(ctx context.Context, l *gatedLimit, r *check.Reservation, id, message string) error {
	l.Change(s.now(), func() { r.Confirming = s.now() })
	refused, err := s.until(ctx, func() error { return s.any().Confirm(ctx, id, message) }, func() {})
	if err != nil {
		return err
	}
	l.Change(s.now(), func() {
		if refused != nil {
			r.Missing = s.now()
		} else {
			r.Confirmed = s.now()
		}
	})
	return nil
}

// release releases a reservation until there is an answer.
func (s *senders) release(ctx context.Context, l *gatedLimit, r *check.Reservation, id string) error {
	l.Change(s.now(), func() { r.Releasing = s.now() })
	if _, err := s.until(ctx, func() error { return s.any().Release(ctx, id) }, func() {}); err != nil {
		return err
	}
	l.Change(s.now(), func() { r.Released = s.now() })
	return nil
}

// until asks until there is an answer: a refusal, or none. It says each time that there was no answer.
func (s *senders) until(ctx context.Context, ask func() error, unanswered func()) (*client.Problem, error) {
	for began := real.Now(); ; {
		err := ask()
		refused, answered := errors.AsType[*client.Problem](err)
		switch {
		case err == nil:
			s.waits.note(senderWaits, began)
			return nil, nil
		case answered && refused.Status != http.StatusServiceUnavailable:
			if slices.Contains([]int{http.StatusTooManyRequests, http.StatusConflict, http.StatusNotFound}, refused.Status) {
				s.waits.note(senderWaits, began)
				return refused, nil
			}
			return nil, failure("a sender is answered " + refused.Error())
		case real.Since(began) > rig.Patience:
			return nil, fmt.Errorf("a sender is not answered: %w", err)
		}
		unanswered()
		if err := rig.Sleep(ctx, 30*time.Millisecond); err != nil {
			return nil, err
		}
	}
}

// post tells that a message was delivered, or mostly so: now and then it failed.
func (s *senders) post(ctx context.Context, l *gatedLimit, kind messageKind, r *check.Reservation, message string, random *rand.Rand) error {
	at := s.op.now()
	m := &check.Message{Of: r, At: at.Unix(), Posting: s.now()}
	status := metatest.Status{ID: message, Status: "delivered", Phone: r.User, Category: strings.ToLower(kind.category), At: at}
	if random.IntN(5) == 0 {
		m.At, status.Status, status.Code = 0, "failed", 131026
	}
	l.Post(m)
	p := &request{number: kind.number, body: metatest.MessagesPayload(kind.number.phone, []metatest.Status{status}, nil)}
	for range 1 + random.IntN(2) {
		if err := s.sender.until(ctx, p); err != nil {
			return err
		}
		if m.Posted == (check.Instant{}) {
			l.Change(s.now(), func() { m.Posted = s.now() })
		}
		if err := sleepUpTo(ctx, random, 200); err != nil {
			return err
		}
	}
	return nil
}

// checkReserved checks that as many users are held as senders were granted, and that all others were let go.
func (s *senders) checkReserved(ctx context.Context) error {
	for _, l := range s.limits {
		var last string
		for give := real.Now().Add(10 * time.Second); ; {
			items, err := s.any().Standing(ctx, l.selection)
			at := slices.IndexFunc(items, func(i client.Item) bool { return i.Portfolio == "" }) // it has the limit itself
			if err == nil && at >= 0 {
				least, most := l.Reserved(s.now())
				is := items[at].Reserved
				if is >= least && is <= most {
					break
				}
				last = fmt.Sprintf("%d users are held, and must be from %d to %d", is, least, most)
			} else {
				last = fmt.Sprintf("%d answers, %v", len(items), err)
			}
			if real.Now().After(give) {
				return failure(fmt.Sprintf("%s: %s", l.name, last))
			}
			if err := rig.Sleep(ctx, 100*time.Millisecond); err != nil {
				return err
			}
		}
	}
	return nil
}
