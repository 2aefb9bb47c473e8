package load

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"numberfleet.dev/numberfleet/hack/rig"

	"numberfleet.dev/numberfleet/hack/bench/measure"
	"numberfleet.dev/numberfleet/hack/bench/redis"
)

// Server is one that is measured, in a process of its own, with the process of its store if it has one.
type Server struct {
	Name string
	*rig.Process
	Address string
	Store   *redis.Server // nil for none
}

// Start starts this program in a role, with the flag --address and others, and --profile if profiles are wanted.
func Start(ctx context.Context, b *measure.Bench, role, name string, flags ...string) (*Server, error) {
	addresses, err := rig.FreeAddresses(1)
	if err != nil {
		return nil, err
	}
	flags = append(flags, "--address", addresses[0])
	if b.Profiles != "" {
		_, port, _ := strings.Cut(addresses[0], ":") // makes names unique
		flags = append(flags, "--profile", filepath.Join(b.Profiles, fmt.Sprintf("%s-%s-%s.pprof", role, strings.ReplaceAll(name, " ", "-"), port)))
	}
	process, err := measure.StartRole(role, flags...)
	if err != nil {
		return nil, err
	}
	if err := process.Listens(ctx, addresses[0]); err != nil {
		return nil, errors.Join(err, process.Stop(rig.Patience))
	}
	return &Server{Name: name, Process: process, Address: addresses[0]}, nil
}

// The servers that StartAll starts, in their order.
const (
	Floor       = iota // without a store
	Ledger             // in front of the durable ledger
	EverySecond        // in front of a Redis that syncs every second
	Always             // in front of one that syncs always
)

// StartAll starts this program in a role, once for each store that is compared: with Redis only where that is there. Each gets the flags, and
// --data or --redis. Those that were started are returned with an error too, to be stopped.
func StartAll(ctx context.Context, b *measure.Bench, role, floor, ledger string, withRedis bool, flags ...string) (servers []*Server, err error) {
	starts := []func() (*Server, error){
		Floor: func() (*Server, error) { return Start(ctx, b, role, floor, flags...) },
		Ledger: func() (*Server, error) {
			return Start(ctx, b, role, ledger, append(slices.Clip(flags), "--data", filepath.Join(b.Folder, "ledger"))...)
		},
	}
	if withRedis {
		for _, fsync := range []string{redis.EverySecond, redis.Always} {
			starts = append(starts, func() (*Server, error) { return StartWithRedis(ctx, b, role, fsync, slices.Clip(flags)...) })
		}
	}
	for _, start := range starts {
		s, err := start()
		if err != nil {
			return servers, err
		}
		servers = append(servers, s)
	}
	return servers, nil
}

// StopAll stops servers, each though another cannot be stopped.
func StopAll(servers []*Server) (err error) {
	for _, s := range servers {
		err = errors.Join(err, s.Stop())
	}
	return err
}

// StartWithRedis starts a Redis that syncs as fsync says, and this program in a role with the flag --redis and others.
func StartWithRedis(ctx context.Context, b *measure.Bench, role, fsync string, flags ...string) (*Server, error) {
	store, err := redis.Start(ctx, filepath.Join(b.Folder, "redis-"+fsync), fsync)
	if err != nil {
		return nil, err
	}
	s, err := Start(ctx, b, role, "Redis, "+fsync, append(flags, "--redis", store.Address)...)
	if err != nil {
		return nil, errors.Join(err, store.Stop(rig.Patience))
	}
	s.Store = store
	return s, nil
}

// Stop stops the server, then its store.
func (s *Server) Stop() error {
	err := s.Process.Stop(rig.Patience)
	if s.Store != nil {
		err = errors.Join(err, s.Store.Stop(rig.Patience))
	}
	return err
}

func (s *Server) pids() []int {
	if s.Store == nil {
		return []int{s.PID()}
	}
	return []int{s.PID(), s.Store.PID()}
}

// Run is what one run of one server measured. What is counted are the parts of a request, such as the messages of a batch.
type Run struct {
	Rate     float64 // parts per second
	CPU      float64 // microseconds of the server and its store per part, what they put off included
	Client   float64 // share of one core
	P50, P99 float64 // milliseconds from a request to its answer
}

// Measure sends requests of some parts each to a server.
func Measure(ctx context.Context, s *Server, r Requests, parts int, shape Shape) (Run, error) {
	c, err := dial(s.Address, shape.Connections)
	if err != nil {
		return Run{}, err
	}
	defer func() { _ = c.close() }()
	before, err := measure.WaitIdle(ctx, s.pids())
	if err != nil {
		return Run{}, err
	}
	did, err := c.send(ctx, r, shape)
	if err != nil {
		return Run{}, fmt.Errorf("%s: %w", s.Name, err)
	}
	after, err := measure.WaitIdle(ctx, s.pids())
	if err != nil {
		return Run{}, err
	}
	var cpu time.Duration
	for i := range after {
		cpu += after[i] - before[i]
	}
	all := float64(did.requests * parts)
	return Run{
		Rate:   all / did.took.Seconds(),
		CPU:    float64(cpu.Nanoseconds()) / 1000 / all,
		Client: did.cpu.Seconds() / did.took.Seconds(),
		P50:    float64(did.p50.Microseconds()) / 1000,
		P99:    float64(did.p99.Microseconds()) / 1000,
	}, nil
}

// Runs are those of one server, by round.
type Runs struct{ Rate, CPU, Client, P50, P99 measure.Samples }

// Add adds a run.
func (r *Runs) Add(one Run) {
	r.Rate = append(r.Rate, one.Rate)
	r.CPU = append(r.CPU, one.CPU)
	r.Client = append(r.Client, one.Client)
	r.P50 = append(r.P50, one.P50)
	r.P99 = append(r.P99, one.P99)
}
