package meta

import (
	"fmt"
	"strings"
	"time"

	"github.com/valyala/fastjson"

	"numberfleet.dev/numberfleet/internal/report"
)

const (
	account     = "whatsapp_business_account"
	maxIDLength = 512               // of user and message ids, in bytes: a business-scoped id has up to 131, a message id about 60
	maxSeconds  = 1_000_000_000_000 // a time beyond is in milliseconds

	resent = 7 * 24 * 60 * 60 // seconds: how long Meta sends again what is refused

	ahead = "must be a time that has come, but lies too far ahead"
	never = "must be a time that has come, but lies more than a week ahead"
)

// Parse reads the body of a webhook POST. Events later than latest are refused, since they would count wrong from then on, and
// come again when they do not.
//
// The error is a *SyntaxError, a *FieldError or a *TooManyError, and holds nothing personal; then nothing of the body is
// returned, for half a POST must not be stored. Otherwise the caller releases what is returned. The body is not kept.
//
// An item that cannot be read, such as a status that names no user, is no error: it would be the same whenever it came again, and
// keep back all that is with it. It is passed over, and Updates tells of it.
func Parse(body []byte, latest time.Time) (*Updates, error) { return ParseOf(body, latest, nil, nil) }

// ParseOf is Parse for one who may hear of some accounts only: of what the body tells of another account, nothing is returned but
// how much it is, and what may be about one of theirs all the same. Nil means that all may be heard of. Names say what numbers go by;
// without them, it is the number that Meta displays.
func ParseOf(body []byte, latest time.Time, allowed func(account string) bool, names Names) (*Updates, error) {
	values, err := checkSyntax(body)
	if err != nil {
		return nil, err
	}
	u := pool.Get().(*Updates)
	u.values = values
	root, err := u.parser.ParseBytes(body)
	if err != nil {
		u.Release()
		return nil, &SyntaxError{Problem: "is not valid JSON"} // its own error quotes the body
	}
	r := reader{u: u, latest: latest.Unix(), allowed: allowed, names: names}
	if err := r.body(root); err != nil {
		u.Release()
		return nil, err
	}
	return u, nil
}

func (r *reader) body(root *fastjson.Value) error {
	if root.Type() != fastjson.TypeObject {
		return &FieldError{"body", must("an object", root)}
	}
	object := root.Get("object")
	name, ok := text(object)
	if !ok || name == "" {
		return &FieldError{"object", must(fmt.Sprintf("%q", account), object)}
	}
	if name != account { // of another product, which an app may be subscribed to as well
		r.u.Other[fieldOf(name)]++
		return nil
	}
	entries, err := array(root.Get("entry"), "entry")
	if err != nil {
		return err
	}
	var entry *fastjson.Value
	for r.entry, entry = range entries {
		if err := r.pass(r.readEntry(entry)); err != nil {
			return err
		}
	}
	return nil
}

// pass is nil for what is passed over.
func (r *reader) pass(err error) error {
	wrong, ok := err.(*FieldError) //nolint:errorlint // nothing wraps it
	if !ok || wrong.Problem == ahead {
		return err
	}
	r.u.Unread = append(r.u.Unread, wrong)
	return nil
}

func (r *reader) readEntry(entry *fastjson.Value) error {
	if entry.Type() != fastjson.TypeObject {
		return firstOf(r.count(1), &FieldError{fmt.Sprintf("entry[%d]", r.entry), must("an object", entry)})
	}
	r.time = entry.Get("time")
	changes := entry.Get("changes")
	if changes == nil || changes.Type() != fastjson.TypeArray {
		return firstOf(r.count(1), r.badEntry("changes", "an array", changes))
	}
	var change *fastjson.Value
	for r.change, change = range changes.GetArray() {
		before, had := r.updates, r.u.lengths()
		r.account = entry.Get("id") // only what is about the account needs it
		r.nameless = true
		err := r.pass(r.readChange(change))
		if len(r.u.Named) > had.named {
			r.u.Named[had.named].Updates = r.updates - before
		}
		r.dropForeign(had)
		if err == nil && r.updates == before {
			err = r.count(1) // so that no number of changes is free
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// firstOf is the first error there is.
func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// dropForeign takes back what a change brought, if it is about an account that the caller may not know of. A portfolio and a number that goes
// by Meta's id may be of another account than the entry, which in what Meta tells a partner is the partner's business.
func (r *reader) dropForeign(had lengths) {
	if r.allowed == nil || r.u.lengths() == had {
		return
	}
	account, ok := text(r.account)
	if !ok {
		account = r.account.String() // a number; Meta writes strings
	}
	if r.allowed(account) {
		return
	}
	told := r.u.Reports[had.reports:]
	for i := range told {
		if of := told[i].Subject.Type; of == report.Portfolio || of == report.NumberID && told[i].Kind == report.Alert {
			r.u.Claims = append(r.u.Claims, told[i])
			r.u.Foreign--
		}
	}
	brought := r.u.cut(had)
	r.u.Foreign += brought
	if brought > 0 && r.u.ForeignAccount == "" {
		r.u.ForeignAccount = strings.Clone(account[:min(len(account), maxWordLength)])
	}
}

func (r *reader) readChange(change *fastjson.Value) error {
	if change.Type() != fastjson.TypeObject {
		return r.badChange("", "an object", change)
	}
	written := change.Get("field")
	field, ok := text(written)
	value := change.Get("value")
	if field == "" && value.Exists("messaging_product") && value.Exists("metadata") {
		field = messagesField // by its shape
	}
	if !ok || field == "" {
		return r.badChange(".field", "a string that is not empty", written)
	}
	place := fieldOf(field)
	read := fields[place].read
	if read == nil {
		r.passingEntry()
		r.u.Other[place]++
		return r.count(1)
	}
	if value == nil || value.Type() != fastjson.TypeObject {
		return r.badChange(".value", "an object", value)
	}
	before := r.updates
	if err := read(r, value); err != nil {
		return err
	}
	if r.updates == before {
		// It holds nothing that is known. It counts, so that no number of such changes is free.
		r.passingEntry()
		r.u.Other[place]++
		return r.count(1)
	}
	return nil
}

// metadata reads what a value says about all of its items: the number and the users.
func (r *reader) metadata(value *fastjson.Value) error {
	metadata := value.Get("metadata")
	if metadata == nil || metadata.Type() != fastjson.TypeObject {
		return r.badValue("metadata", "an object", metadata)
	}
	if err := r.readNumber(metadata, "metadata.display_phone_number"); err != nil {
		return err
	}
	r.u.contacts = r.u.contacts[:0]
	contacts := value.Get("contacts")
	if absent(contacts) {
		return nil
	}
	if contacts.Type() != fastjson.TypeArray {
		return r.badValue("contacts", "an array", contacts)
	}
	r.list = "contacts"
	var contact *fastjson.Value
	for r.item, contact = range contacts.GetArray() {
		if r.item == MaxUpdates { // looking a user up among them stays cheap
			return &TooManyError{What: "contacts", Limit: MaxUpdates}
		}
		if contact.Type() != fastjson.TypeObject {
			return r.badItem("", "an object", contact)
		}
		phone, err := r.phone("wa_id", contact.Get("wa_id"))
		if err != nil {
			return err
		}
		scoped, err := r.id("user_id", contact.Get("user_id"))
		if err != nil {
			return err
		}
		r.u.contacts = append(r.u.contacts, Identity{Phone: phone, Scoped: scoped})
	}
	return nil
}

// each reads every item of the value's list, if it has that list.
func (r *reader) each(value *fastjson.Value, list string, read func(*reader, *fastjson.Value) error) error {
	items := value.Get(list)
	if absent(items) {
		return nil
	}
	if items.Type() != fastjson.TypeArray {
		return r.badValue(list, "an array", items)
	}
	all := items.GetArray()
	if err := r.count(len(all)); err != nil {
		return err
	}
	r.list = list
	var item *fastjson.Value
	for r.item, item = range all {
		var err error
		if item.Type() == fastjson.TypeObject {
			err = read(r, item)
		} else {
			err = r.badItem("", "an object", item)
		}
		if err == nil {
			continue
		}
		if err := r.pass(err); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) count(updates int) error {
	if r.updates += updates; r.updates > MaxUpdates {
		return &TooManyError{What: "updates", Limit: MaxUpdates}
	}
	return nil
}

// report adds a report of the entry's time.
func (r *reader) report(said report.Report) error {
	if said.Subject.Type == report.Portfolio {
		r.named(Named{Portfolio: said.Subject.ID})
	}
	var err error
	if said.At, err = r.entryTime(); err != nil {
		return err
	}
	if err := r.count(1); err != nil {
		return err
	}
	r.u.Reports = append(r.u.Reports, said)
	return nil
}
