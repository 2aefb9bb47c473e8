package jetstream

import (
	"strings"
	"testing"

	"numberfleet.dev/numberfleet/internal/ledger/counts"
)

// Where no process lived to keep anything, the newest snapshot is left of a log that ends before it. A log that has all that its snapshot has
// lost nothing as far as can be seen.
func TestWhatIsLeftWhereNobodyKeptAnything(t *testing.T) {
	o := onServer()
	j := openTest(t, o)
	start(t, j)
	add(t, j, 1, 2)
	must(t, j.Save(t.Context(), j.position(), whole(row("a", "1"))))
	add(t, j, 3)
	if _, err := OpenLeft(t.Context(), o); err == nil || !strings.Contains(err.Error(), "no process has kept anything") {
		t.Errorf("of a log that has lost nothing there is left: %v", err)
	}
	must(t, client(t, server.URL()).DeleteStream(t.Context(), o.stream()))
	left, err := OpenLeft(t.Context(), o)
	must(t, err)
	defer func() { must(t, left.Close()) }()
	var sources int
	for source := range left.Sources() {
		sources++
		var rows []counts.Row
		for row, err := range source.Load() {
			must(t, err)
			rows = append(rows, row)
		}
		if text(rows) != "a=1" {
			t.Errorf("%q is left", text(rows))
		}
	}
	if sources != 1 || left.Snapshot != 2 || left.Log != 0 {
		t.Errorf("there are %d sources of %+v", sources, left)
	}
}
