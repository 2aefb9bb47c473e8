package ingest

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/rueidis"
	"k8s.io/utils/clock"
	"numberfleet.dev/numberfleet/internal/ingest"
	"numberfleet.dev/numberfleet/internal/ingest/webhook"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/ledger/journal/pebble"
	"numberfleet.dev/numberfleet/internal/server"

	"numberfleet.dev/numberfleet/hack/bench/measure"
)

// Role is the name under which Serve is run as a process.
const Role = "ingest-server"

// Serve is the operator's webhook receiver, as the manager runs it, in front of a store.
func Serve(ctx context.Context, args []string) (err error) {
	flags := flag.NewFlagSet(Role, flag.ContinueOnError)
	address := flags.String("address", "", "host:port to listen at")
	credentials := flags.String("credentials", "", "folder with the app secret")
	data := flags.String("data", "", "folder of the ledger; empty for no ledger")
	group := flags.Bool("group", false, "make all numbers one portfolio of the ledger")
	redis := flags.String("redis", "", "host:port of Redis; without it and the ledger, what was parsed is dropped")
	profile := flags.String("profile", "", "file for a CPU profile of all that is served")
	if err := flags.Parse(args); err != nil {
		return err
	}
	stop, err := measure.Profile(*profile)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	log := funcr.New(func(prefix, line string) { fmt.Fprintln(os.Stderr, prefix, line) }, funcr.Options{})

	backend := ingest.Backend{Ledger: dropped{}, Hasher: unhashed{}}
	switch {
	case *data != "":
		store, err := pebble.Open(*data, pebble.Options{Log: log})
		if err != nil {
			return err
		}
		engine, err := ledger.Open(store, ledger.Options{Secret: store.Secret(), Log: log})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, engine.Close()) }()
		if *group {
			if err := engine.SetPortfolio("all", phoneNumbers()); err != nil {
				return err
			}
		}
		backend = ingest.Backend{Ledger: engine, Hasher: engine.Hasher()}
	case *redis != "":
		client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{*redis}, DisableCache: true})
		if err != nil {
			return err
		}
		defer client.Close()
		backend = ingest.Backend{Ledger: sortedSets{client}, Hasher: usersOnly{counts.NewHasher([16]byte{})}}
	}

	receiver, err := webhook.NewReceiver(webhook.Options{
		Apps: []webhook.App{{Credentials: webhook.NewCredentials(*credentials, log)}}, Clock: clock.RealClock{}, Metrics: prometheus.NewRegistry(), Log: log,
	})
	if err != nil {
		return err
	}
	receiver.SetBackend(&backend)
	return (&server.Server{Name: "the receiver", Listener: server.Listener{Address: *address}, Handler: receiver, Log: logr.Discard()}).Start(ctx)
}

// dropped is no store: what is left is the floor.
type dropped struct{}

func (dropped) Append(context.Context, counts.Batch, time.Time) (counts.Outcome, error) {
	return counts.Outcome{}, nil
}

func (dropped) Fresh() error { return nil }

// Subject names a number as it is displayed.
func (dropped) Subject(_, number string) string { return number }

// unhashed is no hasher: without a store nobody needs keys.
type unhashed struct{}

func (unhashed) User(string) counts.UserKey       { return 1 }
func (unhashed) Message(string) counts.MessageKey { return 1 }
func (unhashed) Chat(string) counts.ChatKey       { return 1 }

// usersOnly is what sorted sets need: keys of users, none of messages.
type usersOnly struct{ counts.Hasher }

func (usersOnly) Message(string) counts.MessageKey { return 1 }

// sortedSets keeps in Redis when each user of a number was last messaged: a sorted set for each number, one ZADD for each
// number of a batch. It is the least that counts users, with neither conversations, messages nor service windows.
type sortedSets struct{ client rueidis.Client }

func (sortedSets) Fresh() error { return nil }

// Subject names a number as it is displayed.
func (sortedSets) Subject(_, number string) string { return number }

func (s sortedSets) Append(ctx context.Context, batch counts.Batch, _ time.Time) (counts.Outcome, error) {
	for entries := batch.Entries; len(entries) > 0; {
		n := 1
		for n < len(entries) && entries[n].Number == entries[0].Number {
			n++
		}
		arguments := make([]string, 0, 1+2*n)
		arguments = append(arguments, "GT")
		for i := range entries[:n] {
			user := strconv.FormatUint(uint64(entries[i].User), 36)
			arguments = append(arguments, strconv.FormatInt(entries[i].At, 10), user)
		}
		command := s.client.B().Arbitrary("ZADD").Keys(entries[0].Number).Args(arguments...).Build()
		if err := s.client.Do(ctx, command).Error(); err != nil {
			return counts.Outcome{}, err
		}
		entries = entries[n:]
	}
	return counts.Outcome{}, nil
}
