package meta_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"numberfleet.dev/numberfleet/internal/meta"
	"numberfleet.dev/numberfleet/internal/meta/metatest"
	"numberfleet.dev/numberfleet/internal/report"
)

const number = "+15550001111"

var latest = time.Unix(1800000000, 0)

// facts are what a test expects of Updates.
type facts struct {
	Deliveries []meta.Delivery
	Replies    []meta.Delivery
	Received   []meta.Received
	Failures   []meta.Failure
	Joins      []meta.Join
	Reports    []report.Report
	Preferred  meta.Preferences
	Sent       int
	Changed    int
	Skipped    int
	Unread     int
	Other      map[string]int
}

func factsOf(u *meta.Updates) facts {
	f := facts{u.Deliveries, u.Replies, u.Received, u.Failures, u.Joins, u.Reports, u.Preferred, u.Sent, u.Changed, u.Skipped, len(u.Unread), nil}
	for name, n := range u.Other.All {
		if f.Other == nil {
			f.Other = map[string]int{}
		}
		f.Other[name] = n
	}
	return f
}

func expect(t *testing.T, body []byte, want facts) {
	t.Helper()
	u, err := meta.Parse(body, latest)
	if err != nil {
		t.Fatal(err)
	}
	defer u.Release()
	// An empty list and none are the same.
	if got, want := fmt.Sprintf("%+v", factsOf(u)), fmt.Sprintf("%+v", want); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

func read(t testing.TB, file string) []byte {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func TestEveryKnownShapeIsRead(t *testing.T) {
	delivery := func(phone, scoped, id string, at int64) meta.Delivery {
		return meta.Delivery{Number: number, User: meta.Identity{Phone: phone, Scoped: scoped}, MessageID: id, At: at}
	}
	marketing := func(d meta.Delivery) meta.Delivery {
		d.Category = meta.Marketing
		return d
	}
	received := func(phone, scoped string, at int64) meta.Received {
		return meta.Received{Number: number, User: meta.Identity{Phone: phone, Scoped: scoped}, At: at}
	}
	inGroup := delivery("15557770002", "US.125", "wamid.F", 1790000006)
	inGroup.Group = "group1"
	order := func(language string) meta.Template {
		return meta.Template{Account: "2001", Name: "order_update", Language: language}
	}
	sale := meta.Template{Account: "2001", Name: "spring_sale", Language: "en"}

	wants := map[string]facts{
		"delivered.json": {Deliveries: []meta.Delivery{marketing(delivery("15557770000", "US.123", "wamid.A", 1790000001))}},
		// A read status without its delivered status, a timestamp that is a number, and no user id.
		"old_shape.json": {Deliveries: []meta.Delivery{marketing(delivery("15557770001", "", "wamid.B", 1790000002))}},
		"service.json": {Deliveries: []meta.Delivery{{
			Number: "+15550783881", User: meta.Identity{Phone: "16505551234", Scoped: "US.1"}, MessageID: "wamid.TEST1795863600", Category: meta.Service, At: 1795863600,
		}}},
		"call_permission_revoked.json": {Skipped: 1},
		// No phone number anywhere; the second status names nobody, but there is one contact.
		"scoped_only.json": {
			Deliveries: []meta.Delivery{delivery("", "US.124", "wamid.C", 1790000003), delivery("", "US.124", "wamid.D", 1790000004)},
			Received:   []meta.Received{received("", "US.124", 1790000005)},
		},
		// Without a participant nobody can be counted.
		"groups.json": {
			Deliveries: []meta.Delivery{inGroup}, Skipped: 1,
			Received: []meta.Received{{Number: number, User: meta.Identity{Phone: "15557770002", Scoped: "US.125"}, Group: "group1", At: 1790000007}},
		},
		"inbound.json": {
			Received: []meta.Received{received("15557770003", "US.126", 1790000008), received("15557770003", "US.126", 1790000009)},
			Joins:    []meta.Join{{Number: number, One: "15557770003", Other: "15557770004", At: 1790000010}}, Changed: 1, Skipped: 1,
		},
		"calls.json":           {Received: []meta.Received{received("15557770005", "", 1790000011)}, Skipped: 3},
		"sent_and_failed.json": {Sent: 1, Failures: []meta.Failure{{Number: number, User: meta.Identity{Phone: "15557770006"}, MessageID: "wamid.K", Code: 131049, At: 1790000013}}, Skipped: 2},
		"flagged.json": {Reports: []report.Report{
			{Subject: report.ParseSubject(number), Kind: report.Quality, Value: "Low", Reason: "FLAGGED", At: 1790000016},
			{Subject: report.ParseSubject(number), Kind: report.Connection, Value: "Flagged", Reason: "FLAGGED", At: 1790000016},
			{Subject: report.ParseSubject(number), Kind: report.Limit, Value: "1000", Reason: "FLAGGED", At: 1790000016},
		}},
		"downgrade.json":    {Reports: []report.Report{{Subject: report.ParseSubject(number), Kind: report.Limit, Value: "10000", Reason: "DOWNGRADE", At: 1790000017}}},
		"throughput.json":   {Skipped: 1},
		"other_fields.json": {Other: map[string]int{"account_settings_update": 1, "flows": 1, "other": 1}},
		// The second names the status update as its field, as Meta's sample does.
		"template_quality.json": {Reports: []report.Report{
			{Subject: order("en-US").Subject(), Kind: report.Quality, Value: "Medium", At: 1790000021},
			{Subject: order("en_US").Subject(), Kind: report.Quality, Value: "Low", At: 1790000021},
			{Subject: meta.Template{Account: "2002", Name: "spring_sale", Language: "pt_BR"}.Subject(), Kind: report.Quality, Value: "NA", At: 1790000022},
		}},
		"template_status.json": {Reports: []report.Report{
			{Subject: order("en-US").Subject(), Kind: report.TemplateState, Value: "Paused", Reason: "FIRST_PAUSE", At: 1790000023},
			{Subject: order("en-US").Subject(), Kind: report.TemplateState, Value: "Disabled", At: 1790000023},
			{Subject: sale.Subject(), Kind: report.TemplateState, Value: "Rejected", Reason: "INVALID_FORMAT: its parameters", At: 1790000023},
			{Subject: sale.Subject(), Kind: report.TemplateState, Value: "PendingDeletion", At: 1790000023},
		}},
		"template_category.json": {Reports: []report.Report{
			{Subject: order("en-US").Subject(), Kind: report.Category, Value: "Utility", At: 1790000025},
			{Subject: order("en-US").Subject(), Kind: report.PlannedCategory, Value: "Marketing", At: 1790000025, Until: 1790086425},
			{Subject: sale.Subject(), Kind: report.Category, Value: "Marketing", Reason: "Utility", At: 1790000025},
		}},
		"account_alerts.json": {
			Reports: []report.Report{
				{Subject: report.PortfolioSubject("3001"), Kind: report.Increase, Value: "Deferred", Reason: "Not yet.", At: 1790000024},
				{Subject: report.PortfolioSubject("3001"), Kind: report.Increase, Value: "NeedMoreInfo", At: 1790000024},
				{Subject: report.NumberIDSubject("1001"), Kind: report.Alert, Value: "OBA_APPROVED", Reason: "It has a badge now.", At: 1790000024},
			},
		},
		"account.json": {Reports: []report.Report{
			{Subject: report.AccountSubject("2001"), Kind: report.Limit, Value: "2000", At: 1790000025},
			{Subject: report.AccountSubject("2001"), Kind: report.Restriction, Value: "RESTRICTED_BIZ_INITIATED_MESSAGING", Reason: "Wait.", At: 1790000025, Until: 1790600000},
			{Subject: report.AccountSubject("2001"), Kind: report.Restriction, Value: "RESTRICTED_UTILITY_TEMPLATES", At: 1790000025, Until: 1790600000},
			{Subject: report.AccountSubject("2001"), Kind: report.Violation, Value: "SCAM", At: 1790000025},
			{Subject: report.AccountSubject("2001"), Kind: report.Ban, Value: "SCHEDULE_FOR_DISABLE", Reason: "April 17, 2025", At: 1790000025},
			{Subject: report.AccountSubject("2001"), Kind: report.Review, Value: "Approved", At: 1790000025},
			{Subject: report.AccountSubject("2001"), Kind: report.Verification, Value: "Verified", At: 1790000025},
			{Subject: report.PortfolioSubject("3001"), Kind: report.Verification, Value: "Verified", At: 1790000025},
		}},
		"numbers.json": {
			Reports: []report.Report{
				{Subject: report.ParseSubject(number), Kind: report.DisplayName, Value: "Rejected", Reason: "NAME_FORMAT_UNACCEPTABLE", At: 1790000026},
				{Subject: report.ParseSubject(number), Kind: report.DisplayName, Value: "Approved", At: 1790000026},
				{Subject: report.ParseSubject(number), Kind: report.Limit, Value: "2000", Reason: "ONBOARDING", At: 1790000026},
			},
			Preferred: meta.Preferences{Stopped: 1, Resumed: 1},
		},
	}
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) < len(wants) {
		t.Fatalf("%d of %d files, %v", len(files), len(wants), err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		want, ok := wants[name]
		if !ok {
			t.Errorf("nothing is expected of %s", name)
			continue
		}
		t.Run(name, func(t *testing.T) { expect(t, read(t, name), want) })
	}
}

func TestTheBuildersWriteWhatIsRead(t *testing.T) {
	at := time.Unix(1790000000, 0)
	expect(t, metatest.MessagesPayload(number,
		[]metatest.Status{
			{ID: "wamid.A", Status: "sent", Phone: "15557770000", At: at},
			{ID: "wamid.A", Status: "delivered", Phone: "15557770000", Scoped: "US.1", At: at},
			{ID: "wamid.D", Status: "delivered", Phone: "15557770000", Scoped: "US.1", Category: "service", At: at},
			{ID: "wamid.E", Status: "read", Scoped: "US.2", Group: "group1", At: at},
			{ID: "wamid.B", Status: "failed", Phone: "15557770000", Code: 131026, At: at},
		},
		[]metatest.Inbound{{ID: "wamid.C", Scoped: "US.1", At: at}, {ID: "wamid.F", Scoped: "US.2", Group: "group1", At: at}},
	), facts{
		Deliveries: []meta.Delivery{
			{Number: number, User: meta.Identity{Phone: "15557770000", Scoped: "US.1"}, MessageID: "wamid.A", Category: meta.Marketing, At: at.Unix()},
			{Number: number, User: meta.Identity{Phone: "15557770000", Scoped: "US.1"}, MessageID: "wamid.D", Category: meta.Service, At: at.Unix()},
			{Number: number, User: meta.Identity{Scoped: "US.2"}, MessageID: "wamid.E", Group: "group1", At: at.Unix()},
		},
		Received: []meta.Received{
			{Number: number, User: meta.Identity{Scoped: "US.1"}, At: at.Unix()},
			{Number: number, User: meta.Identity{Scoped: "US.2"}, Group: "group1", At: at.Unix()},
		},
		Failures: []meta.Failure{{Number: number, User: meta.Identity{Phone: "15557770000"}, MessageID: "wamid.B", Code: 131026, At: at.Unix()}},
		Sent:     1,
	})
}

func TestALimitIsReadInEveryEncoding(t *testing.T) {
	for written, want := range map[string]string{
		`"TIER_50"`: "50", `"TIER_250"`: "250", `"TIER_1K"`: "1000", `"TIER_2K"`: "2000", `"TIER_10K"`: "10000",
		`"TIER_100K"`: "100000", `"TIER_500"`: "500", `"TIER_3M"`: "3000000", `"TIER_UNLIMITED"`: "Unlimited",
		`"UNLIMITED"`: "Unlimited", `-1`: "Unlimited", `"-1"`: "Unlimited", `2000`: "2000", `"2000"`: "2000",
		`"TIER_NOT_SET"`: "", `null`: "", `"TIER_HUGE"`: "TIER_HUGE",
	} {
		for _, event := range []string{"UPGRADE", "DOWNGRADE", "ONBOARDING"} {
			want := want
			if event == "ONBOARDING" && want == report.LimitValue(report.Unlimited) {
				want = "" // that is the throughput
			}
			for _, name := range []string{"current_limit", "max_daily_conversations_per_business"} {
				body := qualityUpdate(`"display_phone_number":"15550001111","event":"` + event + `","` + name + `":` + written)
				if want == "" {
					expect(t, body, facts{Skipped: 1})
					continue
				}
				expect(t, body, facts{Reports: []report.Report{{Subject: report.ParseSubject(number), Kind: report.Limit, Value: want, Reason: event, At: 1790000000}}})
			}
		}
	}
}

func TestUnflaggedEndsLowAndTheFlag(t *testing.T) {
	expect(t, metatest.QualityUpdatePayload(number, "UNFLAGGED", "", time.Unix(1790000000, 0)), facts{Reports: []report.Report{
		{Subject: report.ParseSubject(number), Kind: report.Quality, Value: "Medium", Reason: "UNFLAGGED", At: 1790000000},
		{Subject: report.ParseSubject(number), Kind: report.Connection, Value: "Connected", Reason: "UNFLAGGED", At: 1790000000},
	}})
}

func TestAContactGivesTheKeyThatItsUsersItemLacks(t *testing.T) {
	delivered := func(contacts, recipient string) []byte {
		return messages(`"contacts":[` + contacts + `],"statuses":[{"id":"m","status":"delivered","timestamp":"1790000000"` + recipient + `}]`)
	}
	for name, test := range map[string]struct {
		body []byte
		want meta.Identity
	}{
		"by its phone":     {delivered(`{"wa_id":"2","user_id":"US.2"},{"wa_id":"1","user_id":"US.1"}`, `,"recipient_id":"1"`), meta.Identity{Phone: "1", Scoped: "US.1"}},
		"by its scoped id": {delivered(`{"wa_id":"2","user_id":"US.2"},{"wa_id":"1","user_id":"US.1"}`, `,"recipient_user_id":"US.2"`), meta.Identity{Phone: "2", Scoped: "US.2"}},
		"not of another":   {delivered(`{"wa_id":"2","user_id":"US.2"}`, `,"recipient_id":"1"`), meta.Identity{Phone: "1"}},
		"by another form":  {delivered(`{"wa_id":"525512345678","user_id":"MX.2"},{"wa_id":"1","user_id":"US.1"}`, `,"recipient_id":"5215512345678"`), meta.Identity{Phone: "525512345678", Scoped: "MX.2"}},
		"the only one":     {delivered(`{"wa_id":"2","user_id":"US.2"}`, ``), meta.Identity{Phone: "2", Scoped: "US.2"}},
	} {
		t.Run(name, func(t *testing.T) {
			expect(t, test.body, facts{Deliveries: []meta.Delivery{{Number: number, User: test.want, MessageID: "m", At: 1790000000}}})
		})
	}
}

// What is wrong in the frame of a body, and a time that will come, is refused; any other thing is passed over.
func TestWhatIsWrongIsNamedByItsPathAndNotQuoted(t *testing.T) {
	const (
		secret   = "5559998877"
		sale     = `"message_template_name":"sale","message_template_language":"en"`
		deferred = `"entity_type":"BUSINESS","alert_info":{"alert_type":"INCREASED_CAPABILITIES_ELIGIBILITY_DEFERRED"}`
	)
	status := func(fields string) string { return `"statuses":[{` + fields + `}]` }
	for _, test := range []struct {
		body []byte
		want string
	}{
		{[]byte(`[]`), `body must be an object, but is an array`},
		{[]byte(`{}`), `object must be "whatsapp_business_account", but is absent`},
		{[]byte(`{"object":7}`), `object must be "whatsapp_business_account", but is another number`},
		{[]byte(`{"object":"whatsapp_business_account"}`), `entry must be an array, but is absent`},
		{[]byte(`{"object":"whatsapp_business_account","entry":[5]}`), `entry[0] must be an object, but is another number`},
		{[]byte(`{"object":"whatsapp_business_account","entry":[{"id":"1"}]}`), `entry[0].changes must be an array, but is absent`},
		{[]byte(`{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[true]}]}`), `entry[0].changes[0] must be an object, but is a boolean`},
		{[]byte(`{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"value":{}}]}]}`), `entry[0].changes[0].field must be a string that is not empty, but is absent`},
		{[]byte(`{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"messages","value":[]}]}]}`), `entry[0].changes[0].value must be an object, but is an array`},
		{[]byte(`{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"messages","value":{}}]}]}`), `entry[0].changes[0].value.metadata must be an object, but is absent`},
		{metatest.MessagesPayload("1234", nil, nil), `entry[0].changes[0].value.metadata.display_phone_number must be a phone number with its country code, of 7 to 15 digits, but is another string`},
		{messages(`"contacts":{}`), `entry[0].changes[0].value.contacts must be an array, but is an object`},
		{messages(`"contacts":[{"wa_id":7.5}]`), `entry[0].changes[0].value.contacts[0].wa_id must be a string of at most 512 bytes, but is another number`},
		{messages(`"statuses":{}`), `entry[0].changes[0].value.statuses must be an array, but is an object`},
		{messages(`"statuses":[null]`), `entry[0].changes[0].value.statuses[0] must be an object, but is null`},
		{messages(`"statuses":[{"status":"sent"},{}]`), `entry[0].changes[0].value.statuses[1].status must be a string that is not empty, but is absent`},
		{messages(status(`"status":"read"`)), `entry[0].changes[0].value.statuses[0].id must be a string that is not empty, but is absent`},
		{messages(status(`"status":"read","id":true`)), `entry[0].changes[0].value.statuses[0].id must be a string of at most 512 bytes, but is a boolean`},
		{messages(status(`"status":"read","id":"` + strings.Repeat("x", 513) + `"`)), `entry[0].changes[0].value.statuses[0].id must be a string of at most 512 bytes, but is another string`},
		{messages(status(`"status":"read","id":"m"`)), `entry[0].changes[0].value.statuses[0].timestamp must be a time in Unix seconds, as a string or a whole number, but is absent`},
		{messages(status(`"status":"read","id":"m","timestamp":"` + secret + `x"`)), `entry[0].changes[0].value.statuses[0].timestamp must be a time in Unix seconds, as a string or a whole number, but is another string`},
		{messages(status(`"status":"read","id":"m","timestamp":1.5`)), `entry[0].changes[0].value.statuses[0].timestamp must be a time in Unix seconds, as a string or a whole number, but is another number`},
		{messages(status(`"status":"read","id":"m","timestamp":-1`)), `entry[0].changes[0].value.statuses[0].timestamp must be a time in Unix seconds, as a string or a whole number, but is another number`},
		{messages(status(`"status":"read","id":"m","timestamp":"99999999999999999999"`)), `entry[0].changes[0].value.statuses[0].timestamp must be a time in Unix seconds, as a string or a whole number, but is another string`},
		{messages(status(`"status":"read","id":"m","timestamp":"1800000001","recipient_id":"1"`)), `entry[0].changes[0].value.statuses[0].timestamp must be a time that has come, but lies too far ahead`},
		{messages(status(`"status":"read","id":"m","timestamp":"1790000000"`)), `entry[0].changes[0].value.statuses[0].recipient_id must be there, or recipient_user_id, or else exactly one contact`},
		{messages(`"contacts":[{"wa_id":"1"},{"wa_id":"2"}],` + status(`"status":"read","id":"m","timestamp":"1790000000"`)), `entry[0].changes[0].value.statuses[0].recipient_id must be there, or recipient_user_id, or else exactly one contact`},
		{messages(status(`"status":"read","id":"m","timestamp":"1790000000","recipient_id":{"id":"` + secret + `"}`)), `entry[0].changes[0].value.statuses[0].recipient_id must be a string of at most 512 bytes, but is an object`},
		{messages(status(`"status":"failed","errors":[{"code":"` + secret + `x"}]`)), `entry[0].changes[0].value.statuses[0].errors[0].code must be a whole number, but is another string`},
		{messages(`"messages":[{"type":7}]`), `entry[0].changes[0].value.messages[0].type must be a string, but is another number`},
		{messages(`"messages":[{"type":"text","from":"1"}]`), `entry[0].changes[0].value.messages[0].timestamp must be a time in Unix seconds, as a string or a whole number, but is absent`},
		{messages(`"messages":[{"type":"text","timestamp":"1790000000"}]`), `entry[0].changes[0].value.messages[0].from must be there, or from_user_id, or else exactly one contact`},
		{qualityUpdate(`"event":"FLAGGED"`), `entry[0].changes[0].value.display_phone_number must be a phone number with its country code, of 7 to 15 digits, but is absent`},
		{qualityUpdate(`"display_phone_number":"15550001111"`), `entry[0].changes[0].value.event must be a string that is not empty, but is absent`},
		{qualityUpdate(`"display_phone_number":"15550001111","event":"UPGRADE","current_limit":0`), `entry[0].changes[0].value.current_limit must be a tier such as TIER_2K or TIER_UNLIMITED, a positive whole number, or -1, but is another number`},
		{qualityUpdate(`"display_phone_number":"15550001111","event":"UPGRADE","current_limit":"TIER ` + secret + `"`), `entry[0].changes[0].value.current_limit must be a tier such as TIER_2K or TIER_UNLIMITED, a positive whole number, or -1, but is another string`},
		{change("2001", "message_template_status_update", `"event":"PAUSED","message_template_language":"en"`), `entry[0].changes[0].value.message_template_name must be a string of 1 to 512 bytes, but is absent`},
		{change("2001", "message_template_status_update", `"event":"PAUSED","message_template_name":""`), `entry[0].changes[0].value.message_template_name must be a string of 1 to 512 bytes, but is an empty string`},
		{change("2001", "message_template_status_update", `"event":"PAUSED","message_template_name":"`+strings.Repeat("x", 513)+`"`), `entry[0].changes[0].value.message_template_name must be a string of 1 to 512 bytes, but is another string`},
		{change("2001", "message_template_status_update", `"event":"PAUSED","message_template_name":"sale"`), `entry[0].changes[0].value.message_template_language must be a word of at most 64 characters, but is absent`},
		{change("2001", "message_template_status_update", sale+`,"reason":"NONE"`), `entry[0].changes[0].value.event must be a word of at most 64 characters, but is absent`},
		{change("2001", "message_template_status_update", sale+`,"event":"two words `+secret+`"`), `entry[0].changes[0].value.event must be a word of at most 64 characters, but is another string`},
		{change("2001", "message_template_status_update", sale+`,"event":"`+strings.Repeat("X", 65)+`"`), `entry[0].changes[0].value.event must be a word of at most 64 characters, but is another string`},
		{change("2001", "message_template_status_update", sale+`,"event":"PAUSED","reason":7`), `entry[0].changes[0].value.reason must be a string, but is another number`},
		{change("2001", "message_template_status_update", sale+`,"event":"PAUSED","other_info":{"title":[]}`), `entry[0].changes[0].value.other_info.title must be a string, but is an array`},
		{change("2001", "message_template_quality_update", sale), `entry[0].changes[0].value.new_quality_score must be a word of at most 64 characters, but is absent`},
		{change("2001", "message_template_quality_update", sale+`,"new_quality_score":3`), `entry[0].changes[0].value.new_quality_score must be a word of at most 64 characters, but is another number`},
		{change(secret+"x", "message_template_quality_update", sale+`,"new_quality_score":"RED"`), `entry[0].id must be an id of at most 32 digits, but is another string`},
		{change(strings.Repeat("1", 33), "message_template_quality_update", sale+`,"new_quality_score":"RED"`), `entry[0].id must be an id of at most 32 digits, but is another string`},
		{change("2001", "account_alerts", deferred), `entry[0].changes[0].value.entity_id must be an id of at most 32 digits, but is absent`},
		{change("2001", "account_alerts", deferred+`,"entity_id":-3001`), `entry[0].changes[0].value.entity_id must be an id of at most 32 digits, but is another number`},
		{change("2001", "account_alerts", deferred+`,"entity_id":3001.5`), `entry[0].changes[0].value.entity_id must be an id of at most 32 digits, but is another number`},
		{change("2001", "account_alerts", `"entity_id":1,"entity_type":"BUSINESS","alert_info":{"alert_type":"INCREASED_CAPABILITIES_ELIGIBILITY_FAILED","alert_description":{}}`), `entry[0].changes[0].value.alert_info.alert_description must be a string, but is an object`},
		{[]byte(`{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"account_alerts","value":7}]}]}`), `entry[0].changes[0].value must be an object, but is another number`},
		{change("2001", "account_update", ``), `entry[0].changes[0].value.event must be a word of at most 64 characters, but is absent`},
		{change("2001", "account_update", `"event":"ACCOUNT_VIOLATION"`), `entry[0].changes[0].value.violation_info.violation_type must be a word of at most 64 characters, but is absent`},
		{change("2001", "account_update", `"event":"DISABLED_UPDATE","ban_info":{"waba_ban_state":"`+secret+` x"}`), `entry[0].changes[0].value.ban_info.waba_ban_state must be a word of at most 64 characters, but is another string`},
		{change("2001", "account_update", `"event":"ACCOUNT_RESTRICTION","restriction_info":{}`), `entry[0].changes[0].value.restriction_info must be an array, but is an object`},
		{change("2001", "account_update", `"event":"ACCOUNT_RESTRICTION","restriction_info":[7]`), `entry[0].changes[0].value.restriction_info[0] must be an object, but is another number`},
		{change("2001", "account_update", `"event":"ACCOUNT_RESTRICTION","restriction_info":[{}]`), `entry[0].changes[0].value.restriction_info[0].restriction_type must be a word of at most 64 characters, but is absent`},
		{change("2001", "account_update", `"event":"ACCOUNT_RESTRICTION","restriction_info":[{"restriction_type":"X","expiration":1.5}]`), `entry[0].changes[0].value.restriction_info[0].expiration must be a time in Unix seconds or milliseconds, or as text, but is another number`},
		{change("2001", "account_update", `"event":"ACCOUNT_RESTRICTION","restriction_info":[{"restriction_type":"X","expiration":253402300800}]`), `entry[0].changes[0].value.restriction_info[0].expiration must be a time in Unix seconds or milliseconds, or as text, but is another number`},
		{change("2001", "account_update", `"event":"VERIFIED_ACCOUNT","phone_number":"`+secret+`x"`), `entry[0].changes[0].value.phone_number must be a phone number with its country code, of 7 to 15 digits, but is another string`},
		{change("2001", "account_update", `"event":"PARTNER_CLIENT_CERTIFICATION_STATUS_UPDATE"`), `entry[0].changes[0].value.partner_client_certification_info.status must be a word of at most 64 characters, but is absent`},
		{change("x", "account_review_update", `"decision":"APPROVED"`), `entry[0].id must be an id of at most 32 digits, but is another string`},
		{change("2001", "account_review_update", ``), `entry[0].changes[0].value.decision must be a word of at most 64 characters, but is absent`},
		{change("2001", "business_capability_update", `"max_daily_conversations_per_business":0`), `entry[0].changes[0].value.max_daily_conversations_per_business must be a tier such as TIER_2K or TIER_UNLIMITED, a positive whole number, or -1, but is another number`},
		{change("2001", "template_category_update", `"message_template_name":"a","message_template_language":"en"`), `entry[0].changes[0].value.new_category must be a word of at most 64 characters, but is absent`},
		{change("2001", "template_category_update", `"message_template_name":"a","message_template_language":"en","new_category":"UTILITY","correct_category":[]`), `entry[0].changes[0].value.correct_category must be a word of at most 64 characters, but is an array`},
		{change("2001", "template_category_update", `"message_template_name":"a","message_template_language":"en","new_category":"UTILITY","correct_category":"MARKETING","category_update_timestamp":"soon"`), `entry[0].changes[0].value.category_update_timestamp must be a time in Unix seconds or milliseconds, but is another string`},
		{change("2001", "phone_number_name_update", `"decision":"APPROVED"`), `entry[0].changes[0].value.display_phone_number must be a phone number with its country code, of 7 to 15 digits, but is absent`},
		{change("2001", "phone_number_name_update", `"display_phone_number":"15550001111","decision":"REJECTED","rejection_reason":[]`), `entry[0].changes[0].value.rejection_reason must be a string, but is an array`},
		{change("2001", "user_preferences", `"user_preferences":{}`), `entry[0].changes[0].value.user_preferences must be an array, but is an object`},
		{bytes.Replace(read(t, "template_status.json"), []byte(`"time":1790000023,`), nil, 1), `entry[0].time must be a time in Unix seconds or milliseconds, but is absent`},
		{bytes.Replace(read(t, "account_alerts.json"), []byte(`1790000024`), []byte(`1800000001`), 1), `entry[0].time must be a time that has come, but lies too far ahead`},
		{bytes.Replace(read(t, "flagged.json"), []byte(`"time":1790000016,`), nil, 1), `entry[0].time must be a time in Unix seconds or milliseconds, but is absent`},
		{bytes.Replace(read(t, "flagged.json"), []byte(`1790000016`), []byte(`1800000001`), 1), `entry[0].time must be a time that has come, but lies too far ahead`},
	} {
		u, err := meta.Parse(test.body, latest)
		if whole := strings.HasPrefix(test.want, "body ") || strings.HasPrefix(test.want, "object ") || strings.HasPrefix(test.want, "entry ") || strings.HasSuffix(test.want, "too far ahead"); whole != (err != nil) {
			t.Errorf("%s\nrefused whole: %v, %v", test.body, err != nil, err)
			continue
		} else if !whole {
			if len(u.Unread) > 0 {
				err = u.Unread[0]
			}
			if len(u.Unread) == 0 || len(u.Deliveries)+len(u.Received)+len(u.Reports)+len(u.Joins) > 0 {
				t.Errorf("%s\ngives %+v", test.body, factsOf(u))
			}
		}
		var field *meta.FieldError
		if !errors.As(err, &field) || err.Error() != test.want {
			t.Errorf("%s\n got %v\nwant %s", test.body, err, test.want)
			continue
		}
		if strings.Contains(err.Error(), secret) {
			t.Errorf("the error quotes the body: %v", err)
		}
	}
}

// messages is the body of one change of the field messages with the fields given.
func messages(fields string) []byte {
	return []byte(`{"object":"whatsapp_business_account","entry":[{"id":"2001","changes":[{"field":"messages","value":{` +
		`"metadata":{"display_phone_number":"15550001111"},` + fields + `}}]}]}`)
}

func qualityUpdate(fields string) []byte {
	return []byte(`{"object":"whatsapp_business_account","entry":[{"id":"2001","time":1790000000,"changes":[` +
		`{"field":"phone_number_quality_update","value":{` + fields + `}}]}]}`)
}

// change is the body of one change of a field with the fields of its value given.
func change(account, field, value string) []byte {
	return []byte(`{"object":"whatsapp_business_account","entry":[{"id":"` + account + `","time":1790000000,"changes":[` +
		`{"field":"` + field + `","value":{` + value + `}}]}]}`)
}
