package ledgertest

import (
	"context"
	"maps"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
)

const (
	senders      = 64
	sharedLimits = 8 // each of a portfolio with two numbers; the check takes long where more than some senders ask of one at once
	sharedLimit  = 6
	asksOfALife  = 16 // of a sender
)

// ask is what a sender asks of the ledger.
type ask struct {
	limit int
	of    question
	counts.Operation
}

type question int

const (
	operate question = iota // to decide of the operation
	deliver                 // to count that a message of the reservation was delivered
	askUsed                 // how many users are counted
	askHeld                 // how many are held
)

// answer is what is answered: a decision, or a number of users.
type answer struct {
	counts.Decision
	users int64
}

// Whatever is answered to concurrent senders would have been answered to one after another, in an order in which none comes before one
// whose answer was there when it asked. That holds across a crash. The check finds the answers wrong of a limit that is one greater.
func answersAreLinearizable(t *testing.T, empty func() Store) {
	t.Helper()
	l := open(t, empty())
	must(t, l.Configure(sharedSettings()))
	for limit := range sharedLimits {
		must(t, l.SetPortfolio(sharedName(limit), sharedNumbers(limit)))
	}
	var h history
	for life := range 2 {
		var asking sync.WaitGroup
		for sender := range senders {
			asking.Go(func() {
				rng := rand.New(rand.NewPCG(uint64(life), uint64(sender))) //nolint:gosec // a test that is the same each time
				for n := range asksOfALife {
					h.ask(t, l.Ledger, sender, someAsk(rng, senders, sender, life*asksOfALife+n))
				}
			})
		}
		asking.Wait()
		l = l.restart(t, true, uint64(life))
	}
	l.close(t)
	h.check(t, sharedLimit, true)
	h.check(t, sharedLimit+1, false)
}

// check fails the test unless the history is, or is not, one of limits of a size.
func (h *history) check(t *testing.T, limit int64, want bool) {
	t.Helper()
	if got := porcupine.CheckOperations(oneAfterAnother(limit), h.all); got != want {
		t.Errorf("that the answers to senders are those of a limit of %d is %t, not %t", limit, got, want)
	}
}

func sharedName(limit int) string { return string(rune('a' + limit)) }

func sharedNumbers(limit int) []string {
	return []string{"+1555020" + sharedName(limit) + "1", "+1555020" + sharedName(limit) + "2"}
}

func sharedSettings() (s counts.Settings) {
	for limit := range sharedLimits {
		s.Limits = append(s.Limits, counts.LimitSetting{
			Subject: counts.PortfolioKey(sharedName(limit)), Limit: sharedLimit, Measure: v1alpha1.MeasureUniqueUsers, Window: 24 * time.Hour,
		})
		for _, number := range sharedNumbers(limit) {
			s.Senders = append(s.Senders, counts.SenderSetting{Number: number})
		}
	}
	return s
}

// someAsk is the nth of one of some senders: a new reservation, or about one of any sender of the limit, which may not be made yet.
func someAsk(rng *rand.Rand, senders, sender, n int) ask {
	a := ask{limit: sender % sharedLimits}
	kind := rng.IntN(12)
	if kind > 4 {
		sender, n = rng.IntN(senders/sharedLimits)*sharedLimits+a.limit, max(0, n-rng.IntN(4))
	}
	a.ID = counts.ReservationID{1, byte(sender), byte(n)}
	a.Message = counts.MessageKey(2*(sender<<8|n) + 1 + rng.IntN(8)/7)
	of := rand.New(rand.NewPCG(uint64(sender), uint64(n))) //nolint:gosec // what a reservation is of is the same each time
	number := of.IntN(2)
	a.User, a.Number, a.TTL = counts.UserKey(of.IntN(2*sharedLimit)+1), sharedNumbers(a.limit)[number], 600
	switch kind {
	case 0, 1, 2, 3:
		a.Kind = counts.Reserve
	case 4:
		a.Kind, a.Key = counts.Reserve, uint64(a.User)<<8|uint64(a.limit)<<4|uint64(number)+1
	case 5, 6:
		a.Kind = counts.Confirm
	case 7, 8:
		a.Kind = counts.Release
	case 9:
		a.of = deliver
	case 10:
		a.of = askUsed
	default:
		a.of = askHeld
	}
	return a
}

// history is what was asked and answered, and in which order these began and ended.
type history struct {
	clock atomic.Int64
	mu    sync.Mutex
	all   []porcupine.Operation
}

func (h *history) ask(t *testing.T, l *ledger.Ledger, sender int, a ask) porcupine.Operation {
	t.Helper()
	call := h.clock.Add(1)
	got, err := a.put(l)
	if err != nil {
		t.Errorf("a sender is answered %v", err)
	}
	was := porcupine.Operation{ClientId: sender, Input: a, Output: got, Call: call, Return: h.clock.Add(1)}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, was)
	return was
}

// put asks a ledger. What is to be read is read once the ledger has decided of something: it knows then all that was answered before.
func (a *ask) put(l *ledger.Ledger) (got answer, err error) {
	if a.of == deliver {
		e := counts.Entry{Number: a.Number, Kind: counts.Delivered, User: a.User, Message: a.Message, At: begin.Unix()}
		_, err = l.Append(context.Background(), counts.Batch{Entries: []counts.Entry{e}}, begin)
		return got, err
	}
	o := a.Operation
	if a.of != operate {
		o = nothing
	}
	decisions, err := l.Operate(context.Background(), []counts.Operation{o}, begin)
	if err != nil {
		return got, err
	}
	subject := counts.PortfolioKey(sharedName(a.limit))
	switch a.of {
	case askUsed:
		got.users = l.Count(subject, v1alpha1.MeasureUniqueUsers, begin.Add(-24*time.Hour), begin)
	case askHeld:
		got.users = l.Reserved(subject, begin)
	default:
		got.Decision = decisions[0]
	}
	return got, nil
}

// shared is a limit as one sender after another finds it. It has no time: nothing ends by itself.
type shared struct {
	reservations map[counts.ReservationID]reserved
	counted      map[counts.UserKey]bool
	delivered    map[delivery]bool
}

// reserved is an operation, which its id tells from all others, and what became of it.
type reserved struct {
	counts.Operation
	reservedState
}

type reservedState struct {
	granted counts.ReservationState
	why     string
	now     counts.ReservationState
	message counts.MessageKey
}

type delivery struct {
	number  string
	user    counts.UserKey
	message counts.MessageKey
}

// oneAfterAnother is what one sender after another is answered, of limits of a size.
func oneAfterAnother(size int64) porcupine.Model {
	return porcupine.Model{
		Partition: func(all []porcupine.Operation) [][]porcupine.Operation {
			of := make([][]porcupine.Operation, sharedLimits)
			for _, o := range all {
				limit := o.Input.(ask).limit
				of[limit] = append(of[limit], o)
			}
			return of
		},
		Init: func() any {
			return shared{map[counts.ReservationID]reserved{}, map[counts.UserKey]bool{}, map[delivery]bool{}}
		},
		Equal: func(a, b any) bool {
			one, other := a.(shared), b.(shared)
			return maps.EqualFunc(one.reservations, other.reservations, func(a, b reserved) bool { return a.reservedState == b.reservedState }) &&
				maps.Equal(one.counted, other.counted) && maps.Equal(one.delivered, other.delivered)
		},
		Step: func(state, input, output any) (bool, any) {
			s, a, got := state.(shared), input.(ask), output.(answer)
			used, held := s.taken()
			switch a.of {
			case askUsed:
				return got.users == used, s
			case askHeld:
				return got.users == held, s
			case deliver, operate:
			}
			s = shared{maps.Clone(s.reservations), maps.Clone(s.counted), maps.Clone(s.delivered)}
			switch {
			case a.of == deliver:
				s.deliver(delivery{a.Number, a.User, a.Message})
				return true, s
			case a.Kind == counts.Reserve:
				return s.reserve(a, size, got.Decision), s
			}
			want := s.close(a)
			return got.ID == a.ID && got.State == want.State && got.Why == want.Why, s
		},
	}
}

// reserve reports whether a reservation is answered as it should be, and makes it.
func (s *shared) reserve(a ask, size int64, got counts.Decision) bool {
	id, r, made := a.ID, reserved{Operation: a.Operation}, true
	for earlier, was := range s.reservations {
		if earlier == a.ID || a.Key != 0 && was.Key == a.Key {
			id, r, made = earlier, was, false
		}
	}
	used, held := s.taken()
	if made {
		switch {
		case s.counted[a.User]:
			r.granted, r.why = counts.Free, counts.AlreadyCounted
		case s.holds(a.User):
			r.granted, r.why = counts.Held, counts.AlreadyHeld
		case used+held < size:
			r.granted, r.why = counts.Held, counts.Reserved
			held++
		default:
			return got.State == counts.Refused && got.Why == string(v1alpha1.RoomLimitReached) && got.Room.Used == used && got.Room.Held == held
		}
		r.now = r.granted
		s.reservations[id] = r
	}
	state := r.granted
	if r.now == counts.Ended {
		state = counts.Ended
	}
	return got.ID == id && got.State == state && got.Why == r.why && got.Room.Used == used && got.Room.Held == held
}

// close confirms or releases a reservation.
func (s *shared) close(a ask) (want counts.Decision) {
	r, found := s.reservations[a.ID]
	switch {
	case !found:
		return counts.Decision{State: counts.Ended, Why: counts.Unknown}
	case a.Kind == counts.Release:
		r.now = counts.Ended
	case r.message != 0 && r.message != a.Message:
		want.Why = counts.OtherMessage
	case r.message == 0:
		r.message = a.Message
		switch {
		case s.delivered[delivery{r.Number, r.User, a.Message}]:
			r.now = counts.Ended
		case r.now != counts.Ended:
			r.now = counts.Confirmed
		}
	}
	s.reservations[a.ID], want.State = r, r.now
	return want
}

// deliver counts a delivery. It ends the reservation of its message, else the only one of the number and user that may be of it.
func (s *shared) deliver(d delivery) {
	if s.delivered[d] {
		return
	}
	s.delivered[d], s.counted[d.user] = true, true
	var ended []counts.ReservationID
	for id, r := range s.reservations {
		if r.now == counts.Ended || r.Number != d.number || r.User != d.user {
			continue
		}
		if r.message == d.message {
			ended = []counts.ReservationID{id}
			break
		}
		if r.message == 0 {
			ended = append(ended, id)
		}
	}
	if len(ended) == 1 {
		r := s.reservations[ended[0]]
		r.now = counts.Ended
		s.reservations[ended[0]] = r
	}
}

func (s *shared) holds(user counts.UserKey) bool {
	for _, r := range s.reservations {
		if r.User == user && r.now != counts.Ended {
			return true
		}
	}
	return false
}

// taken are the users who are counted, and those who are held and are not.
func (s *shared) taken() (used, held int64) {
	holding := map[counts.UserKey]bool{}
	for _, r := range s.reservations {
		if r.now != counts.Ended && !s.counted[r.User] {
			holding[r.User] = true
		}
	}
	return int64(len(s.counted)), int64(len(holding))
}
