package pebble

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/go-logr/logr/funcr"

	"numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/ledger/codec"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
)

const marked = 300 // batches in a ledger that is to be damaged

// processOnly is a crash of the process and not of the machine: what was written is there.
func processOnly() vfs.CrashCloneCfg {
	return vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 1))}
}

// written is the directory of a ledger that was killed after some batches were acknowledged, with a snapshot among them.
func written(t *testing.T) *vfs.MemFS {
	t.Helper()
	fs := vfs.NewCrashableMem()
	l, err := open(Options{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	for i := range marked {
		if _, err := l.Append(context.Background(), batchOf(i), begin); err != nil {
			t.Fatal(err)
		}
		if i == marked/3 {
			if err := l.Snapshot(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
	}
	killed := fs.CrashClone(processOnly())
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return killed
}

// logOf is the file that the journal goes on in, and its content.
func logOf(t *testing.T, fs vfs.FS) (string, []byte) {
	t.Helper()
	names, err := fs.List("ledger")
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	for _, name := range slices.Backward(names) {
		if strings.HasSuffix(name, ".log") {
			return fs.PathJoin("ledger", name), contentOf(t, fs, fs.PathJoin("ledger", name))
		}
	}
	t.Fatal("there is no journal")
	return "", nil
}

func contentOf(t *testing.T, fs vfs.FS, name string) []byte {
	t.Helper()
	file, err := fs.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	return content
}

func replace(t *testing.T, fs vfs.FS, name string, content []byte) {
	t.Helper()
	file, err := fs.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.Write(slices.Clone(content)); err != nil { // under the race detector the store spoils what it is given
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
}

// counted is how many messages a ledger has of those that were acknowledged.
func counted(l *ledger.Ledger) int64 {
	return l.Count(number, v1alpha1.MeasureMessages, begin.Add(-counts.Kept-1), begin)
}

// Wherever the journal is damaged, the ledger does not open, or has lost nothing: it never counts less without a word.
func TestDamageIsNeverServed(t *testing.T) {
	fs := written(t)
	_, whole := logOf(t, fs)
	found := 0
	for at := 0; at < len(whole); at += len(whole)/50 + 1 {
		for _, damage := range []func([]byte) []byte{
			func(log []byte) []byte { log[at] ^= 0x55; return log },
			func(log []byte) []byte { return log[:at] },
			func(log []byte) []byte { clear(log[at:min(len(log), at+4096)]); return log },
		} {
			fs := fs.CrashClone(processOnly())
			name, log := logOf(t, fs)
			replace(t, fs, name, damage(log))
			l, err := open(Options{FS: fs})
			if err != nil {
				found++
				continue
			}
			if n := counted(l); n != marked*perBatch {
				t.Errorf("damaged at %d of %d, it opens and has %d messages of %d", at, len(whole), n, marked*perBatch)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if found < 100 {
		t.Errorf("only %d of 150 damages were found", found)
	}
}

// Rows that are missing stay missed until someone accepts it by removing the watermark.
func TestDamageIsReportedUntilItIsAccepted(t *testing.T) {
	fs := written(t)
	name, log := logOf(t, fs)
	replace(t, fs, name, log[:len(log)*9/10])
	for range 2 {
		if _, err := open(Options{FS: fs}); err == nil || !strings.Contains(err.Error(), "were acknowledged and are not there") || !strings.Contains(err.Error(), "remove the file acknowledged") {
			t.Fatalf("it opens with %v", err)
		}
	}
	if err := fs.Remove("ledger/acknowledged"); err != nil {
		t.Fatal(err)
	}
	l := openTest(t, fs)
	if n := counted(l); n == 0 || n >= marked*perBatch {
		t.Errorf("it has %d messages of %d", n, marked*perBatch)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = openTest(t, fs)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// A write that never ended, and nobody was told of, is no damage.
func TestATornWriteIsNoDamage(t *testing.T) {
	fs := written(t)
	_, whole := logOf(t, fs)
	for _, torn := range [][]byte{make([]byte, 3000), whole[:5], whole[:15], whole[:40]} {
		fs := fs.CrashClone(processOnly())
		name, log := logOf(t, fs)
		replace(t, fs, name, append(log, torn...))
		l := openTest(t, fs)
		if n := counted(l); n != marked*perBatch {
			t.Errorf("with %d bytes more it has %d messages of %d", len(torn), n, marked*perBatch)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A power failure may take the watermark, or leave an old one: the rows are there all the same. One that says nothing that can be read is
// logged, and written anew.
func TestTheWatermarkIsNoRisk(t *testing.T) {
	fs := written(t)
	mark := contentOf(t, fs, "ledger/acknowledged")
	const unreadable = `"msg"="Rows that the journal lost before this start would not be missed" "error"="the file acknowledged cannot be read: `
	for name, left := range map[string]struct {
		content []byte
		logged  string
	}{
		"nothing":             {nil, ""},
		"all":                 {mark, ""},
		"the beginning":       {mark[:7], unreadable + `its checksum is wrong"`},
		"no more than a byte": {mark[:1], unreadable + `it ends too early"`},
		"zeros":               {make([]byte, len(mark)), unreadable + `its checksum is wrong"`},
		"more than all":       {append(slices.Clip(mark), 1), ""},
		"far too much":        {make([]byte, 100), unreadable + `its checksum is wrong"`},
		"less":                {codec.Seal(slices.Clone(mark[:9])), unreadable + `it ends too early"`},
	} {
		t.Run(name, func(t *testing.T) {
			fs := fs.CrashClone(processOnly())
			replace(t, fs, "ledger/acknowledged", left.content)
			var logged string
			log := funcr.New(func(_, args string) { logged += args }, funcr.Options{})
			for _, want := range []string{left.logged, ""} {
				logged = ""
				l, err := open(Options{FS: fs, Log: log})
				if err != nil {
					t.Fatal(err)
				}
				if n := counted(l); n != marked*perBatch || logged != want {
					t.Errorf("it has %d messages of %d and logs %q, not %q", n, marked*perBatch, logged, want)
				}
				if err := l.Close(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// The watermark knows of rows from its first to its end, of which those before the position of the journal need not be there any more. How
// many are missing is said.
func TestWhatTheWatermarkMisses(t *testing.T) {
	m := watermark{first: 10, end: 30}
	for place, want := range map[uint64]bool{9: false, 10: true, 29: true, 30: false} {
		if m.covers(place) != want {
			t.Errorf("it knows of row %d: %t", place, !want)
		}
	}
	for _, test := range []struct {
		position, found uint64
		want            string // the beginning of the error
	}{
		{0, 20, ""}, {10, 20, ""}, {15, 15, ""}, {29, 1, ""}, {30, 0, ""}, {31, 0, ""},
		{0, 18, "2 of the last 20 rows "}, {15, 12, "3 of the last 15 rows "}, {29, 0, "1 of the last 1 rows "},
	} {
		err := m.check(test.position, test.found)
		if (err == nil) != (test.want == "") || err != nil && !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("of %d rows from %d on the error is %v", test.found, test.position, err)
		}
	}
}

// The watermark knows of the rows that were written since the last of which that is not known, and after a start of those alone.
func TestWhatTheWatermarkKnows(t *testing.T) {
	fs := vfs.NewMem()
	reopen := func() *watermark {
		m, unreadable, err := openWatermark(fs, "")
		if err := errors.Join(unreadable, err); err != nil {
			t.Fatal(err)
		}
		return m
	}
	m := reopen()
	for _, test := range []struct {
		change     func() error
		first, end uint64
	}{
		{func() error { return m.restart(10) }, 10, 10},
		{func() error { return m.settle(20, true) }, 10, 20},
		{func() error { return m.settle(25, true) }, 10, 25},
		{func() error { return m.settle(30, false) }, 30, 30},
		{func() error { return m.settle(31, true) }, 30, 31},
		{func() error { return m.restart(7) }, 7, 7},
	} {
		if err := test.change(); err != nil {
			t.Fatal(err)
		}
		again := reopen()
		for _, m := range []*watermark{m, again} {
			if m.first != test.first || m.end != test.end {
				t.Errorf("it knows of rows from %d to %d, not from %d to %d", m.first, m.end, test.first, test.end)
			}
		}
		if err := again.close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.close(); err != nil {
		t.Fatal(err)
	}
}

// Where the watermark cannot be written any more that is logged once, and the ledger goes on.
func TestAWatermarkThatCannotBeWrittenIsLoggedOnce(t *testing.T) {
	failing := &errorfs.Toggle{Injector: errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileWriteAt && strings.HasSuffix(op.Path, watermarkName) {
			return errors.New("as the test wants")
		}
		return nil
	})}
	mem := vfs.NewMem()
	var logged []string
	log := funcr.New(func(_, args string) { logged = append(logged, args) }, funcr.Options{})
	l, err := open(Options{FS: errorfs.Wrap(mem, failing), Log: log})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		if i == 1 {
			failing.On()
		}
		if _, err := l.Append(context.Background(), batchOf(i), begin); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{`"msg"="Rows that the journal loses from now on would not be missed" "error"="as the test wants"`}; !slices.Equal(logged, want) {
		t.Errorf("logged is %q", logged)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if l, err := open(Options{FS: errorfs.Wrap(mem, failing)}); err == nil || !strings.HasPrefix(err.Error(), "open the ledger: as the test wants") {
		t.Errorf("it opens with a watermark that cannot be written: %v, %v", l, err)
	}
	failing.Off()
	l = openTest(t, mem)
	if n := counted(l); n != 4*perBatch {
		t.Errorf("it has %d messages of %d", n, 4*perBatch)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}
