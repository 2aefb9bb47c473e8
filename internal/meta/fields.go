package meta

import "github.com/valyala/fastjson"

// fields are the fields that an app can subscribe to, with what reads their values; nil for those that are counted only. The first one
// stands for all others.
var fields = [maxFields]struct {
	name string
	read func(*reader, *fastjson.Value) error
}{
	{name: "other"},
	{messagesField, (*reader).messages},
	{"standby", (*reader).messages},
	{"calls", (*reader).calls},
	{"phone_number_quality_update", (*reader).quality},
	{"phone_number_name_update", (*reader).displayName},
	{"message_template_quality_update", (*reader).templateQuality},
	{"message_template_status_update", (*reader).templateStatus},
	{"template_category_update", (*reader).templateCategory},
	{"account_alerts", (*reader).alert},
	{"account_update", (*reader).accountUpdate},
	{"account_review_update", (*reader).accountReview},
	{"business_capability_update", (*reader).capability},
	{"user_preferences", (*reader).preferences},
	{"user_id_update", (*reader).userIDs},
	{name: "account_settings_update"},
	{name: "automatic_events"},
	{name: "business_status_update"},
	{name: "business_username_update"},
	{name: "flows"},
	{name: "group_lifecycle_update"},
	{name: "group_participants_update"},
	{name: "group_settings_update"},
	{name: "group_status_update"},
	{name: "history"},
	{name: "message_echoes"},
	{name: "message_template_components_update"},
	{name: "messaging_handovers"},
	{name: "partner_solutions"},
	{name: "payment_configuration_update"},
	{name: "security"},
	{name: "smb_app_state_sync"},
	{name: "smb_message_echoes"},
	{name: "tracking_events"},
}

const messagesField = "messages"

// maxFields has room for further fields.
const maxFields = 40

// fieldOf is the place of a field; 0 for one that Meta's pages do not list.
func fieldOf(name string) int {
	for i := 1; i < len(fields); i++ {
		if fields[i].name == name {
			return i
		}
	}
	return 0
}

// Fields counts changes by their field. It counts those that are read too where they bring nothing that is known.
type Fields [maxFields]int

// All yields the fields with at least one change. Those that Meta's pages do not list come as one, called other.
func (f *Fields) All(yield func(name string, changes int) bool) {
	for i, n := range f {
		if n > 0 && !yield(fields[i].name, n) {
			return
		}
	}
}
