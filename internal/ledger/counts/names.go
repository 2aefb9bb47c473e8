package counts

import (
	"fmt"
	"slices"
	"strings"

	"numberfleet.dev/numberfleet/internal/identity"
	"numberfleet.dev/numberfleet/internal/report"
)

// Meta names a number by an id and by how it displays it, which for some numbers is not E.164 as it is dialled today. A resource names
// it by one of the two, or by both. So a number can have names besides its own, and whatever comes under any of them is its own:
//
//   - the NumberIDSubject of its id, once a resource has claimed that;
//   - another form of the number, once Meta has displayed it with that id.
//
// What came under a name before it was one is taken over.

// mostDisplayed bounds the ids of which it is remembered how they are displayed: more than anyone's webhooks have.
const mostDisplayed = 1 << 17

// Subject is what a number is known by that Meta names by an id, and displays as a number in E.164; one of the two may be empty. It is
// the number that claims the id; else the number as displayed, or that of which this is another form; else, where nothing is known about
// either, the id's own subject. It takes no memory where the number is known.
func (v *View) Subject(id, number string) string {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if id != "" {
		var room [maxNumber]byte
		if s := v.numbers[string(report.NumberIDSubject(id).AppendTo(room[:0]))]; s != nil && (number == "" || s.number[0] == '+') {
			return s.number
		}
	}
	if number == "" {
		return report.NumberIDSubject(id).String()
	}
	return v.resolved(number)
}

// resolved returns the own name of a number. The caller holds mu.
func (v *View) resolved(number string) string {
	if s := v.numbers[number]; s != nil {
		return s.number
	}
	return number
}

// resolveAll returns numbers by their own names, sorted, each once.
func (v *View) resolveAll(numbers []string) []string {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.resolveNames(numbers)
}

// resolveNames is resolveAll for who holds mu.
func (v *View) resolveNames(numbers []string) []string {
	own := make([]string, len(numbers))
	for i, number := range numbers {
		own[i] = v.resolved(number)
	}
	slices.Sort(own)
	return slices.Compact(own)
}

// Names are what a subject goes by: its own name first.
func (v *View) Names(subject string) []string {
	v.mu.RLock()
	defer v.mu.RUnlock()
	s := v.numbers[subject]
	if s == nil {
		return []string{subject}
	}
	return append([]string{s.number}, s.names...)
}

// Forms returns the names of a subject that are numbers in E.164, and its own name.
func (v *View) Forms(subject string) []string {
	return slices.DeleteFunc(v.Names(subject), func(name string) bool { return name != subject && report.ParseSubject(name).Type == report.NumberID })
}

// NewDisplays returns those that a machine does not know yet.
func (v *View) NewDisplays(all []Display) []Display {
	known := func(d Display) bool { return !d.valid() || v.displays(d.ID) == d.Number }
	if !slices.ContainsFunc(all, func(d Display) bool { return !known(d) }) {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(all), known)
}

func (d Display) valid() bool {
	return d.ID != "" && d.Number != "" && len(d.ID) <= maxNumber && len(d.Number) <= maxNumber
}

func (v *View) displays(id string) string {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.displayed[id]
}

// Validate returns ErrInvalid if the claim names nothing.
func (c Claim) Validate() error {
	if c.ID == "" || c.Number == "" || len(report.NumberIDSubject(c.ID).String()) > maxNumber || len(c.Number) > maxNumber {
		return fmt.Errorf("%w: a number of %d bytes with an id of %d", ErrInvalid, len(c.Number), len(c.ID))
	}
	return nil
}

// HasClaim reports whether a claim would change nothing.
func (v *View) HasClaim(c Claim) bool { return len(v.namesOfClaim(c)) == 0 }

// namesOfClaim returns the names that a claim adds to its number.
func (v *View) namesOfClaim(c Claim) []string {
	name := report.NumberIDSubject(c.ID).String()
	was, is := v.Subject(c.ID, ""), v.Subject("", c.Number)
	var names []string
	switch {
	case was == is:
	case was != name && identity.SameLine(was, is):
		names = append(names, was) // the number in another form, that a resource named before
	default:
		names = append(names, name)
	}
	if shown := v.displays(c.ID); shown != "" && v.Subject("", shown) != is && identity.SameLine(shown, is) {
		names = append(names, shown)
	}
	return names
}

// claim applies a claim.
func (m *Machine) claim(c Claim, about []string) []string {
	for _, name := range m.namesOfClaim(c) {
		s := m.ensure(m.Subject("", c.Number))
		if m.bind(name, s) {
			about = append(about, s.number)
		}
	}
	return about
}

// display applies a display. It names the number, too, if the id was claimed before.
func (m *Machine) display(d Display, about []string) []string {
	was, known := m.displayed[d.ID]
	if !d.valid() || was == d.Number || !known && len(m.displayed) >= mostDisplayed {
		return about
	}
	m.mu.Lock()
	m.displayed[strings.Clone(d.ID)] = strings.Clone(d.Number)
	m.mu.Unlock()
	is := m.Subject(d.ID, "")
	if is[0] != '+' || m.Subject("", d.Number) == is || !identity.SameLine(d.Number, is) {
		return about
	}
	if m.bind(strings.Clone(d.Number), m.ensure(is)) {
		about = append(about, is)
	}
	return about
}

// bind makes a name, and all names that were its own, names of a number, which takes over what was known under it. It reports
// whether anything was.
func (m *Machine) bind(name string, to *numberState) (took bool) {
	from := m.numbers[name]
	if from == to {
		return false
	}
	names := []string{name}
	var limits []*limit
	if from != nil && from.number == name {
		limits = m.limitsOf(from, to)
		names = append(names, from.names...)
		if from.portfolio != nil {
			from.portfolio.remove(from)
		}
		to.lock()
		to.absorb(from)
		to.unlock()
		m.removed = append(m.removed, numberKey(from.number))
		took = from.known()
	}
	m.mu.Lock()
	if from != nil { // names are read without a copy
		from.names = slices.DeleteFunc(slices.Clone(from.names), func(n string) bool { return slices.Contains(names, n) })
	}
	for _, name := range names {
		m.numbers[name] = to
	}
	to.names = slices.Sorted(slices.Values(slices.Concat(to.names, names)))
	m.sorted = nil
	m.mu.Unlock()
	if from != nil && from.number == name {
		m.inherit(from, to, limits)
	}
	return took
}
