package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// runner tests the mutants of a package in a copy of the repository.
type runner struct {
	root, tree, dir string
	quick           bool
}

// stage is a test binary with some of its tests.
type stage struct {
	dir     string // of the package
	args    []string
	took    time.Duration // on the clock and on the processor, without a mutant
	cpu     time.Duration
	reached map[int]bool
}

// stages are the tests of the packages: what is quick and decides most comes first. Slow are those that wait for a disk or for
// each other, fill tables, or read the documentation. The seed makes random tests the same for each mutant; what fails need not
// be made smaller.
func stages(packages []string, quick bool) []*stage {
	const slow = "During|Kill|Crash|Expiry|Memory|Forgets|Crowd|Growth|EndOfTable|BusySecond|Bounded|Page"
	common := []string{"-test.failfast", "-rapid.nofailfile", "-rapid.shrinktime=0s"}
	some := []*stage{{dir: packages[0], args: append(slices.Clip(common), "-test.short", "-rapid.seed=1", "-rapid.checks=50", "-test.skip="+slow)}}
	if quick {
		return some
	}
	short := append(slices.Clip(common), "-test.short", "-rapid.seed=2")
	some = append(some, &stage{dir: packages[0], args: append(slices.Clip(short), "-test.run="+slow)})
	for _, other := range packages[1:] {
		some = append(some, &stage{dir: other, args: short})
	}
	return append(some, &stage{dir: packages[0], args: append(slices.Clip(common), "-rapid.seed=3")})
}

//go:embed guards.go.tmpl
var guards string

// mostMemory is what a mutant may take, in KiB of addresses: one that takes more without end counts as killed.
const mostMemory = 6 << 20

// test finds out what becomes of the mutants.
func (r *runner) test(ctx context.Context, mutants []*mutant) error {
	var together, alone []*mutant
	for _, m := range mutants {
		if len(m.guarded) > 0 {
			together = append(together, m)
		} else {
			alone = append(alone, m)
		}
	}
	stages := stages(tests[r.dir], r.quick)
	restore, err := r.guard(together)
	if err != nil {
		return err
	}
	for _, dir := range tests[r.dir] {
		if r.quick && dir != r.dir {
			continue
		}
		if out, err := r.build(ctx, dir, r.binary(dir)); err != nil {
			return fmt.Errorf("build the tests of %s with all mutants: %w\n%s", dir, err, out)
		}
	}
	if err := restore(); err != nil {
		return err
	}
	for _, m := range together {
		if err := r.try(ctx, m, stages, func(s *stage) bool { return s.reached[m.id] }, func(s *stage) string { return r.binary(s.dir) }); err != nil {
			return err
		}
	}
	for _, m := range alone {
		if err := r.tryAlone(ctx, m, stages); err != nil {
			return err
		}
	}
	return nil
}

// try runs the stages until one notices the mutant. A stage without a binary is one that the mutant does not let compile.
func (r *runner) try(ctx context.Context, m *mutant, stages []*stage, reaches func(*stage) bool, binary func(*stage) string) error {
	m.verdict = survived
	at, start := "", time.Now()
	for _, s := range stages {
		if s.reached == nil {
			if err := r.measure(ctx, s); err != nil {
				return err
			}
		}
		if !reaches(s) {
			continue
		}
		with := binary(s)
		if with == "" {
			m.verdict = unbuilt
			break
		}
		v, out, _, err := r.once(ctx, s, with, m.id, "")
		if err != nil {
			return err
		}
		if m.verdict = v; v != survived {
			at = noticed(out)
			break
		}
	}
	fmt.Printf("%-13s %s  %s %s\n", m.verdict, m, at, time.Since(start).Round(10*time.Millisecond))
	return nil
}

// tryAlone builds the tests for one mutant.
func (r *runner) tryAlone(ctx context.Context, m *mutant, stages []*stage) error {
	path := filepath.Join(r.tree, m.path)
	src, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, apply(src, m.edits), 0o644); err != nil {
		return err
	}
	built := map[string]string{}
	err = r.try(ctx, m, stages, func(*stage) bool { return true }, func(s *stage) string {
		binary, done := built[s.dir]
		if !done {
			if _, err := r.build(ctx, s.dir, r.binary(s.dir)+".alone"); err == nil {
				binary = r.binary(s.dir) + ".alone"
			}
			built[s.dir] = binary
		}
		return binary
	})
	return errors.Join(err, os.WriteFile(path, src, 0o644))
}

// guard compiles mutants into the package. The result brings the package back.
func (r *runner) guard(mutants []*mutant) (restore func() error, err error) {
	edits, last := map[string][]edit{}, 0
	seen := map[*edit]bool{}
	for _, m := range mutants {
		last = max(last, m.id)
		if first := &m.guarded[0]; !seen[first] { // mutants of one place share their edits
			seen[first] = true
			edits[m.path] = append(edits[m.path], m.guarded...)
		}
	}
	before := map[string][]byte{}
	for path, some := range edits {
		path = filepath.Join(r.tree, path)
		src, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		before[path] = src
		if err := os.WriteFile(path, apply(src, some), 0o644); err != nil {
			return nil, err
		}
	}
	file := filepath.Join(r.tree, r.dir, "zz_mutants.go")
	content := strings.NewReplacer("PACKAGE", filepath.Base(r.dir), "MUTANTS", strconv.Itoa(last)).Replace(guards)
	if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
		return nil, err
	}
	return func() error {
		for path, src := range before {
			if err := os.WriteFile(path, src, 0o644); err != nil {
				return err
			}
		}
		return os.Remove(file)
	}, nil
}

func (r *runner) binary(dir string) string {
	return filepath.Join(r.root, strings.ReplaceAll(dir, "/", "-")+".test")
}

func (r *runner) build(ctx context.Context, dir, binary string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", "test", "-c", "-ldflags=-s -w", "-o", binary, "./"+dir)
	cmd.Dir = r.tree
	return cmd.CombinedOutput()
}

// measure runs a stage without a mutant.
func (r *runner) measure(ctx context.Context, s *stage) error {
	s.took, s.cpu = time.Minute, 2*time.Minute
	start := time.Now()
	file := filepath.Join(r.root, "reached")
	v, out, cpu, err := r.once(ctx, s, r.binary(s.dir), -1, file)
	if err != nil {
		return err
	}
	if v != survived {
		return fmt.Errorf("%w: %s: %s", errNoTests, s.dir, out)
	}
	s.took, s.cpu = time.Since(start), cpu
	content, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	s.reached = map[int]bool{}
	for line := range strings.Lines(string(content)) {
		if id, err := strconv.Atoi(strings.TrimSpace(line)); err == nil && id > 0 {
			s.reached[id] = true
		}
	}
	fmt.Printf("# %s %s: %s without a mutant\n", s.dir, strings.Join(s.args, " "), s.took.Round(10*time.Millisecond))
	if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// once runs a stage with a mutant, and says what it took of the processor. Nothing that it leaves behind stays. The limit is one
// of processor time, so that a busy machine decides nothing; one on the clock, for those that wait without end, is far off.
func (r *runner) once(ctx context.Context, s *stage, binary string, id int, reached string) (v verdict, out []byte, cpu time.Duration, err error) {
	scratch, err := os.MkdirTemp(r.root, "scratch-")
	if err != nil {
		return untested, nil, 0, err
	}
	defer func() { _ = os.RemoveAll(scratch) }()
	limit := 10*s.took + 20*time.Second
	inTime, cancel := context.WithTimeout(ctx, limit+10*time.Second)
	defer cancel()
	seconds := int(4*s.cpu.Seconds()) + 3
	script := fmt.Sprintf(`ulimit -v %d -t %d; exec "$0" "$@"`, mostMemory, seconds)
	args := append([]string{"-c", script, binary, "-test.timeout=" + limit.String()}, s.args...)
	cmd := exec.CommandContext(inTime, "bash", args...)
	cmd.Dir = filepath.Join(r.tree, s.dir)
	cmd.Env = append(os.Environ(), "TMPDIR="+scratch, "MUTANT="+strconv.Itoa(id), "MUTANT_REACHED="+reached)
	cmd.WaitDelay = 5 * time.Second
	out, err = cmd.CombinedOutput()
	if cmd.ProcessState != nil {
		cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return untested, nil, cpu, ctx.Err()
	case err == nil:
		return survived, out, cpu, nil
	case inTime.Err() != nil || cpu.Seconds() >= float64(seconds) || strings.Contains(string(out), "panic: test timed out"):
		return endless, out, cpu, nil
	case errors.As(err, &exit):
		return failed, out, cpu, nil
	default:
		return untested, nil, cpu, err
	}
}

var failLine = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`)

// noticed is the test that failed.
func noticed(out []byte) string {
	if m := failLine.FindSubmatch(out); m != nil {
		return string(m[1])
	}
	return "crash"
}
