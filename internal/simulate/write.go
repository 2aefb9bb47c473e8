package simulate

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
	"time"

	"numberfleet.dev/numberfleet/internal/rules"
)

type transitionLine struct {
	Time    string `json:"time"`
	Subject string `json:"subject"`
	Reason  string `json:"reason"`
	From    string `json:"from"`
	To      string `json:"to"`
	Message string `json:"message"`
}

type finalLine struct {
	Time    string `json:"time"`
	Subject string `json:"subject"`
	Final   bool   `json:"final"`
	Tier    string `json:"tier"`
	Limit   *int64 `json:"limit"` // null for unlimited
	Used    int64  `json:"used"`
	Quality string `json:"quality"`
	State   string `json:"state"`
}

// WriteJSON writes one object a line: what happened, in order of time, then each number as it is at the end.
func (r *Result) WriteJSON(to io.Writer) error {
	buffered := bufio.NewWriter(to)
	lines := json.NewEncoder(buffered)
	lines.SetEscapeHTML(false)
	for _, t := range r.Transitions {
		err := lines.Encode(transitionLine{Time: stamp(t.Time), Subject: t.Subject, Reason: string(t.Reason), From: t.From, To: t.To, Message: t.Message})
		if err != nil {
			return err
		}
	}
	for _, f := range r.Final {
		line := finalLine{Time: stamp(f.Time), Subject: f.Subject, Final: true, Tier: f.Tier.Name, Used: f.Used, Quality: string(f.Quality), State: string(f.State)}
		if f.Tier.Limit != rules.Unlimited {
			line.Limit = &f.Tier.Limit
		}
		if err := lines.Encode(line); err != nil {
			return err
		}
	}
	return buffered.Flush()
}

// WriteTable writes the same for people: a table of what happened, and of the numbers, portfolios and templates at the end.
func (r *Result) WriteTable(to io.Writer) error {
	table := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	if len(r.Transitions) > 0 {
		fmt.Fprintln(table, "TIME\tSUBJECT\tREASON\tCHANGE\tMESSAGE")
		for _, t := range r.Folded() {
			change := "-"
			if t.From != "" || t.To != "" {
				change = t.From + " -> " + t.To
			}
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", stamp(t.Time), t.Subject, t.Reason, change, t.Message)
		}
		if err := table.Flush(); err != nil {
			return err
		}
		fmt.Fprintln(table)
	}
	if len(r.Days) > 0 {
		fmt.Fprintln(table, "DAY\tDATE\tPLANNED\tSENT\tNOT SENT")
		for i, d := range r.Days {
			fmt.Fprintf(table, "%d\t%s\t%d\t%d\t%d\n", i+1, d.Start.UTC().Format(time.DateOnly), d.Planned, d.Sent, d.Planned-d.Sent)
		}
		if err := table.Flush(); err != nil {
			return err
		}
		fmt.Fprintln(table)
	}
	if len(r.Final) == 0 {
		fmt.Fprintln(table, "No events.")
		return table.Flush()
	}
	fmt.Fprintln(table, "NUMBER\tSTATE\tTIER\tUSED\tLIMIT\tREMAINING\tQUALITY\tAT")
	for _, f := range r.Final {
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%s\t%s\t%s\t%s\n", f.Subject, f.State, f.Tier.Name, f.Used, rules.FormatLimit(f.Tier.Limit), remainingWords(&f.Room), f.Quality, stamp(f.Time))
	}
	if len(r.Portfolios) > 0 {
		fmt.Fprintln(table, "\nPORTFOLIO\tNUMBERS\tTIER\tUSED\tLIMIT\tREMAINING\tQUALITY")
		for _, p := range r.Portfolios {
			fmt.Fprintf(table, "%s\t%d\t%s\t%d\t%s\t%s\t%s\n", p.Subject, p.Numbers, p.Tier.Name, p.Used, rules.FormatLimit(p.Tier.Limit), remainingWords(&p.Room), p.Quality)
		}
	}
	if len(r.Templates) > 0 {
		fmt.Fprintln(table, "\nTEMPLATE\tSTATE\tUNTIL\tPAUSES\tQUALITY")
		for _, t := range r.Templates {
			until := "-"
			if !t.Until.IsZero() {
				until = stamp(t.Until)
			}
			fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%s\n", t.Subject, t.State, until, t.Pauses, t.Quality)
		}
	}
	return table.Flush()
}

// remainingWords are what remains, with the reason where nothing does.
func remainingWords(room *rules.Room) string {
	switch {
	case !room.Sendable:
		return "0 (" + string(room.Reason) + ")"
	case room.Remaining == rules.NoLimit:
		return "unlimited"
	default:
		return strconv.FormatInt(room.Remaining, 10)
	}
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
