package replicas

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/utils/clock"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/ledger/journal"
	"numberfleet.dev/numberfleet/internal/ledger/journal/jetstream"
	"numberfleet.dev/numberfleet/internal/ledger/journal/pebble"
)

// numbers are those among which users are divided.
var numbers = func() (all [16]string) {
	for i := range all {
		all[i] = fmt.Sprintf("+155501000%02d", i)
	}
	return all
}()

// key is the ith user's, as evenly spread as a hash.
func key(i int) counts.UserKey { return counts.UserKey(uint64(i+1) * 0x9e3779b97f4a7c15) }

// delivery is a new one to a user.
func delivery(user int, at time.Time, random *rand.Rand) counts.Entry {
	return counts.Entry{Number: numbers[user%len(numbers)], Kind: counts.Delivered, User: key(user), Message: counts.MessageKey(random.Uint64()), At: at.Unix()}
}

// ledgers are replicas of one log, or one ledger by itself.
type ledgers []*ledger.Ledger

func (l ledgers) close() (err error) {
	for _, one := range l {
		err = errors.Join(err, one.Close())
	}
	return err
}

// embedded opens a ledger without replicas.
func (b *bench) embedded(context.Context) (ledgers, error) {
	store, err := pebble.Open(filepath.Join(b.Folder, b.next()), pebble.Options{})
	if err != nil {
		return nil, err
	}
	alone, err := ledger.Open(store, ledger.Options{})
	return ledgers{alone}, err
}

// unapplied opens a ledger whose rounds are answered when the log has them.
func (b *bench) unapplied(ctx context.Context) (ledgers, error) {
	log, err := b.log(ctx, b.next(), 0)
	if err != nil {
		return nil, err
	}
	alone, err := replica(unread{log, make(chan *counts.Round, 16)})
	return ledgers{alone}, err
}

// behind opens a ledger as unapplied does, whose rounds are applied all the same.
func (b *bench) behind(ctx context.Context) (ledgers, error) {
	log, err := b.log(ctx, b.next(), 0)
	if err != nil {
		return nil, err
	}
	alone, err := replica(readBehind{unread{log, make(chan *counts.Round, 16)}})
	return ledgers{alone}, err
}

// one opens a single replica.
func (b *bench) one(ctx context.Context) (ledgers, error) { return b.join(ctx, b.next(), 1) }

// three opens three replicas of one log.
func (b *bench) three(ctx context.Context) (ledgers, error) { return b.join(ctx, b.next(), 3) }

// join opens replicas of a log.
func (b *bench) join(ctx context.Context, instance string, n int) (all ledgers, err error) {
	for i := range n {
		log, err := b.log(ctx, instance, i)
		if err != nil {
			return nil, errors.Join(err, all.close())
		}
		next, err := replica(log)
		if err != nil {
			return nil, errors.Join(err, all.close())
		}
		all = append(all, next)
	}
	return all, nil
}

// log opens a log through one of the nodes.
func (b *bench) log(ctx context.Context, instance string, node int) (*jetstream.Journal, error) {
	return jetstream.Open(ctx, jetstream.Options{Servers: []string{b.cluster.Nodes[node].URL()}, Instance: instance, Fingerprint: "bench"})
}

// replica opens a ledger on a log. It takes no snapshots by itself.
func replica(log journal.Shared) (*ledger.Ledger, error) {
	return ledger.Open(log, ledger.Options{Clock: clock.RealClock{}, Rules: clock.RealClock{}, JournalBytes: 1 << 40})
}

// fill appends a delivery to each of some users, in large batches.
func fill(ctx context.Context, to *ledger.Ledger, from, until int) error {
	const batch, callers = 4000, 8
	now := time.Now()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(callers)
	for ; from < until; from += batch {
		random := rand.New(rand.NewPCG(uint64(from), 0))
		entries := make([]counts.Entry, min(batch, until-from))
		for i := range entries {
			entries[i] = delivery(from+i, now, random)
		}
		group.Go(func() error {
			_, err := to.Append(ctx, counts.Batch{Entries: entries}, now)
			return err
		})
	}
	return group.Wait()
}
