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

// increases are the alerts that say how Meta answered to an increase of the limit other than by granting it.
var increases = map[string]string{
	"INCREASED_CAPABILITIES_ELIGIBILITY_DEFERRED":       "Deferred",
	"INCREASED_CAPABILITIES_ELIGIBILITY_FAILED":         "Failed",
	"INCREASED_CAPABILITIES_ELIGIBILITY_NEED_MORE_INFO": "NeedMoreInfo",
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

// report adds a report of the entry's time.
func (r *reader) report(report Report) error {
	var err error
	if report.At, err = r.entryTime(); err != nil {
		return err
	}
	if err := r.count(1); err != nil {
		return err
	}
	r.u.Reports = append(r.u.Reports, report)
	return nil
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
	account, ok := identifier(r.account)
	if !ok {
		return Template{}, r.badEntry("id", fmt.Sprintf("an id of at most %d digits", maxIdentifierLength), r.account)
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

// alert reads a value of the field account_alerts. Of the alerts only those about the limit of a portfolio are used.
func (r *reader) alert(value *fastjson.Value) error {
	path, info := "alert_info.", value.Get("alert_info")
	if absent(info) { // the sample that the App Dashboard sends has it all on one level
		path, info = "", value
	}
	about, _ := text(value.Get("entity_type"))
	name, _ := text(info.Get("alert_type"))
	status, _ := text(info.Get("alert_status"))
	answer, known := increases[name]
	// Meta documents ACTIVE and NONE. With another one, such as for an alert that is over, it denies nothing now.
	if about != "BUSINESS" || !known || status != "" && status != "ACTIVE" && status != "NONE" {
		return nil
	}
	written := value.Get("entity_id")
	portfolio, ok := identifier(written)
	if !ok {
		return r.badValue("entity_id", fmt.Sprintf("an id of at most %d digits", maxIdentifierLength), written)
	}
	description := info.Get("alert_description")
	reason, ok := phrase(description)
	if !ok {
		return r.badValue(path+"alert_description", "a string", description)
	}
	return r.report(Report{Portfolio: portfolio, Kind: Increase, Value: answer, Reason: reason})
}

// word is the word in a field of the value, which must be there.
func (r *reader) word(value *fastjson.Value, field string) (string, error) {
	written := value.Get(field)
	word, ok := word(written)
	if !ok || word == "" {
		return "", r.badValue(field, fmt.Sprintf("a word of at most %d characters", maxWordLength), written)
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
