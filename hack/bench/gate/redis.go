package gate

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/rueidis"
	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ledger/counts"

	"numberfleet.dev/numberfleet/hack/bench/redis"
)

// sortedSets decides in Redis, by redis.Reserve.
type sortedSets struct {
	client rueidis.Client
	script *rueidis.Lua
	hasher counts.Hasher
}

// answers are what the script's mean.
var answers = [...]struct {
	state counts.ReservationState
	why   string
}{
	redis.Refused:        {counts.Refused, string(v1alpha1.RoomLimitReached)},
	redis.AlreadyCounted: {counts.Free, counts.AlreadyCounted},
	redis.AlreadyHeld:    {counts.Held, counts.AlreadyHeld},
	redis.Reserved:       {counts.Held, counts.Reserved},
}

func openSortedSets(ctx context.Context, address string, now time.Time) (*sortedSets, error) {
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{address}, DisableCache: true, ConnWriteTimeout: time.Minute})
	if err != nil {
		return nil, err
	}
	s := &sortedSets{client: client, script: rueidis.NewLuaScript(redis.Reserve), hasher: counts.NewHasher([16]byte{})}
	return s, alone.eachCounted(func(number string, users []string) error {
		members := make([]string, 0, 2*len(users))
		for _, user := range users {
			members = append(members, strconv.FormatInt(now.Unix(), 10), redis.Member(s.hasher.User(user)))
		}
		return client.Do(ctx, client.B().Arbitrary("ZADD").Keys(redis.UsedKey(number)).Args(members...).Build()).Error()
	})
}

// Operate reserves, with one call of the script for all operations of a number that follow each other.
func (s *sortedSets) Operate(ctx context.Context, operations []counts.Operation, now time.Time) ([]counts.Decision, error) {
	decisions := make([]counts.Decision, 0, len(operations))
	for rest := operations; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].Number == rest[0].Number {
			n++
		}
		some, err := s.reserve(ctx, rest[:n], now)
		if err != nil {
			return nil, err
		}
		decisions, rest = append(decisions, some...), rest[n:]
	}
	return decisions, nil
}

// reserve calls the script for operations of one number.
func (s *sortedSets) reserve(ctx context.Context, operations []counts.Operation, now time.Time) ([]counts.Decision, error) {
	number := operations[0].Number
	expires := now.Add(time.Duration(operations[0].TTL) * time.Second).Unix()
	arguments := make([]string, 0, 4+len(operations))
	arguments = append(arguments, strconv.FormatInt(now.Unix(), 10), strconv.FormatInt(now.Add(-window).Unix(), 10),
		strconv.Itoa(alone.users), strconv.FormatInt(expires, 10))
	for i := range operations {
		arguments = append(arguments, redis.Member(operations[i].User))
	}
	told, err := s.script.Exec(ctx, s.client, []string{redis.UsedKey(number), redis.HeldKey(number)}, arguments).AsIntSlice()
	if err != nil {
		return nil, err
	}
	if len(told) != len(operations) {
		return nil, fmt.Errorf("the script answered %d of %d", len(told), len(operations))
	}
	decisions := make([]counts.Decision, len(operations))
	for i, n := range told {
		decisions[i] = counts.Decision{
			ID: operations[i].ID, State: answers[n].state, Why: answers[n].why, Number: number, Expires: expires, Room: counts.LimitUse{Limit: int64(alone.users)},
		}
	}
	return decisions, nil
}

// Expire has nothing to do: the script removes what has ended.
func (*sortedSets) Expire(time.Time) error { return nil }

// Unreserved lets nothing through.
func (*sortedSets) Unreserved(o *counts.Operation, _ time.Time) counts.Decision {
	return counts.Decision{ID: o.ID, State: counts.Refused, Why: counts.Unavailable}
}

// Preview is not compared.
func (*sortedSets) Preview(context.Context, *counts.Operation, time.Time) (counts.Decision, error) {
	return counts.Decision{}, errors.ErrUnsupported
}

func (*sortedSets) CatchUp(context.Context, time.Time) error { return nil }

// Reservation knows none: the benchmark confirms nothing.
func (*sortedSets) Reservation(counts.ReservationID) (counts.Reservation, bool) {
	return counts.Reservation{}, false
}

// Hasher makes the keys of users.
func (s *sortedSets) Hasher() counts.Hasher { return s.hasher }
