package meta

import (
	"github.com/valyala/fastjson"

	"numberfleet.dev/numberfleet/internal/identity"
)

// Named is a number or a portfolio that a change is about, and which account the change came from.
type Named struct {
	Number    string // in E.164, or what Names say; empty where it is a portfolio
	ID        string // that Meta gave to the number; empty where the change gives none
	Displayed string // the number as Meta displays it, in E.164; empty where that is no number
	Portfolio string // Meta's id of a business portfolio; empty where it is a number
	Account   string // Meta's id of the WhatsApp Business account, as it came; empty where there is none
	At        int64  // Unix seconds of the first update of the change that says its time; zero where none does
	Updates   int    // of the change; zero if it is not the first that the change names
}

// named notes what the change being read is about.
func (r *reader) named(is Named) {
	var ok bool
	if is.Account, ok = text(r.account); !ok {
		is.Account, _ = identifier(r.account)
	}
	r.u.Named = append(r.u.Named, is)
	r.nameless = false
}

// said notes the time of an update.
func (r *reader) said(at int64) {
	if r.u.First == 0 || at < r.u.First {
		r.u.First = at
	}
	r.u.Last = max(r.u.Last, at)
	if n := len(r.u.Named); n > 0 && !r.nameless && r.u.Named[n-1].At == 0 {
		r.u.Named[n-1].At = at
	}
}

// passing notes the time of an item that is not counted, as far as it says one.
func (r *reader) passing(timestamp *fastjson.Value) {
	if at, ok := integer(timestamp); ok && at >= 1 && at <= r.latest {
		r.said(at)
	}
}

// passingEntry notes the time of an entry of which nothing is counted, as far as it says one.
func (r *reader) passingEntry() {
	_, _ = r.entryTime()
}

// Names knows numbers by the names that Meta has for them.
type Names interface {
	// Subject is what a number goes by whose id is given and that is displayed as a number in E.164; one of the two may be empty. It
	// keeps none of them.
	Subject(id, number string) string
}

// readNumber reads which number a value, or its metadata, is about: by Meta's id and by how Meta displays it, which is not always in
// E.164. The path is that of the displayed number.
func (r *reader) readNumber(object *fastjson.Value, path string) error {
	written := object.Get("display_phone_number")
	number := ""
	if display, ok := text(written); ok {
		number, _ = identity.E164(display)
	}
	id := digits(object.Get("phone_number_id"))
	if r.number = r.subject(id, number); r.number == "" {
		return r.badValue(path, aNumber, written)
	}
	r.named(Named{Number: r.number, ID: id, Displayed: number})
	return nil
}

// subject is what a number goes by. Without Names that is the number as it is displayed, and empty where it is not.
func (r *reader) subject(id, number string) string {
	if r.names == nil || id == "" && number == "" {
		return number
	}
	return r.names.Subject(id, number)
}

// digits is an id of Meta's, empty where v holds none. It aliases the parser's memory.
func digits(v *fastjson.Value) string {
	if v != nil && v.Type() == fastjson.TypeNumber {
		id, _ := identifier(v)
		return id
	}
	id, ok := text(v)
	if !ok || !identity.IsMetaID(id) {
		return ""
	}
	return id
}
