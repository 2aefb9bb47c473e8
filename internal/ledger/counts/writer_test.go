package counts

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

	"numberfleet.dev/numberfleet/internal/report"
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
		l.rows.mu.Lock()
		defer l.rows.mu.Unlock()
		return len(l.rows.waiting.rows) == n
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

// Windows and reports are counted in the order in which they are in the journal: each of them waits for the one before it.
func TestWindowsAndReportsComeOneAfterAnother(t *testing.T) {
	for name, give := range map[string]func(*Embedded) error{
		"windows": func(l *Embedded) error { return l.Configure(number, Windows{Service: time.Hour}) },
		"a report": func(l *Embedded) error {
			_, err := l.Append(context.Background(), Batch{Reports: []report.Report{{Subject: report.ParseSubject(number), Kind: report.Limit, At: begin.Unix()}}}, begin)
			return err
		},
	} {
		fs := newSlowLog(vfs.NewMem())
		l := openTest(t, fs)
		fs.slow.Store(true)
		var caller sync.WaitGroup
		caller.Go(func() {
			if err := give(l); err != nil {
				t.Error(err)
			}
		})
		eventually(t, func() bool { return fs.syncs.Load() == 1 })
		if l.ordered.TryLock() {
			t.Errorf("another comes while %s is on the way to the disk", name)
			l.ordered.Unlock()
		}
		close(fs.goOn)
		caller.Wait()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
