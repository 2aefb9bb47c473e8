// Command mutation changes the code of a package in one place after another and says which changes no test notices.
//
// Where there is something to change, gremlins says. It is asked for that alone: it would leave out what stands after case,
// which Go's coverage does not tell of and most rules are made of, would take what does not compile for noticed, and would
// build the tests anew for each mutant. Here most mutants of a package are compiled into one test binary, and the variable MUTANT
// says which of them is on. Beside those of gremlins there is one without each statement that can be left out, and there are
// changes written by hand.
//
// A mutant that lives must be accounted for, in the tables of a document; the command fails if one is not, and if one that is
// does not live.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// tests are the packages whose tests are to notice a mutant, quickest first.
var tests = map[string][]string{
	"internal/rules":  {"internal/rules", "internal/simulate"},
	"internal/ledger": {"internal/ledger", "internal/rules", "internal/simulate"},
}

func main() {
	gremlins := flag.String("gremlins", "", "the gremlins binary")
	accounts := flag.String("accounts", "docs/mutation.md", "the document that accounts for mutants that live")
	byHand := flag.String("by-hand", "hack/tools/mutation/mutants.txt", "the changes written by hand")
	match := flag.String("match", "", "only mutants whose line in the output this regular expression matches")
	again := flag.String("again", "", "only the mutants that lived in this earlier output")
	quick := flag.Bool("quick", false, "only with the short tests of the package itself: what lives may be noticed by others")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	c := choice{accounts: *accounts, byHand: *byHand, match: *match, again: *again, quick: *quick, packages: flag.Args()}
	if err := run(ctx, *gremlins, c); err != nil {
		fmt.Fprintln(os.Stderr, "mutation:", err)
		os.Exit(1)
	}
}

// choice says which mutants are tested, and how.
type choice struct {
	accounts, byHand string
	match, again     string
	quick            bool
	packages         []string
}

// whole says whether all mutants are tested, with all tests.
func (c choice) whole() bool { return c.match == "" && c.again == "" && !c.quick }

func run(ctx context.Context, gremlins string, c choice) error {
	if len(c.packages) == 0 {
		c.packages = []string{"internal/rules", "internal/ledger"}
	}
	only, err := regexp.Compile(c.match)
	if err != nil {
		return err
	}
	lived, err := livedIn(c.again)
	if err != nil {
		return err
	}
	gremlins, err = filepath.Abs(gremlins)
	if err != nil {
		return err
	}
	accounted, err := readAccounts(c.accounts)
	if err != nil {
		return err
	}
	changes, err := readChanges(c.byHand)
	if err != nil {
		return err
	}
	root, err := os.MkdirTemp("", "mutation-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(root) }()
	tree := filepath.Join(root, "tree")
	if err := copyTree(ctx, tree); err != nil {
		return err
	}
	open := 0
	for _, dir := range c.packages {
		dir = strings.TrimPrefix(filepath.Clean(dir), "./")
		if tests[dir] == nil {
			return fmt.Errorf("%s is not a package that mutants are made of", dir)
		}
		start := time.Now()
		mutants, err := find(ctx, gremlins, tree, dir)
		if err != nil {
			return err
		}
		hand, err := changesIn(changes, tree, dir)
		if err != nil {
			return err
		}
		mutants = append(mutants, hand...)
		var chosen []*mutant
		for _, m := range mutants {
			if only.MatchString(m.String()) && (lived == nil || lived[m.key()]) {
				chosen = append(chosen, m)
			}
		}
		r := &runner{root: root, tree: tree, dir: dir, quick: c.quick}
		if err := r.test(ctx, chosen); err != nil {
			return err
		}
		open += report(dir, chosen, accounted, c.whole(), time.Since(start))
	}
	if open > 0 {
		return fmt.Errorf("%d mutants are not accounted for as they are in %s", open, c.accounts)
	}
	return nil
}

var livedLine = regexp.MustCompile(`^LIVED +(\S+):\d+: (.*?) +\S+$`)

// livedIn are the keys of the mutants that lived in an earlier output; nil if there is none.
func livedIn(output string) (map[string]bool, error) {
	if output == "" {
		return nil, nil
	}
	content, err := os.ReadFile(output)
	if err != nil {
		return nil, err
	}
	lived := map[string]bool{}
	for line := range strings.Lines(string(content)) {
		if m := livedLine.FindStringSubmatch(strings.TrimSpace(line)); m != nil {
			lived[m[1]+":"+m[2]] = true
		}
	}
	return lived, nil
}

// copyTree copies what Git knows of the repository, as it is in the work tree, so that nobody's files are changed.
func copyTree(ctx context.Context, to string) error {
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	script := `git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t "$0"`
	out, err := exec.CommandContext(ctx, "bash", "-o", "pipefail", "-c", script, to).CombinedOutput()
	if err != nil {
		return fmt.Errorf("copy the repository: %w: %s", err, out)
	}
	return nil
}

// report prints what became of the mutants, and returns how many are not accounted for.
func report(dir string, mutants []*mutant, accounted map[string]string, all bool, took time.Duration) (open int) {
	count := map[verdict]int{}
	lived := map[string]bool{}
	for _, m := range mutants {
		count[m.verdict]++
		if m.verdict != survived {
			continue
		}
		lived[m.key()] = true
		if accounted[m.key()] == "" {
			open++
			fmt.Printf("not accounted for: %s\n", m.account())
		}
	}
	for key := range accounted {
		if all && strings.HasPrefix(key, dir+"/") && !lived[key] {
			open++
			fmt.Printf("accounted for, and does not live: %s\n", key)
		}
	}
	tested := count[failed] + count[endless] + count[survived]
	fmt.Printf("%s: %d mutants, %d killed (%d of them by the time limit), %d survived; %d more do not compile; %s\n",
		dir, tested, count[failed]+count[endless], count[endless], count[survived], count[unbuilt], took.Round(time.Second))
	return open
}

var errNoTests = errors.New("the tests fail without a mutant")
