package meta

import "github.com/valyala/fastjson"

// A user who changes the phone number gets another business-scoped id with it. Meta tells a number that the user wrote to: in a
// system message, or, in a field that its page named until August 2026, as an update of the id.

// changes are the types of a system message that are about who a user is. Others, such as customer_identity_changed, are about the
// keys of a user's devices.
var changes = map[string]bool{"user_changed_number": true, "user_changed_user_id": true, "customer_changed_number": true}

// system reads an item of messages that no user wrote. All ids in it are one user's.
func (r *reader) system(item *fastjson.Value) error {
	system := item.Get("system")
	if kind, _ := text(system.Get("type")); !changes[kind] {
		return r.skip(item)
	}
	ids := []named{
		{"from", item.Get("from"), true},
		{"from_user_id", item.Get("from_user_id"), false},
		{"system.customer", system.Get("customer"), true},
		{"system.wa_id", system.Get("wa_id"), true},
		{"system.new_wa_id", system.Get("new_wa_id"), true},
		{"system.previous_user_id", system.Get("previous_user_id"), false},
		{"system.user_id", system.Get("user_id"), false},
	}
	// The id that several portfolios share changes with it, where a user has one.
	if before := system.Get("previous_parent_user_id"); !absent(before) {
		ids = append(ids, named{"system.previous_parent_user_id", before, false}, named{"system.parent_user_id", system.Get("parent_user_id"), false})
	}
	return r.changed(item.Get("timestamp"), ids)
}

// userIDs reads a value of the field user_id_update.
func (r *reader) userIDs(value *fastjson.Value) error {
	if err := r.metadata(value); err != nil {
		return err
	}
	return r.each(value, "user_id_update", func(r *reader, item *fastjson.Value) error {
		return r.changed(item.Get("timestamp"), []named{
			{"wa_id", item.Get("wa_id"), true},
			{"user_id.previous", item.Get("user_id", "previous"), false},
			{"user_id.current", item.Get("user_id", "current"), false},
		})
	})
}

// named is an id in a field of an item.
type named struct {
	field string
	value *fastjson.Value
	phone bool // a WhatsApp ID
}

// changed joins the ids of an item, as far as there are several.
func (r *reader) changed(timestamp *fastjson.Value, ids []named) error {
	at, err := r.timestamp(timestamp)
	if err != nil {
		return err
	}
	first, joins := "", len(r.u.Joins)
	for _, id := range ids {
		read := (*reader).id
		if id.phone {
			read = (*reader).phone
		}
		is, err := read(r, id.field, id.value)
		if err != nil {
			r.u.Joins = r.u.Joins[:joins]
			return err
		}
		switch {
		case is == "" || is == first:
		case first == "":
			first = is
		default:
			r.u.Joins = append(r.u.Joins, Join{Number: r.number, One: first, Other: is, At: at})
		}
	}
	if len(r.u.Joins) == joins {
		r.u.Skipped++
		return nil
	}
	r.u.Changed++
	return nil
}
