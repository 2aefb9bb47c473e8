package meta

import "github.com/valyala/fastjson"

// increases are the alerts that say how Meta answered to an increase of the limit other than by granting it.
var increases = map[string]string{
	"INCREASED_CAPABILITIES_ELIGIBILITY_DEFERRED":       "Deferred",
	"INCREASED_CAPABILITIES_ELIGIBILITY_FAILED":         "Failed",
	"INCREASED_CAPABILITIES_ELIGIBILITY_NEED_MORE_INFO": "NeedMoreInfo",
}

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
	report := Report{Kind: Alert, Value: name}
	var err error
	switch about {
	case "BUSINESS":
		report.Portfolio, err = r.identifier(value, "entity_id")
		if answer, known := increases[name]; known {
			report.Kind, report.Value = Increase, answer
		}
	case "PHONE_NUMBER":
		report.NumberID, err = r.identifier(value, "entity_id")
	default: // CURRENT_STATUS_ID: Meta does not say what of
		report.Account, err = r.accountID()
	}
	if err != nil {
		return err
	}
	description := info.Get("alert_description")
	reason, ok := phrase(description)
	if !ok {
		return r.badValue(path+"alert_description", "a string", description)
	}
	report.Reason = reason
	return r.report(report)
}
