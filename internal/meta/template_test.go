package meta_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"numberfleet.dev/numberfleet/internal/meta"
	"numberfleet.dev/numberfleet/internal/meta/metatest"
	"numberfleet.dev/numberfleet/internal/report"
)

var sale = meta.Template{Account: metatest.Account, Name: "spring_sale", Language: "pt-BR"}

func TestEveryRatingOfATemplateIsRead(t *testing.T) {
	at := time.Unix(1790000000, 0)
	for score, want := range map[string]string{
		"GREEN": "High", "YELLOW": "Medium", "RED": "Low", "UNKNOWN": "Unknown", "NA": "NA", "green": "green",
	} {
		body := metatest.TemplateQualityPayload(metatest.Account, "spring_sale", "pt_BR", "UNKNOWN", score, at)
		wants := facts{Reports: []report.Report{{Subject: sale.Subject(), Kind: report.Quality, Value: want, At: 1790000000}}}
		expect(t, body, wants)
		expect(t, bytes.Replace(body, []byte("message_template_quality_update"), []byte("message_template_status_update"), 1), wants)
	}
}

func TestEveryEventOfATemplateIsRead(t *testing.T) {
	at := time.Unix(1790000000, 0)
	for _, test := range []struct {
		event, title  string
		kind          report.Kind
		value, reason string
	}{
		{"APPROVED", "", report.TemplateState, "Approved", ""},
		{"REINSTATED", "", report.TemplateState, "Approved", ""},
		{"APPROVED", "UNPAUSE", report.TemplateState, "Approved", "UNPAUSE"},
		{"UNPAUSE", "", report.TemplateState, "Approved", ""},
		{"LOCKED", "UNPAUSE", report.TemplateState, "Approved", "UNPAUSE"},
		{"PAUSED", "UNPAUSE", report.TemplateState, "Approved", "UNPAUSE"},
		{"PAUSED", "", report.TemplateState, "Paused", ""},
		{"PAUSED", "FIRST_PAUSE", report.TemplateState, "Paused", "FIRST_PAUSE"},
		{"PAUSED", "SECOND_PAUSE", report.TemplateState, "Paused", "SECOND_PAUSE"},
		{"PAUSED", "RATE_LIMITING_PAUSE", report.TemplateState, "Paused", "RATE_LIMITING_PAUSE"},
		{"DISABLED", "DISABLED", report.TemplateState, "Disabled", "DISABLED"},
		{"PENDING", "", report.TemplateState, "Pending", ""},
		{"FLAGGED", "", report.Quality, "Low", "FLAGGED"},
		{"FLAGGED", "FIRST_PAUSE", report.Quality, "Low", "FLAGGED"},
		{"LOCKED", "FIRST_PAUSE", report.TemplateState, "Paused", "FIRST_PAUSE"},
		{"IN_APPEAL", "", report.TemplateState, "InAppeal", ""},
		{"REJECTED", "", report.TemplateState, "Rejected", ""},
		{"ARCHIVED", "", report.TemplateState, "Archived", ""},
		{"UNARCHIVED", "", report.TemplateState, "Approved", ""},
		{"DELETED", "", report.TemplateState, "Deleted", ""},
		{"PENDING_DELETION", "", report.TemplateState, "PendingDeletion", ""},
		{"LIMIT_EXCEEDED", "", report.TemplateState, "LimitExceeded", ""},
		{"LOCKED", "RATE_LIMITING_PAUSE", report.TemplateState, "Paused", "RATE_LIMITING_PAUSE"},
		{"LOCKED", "DISABLED", report.TemplateState, "Disabled", "DISABLED"},
		{"LOCKED", "", report.TemplateState, "LOCKED", ""},
		{"SOMETHING_NEW", "", report.TemplateState, "SOMETHING_NEW", ""},
	} {
		t.Run(test.event+" "+test.title, func(t *testing.T) {
			expect(t, metatest.TemplateStatusPayload(metatest.Account, "spring_sale", "pt_BR", test.event, test.title, at), facts{Reports: []report.Report{
				{Subject: sale.Subject(), Kind: test.kind, Value: test.value, Reason: test.reason, At: 1790000000},
			}})
		})
	}
}

func TestAReasonIsReadHoweverItIsWritten(t *testing.T) {
	const event = `"message_template_name":"spring_sale","message_template_language":"pt-BR","event":"REJECTED"`
	long := strings.Repeat("é", 300)
	for fields, want := range map[string]string{
		``:                             "",
		`,"reason":null`:               "",
		`,"reason":""`:                 "",
		`,"reason":"NONE"`:             "",
		`,"reason":"SCAM"`:             "SCAM",
		`,"reason":"` + long + `"`:     long[:2*256],
		",\"reason\":\"bad\xff\"":      "bad\uFFFD",
		`,"reason":"A","other_info":5`: "A",
		`,"reason":"A","other_info":{"description":"text"}`:                                                            "A",
		`,"reason":"A","other_info":{"title":null}`:                                                                    "A",
		`,"reason":"A","other_info":{"title":"SECOND_PAUSE"}`:                                                          "SECOND_PAUSE",
		`,"reason":"NONE","other_info":{"title":"NEW_TITLES"}`:                                                         "NEW_TITLES",
		`,"reason":"INVALID_FORMAT","rejection_info":{"reason":"variables side by side","recommendation":"move them"}`: "INVALID_FORMAT: variables side by side",
		`,"reason":"NONE","rejection_info":{"reason":"variables side by side"}`:                                        "variables side by side",
		`,"reason":"A","rejection_info":null`:                                                                          "A",
		`,"reason":"` + long + `","rejection_info":{"reason":"b"}`:                                                     long[:2*256],
	} {
		expect(t, change("2001", "message_template_status_update", event+fields), facts{Reports: []report.Report{
			{Subject: sale.Subject(), Kind: report.TemplateState, Value: "Rejected", Reason: want, At: 1790000000},
		}})
	}
}

// A category is told of when it has changed, and a day before: then with what it still is.
func TestCategoriesOfATemplateAreRead(t *testing.T) {
	const of = `"message_template_id":278077987957091,"message_template_name":"spring_sale","message_template_language":"pt-BR"`
	is := func(kind report.Kind, value string, until int64) report.Report {
		return report.Report{Subject: sale.Subject(), Kind: kind, Value: value, At: 1790000000, Until: until}
	}
	was := func(category string, report report.Report) report.Report {
		report.Reason = category
		return report
	}
	for fields, want := range map[string][]report.Report{
		`,"previous_category":"UTILITY","new_category":"MARKETING"`:                                                {was("Utility", is(report.Category, "Marketing", 0))},
		`,"new_category":"AUTHENTICATION"`:                                                                         {is(report.Category, "Authentication", 0)},
		`,"new_category":"SOMETHING_NEW"`:                                                                          {is(report.Category, "SOMETHING_NEW", 0)},
		`,"new_category":"UTILITY","correct_category":"MARKETING","category_update_timestamp":1790086400`:          {is(report.Category, "Utility", 0), is(report.PlannedCategory, "Marketing", 1790086400)},
		`,"new_category":"UTILITY","correct_category":"MARKETING","category_update_timestamp":"1790086400"`:        {is(report.Category, "Utility", 0), is(report.PlannedCategory, "Marketing", 1790086400)},
		`,"new_category":"UTILITY","correct_category":"MARKETING","category_update_timestamp":1790086400000`:       {is(report.Category, "Utility", 0), is(report.PlannedCategory, "Marketing", 1790086400)},
		`,"new_category":"UTILITY","correct_category":"MARKETING"`:                                                 {is(report.Category, "Utility", 0), is(report.PlannedCategory, "Marketing", 0)},
		`,"new_category":"UTILITY","correct_category":null,"category_update_timestamp":null`:                       {is(report.Category, "Utility", 0)},
		`,"previous_category":"ACCOUNT_UPDATE","new_category":"UTILITY","correct_category":"","unknown":{"a":[1]}`: {was("ACCOUNT_UPDATE", is(report.Category, "Utility", 0))},
	} {
		expect(t, change("2001", "template_category_update", of+fields), facts{Reports: want})
	}
}

// An event is not lost to a rating that comes along with it.
func TestAnEventWithARatingIsAnEvent(t *testing.T) {
	expect(t, change("2001", "message_template_status_update",
		`"message_template_name":"spring_sale","message_template_language":"pt-BR","event":"PAUSED","new_quality_score":"RED"`,
	), facts{Reports: []report.Report{{Subject: sale.Subject(), Kind: report.TemplateState, Value: "Paused", At: 1790000000}}})
}

// What a report says about a template or portfolio outlives the buffer it was read from.
func TestReportsAboutAnAccountMayBeKept(t *testing.T) {
	const value = `"message_template_name":"spring_sale","message_template_language":"pt-BR","event":"SOMETHING_NEW","reason":"SOME_REASON"`
	u, err := meta.Parse(change("2001", "message_template_status_update", value), latest)
	if err != nil {
		t.Fatal(err)
	}
	kept := u.Reports[0]
	u.Release()
	for range 10 {
		again := strings.NewReplacer("spring_sale", "xxxxxxxxxxx", "pt-BR", "xxxxx", "SOMETHING_NEW", "XXXXXXXXXXXXX", "SOME_REASON", "XXXXXXXXXXX")
		u, err := meta.Parse(change("9999", "message_template_status_update", again.Replace(value)), latest)
		if err != nil {
			t.Fatal(err)
		}
		u.Release()
	}
	if want := (report.Report{Subject: sale.Subject(), Kind: report.TemplateState, Value: "SOMETHING_NEW", Reason: "SOME_REASON", At: 1790000000}); kept != want {
		t.Errorf("got %+v", kept)
	}
}
