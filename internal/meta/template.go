package meta

import (
	"fmt"
	"strings"

	"github.com/valyala/fastjson"
)

// ratings are Meta's quality scores in the words used here.
var ratings = map[string]string{"GREEN": "High", "YELLOW": "Medium", "RED": "Low", "UNKNOWN": "Unknown"}

// templateStates are Meta's words for where a template stands: the statuses that the Graph API tells, and the events of
// message_template_status_update. Where it is reinstated or unarchived, it is again what it was; what is told of it by webhook
// was approved.
var templateStates = map[string]string{
	"APPROVED":         "Approved",
	"REINSTATED":       "Approved",
	"UNARCHIVED":       "Approved",
	"UNPAUSE":          "Approved",
	"PAUSED":           "Paused",
	"DISABLED":         "Disabled",
	"FLAGGED":          "Flagged",
	"PENDING":          "Pending", // in review, which an edit begins
	"REJECTED":         "Rejected",
	"IN_APPEAL":        "InAppeal",
	"ARCHIVED":         "Archived",
	"DELETED":          "Deleted",
	"PENDING_DELETION": "PendingDeletion",
	"LIMIT_EXCEEDED":   "LimitExceeded",
}

// TemplateStateOf is Meta's word for where a template stands, in the words used here. False means that it is none of Meta's;
// then it is as it came.
func TemplateStateOf(status string) (state string, known bool) {
	if state, known := templateStates[status]; known {
		return state, true
	}
	return status, false
}

// categories are Meta's categories of templates in the words used here.
var categories = map[string]string{"MARKETING": "Marketing", "UTILITY": "Utility", "AUTHENTICATION": "Authentication"}

// CategoryOf is Meta's word for a template's category, likewise.
func CategoryOf(word string) (category string, known bool) {
	if category, known := categories[word]; known {
		return category, true
	}
	return word, false
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
	reason, err := r.templateReason(value, title)
	if err != nil {
		return Report{}, err
	}
	state, _ := TemplateStateOf(event)
	switch {
	case event == "FLAGGED": // Meta's old word for a template that is rated low
		return Report{Kind: Quality, Value: "Low", Reason: event}, nil
	case title == "UNPAUSE": // whatever the event is called
		state = templateStates[title]
	case event == "LOCKED" && strings.HasSuffix(title, "_PAUSE"): // a pause by another name
		state = templateStates["PAUSED"]
	case event == "LOCKED" && title == "DISABLED":
		state = templateStates[title]
	}
	return Report{Kind: TemplateState, Value: state, Reason: reason}, nil
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
	var plan Report
	if !absent(value.Get("correct_category")) {
		var err error
		if plan, err = r.plannedCategory(value); err != nil {
			return err
		}
	}
	if err := r.template(value, (*reader).currentCategory); err != nil || plan == (Report{}) {
		return err
	}
	return r.template(value, func(*reader, *fastjson.Value) (Report, error) { return plan, nil })
}

func (r *reader) currentCategory(value *fastjson.Value) (Report, error) {
	is, err := r.word(value, "new_category")
	category, _ := CategoryOf(is)
	before, _ := word(value.Get("previous_category")) // one that is none is not worth losing the new one for
	was, _ := CategoryOf(before)
	return Report{Kind: TemplateCategory, Value: category, Reason: was}, err
}

func (r *reader) plannedCategory(value *fastjson.Value) (Report, error) {
	word, err := r.word(value, "correct_category")
	if err != nil {
		return Report{}, err
	}
	const field = "category_update_timestamp"
	written := value.Get(field)
	category, _ := CategoryOf(word)
	if absent(written) {
		return Report{Kind: TemplateCategoryPlan, Value: category}, nil
	}
	at, ok := integer(written)
	if at > maxSeconds {
		at /= 1000
	}
	if !ok || at < 1 || at > maxSeconds {
		return Report{}, r.badValue(field, "a time in Unix seconds or milliseconds", written)
	}
	return Report{Kind: TemplateCategoryPlan, Value: category, Until: at}, nil
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
