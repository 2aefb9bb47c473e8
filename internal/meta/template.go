package meta

import (
	"fmt"
	"strings"

	"github.com/valyala/fastjson"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/report"
)

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
func (r *reader) template(value *fastjson.Value, read func(*reader, *fastjson.Value) (report.Report, error)) error {
	template, err := r.templateName(value)
	if err != nil {
		return err
	}
	said, err := read(r, value)
	if err != nil {
		return err
	}
	said.Subject = template.Subject()
	if err := r.report(said); err != nil {
		return err
	}
	r.u.Templates = append(r.u.Templates, template)
	return nil
}

func (r *reader) rating(value *fastjson.Value) (report.Report, error) {
	score, err := r.word(value, "new_quality_score")
	return report.Report{Kind: report.Quality, Value: string(Rating(score))}, err
}

func (r *reader) templateEvent(value *fastjson.Value) (report.Report, error) {
	event, err := r.word(value, "event")
	if err != nil {
		return report.Report{}, err
	}
	title, err := r.phrase(value, "other_info", "title")
	if err != nil {
		return report.Report{}, err
	}
	reason, err := r.templateReason(value, title)
	if err != nil {
		return report.Report{}, err
	}
	state := TemplateState(event)
	switch {
	case event == "FLAGGED": // Meta's old word for a template that is rated low
		return report.Report{Kind: report.Quality, Value: string(v1alpha1.QualityLow), Reason: event}, nil
	case title == "UNPAUSE": // whatever the event is called
		state = templateStates[title]
	case event == "LOCKED" && strings.HasSuffix(title, "_PAUSE"): // a pause by another name
		state = templateStates["PAUSED"]
	case event == "LOCKED" && title == "DISABLED":
		state = templateStates[title]
	}
	return report.Report{Kind: report.TemplateState, Value: string(state), Reason: reason}, nil
}

// templateReason is why a template is what it is: the title of a pause, or the reason with what Meta says of it in words.
func (r *reader) templateReason(value *fastjson.Value, title string) (string, error) {
	if title != "" {
		return title, nil
	}
	reason, err := r.phrase(value, "reason")
	if err != nil {
		return "", err
	}
	if reason == "NONE" {
		reason = ""
	}
	explained, err := r.phrase(value, "rejection_info", "reason")
	if err != nil || explained == "" {
		return reason, err
	}
	if reason != "" {
		explained = reason + ": " + explained
	}
	return cut(explained), nil
}

// templateCategory reads a value of the field template_category_update, which comes when a category has changed, and a day
// before that it will: then correct_category is what it will be, and new_category what it still is.
func (r *reader) templateCategory(value *fastjson.Value) error {
	var plan report.Report
	if !absent(value.Get("correct_category")) {
		var err error
		if plan, err = r.plannedCategory(value); err != nil {
			return err
		}
	}
	if err := r.template(value, (*reader).currentCategory); err != nil || plan == (report.Report{}) {
		return err
	}
	return r.template(value, func(*reader, *fastjson.Value) (report.Report, error) { return plan, nil })
}

func (r *reader) currentCategory(value *fastjson.Value) (report.Report, error) {
	is, err := r.word(value, "new_category")
	before, _ := word(value.Get("previous_category")) // one that is none is not worth losing the new one for
	return report.Report{Kind: report.Category, Value: string(TemplateCategory(is)), Reason: string(TemplateCategory(before))}, err
}

func (r *reader) plannedCategory(value *fastjson.Value) (report.Report, error) {
	word, err := r.word(value, "correct_category")
	if err != nil {
		return report.Report{}, err
	}
	const field = "category_update_timestamp"
	written := value.Get(field)
	planned := report.Report{Kind: report.PlannedCategory, Value: string(TemplateCategory(word))}
	if absent(written) {
		return planned, nil
	}
	at, ok := integer(written)
	if at > maxSeconds {
		at /= 1000
	}
	if !ok || at < 1 || at > maxSeconds {
		return report.Report{}, r.badValue(field, "a time in Unix seconds or milliseconds", written)
	}
	planned.Until = at
	return planned, nil
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
