package pebble

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/go-logr/logr/funcr"

	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
)

// The store's complaints are logged, and what it says of its routine is not.
func TestTheStoresLog(t *testing.T) {
	var logged []string
	log := storeLog{log: funcr.New(func(_, args string) { logged = append(logged, args) }, funcr.Options{})}
	log.Infof("%d", 1)
	log.Errorf("%d", 2)
	if want := []string{`"msg"="The ledger's store has a problem" "error"="2"`}; !slices.Equal(logged, want) {
		t.Errorf("logged is %q", logged)
	}
}

// A row that was changed behind the ledger's back fails Open with an error that names the row.
func TestCorruptRowsFailOpen(t *testing.T) {
	rowKey := func(suffix string) []byte { return append([]byte("s\x01\x00\x0c"+number), suffix...) }
	for _, test := range []struct {
		key  []byte
		want string // in the error
		gone string // in the error when it is gone; empty where that is not missed
	}{
		{secretKey, "secret", "secret"},
		{formatKey, "format", ""},
		{[]byte("s\x00"), "machine", "machine is missing"},
		{rowKey(""), "number ending in 0001", "a row too many after that of the machine"},
		{rowKey("\x00\x00\x00\x00\x00\x00\x00\x00"), "part 0/0 of the number ending in 0001", "part 0/0 of the number ending in 0001 is missing"},
		{roundKey(2), "row 2 of the journal", "1 of the last 1 rows"},
	} {
		for _, how := range []string{"flipped", "cut", "gone"} {
			if how == "gone" && test.gone == "" {
				continue
			}
			fs := vfs.NewMem()
			l := openTest(t, fs)
			for i := range 2 {
				if _, err := l.Append(t.Context(), batchOf(i), begin); err != nil {
					t.Fatal(err)
				}
				if i == 0 {
					if err := l.Snapshot(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			change(t, fs, test.key, func(row []byte) []byte {
				switch how {
				case "flipped":
					row[len(row)/2] ^= 4
				case "cut":
					row = row[:len(row)-1]
				case "gone":
					row = nil
				}
				return row
			})
			if l, err := open(Options{FS: fs}); err == nil {
				_ = l.Close()
				t.Errorf("a ledger opens in which the row of the %s is %s", test.want, how)
			} else if want := map[bool]string{true: test.gone, false: test.want}[how == "gone"]; !strings.Contains(err.Error(), want) {
				t.Errorf("%q does not name the row of the %s, which is %s", err, test.want, how)
			}
		}
	}
}

// change changes a row behind the ledger's back, or removes it.
func change(t *testing.T, fs vfs.FS, k []byte, to func([]byte) []byte) {
	t.Helper()
	db, err := pebble.Open("ledger", &pebble.Options{FS: fs, FormatMajorVersion: pebble.FormatNewest, Logger: storeLog{}})
	if err != nil {
		t.Fatal(err)
	}
	row, closer, err := db.Get(k)
	if err != nil {
		t.Fatalf("there is no row %q: %v", k, err)
	}
	row = to(slices.Clone(row))
	if err := closer.Close(); err != nil {
		t.Fatal(err)
	}
	if row == nil {
		err = db.Delete(k, pebble.Sync)
	} else {
		err = db.Set(k, row, pebble.Sync)
	}
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

// A secret gives the same keys after a restart, others elsewhere, and never one for a user and a message.
func TestHasherIsTheStores(t *testing.T) {
	fs := vfs.NewMem()
	l := openTest(t, fs)
	first := l.Hasher()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = openTest(t, fs)
	defer func() { _ = l.Close() }()
	other := openTest(t, vfs.NewMem())
	defer func() { _ = other.Close() }()
	if first.User("+1") != l.Hasher().User("+1") || first.Message("a") != l.Hasher().Message("a") {
		t.Error("keys are others after a restart")
	}
	if first.User("+1") == other.Hasher().User("+1") || uint64(first.User("a")) == uint64(first.Message("a")) {
		t.Error("keys are the same that should not be")
	}
	if first.User("") == 0 || first.Message("") == 0 {
		t.Error("a key is zero")
	}
}

// When all users are too old to count, memory and disk are given back.
func TestExpiryBoundsMemoryAndDisk(t *testing.T) {
	store, err := Open("ledger", Options{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	l, err := ledger.Open(store, ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	now := begin
	rows := func() (n, size int) {
		for _, prefix := range []string{"s", "j"} {
			if err := store.each([]byte(prefix), func(k, v []byte) error { n++; size += len(v); return nil }); err != nil {
				t.Fatal(err)
			}
		}
		return n, size
	}
	var most int
	for month := range 4 {
		for range 20 {
			var batch counts.Batch
			for i := range 1000 {
				user := counts.UserKey(2 * (uint64(now.Unix())<<16 | uint64(i)))
				batch.Entries = append(batch.Entries,
					counts.Entry{Number: number, Kind: counts.Delivered, User: user, Alias: user + 1, Message: counts.MessageKey(i + 1), At: now.Unix()})
			}
			if _, err := l.Append(context.Background(), batch, now); err != nil {
				t.Fatal(err)
			}
			now = now.Add(time.Minute)
		}
		if err := l.Snapshot(context.Background()); err != nil {
			t.Fatal(err)
		}
		_, size := rows()
		if month == 0 {
			most = 2 * size // the other names of users go one sweep after them
		}
		if size > most {
			t.Fatalf("%d bytes are stored after %d months, more than %d", size, month+1, most)
		}
		now = now.Add(counts.Kept + counts.Lateness + 48*time.Hour)
	}
	for i := range 40 { // first users go, then the other names of users
		if i%10 == 0 {
			now = now.Add(48 * time.Hour)
		}
		elsewhere := counts.Entry{Number: "+1", Kind: counts.Received, User: counts.UserKey(i + 1), At: now.Unix()}
		if _, err := l.Append(t.Context(), counts.Batch{Entries: []counts.Entry{elsewhere}}, now); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Snapshot(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, size := rows(); n > 5 || size > 1000 {
		t.Fatalf("%d rows of %d bytes are left of nothing", n, size)
	}
	if l.Known(number) || len(l.Numbers()) != 1 {
		t.Fatal("a number is known of which nothing is")
	}
}
