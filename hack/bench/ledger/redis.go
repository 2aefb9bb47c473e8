package ledger

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"github.com/redis/rueidis"
	"numberfleet.dev/numberfleet/hack/rig"
	"numberfleet.dev/numberfleet/internal/ledger/counts"

	"numberfleet.dev/numberfleet/hack/bench/redis"
)

// sets are the sorted sets of a Redis: of each number, its users by the last time.
type sets struct {
	server *redis.Server
	client rueidis.Client
}

// openSets starts a server, and returns when it has read its files.
func openSets(ctx context.Context, folder string) (*sets, error) {
	server, err := redis.Start(ctx, folder, redis.EverySecond)
	if err != nil {
		return nil, err
	}
	for {
		client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{server.Address}, DisableCache: true, ConnWriteTimeout: time.Minute})
		if err == nil {
			return &sets{server, client}, nil
		}
		if refused, is := rueidis.IsRedisErr(err); !is || !refused.IsLoading() || ctx.Err() != nil {
			return nil, errors.Join(err, server.Stop(rig.Patience))
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (s *sets) close() error {
	s.client.Close()
	return s.server.Stop(rig.Patience)
}

// write sends one ZADD for each number.
func (s *sets) write(ctx context.Context, entries []counts.Entry) error {
	var commands rueidis.Commands
	byNumber := map[string][]string{}
	for i := range entries {
		e := &entries[i]
		byNumber[e.Number] = append(byNumber[e.Number], strconv.FormatInt(e.At, 10), strconv.FormatUint(uint64(e.User), 36))
	}
	for number, arguments := range byNumber {
		commands = append(commands, s.client.B().Arbitrary("ZADD").Keys(number).Args("GT").Args(arguments...).Build())
	}
	for _, answer := range s.client.DoMulti(ctx, commands...) {
		if err := answer.Error(); err != nil {
			return err
		}
	}
	return nil
}

// info is a number that INFO says.
func (s *sets) info(ctx context.Context, section, name string) (float64, error) {
	text, err := s.client.Do(ctx, s.client.B().Info().Section(section).Build()).ToString()
	if err != nil {
		return 0, err
	}
	found := regexp.MustCompile(`(?m)^` + name + `:(\d+)`).FindStringSubmatch(text)
	if found == nil {
		return 0, fmt.Errorf("INFO says no %s", name)
	}
	return strconv.ParseFloat(found[1], 64)
}

func measureRedis(ctx context.Context, o options) (r result, err error) {
	c := newWorkload(o)
	s, err := openSets(ctx, o.folder)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	before, err := s.info(ctx, "memory", "used_memory")
	if err != nil {
		return r, err
	}
	const step = 10_000
	for i := 0; i < o.users; i += step {
		entries := make([]counts.Entry, 0, step)
		for j := i; j < min(o.users, i+step); j++ {
			entries = append(entries, c.delivery(j, first(j, o.users)))
		}
		if err := s.write(ctx, entries); err != nil {
			return r, err
		}
	}
	if err := s.rewrite(ctx); err != nil {
		return r, err
	}
	after, err := s.info(ctx, "memory", "used_memory")
	if err != nil {
		return r, err
	}
	files, err := size(filepath.Join(o.folder, "appendonlydir"))
	if err != nil {
		return r, err
	}
	r.Memory, r.Disk = (after-before)/float64(o.users), files/float64(o.users)
	if o.starts > 0 {
		for range o.starts {
			took, err := s.restart(ctx, c, o)
			if err != nil {
				return r, err
			}
			r.Start = append(r.Start, took.Seconds())
		}
		return r, nil
	}
	now := begin.Add(spread)
	r.Count, err = each(func() error {
		n, err := s.count(ctx, c.numbers[0], now.Add(-24*time.Hour), now)
		if err == nil && n == 0 {
			err = errors.New("redis counts nobody")
		}
		return err
	})
	if err != nil {
		return r, err
	}
	r.Record, err = c.record(now, func(entries []counts.Entry, _ time.Time) error { return s.write(ctx, entries) })
	return r, err
}

func (s *sets) count(ctx context.Context, number string, from, to time.Time) (int64, error) {
	command := s.client.B().Zcount().Key(number).Min("(" + strconv.FormatInt(from.Unix(), 10)).Max(strconv.FormatInt(to.Unix(), 10)).Build()
	return s.client.Do(ctx, command).AsInt64()
}

// rewrite makes the append-only file as short as it can be. Redis may be at it by itself, and begins no second one.
func (s *sets) rewrite(ctx context.Context) error {
	never := s.client.B().ConfigSet().ParameterValue().ParameterValue("auto-aof-rewrite-percentage", "0").Build()
	if err := s.client.Do(ctx, never).Error(); err != nil {
		return err
	}
	if err := s.rewritten(ctx); err != nil {
		return err
	}
	if err := s.client.Do(ctx, s.client.B().Bgrewriteaof().Build()).Error(); err != nil {
		return err
	}
	return s.rewritten(ctx)
}

// rewritten waits until no rewrite is under way.
func (s *sets) rewritten(ctx context.Context) error {
	for {
		under, err := s.info(ctx, "persistence", "aof_rewrite_in_progress")
		if err != nil {
			return err
		}
		scheduled, err := s.info(ctx, "persistence", "aof_rewrite_scheduled")
		if err != nil || under+scheduled == 0 {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// restart stops the server and starts it again, until it counts.
func (s *sets) restart(ctx context.Context, c *workload, o options) (time.Duration, error) {
	if err := s.close(); err != nil {
		return 0, err
	}
	start := time.Now()
	again, err := openSets(ctx, o.folder)
	if err != nil {
		return 0, err
	}
	*s = *again
	n, err := s.count(ctx, c.numbers[0], begin.Add(-time.Hour), begin.Add(spread))
	took := time.Since(start)
	if err == nil && n != int64(o.users/numbers) {
		err = fmt.Errorf("after a start %d users are there, not %d", n, o.users/numbers)
	}
	return took, err
}
