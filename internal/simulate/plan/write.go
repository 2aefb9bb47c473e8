package plan

import (
	"cmp"
	"encoding/json"
	"time"

	"numberfleet.dev/numberfleet/internal/cloudevents"
	"numberfleet.dev/numberfleet/internal/simulate"
)

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

// tee writes the events that it hands on as CloudEvents, one per line.
type tee struct {
	simulate.Source
	lines *json.Encoder
}

// Next implements simulate.Source.
func (t *tee) Next() (cloudevents.Event, error) {
	e, err := t.Source.Next()
	if err != nil {
		return e, err
	}
	return e, t.lines.Encode(eventLine{
		SpecVersion: "1.0", ID: e.ID, Source: e.Source, Type: string(e.Type), Time: e.Time.UTC().Format(time.RFC3339),
		Data: eventData{
			Number: e.Number, User: e.User, MessageID: e.MessageID, Template: e.Template,
			Rating: string(e.Rating), Limit: e.Limit, State: cmp.Or(string(e.State), string(e.TemplateState)), Business: string(e.Verification),
		},
	})
}
