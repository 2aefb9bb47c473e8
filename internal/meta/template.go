package meta

import (
	"fmt"
	"strings"

	"github.com/valyala/fastjson"
)

// ratings are Meta's quality scores in the words used here.
var ratings = map[string]string{"GREEN": "High", "YELLOW": "Medium", "RED": "Low", "UNKNOWN": "Unknown"}

// templateStates are the events of message_template_status_update that say whether a template can be sent. The others are
// kept as they came: what they say is for others to judge.
var templateStates = map[string]string{
	"APPROVED":   "Approved",
	"REINSTATED": "Approved",
	"UNPAUSE":    "Approved",
	"PAUSED":     "Paused",
	"DISABLED":   "Disabled",
	"PENDING":    "Edited", // a new review, which an edit begins
}

// templateQuality reads a value of the field message_template_quality_update.
func (r *reader) templateQuality(value *fastjson.Value) error {
	return r.template(value, (*reader).rating)
}

// templateStatus reads a value of the field message_template_status_update, or one of message_template_quality_update:
// Meta's sample of that prints this field.
func (r *reader) templateStatus(value *fastjson.Value) error {
	if absent(value.Get("event")) && !absent(value.Get("new_quality_score")) {
		return r.templateQuality(value)
	}
	return r.template(value, (*reader).templateEvent)
}

// template reads what a value reports about a template.
func (r *reader) template(value *fastjson.Value, read func(*reader, *fastjson.Value) (Report, error)) error {
	template, err := r.templateName(value)
	if err != nil {
		return err
	}
	report, err := read(r, value)
	if err != nil {
		return err
	}
	report.Template = template
	return r.report(report)
}

func (r *reader) rating(value *fastjson.Value) (Report, error) {
	score, err := r.word(value, "new_quality_score")
	if rating, known := ratings[score]; known {
		score = rating
	}
	return Report{Kind: Quality, Value: score}, err
}

func (r *reader) templateEvent(value *fastjson.Value) (Report, error) {
	event, err := r.word(value, "event")
	if err != nil {
		return Report{}, err
	}
	title, err := r.phrase(value, "other_info", "title")
	if err != nil {
		return Report{}, err
	}
	reason, err := r.phrase(value, "reason")
	if err != nil {
		return Report{}, err
	}
	if title != "" {
		reason = title
	} else if reason == "NONE" {
		reason = ""
	}
	state, known := templateStates[event]
	switch {
	case event == "FLAGGED": // Meta's old word for a template that is rated low
		return Report{Kind: Quality, Value: "Low", Reason: event}, nil
	case title == "UNPAUSE": // whatever the event is called
		state = templateStates[title]
	case event == "LOCKED" && strings.HasSuffix(title, "_PAUSE"): // a pause by another name
		state = templateStates["PAUSED"]
	case !known:
		state = event
	}
	return Report{Kind: TemplateState, Value: state, Reason: reason}, nil
}

func (r *reader) templateName(value *fastjson.Value) (Template, error) {
	account, err := r.accountID()
	if err != nil {
		return Template{}, err
	}
	const field = "message_template_name"
	written := value.Get(field)
	name, ok := text(written)
	if !ok || name == "" || len(name) > maxIDLength {
		return Template{}, r.badValue(field, fmt.Sprintf("a string of 1 to %d bytes", maxIDLength), written)
	}
	language, err := r.word(value, "message_template_language")
	return Template{Account: account, Name: strings.Clone(name), Language: language}, err
}
