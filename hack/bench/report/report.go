// Package report writes what the benchmarks measured as Markdown.
package report

import (
	_ "embed"
	"fmt"
	"io"
	"strings"
	"text/template"
	"time"

	"numberfleet.dev/numberfleet/hack/bench/measure"
)

// Document is a whole report.
type Document struct {
	Machine  measure.Machine
	Rounds   int
	Seed     uint64
	Sections []Section
}

// Section is what was measured about one thing.
type Section struct {
	Title    string
	Intro    string   // Markdown: what was run, and how to read the tables
	Versions []string // of what was measured beside, such as "Redis 7.0.15"
	Goals    []Goal
	Tables   []Table
	Notes    []string // Markdown: what is not covered, or what explains a number

	// Set by the command.
	Took time.Duration
	Load measure.Load
}

// Goal is something that was wanted, and what came of it.
type Goal struct {
	What     string // "batches of 100, share of the floor"
	Wanted   string // "at least 50 %"
	Measured string
	Met      bool
	Limit    string // where it is not met: what stands in the way, as measured
}

// AtLeast is a goal that is met by the median.
func AtLeast(what string, measured measure.Samples, wanted float64, format func(float64) string) Goal {
	return Goal{What: what, Wanted: "at least " + format(wanted), Measured: Cell(measured, format), Met: measured.Median() >= wanted}
}

// AtMost is a goal that is met by the median.
func AtMost(what string, measured measure.Samples, wanted float64, format func(float64) string) Goal {
	return Goal{What: what, Wanted: "at most " + format(wanted), Measured: Cell(measured, format), Met: measured.Median() <= wanted}
}

// Table is a table of text. Cell makes the text of what was measured more than once.
type Table struct {
	Title   string
	Columns []string
	Rows    [][]string
}

// Add adds a row.
func (t *Table) Add(cells ...string) { t.Rows = append(t.Rows, cells) }

// Cell is the median of samples, with the lowest and the highest where there are several.
func Cell(s measure.Samples, format func(float64) string) string {
	switch len(s) {
	case 0:
		return "-"
	case 1:
		return format(s[0])
	default:
		return fmt.Sprintf("%s [%s-%s]", format(s.Median()), format(s.Lowest()), format(s.Highest()))
	}
}

// Whole formats a number without decimals, with commas.
func Whole(v float64) string {
	digits := fmt.Sprintf("%.0f", v)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// Decimal formats a number with one decimal, or two if it is small.
func Decimal(v float64) string {
	if v < 10 {
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.1f", v)
}

// Percent formats a share as a percentage.
func Percent(v float64) string { return fmt.Sprintf("%.0f %%", 100*v) }

//go:embed document.md
var layout string

var document = template.Must(template.New("document").Funcs(template.FuncMap{
	"table":   func(t Table) string { return grid(t.Columns, t.Rows) },
	"goals":   goals,
	"seconds": func(d time.Duration) string { return d.Round(time.Second).String() },
}).Parse(layout))

// Write writes the document.
func (d Document) Write(to io.Writer) error { return document.Execute(to, d) }

func goals(all []Goal) string {
	rows := make([][]string, len(all))
	for i, g := range all {
		met := "yes"
		if !g.Met {
			met = "**no**"
			if g.Limit != "" {
				met += ": " + g.Limit
			}
		}
		rows[i] = []string{g.What, g.Wanted, g.Measured, met}
	}
	return grid([]string{"goal", "wanted", "measured", "met"}, rows)
}

func grid(columns []string, rows [][]string) string {
	var b strings.Builder
	line := func(cells []string) { b.WriteString("| " + strings.Join(cells, " | ") + " |\n") }
	line(columns)
	b.WriteString(strings.Repeat("|---", len(columns)) + "|\n")
	for _, row := range rows {
		line(row)
	}
	return b.String()
}
