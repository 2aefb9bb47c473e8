package meta

import (
	"github.com/valyala/fastjson"

	"numberfleet.dev/numberfleet/internal/report"
)

// alert reads a value of the field account_alerts. Those about the limit of a portfolio are decisions about it; the others,
// such as OBA_APPROVED of a number, are kept as they came.
func (r *reader) alert(value *fastjson.Value) error {
	path, info := "alert_info.", value.Get("alert_info")
	if absent(info) { // the sample that the App Dashboard sends has it all on one level
		path, info = "", value
	}
	about, _ := text(value.Get("entity_type"))
	name, _ := word(info.Get("alert_type"))
	status, _ := text(info.Get("alert_status"))
	// Meta documents ACTIVE and NONE. With another one, such as for an alert that is over, it says nothing of now.
	if about == "" || name == "" || status != "" && status != "ACTIVE" && status != "NONE" {
		return nil
	}
	said := report.Report{Kind: report.Alert, Value: name}
	var err error
	switch about {
	case "BUSINESS":
		said.Subject.Type = report.Portfolio
		said.Subject.ID, err = r.identifier(value, "entity_id")
		if answer, known := increases[name]; known {
			said.Kind, said.Value = report.Increase, string(answer)
		}
	case "PHONE_NUMBER":
		said.Subject.Type = report.NumberID
		said.Subject.ID, err = r.identifier(value, "entity_id")
	default: // CURRENT_STATUS_ID: Meta does not say what of
		said.Subject.Type = report.Account
		said.Subject.ID, err = r.accountID()
	}
	if err != nil {
		return err
	}
	description := info.Get("alert_description")
	reason, ok := phrase(description)
	if !ok {
		return r.badValue(path+"alert_description", "a string", description)
	}
	said.Reason = reason
	return r.report(said)
}
