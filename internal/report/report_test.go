package report_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"numberfleet.dev/numberfleet/internal/report"
)

// A subject is read back from its text, and text that names no other subject is a number's.
func TestASubjectIsReadBackFromItsText(t *testing.T) {
	for text, want := range map[string]report.Subject{
		"":              {},
		"+15550001111":  {Type: report.Number, ID: "+15550001111"},
		"id/1001":       report.NumberIDSubject("1001"),
		"account/2001":  report.AccountSubject("2001"),
		"portfolio/":    report.PortfolioSubject(""),
		"template/01ab": {Type: report.Template, ID: "01ab"},
		"group/acme":    {Type: report.Number, ID: "group/acme"},
	} {
		got := report.ParseSubject(text)
		if got != want || got.String() != text || string(got.AppendTo([]byte("k"))) != "k"+text {
			t.Errorf("%q is %+v, which is %q", text, got, got)
		}
		if is := strings.HasPrefix(text, "+"); got.IsE164() != is || got.IsNumber() != (is || strings.HasPrefix(text, "id/")) {
			t.Errorf("%q is a number: %v, in E.164: %v", text, got.IsNumber(), got.IsE164())
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		if got := report.ParseSubject(text).String(); got != text {
			t.Fatalf("%q is read as %q", text, got)
		}
	})
}

// A template is one subject, whichever way its language is written, and another in each account, name and language.
func TestTheSubjectOfATemplate(t *testing.T) {
	sale := report.TemplateSubject("1", "sale", "en_US")
	if got := sale.String(); got != "template/0a65ee650f240b1c1b3af91f44bf4fdc" {
		t.Errorf("it is %s: a data directory knows it by another text", got)
	}
	if sale != report.TemplateSubject("1", "sale", "en-US") {
		t.Error("the same language is another template")
	}
	for _, other := range []report.Subject{report.TemplateSubject("2", "sale", "en_US"), report.TemplateSubject("1", "sales", "en_US"), report.TemplateSubject("1", "sale", "en")} {
		if sale == other {
			t.Errorf("%v is two templates", other)
		}
	}
}

// A limit is a number of users or the word for none, and reads back as what it was written from.
func TestALimit(t *testing.T) {
	for value, want := range map[string]int64{"1": 1, "2000": 2000, "1000000000": report.MaxLimit, "Unlimited": report.Unlimited} {
		r := report.Report{Kind: report.Limit, Value: value}
		if got, ok := r.Limit(); !ok || got != want || report.LimitValue(want) != value || !r.Understood() {
			t.Errorf("%s is %d, %v", value, got, ok)
		}
	}
	for _, value := range []string{"", "0", "-1", "1000000001", "TIER_2K", "unlimited"} {
		r := report.Report{Kind: report.Limit, Value: value}
		if got, ok := r.Limit(); ok || r.Understood() {
			t.Errorf("%q is a limit of %d", value, got)
		}
	}
}

// What a kind has no word for is not understood; the kinds that show what came understand all.
func TestWhatIsUnderstood(t *testing.T) {
	for _, test := range []struct {
		kind  report.Kind
		value string
		want  bool
	}{
		{report.Quality, "High", true}, {report.Quality, "Unknown", true}, {report.Quality, "GREEN", false}, {report.Quality, "", false},
		{report.Connection, "Flagged", true}, {report.Connection, "LINKED", false},
		{report.AccountConnection, "Blocked", true}, {report.AccountConnection, "DISABLE", false},
		{report.Verification, "Rejected", true}, {report.Verification, "verified", false},
		{report.Increase, "NeedMoreInfo", true}, {report.Increase, "Granted", false},
		{report.TemplateState, "SOMETHING_NEW", true}, {report.Restriction, "SOMETHING_NEW", true}, {report.Alert, "SOMETHING_NEW", true},
	} {
		if got := (report.Report{Kind: test.kind, Value: test.value}).Understood(); got != test.want {
			t.Errorf("%s %q is understood: %v", test.kind, test.value, got)
		}
	}
}
