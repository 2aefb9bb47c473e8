package meta

import "github.com/valyala/fastjson"

// Preferences counts what users decided about marketing messages. Who did is not kept: Meta holds back what they do not want.
type Preferences struct {
	Stopped, Resumed, Other int
}

// preferences reads a value of the field user_preferences.
func (r *reader) preferences(value *fastjson.Value) error {
	return r.each(value, "user_preferences", (*reader).preference)
}

func (r *reader) preference(item *fastjson.Value) error {
	category, _ := text(item.Get("category"))
	value, _ := text(item.Get("value"))
	switch {
	case category == "marketing_messages" && value == "stop":
		r.u.Preferred.Stopped++
	case category == "marketing_messages" && value == "resume":
		r.u.Preferred.Resumed++
	default:
		r.u.Preferred.Other++
	}
	return nil
}
