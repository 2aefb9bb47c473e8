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

// WriteTable writes the same for people: a table of what happened and one of the numbers at the end.
func (r *Result) WriteTable(to io.Writer) error {
	table := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	if len(r.Transitions) > 0 {
		fmt.Fprintln(table, "TIME\tNUMBER\tREASON\tCHANGE\tMESSAGE")
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
		fmt.Fprintln(table, "DAY\tDATE\tPLANNED\tSENT\tOVER LIMIT")
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
	fmt.Fprintln(table, "NUMBER\tSTATE\tTIER\tUSED\tLIMIT\tQUALITY\tAT")
	for _, f := range r.Final {
		limit := "unlimited"
		if f.Tier.Limit != rules.Unlimited {
			limit = strconv.FormatInt(f.Tier.Limit, 10)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%s\t%s\t%s\n", f.Subject, f.State, f.Tier.Name, f.Used, limit, f.Quality, stamp(f.Time))
	}
	return table.Flush()
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
