package meta_test

import (
	"testing"

	"numberfleet.dev/numberfleet/internal/meta"
)

// A message or call from the user opens the service window, and so does that the user accepts the number's call. What Meta sends in
// the user's name, what a user does to a message that was there, and what the number itself sent opens none.
func TestWhatOpensTheWindow(t *testing.T) {
	const user, at = `"from":"15557770000"`, `"timestamp":"1790000000"`
	calls := func(fields string) []byte {
		return change("2001", "calls", `"metadata":{"display_phone_number":"15550001111"},`+fields)
	}
	message := func(fields string) []byte {
		return messages(`"messages":[{` + user + `,"id":"m",` + at + `,` + fields + `}]`)
	}
	call := func(fields string) []byte { return calls(`"calls":[{"id":"c",` + at + `,` + fields + `}]`) }
	status := func(fields string) string {
		return `"statuses":[{"id":"c",` + at + `,"recipient_id":"15557770000",` + fields + `}]`
	}
	for name, test := range map[string]struct {
		body  []byte
		opens bool
	}{
		"a text":                            {message(`"type":"text","text":{"body":"hi"}`), true},
		"a text by an ad":                   {message(`"type":"text","referral":{"source_type":"ad"}`), true},
		"a picture":                         {message(`"type":"image"`), true},
		"a location":                        {message(`"type":"location"`), true},
		"contacts":                          {message(`"type":"contacts"`), true},
		"a button":                          {message(`"type":"button","button":{"text":"Yes"}`), true},
		"a list":                            {message(`"type":"interactive","interactive":{"type":"list_reply"}`), true},
		"a flow":                            {message(`"type":"interactive","interactive":{"type":"nfm_reply"}`), true},
		"an order":                          {message(`"type":"order"`), true},
		"a reaction":                        {message(`"type":"reaction","reaction":{"message_id":"x","emoji":"👍"}`), true},
		"one taken back":                    {message(`"type":"reaction","reaction":{"message_id":"x"}`), false},
		"one made empty":                    {message(`"type":"reaction","reaction":{"message_id":"x","emoji":""}`), false},
		"an edit":                           {message(`"type":"edit"`), false},
		"a revocation":                      {message(`"type":"revoke"`), false},
		"a poll":                            {message(`"type":"unsupported","errors":[{"code":131051}],"unsupported":{"type":"poll"}`), true},
		"a type of tomorrow":                {message(`"type":"hologram"`), true},
		"what Meta could not read":          {message(`"type":"unsupported","errors":[{"code":131060}]`), true},
		"what older versions could not":     {message(`"type":"unknown","errors":[{"code":131051}]`), true},
		"an edit that is not passed on":     {message(`"type":"unsupported","errors":[{"code":131051}],"unsupported":{"type":"edit"}`), false},
		"a revocation that is not":          {message(`"type":"unsupported","unsupported":{"type":"revoke"}`), false},
		"a chat that was opened":            {message(`"type":"request_welcome"`), false},
		"a system message":                  {message(`"type":"system","system":{"type":"customer_identity_changed"}`), false},
		"a permission to call":              {message(`"type":"interactive","interactive":{"type":"call_permission_reply","call_permission_reply":{"response":"accept","response_source":"user_action"}}`), true},
		"a refusal of it":                   {message(`"type":"interactive","interactive":{"type":"call_permission_reply","call_permission_reply":{"response":"reject","response_source":"user_action"}}`), true},
		"one that does not say whose":       {message(`"type":"interactive","interactive":{"type":"call_permission_reply","call_permission_reply":{"response":"accept"}}`), true},
		"one that Meta revoked":             {read(t, "call_permission_revoked.json"), false},
		"one that Meta gave, without type":  {message(`"interactive":{"type":"call_permission_reply","call_permission_reply":{"response":"accept","response_source":"automatic"}}`), false},
		"one that Meta revoked, at the top": {message(`"type":"call_permission_reply","call_permission_reply":{"response":"reject","response_source":"AUTOMATIC"}`), false},

		"a call":                           {call(user + `,"event":"connect","direction":"USER_INITIATED"`), true},
		"a call that ended":                {call(user + `,"event":"terminate","direction":"USER_INITIATED"`), false},
		"a call of the number":             {call(`"from":"15550001111","to":"15557770000","event":"connect","direction":"BUSINESS_INITIATED"`), false},
		"a call without direction":         {call(user + `,"to":"15550001111","event":"connect"`), true},
		"the number's without direction":   {call(`"from":"15550001111","to":"15557770000","event":"connect"`), false},
		"the same with a plus":             {call(`"from":"+15550001111","to":"15557770000","event":"connect"`), false},
		"a call by the user's id":          {calls(`"contacts":[{"wa_id":"15557770000","user_id":"US.1"}],"calls":[{"id":"c",` + at + `,"from_user_id":"US.1","event":"connect"}]`), true},
		"a call by SIP":                    {call(user + `,"event":"call_created","direction":"USER_INITIATED"`), true},
		"a call by SIP, without direction": {call(user + `,"event":"call_created"`), true},
		"the number's by SIP":              {call(`"from":"15550001111","event":"call_created","direction":"BUSINESS_INITIATED"`), false},
		"a direction of tomorrow":          {call(user + `,"event":"connect","direction":"SIDEWAYS"`), false},
		"the user accepts":                 {calls(status(`"type":"call","status":"ACCEPTED"`)), true},
		"the user accepts, by messages":    {messages(status(`"type":"call","status":"ACCEPTED"`)), true},
		"it rings":                         {calls(status(`"type":"call","status":"RINGING"`)), false},
		"the user rejects":                 {calls(status(`"type":"call","status":"REJECTED"`)), false},
		"a payment":                        {messages(status(`"type":"payment","status":"captured"`)), false},
	} {
		t.Run(name, func(t *testing.T) {
			u, err := meta.Parse(test.body, latest)
			if err != nil {
				t.Fatal(err)
			}
			defer u.Release()
			switch {
			case test.opens && (len(u.Received) != 1 || u.Received[0].User.Phone != "15557770000" || u.Received[0].At != 1790000000):
				t.Errorf("it opens %+v", u.Received)
			case !test.opens && (len(u.Received) != 0 || u.Skipped != 1):
				t.Errorf("it opens %+v, and %d are skipped", u.Received, u.Skipped)
			}
			if len(u.Unread) > 0 || len(u.Deliveries) > 0 {
				t.Errorf("%v are not read, and %d are deliveries", u.Unread, len(u.Deliveries))
			}
		})
	}
}

// The category is read of whichever status has it; only a reply's is of use where nothing was delivered yet.
func TestTheCategoryOfAMessage(t *testing.T) {
	for written, want := range map[string]meta.Category{
		`"marketing"`: meta.Marketing, `"marketing_lite"`: meta.MarketingLite, `"utility"`: meta.Utility, `"authentication"`: meta.Authentication,
		`"authentication_international"`: meta.AuthenticationInternational, `"authentication-international"`: meta.AuthenticationInternational,
		`"service"`: meta.Service, `"SERVICE"`: meta.Service, `"referral_conversion"`: meta.ReferralConversion, `"group_marketing"`: meta.GroupMarketing,
		`"group_utility"`: meta.GroupUtility, `"group_service"`: meta.GroupService, `"of_tomorrow"`: meta.OtherCategory, `""`: meta.NoCategory,
		`null`: meta.NoCategory, `7`: meta.NoCategory, `{}`: meta.NoCategory,
	} {
		if reply := want == meta.Service || want == meta.GroupService; want.Reply() != reply {
			t.Errorf("%s is a reply: %t", want, !reply)
		}
		for _, status := range []string{"delivered", "read", "played", "sent"} {
			delivery := []meta.Delivery{{Number: number, User: meta.Identity{Phone: "15557770000"}, MessageID: "m", Category: want, At: 1790000000}}
			f := facts{Deliveries: delivery}
			if status == "sent" {
				if f = (facts{Sent: 1}); want.Reply() {
					f.Replies = delivery
				}
			}
			// Neither type nor billable says anything of it.
			for _, others := range []string{``, `"type":"free_customer_service",`, `"type":"regular","billable":true,`} {
				expect(t, messages(`"statuses":[{"id":"m","status":"`+status+`","timestamp":"1790000000","recipient_id":"15557770000","pricing":{`+others+`"category":`+written+`}}]`), f)
			}
		}
	}
	for _, pricing := range []string{`null`, `{}`, `"service"`, `[]`} {
		expect(t, messages(`"statuses":[{"id":"m","status":"read","timestamp":"1790000000","recipient_id":"15557770000","pricing":`+pricing+`}]`),
			facts{Deliveries: []meta.Delivery{{Number: number, User: meta.Identity{Phone: "15557770000"}, MessageID: "m", At: 1790000000}}})
	}
}

// A message failed, and which one it was is read where its status says which, to whom and when.
func TestWhichMessageFailed(t *testing.T) {
	const id, at, to = `"id":"m",`, `"timestamp":"1790000000",`, `"recipient_id":"15557770000",`
	phone := meta.Identity{Phone: "15557770000"}
	for fields, want := range map[string]meta.Failure{
		id + at + to: {User: phone, MessageID: "m", At: 1790000000},
		id + at + to + `"recipient_user_id":"US.1",`:                                            {User: meta.Identity{Phone: "15557770000", Scoped: "US.1"}, MessageID: "m", At: 1790000000},
		id + at + `"recipient_user_id":"US.1",`:                                                 {User: meta.Identity{Scoped: "US.1"}, MessageID: "m", At: 1790000000},
		id + at + `"recipient_id":"g","group_id":"g","recipient_participant_id":"15557770000",`: {User: phone, MessageID: "m", At: 1790000000},
		id + at + `"recipient_id":"g","recipient_type":"group",`:                                {At: 1790000000},
		id + at:                               {At: 1790000000},
		at + to:                               {At: 1790000000},
		id + to:                               {},
		id + to + `"timestamp":"soon",`:       {},
		id + at + to + `"recipient_type":[],`: {At: 1790000000},
		`"id":{},` + at + to:                  {At: 1790000000},
		id + at + `"recipient_id":{"a":"b"},`: {At: 1790000000},
	} {
		want.Number, want.Code = number, 131026
		expect(t, messages(`"statuses":[{`+fields+`"status":"failed","errors":[{"code":131026}]}]`), facts{Failures: []meta.Failure{want}})
	}
}

// A message to a group names the group and the participant; one from it names the group and who wrote.
func TestGroupsAreNamed(t *testing.T) {
	user := meta.Identity{Phone: "15557770000", Scoped: "US.1"}
	const contact = `"contacts":[{"wa_id":"15557770000","user_id":"US.1"}],`
	status := func(name, fields string) []byte {
		return messages(contact + `"statuses":[{"id":"m","status":"` + name + `","timestamp":"1790000000",` + fields + `}]`)
	}
	delivery := meta.Delivery{Number: number, User: user, MessageID: "m", Group: "g1", At: 1790000000}
	reply := delivery
	reply.Category = meta.GroupService
	for name, test := range map[string]struct {
		body []byte
		want facts
	}{
		"by recipient_id":       {status("delivered", `"recipient_id":"g1","recipient_type":"group","recipient_participant_id":"15557770000"`), facts{Deliveries: []meta.Delivery{delivery}}},
		"without its type":      {status("delivered", `"recipient_id":"g1","recipient_participant_user_id":"US.1"`), facts{Deliveries: []meta.Delivery{delivery}}},
		"by group_id":           {status("read", `"group_id":"g1","recipient_participant_id":"15557770000"`), facts{Deliveries: []meta.Delivery{delivery}}},
		"by both":               {status("read", `"group_id":"g1","recipient_id":"other","recipient_type":"group","recipient_participant_id":"15557770000"`), facts{Deliveries: []meta.Delivery{delivery}}},
		"a reply":               {status("delivered", `"recipient_id":"g1","recipient_type":"group","recipient_participant_id":"15557770000","pricing":{"category":"group_service"}`), facts{Deliveries: []meta.Delivery{reply}}},
		"a reply that left":     {status("sent", `"recipient_id":"g1","recipient_type":"group","recipient_participant_id":"15557770000","pricing":{"category":"group_service"}`), facts{Sent: 1, Replies: []meta.Delivery{reply}}},
		"one that left for all": {status("sent", `"recipient_id":"g1","recipient_type":"group","pricing":{"category":"group_service"}`), facts{Sent: 1}},
		"without participant":   {status("delivered", `"recipient_id":"g1","recipient_type":"group"`), facts{Skipped: 1}},
		"an id that is none":    {status("delivered", `"group_id":{},"recipient_participant_id":"15557770000"`), facts{Unread: 1}},
		"from it": {
			messages(contact + `"messages":[{"from":"15557770000","group_id":"g1","id":"m","timestamp":"1790000000","type":"text"}]`),
			facts{Received: []meta.Received{{Number: number, User: user, Group: "g1", At: 1790000000}}},
		},
		"an edit in it": {messages(contact + `"messages":[{"from":"15557770000","group_id":"g1","timestamp":"1790000000","type":"edit"}]`), facts{Skipped: 1}},
	} {
		t.Run(name, func(t *testing.T) { expect(t, test.body, test.want) })
	}
}
