package meta_test

import (
	"testing"

	"numberfleet.dev/numberfleet/internal/meta"
	"numberfleet.dev/numberfleet/internal/report"
)

// Shapes that Meta's pages, their older versions and those who build on them show, beyond those of the files in testdata.
func TestShapesThatDiffer(t *testing.T) {
	envelope := func(entries string) []byte {
		return []byte(`{"object":"whatsapp_business_account","entry":[` + entries + `]}`)
	}
	const inbound = `{"messaging_product":"whatsapp","metadata":{"display_phone_number":"15550001111"},"messages":[{"from":"15550100001","id":"m","timestamp":"1790000000","type":"text"}]}`
	received := facts{Received: []meta.Received{{Number: number, User: meta.Identity{Phone: "15550100001"}, At: 1790000000}}}
	delivery := func(user meta.Identity) []meta.Delivery {
		return []meta.Delivery{{Number: number, User: user, MessageID: "m", At: 1790000000}}
	}
	for name, test := range map[string]struct {
		body []byte
		want facts
	}{
		"an entry without an id":           {envelope(`{"changes":[{"field":"messages","value":` + inbound + `}]}`), received},
		"an entry of the dashboard's test": {envelope(`{"id":"0","time":1790000000,"changes":[{"field":"messages","value":` + inbound + `}]}`), received},
		"an id that is null":               {envelope(`{"id":null,"changes":[{"field":"messages","value":` + inbound + `}]}`), received},
		"a change without a field":         {envelope(`{"id":"1","changes":[{"value":` + inbound + `}]}`), received},
		"what Meta's own agent was told":   {envelope(`{"id":"1","changes":[{"field":"standby","value":` + inbound + `}]}`), received},
		"an entry without changes":         {envelope(`{"id":"1","messaging":[]},{"id":"1","changes":[{"field":"messages","value":` + inbound + `}]}`), facts{Received: received.Received, Unread: 1}},
		"entries of several accounts":      {envelope(`{"id":"1","changes":[{"field":"messages","value":` + inbound + `}]},{"id":"2","changes":[{"field":"messages","value":` + inbound + `}]}`), facts{Received: append(received.Received[:1:1], received.Received...)}},
		"an object of another product":     {[]byte(`{"object":"instagram","entry":[{"id":"1","messaging":[{"message":{}}]}]}`), facts{Other: map[string]int{"other": 1}}},
		"a number by its id alone":         {envelope(`{"id":"1","changes":[{"field":"messages","value":{"metadata":{"phone_number_id":"1001"},"statuses":[{"id":"m","status":"sent"}]}}]}`), facts{Unread: 1}},
		"an account that is a placeholder": {change("WABA_ID", "account_review_update", `"decision":"APPROVED"`), facts{Unread: 1}},
		"a template without a name":        {change("2001", "message_template_status_update", `"event":"APPROVED","message_template_id":2`), facts{Unread: 1}},
		"a status that names nobody, and one that does": {
			messages(`"statuses":[{"id":"m","status":"delivered","timestamp":"1790000000"},{"id":"m","status":"delivered","timestamp":"1790000000","recipient_id":"15550100001"}]`),
			facts{Deliveries: delivery(meta.Identity{Phone: "15550100001"}), Unread: 1},
		},
		"numbers and times of another type": {messages(`"statuses":[{"id":"m","status":"read","timestamp":1790000000,"recipient_id":15550100001}]`), facts{Deliveries: delivery(meta.Identity{Phone: "15550100001"})}},
		"a user's number with a plus":       {messages(`"statuses":[{"id":"m","status":"read","timestamp":"1790000000","recipient_id":"+15550100001","recipient_user_id":null}]`), facts{Deliveries: delivery(meta.Identity{Phone: "15550100001"})}},
		"contacts without ids":              {messages(`"contacts":[{"profile":{"name":"Ana"}}],"statuses":[{"id":"m","status":"read","timestamp":"1790000000","recipient_id":"15550100001"}]`), facts{Deliveries: delivery(meta.Identity{Phone: "15550100001"})}},
		"a group's participant by the other name": {
			messages(`"statuses":[{"id":"m","status":"read","timestamp":"1790000000","recipient_id":"g","recipient_type":"group","participant_recipient_id":"15550100001"}]`),
			facts{Deliveries: []meta.Delivery{{Number: number, User: meta.Identity{Phone: "15550100001"}, MessageID: "m", Group: "g", At: 1790000000}}},
		},
		"a contact with a plus": {
			messages(`"contacts":[{"wa_id":"+15550100001","user_id":"US.1"}],"statuses":[{"id":"m","status":"read","timestamp":"1790000000","recipient_id":"15550100001"}]`),
			facts{Deliveries: delivery(meta.Identity{Phone: "15550100001", Scoped: "US.1"})},
		},
		"a time that no retry will see": {messages(`"messages":[{"from":"1","timestamp":"4102444800","type":"text"}]`), facts{Unread: 1}},
		"a time in milliseconds":        {messages(`"messages":[{"from":"1","timestamp":"1790000000000","type":"text"}]`), facts{Unread: 1}},
		"a report of a far year":        {[]byte(`{"object":"whatsapp_business_account","entry":[{"id":"1","time":4102444800,"changes":[{"field":"account_review_update","value":{"decision":"APPROVED"}}]}]}`), facts{Unread: 1}},
		"a report in milliseconds": {
			[]byte(`{"object":"whatsapp_business_account","entry":[{"id":"1","time":1790000000123,"changes":[{"field":"account_review_update","value":{"decision":"APPROVED"}}]}]}`),
			facts{Reports: []report.Report{{Subject: report.AccountSubject("1"), Kind: report.Review, Value: "Approved", At: 1790000000}}},
		},
		"what a user changed or took back": {messages(`"messages":[{"from":"1","timestamp":"1790000000","type":"edit"},{"from":"1","timestamp":"1790000000","type":"revoke"}]`), facts{Skipped: 2}},
		"calls without a number":           {change("2001", "calls", `"calls":[{"event":"connect"}]`), facts{Unread: 1}},
	} {
		t.Run(name, func(t *testing.T) { expect(t, test.body, test.want) })
	}
}

// Whoever changes number keeps the history: all ids that Meta names are one user's, in every version of what it says.
func TestAUserWhoChangesNumberIsJoined(t *testing.T) {
	system := func(from, system string) []byte {
		return messages(`"messages":[{` + from + `"id":"m","timestamp":"1790000000","type":"system","system":{` + system + `}}]`)
	}
	join := func(one string, others ...string) facts {
		f := facts{Changed: 1}
		for _, other := range others {
			f.Joins = append(f.Joins, meta.Join{Number: number, One: one, Other: other, At: 1790000000})
		}
		return f
	}
	const from = `"from":"15550100001",`
	for name, test := range map[string]struct {
		body []byte
		want facts
	}{
		"today": {
			system(from, `"type":"user_changed_number","wa_id":"15550100002","user_id":"US.2","parent_user_id":"US.ENT.1","previous_user_id":"US.1"`),
			join("15550100001", "15550100002", "US.1", "US.2"),
		},
		"with the ids that portfolios share": {
			system(from, `"type":"user_changed_user_id","user_id":"US.2","parent_user_id":"US.ENT.2","previous_user_id":"US.1","previous_parent_user_id":"US.ENT.1"`),
			join("15550100001", "US.1", "US.2", "US.ENT.1", "US.ENT.2"),
		},
		"from one form to the other": {system(`"from":"5215512345678",`, `"type":"user_changed_number","wa_id":"525512345678"`), facts{Skipped: 1}},
		"to a number with two forms": {system(from, `"type":"user_changed_number","wa_id":"551187654321"`), join("15550100001", "5511987654321")},
		"with ids alone":             {system(``, `"type":"user_changed_user_id","user_id":"US.2","previous_user_id":"US.1"`), join("US.1", "US.2")},
		"who sent it, by an id":      {system(`"from_user_id":"US.1",`, `"type":"user_changed_number","wa_id":"15550100002","user_id":"US.2"`), join("US.1", "15550100002", "US.2")},
		"until 2026":                 {system(from, `"type":"user_changed_number","wa_id":"15550100002"`), join("15550100001", "15550100002")},
		"before version 12":          {system(from, `"type":"customer_changed_number","new_wa_id":"15550100002","customer":"15550100001"`), join("15550100001", "15550100002")},
		"as a number":                {system(from, `"type":"customer_changed_number","new_wa_id":15550100002`), join("15550100001", "15550100002")},
		"to the same number":         {system(from, `"type":"user_changed_number","wa_id":"+15550100001"`), facts{Skipped: 1}},
		"without the new one":        {system(from, `"type":"user_changed_number"`), facts{Skipped: 1}},
		"another identity key":       {system(from, `"type":"customer_identity_changed","identity":"k3y","customer":"15550100009"`), facts{Skipped: 1}},
		"something else":             {system(from, `"type":"group_changed","wa_id":"15550100002"`), facts{Skipped: 1}},
		"without what it is about":   {messages(`"messages":[{"from":"15550100001","timestamp":"1790000000","type":"system"}]`), facts{Skipped: 1}},
		"without a time":             {messages(`"messages":[{"from":"15550100001","type":"system","system":{"type":"user_changed_number","wa_id":"15550100002"}}]`), facts{Unread: 1}},
		"an id that is none":         {system(from, `"type":"user_changed_number","wa_id":"15550100002","user_id":{}`), facts{Unread: 1}},
		"as an update of the id": {
			change("2001", "user_id_update", `"metadata":{"display_phone_number":"15550001111"},"user_id_update":[{"wa_id":"15550100001","user_id":{"previous":"US.1","current":"US.2"},"timestamp":"1790000000"}]`),
			join("15550100001", "US.1", "US.2"),
		},
	} {
		t.Run(name, func(t *testing.T) { expect(t, test.body, test.want) })
	}
}
