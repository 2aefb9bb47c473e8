package gate

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/go-logr/logr"
	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/ledger/journal"
	"numberfleet.dev/numberfleet/internal/ledger/journal/pebble"
	"numberfleet.dev/numberfleet/internal/report"
)

// fleet is what is asked about: numbers with a limit each, and no user in common.
type fleet struct {
	numbers int
	counted int // users of a number that it has messaged today
	users   int // that a number may be asked to message: each of the others needs a place, and nothing is refused, which would be cheaper
	ofPool  int // numbers of a pool; zero for no pools
}

var (
	alone = fleet{numbers: 8, counted: 125_000, users: 250_000}
	pools = fleet{numbers: 10_000, counted: 50, users: 100, ofPool: 10}
)

const (
	namespace = "fleet"
	window    = 24 * time.Hour
	ttl       = "1s" // after which a place is free again, so that what ends is a part of what is measured
)

// number is the ith in E.164.
func number(i int) string { return fmt.Sprintf("+155501%05d", i) }

// numberID is Meta's id of the ith.
func numberID(i int) string { return fmt.Sprintf("1000000000%05d", i) }

// userOf is the jth of a number, in digits.
func (f fleet) userOf(number, j int) string { return fmt.Sprintf("1555%07d", number*f.users+j) }

// poolOf is the name of a number's pool.
func (f fleet) poolOf(number int) string { return "pool-" + strconv.Itoa(number/f.ofPool) }

// openLedger opens a ledger in which all users are counted that are to be.
func openLedger(ctx context.Context, f fleet, folder string, now time.Time) (engine *ledger.Ledger, err error) {
	log := logr.FromContextOrDiscard(ctx)
	kept, options := journal.Discard, ledger.Options{Log: log}
	if folder != "" {
		store, err := pebble.Open(folder, pebble.Options{Log: log})
		if err != nil {
			return nil, err
		}
		kept, options.Secret = store, store.Secret()
	}
	if engine, err = ledger.Open(kept, options); err != nil {
		return nil, err
	}
	message := counts.MessageKey(0)
	var batch counts.Batch
	err = f.eachCounted(func(number string, users []string) error {
		for _, user := range users {
			message++
			batch.Entries = append(batch.Entries, counts.Entry{Number: number, Kind: counts.Delivered, User: engine.Hasher().User(user), Message: message, At: now.Unix()})
		}
		if len(batch.Entries) < some {
			return nil
		}
		_, err := engine.Append(ctx, batch, now)
		batch.Entries = batch.Entries[:0]
		return err
	})
	settings := f.settings()
	if err = errors.Join(err, engine.Configure(settings)); err != nil {
		return nil, errors.Join(err, engine.Close())
	}
	return engine, nil
}

// settings are those of the numbers and pools.
func (f fleet) settings() (s counts.Settings) {
	for i := range f.numbers {
		s.Senders = append(s.Senders, counts.SenderSetting{Number: number(i), Namespace: namespace, Quality: v1alpha1.QualityHigh})
		s.Limits = append(s.Limits, counts.LimitSetting{
			Subject: number(i), Limit: int64(f.users), Measure: v1alpha1.MeasureUniqueUsers, Window: window, ReleaseUnconfirmed: true,
		})
		if f.ofPool == 0 {
			continue
		}
		if i%f.ofPool == 0 {
			s.Pools = append(s.Pools, counts.PoolSetting{Name: counts.PoolName(namespace, f.poolOf(i)), MinimumQuality: v1alpha1.QualityMedium})
		}
		p := &s.Pools[len(s.Pools)-1]
		p.Members = append(p.Members, counts.PoolMember{Number: number(i), Weight: 1})
	}
	return s
}

// some is how many users are counted at a time.
const some = 1000

// eachCounted calls with the users of each number that are counted, some at a time at most.
func (f fleet) eachCounted(call func(number string, users []string) error) error {
	for i := range f.numbers {
		for j := 0; j < f.counted; j += some {
			all := make([]string, min(some, f.counted-j))
			for k := range all {
				all[k] = f.userOf(i, j+k)
			}
			if err := call(number(i), all); err != nil {
				return err
			}
		}
	}
	return nil
}

// directory has the numbers and pools, in place of the API server's cache.
type directory struct {
	numbers map[report.Subject]*v1alpha1.PhoneNumber
	pools   map[string]*v1alpha1.NumberPool
}

// Number is that of a subject.
func (d directory) Number(_ context.Context, subject report.Subject) (*v1alpha1.PhoneNumber, error) {
	return d.numbers[subject], nil
}

// Sent are no templates.
func (directory) Sent(context.Context, string, string, string) ([]*v1alpha1.MessageTemplate, error) {
	return nil, nil
}

// BusinessPortfolio is none: each number has its own limit.
func (directory) BusinessPortfolio(context.Context, string) (*v1alpha1.BusinessPortfolio, error) {
	return nil, nil
}

// NumberPool is the one of that name.
func (d directory) NumberPool(_ context.Context, _, name string) (*v1alpha1.NumberPool, error) {
	return d.pools[name], nil
}

// newDirectory has the resources of a fleet.
func newDirectory(f fleet) directory {
	d := directory{map[report.Subject]*v1alpha1.PhoneNumber{}, map[string]*v1alpha1.NumberPool{}}
	for i := range f.numbers {
		n := &v1alpha1.PhoneNumber{Spec: v1alpha1.PhoneNumberSpec{PhoneNumber: number(i), PhoneNumberID: numberID(i)}}
		n.Namespace, n.Name = namespace, "number-"+strconv.Itoa(i)
		d.numbers[report.ParseSubject(number(i))], d.numbers[report.NumberIDSubject(numberID(i))] = n, n
		if f.ofPool > 0 {
			p := &v1alpha1.NumberPool{}
			p.Namespace, p.Name = namespace, f.poolOf(i)
			d.pools[p.Name] = p
		}
	}
	return d
}
