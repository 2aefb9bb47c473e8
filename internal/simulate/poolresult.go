package simulate

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/rules"
)

// PoolResult is what becomes of the deliveries of a pool's numbers if the pool sends them.
type PoolResult struct {
	Pool     string // its namespace and name
	Strategy v1alpha1.PoolStrategy
	// From and To are the instants of the first and the last message.
	From, To time.Time
	// Messages that were delivered as recorded, and Sent of them here.
	Messages, Sent int64
	Refused        map[string]int64 // the other messages, by the reason of the gate
	// Users to whom the messages were, and UsersRefused: those to whom at least one was refused.
	Users, UsersRefused int64
	// Changes is how often a user was sent to by another number than the time before.
	Changes int64
	// Dry is how often no number could message further users any more, until one could for an hour without a break; DryFor is how long
	// none could in all.
	Dry     int64
	DryFor  time.Duration
	Members []PoolMember // by name
}

// PoolMember is what a number of a pool sends.
type PoolMember struct {
	Name        string // of the PhoneNumber
	Sent, Users int64  // messages, and to how many users
	// MostUsed is how much of its limit was used when that was the most of it, and MostUsedOf the limit then.
	MostUsed, MostUsedOf int64
	Final
}

// message counts one that was recorded.
func (r *PoolResult) message(at time.Time) {
	if r.Messages == 0 {
		r.From = at
	}
	r.To = at
	r.Messages++
}

// reached notes how much of the limit is used.
func (m *PoolMember) reached(used, limit int64) {
	if cmp.Or(cmp.Compare(shareOf(used, limit), shareOf(m.MostUsed, m.MostUsedOf)), cmp.Compare(used, m.MostUsed)) > 0 || m.MostUsedOf == 0 && m.MostUsed == 0 {
		m.MostUsed, m.MostUsedOf = used, limit
	}
}

// shareOf is how much of a limit is used; nothing of none.
func shareOf(used, limit int64) float64 {
	if limit == rules.Unlimited {
		return 0
	}
	return float64(used) / float64(limit)
}

type poolLine struct {
	Pool         string           `json:"pool"`
	Strategy     string           `json:"strategy"`
	From         string           `json:"from"`
	To           string           `json:"to"`
	Messages     int64            `json:"messages"`
	Sent         int64            `json:"sent"`
	Refused      map[string]int64 `json:"refused"`
	Users        int64            `json:"users"`
	UsersRefused int64            `json:"usersRefused"`
	Changes      int64            `json:"numberChanges"`
	Dry          int64            `json:"ranDry"`
	DrySeconds   int64            `json:"drySeconds"`
	Members      []poolMemberLine `json:"members"`
}

type poolMemberLine struct {
	Name       string `json:"name"`
	Number     string `json:"number"`
	Sent       int64  `json:"sent"`
	Users      int64  `json:"users"`
	MostUsed   int64  `json:"mostUsed"`
	MostUsedOf *int64 `json:"mostUsedOf"` // null for unlimited
	Tier       string `json:"tier"`
	Quality    string `json:"quality"`
	State      string `json:"state"`
}

// WritePoolsJSON writes one object a line for each result.
func WritePoolsJSON(to io.Writer, results []*PoolResult) error {
	lines := json.NewEncoder(to)
	for _, r := range results {
		line := poolLine{
			Pool: r.Pool, Strategy: string(r.Strategy), From: stamp(r.From), To: stamp(r.To), Messages: r.Messages, Sent: r.Sent, Refused: r.Refused,
			Users: r.Users, UsersRefused: r.UsersRefused, Changes: r.Changes, Dry: r.Dry, DrySeconds: int64(r.DryFor / time.Second),
		}
		for i := range r.Members {
			m := &r.Members[i]
			member := poolMemberLine{Name: m.Name, Number: m.Subject, Sent: m.Sent, Users: m.Users, MostUsed: m.MostUsed,
				Tier: m.Tier.Name, Quality: string(m.Quality), State: string(m.State)}
			if m.MostUsedOf != rules.Unlimited {
				member.MostUsedOf = &m.MostUsedOf
			}
			line.Members = append(line.Members, member)
		}
		if err := lines.Encode(line); err != nil {
			return err
		}
	}
	return nil
}

// WritePoolsTable writes results of one pool for people: a table of the strategies, and one of what the numbers send under each.
func WritePoolsTable(to io.Writer, results []*PoolResult) error {
	first := results[0]
	table := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "NumberPool %s: %d messages to %d users, %s to %s\n\n", first.Pool, first.Messages, first.Users, stamp(first.From), stamp(first.To))
	fmt.Fprintln(table, "STRATEGY\tSENT\tREFUSED\tUSERS REFUSED\tNUMBER CHANGES\tRAN DRY\tFOR\tWHY REFUSED")
	for _, r := range results {
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\t%d\t%s\t%s\n", r.Strategy, r.Sent, r.Messages-r.Sent, r.UsersRefused, r.Changes, r.Dry, r.DryFor, r.why())
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(table, "\nSTRATEGY\tNUMBER\tNAME\tSENT\tUSERS\tMOST USED\tOF\tSHARE\tTIER\tQUALITY\tSTATE")
	for _, r := range results {
		for i := range r.Members {
			m := &r.Members[i]
			share := "-"
			if m.MostUsedOf != rules.Unlimited {
				share = strconv.FormatInt(100*m.MostUsed/m.MostUsedOf, 10) + " %"
			}
			fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%d\t%d\t%s\t%s\t%s\t%s\t%s\n", r.Strategy, m.Subject, m.Name, m.Sent, m.Users,
				m.MostUsed, rules.FormatLimit(m.MostUsedOf), share, m.Tier.Name, m.Quality, m.State)
		}
	}
	return table.Flush()
}

// why says for what reasons messages were refused, and how many for each.
func (r *PoolResult) why() string {
	if len(r.Refused) == 0 {
		return "-"
	}
	var reasons []string
	for _, reason := range slices.Sorted(maps.Keys(r.Refused)) {
		reasons = append(reasons, fmt.Sprintf("%s %d", reason, r.Refused[reason]))
	}
	return strings.Join(reasons, ", ")
}
