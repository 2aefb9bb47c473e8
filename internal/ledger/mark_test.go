package ledger

import (
	"context"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
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
	l, err := Open("ledger", Options{fs: fs})
	if err != nil {
		t.Fatal(err)
	}
	for i := range marked {
		if _, err := l.Append(context.Background(), batchOf(i), begin); err != nil {
			t.Fatal(err)
		}
		if i == marked/3 {
			if err := l.Snapshot(context.Background(), begin); err != nil {
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

// logOf is the file that the journal is in, and its content.
func logOf(t *testing.T, fs vfs.FS) (string, []byte) {
	t.Helper()
	names, err := fs.List("ledger")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
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
	if _, err := file.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
}

// counted is how many messages a ledger has of those that were acknowledged.
func counted(l *Embedded) int64 { return l.Count(number, Messages, begin.Add(-Kept-1), begin) }

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
			l, err := Open("ledger", Options{fs: fs})
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

// Rows that are missing stay missed until someone accepts it by removing the mark.
func TestDamageIsReportedUntilItIsAccepted(t *testing.T) {
	fs := written(t)
	name, log := logOf(t, fs)
	replace(t, fs, name, log[:len(log)*9/10])
	for range 2 {
		if _, err := Open("ledger", Options{fs: fs}); err == nil || !strings.Contains(err.Error(), "were acknowledged and are not there") || !strings.Contains(err.Error(), "remove the file acknowledged") {
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

// A power failure may take the mark, or leave an old one: the rows are there all the same.
func TestTheMarkIsNoRisk(t *testing.T) {
	fs := written(t)
	mark := contentOf(t, fs, "ledger/acknowledged")
	for _, left := range [][]byte{nil, mark[:7], make([]byte, len(mark))} {
		fs := fs.CrashClone(processOnly())
		replace(t, fs, "ledger/acknowledged", left)
		l := openTest(t, fs)
		if n := counted(l); n != marked*perBatch {
			t.Errorf("it has %d messages of %d", n, marked*perBatch)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
