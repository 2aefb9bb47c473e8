package meta

import (
	"fmt"
	"strings"
	"time"

	"github.com/valyala/fastjson"

	"numberfleet.dev/numberfleet/internal/identity"
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
func ParseOf(body []byte, latest time.Time, hears func(account string) bool, names Names) (*Updates, error) {
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
	r := reader{u: u, latest: latest.Unix(), hears: hears, names: names}
	if err := r.body(root); err != nil {
		u.Release()
		return nil, err
	}
	return u, nil
}

// reader goes through one body. Its fields below latest say where it is.
type reader struct {
	u       *Updates
	latest  int64 // Unix seconds
	hears   func(account string) bool
	names   Names // nil for none
	updates int

	entry   int
	change  int
	list    string // the list in the change's value
	item    int
	account *fastjson.Value // Meta's id of the account that the change is about: the entry's, unless the change names another
	time    *fastjson.Value // of the entry
	number  string          // what the number goes by that the value is about

	nameless bool // whether the change is about no number or portfolio
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
		r.unhear(had)
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

// unhear takes back what a change brought, if it is about an account that may not be heard of. A portfolio and a number that goes
// by Meta's id may be of another account than the entry, which in what Meta tells a partner is the partner's business.
func (r *reader) unhear(had lengths) {
	if r.hears == nil || r.u.lengths() == had {
		return
	}
	account, ok := text(r.account)
	if !ok {
		account = r.account.String() // a number; Meta writes strings
	}
	if r.hears(account) {
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

// word is the word in a field of the value, which must be there.
func (r *reader) word(value *fastjson.Value, path ...string) (string, error) {
	written := value.Get(path...)
	word, ok := word(written)
	if !ok || word == "" {
		return "", r.badValue(strings.Join(path, "."), aWord, written)
	}
	return word, nil
}

// phrase is the text in a field of the value, empty if it is absent.
func (r *reader) phrase(value *fastjson.Value, path ...string) (string, error) {
	written := value.Get(path...)
	phrase, ok := phrase(written)
	if !ok {
		return "", r.badValue(strings.Join(path, "."), "a string", written)
	}
	return phrase, nil
}

// identifier is the id in a field of the value, which must be there.
func (r *reader) identifier(value *fastjson.Value, path ...string) (string, error) {
	written := value.Get(path...)
	id, ok := identifier(written)
	if !ok {
		return "", r.badValue(strings.Join(path, "."), anID, written)
	}
	return id, nil
}

// user is the user whom an item names by its phone field, its scoped field or both; by the only contact where it names
// neither. A contact that has one of the two gives the other.
func (r *reader) user(phoneField string, phone *fastjson.Value, scopedField string, scoped *fastjson.Value) (Identity, error) {
	var user Identity
	var err error
	if user.Phone, err = r.phone(phoneField, phone); err != nil {
		return user, err
	}
	if user.Scoped, err = r.id(scopedField, scoped); err != nil {
		return user, err
	}
	contacts := r.u.contacts
	switch {
	case user.Phone != "" && user.Scoped != "":
	case user.Phone != "":
		for i := range contacts {
			if contacts[i].Phone == user.Phone {
				user.Scoped = contacts[i].Scoped
				break
			}
		}
	case user.Scoped != "":
		for i := range contacts {
			if contacts[i].Scoped == user.Scoped {
				user.Phone = contacts[i].Phone
				break
			}
		}
	case len(contacts) == 1:
		user = contacts[0]
	}
	if user == (Identity{}) {
		return user, &FieldError{r.itemPath(phoneField), fmt.Sprintf("must be there, or %s, or else exactly one contact", scopedField)}
	}
	return user, nil
}

// phone is the id that v holds if it is a WhatsApp ID: digits, which some write with a plus. Of a number with several forms it is
// the one that stands for all, so that whoever looks a user up finds them under each.
func (r *reader) phone(field string, v *fastjson.Value) (string, error) {
	id, err := r.id(field, v)
	return identity.Phone(strings.TrimPrefix(id, "+")), err
}

// id is the id that v holds, empty if v is absent. It is a string, or a whole number.
func (r *reader) id(field string, v *fastjson.Value) (string, error) {
	id, ok := text(v)
	if !ok {
		id, ok = identifier(v)
	}
	if !ok || len(id) > maxIDLength {
		return "", r.badItem(field, fmt.Sprintf("a string of at most %d bytes", maxIDLength), v)
	}
	return id, nil
}

// entryTime is the time of the entry in Unix seconds.
func (r *reader) entryTime() (int64, error) {
	at, ok := integer(r.time)
	if at > maxSeconds {
		at /= 1000
	}
	switch {
	case !ok || at < 1:
		return 0, r.badEntry("time", "a time in Unix seconds or milliseconds", r.time)
	case at > r.latest:
		return 0, &FieldError{fmt.Sprintf("entry[%d].time", r.entry), r.tooSoon(at)}
	}
	r.said(at)
	return at, nil
}

// tooSoon is the problem of a time that has not come. One that comes while Meta still sends again is refused until then: it may be
// our clock that is slow. Any other would be sent again for nothing.
func (r *reader) tooSoon(at int64) string {
	if at-r.latest <= resent {
		return ahead
	}
	return never
}

// timestamp is the time of an item in Unix seconds.
func (r *reader) timestamp(v *fastjson.Value) (int64, error) {
	at, ok := integer(v)
	switch {
	case !ok || at < 1 || at > maxSeconds:
		return 0, r.badItem("timestamp", "a time in Unix seconds, as a string or a whole number", v)
	case at > r.latest:
		return 0, &FieldError{r.itemPath("timestamp"), r.tooSoon(at)}
	}
	r.said(at)
	return at, nil
}

func (r *reader) badEntry(field, allowed string, v *fastjson.Value) error {
	return &FieldError{fmt.Sprintf("entry[%d].%s", r.entry, field), must(allowed, v)}
}

func (r *reader) badChange(field, allowed string, v *fastjson.Value) error {
	return &FieldError{fmt.Sprintf("entry[%d].changes[%d]%s", r.entry, r.change, field), must(allowed, v)}
}

func (r *reader) badValue(field, allowed string, v *fastjson.Value) error {
	return &FieldError{fmt.Sprintf("entry[%d].changes[%d].value.%s", r.entry, r.change, field), must(allowed, v)}
}

func (r *reader) badItem(field, allowed string, v *fastjson.Value) error {
	return &FieldError{r.itemPath(field), must(allowed, v)}
}

// itemPath is the path of a field of the item being read, or of the item itself if field is empty.
func (r *reader) itemPath(field string) string {
	path := fmt.Sprintf("entry[%d].changes[%d].value.%s[%d]", r.entry, r.change, r.list, r.item)
	if field == "" {
		return path
	}
	return path + "." + field
}
