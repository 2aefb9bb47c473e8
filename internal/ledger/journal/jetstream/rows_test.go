package jetstream

import (
	"bytes"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"numberfleet.dev/numberfleet/internal/ledger/counts"
)

// good are rows without an error.
func good(rows []counts.Row) iter.Seq2[counts.Row, error] {
	return func(yield func(counts.Row, error) bool) {
		for _, r := range rows {
			if !yield(r, nil) {
				return
			}
		}
	}
}

// collect is rows as text, or the error.
func collect(rows iter.Seq2[counts.Row, error]) (string, error) {
	var all []counts.Row
	for r, err := range rows {
		if err != nil {
			return "", err
		}
		all = append(all, counts.Row{Key: bytes.Clone(r.Key), Value: bytes.Clone(r.Value)})
	}
	return text(all), nil
}

// Changes are merged with rows as if each removed and set rows of a table in its turn.
func TestMergeIsOneAfterAnother(t *testing.T) {
	key := rapid.StringMatching(`[ab]{0,3}`)
	rapid.Check(t, func(t *rapid.T) {
		table := rapid.MapOfN(key, rapid.StringN(0, 3, -1), 0, 6).Draw(t, "saved")
		var saved, changes []counts.Row
		for _, k := range slices.Sorted(maps.Keys(table)) {
			saved = append(saved, row(k, table[k]))
		}
		removed := rapid.SliceOfNDistinct(key, 0, 3, rapid.ID[string]).Draw(t, "removed")
		set := rapid.MapOfN(key, rapid.StringN(0, 3, -1), 0, 6).Draw(t, "set")
		for _, k := range removed {
			changes = append(changes, counts.Row{Key: []byte(k)})
			maps.DeleteFunc(table, func(is, _ string) bool { return strings.HasPrefix(is, k) })
		}
		for k, v := range set {
			changes = append(changes, row(k, v))
			table[k] = v
		}
		slices.SortFunc(changes, func(a, b counts.Row) int {
			if c := bytes.Compare(a.Key, b.Key); c != 0 || (a.Value == nil) == (b.Value == nil) {
				return c
			}
			if a.Value == nil {
				return -1
			}
			return 1
		})
		var want []counts.Row
		for _, k := range slices.Sorted(maps.Keys(table)) {
			want = append(want, row(k, table[k]))
		}
		got, err := collect(merge(good(saved), slices.Values(changes)))
		if err != nil || got != text(want) {
			t.Errorf("%q with %q is %q, %v; not %q", text(saved), text(changes), got, err, text(want))
		}
	})
}

// Whatever is read as rows is read the same when it was written again, and what is no rows ends with an error.
func FuzzRows(f *testing.F) {
	var b bytes.Buffer
	if err := writeRows(f.Context(), &b, good([]counts.Row{row("a", "1"), row("b", "")})); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte{0xff, 0xff, 0xff, 0x7f})
	f.Fuzz(func(t *testing.T, written []byte) {
		is, err := collect(readRows(bytes.NewReader(written)))
		if err != nil {
			return
		}
		var again bytes.Buffer
		if err := writeRows(t.Context(), &again, readRows(bytes.NewReader(written))); err != nil {
			t.Fatal(err)
		}
		if got, err := collect(readRows(&again)); err != nil || got != is {
			t.Errorf("%q is read again as %q, %v", is, got, err)
		}
	})
}
