package main

import (
	"fmt"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/overview"
)

// statusTable is the table of the objects of one kind.
type statusTable struct {
	table
	namespaces, limits bool
}

func newStatusTable(kind string, namespaces bool) *statusTable {
	t := &statusTable{namespaces: namespaces, limits: kind != "TEMPLATE"}
	if namespaces {
		t.columns = append(t.columns, "NAMESPACE")
	}
	t.columns = append(t.columns, kind, "STATE", "QUALITY")
	if t.limits {
		t.columns = append(t.columns, "TIER", "ROOM", "USED", "LIMIT", "RESERVED", "REMAINING")
	}
	t.columns = append(t.columns, "PROBLEM", "NEXT")
	t.narrow = len(t.columns)
	t.columns = append(t.columns, "HAPPENS", "PORTFOLIO", "MESSAGE")
	return t
}

// barWidth is that of the bars in tables, in characters.
const barWidth = 10

func (t *statusTable) add(r *resource) {
	row := tableRow{urgency: r.urgency()}
	if t.namespaces {
		row.cells = append(row.cells, r.GetNamespace())
	}
	summary, i := r.Summary(), &r.item
	row.cells = append(row.cells, r.GetName(), dash(stateOf(r.Object)), dash(string(summary.Quality)))
	if t.limits {
		limit, room := "no limit", dash("")
		switch {
		case i.Limit != nil && i.Used != nil:
			limit, room = figure(i.Limit), bar(*i.Used, i.Reserved, *i.Limit, barWidth)
		case i.Limit != nil:
			limit = figure(i.Limit)
		case summary.Tier == "":
			limit = dash("")
		}
		row.cells = append(row.cells, dash(summary.Tier), room, figure(i.Used), limit, figure(&i.Reserved), remainder(i.Remaining))
	}
	var problem, message, next, happens string
	if len(r.problems) > 0 {
		problem, message = r.problems[0].Reason, r.problems[0].Message
	}
	if upcoming := overview.Upcoming(r.Object, i); len(upcoming) > 0 {
		next, happens = upcoming[0].Time.Format(time.DateTime), upcoming[0].What
	}
	row.cells = append(row.cells, dash(problem), dash(next), dash(happens), dash(i.Portfolio), dash(message))
	t.rows = append(t.rows, row)
}

// stateOf is the state of an object in a word or a few.
func stateOf(o v1alpha1.Object) string {
	if pool, ok := o.(*v1alpha1.NumberPool); ok && pool.Status.Numbers != nil && pool.Status.Sendable != nil {
		return fmt.Sprintf("%d of %d send", *pool.Status.Sendable, *pool.Status.Numbers)
	}
	return o.Summary().State
}
