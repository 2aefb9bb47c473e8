// Package fleet measures the operator with many PhoneNumbers on a real API server.
package fleet

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
	"unsafe" // for the size of a resource

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"

	"numberfleet.dev/numberfleet/hack/bench/measure"
	"numberfleet.dev/numberfleet/hack/bench/report"
)

// plan is what is measured, and for how long.
type plan struct {
	sizes     []int         // fleets
	users     int           // of each number, where the growth with users is measured
	raw       int           // writes of each form in each round
	rest      time.Duration // how long the operator is watched while nothing happens: Go collects an idle process' garbage every two minutes
	traffic   time.Duration // how long deliveries and deadlines come
	perSecond int           // deliveries
	deadlines int           // at most; a quarter of the fleet at most
	lead      time.Duration // from the last preparation to the first deadline, beside the time to write what is prepared
}

var (
	full  = plan{sizes: []int{1000, 10_000, 50_000}, users: 1000, raw: 400, rest: 150 * time.Second, traffic: time.Minute, perSecond: 500, deadlines: 1000, lead: 10 * time.Second}
	brief = plan{sizes: []int{40}, users: 10, raw: 5, rest: time.Second, traffic: 3 * time.Second, perSecond: 20, deadlines: 10, lead: 5 * time.Second}
)

// outcome is what was measured of one fleet.
type outcome struct {
	size     int
	raw      map[form]measure.Samples // writes a second
	rawCPU   map[form]measure.Samples // of the API server, milliseconds a write
	first    time.Duration            // until every number had its status
	firstCPU usage
	again    time.Duration // until every number was looked at, none having changed
	ready    time.Duration // of that, until webhooks were taken
	empty    float64       // bytes of an operator with one number
	memory   float64       // bytes a number, at rest
	busyMem  float64       // under traffic
	rest     writes
	busy     writes
	counts   float64 // statuses a second that are written for their counts alone, under traffic
	lateness histogram
	deadline int // deadlines that were set
	users    *grown
}

// grown is how a fleet with users starts.
type grown struct {
	users        int
	ready, again time.Duration
	memory       float64 // bytes a number
}

// usage is the CPU time that a start took.
type usage struct{ operator, server time.Duration }

// Run measures fleets of several sizes, each on a control plane of its own.
func Run(ctx context.Context, b *measure.Bench) (report.Section, error) {
	plan := full
	if b.Short {
		plan = brief
	}
	manager, err := buildOperator(ctx, b)
	if err != nil {
		return report.Section{}, err
	}
	var all []outcome
	for _, size := range plan.sizes {
		o, err := measureFleet(ctx, b, &plan, manager, size, all)
		if err != nil {
			return report.Section{}, fmt.Errorf("%d numbers: %w", size, err)
		}
		all = append(all, *o)
		b.Say("fleet: %d numbers: first start in %s, %.0f of %.0f writes/s; %s a number; %.0f writes an hour at rest; deadlines late by %s at most, but for one in a hundred",
			size, seconds(o.first), float64(size)/o.first.Seconds(), o.best(forms...), kib(o.memory), o.rest.perHour(), seconds(o.lateness.quantile(0.99)))
	}
	return section(&plan, all), nil
}

// buildOperator builds the operator, and returns its path.
func buildOperator(ctx context.Context, b *measure.Bench) (string, error) {
	manager := filepath.Join(b.Folder, "manager")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", manager, "./cmd/manager")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the operator: %w: %s", err, out)
	}
	return manager, nil
}

// newFleet starts a control plane for a fleet, which is to be created.
func newFleet(ctx context.Context, b *measure.Bench, plan *plan, manager string, size int) (*fleet, error) {
	folder := filepath.Join(b.Folder, strconv.Itoa(size))
	c, err := startCluster(ctx, folder)
	if err != nil {
		return nil, err
	}
	return &fleet{cluster: c, plan: plan, manager: manager, folder: folder, random: b.Random(uint64(size)),
		out: &outcome{size: size, raw: map[form]measure.Samples{}, rawCPU: map[form]measure.Samples{}, deadline: min(plan.deadlines, size/4)}}, nil
}

// end ends the control plane.
func (f *fleet) end() error {
	f.plane.Kill()
	return os.RemoveAll(f.folder)
}

// measureFleet measures one fleet. What an operator takes by itself, and how it grows with users, is measured with the first only:
// it is the same for each.
func measureFleet(ctx context.Context, b *measure.Bench, plan *plan, manager string, size int, before []outcome) (o *outcome, err error) {
	f, err := newFleet(ctx, b, plan, manager, size)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.end()) }()
	if len(before) > 0 {
		f.out.empty = before[0].empty
	}
	b.Say("fleet: creating %d numbers", size)
	if err := f.create(ctx); err != nil {
		return nil, err
	}
	for round := range b.Rounds {
		b.Say("fleet: raw writes beside %d numbers, round %d", size, round+1)
		if err := f.writeRaw(ctx); err != nil {
			return nil, err
		}
		if round == (b.Rounds-1)/2 { // in the middle
			b.Say("fleet: first start with %d numbers", size)
			if err := f.firstStart(ctx); err != nil {
				return nil, err
			}
		}
	}
	b.Say("fleet: %d numbers at rest for %s, then under traffic for %s", size, plan.rest, plan.traffic)
	if err := f.live(ctx); err != nil {
		return nil, err
	}
	if len(before) == 0 {
		b.Say("fleet: %d numbers with %d users each", size, plan.users)
		if err := f.grow(ctx); err != nil {
			return nil, err
		}
	}
	return f.out, nil
}

const intro = `etcd, kube-apiserver, the operator and the measuring client share one machine. etcd does not sync to disk, so a real cluster writes
more slowly. The numbers have the policy ` + "`quality-based`" + `; some have a policy with a limit of 10, for the deadlines.

- *First start*: from the start of the process until the API server has taken the status of every number. None had a status before.
- *Raw*: a bare client writes statuses of the same size, %d of each form and round, beside the same fleet.
- *Restart*: from the start of the process until every number was reconciled, with nothing to write.`

func section(plan *plan, all []outcome) report.Section {
	s := report.Section{
		Title: "Fleets",
		Intro: fmt.Sprintf(intro, plan.raw),
		Notes: []string{"The lease of the leader election is renewed every two seconds and is not counted as a write of the fleet."},
	}
	start := report.Table{Title: "Starting", Columns: []string{"numbers", "first start", "writes/s", "best raw writes/s", "share", "CPU a write: operator", "API server", "restart: webhooks taken", "all looked at"}}
	raw := report.Table{Title: "Raw writes of a status, per second, and the CPU time that the API server takes for one", Columns: []string{"numbers"}}
	for _, form := range forms {
		raw.Columns = append(raw.Columns, form.String())
	}
	life := report.Table{Title: "Living", Columns: []string{"numbers", "memory a number at rest", "under traffic", "writes an hour at rest",
		fmt.Sprintf("writes/s with %d deliveries/s", plan.perSecond), "of these for counts alone", "deadlines", "met within 0.5 s", "within 1 s", "p99 at most"}}
	lowest, memory, resting, late, counts := math.Inf(1), 0.0, 0.0, 0.0, 0.0
	ofApply := math.Inf(1)
	for _, o := range all {
		best, rate := o.best(forms...), float64(o.size)/o.first.Seconds()
		share := rate / best
		lowest, ofApply = min(lowest, share), min(ofApply, rate/o.best(applies...))
		each := func(d time.Duration) string { return fmt.Sprintf("%.2f ms", d.Seconds()*1000/float64(o.size)) }
		start.Add(report.Whole(float64(o.size)), seconds(o.first), report.Whole(rate), report.Whole(best), report.Percent(share),
			each(o.firstCPU.operator), each(o.firstCPU.server), seconds(o.ready), seconds(o.again))
		cells := []string{report.Whole(float64(o.size))}
		for _, form := range forms {
			cells = append(cells, fmt.Sprintf("%s, %.1f ms", report.Cell(o.raw[form], report.Whole), o.rawCPU[form].Median()))
		}
		raw.Add(cells...)
		life.Add(report.Whole(float64(o.size)), kib(o.memory), kib(o.busyMem), report.Whole(o.rest.perHour()), fmt.Sprintf("%.1f", o.busy.perHour()/3600), fmt.Sprintf("%.1f", o.counts),
			report.Whole(float64(o.lateness.count)), report.Percent(o.lateness.within(0.5)), report.Percent(o.lateness.within(1)), seconds(o.lateness.quantile(0.99)))
		if o.size >= 10_000 || len(all) == 1 {
			memory = max(memory, o.memory, o.busyMem) // a small fleet's is the process' own
		}
		resting, late, counts = max(resting, o.rest.perHour()), max(late, o.lateness.quantile(0.99).Seconds()), max(counts, o.counts)
	}
	s.Tables = []report.Table{start, raw, life}
	for _, o := range all {
		if g := o.users; g != nil {
			t := report.Table{Title: "Growth with users", Columns: []string{"numbers", "users of each", "memory a number", "restart: webhooks taken", "all looked at"}}
			t.Add(report.Whole(float64(o.size)), "0", kib(o.memory), seconds(o.ready), seconds(o.again))
			t.Add(report.Whole(float64(o.size)), report.Whole(float64(g.users)), kib(g.memory), seconds(g.ready), seconds(g.again))
			s.Tables = append(s.Tables, t)
		}
	}
	s.Goals = []report.Goal{
		{What: "first start, share of the best raw rate, at worst", Wanted: "at least 80 %", Measured: report.Percent(lowest), Met: lowest >= 0.8,
			Limit: fmt.Sprintf("the operator applies, so that what others write into a status stays theirs, and a bare client that applies reaches %s of the best; "+
				"the operator is at %s of it at worst", report.Percent(shareOfApply(all)), report.Percent(ofApply))},
		{What: "writes at rest", Wanted: "0", Measured: report.Whole(resting) + " an hour", Met: resting == 0},
		{What: "writes for counts alone under traffic, at worst", Wanted: "at most 5/s", Measured: fmt.Sprintf("%.1f/s", counts), Met: counts <= 5},
		{What: "memory of the operator, at 10,000 numbers and more", Wanted: "at most 10 KiB a number", Measured: kib(memory), Met: memory <= 10<<10,
			Limit: fmt.Sprintf("the cache has each number decoded, %s for its fixed fields alone, and Go lets half as much garbage come up as is kept", kib(float64(unsafe.Sizeof(v1alpha1.PhoneNumber{}))))},
		{What: "lateness of deadlines, p99, at worst", Wanted: "at most 1 s", Measured: "at most " + seconds(time.Duration(late*float64(time.Second))), Met: late <= 1},
	}
	return s
}

// best is the highest median of the raw rates of some forms.
func (o *outcome) best(of ...form) (best float64) {
	for _, form := range of {
		best = max(best, o.raw[form].Median())
	}
	return best
}

// shareOfApply is how near a bare client that applies comes to the best raw rate, at best.
func shareOfApply(all []outcome) (share float64) {
	for i := range all {
		share = max(share, all[i].best(applies...)/all[i].best(forms...))
	}
	return share
}

func seconds(d time.Duration) string {
	if d >= 10*time.Second {
		return fmt.Sprintf("%.0f s", d.Seconds())
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}

func kib(bytes float64) string { return fmt.Sprintf("%.1f KiB", bytes/1024) }
