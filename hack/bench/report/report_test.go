package report

import (
	"strings"
	"testing"

	"numberfleet.dev/numberfleet/hack/bench/measure"
)

// Numbers are readable, and a cell has the median and its spread.
func TestCells(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 999: "999", 1000: "1,000", -1000: "-1,000", 1234567.6: "1,234,568"} {
		if got := Whole(v); got != want {
			t.Errorf("%f is %s, want %s", v, got, want)
		}
	}
	for want, samples := range map[string]measure.Samples{"-": nil, "3": {3}, "3 [1-5]": {5, 1, 3}, "1 [1-5]": {5, 1}} {
		if got := Cell(samples, Whole); got != want {
			t.Errorf("%v is %s, want %s", samples, got, want)
		}
	}
}

// A goal that is missed says what stands in the way.
func TestDocument(t *testing.T) {
	doc := Document{Rounds: 3, Sections: []Section{{
		Title:  "Ingest",
		Goals:  []Goal{{What: "speed", Wanted: "at least 2", Measured: "3", Met: true}, {What: "memory", Wanted: "at most 1", Measured: "2", Limit: "two keys"}},
		Tables: []Table{{Title: "Rates", Columns: []string{"batch", "rate"}, Rows: [][]string{{"1", "2"}}}},
	}}}
	var text strings.Builder
	if err := doc.Write(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"## Ingest\n", "| speed | at least 2 | 3 | yes |\n", "| memory | at most 1 | 2 | **no**: two keys |\n", "Rates\n\n| batch | rate |\n|---|---|\n| 1 | 2 |\n"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("it lacks %q:\n%s", want, &text)
		}
	}
}
