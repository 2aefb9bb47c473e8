package graph

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"unicode"

	"numberfleet.dev/numberfleet/internal/identity"
)

const (
	maxWord = 64  // bytes
	maxText = 256 // characters
	maxName = 512 // bytes: what Meta allows the name of a template
)

// errShape says that an answer is JSON, but not what was asked for. It never quotes the answer.
var errShape = errors.New("the answer has another shape than documented")

// object reads the fields of a JSON object one by one, so that a field in a shape that is not known costs only itself. The
// nil object has none.
type object struct {
	fields map[string]json.RawMessage
	path   string
	bad    *[]string // names of fields that could not be read, shared with the objects within
}

// newObject reads raw, in which the fields named in refused are known to be missing.
func newObject(raw []byte, refused []string) (*object, error) {
	bad := slices.Clone(refused)
	o := &object{bad: &bad}
	if err := json.Unmarshal(raw, &o.fields); err != nil || o.fields == nil {
		return nil, errShape
	}
	return o, nil
}

// unread is what could not be read, each name once.
func (o *object) unread() []string {
	slices.Sort(*o.bad)
	return slices.Compact(*o.bad)
}

// get is the field's value, nil if it is absent or null. Meta does both, and both mean that there is nothing to tell.
func (o *object) get(name string) json.RawMessage {
	if o == nil {
		return nil
	}
	raw := o.fields[name]
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	return raw
}

// field is a field as read makes it: zero where it is absent, or where it is not what it must be, which is noted.
func field[T any](o *object, name string, read func(json.RawMessage) (T, bool)) T {
	var none T
	raw := o.get(name)
	if raw == nil {
		return none
	}
	value, ok := read(raw)
	if !ok {
		*o.bad = append(*o.bad, o.path+name)
		return none
	}
	return value
}

func decoded[T any](raw json.RawMessage) (T, bool) {
	var value T
	err := json.Unmarshal(raw, &value)
	return value, err == nil
}

// word is a string of at most maxWord printable characters without spaces, or a number in its digits: Meta has written
// limits both ways.
func (o *object) word(name string) string { return field(o, name, upTo(maxWord)) }

// name is what something is called by: at most maxName printable characters without spaces, and never cut.
func (o *object) name(name string) string { return field(o, name, upTo(maxName)) }

func upTo(most int) func(json.RawMessage) (string, bool) {
	return func(raw json.RawMessage) (string, bool) {
		s, ok := scalar(raw)
		return s, ok && len(s) <= most && printable(s)
	}
}

// id is an id of Meta's: digits, as a string or a number.
func (o *object) id(name string) string { return field(o, name, readID) }

func readID(raw json.RawMessage) (string, bool) {
	id, ok := scalar(raw)
	return id, ok && identity.IsMetaID(id)
}

// text is free text of at most maxText characters; it is cut where it is longer.
func (o *object) text(name string) string { return tidy(field(o, name, decoded[string])) }

func (o *object) texts(name string, most int) []string {
	all := field(o, name, decoded[[]string])
	all = all[:min(len(all), most)]
	for i, s := range all {
		all[i] = tidy(s)
	}
	return all
}

func (o *object) flag(name string) bool { return field(o, name, decoded[bool]) }

func (o *object) object(name string) *object {
	fields := field(o, name, decoded[map[string]json.RawMessage])
	if fields == nil {
		return nil
	}
	return &object{fields: fields, path: o.path + name + ".", bad: o.bad}
}

// objects are the first most objects of a list.
func (o *object) objects(name string, most int) []*object {
	list := field(o, name, decoded[[]map[string]json.RawMessage])
	all := make([]*object, min(len(list), most))
	for i := range all {
		all[i] = &object{fields: list[i], path: o.path + name + ".", bad: o.bad}
	}
	return all
}

// scalar is the string that raw is, or the number as it is written. False means that it is something else.
func scalar(raw json.RawMessage) (string, bool) {
	raw = bytes.TrimSpace(raw)
	switch {
	case len(raw) == 0:
		return "", false
	case raw[0] == '"':
		var s string
		err := json.Unmarshal(raw, &s)
		return s, err == nil
	case raw[0] == '-' || '0' <= raw[0] && raw[0] <= '9':
		return string(raw), true
	default:
		return "", false
	}
}

func printable(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
}

// tidy is s on one line, cut to maxText characters.
func tidy(s string) string {
	var b strings.Builder
	characters := 0
	for _, r := range s {
		if characters++; characters > maxText {
			break
		}
		if unicode.IsControl(r) {
			r = ' '
		}
		b.WriteRune(r)
	}
	return strings.TrimSpace(b.String())
}
