// Command torture tries to break the operator: it starts etcd, an API server and the operator, posts signed webhooks as Meta
// would, kills, pauses, starves and corrupts what it can at random points, and has an independent checker say after every
// round what the operator must show. Everything random follows from a seed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"numberfleet.dev/numberfleet/hack/rig"
	"numberfleet.dev/numberfleet/hack/torture/check"
)

type options struct {
	assets, manager, state string
	rounds, round          int
	replicas               int
	seed                   uint64
	short                  bool
	only                   string
}

// perEpoch is how many rounds a fleet lasts.
const perEpoch = 10

func main() {
	var o options
	flag.StringVar(&o.assets, "assets", os.Getenv("KUBEBUILDER_ASSETS"), "Folder with etcd and kube-apiserver.")
	flag.StringVar(&o.manager, "manager", "bin/manager", "The operator's binary.")
	flag.StringVar(&o.state, "state", ".torture", "Folder for the state, which is kept where a round fails.")
	flag.IntVar(&o.rounds, "rounds", 200, "How many rounds.")
	flag.Uint64Var(&o.seed, "seed", 0, "What everything random follows from; 0 for a new one.")
	flag.IntVar(&o.round, "round", 0, "Replay this round, from 1, and those before it that it builds on.")
	flag.StringVar(&o.only, "only", "", "Only faults whose names contain this.")
	flag.IntVar(&o.replicas, "replicas", 0, "How many replicas share a log of three nodes; 0 for one operator with a ledger of its own.")
	flag.BoolVar(&o.short, "short", false, "A few rounds with a fixed seed, for continuous integration.")
	flag.Parse()
	ctrl.SetLogger(logr.Discard())
	if o.short {
		o.seed, o.rounds = 1, 3
	}
	if o.seed == 0 {
		o.seed = uint64(real.Now().UnixNano()) % 1_000_000
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "torture:", err)
		os.Exit(1)
	}
}

// torture is a run.
type torture struct {
	options
	plane    *rig.ControlPlane
	proxy    *proxy
	op       *operator
	log      *sharedLog    // nil where the ledger is embedded
	api      client.Client // the administrator's, past the proxy
	policies map[string]*check.Policy

	at       int  // the round, from 1
	leads    bool // the operator may lead
	troubled bool // a fault may make the operator end by itself in this round

	mu     sync.Mutex
	counts map[string]int
	waits  waits
}

// disk is what the ledger is on.
type disk interface {
	fmt.Stringer
	fill(pid int) error
	free(pid int) error
	close() error
}

func run(ctx context.Context, o options) (err error) {
	if err := os.MkdirAll(o.state, 0o755); err != nil { // #nosec G301 -- holds nothing secret
		return err
	}
	if o.state, err = os.MkdirTemp(o.state, "run-"); err != nil {
		return err
	}
	if o.state, err = filepath.Abs(o.state); err != nil {
		return err
	}
	t := &torture{options: o, counts: map[string]int{}}
	defer rig.KillAll()
	fmt.Printf("seed %d, %d rounds\n", o.seed, o.rounds)
	start := real.Now()
	if err := t.setUp(ctx); err != nil {
		return err
	}
	fmt.Printf("control plane, policies and operator's rights are there after %s\n", real.Since(start).Round(100*time.Millisecond))

	first, last := 1, o.rounds
	if o.round > 0 {
		first, last = (o.round-1)/perEpoch*perEpoch+1, o.round
	}
	var e *epoch
	var took []time.Duration
	for t.at = first; t.at <= last; t.at++ {
		began := real.Now()
		t.troubled = false
		t.proxy.late.Store(false)
		if (t.at-1)%perEpoch == 0 {
			if e != nil {
				if err := e.end(ctx); err != nil {
					return err
				}
			}
			if e, err = t.begin(ctx, (t.at-1)/perEpoch); err != nil {
				return t.failed(ctx, e, err)
			}
		}
		random := rand.New(rand.NewPCG(o.seed, uint64(t.at)<<32)) // #nosec G404 -- to be replayed
		chosen := t.choose(random)
		var names []string
		for _, f := range chosen {
			names = append(names, f.name)
			t.count(f.name)
		}
		t.troubled = slices.ContainsFunc(chosen, func(f fault) bool { return f.ends })
		t.say("%s", strings.Join(names, "; "))
		if err := e.round(ctx, chosen, random); err != nil {
			return t.failed(ctx, e, err)
		}
		took = append(took, real.Since(began))
		t.say("as it must be after %s: %d webhooks acknowledged so far, %d transitions", took[len(took)-1].Round(100*time.Millisecond), e.sender.acknowledged.Load(), e.happened())
	}
	t.summary(took, e)
	if err := e.end(ctx); err != nil {
		return err
	}
	t.plane.Kill()
	return os.RemoveAll(o.state)
}

func (t *torture) setUp(ctx context.Context) (err error) {
	if t.plane, err = rig.NewControlPlane(rig.ControlPlaneOptions{Assets: t.assets, Folder: t.state}); err != nil {
		return err
	}
	if err := t.plane.Up(ctx); err != nil {
		return err
	}
	if t.proxy, err = startProxy(t.plane); err != nil {
		return err
	}
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		return err
	}
	if t.api, err = client.New(t.plane.Admin(), client.Options{Scheme: scheme}); err != nil {
		return err
	}
	if t.policies, err = install(ctx, t.api); err != nil {
		return err
	}
	kubeconfig := filepath.Join(t.state, "operator.kubeconfig")
	if err := rig.WriteKubeconfig(kubeconfig, &rest.Config{Host: t.proxy.address, BearerToken: t.plane.Operator().BearerToken, TLSClientConfig: rest.TLSClientConfig{Insecure: true}}); err != nil {
		return err
	}
	if t.op, err = newOperator(t.options, kubeconfig); err != nil || t.replicas == 0 {
		return err
	}
	t.log, err = startLog(ctx, filepath.Join(t.state, "log"))
	return err
}

// choose chooses the faults of a round: each in turn, and often a second one.
func (t *torture) choose(random *rand.Rand) []fault {
	all := faults
	if t.log != nil {
		all = slices.Concat(ofReplicas, faults)
	}
	pool := slices.DeleteFunc(slices.Clone(all), func(f fault) bool {
		return !strings.Contains(f.name, t.only) || t.short && (f.ends || f.long) || t.log != nil && (f.embedded || f.network && t.log.network == nil || f.clocks && !t.log.clocks)
	})
	if t.short {
		return slices.Clone(pool[2*(t.at-1) : 2*t.at])
	}
	chosen := []fault{pool[(t.at-1)%len(pool)]}
	if more := pool[random.IntN(len(pool))]; random.IntN(3) == 0 && more.name != chosen[0].name && !more.long && !chosen[0].long {
		chosen = append(chosen, more)
	}
	return chosen
}

// failed says what failed and how to see it again.
func (t *torture) failed(ctx context.Context, e *epoch, err error) error {
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		rig.KillAll()
		if e != nil && e.disk != nil {
			err = errors.Join(err, e.disk.close())
		}
		return errors.Join(err, os.RemoveAll(t.state))
	}
	rig.KillAll()
	if e != nil && e.disk != nil {
		kept := os.CopyFS(filepath.Join(t.state, "ledger-kept"), os.DirFS(t.ledger()))
		err = errors.Join(err, kept, e.disk.close())
	}
	flags := fmt.Sprintf(`--replicas %d --only "%s"`, t.replicas, t.only)
	return fmt.Errorf("round %d of seed %d: %w\n\nThe input:     %s\nThe rest:      %s\nTo see it again: make torture SEED=%d ROUND=%d TORTUREFLAGS='%s'", t.at, t.seed, err, t.input(), t.state, t.seed, t.at, flags)
}

func (t *torture) summary(took []time.Duration, e *epoch) {
	slices.Sort(took)
	var all time.Duration
	for _, d := range took {
		all += d
	}
	fmt.Printf("\n%d rounds, seed %d: as it must be after each. A round took %s, half of them up to %s, the longest %s. The full disk was %s.\n",
		len(took), t.seed, (all / time.Duration(len(took))).Round(100*time.Millisecond), took[len(took)/2].Round(100*time.Millisecond), took[len(took)-1].Round(100*time.Millisecond), e.disk)
	fmt.Printf("%6d starts of the operator\n", t.op.starts)
	for _, name := range slices.Sorted(maps.Keys(t.counts)) {
		fmt.Printf("%6d %s\n", t.counts[name], name)
	}
	for _, name := range slices.Sorted(maps.Keys(t.proxy.made)) {
		fmt.Printf("%6d requests to the API server %s\n", t.proxy.made[name], name)
	}
	if t.log != nil {
		fmt.Print("The longest waits:\n", &t.waits)
	}
}

func (e *epoch) happened() (n int) {
	for _, all := range e.verifier.seen {
		n += len(all)
	}
	return n
}

// mayEnd says whether something may make the operator end by itself in this round.
func (t *torture) mayEnd() bool { return t.troubled || t.proxy.late.Load() }

// suffer says how long was waited during the fault before, and that another one begins; empty for none.
func (t *torture) suffer(fault string) {
	if waited := t.waits.begin(fault); t.log != nil && waited != "" {
		t.say("%s", waited)
	}
}

func (t *torture) count(what string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts[what]++
}

func (t *torture) say(format string, args ...any) {
	fmt.Printf("%4d  "+format+"\n", append([]any{t.at}, args...)...)
}

func (t *torture) ledger() string { return filepath.Join(t.state, "ledger") }
func (t *torture) input() string  { return filepath.Join(t.state, "input.jsonl") }
