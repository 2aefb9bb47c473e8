package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/statuses"
	"numberfleet.dev/numberfleet/internal/ledger"
	webhooks "numberfleet.dev/numberfleet/internal/meta"
	"numberfleet.dev/numberfleet/internal/receipts"
	"numberfleet.dev/numberfleet/internal/report"
)

// Received collects at each scrape what was received about the numbers that resources name, and their accounts: a deleted number
// leaves nothing behind, and nobody who sends webhooks can make a series.
type Received struct {
	Numbers  client.Reader
	Ledger   *ledger.Ledger
	Receipts *receipts.Receipts
}

var (
	receivedDesc = prometheus.NewDesc("numberfleet_phone_number_last_received_timestamp_seconds",
		"When anything was last received about a phone number, as a Unix time; absent if nothing ever was.", labels, nil)
	accountReceivedDesc = prometheus.NewDesc("numberfleet_account_last_received_timestamp_seconds",
		"When anything was last received about a WhatsApp Business account that a PhoneNumber names, or about a number of it, as a Unix time; absent if nothing ever was.",
		[]string{"account"}, nil)
	failedDesc = prometheus.NewDesc("numberfleet_phone_number_failed_messages_total",
		"Number of failed messages of a phone number since the start, by Meta's error code, or what kind it is of. Repeated ones count again.",
		[]string{"namespace", "name", "code"}, nil)
	categoryDesc = prometheus.NewDesc("numberfleet_phone_number_delivered_messages_total",
		"Number of delivered messages of a phone number since the start, by Meta's pricing category. Repeated ones count again.",
		[]string{"namespace", "name", "category"}, nil)
	countedDayDesc = prometheus.NewDesc("numberfleet_phone_number_compared_deliveries_counted",
		"Messages of a phone number that were known to be delivered on the last day that was compared with Meta's figures.", labels, nil)
	reportedDayDesc = prometheus.NewDesc("numberfleet_phone_number_compared_deliveries_reported",
		"Messages of a phone number that Meta delivered on the last day that was compared, by its figures, which are approximate.", labels, nil)
)

// Describe implements prometheus.Collector.
func (c *Received) Describe(descriptions chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{receivedDesc, accountReceivedDesc, failedDesc, categoryDesc, countedDayDesc, reportedDayDesc} {
		descriptions <- d
	}
}

// Collect implements prometheus.Collector.
func (c *Received) Collect(metrics chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second) // for a cache that never came up
	defer cancel()
	var numbers v1alpha1.PhoneNumberList
	if err := c.Numbers.List(ctx, &numbers, client.UnsafeDisableDeepCopy); err != nil {
		metrics <- prometheus.NewInvalidMetric(receivedDesc, err)
		return
	}
	accounts := map[string]time.Time{}
	for i := range numbers.Items {
		n := &numbers.Items[i]
		tell := func(desc *prometheus.Desc, kind prometheus.ValueType, value float64, more ...string) {
			metrics <- prometheus.MustNewConstMetric(desc, kind, value, append([]string{n.Namespace, n.Name}, more...)...)
		}
		was := c.Receipts.Of(c.Ledger.Names(n.Spec.PhoneNumber)...)
		happened, _ := c.Ledger.Activity(n.Spec.PhoneNumber)
		received := statuses.Latest(statuses.Latest(happened, was.At), statuses.UTC(n.Status.Usage.LastReceivedTime))
		if !received.IsZero() {
			tell(receivedDesc, prometheus.GaugeValue, float64(received.Unix()))
		}
		if account := n.Spec.Business.WhatsAppBusinessAccountID; account != "" {
			accounts[account] = statuses.Latest(accounts[account], received)
		}
		for class, messages := range was.Failed {
			tell(failedDesc, prometheus.CounterValue, messages, string(class))
		}
		for category, messages := range was.Delivered {
			if messages > 0 {
				tell(categoryDesc, prometheus.CounterValue, messages, webhooks.Category(category).String())
			}
		}
		if s := &n.Status.Completeness; s.Counted != nil && s.Reported != nil {
			tell(countedDayDesc, prometheus.GaugeValue, float64(*s.Counted))
			tell(reportedDayDesc, prometheus.GaugeValue, float64(*s.Reported))
		}
	}
	for account, received := range accounts {
		if received = statuses.Latest(received, c.Receipts.Of(report.AccountSubject(account).String()).At); !received.IsZero() {
			metrics <- prometheus.MustNewConstMetric(accountReceivedDesc, prometheus.GaugeValue, float64(received.Unix()), account)
		}
	}
}
