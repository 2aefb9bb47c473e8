package replicas

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"time"

	"github.com/redis/rueidis"
	"numberfleet.dev/numberfleet/hack/rig"

	"numberfleet.dev/numberfleet/hack/bench/redis"
)

// copied is a Redis with one copy. Both sync always.
type copied struct {
	first, second *redis.Server
	client        rueidis.Client
	script        string // its hash
}

func (b *bench) openCopied(ctx context.Context) (*copied, error) {
	c := &copied{}
	open := func() (err error) {
		if c.first, err = redis.Start(ctx, filepath.Join(b.Folder, b.next()), redis.Always, "--repl-diskless-sync-delay", "0"); err != nil {
			return err
		}
		if c.second, err = redis.StartCopy(ctx, filepath.Join(b.Folder, b.next()), redis.Always, c.first); err != nil {
			return err
		}
		c.client, err = rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{c.first.Address}, DisableCache: true})
		if err != nil {
			return err
		}
		c.script, err = c.client.Do(ctx, c.client.B().ScriptLoad().Script(redis.Reserve).Build()).ToString()
		return err
	}
	if err := open(); err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

func (c *copied) close() (err error) {
	if c.client != nil {
		c.client.Close()
	}
	for _, server := range []*redis.Server{c.second, c.first} {
		if server != nil {
			err = errors.Join(err, server.Stop(rig.Patience))
		}
	}
	return err
}

// fill counts half of the users of each number, and returns when the copy has them.
func (c *copied) fill(ctx context.Context, now time.Time) error {
	for i, number := range numbers {
		var members []string
		for user := i; user < len(numbers)*usersOf/2; user += len(numbers) {
			members = append(members, strconv.FormatInt(now.Unix(), 10), redis.Member(key(user)))
		}
		if err := c.client.Do(ctx, c.client.B().Arbitrary("ZADD").Keys(redis.UsedKey(number)).Args(members...).Build()).Error(); err != nil {
			return err
		}
	}
	copies, err := c.client.Do(ctx, c.copied()).AsInt64()
	if err == nil && copies < 1 {
		err = errors.New("the copy does not follow")
	}
	return err
}

// copied asks how many copies have what was written.
func (c *copied) copied() rueidis.Completed {
	return c.client.B().Wait().Numreplicas(1).Timeout(copiedWithin).Build()
}

// copiedWithin is how long WAIT waits, milliseconds.
const copiedWithin = 30_000

// reserve reserves a place for a user, and returns when the copy has it.
func (c *copied) reserve(ctx context.Context, user int) error {
	number := numbers[user%len(numbers)]
	now := time.Now()
	seconds := func(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }
	told := c.client.DoMulti(ctx,
		c.client.B().Evalsha().Sha1(c.script).Numkeys(2).Key(redis.UsedKey(number), redis.HeldKey(number)).
			Arg(seconds(now), seconds(now.Add(-window)), strconv.Itoa(usersOf), seconds(now.Add(ttl*time.Second)), redis.Member(key(user))).Build(),
		c.copied())
	answers, err := told[0].AsIntSlice()
	if err != nil {
		return err
	}
	copies, err := told[1].AsInt64()
	if err == nil && (answers[0] == redis.Refused || copies < 1) {
		err = fmt.Errorf("the script answers %d, and %d copies have it", answers[0], copies)
	}
	return err
}

// reserveInRedis measures a Redis with a copy, by senders.
func (b *bench) reserveInRedis(ctx context.Context, to *[len(senders)]runs) (err error) {
	c, err := b.openCopied(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	if err := c.fill(ctx, time.Now()); err != nil {
		return err
	}
	servers := []int{c.first.PID(), c.second.PID()}
	for i, callers := range senders {
		err := b.closedLoop(ctx, fmt.Sprint("redis-", callers), &to[i], callers, 1, servers, func(ctx context.Context, _ int, random *rand.Rand) error {
			return c.reserve(ctx, random.IntN(len(numbers)*usersOf))
		})
		if err != nil {
			return err
		}
	}
	return nil
}
