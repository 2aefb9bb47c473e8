package plan

import (
	"bufio"
	"cmp"
	"encoding/json"
	"io"
	"time"

	"numberfleet.dev/numberfleet/internal/cloudevents"
	"numberfleet.dev/numberfleet/internal/simulate"
)

// eventWriter writes events as CloudEvents, one per line.
type eventWriter struct {
	buffered *bufio.Writer
	lines    *json.Encoder
}

func newEventWriter(to io.Writer) *eventWriter {
	buffered := bufio.NewWriter(to)
	return &eventWriter{buffered, json.NewEncoder(buffered)}
}

type eventLine struct {
	SpecVersion string    `json:"specversion"`
	ID          string    `json:"id"`
	Source      string    `json:"source"`
	Type        string    `json:"type"`
	Time        string    `json:"time"`
	Data        eventData `json:"data"`
}

type eventData struct {
	Number    string `json:"number,omitempty"`
	User      string `json:"user,omitempty"`
	MessageID string `json:"messageID,omitempty"`
	Template  string `json:"template,omitempty"`
	Rating    string `json:"rating,omitempty"`
	Limit     int64  `json:"limit,omitempty"` // absent: unlimited
	State     string `json:"state,omitempty"`
	Business  string `json:"business,omitempty"`
}

// write writes an event of a plan.
func (w *eventWriter) write(e *cloudevents.Event) error {
	return w.lines.Encode(eventLine{
		SpecVersion: "1.0", ID: e.ID, Source: e.Source, Type: string(e.Type), Time: e.Time.UTC().Format(time.RFC3339),
		Data: eventData{
			Number: e.Number, User: e.User, MessageID: e.MessageID, Template: e.Template,
			Rating: string(e.Rating), Limit: e.Limit, State: cmp.Or(string(e.State), string(e.TemplateState)), Business: string(e.Verification),
		},
	})
}

func (w *eventWriter) flush() error { return w.buffered.Flush() }

// tee writes the events that it hands on.
type tee struct {
	simulate.Source
	writer *eventWriter
}

// Next implements simulate.Source.
func (t *tee) Next() (cloudevents.Event, error) {
	e, err := t.Source.Next()
	if err != nil {
		return e, err
	}
	return e, t.writer.write(&e)
}
