package controllers_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/controllertest"
	"numberfleet.dev/numberfleet/controllers/metrics"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/meta"
	"numberfleet.dev/numberfleet/internal/receipts"
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/standing"
)

// What was received shows under the names of resources only, and goes with them.
func TestWhatWasReceivedIsMeasured(t *testing.T) {
	b := controllertest.New(t)
	number := b.Create("quality-based", func(n *v1alpha1.PhoneNumber) { n.Spec.Business.WhatsAppBusinessAccountID = "2009" })
	of := number.Spec.PhoneNumber
	b.Receipts.Take(controllertest.Start, &counts.Batch{Entries: []counts.Entry{{Number: of}}, Reports: []report.Report{{Subject: report.AccountSubject("666")}}}, &receipts.Request{
		Delivered: []receipts.Delivered{{Number: of, Category: meta.Utility}},
		Failures:  []receipts.Failure{{Number: of, Code: 131048, At: controllertest.Start}, {Number: of, Code: 999, At: controllertest.Start}, {Number: "+15559999999", Code: 1, At: controllertest.Start}},
	})
	resources := standing.NewResources(number)
	told := controllertest.Gatherer(&metrics.Received{Resources: func() (*standing.Resources, error) { return resources, nil }, Ledger: b.Ledger, Receipts: b.Receipts})
	label := fmt.Sprintf(`name=%q,namespace=%q`, number.Name, number.Namespace)
	want := fmt.Sprintf(`# HELP numberfleet_account_last_received_timestamp_seconds When anything was last received about a WhatsApp Business account that a PhoneNumber names, or about a number of it, as a Unix time; absent if nothing ever was.
# TYPE numberfleet_account_last_received_timestamp_seconds gauge
numberfleet_account_last_received_timestamp_seconds{account="2009"} %[2]d
# HELP numberfleet_phone_number_delivered_messages_total Number of delivered messages of a phone number since the start, by Meta's pricing category. Repeated ones count again.
# TYPE numberfleet_phone_number_delivered_messages_total counter
numberfleet_phone_number_delivered_messages_total{category="utility",%[1]s} 1
# HELP numberfleet_phone_number_failed_messages_total Number of failed messages of a phone number since the start, by Meta's error code, or what kind it is of. Repeated ones count again.
# TYPE numberfleet_phone_number_failed_messages_total counter
numberfleet_phone_number_failed_messages_total{code="131048",%[1]s} 1
numberfleet_phone_number_failed_messages_total{code="other",%[1]s} 1
# HELP numberfleet_phone_number_last_received_timestamp_seconds When anything was last received about a phone number, as a Unix time; absent if nothing ever was.
# TYPE numberfleet_phone_number_last_received_timestamp_seconds gauge
numberfleet_phone_number_last_received_timestamp_seconds{%[1]s} %[2]d
`, label, controllertest.Start.Unix())
	if err := testutil.GatherAndCompare(told, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
	b.Must(resources.Numbers.Delete(number))
	if n, err := testutil.GatherAndCount(told); err != nil || n != 0 {
		t.Errorf("of a deleted number %d series are left", n)
	}
}
