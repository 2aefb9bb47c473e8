package pebble

import (
	"context"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// Where a record cannot be written, whoever opened the ledger is told that it cannot go on, and nothing more is acknowledged.
func TestAFullDiskIsFatal(t *testing.T) {
	filling := &errorfs.Toggle{Injector: errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileWrite && strings.HasSuffix(op.Path, ".log") {
			return syscall.ENOSPC
		}
		return nil
	})}
	fatal := make(chan error, 1)
	l, err := open(Options{FS: errorfs.Wrap(vfs.NewMem(), filling), Fatal: func(err error) {
		select {
		case fatal <- err:
		default:
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(t.Context(), batchOf(0), begin); err != nil {
		t.Fatal(err)
	}
	filling.On()
	acknowledged := make(chan error, 4)
	for i := range cap(acknowledged) {
		go func() { // the store may hold its locks, and never answer again
			_, err := l.Append(context.Background(), batchOf(i+1), begin)
			acknowledged <- err
		}()
	}
	select {
	case err := <-fatal:
		if !strings.Contains(err.Error(), syscall.ENOSPC.Error()) {
			t.Errorf("it is told of %v", err)
		}
	case <-time.After(time.Minute):
		t.Fatal("nobody is told")
	}
	select {
	case err := <-acknowledged:
		if err == nil {
			t.Error("what is not on disk is acknowledged")
		}
	default:
	}
}
