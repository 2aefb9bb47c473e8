package cloudevents

import (
	"bytes"
	"encoding/json"
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

// ParseBatch reads a JSON array of events. Each is decoded by itself: the parsed form of a whole body can be some dozen times
// its size.
func (r *Parser) ParseBatch(content []byte, bounds Bounds) ([]Event, error) {
	malformed := &Error{Problem: "is not JSON: a batch must be an array of CloudEvents"}
	array := json.NewDecoder(bytes.NewReader(content))
	if start, err := array.Token(); err != nil || start != json.Delim('[') {
		return nil, malformed
	}
	var events []Event
	for array.More() {
		if len(events) == bounds.Events {
			return nil, &ManyError{bounds.Events}
		}
		e := Event{Item: len(events) + 1}
		const notJSON = "is not JSON: each item must be one CloudEvent, a JSON object"
		var item json.RawMessage
		if err := array.Decode(&item); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, malformed
		} else if err != nil {
			return nil, e.Refuse("", notJSON)
		}
		e, err := r.bounded(item, e, bounds, notJSON)
		if err != nil {
			return nil, err
		}
		events = append(events, e)
	}
	if _, err := array.Token(); err != nil { // the bracket that ends it
		return nil, malformed
	}
	if _, err := array.Token(); !errors.Is(err, io.EOF) {
		return nil, malformed
	}
	return events, nil
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
