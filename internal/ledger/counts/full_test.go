package counts

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/go-logr/logr/funcr"
)

const fullDisk = "LEDGER_TEST_FULL_DISK"

// appendOnAFullDisk appends batches from some goroutines, which recover from panics as HTTP handlers do, until the disk is full
// for a moment. It never returns if the ledger does not answer.
func appendOnAFullDisk() {
	full := errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileWrite && strings.HasSuffix(op.Path, ".log") {
			return syscall.ENOSPC
		}
		return nil
	})
	filling := &errorfs.Toggle{Injector: full}
	log := funcr.New(func(_, args string) { fmt.Println(args) }, funcr.Options{})
	l, err := Open("ledger", Options{fs: errorfs.Wrap(vfs.NewMem(), filling), Log: log})
	if err != nil {
		fmt.Println(err)
		os.Exit(3)
	}
	var handlers sync.WaitGroup
	for w := range 4 {
		handlers.Go(func() {
			for i := w; i < 400; i += 4 {
				if i == 200 {
					filling.On()
				}
				func() {
					defer func() { _ = recover() }()
					_, _ = l.Append(context.Background(), batchOf(i), begin)
				}()
			}
		})
	}
	handlers.Wait()
}

// endsAs runs this program as one of its parts, and says whether it ended by itself as the ledger ends it, and what it said.
func endsAs(t *testing.T, part string) (ended bool, said string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	child := exec.CommandContext(ctx, os.Args[0])
	child.Env = append(os.Environ(), part+"=1")
	out, err := child.CombinedOutput()
	exit, exited := errors.AsType[*exec.ExitError](err)
	return exited && exit.ExitCode() == 1, string(out), err
}

// Where a row of the journal cannot be written the process ends, whoever recovers from panics: the store may hold its locks, and
// would never answer again.
func TestAFullDiskEndsTheProcess(t *testing.T) {
	ended, out, err := endsAs(t, fullDisk)
	if !ended || !strings.Contains(out, "The ledger's store cannot go on") {
		t.Errorf("it ended with %v and said %s", err, out)
	}
}

const lostPoints = "LEDGER_TEST_LOST_POINTS"

// appendToLostPoints appends to a number whose timelines are not what follows from its users, and recovers as an HTTP handler does.
func appendToLostPoints() {
	log := funcr.New(func(_, args string) { fmt.Println(args) }, funcr.Options{})
	l, err := Open("ledger", Options{fs: vfs.NewMem(), Log: log})
	if err != nil {
		fmt.Println(err)
		os.Exit(3)
	}
	for hour := range 3 { // each before the one before, so that points are replaced
		func() {
			defer func() { _ = recover() }()
			e := Entry{Number: number, Kind: Delivered, User: 1, Message: MessageKey(hour + 1), At: begin.Add(-time.Duration(hour) * time.Hour).Unix()}
			_, _ = l.Append(context.Background(), Batch{Entries: []Entry{e}}, begin)
		}()
		l.scope(number).lines = timelines{}
	}
}

// A mistake that shows under a number's lock ends the process, whoever recovers from panics: the number would never answer again.
func TestAPanicUnderALockEndsTheProcess(t *testing.T) {
	ended, out, err := endsAs(t, lostPoints)
	if !ended || !strings.Contains(out, "a timeline has lost a point") {
		t.Errorf("it ended with %v and said %s", err, out)
	}
}

const fatalStore = "LEDGER_TEST_FATAL_STORE"

// A problem of the store that it cannot go on with ends the process, in whichever of its goroutines it comes up.
func TestAFatalProblemOfTheStoreEndsTheProcess(t *testing.T) {
	ended, out, err := endsAs(t, fatalStore)
	if want := `"msg"="The ledger's store cannot go on" "error"="2 tables"` + "\n"; !ended || out != want {
		t.Errorf("it ended with %v and said %s", err, out)
	}
}
