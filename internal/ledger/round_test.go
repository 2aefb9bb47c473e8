package ledger

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// slowLog is a file system whose journal can be made to wait before it syncs, and which counts how often it does.
type slowLog struct {
	vfs.FS
	slow  atomic.Bool
	syncs atomic.Int64
	goOn  chan struct{}
}

func newSlowLog(fs vfs.FS) *slowLog {
	s := &slowLog{goOn: make(chan struct{})}
	s.FS = errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if s.slow.Load() && (op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData) && strings.HasSuffix(op.Path, ".log") {
			s.syncs.Add(1)
			<-s.goOn
		}
		return nil
	}))
	return s
}

func eventually(t *testing.T, is func() bool) {
	t.Helper()
	for range 10_000 {
		if is() {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatal("it is not so after 10 s")
}

// Rows that come while others are on their way to the disk go there together, with one sync; each is acknowledged once it is there,
// and none is lost or written over another.
func TestWhatComesMeanwhileIsWrittenTogether(t *testing.T) {
	const more = 20
	mem := vfs.NewCrashableMem()
	fs := newSlowLog(mem)
	l := openTest(t, fs)
	fs.slow.Store(true)

	var acknowledged atomic.Int64
	var callers sync.WaitGroup
	give := func(i int) {
		callers.Go(func() {
			if _, err := l.Append(context.Background(), batchOf(i), begin); err != nil {
				t.Error(err)
			}
			acknowledged.Add(1)
		})
	}
	waiting := func(n int) bool {
		l.joining.Lock()
		defer l.joining.Unlock()
		return len(l.waiting.records) == n
	}
	give(0)
	eventually(t, func() bool { return fs.syncs.Load() == 1 })
	for i := range more {
		give(i + 1)
	}
	eventually(t, func() bool { return waiting(more) })
	if n := acknowledged.Load(); n != 0 {
		t.Errorf("%d batches were acknowledged before anything was on disk", n)
	}

	fs.goOn <- struct{}{}
	eventually(t, func() bool { return fs.syncs.Load() == 2 && acknowledged.Load() > 0 })
	if n := acknowledged.Load(); n != 1 {
		t.Errorf("%d batches were acknowledged when one was on disk", n)
	}
	close(fs.goOn)
	callers.Wait()
	if n := fs.syncs.Load(); n != 2 {
		t.Errorf("%d batches took %d syncs", 1+more, n)
	}

	lost := openTest(t, mem.CrashClone(vfs.CrashCloneCfg{}))
	if n := counted(lost); n != (1+more)*perBatch {
		t.Errorf("after the machine failed %d messages of %d are there", n, (1+more)*perBatch)
	}
	if err := errors.Join(lost.Close(), l.Close()); err != nil {
		t.Fatal(err)
	}
}
