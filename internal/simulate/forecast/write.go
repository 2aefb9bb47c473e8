package forecast

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"numberfleet.dev/numberfleet/internal/rules"
)

type stepLine struct {
	Tier         string   `json:"tier"`
	Limit        *int64   `json:"limit"`        // null for unlimited
	Time         *string  `json:"time"`         // null if it is not reached
	AfterSeconds *int64   `json:"afterSeconds"` // from the forecast's beginning
	Users        *int64   `json:"users"`
	Message      string   `json:"message,omitempty"`
	Missing      []string `json:"missing,omitempty"`
}

// WriteJSON writes one object a line and tier, the next tier first.
func WriteJSON(to io.Writer, from Start, steps []Step) error {
	lines := json.NewEncoder(to)
	lines.SetEscapeHTML(false)
	for _, step := range steps {
		line := stepLine{Tier: step.Tier.Name, Message: step.Message, Missing: step.Missing}
		if step.Tier.Limit != rules.Unlimited {
			line.Limit = &step.Tier.Limit
		}
		if !step.At.IsZero() {
			at, after := stamp(step.At), int64(step.At.Sub(from.State.EvaluatedAt)/time.Second)
			line.Time, line.AfterSeconds, line.Users = &at, &after, &step.Users
		}
		if err := lines.Encode(line); err != nil {
			return err
		}
	}
	return nil
}

// WriteTable writes the same for people.
func WriteTable(to io.Writer, from Start, steps []Step) error {
	table := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "%s, at %s (limit %s) at %s\n\n", from.Policy.Name, from.State.Tier.Name, rules.FormatLimit(from.State.Tier.Limit), stamp(from.State.EvaluatedAt))
	if len(steps) == 0 {
		fmt.Fprintln(table, "There is no higher tier.")
		return table.Flush()
	}
	fmt.Fprintln(table, "TIER\tLIMIT\tAT THE EARLIEST\tAFTER\tUSERS\tWHY")
	for _, step := range steps {
		if step.At.IsZero() {
			fmt.Fprintf(table, "%s\t%s\tnot within %d d\t-\t-\t%s\n", step.Tier.Name, rules.FormatLimit(step.Tier.Limit), int(horizon/(24*time.Hour)),
				"missing: "+strings.Join(step.Missing, "; "))
			continue
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\t%s\n", step.Tier.Name, rules.FormatLimit(step.Tier.Limit), stamp(step.At),
			after(step.At.Sub(from.State.EvaluatedAt)), step.Users, step.Message)
	}
	return table.Flush()
}

// after is a duration in days and the rest of the day.
func after(d time.Duration) string {
	days, rest := d/(24*time.Hour), d%(24*time.Hour)
	if days == 0 {
		return rest.String()
	}
	return fmt.Sprintf("%dd %s", days, rest)
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
