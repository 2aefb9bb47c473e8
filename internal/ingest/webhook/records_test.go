package webhook

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ingest"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/meta/metatest"
	"numberfleet.dev/numberfleet/internal/report"
)

// A user whose number changed counts once, by the phone number, by the new one and by the ids of both times.
func TestAUserWhoChangesNumberCountsOnce(t *testing.T) {
	l := ledger.OpenMemory()
	defer func() { _ = l.Close() }()
	f := newFixture(t)
	f.SetBackend(&ingest.Backend{Ledger: l, Hasher: l.Hasher()})
	at := now.Unix()
	change := fmt.Sprintf(`{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"messages","value":{"metadata":{"display_phone_number":"15550001111"},
		"messages":[{"from":"15557770000","id":"wamid.C","timestamp":"%d","type":"system","system":{"type":"user_changed_number","wa_id":"15557770009","user_id":"US.2","previous_user_id":"US.1"}}]}}]}]}`, at)
	bodies := [][]byte{
		metatest.MessagesPayload(number, []metatest.Status{{ID: "wamid.A", Status: "delivered", Phone: "15557770000", At: now.Add(-time.Minute)}}, nil),
		[]byte(change),
		metatest.MessagesPayload(number, []metatest.Status{{ID: "wamid.B", Status: "delivered", Phone: "15557770009", At: now}, {ID: "wamid.D", Status: "delivered", Scoped: "US.1", At: now}, {ID: "wamid.E", Status: "read", Scoped: "US.2", At: now}}, nil),
	}
	for range 2 {
		for _, body := range bodies {
			if w := f.post(body); w.Code != 200 {
				t.Fatalf("got %d %s", w.Code, w.Body)
			}
		}
	}
	since, to := now.Add(-time.Hour), now.Add(time.Hour)
	if users, messages := l.Count(number, v1alpha1.MeasureUniqueUsers, since, to), l.Count(number, v1alpha1.MeasureMessages, since, to); users != 1 || messages != 4 {
		t.Errorf("%d users are counted and %d messages: the change opens no window", users, messages)
	}
	const updates = "numberfleet_webhook_updates_total"
	f.expectMetric(t, updates, kinds(updates, map[string]int{"delivered": 8, "changed": 2}))
}

func TestUpdatesBecomeRecords(t *testing.T) {
	f := newFixture(t)
	for _, file := range []string{"delivered", "old_shape", "scoped_only", "groups", "inbound", "calls", "sent_and_failed", "flagged", "downgrade", "throughput", "other_fields", "template_quality", "template_status", "account_alerts", "account", "numbers"} {
		body, err := os.ReadFile(filepath.Join("..", "..", "meta", "testdata", file+".json"))
		if err != nil {
			t.Fatal(err)
		}
		if w := f.post(body); w.Code != 200 {
			t.Fatalf("%s: %d %s", file, w.Code, w.Body)
		}
	}
	user, message := f.hasher.User, f.hasher.Message
	want := [][]counts.Entry{
		{{Number: number, Kind: counts.Delivered, Category: counts.Marketing, User: user("15557770000"), Alias: user("US.123"), Message: message("wamid.A"), At: 1790000001}},
		{{Number: number, Kind: counts.Delivered, Category: counts.Marketing, User: user("15557770001"), Message: message("wamid.B"), At: 1790000002}},
		{
			{Number: number, Kind: counts.Delivered, User: user("US.124"), Message: message("wamid.C"), At: 1790000003},
			{Number: number, Kind: counts.Delivered, User: user("US.124"), Message: message("wamid.D"), At: 1790000004},
			{Number: number, Kind: counts.Received, User: user("US.124"), At: 1790000005},
		},
		{
			{Number: number, Kind: counts.Delivered, User: user("15557770002"), Alias: user("US.125"), Message: message("wamid.F"), Chat: f.hasher.Chat("group1"), At: 1790000006},
			{Number: number, Kind: counts.Received, User: user("15557770002"), Alias: user("US.125"), Chat: f.hasher.Chat("group1"), At: 1790000007},
		},
		{
			{Number: number, Kind: counts.Received, User: user("15557770003"), Alias: user("US.126"), At: 1790000008},
			{Number: number, Kind: counts.Received, User: user("15557770003"), Alias: user("US.126"), At: 1790000009},
			{Number: number, Kind: counts.AliasLinked, User: user("15557770003"), Alias: user("15557770004"), At: 1790000010},
		},
		{{Number: number, Kind: counts.Received, User: user("15557770005"), At: 1790000011}},
		{{Number: number, Kind: counts.Failed, User: user("15557770006"), Message: message("wamid.K"), At: 1790000013}},
		nil, nil, nil, nil, nil, nil, nil, nil, nil,
	}
	order, sale := report.TemplateSubject("2001", "order_update", "en_US"), report.TemplateSubject("2001", "spring_sale", "en")
	portfolio, account := report.PortfolioSubject("3001"), report.AccountSubject("2001")
	reports := map[int][]report.Report{
		7: {
			{Subject: report.ParseSubject(number), Kind: report.Quality, At: 1790000016, Value: "Low", Reason: "FLAGGED"},
			{Subject: report.ParseSubject(number), Kind: report.Connection, At: 1790000016, Value: "Flagged", Reason: "FLAGGED"},
			{Subject: report.ParseSubject(number), Kind: report.Limit, At: 1790000016, Value: "1000", Reason: "FLAGGED"},
		},
		8: {{Subject: report.ParseSubject(number), Kind: report.Limit, At: 1790000017, Value: "10000", Reason: "DOWNGRADE"}},
		11: {
			{Subject: order, Kind: report.Quality, At: 1790000021, Value: "Medium"},
			{Subject: order, Kind: report.Quality, At: 1790000021, Value: "Low"},
			{Subject: report.TemplateSubject("2002", "spring_sale", "pt_BR"), Kind: report.Quality, At: 1790000022, Value: "NA"},
		},
		12: {
			{Subject: order, Kind: report.TemplateState, At: 1790000023, Value: "Paused", Reason: "FIRST_PAUSE"},
			{Subject: order, Kind: report.TemplateState, At: 1790000023, Value: "Disabled"},
			{Subject: sale, Kind: report.TemplateState, At: 1790000023, Value: "Rejected", Reason: "INVALID_FORMAT: its parameters"},
			{Subject: sale, Kind: report.TemplateState, At: 1790000023, Value: "PendingDeletion"},
		},
		13: {
			{Subject: portfolio, Kind: report.Increase, At: 1790000024, Value: "Deferred", Reason: "Not yet."},
			{Subject: portfolio, Kind: report.Increase, At: 1790000024, Value: "NeedMoreInfo"},
			{Subject: report.NumberIDSubject("1001"), Kind: report.Alert, At: 1790000024, Value: "OBA_APPROVED", Reason: "It has a badge now."},
		},
		14: {
			{Subject: account, Kind: report.Limit, At: 1790000025, Value: "2000"},
			{Subject: account, Kind: report.Restriction, At: 1790000025, Value: "RESTRICTED_BIZ_INITIATED_MESSAGING", Reason: "Wait.", Until: 1790600000},
			{Subject: account, Kind: report.Restriction, At: 1790000025, Value: "RESTRICTED_UTILITY_TEMPLATES", Until: 1790600000},
			{Subject: account, Kind: report.Violation, At: 1790000025, Value: "SCAM"},
			{Subject: account, Kind: report.Ban, At: 1790000025, Value: "SCHEDULE_FOR_DISABLE", Reason: "April 17, 2025"},
			{Subject: account, Kind: report.Review, At: 1790000025, Value: "Approved"},
			{Subject: account, Kind: report.Verification, At: 1790000025, Value: "Verified"},
			{Subject: portfolio, Kind: report.Verification, At: 1790000025, Value: "Verified"},
		},
		15: {
			{Subject: report.ParseSubject(number), Kind: report.DisplayName, At: 1790000026, Value: "Rejected", Reason: "NAME_FORMAT_UNACCEPTABLE"},
			{Subject: report.ParseSubject(number), Kind: report.DisplayName, At: 1790000026, Value: "Approved"},
			{Subject: report.ParseSubject(number), Kind: report.Limit, At: 1790000026, Value: "2000", Reason: "ONBOARDING"},
		},
	}
	if len(f.ledger.batches) != len(want) {
		t.Fatalf("%d batches", len(f.ledger.batches))
	}
	for i, batch := range f.ledger.batches {
		if !reflect.DeepEqual(batch.Entries, want[i]) || !reflect.DeepEqual(batch.Reports, reports[i]) {
			t.Errorf("batch %d\n got %+v\nwant %+v and %+v", i, batch, want[i], reports[i])
		}
	}
	const updates, other = "numberfleet_webhook_updates_total", "numberfleet_webhook_other_changes_total"
	f.expectMetric(t, updates, kinds(updates, map[string]int{
		"delivered": 5, "received": 5, "sent": 1, "failed": 1, "report": 25, "preference": 2, "changed": 1, "skipped": 8, "other": 3,
	}))
	f.expectMetric(t, other, other+`{field="account_settings_update"} 1
`+other+`{field="flows"} 1
`+other+`{field="other"} 1`)
	const preferred = "numberfleet_webhook_marketing_preferences_total"
	f.expectMetric(t, preferred, preferred+`{kind="other"} 0
`+preferred+`{kind="resume"} 1
`+preferred+`{kind="stop"} 1`)
}

func TestWhatTheLedgerKnewAndWhatNobodyClaimsIsCounted(t *testing.T) {
	f := newFixture(t)
	f.ledger.appended = counts.Outcome{New: 1, Repeated: 2, Expired: 3}
	f.SetBackend(&ingest.Backend{Ledger: f.ledger, Hasher: f.hasher, Known: func(n string) bool { return n != number }})
	for _, body := range [][]byte{
		delivered(4), metatest.QualityUpdatePayload(number, "FLAGGED", "", now), metatest.QualityUpdatePayload("+15550002222", "FLAGGED", "", now),
	} {
		if w := f.post(body); w.Code != 200 {
			t.Fatalf("got %d %s", w.Code, w.Body)
		}
	}
	for name, want := range map[string]int{"repeated": 6, "expired": 9, "unclaimed": 6} {
		name = "numberfleet_webhook_" + name + "_updates_total"
		f.expectMetric(t, name, fmt.Sprintf("%s %d", name, want))
	}
}

// A receiver, a ledger and Meta's redelivery: what is reported about templates, accounts and portfolios is there once, in order.
func TestReportsAboutWhatIsNoNumberAreKeptOnce(t *testing.T) {
	f := newFixture(t)
	l := ledger.OpenMemory()
	asked := 0
	f.SetBackend(&ingest.Backend{Ledger: l, Hasher: l.Hasher(), Known: func(string) bool { asked++; return false }})
	const description = "Limits cannot be increased for your business Ana."
	at := func(minutes int) time.Time { return now.Add(time.Duration(minutes-60) * time.Minute) }
	for _, body := range [][]byte{
		metatest.TemplateQualityPayload(metatest.Account, "order_update", "en_US", "GREEN", "RED", at(0)),
		metatest.TemplateStatusPayload(metatest.Account, "order_update", "en_US", "PAUSED", "FIRST_PAUSE", at(1)),
		metatest.TemplateStatusPayload(metatest.Account, "order_update", "en_US", "APPROVED", "UNPAUSE", at(2)),
		metatest.TemplateStatusPayload(metatest.Account, "order_update", "en_US", "FLAGGED", "", at(3)),
		metatest.TemplateStatusPayload(metatest.Account, "order_update", "es", "PENDING", "", at(4)),
		metatest.AccountAlertPayload("3001", "INCREASED_CAPABILITIES_ELIGIBILITY_FAILED", description, at(5)),
		metatest.RestrictionPayload(metatest.Account, at(6), metatest.Restriction{Type: "RESTRICTED_BIZ_INITIATED_MESSAGING", Expiration: at(600).Unix()}),
		metatest.AlertPayload("PHONE_NUMBER", "1001", "OBA_APPROVED", "", at(7)),
	} {
		for range 2 {
			if w := f.post(body); w.Code != 200 {
				t.Fatalf("got %d %s", w.Code, w.Body)
			}
		}
	}
	restriction := report.Report{Sequence: 1, Kind: report.Restriction, At: at(6).Unix(), Value: "RESTRICTED_BIZ_INITIATED_MESSAGING", Until: at(600).Unix()}
	said := func(sequence int64, kind report.Kind, minutes int, value, reason string) report.Report {
		return report.Report{Sequence: sequence, Kind: kind, At: at(minutes).Unix(), Value: value, Reason: reason}
	}
	want := map[report.Subject][]report.Report{
		report.TemplateSubject(metatest.Account, "order_update", "en_US"): {
			said(1, report.Quality, 0, "Low", ""), said(2, report.TemplateState, 1, "Paused", "FIRST_PAUSE"),
			said(3, report.TemplateState, 2, "Approved", "UNPAUSE"), said(4, report.Quality, 3, "Low", "FLAGGED"),
		},
		report.TemplateSubject(metatest.Account, "order_update", "es"): {said(1, report.TemplateState, 4, "Pending", "")},
		report.PortfolioSubject("3001"):                                {said(1, report.Increase, 5, "Failed", description)},
		report.AccountSubject(metatest.Account):                        {restriction},
		report.NumberIDSubject("1001"):                                 {said(1, report.Alert, 7, "OBA_APPROVED", "")},
	}
	if got := l.Numbers(); len(got) != len(want) {
		t.Errorf("the ledger knows %v", got)
	}
	for subject, reports := range want {
		for i := range reports {
			reports[i].Subject = subject
		}
		if got := l.Reports(subject, 0); !reflect.DeepEqual(got, reports) {
			t.Errorf("\n got %+v\nwant %+v", got, reports)
		}
	}
	const repeated, unclaimed = "numberfleet_webhook_repeated_updates_total", "numberfleet_webhook_unclaimed_updates_total"
	f.expectMetric(t, repeated, repeated+" 8")
	f.expectMetric(t, unclaimed, unclaimed+" 0") // they are about no number
	if asked > 0 {
		t.Errorf("asked %d times who claims something that is no number", asked)
	}
	if strings.Contains(f.logs.String(), "Ana") || strings.Contains(f.logs.String(), "order_update") {
		t.Errorf("the logs tell what was reported\n%s", f.logs)
	}
}

// The ledger bounds what it keeps reports under; what it would refuse for good is refused before, by name.
func TestTheLongestSubjectFitsIntoTheLedger(t *testing.T) {
	f := newFixture(t)
	l := ledger.OpenMemory()
	f.SetBackend(&ingest.Backend{Ledger: l, Hasher: l.Hasher()})
	for digits, reports := range map[int]int{32: 1, 33: 0} {
		portfolio := strings.Repeat("9", digits)
		w := f.post(metatest.AccountAlertPayload(portfolio, "INCREASED_CAPABILITIES_ELIGIBILITY_FAILED", "", now))
		if got := len(l.Reports(report.PortfolioSubject(portfolio), 0)); w.Code != 200 || got != reports {
			t.Errorf("%d digits: got %d %s and %d reports", digits, w.Code, w.Body, got)
		}
	}
	if w := f.post(metatest.TemplateQualityPayload(metatest.Account, strings.Repeat("n", 512), "pt_BR", "GREEN", "RED", now)); w.Code != 200 {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

// kinds are the lines of a counter by kind: zero but for those given.
func kinds(metric string, counts map[string]int) string {
	var lines []string
	for _, kind := range []string{"changed", "delivered", "failed", "other", "preference", "received", "report", "sent", "skipped", "unread"} {
		lines = append(lines, fmt.Sprintf(`%s{kind="%s"} %d`, metric, kind, counts[kind]))
	}
	return strings.Join(lines, "\n")
}
