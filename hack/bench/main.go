// Command bench measures the operator beside its alternatives, on the machine it runs on, and writes docs/performance.md. A ratio
// compares runs of one invocation only, which take turns: the floor, the operator, the alternative, the floor again.
//
// A section is a package with one function, named in sections below. The package ingest shows how to measure a server in a process of
// its own.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"numberfleet.dev/numberfleet/hack/bench/fleet"
	"numberfleet.dev/numberfleet/hack/bench/gate"
	"numberfleet.dev/numberfleet/hack/bench/ingest"
	"numberfleet.dev/numberfleet/hack/bench/ledger"
	"numberfleet.dev/numberfleet/hack/bench/measure"
	"numberfleet.dev/numberfleet/hack/bench/replicas"
	"numberfleet.dev/numberfleet/hack/bench/report"
	"numberfleet.dev/numberfleet/hack/bench/rules"
)

// sections are what can be measured, in the order of the report.
var sections = []struct {
	name string
	run  func(context.Context, *measure.Bench) (report.Section, error)
}{
	{"ingest", ingest.Run},
	{"ledger", ledger.Run},
	{"gate", gate.Run},
	{"replicas", replicas.Run},
	{"rules", rules.Run},
	{"fleet", fleet.Run},
	{"scrapes", fleet.Scrapes},
}

// roles are what this program does when a section starts it as another process: serve, or measure one thing in fresh memory.
var roles = map[string]func(ctx context.Context, args []string) error{
	ingest.Role:    ingest.Serve,
	gate.Role:      gate.Serve,
	gate.GuardRole: gate.Guard,
	gate.MetaRole:  gate.Meta,
	ledger.Role:    ledger.Measure,
}

type options struct {
	sections string
	short    bool
	rounds   int
	seed     uint64
	out      string
	profiles string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	var err error
	if len(os.Args) > 1 && roles[os.Args[1]] != nil {
		err = roles[os.Args[1]](ctx, os.Args[2:])
	} else {
		err = run(ctx)
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	var o options
	names := make([]string, len(sections))
	for i, s := range sections {
		names[i] = s.name
	}
	flag.StringVar(&o.sections, "sections", strings.Join(names, ","), "What to measure, with commas between.")
	flag.BoolVar(&o.short, "short", false, "Run every section once, small and with the seed, and write nothing: is anything wrong? How fast it is does not matter.")
	flag.IntVar(&o.rounds, "rounds", 3, "How often each thing is measured; the report shows the median, the lowest and the highest.")
	flag.Uint64Var(&o.seed, "seed", 1, "Which users and messages are made up.")
	flag.StringVar(&o.out, "out", "docs/performance.md", "File for the report; - for standard output.")
	flag.StringVar(&o.profiles, "profiles", "", "Folder for CPU profiles of what is measured, for go tool pprof; profiling slows it down a little.")
	flag.Parse()

	asked := strings.Split(o.sections, ",")
	for _, name := range asked {
		if !slices.Contains(names, name) {
			return fmt.Errorf("--sections: %q is none of %s", name, strings.Join(names, ", "))
		}
	}
	if o.rounds < 1 {
		return fmt.Errorf("--rounds: %d is not at least 1", o.rounds)
	}
	if o.short {
		o.rounds = 1
	}
	folder, err := os.MkdirTemp("", "numberfleet-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(folder) }()

	b := &measure.Bench{Short: o.short, Rounds: o.rounds, Seed: o.seed, Folder: folder, Profiles: o.profiles, Progress: os.Stderr}
	doc := report.Document{Rounds: o.rounds, Seed: o.seed}
	if doc.Machine, err = measure.ThisMachine(ctx, folder); err != nil {
		return err
	}
	for _, s := range sections {
		if !slices.Contains(asked, s.name) {
			continue
		}
		b.Folder = filepath.Join(folder, s.name)
		if err := os.Mkdir(b.Folder, 0o755); err != nil {
			return err
		}
		b.Say("%s", s.name)
		load := measure.StartLoad()
		start := time.Now()
		section, err := s.run(ctx, b)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		section.Took, section.Load = time.Since(start), load.Stop()
		doc.Sections = append(doc.Sections, section)
		if err := os.RemoveAll(b.Folder); err != nil {
			return err
		}
		// A later failure does not lose what was measured.
		if o.out != "-" {
			if err := write(doc, o); err != nil {
				return err
			}
		}
	}
	if o.out == "-" {
		return write(doc, o)
	}
	return nil
}

// write writes the report. Numbers of a short run are worth nothing, so it writes none.
func write(doc report.Document, o options) error {
	if o.short {
		return doc.Write(io.Discard)
	}
	if o.out == "-" {
		return doc.Write(os.Stdout)
	}
	var text strings.Builder
	if err := doc.Write(&text); err != nil {
		return err
	}
	return os.WriteFile(o.out, []byte(text.String()), 0o644)
}
