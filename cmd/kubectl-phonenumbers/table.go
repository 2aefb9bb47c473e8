package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode"

	"golang.org/x/term"

	"numberfleet.dev/numberfleet/internal/overview"
	"numberfleet.dev/numberfleet/internal/rules"
)

// table is what is shown of several objects. The columns after the first Narrow are shown with -o wide alone.
type table struct {
	columns []string
	narrow  int
	rows    []tableRow
}

// tableRow has a cell for each column.
type tableRow struct {
	urgency overview.Urgency
	cells   []string
}

// lines are the table as text, the head first.
func (t *table) lines(wide bool) []string {
	columns := t.narrow
	if wide {
		columns = len(t.columns)
	}
	var out strings.Builder
	aligned := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(aligned, strings.Join(t.columns[:columns], "\t"))
	for i := range t.rows {
		cells := make([]string, columns)
		for c := range cells {
			cells[c] = printable(t.rows[i].cells[c])
		}
		fmt.Fprintln(aligned, strings.Join(cells, "\t"))
	}
	_ = aligned.Flush() // to memory, which takes all
	return strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
}

// write writes the table, each row in the colour of its urgency.
func (t *table) write(to io.Writer, paint palette, wide bool) error {
	for i, line := range t.lines(wide) {
		if i > 0 {
			line = paint.urgent(t.rows[i-1].urgency, line)
		}
		if _, err := fmt.Fprintln(to, line); err != nil {
			return err
		}
	}
	return nil
}

// printable is a text of the cluster as a part of one line. Whoever may write a status may write into it what a terminal would take for
// commands.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\t':
			return ' '
		case !unicode.IsPrint(r):
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

// printer writes lines of texts of the cluster, as printable makes them.
type printer struct{ io.Writer }

func (p printer) Write(lines []byte) (int, error) {
	all := strings.Split(string(lines), "\n")
	for i := range all {
		all[i] = printable(all[i])
	}
	_, err := io.WriteString(p.Writer, strings.Join(all, "\n"))
	return len(lines), err
}

// palette says whether what is written is coloured.
type palette bool

// paletteOf colours what a terminal shows, unless its user wants none: https://no-color.org.
func paletteOf(to io.Writer) palette {
	return palette(isTerminal(to) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb")
}

func isTerminal(to io.Writer) bool {
	file, ok := to.(*os.File)
	return ok && term.IsTerminal(int(file.Fd())) // #nosec G115 -- a file descriptor
}

// urgent is a text in the colour of an urgency.
func (p palette) urgent(u overview.Urgency, text string) string {
	colour := map[overview.Urgency]string{overview.Act: "31", overview.Watch: "33"}[u]
	if !p || colour == "" {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

func (p palette) bold(text string) string {
	if !p {
		return text
	}
	return "\x1b[1m" + text + "\x1b[0m"
}

// bar is how much of a limit is used and reserved, as so many characters.
func bar(used, reserved, limit int64, width int) string {
	if limit <= 0 {
		return strings.Repeat("·", width)
	}
	part := func(n int64) int { return int(min(int64(width), (n*int64(width)+limit-1)/limit)) }
	full, held := part(used), part(used+reserved)
	return strings.Repeat("█", full) + strings.Repeat("▒", held-full) + strings.Repeat("·", width-held)
}

// figure is a count; a dash where nobody knows it.
func figure(n *int64) string {
	if n == nil {
		return "-"
	}
	return strconv.FormatInt(*n, 10)
}

// remainder is how many further users may be messaged.
func remainder(n int64) string {
	if n == rules.NoLimit {
		return "no limit"
	}
	return strconv.FormatInt(n, 10)
}

// dash stands for what is empty.
func dash(text string) string { return cmp.Or(text, "-") }
