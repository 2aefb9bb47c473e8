package meta

import (
	"fmt"
	"strings"

	"github.com/valyala/fastjson"

	"numberfleet.dev/numberfleet/internal/identity"
)

// reader goes through one body. Its fields below latest say where it is.
type reader struct {
	u       *Updates
	latest  int64 // Unix seconds
	allowed func(account string) bool
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
