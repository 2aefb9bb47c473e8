package counts

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"numberfleet.dev/numberfleet/internal/identity"
	"numberfleet.dev/numberfleet/internal/report"
)

// Meta names a number by an id and by how it displays it, which for some numbers is not E.164 as it is dialled today. A resource names
// it by one of the two, or by both. So a number can have names besides its own, and whatever comes under any of them is its own:
//
//   - the NumberIDSubject of its id, once a resource has claimed that;
//   - another form of the number, once Meta has displayed it with that id.
//
// What came under a name before it was one is taken over. Then the name is given by a row of the journal, so that a restart, which reads
// the rows in their order, ends where the process did.

// Name says that Meta displays the number of an id so.
type Name struct {
	ID     string // that Meta gave to the number
	Number string // E.164, with the leading plus
}

// mostDisplayed bounds the ids of which it is remembered how they are displayed: more than anyone's webhooks have.
const mostDisplayed = 1 << 17

func nameKey(name string) []byte    { return append([]byte("a"), name...) }
func displayedKey(id string) []byte { return append([]byte("d"), id...) }

// Subject implements Ledger. It takes no memory where the number is known.
func (e *Embedded) Subject(id, number string) string {
	e.scopesMu.RLock()
	defer e.scopesMu.RUnlock()
	if id != "" {
		var room [maxNumber]byte
		if s := e.scopes[string(report.NumberIDSubject(id).AppendTo(room[:0]))]; s != nil && (number == "" || s.number[0] == '+') {
			return s.number
		}
	}
	if number == "" {
		return report.NumberIDSubject(id).String()
	}
	if s := e.scopes[number]; s != nil {
		return s.number
	}
	return number
}

// Names implements Ledger.
func (e *Embedded) Names(subject string) []string {
	e.scopesMu.RLock()
	defer e.scopesMu.RUnlock()
	s := e.scopes[subject]
	if s == nil {
		return []string{subject}
	}
	return append([]string{s.number}, s.names...)
}

// namesOf are the names of a number besides its own. They are not to be changed.
func (e *Embedded) namesOf(s *scope) []string {
	e.scopesMu.RLock()
	defer e.scopesMu.RUnlock()
	return s.names
}

// Claim implements Ledger.
func (e *Embedded) Claim(id, number string) error {
	if id == "" || number == "" || len(report.NumberIDSubject(id).String()) > maxNumber || len(number) > maxNumber {
		return fmt.Errorf("%w: a number of %d bytes with an id of %d", ErrInvalid, len(number), len(id))
	}
	name := report.NumberIDSubject(id).String()
	was, is := e.Subject(id, ""), e.Subject("", number)
	var links []string
	switch {
	case was == is:
	case was != name && identity.SameLine(was, is):
		links = append(links, was) // the number in another form, that a resource named before
	default:
		links = append(links, name)
	}
	if shown := e.displays(id); shown != "" && e.Subject("", shown) != is && identity.SameLine(shown, is) {
		links = append(links, shown)
	}
	for _, link := range links {
		if err := e.link(link, is); err != nil {
			return err
		}
	}
	return nil
}

// learn notes how Meta displays the number of an id.
func (e *Embedded) learn(n Name) error {
	if n.ID == "" || n.Number == "" || len(n.ID) > maxNumber || len(n.Number) > maxNumber || e.displays(n.ID) == n.Number {
		return nil
	}
	id, number := string([]byte(n.ID)), string([]byte(n.Number)) // what was read is not kept
	e.scopesMu.Lock()
	_, known := e.displayed[id]
	full := !known && len(e.displayed) >= mostDisplayed
	if !full {
		e.displayed[id] = number
	}
	e.scopesMu.Unlock()
	if full {
		return nil
	}
	if e.db != nil {
		// It is on disk with the next row of the journal that is synced, which is that of what came with it.
		if err := e.db.Set(displayedKey(id), sealName(number), pebble.NoSync); err != nil {
			return fmt.Errorf("remember how a number is displayed: %w", err)
		}
	}
	if is := e.Subject(id, ""); is[0] == '+' && e.Subject("", number) != is && identity.SameLine(number, is) {
		return e.link(number, is)
	}
	return nil
}

func (e *Embedded) displays(id string) string {
	e.scopesMu.RLock()
	defer e.scopesMu.RUnlock()
	return e.displayed[id]
}

// link is a name that a number was given.
type link struct{ name, number string }

// link gives a number, which is no name itself, a name. Nothing is appended meanwhile, and no snapshot taken, which would save the two
// at different moments.
func (e *Embedded) link(name, number string) error {
	changed, err := e.name(link{name, number})
	e.tell(changed)
	return err
}

func (e *Embedded) name(l link) (changed []string, err error) {
	e.snapshots.Lock()
	defer e.snapshots.Unlock()
	e.grouping.Lock()
	defer e.grouping.Unlock()
	e.flight.Lock()
	defer e.flight.Unlock()
	if e.closed {
		return nil, ErrClosed
	}
	rec := record{links: []link{l}}
	if from := e.scope(l.name); from == nil || from.number == l.name && !from.holdsAny() {
		// No row of the journal is about the name, so that it may be given before they are read: it is on disk with the next row.
		if e.db != nil {
			if err := e.db.Set(nameKey(l.name), sealName(l.number), pebble.NoSync); err != nil {
				return nil, fmt.Errorf("keep a name: %w", err)
			}
		}
		e.bind(l.name, e.ensure(l.number))
		return nil, nil
	}
	if e.db != nil {
		row := rec.encode(nil)
		if err := e.rows.write(row); err != nil {
			return nil, fmt.Errorf("write to the journal: %w", err)
		}
		e.journaled.Add(int64(len(row)))
	}
	_, changed = e.apply(&rec)
	return changed, nil
}

// holdsAny says whether anything is known about the number, or was and may be in the journal.
func (s *scope) holdsAny() bool {
	s.rlock()
	defer s.runlock()
	return s.parts != nil || s.sequence > 0
}

// bind makes a name, and all names of what it was a name of, those of a number. What was known under it is the number's from now on.
func (e *Embedded) bind(name string, to *scope) {
	from := e.scope(name)
	if from == to {
		return
	}
	names := []string{name}
	if from != nil && from.number == name {
		names = append(names, from.names...)
		if g := from.group; g != nil {
			g.set(slices.DeleteFunc(slices.Clone(g.members), func(s *scope) bool { return s == from }))
		}
		to.absorb(from)
		e.absorbed = append(e.absorbed, from)
	}
	e.scopesMu.Lock()
	defer e.scopesMu.Unlock()
	if from != nil { // names are read without a copy
		from.names = slices.DeleteFunc(slices.Clone(from.names), func(n string) bool { return slices.Contains(names, n) })
	}
	for _, name := range names {
		e.scopes[name] = to
	}
	to.names = slices.Concat(to.names, names)
}

// absorb takes over what is known about another number. Histories are sets, so nothing counts twice.
func (s *scope) absorb(from *scope) {
	from.rlock()
	defer from.runlock()
	s.lock()
	defer s.unlock()
	for _, r := range from.reports {
		s.report(r)
	}
	if from.parts == nil {
		return
	}
	if s.parts == nil {
		s.horizon = max(s.horizon, from.horizon)
		s.parts = []*part{newPart(0, 0, s.horizon, nil)}
	}
	s.dirty = true
	s.heard.join(&from.heard)
	var users []key
	for _, p := range from.all() {
		for _, is := range p.slots {
			switch {
			case is.empty():
			case is.isAlias():
				if k := is.rank().key(); s.join(k, is.alias()) {
					users = append(users, k)
				}
			default:
				users = append(users, is.rank().key())
			}
		}
	}
	for chat, times := range from.chats.written {
		for _, at := range times {
			if int64(at) >= s.windows.first(s.horizon) {
				s.heard.add(at)
				s.hear(chat, at)
			}
		}
	}
	users = append(users, slices.Collect(maps.Keys(from.complaints))...)
	slices.Sort(users)
	h := &history{}
	for _, k := range slices.Compact(users) {
		if !from.look(k, h) {
			continue
		}
		for _, c := range h.complaints {
			if int64(c.at) >= s.horizon {
				s.complain(s.resolve(k), event{kind: Complained, print: c.print, at: c.at})
			}
		}
		h.complaints = h.complaints[:0]
		h.written = s.chats.written
		h.trim(s.windows, s.horizon)
		if newest := h.newest(); newest > 0 {
			s.take(s.resolve(k), h, newest)
		}
	}
	for k, at := range from.joined {
		if int64(at) >= s.horizon {
			s.remember(s.resolve(k), at)
		}
	}
}

// take adds a trimmed history of another number to that of a user.
func (s *scope) take(user key, h *history, newest uint32) {
	for _, d := range h.deliveries {
		s.heard.add(d.at)
	}
	for _, at := range h.inbounds {
		s.heard.add(at)
	}
	s.reach(user, newest) // it may sweep, which the group must see by itself
	if s.group != nil {
		s.group.meet(s, user)
		s.group.begin(s, user)
		defer s.group.end()
	}
	s.merge(user, h)
}

// saveNames writes the names that numbers have, and removes the rows of what was known under them.
func (e *Embedded) saveNames(to *pebble.Batch) error {
	for _, s := range e.all() {
		for _, name := range e.namesOf(s) {
			if err := to.Set(nameKey(name), sealName(s.number), nil); err != nil {
				return err
			}
		}
	}
	for _, s := range e.absorbed {
		if err := to.Delete(numberKey(s.number), nil); err != nil {
			return err
		}
		for _, name := range s.rows {
			if err := to.Delete(partKey(s.number, name), nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// loadNames reads the names that numbers had at the last snapshot, and how Meta displays ids.
func (e *Embedded) loadNames() error {
	err := e.each([]byte("d"), func(k, row []byte) error {
		number, err := openName(row)
		e.displayed[string(k[1:])] = number
		return err
	})
	if err != nil {
		return err
	}
	return e.each([]byte("a"), func(k, row []byte) error {
		number, err := openName(row)
		if err == nil {
			e.bind(string(k[1:]), e.ensure(number))
		}
		return err
	})
}

func sealName(number string) []byte { return seal(appendString([]byte{codecVersion}, number)) }

func openName(row []byte) (string, error) {
	r := unseal(row)
	number := r.string()
	if r.err == nil && (number == "" || len(number) > maxNumber) {
		r.fail(errors.New("it is no number's"))
	}
	if err := r.end(); err != nil {
		return "", fmt.Errorf("the row of a name cannot be read: %w", err)
	}
	return number, nil
}
