package cloudevents

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/valyala/fastjson"
)

// Bounds are what may come in one request.
type Bounds struct {
	Events int // how many
	Bytes  int // of one event
}

// ManyError says that there are more events than Bounds allow.
type ManyError struct{ Most int }

func (e *ManyError) Error() string { return fmt.Sprintf("at most %d events may come at once", e.Most) }

// Parse reads one event in JSON.
func (r *Parser) Parse(content []byte, bounds Bounds) ([]Event, error) {
	e, err := r.bounded(content, Event{}, bounds, "is not JSON: it must be one CloudEvent, a JSON object")
	if err != nil {
		return nil, err
	}
	return []Event{e}, nil
}

// ParseLines reads events in JSON, one per line. Empty lines are passed over.
func (r *Parser) ParseLines(content []byte, bounds Bounds) ([]Event, error) {
	lines := NewReader(bytes.NewReader(content))
	lines.longest, lines.parser = bounds.Bytes, r
	var events []Event
	for {
		e, err := lines.Next()
		switch {
		case errors.Is(err, io.EOF):
			return events, nil
		case err != nil:
			return nil, err
		case len(events) == bounds.Events:
			return nil, &ManyError{bounds.Events}
		}
		events = append(events, e)
	}
}

// ParseBatch reads a JSON array of events.
//
// Each event is cut out and parsed by itself: what the JSON parser makes of a body can be some dozen times its size.
func (r *Parser) ParseBatch(content []byte, bounds Bounds) ([]Event, error) {
	const notJSON = "is not JSON: a batch must be an array of CloudEvents"
	malformed := &Error{Problem: notJSON}
	rest, ok := bytes.CutPrefix(bytes.TrimLeft(content, space), []byte("["))
	if !ok {
		return nil, malformed
	}
	var events []Event
	for {
		item, end := cut(rest)
		if end == len(rest) {
			return nil, malformed // it ends without a bracket
		}
		last, alone := rest[end] == ']', len(events) == 0
		rest = rest[end+1:]
		if last && len(bytes.TrimLeft(rest, space)) > 0 {
			return nil, malformed
		}
		if last && alone && len(bytes.TrimLeft(item, space)) == 0 {
			return nil, nil
		}
		if len(events) == bounds.Events {
			return nil, &ManyError{bounds.Events}
		}
		e, err := r.bounded(item, Event{Item: len(events) + 1}, bounds, "is not JSON: each item must be one CloudEvent, a JSON object")
		if err != nil {
			return nil, err
		}
		events = append(events, e)
		if last {
			return events, nil
		}
	}
}

const space = " \t\r\n"

// cut is the first item of an array's rest, and where the comma or bracket after it is; the length if there is none.
func cut(rest []byte) (item []byte, end int) {
	depth, quoted := 0, false
	for i := 0; i < len(rest); i++ {
		switch c := rest[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
		case depth == 0 && (c == ',' || c == ']'):
			return rest[:i], i
		case c == '}' || c == ']':
			depth--
		}
	}
	return rest, len(rest)
}

// ParseAttributes reads an event whose data, in JSON, came apart from its attributes. Attributes that are absent are empty.
func (r *Parser) ParseAttributes(attribute func(name string) string, data []byte, bounds Bounds) ([]Event, error) {
	if len(data) > bounds.Bytes {
		return nil, &Error{Field: "data", Problem: fmt.Sprintf("is too long: it may have %d bytes", bounds.Bytes)}
	}
	content, err := r.json.ParseBytes(data)
	if err != nil {
		return nil, &Error{Field: "data", Problem: "is not JSON: it must be a JSON object"}
	}
	var arena fastjson.Arena
	attributes := arena.NewObject()
	for _, name := range []string{"specversion", "id", "source", "type", "time", "datacontenttype"} {
		if value := attribute(name); value != "" {
			attributes.Set(name, arena.NewString(value))
		}
	}
	e, err := r.take(attributes, content, Event{})
	if err != nil {
		return nil, err
	}
	return []Event{e}, nil
}

func (r *Parser) bounded(content []byte, e Event, bounds Bounds, notJSON string) (Event, error) {
	if len(content) > bounds.Bytes {
		return Event{}, e.Refuse("", fmt.Sprintf("is too long: an event may have %d bytes", bounds.Bytes))
	}
	return r.parse(content, e, notJSON)
}
