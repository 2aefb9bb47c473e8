package gate

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	"k8s.io/utils/clock"
	"numberfleet.dev/numberfleet/internal/config"
	"numberfleet.dev/numberfleet/internal/guard"
	"numberfleet.dev/numberfleet/internal/meta/graphtest"
	"numberfleet.dev/numberfleet/internal/server"

	"numberfleet.dev/numberfleet/hack/bench/measure"
)

// The names under which Guard and Meta are run as processes.
const (
	GuardRole = "guard"
	MetaRole  = "meta"
)

// Guard is the operator's guard, as the manager runs it, in front of an upstream; or a bare reverse proxy.
func Guard(ctx context.Context, args []string) (err error) {
	flags := flag.NewFlagSet(GuardRole, flag.ContinueOnError)
	address := flags.String("address", "", "host:port to listen at")
	upstream := flags.String("upstream", "", "URL of the Graph API")
	data := flags.String("data", "", "folder of the ledger; empty for a bare reverse proxy")
	profile := flags.String("profile", "", "file for a CPU profile of all that is served")
	if err := flags.Parse(args); err != nil {
		return err
	}
	log := funcr.New(func(prefix, line string) { fmt.Fprintln(os.Stderr, prefix, line) }, funcr.Options{})
	handler, err := bareProxy(*upstream)
	if err != nil {
		return err
	}
	running, ctx := errgroup.WithContext(ctx)
	if *data != "" {
		engine, err := openLedger(logr.NewContext(ctx, log), alone, *data, time.Now())
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, engine.Close()) }()
		service, err := newGate(engine, alone, log)
		if err != nil {
			return err
		}
		running.Go(func() error { return service.Start(ctx) })
		guards, err := guard.New(guard.Options{
			Config: &config.Guard{Authentication: config.PassThrough}, BaseURL: *upstream, Directory: newDirectory(alone),
			Clock: clock.RealClock{}, Metrics: prometheus.NewRegistry(), Log: log,
		})
		if err != nil {
			return err
		}
		guards.SetBackend(&guard.Backend{Gate: service, Names: engine})
		handler = guards
	}
	stop, err := measure.Profile(*profile)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	running.Go(func() error {
		return (&server.Server{Name: "a proxy", Listener: server.Listener{Address: *address}, Handler: handler, Limits: guard.Limits, Log: logr.Discard()}).Start(ctx)
	})
	return running.Wait()
}

// bareProxy is the standard library's, with as many idle connections as the guard's.
func bareProxy(upstream string) (http.Handler, error) {
	to, err := url.Parse(upstream)
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost, transport.MaxIdleConns = 256, 256
	return &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(to) }, Transport: transport}, nil
}

// Meta is the stand-in for Meta's Graph API. It knows the numbers, and takes every message.
func Meta(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet(MetaRole, flag.ContinueOnError)
	address := flags.String("address", "", "host:port to listen at")
	profile := flags.String("profile", "", "file for a CPU profile of all that is served")
	if err := flags.Parse(args); err != nil {
		return err
	}
	stop, err := measure.Profile(*profile)
	if err != nil {
		return err
	}
	meta := graphtest.New(clock.RealClock{})
	meta.AddToken(token)
	meta.AddBusiness("1", "Acme")
	meta.AddAccount("2", "1", "Acme")
	for i := range alone.numbers {
		meta.AddPhoneNumber(numberID(i), "2", number(i), "Acme "+strconv.Itoa(i))
	}
	return errors.Join((&server.Server{Name: "Meta", Listener: server.Listener{Address: *address}, Handler: meta, Log: logr.Discard()}).Start(ctx), stop())
}
