package replicas

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"numberfleet.dev/numberfleet/hack/bench/measure"
)

// runs are what callers saw, by round.
type runs struct {
	rate     measure.Samples // parts a second
	p50, p99 measure.Samples // of calls, milliseconds
	servers  measure.Samples // CPU of other processes for a part, microseconds
	own      measure.Samples // CPU of this process, with the callers
}

// cpu is the CPU of all for a part, microseconds.
func (r *runs) cpu() float64 { return r.servers.Median() + r.own.Median() }

// call is what the ith caller does again and again.
type call func(ctx context.Context, i int, random *rand.Rand) error

// warm is the share of a run before anything is counted.
const warm = 0.25

// closedLoop has callers call for a while, each again when it was answered, and adds what they saw. A call has some parts. The name is that
// of a profile.
func (b *bench) closedLoop(ctx context.Context, name string, to *runs, callers, parts int, servers []int, do call) (err error) {
	if b.Profiles != "" {
		stop, err := measure.Profile(filepath.Join(b.Profiles, "replicas-"+name+".pprof"))
		if err != nil {
			return err
		}
		defer func() { err = stop() }()
	}
	begin := time.Now()
	from := begin.Add(time.Duration(float64(b.during) * warm))
	until := from.Add(b.during)
	seen := make([][]time.Duration, callers)
	group, ctx := errgroup.WithContext(ctx)
	for i := range callers {
		random := b.Random(uint64(i) + 1<<32*uint64(len(to.rate)))
		group.Go(func() error {
			for {
				start := time.Now()
				if start.After(until) && len(seen[i]) > 0 {
					return nil
				}
				if err := do(ctx, i, random); err != nil {
					return err
				}
				if start.After(from) {
					seen[i] = append(seen[i], time.Since(start))
				}
			}
		})
	}
	pids := append([]int{os.Getpid()}, servers...)
	time.Sleep(time.Until(from))
	before, err := used(pids)
	if err != nil {
		return err
	}
	if err := group.Wait(); err != nil {
		return err
	}
	took := time.Since(from)
	after, err := used(pids)
	if err != nil {
		return err
	}
	all := slices.Sorted(slices.Values(slices.Concat(seen...)))
	n := float64(len(all) * parts)
	to.rate = append(to.rate, n/took.Seconds())
	to.p50 = append(to.p50, milliseconds(all[len(all)/2]))
	to.p99 = append(to.p99, milliseconds(all[len(all)*99/100]))
	own, others := after[0]-before[0], time.Duration(0)
	for i := range servers {
		others += after[i+1] - before[i+1]
	}
	to.own = append(to.own, own.Seconds()*1e6/n)
	to.servers = append(to.servers, others.Seconds()*1e6/n)
	return nil
}

// used is the CPU time that each process has had.
func used(pids []int) ([]time.Duration, error) {
	all := make([]time.Duration, len(pids))
	for i, pid := range pids {
		var err error
		if all[i], err = measure.CPU(pid); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// nodes are the processes of the log.
func (b *bench) nodes() (pids []int) {
	for _, n := range b.cluster.Nodes {
		pids = append(pids, n.PID())
	}
	return pids
}
