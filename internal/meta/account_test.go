package meta_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"numberfleet.dev/numberfleet/internal/meta"
	"numberfleet.dev/numberfleet/internal/meta/metatest"
	"numberfleet.dev/numberfleet/internal/report"
)

func TestAlertsAboutAPortfoliosLimitAreRead(t *testing.T) {
	at := time.Unix(1790000000, 0)
	for alert, want := range map[string]string{"DEFERRED": "Deferred", "FAILED": "Failed", "NEED_MORE_INFO": "NeedMoreInfo"} {
		body := metatest.AccountAlertPayload("3001", "INCREASED_CAPABILITIES_ELIGIBILITY_"+alert, "Use it for some days.", at)
		wants := facts{Reports: []report.Report{{Subject: report.PortfolioSubject("3001"), Kind: report.Increase, Value: want, Reason: "Use it for some days.", At: 1790000000}}}
		expect(t, body, wants)
		expect(t, bytes.Replace(body, []byte(`"3001"`), []byte(`3001`), 1), wants)
		expect(t, bytes.Replace(body, []byte(`"ACTIVE"`), []byte(`"NONE"`), 1), wants)
		expect(t, bytes.Replace(body, []byte(`"alert_status":"ACTIVE",`), nil, 1), wants)
		expect(t, bytes.Replace(body, []byte(`1790000000`), []byte(`1790000000123`), 1), wants)
	}
	long := strings.Repeat("x", 5000)
	expect(t, metatest.AccountAlertPayload("3001", "INCREASED_CAPABILITIES_ELIGIBILITY_FAILED", long, at), facts{Reports: []report.Report{
		{Subject: report.PortfolioSubject("3001"), Kind: report.Increase, Value: "Failed", Reason: long[:256], At: 1790000000},
	}})
}

func TestAlertsThatSayNothingArePassedOver(t *testing.T) {
	at := time.Unix(1790000000, 0)
	denied := metatest.AccountAlertPayload("3001", "INCREASED_CAPABILITIES_ELIGIBILITY_DEFERRED", "", at)
	for name, body := range map[string][]byte{
		"about who knows what": bytes.Replace(denied, []byte(`"BUSINESS"`), []byte(`5`), 1),
		"over":                 bytes.Replace(denied, []byte(`"ACTIVE"`), []byte(`"RESOLVED"`), 1),
		"empty":                change("2001", "account_alerts", ``),
		"without a type":       change("2001", "account_alerts", `"entity_type":"BUSINESS","entity_id":"3001","alert_info":{}`),
		"no word":              metatest.AccountAlertPayload("3001", "two words", "", at),
		"of another shape":     change("2001", "account_alerts", `"entity_type":"BUSINESS","entity_id":"3001","alert_info":"x"`),
	} {
		t.Run(name, func(t *testing.T) { expect(t, body, facts{Other: map[string]int{"account_alerts": 1}}) })
	}
}

func TestOtherAlertsAreKeptAsTheyCame(t *testing.T) {
	at := time.Unix(1790000000, 0)
	for _, test := range []struct {
		about, alert string
		want         report.Report
	}{
		{"PHONE_NUMBER", "OBA_APPROVED", report.Report{Subject: report.NumberIDSubject("3001")}},
		{"PHONE_NUMBER", "INCREASED_CAPABILITIES_ELIGIBILITY_FAILED", report.Report{Subject: report.NumberIDSubject("3001")}},
		{"BUSINESS", "OBA_REJECTED", report.Report{Subject: report.PortfolioSubject("3001")}},
		{"BUSINESS", "INCREASED_CAPABILITIES_ELIGIBILITY", report.Report{Subject: report.PortfolioSubject("3001")}},
		{"CURRENT_STATUS_ID", "PROFILE_PICTURE_LOST", report.Report{Subject: report.AccountSubject(metatest.Account)}},
		{"SOMETHING_NEW", "OBA_APPEAL_REJECTED", report.Report{Subject: report.AccountSubject(metatest.Account)}},
	} {
		want := test.want
		want.Kind, want.Value, want.Reason, want.At = report.Alert, test.alert, "It has a badge now.", 1790000000
		expect(t, metatest.AlertPayload(test.about, "3001", test.alert, "It has a badge now.", at), facts{Reports: []report.Report{want}})
	}
}

// Meta's pages disagree about how the limit is written: 2000, -1, UNLIMITED or TIER_2K.
func TestTheLimitOfAnAccountIsReadInEveryEncoding(t *testing.T) {
	for written, want := range map[any]string{
		250: "250", 2000: "2000", 100000: "100000", -1: "Unlimited", "-1": "Unlimited", "UNLIMITED": "Unlimited", "TIER_UNLIMITED": "Unlimited",
		"TIER_250": "250", "TIER_2K": "2000", "TIER_10K": "10000", "TIER_100K": "100000", "2000": "2000", "TIER_HUGE": "TIER_HUGE",
	} {
		wants := facts{Reports: []report.Report{{Subject: report.AccountSubject(metatest.Account), Kind: report.Limit, Value: want, At: 1790000000}}}
		body := metatest.CapabilityPayload(metatest.Account, written, time.Unix(1790000000, 0))
		expect(t, body, wants)
		// The name that went before.
		expect(t, bytes.Replace(body, []byte("max_daily_conversations_per_business"), []byte("max_daily_conversation_per_phone"), 1), wants)
	}
	for _, written := range []any{nil, "TIER_NOT_SET", ""} {
		expect(t, metatest.CapabilityPayload(metatest.Account, written, time.Unix(1790000000, 0)), facts{Other: map[string]int{"business_capability_update": 1}})
	}
	expect(t, change("2001", "business_capability_update", `"max_daily_conversations_per_business":2000,"max_daily_conversation_per_phone":250`),
		facts{Reports: []report.Report{{Subject: report.AccountSubject("2001"), Kind: report.Limit, Value: "2000", At: 1790000000}}})
}

func TestEveryEventOfAnAccountIsRead(t *testing.T) {
	at := time.Unix(1790000000, 0)
	of := func(kind report.Kind, value, reason string) report.Report {
		return report.Report{Subject: report.AccountSubject(metatest.Account), Kind: kind, Value: value, Reason: reason, At: 1790000000}
	}
	ofPortfolio := func(value, reason string) report.Report {
		return report.Report{Subject: report.PortfolioSubject("3001"), Kind: report.Verification, Value: value, Reason: reason, At: 1790000000}
	}
	for _, test := range []struct {
		name string
		body []byte
		want []report.Report
	}{
		{"deleted", metatest.AccountEventPayload(metatest.Account, "ACCOUNT_DELETED", at), []report.Report{of(report.AccountConnection, "Offline", "ACCOUNT_DELETED")}},
		{"offboarded", metatest.AccountEventPayload(metatest.Account, "ACCOUNT_OFFBOARDED", at), []report.Report{of(report.AccountConnection, "Offline", "ACCOUNT_OFFBOARDED")}},
		{"reconnected", metatest.AccountEventPayload(metatest.Account, "ACCOUNT_RECONNECTED", at), []report.Report{of(report.AccountConnection, "Connected", "ACCOUNT_RECONNECTED")}},
		{"a violation", metatest.ViolationPayload(metatest.Account, "SCAM", at), []report.Report{of(report.Violation, "SCAM", "")}},
		{"disabled", metatest.BanPayload(metatest.Account, "DISABLE", "April 17, 2025", at), []report.Report{of(report.Ban, "DISABLE", "April 17, 2025"), of(report.AccountConnection, "Blocked", "DISABLE")}},
		{"reinstated", metatest.BanPayload(metatest.Account, "REINSTATE", "", at), []report.Report{of(report.Ban, "REINSTATE", ""), of(report.AccountConnection, "Connected", "REINSTATE")}},
		{"to be disabled", metatest.BanPayload(metatest.Account, "SCHEDULE_FOR_DISABLE", "April 17, 2025", at), []report.Report{of(report.Ban, "SCHEDULE_FOR_DISABLE", "April 17, 2025")}},
		{"a new ban", metatest.BanPayload(metatest.Account, "SUSPEND", "", at), []report.Report{of(report.Ban, "SUSPEND", "")}},
		{"verified, as it was", metatest.VerifiedAccountPayload(metatest.Account, number, at), []report.Report{{Subject: report.ParseSubject(number), Kind: report.Verification, Value: "Verified", Reason: "VERIFIED_ACCOUNT", At: 1790000000}}},
		{"verified, without a number", metatest.AccountEventPayload(metatest.Account, "VERIFIED_ACCOUNT", at), []report.Report{of(report.Verification, "Verified", "VERIFIED_ACCOUNT")}},
		{"verified by a partner", metatest.CertificationPayload(metatest.Account, "3001", "APPROVED", at), []report.Report{of(report.Verification, "Verified", ""), ofPortfolio("Verified", "")}},
		{"not verified by a partner", metatest.CertificationPayload(metatest.Account, "3001", "FAILED", at, "ADDRESS NOT MATCHING", "LEGAL_NAME_NOT_MATCHING"),
			[]report.Report{of(report.Verification, "FAILED", "ADDRESS NOT MATCHING, LEGAL_NAME_NOT_MATCHING"), ofPortfolio("FAILED", "ADDRESS NOT MATCHING, LEGAL_NAME_NOT_MATCHING")}},
		{"verified by a partner, of no portfolio", metatest.CertificationPayload(metatest.Account, "", "PENDING", at), []report.Report{of(report.Verification, "PENDING", "")}},
		{"approved", metatest.ReviewPayload(metatest.Account, "APPROVED", at), []report.Report{of(report.Review, "Approved", "")}},
		{"rejected", metatest.ReviewPayload(metatest.Account, "REJECTED", at), []report.Report{of(report.Review, "Rejected", "")}},
		{"pending", metatest.ReviewPayload(metatest.Account, "PENDING", at), []report.Report{of(report.Review, "Pending", "")}},
		{"deferred", metatest.ReviewPayload(metatest.Account, "DEFERRED", at), []report.Report{of(report.Review, "Deferred", "")}},
		{"a new decision", metatest.ReviewPayload(metatest.Account, "ESCALATED", at), []report.Report{of(report.Review, "ESCALATED", "")}},
	} {
		t.Run(test.name, func(t *testing.T) { expect(t, test.body, facts{Reports: test.want}) })
	}
	for _, event := range []string{
		"AD_ACCOUNT_LINKED", "AUTH_INTL_PRICE_ELIGIBILITY_UPDATE", "BUSINESS_PRIMARY_LOCATION_COUNTRY_UPDATE", "MM_LITE_TERMS_SIGNED",
		"PARTNER_ADDED", "PARTNER_REMOVED", "PARTNER_APP_INSTALLED", "PARTNER_APP_UNINSTALLED", "VOLUME_BASED_PRICING_TIER_UPDATE", "SOMETHING_NEW",
	} {
		expect(t, metatest.AccountEventPayload(metatest.Account, event, at), facts{Other: map[string]int{"account_update": 1}})
		// What is told to a partner is about the account that it names, not about the partner's business, which the entry is of.
		expect(t, change("47", "account_update", `"event":"`+event+`","waba_info":{"waba_id":"2001","owner_business_id":"53"}`), facts{Other: map[string]int{"account_update": 1}})
	}
}

// A number that is shared with the WhatsApp Business app can leave the API, and come back, without the rest of its account.
func TestThatANumberLeftTheAPIIsRead(t *testing.T) {
	const named = `,"phone_number":"15550001111"`
	of := func(number, account, value, reason string) []report.Report {
		subject := report.AccountSubject(account)
		if account == "" {
			subject = report.ParseSubject(number)
		}
		return []report.Report{{Subject: subject, Kind: report.AccountConnection, Value: value, Reason: reason, At: 1790000000}}
	}
	for _, reason := range []string{
		"ACCOUNT_DISCONNECTED", "BUSINESS_DOWNGRADE", "CHANGE_NUMBER", "COMPANION_INACTIVITY", "PRIMARY_INACTIVITY", "USER_RE_REGISTERED", "SOMETHING_NEW",
	} {
		expect(t, change("47", "account_update", `"event":"PARTNER_REMOVED"`+named+`,"waba_info":{"waba_id":"2001"},"disconnection_info":{"reason":"`+reason+`","initiated_by":"WHATSAPP"}`),
			facts{Reports: of("+15550001111", "", "Offline", "PARTNER_REMOVED, "+reason+", initiated by WHATSAPP")})
	}
	for value, want := range map[string][]report.Report{
		`"event":"PARTNER_REMOVED"` + named:                                                              of("+15550001111", "", "Offline", "PARTNER_REMOVED"),
		`"event":"PARTNER_REMOVED","phone_number":"+1 555-000-1111"`:                                     of("+15550001111", "", "Offline", "PARTNER_REMOVED"),
		`"event":"PARTNER_REMOVED","disconnection_info":{"reason":"ACCOUNT_DISCONNECTED"}`:               of("", "2001", "Offline", "PARTNER_REMOVED, ACCOUNT_DISCONNECTED"),
		`"event":"PARTNER_REMOVED","waba_info":{"waba_id":"2009"},"disconnection_info":{}`:               of("", "2009", "Offline", "PARTNER_REMOVED"),
		`"event":"ACCOUNT_OFFBOARDED"` + named + `,"disconnection_info":{"reason":"PRIMARY_INACTIVITY"}`: of("+15550001111", "", "Offline", "ACCOUNT_OFFBOARDED, PRIMARY_INACTIVITY"),
		`"event":"ACCOUNT_OFFBOARDED","waba_info":{"waba_id":"2009"}`:                                    of("", "2009", "Offline", "ACCOUNT_OFFBOARDED"),
		`"event":"ACCOUNT_DELETED"` + named:                                                              of("+15550001111", "", "Offline", "ACCOUNT_DELETED"),
		`"event":"ACCOUNT_RECONNECTED"` + named:                                                          of("+15550001111", "", "Connected", "ACCOUNT_RECONNECTED"),
		`"event":"PARTNER_ADDED"` + named:                                                                of("+15550001111", "", "Connected", "PARTNER_ADDED"),
	} {
		expect(t, change("2001", "account_update", value), facts{Reports: want})
	}
	for value, problem := range map[string]string{
		`"event":"PARTNER_REMOVED","phone_number":"nobody"`:                               "value.phone_number must be a phone number",
		`"event":"PARTNER_REMOVED","waba_info":{"waba_id":"x"}` + named:                   "value.waba_info.waba_id must be an id",
		`"event":"PARTNER_REMOVED","disconnection_info":{"reason":1}`:                     "value.disconnection_info.reason must be a string",
		`"event":"PARTNER_REMOVED"` + named + `,"disconnection_info":{"initiated_by":{}}`: "value.disconnection_info.initiated_by must be a string",
	} {
		u, err := meta.Parse(change("2001", "account_update", value), latest)
		if err != nil {
			t.Fatal(err)
		}
		if len(u.Unread) != 1 || !strings.Contains(fmt.Sprint(u.Unread[0]), problem) || len(u.Reports) > 0 {
			t.Errorf("%s: the problem is %v, and the reports are %v", value, u.Unread, u.Reports)
		}
		u.Release()
	}
}

// Fields that are to be removed tell less than the one that replaces them, and TIER_NOT_SET tells nothing.
func TestTheNewestFieldThatSaysALimitWins(t *testing.T) {
	const replacement, current, perPhone = "max_daily_conversations_per_business", "current_limit", "max_daily_conversation_per_phone"
	for _, test := range []struct {
		fields []string // names and values
		want   string
	}{
		{[]string{current, `"TIER_10K"`, replacement, `"TIER_100K"`}, "100000"},
		{[]string{current, `"TIER_100K"`, replacement, `"TIER_10K"`}, "10000"},
		{[]string{current, `"TIER_NOT_SET"`, replacement, `"TIER_10K"`}, "10000"},
		{[]string{current, `"TIER_10K"`, replacement, `"TIER_NOT_SET"`}, "10000"},
		{[]string{current, `"TIER_10K"`, replacement, `null`}, "10000"},
		{[]string{current, `"TIER_10K"`, replacement, `""`}, "10000"},
		{[]string{current, `"TIER_10K"`, replacement, `2000`}, "2000"},
		{[]string{current, `"TIER_10K"`, replacement, `-1`}, "Unlimited"},
		{[]string{perPhone, `1000`, current, `"TIER_10K"`}, "10000"},
		{[]string{perPhone, `1000`, replacement, `250`}, "250"},
		{[]string{perPhone, `-1`, replacement, `"TIER_NOT_SET"`}, "Unlimited"},
		{[]string{perPhone, `"TIER_NOT_SET"`, current, `"TIER_NOT_SET"`, replacement, `"TIER_NOT_SET"`}, ""},
	} {
		fields := ""
		for i := 0; i < len(test.fields); i += 2 {
			fields += `,"` + test.fields[i] + `":` + test.fields[i+1]
		}
		ofNumber, ofAccount := facts{Skipped: 1}, facts{Other: map[string]int{"business_capability_update": 1}}
		if test.want != "" {
			ofNumber = facts{Reports: []report.Report{{Subject: report.ParseSubject("+15550001111"), Kind: report.Limit, Value: test.want, Reason: "UPGRADE", At: 1790000000}}}
			ofAccount = facts{Reports: []report.Report{{Subject: report.AccountSubject("2001"), Kind: report.Limit, Value: test.want, At: 1790000000}}}
		}
		expect(t, qualityUpdate(`"display_phone_number":"15550001111","event":"UPGRADE"`+fields), ofNumber)
		expect(t, change("2001", "business_capability_update", fields[1:]), ofAccount)
	}
}

// The end of a restriction is Unix seconds by Meta's page, and text as others relay it.
func TestTheEndOfARestrictionIsReadInEveryEncoding(t *testing.T) {
	const messaging = "RESTRICTED_BIZ_INITIATED_MESSAGING"
	const end = 1790600000 // 2026-09-28 12:53:20 UTC
	for written, want := range map[any]report.Report{
		nil: {}, "": {}, 0: {}, -1: {},
		end: {Until: end}, int64(end) * 1000: {Until: end}, "1790600000": {Until: end},
		"2026-09-28T12:53:20Z": {Until: end}, "2026-09-28T12:53:20.000Z": {Until: end}, "2026-09-28T12:53:20+00:00": {Until: end},
		"2026-09-28T12:53:20+0000": {Until: end}, "2026-09-28T14:53:20+0200": {Until: end}, "2026-09-28T12:53:20": {Until: end}, "2026-09-28 12:53:20": {Until: end},
		"2026-09-29":    {Until: 1790640000},
		"in three days": {Reason: "in three days"}, "0001-01-01T00:00:00Z": {Reason: "0001-01-01T00:00:00Z"},
	} {
		want.Subject, want.Kind, want.Value, want.At = report.AccountSubject(metatest.Account), report.Restriction, messaging, 1790000000
		t.Run(fmt.Sprint(written), func(t *testing.T) {
			expect(t, metatest.RestrictionPayload(metatest.Account, time.Unix(1790000000, 0), metatest.Restriction{Type: messaging, Expiration: written}), facts{Reports: []report.Report{want}})
		})
	}
}

func TestAllThatIsRestrictedIsRead(t *testing.T) {
	at := time.Unix(1790000000, 0)
	of := func(what, reason string, until int64) report.Report {
		return report.Report{Subject: report.AccountSubject(metatest.Account), Kind: report.Restriction, Value: what, Reason: reason, At: 1790000000, Until: until}
	}
	expect(t, metatest.RestrictionPayload(metatest.Account, at,
		metatest.Restriction{Type: "RESTRICTED_ADD_PHONE_NUMBER_ACTION", Expiration: 1790600000, Remediation: "Appeal."},
		metatest.Restriction{Type: "RESTRICTED_UTILITY_TEMPLATES"},
		metatest.Restriction{Type: "SOMETHING_NEW", Expiration: "2026-09-29"},
	), facts{Reports: []report.Report{of("RESTRICTED_ADD_PHONE_NUMBER_ACTION", "Appeal.", 1790600000), of("RESTRICTED_UTILITY_TEMPLATES", "", 0), of("SOMETHING_NEW", "", 1790640000)}})
	expect(t, metatest.RestrictionPayload(metatest.Account, at), facts{Reports: []report.Report{of("None", "", 0)}})
	expect(t, metatest.AccountEventPayload(metatest.Account, "ACCOUNT_RESTRICTION", at), facts{Other: map[string]int{"account_update": 1}})
}

func TestTheReviewOfANameIsRead(t *testing.T) {
	at := time.Unix(1790000000, 0)
	for decision, want := range map[string]string{"APPROVED": "Approved", "DEFERRED": "Deferred", "PENDING": "Pending", "REJECTED": "Rejected", "SOMETHING_NEW": "SOMETHING_NEW"} {
		for _, reason := range []string{"", "UNKNOWN", "NAME_FORMAT_UNACCEPTABLE"} {
			expect(t, metatest.NameUpdatePayload(number, decision, "Acme", reason, at), facts{Reports: []report.Report{
				{Subject: report.ParseSubject(number), Kind: report.DisplayName, Value: want, Reason: reason, At: 1790000000},
			}})
		}
	}
}

// Today the tier of these events is that of the throughput. A number that comes with a limit begins at one.
func TestTheTierOfAThroughputIsNoLimit(t *testing.T) {
	at := time.Unix(1790000000, 0)
	for _, event := range []string{"THROUGHPUT_UPGRADE", "ONBOARDING"} {
		expect(t, metatest.QualityUpdatePayload(number, event, "TIER_UNLIMITED", at), facts{Skipped: 1})
		expect(t, qualityUpdate(`"display_phone_number":"15550001111","event":"`+event+`","max_daily_conversations_per_business":"TIER_UNLIMITED"`), facts{Skipped: 1})
	}
	expect(t, metatest.QualityUpdatePayload(number, "THROUGHPUT_UPGRADE", "TIER_2K", at), facts{Skipped: 1})
}

func TestPreferencesAreCountedAndNotKept(t *testing.T) {
	at := time.Unix(1790000000, 0)
	for value, want := range map[string]meta.Preferences{"stop": {Stopped: 1}, "resume": {Resumed: 1}, "pause": {Other: 1}} {
		expect(t, metatest.PreferencePayload(number, "15557770000", value, at), facts{Preferred: want})
	}
	expect(t, change("2001", "user_preferences", `"user_preferences":[{},{"category":"other","value":"stop"},{"category":5,"value":[]}]`), facts{Preferred: meta.Preferences{Other: 3}})
	expect(t, change("2001", "user_preferences", ``), facts{Other: map[string]int{"user_preferences": 1}})
}

// What is said of an account outlives the buffer that it was read from.
func TestReportsOfAnAccountMayBeKept(t *testing.T) {
	bodies := [][]byte{
		metatest.RestrictionPayload(metatest.Account, time.Unix(1790000000, 0), metatest.Restriction{Type: "SOMETHING_NEW", Expiration: "some day", Remediation: "none"}),
		metatest.BanPayload(metatest.Account, "SUSPEND", "April 17, 2025", time.Unix(1790000000, 0)),
		metatest.CertificationPayload(metatest.Account, "3001", "FAILED", time.Unix(1790000000, 0), "WEBSITE NOT MATCHING"),
		metatest.AlertPayload("PHONE_NUMBER", "1001", "OBA_APPROVED", "It has a badge now.", time.Unix(1790000000, 0)),
		metatest.NameUpdatePayload(number, "ESCALATED", "Acme", "NAME_ODD", time.Unix(1790000000, 0)),
	}
	var kept [][]report.Report
	for _, body := range bodies {
		u, err := meta.Parse(body, latest)
		if err != nil {
			t.Fatal(err)
		}
		kept = append(kept, append([]report.Report(nil), u.Reports...))
		u.Release()
	}
	for range 10 { // over the same memory
		for _, body := range bodies {
			var other any
			if err := json.Unmarshal(body, &other); err != nil {
				t.Fatal(err)
			}
			u, err := meta.Parse(bytes.Map(func(r rune) rune {
				if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
					return 'x'
				}
				return r
			}, body), latest)
			if err == nil {
				u.Release()
			}
		}
	}
	for i, body := range bodies {
		expect(t, body, facts{Reports: kept[i]})
	}
}
