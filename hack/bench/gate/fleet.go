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

// The fleet that is asked about: numbers with a limit each.
const (
	namespace = "fleet"

	numbers = 8
	counted = 125_000 // users of a number that it has messaged today
	users   = 250_000 // that a number may be asked to message: each of the others needs a place
	limit   = users   // nothing is refused: a refusal is cheaper than a place
	window  = 24 * time.Hour
	ttl     = "1s" // after which a place is free again, so that what ends is a part of what is measured
)

// number is the ith in E.164.
func number(i int) string { return "+1555010000" + strconv.Itoa(i) }

// numberID is Meta's id of the ith.
func numberID(i int) string { return "10000000000000" + strconv.Itoa(i) }

// userOf is the jth of a number, in digits.
func userOf(number, j int) string { return fmt.Sprintf("1555%07d", number*users+j) }

// openLedger opens a ledger in which all users are counted that are to be.
func openLedger(ctx context.Context, folder string, now time.Time) (engine *ledger.Ledger, err error) {
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
	var settings counts.Settings
	for i := range numbers {
		settings.Senders = append(settings.Senders, counts.SenderSetting{Number: number(i), Namespace: namespace})
		settings.Limits = append(settings.Limits, counts.LimitSetting{
			Subject: number(i), Limit: limit, Measure: v1alpha1.MeasureUniqueUsers, Window: window, ReleaseUnconfirmed: true,
		})
	}
	message := counts.MessageKey(0)
	err = eachCounted(func(number string, users []string) error {
		entries := make([]counts.Entry, len(users))
		for i, user := range users {
			message++
			entries[i] = counts.Entry{Number: number, Kind: counts.Delivered, User: engine.Hasher().User(user), Message: message, At: now.Unix()}
		}
		_, err := engine.Append(ctx, counts.Batch{Entries: entries}, now)
		return err
	})
	if err = errors.Join(err, engine.Configure(settings)); err != nil {
		return nil, errors.Join(err, engine.Close())
	}
	return engine, nil
}

// eachCounted calls with the users of each number that are counted, some at a time.
func eachCounted(call func(number string, users []string) error) error {
	const some = 1000
	for i := range numbers {
		for j := 0; j < counted; j += some {
			all := make([]string, some)
			for k := range all {
				all[k] = userOf(i, j+k)
			}
			if err := call(number(i), all); err != nil {
				return err
			}
		}
	}
	return nil
}

// directory has the numbers, in place of the API server's cache.
type directory map[report.Subject]*v1alpha1.PhoneNumber

// Number is that of a subject.
func (d directory) Number(_ context.Context, subject report.Subject) (*v1alpha1.PhoneNumber, error) {
	return d[subject], nil
}

// Sent are no templates.
func (directory) Sent(context.Context, string, string, string) ([]*v1alpha1.MessageTemplate, error) {
	return nil, nil
}

// BusinessPortfolio is none: each number has its own limit.
func (directory) BusinessPortfolio(context.Context, string) (*v1alpha1.BusinessPortfolio, error) {
	return nil, nil
}

// NumberPool is none: each number sends for itself.
func (directory) NumberPool(context.Context, string, string) (*v1alpha1.NumberPool, error) {
	return nil, nil
}

// newDirectory makes the numbers.
func newDirectory() directory {
	d := directory{}
	for i := range numbers {
		n := &v1alpha1.PhoneNumber{Spec: v1alpha1.PhoneNumberSpec{PhoneNumber: number(i), PhoneNumberID: numberID(i)}}
		n.Namespace, n.Name = namespace, "number-"+strconv.Itoa(i)
		d[report.ParseSubject(number(i))], d[report.NumberIDSubject(numberID(i))] = n, n
	}
	return d
}
