package metrics

import (
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/statuses"
	"numberfleet.dev/numberfleet/internal/ledger"
	webhooks "numberfleet.dev/numberfleet/internal/meta"
	"numberfleet.dev/numberfleet/internal/receipts"
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/standing"
)

// Received collects at each scrape what was received about the numbers that resources name, and their accounts: a deleted number
// leaves nothing behind, and nobody who sends webhooks can make a series.
type Received struct {
	Resources func() (*standing.Resources, error)
	Ledger    *ledger.Ledger
	Receipts  *receipts.Receipts
}

var (
	receivedFamily = &family{"numberfleet_phone_number_last_received_timestamp_seconds",
		"When anything was last received about a phone number, as a Unix time; absent if nothing ever was.", gauge, labels}
	accountReceivedFamily = &family{"numberfleet_account_last_received_timestamp_seconds",
		"When anything was last received about a WhatsApp Business account that a PhoneNumber names, or about a number of it, as a Unix time; absent if nothing ever was.", gauge, []string{"account"}}
	failedFamily = &family{"numberfleet_phone_number_failed_messages_total",
		"Number of failed messages of a phone number since the start, by Meta's error code, or what kind it is of. Repeated ones count again.", counter, []string{"namespace", "name", "code"}}
	categoryFamily = &family{"numberfleet_phone_number_delivered_messages_total",
		"Number of delivered messages of a phone number since the start, by Meta's pricing category. Repeated ones count again.", counter, []string{"namespace", "name", "category"}}
	countedDayFamily = &family{"numberfleet_phone_number_compared_deliveries_counted",
		"Messages of a phone number that were known to be delivered on the last day that was compared with Meta's figures.", gauge, labels}
	reportedDayFamily = &family{"numberfleet_phone_number_compared_deliveries_reported",
		"Messages of a phone number that Meta delivered on the last day that was compared, by its figures, which are approximate.", gauge, labels}
)

// collect implements Collector.
func (c *Received) collect(told *page) error {
	resources, err := c.Resources()
	if err != nil {
		return err
	}
	accounts := map[string]time.Time{}
	for n := range resources.AllNumbers() {
		was := c.Receipts.Of(c.Ledger.Names(n.Spec.PhoneNumber)...)
		happened, _ := c.Ledger.Activity(n.Spec.PhoneNumber)
		received := statuses.Latest(statuses.Latest(happened, was.At), statuses.UTC(n.Status.Usage.LastReceivedTime))
		if account := n.Spec.Business.WhatsAppBusinessAccountID; account != "" {
			accounts[account] = statuses.Latest(accounts[account], received)
		}
		if told.withNumbers {
			c.number(told, n, &was, received)
		}
	}
	for account, received := range accounts {
		if received = statuses.Latest(received, c.Receipts.Of(report.AccountSubject(account).String()).At); !received.IsZero() {
			told.put(accountReceivedFamily, float64(received.Unix()), account)
		}
	}
	return nil
}

// number tells what was received about a number.
func (c *Received) number(told *page, n *v1alpha1.PhoneNumber, was *receipts.Subject, received time.Time) {
	of := labelText(labels, []string{n.Namespace, n.Name})
	if !received.IsZero() {
		told.putAs(receivedFamily, float64(received.Unix()), of)
	}
	for class, messages := range was.Failed {
		told.put(failedFamily, messages, n.Namespace, n.Name, string(class))
	}
	for category, messages := range was.Delivered {
		if messages > 0 {
			told.put(categoryFamily, messages, n.Namespace, n.Name, webhooks.Category(category).String())
		}
	}
	if s := &n.Status.Completeness; s.Counted != nil && s.Reported != nil {
		told.putAs(countedDayFamily, float64(*s.Counted), of)
		told.putAs(reportedDayFamily, float64(*s.Reported), of)
	}
}
