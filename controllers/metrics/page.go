package metrics

import (
	"bufio"
	"strconv"
	"strings"
)

// family is what series have in common but for their labels.
type family struct {
	name, help string
	kind       kind
	labels     []string
}

type kind string

const (
	gauge   kind = "gauge"
	counter kind = "counter"
)

// page is what is told at one scrape, by family.
type page struct {
	// withNumbers says whether each phone number has series.
	withNumbers bool
	samples     map[*family][]sample
	order       []*family
}

// sample is a value with its labels, as they are written.
type sample struct {
	labels string
	value  float64
}

// put adds a sample. The values are those of the family's labels.
func (p *page) put(f *family, value float64, labels ...string) {
	p.putAs(f, value, labelText(f.labels, labels))
}

// putAs adds a sample whose labels are text already, as those that many families have in common.
func (p *page) putAs(f *family, value float64, labels string) {
	before, known := p.samples[f]
	if !known {
		p.order = append(p.order, f)
	}
	p.samples[f] = append(before, sample{labels, value})
}

// escaper escapes the values of labels.
var escaper = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)

// labelText are labels as they are written.
func labelText(names, values []string) string {
	var text strings.Builder
	size := 0 // at least, so that it seldom grows
	for _, name := range names {
		size += len(name) + len(`="",`)
	}
	for _, value := range values {
		size += len(value)
	}
	text.Grow(size)
	for i, name := range names {
		if i > 0 {
			text.WriteByte(',')
		}
		text.WriteString(name)
		text.WriteString(`="`)
		_, _ = escaper.WriteString(&text, values[i]) //nolint:gosec // each name has a value
		text.WriteByte('"')
	}
	return text.String()
}

// write writes the page in Prometheus' text format, or in OpenMetrics, where the name of a counter is that of its series without its ending.
func (p *page) write(w *bufio.Writer, openMetrics bool) {
	var line []byte
	for _, f := range p.order {
		name := f.name
		if openMetrics && f.kind == counter {
			name = strings.TrimSuffix(name, "_total")
		}
		line = append(line[:0], "# HELP "+name+" "+f.help+"\n# TYPE "+name+" "+string(f.kind)+"\n"...)
		_, _ = w.Write(line)
		for _, s := range p.samples[f] {
			line = append(line[:0], f.name...)
			if s.labels != "" {
				line = append(line, '{')
				line = append(line, s.labels...)
				line = append(line, '}')
			}
			line = append(line, ' ')
			line = strconv.AppendFloat(line, s.value, 'g', -1, 64)
			_, _ = w.Write(append(line, '\n'))
		}
	}
}
