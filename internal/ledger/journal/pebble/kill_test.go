package pebble

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"numberfleet.dev/numberfleet/api/v1alpha1"
)

const (
	killedDir   = "LEDGER_TEST_DIR"
	killedFirst = "LEDGER_TEST_FIRST"
)

// appendUntilKilled appends batches from four goroutines, prints each that is acknowledged, and takes snapshots all the
// time.
func appendUntilKilled(dir string) {
	first, _ := strconv.Atoi(os.Getenv(killedFirst))
	l, err := openFolder(dir, Options{})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	var out sync.Mutex
	for w := range 4 {
		go func() {
			for i := first + w; ; i += 4 {
				_, err := l.Append(context.Background(), batchOf(i), begin)
				out.Lock()
				if err != nil {
					fmt.Println(err)
				} else {
					fmt.Println(i)
				}
				out.Unlock()
			}
		}()
	}
	for {
		time.Sleep(time.Duration(rand.IntN(20)) * time.Millisecond)
		if err := l.Snapshot(context.Background()); err != nil {
			fmt.Println(err)
		}
	}
}

// Killed at any moment, the ledger has every batch that it acknowledged, none twice, and of the others all or nothing.
func TestKillLosesNothing(t *testing.T) {
	dir := t.TempDir()
	acknowledged := map[int]bool{}
	next := 0
	for round := range 20 {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), killedDir+"="+dir, killedFirst+"="+strconv.Itoa(next))
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for kill := rand.IntN(200); lines.Scan(); kill-- { // after so many batches, and what comes until it dies
			i, err := strconv.Atoi(lines.Text())
			if err != nil {
				t.Errorf("round %d: %s", round, lines.Text())
				kill = 0
			} else {
				acknowledged[i] = true
				next = max(next, i)
			}
			if kill == 0 {
				_ = child.Process.Kill()
			}
		}
		if err := child.Wait(); err == nil {
			t.Fatal("the child ended by itself")
		}
		next += 8 // beyond all that the child can have begun

		l, err := openFolder(dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		for i := range next {
			at := batchTime(i)
			n := l.Count(number, v1alpha1.MeasureMessages, at.Add(-time.Second), at)
			if acknowledged[i] && n != perBatch || n != 0 && n != perBatch {
				t.Fatalf("round %d: %d of batch %d are counted, acknowledged: %t", round, n, i, acknowledged[i])
			}
			if u := l.Count(number, v1alpha1.MeasureUniqueUsers, at.Add(-time.Second), at); u != n {
				t.Fatalf("round %d: %d users, %d messages", round, u, n)
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if len(acknowledged) < 100 {
		t.Fatalf("only %d batches were acknowledged in all rounds", len(acknowledged))
	}
}
