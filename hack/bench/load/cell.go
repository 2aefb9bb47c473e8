package load

import (
	"fmt"
	"strconv"

	"numberfleet.dev/numberfleet/hack/bench/measure"
	"numberfleet.dev/numberfleet/hack/bench/report"
)

// Cell is what servers do with one number of parts in a request, over one number of connections.
type Cell struct {
	Batch, Connections int
	Servers            []Runs
}

// NewCell is a cell of so many servers, without a run.
func NewCell(batch, connections, servers int) Cell {
	return Cell{Batch: batch, Connections: connections, Servers: make([]Runs, servers)}
}

// floor is which of the servers the others are compared with.
const floor = 0

// Rates is a table of parts per second, and of the share that each server has of the first one's.
func Rates(title string, servers []*Server, cells []Cell) report.Table {
	t := report.Table{Title: title, Columns: []string{"batch", "connections"}}
	for i, s := range servers {
		t.Columns = append(t.Columns, s.Name)
		if i > floor {
			t.Columns = append(t.Columns, "of the floor")
		}
	}
	for _, c := range cells {
		row := c.head()
		for i, r := range c.Servers {
			row = append(row, report.Cell(r.Rate, report.Whole))
			if i > floor {
				row = append(row, report.Percent(measure.Ratios(r.Rate, c.Servers[floor].Rate).Median()))
			}
		}
		t.Add(row...)
	}
	return t
}

// Costs is a table of what a part costs.
func Costs(part string, servers []*Server, cells []Cell) report.Table {
	t := report.Table{
		Title: fmt.Sprintf("CPU per %s in microseconds, server and store together; 99th percentile of the response times in milliseconds; "+
			"the client's share of one core", part),
		Columns: []string{"batch", "connections"},
	}
	for _, s := range servers {
		t.Columns = append(t.Columns, s.Name, "p99", "client")
	}
	for _, c := range cells {
		row := c.head()
		for _, r := range c.Servers {
			row = append(row, report.Cell(r.CPU, report.Decimal), report.Decimal(r.P99.Median()), report.Percent(r.Client.Median()))
		}
		t.Add(row...)
	}
	return t
}

func (c *Cell) head() []string { return []string{strconv.Itoa(c.Batch), strconv.Itoa(c.Connections)} }
