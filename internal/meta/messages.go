package meta

import (
	"strings"

	"github.com/valyala/fastjson"
)

// What opens the customer service window, by Meta's page "messages/send-messages": a message or call from the user. What Meta sends
// in the user's name, and what a user does to a message that was there, does not: the window is open since that message, or not at
// all, and a window that opens too late shows room that there is not.

// messages reads a value of the field messages: statuses of what was sent, and what users wrote. While another responder has a
// conversation, Meta's own agent among them, they come with the field standby.
func (r *reader) messages(value *fastjson.Value) error {
	if err := r.metadata(value); err != nil {
		return err
	}
	if err := r.each(value, "statuses", (*reader).status); err != nil {
		return err
	}
	if err := r.each(value, "messages", (*reader).message); err != nil {
		return err
	}
	return r.each(value, "errors", (*reader).skip)
}

// calls reads a value of the field calls.
func (r *reader) calls(value *fastjson.Value) error {
	if err := r.metadata(value); err != nil {
		return err
	}
	if err := r.each(value, "calls", (*reader).call); err != nil {
		return err
	}
	if err := r.each(value, "statuses", (*reader).callStatus); err != nil {
		return err
	}
	return r.each(value, "errors", (*reader).skip)
}

func (r *reader) skip(item *fastjson.Value) error {
	r.passing(item.Get("timestamp"))
	r.u.Skipped++
	return nil
}

// status reads an item of statuses. The names are gone through once, since a lookup of each would go through them again.
func (r *reader) status(item *fastjson.Value) error {
	var s statusFields
	var status, about, failures *fastjson.Value
	item.GetObject().Visit(func(name []byte, v *fastjson.Value) {
		switch string(name) {
		case "id":
			s.id = v
		case "status":
			status = v
		case "timestamp":
			s.timestamp = v
		case "type":
			about = v
		case "recipient_type":
			s.kind = v
		case "recipient_id":
			s.to = v
		case "recipient_user_id":
			s.toUser = v
		case "group_id":
			s.group = v
		case "recipient_participant_id", "participant_recipient_id": // Meta's pages write both
			s.participant = v
		case "recipient_participant_user_id":
			s.participantUser = v
		case "pricing":
			s.pricing = v
		case "errors":
			failures = v
		}
	})
	name, ok := text(status)
	if !ok || name == "" {
		return r.badItem("status", "a string that is not empty", status)
	}
	// Payments and calls have statuses as well; a failed payment is no failed message.
	switch about, _ := text(about); about {
	case "payment":
		return r.skip(item)
	case "call":
		return r.callStatus(item)
	}
	into := &r.u.Deliveries
	switch name {
	case "delivered", "read", "played":
	case "sent":
		r.passing(s.timestamp)
		r.u.Sent++
		if !categoryOf(s.pricing).Reply() {
			return nil
		}
		into = &r.u.Replies
	case "failed":
		r.passing(s.timestamp)
		return r.failure(failures, &s)
	default:
		return r.skip(item)
	}
	delivery, err := r.delivery(&s)
	if err != nil {
		return err
	}
	switch {
	case delivery.User != Identity{}:
		*into = append(*into, delivery)
	case name != "sent": // to a group as a whole
		return r.skip(item)
	}
	return nil
}

// statusFields are what a status says about which message it is.
type statusFields struct {
	id, timestamp, kind, to, toUser, group, participant, participantUser, pricing *fastjson.Value
}

// delivery reads to whom a message went, and when. It has no user where the message went to a group and no participant is said.
func (r *reader) delivery(s *statusFields) (Delivery, error) {
	d := Delivery{Number: r.number, Category: categoryOf(s.pricing)}
	var err error
	if d.MessageID, err = r.id("id", s.id); err != nil {
		return d, err
	}
	if d.MessageID == "" {
		return d, r.badItem("id", "a string that is not empty", s.id)
	}
	if d.At, err = r.timestamp(s.timestamp); err != nil {
		return d, err
	}
	kind, ok := text(s.kind)
	if !ok {
		return d, r.badItem("recipient_type", "a string", s.kind)
	}
	if kind != "group" && absent(s.group) && absent(s.participant) && absent(s.participantUser) {
		d.User, err = r.user("recipient_id", s.to, "recipient_user_id", s.toUser)
		return d, err
	}
	if absent(s.participant) && absent(s.participantUser) {
		return d, nil
	}
	if d.Group, err = r.id("group_id", s.group); err == nil && d.Group == "" {
		d.Group, err = r.id("recipient_id", s.to)
	}
	if err != nil {
		return d, err
	}
	d.User, err = r.user("recipient_participant_id", s.participant, "recipient_participant_user_id", s.participantUser)
	return d, err
}

// failure reads which message failed, and why. It failed even where the status does not say which.
func (r *reader) failure(errors *fastjson.Value, s *statusFields) error {
	f := Failure{Number: r.number}
	if first := errors.Get("0", "code"); first != nil {
		var ok bool
		if f.Code, ok = integer(first); !ok {
			return r.badItem("errors[0].code", "a whole number", first)
		}
	}
	if d, err := r.delivery(s); err == nil && d.User != (Identity{}) {
		f.User, f.MessageID, f.At = d.User, d.MessageID, d.At
	} else if at, err := r.timestamp(s.timestamp); err == nil {
		f.At = at
	}
	r.u.Failures = append(r.u.Failures, f)
	return nil
}

// message reads an item of messages.
func (r *reader) message(item *fastjson.Value) error {
	kind, ok := text(item.Get("type"))
	if !ok {
		return r.badItem("type", "a string", item.Get("type"))
	}
	switch {
	case kind == "system":
		return r.system(item)
	case !opens(kind, item):
		return r.skip(item)
	}
	return r.received(item)
}

// opens says whether an item of messages is a message from the user. A type that is not known is one: a user wrote something that
// this program, or Meta's, does not read.
func opens(kind string, item *fastjson.Value) bool {
	switch kind {
	case "edit", "revoke": // of a message that was there
		return false
	case "unsupported": // the same where Meta does not pass it on
		of, _ := text(item.Get("unsupported", "type"))
		return of != "edit" && of != "revoke"
	case "reaction": // without an emoji it takes one back
		return !absent(item.Get("reaction", "emoji"))
	case "request_welcome": // the user opened the chat and wrote nothing yet
		return false
	}
	// Meta revokes the permission to call after unanswered calls, and gives it when the user calls, which opens the window itself.
	// Its samples of these have no type.
	for _, path := range [...][]string{{"interactive", "call_permission_reply"}, {"call_permission_reply"}} {
		if source, _ := text(item.Get(append(path, "response_source")...)); strings.EqualFold(source, "automatic") {
			return false
		}
	}
	return true
}

// own says whether a call is from the number itself.
func (r *reader) own(from *fastjson.Value) bool {
	number, _ := text(from)
	return number != "" && strings.TrimPrefix(number, "+") == strings.TrimPrefix(r.number, "+")
}

// call reads an item of calls. A user's call opens the window when it comes in, answered or not, and not when it ends. A number
// that is called by SIP hears only that the call was created.
func (r *reader) call(item *fastjson.Value) error {
	direction, _ := text(item.Get("direction"))
	event, _ := text(item.Get("event"))
	usersCall := direction == "USER_INITIATED" || direction == "" && !r.own(item.Get("from"))
	if !usersCall || event != "connect" && event != "call_created" {
		return r.skip(item)
	}
	return r.received(item)
}

// callStatus reads a status of a call that the business made. A user who accepts it opens the window, by Meta's page
// "calling/pricing".
func (r *reader) callStatus(item *fastjson.Value) error {
	if status, _ := text(item.Get("status")); !strings.EqualFold(status, "ACCEPTED") {
		return r.skip(item)
	}
	return r.opened(item, "recipient_id", "recipient_user_id")
}

func (r *reader) received(item *fastjson.Value) error { return r.opened(item, "from", "from_user_id") }

// opened notes that the user in an item's fields opened the window, or that of a group.
func (r *reader) opened(item *fastjson.Value, phoneField, scopedField string) error {
	at, err := r.timestamp(item.Get("timestamp"))
	if err != nil {
		return err
	}
	user, err := r.user(phoneField, item.Get(phoneField), scopedField, item.Get(scopedField))
	if err != nil {
		return err
	}
	group, err := r.id("group_id", item.Get("group_id"))
	if err != nil {
		return err
	}
	r.u.Received = append(r.u.Received, Received{Number: r.number, User: user, Group: group, At: at})
	return nil
}
