package gate

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"numberfleet.dev/numberfleet/internal/gate"
	"numberfleet.dev/numberfleet/internal/gate/api"
	"numberfleet.dev/numberfleet/internal/scaledclock"
	"numberfleet.dev/numberfleet/internal/server"

	"numberfleet.dev/numberfleet/hack/bench/measure"
)

// Role is the name under which Serve is run as a process.
const Role = "gate-server"

const token = "the token of the benchmark"

// Serve is the operator's API of reservations, as the manager runs it, in front of what decides.
func Serve(ctx context.Context, args []string) (err error) {
	flags := flag.NewFlagSet(Role, flag.ContinueOnError)
	address := flags.String("address", "", "host:port to listen at")
	data := flags.String("data", "", "folder of the ledger; empty for a ledger without a journal")
	redis := flags.String("redis", "", "host:port of Redis, in place of a ledger")
	withPools := flags.Bool("pools", false, "serve many numbers in pools, in place of a few")
	profile := flags.String("profile", "", "file for a CPU profile of all that is served")
	if err := flags.Parse(args); err != nil {
		return err
	}
	of := alone
	if *withPools {
		of = pools
	}
	log := funcr.New(func(prefix, line string) { fmt.Fprintln(os.Stderr, prefix, line) }, funcr.Options{})
	var decides gate.Ledger
	if *redis != "" {
		sets, err := openSortedSets(ctx, *redis, time.Now())
		if err != nil {
			return err
		}
		defer sets.client.Close()
		decides = sets
	} else {
		engine, err := openLedger(logr.NewContext(ctx, log), of, *data, time.Now())
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, engine.Close()) }()
		decides = engine
	}
	service, err := newGate(decides, of, log)
	if err != nil {
		return err
	}
	handler, err := newAPI(service, log)
	if err != nil {
		return err
	}
	stop, err := measure.Profile(*profile)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	running, ctx := errgroup.WithContext(ctx)
	running.Go(func() error { return service.Start(ctx) })
	running.Go(func() error {
		return (&server.Server{Name: "the API", Listener: server.Listener{Address: *address}, Handler: handler, Log: logr.Discard()}).Start(ctx)
	})
	return running.Wait()
}

// newGate makes the gate, in front of what decides.
func newGate(decides gate.Ledger, of fleet, log logr.Logger) (*gate.Service, error) {
	return gate.New(gate.Options{
		Ledger: decides, Directory: newDirectory(of), Clock: scaledclock.Real(clock.RealClock{}), Real: clock.RealClock{},
		Recorder: &events.FakeRecorder{}, Metrics: prometheus.NewRegistry(), Log: log,
	})
}

// newAPI makes the API, whose one caller may do everything.
func newAPI(service *gate.Service, log logr.Logger) (http.Handler, error) {
	handler, err := api.New(api.Options{
		Access: &server.Access{
			Authenticator: authenticator.RequestFunc(func(req *http.Request) (*authenticator.Response, bool, error) {
				known := req.Header.Get("Authorization") == "Bearer "+token
				return &authenticator.Response{User: &user.DefaultInfo{Name: "system:serviceaccount:fleet:sender"}}, known, nil
			}),
			Authorizer: authorizer.AuthorizerFunc(func(context.Context, authorizer.Attributes) (authorizer.Decision, string, error) {
				return authorizer.DecisionAllow, "", nil
			}),
		},
		Real: clock.RealClock{}, Metrics: prometheus.NewRegistry(), Log: log,
	})
	if err != nil {
		return nil, err
	}
	handler.SetBackend(&api.Backend{Gate: service})
	return handler, nil
}
