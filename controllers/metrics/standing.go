// Package metrics collects what is known of all resources at each scrape, so that a deleted resource leaves nothing
// behind.
package metrics

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/lookup"
	"numberfleet.dev/numberfleet/controllers/template"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/rules"
	"numberfleet.dev/numberfleet/internal/standing"
)

// Standing collects the live figures of all numbers at each scrape, so that a deleted number leaves nothing behind.
type Standing struct {
	Source    *standing.Source
	Templates client.Reader
	Ledger    *ledger.Ledger
}

var (
	labels          = []string{"namespace", "name"}
	portfolioLabels = []string{"name"}

	numberRoom    = newRoomFamilies("phone_number", "a phone number", labels)
	portfolioRoom = newRoomFamilies("portfolio", "a business portfolio", portfolioLabels)
	poolRoom      = newRoomFamilies("number_pool", "a number pool", labels)

	infoFamily = &family{"numberfleet_phone_number_info",
		"Where a phone number stands, and the business portfolio whose limit it shares, empty if it has its own; always 1.", gauge, []string{"namespace", "name", "tier", "quality", "state", "policy", "portfolio"}}
	readyFamily = &family{"numberfleet_phone_number_ready",
		"Whether the operator does its job for a phone number: 1, or 0 with the reason in the resource's condition Ready.", gauge, labels}
	limitFamily = &family{"numberfleet_phone_number_limit",
		"Messaging limit of a phone number; absent for an unlimited tier.", gauge, labels}
	usedFamily = &family{"numberfleet_phone_number_used",
		"How much of the messaging limit of a phone number is used now.", gauge, labels}
	usersFamily = &family{"numberfleet_phone_number_unique_users_7d",
		"Users with a counted delivery from a phone number in the last 7 days.", gauge, labels}
	deadlineFamily = &family{"numberfleet_phone_number_next_deadline_timestamp_seconds",
		"Next instant at which a phone number changes by itself; absent if there is none.", gauge, labels}
	flagFamily = &family{"numberfleet_phone_number_flag_deadline_timestamp_seconds",
		"When the tier of a flagged phone number falls if its quality stays low; absent if it is not flagged, or recovers, or if nobody knows.", gauge, labels}
	ownUsedFamily = &family{"numberfleet_phone_number_own_used",
		"How much of the messaging limit a phone number itself has used now; that of its portfolio is in numberfleet_phone_number_used.", gauge, labels}
	ownReservedFamily = &family{"numberfleet_phone_number_own_reserved",
		"How much of the messaging limit is held for messages of a phone number itself; what its portfolio holds is in numberfleet_phone_number_reserved.", gauge, labels}
	portfolioLimitFamily = &family{"numberfleet_portfolio_limit",
		"Messaging limit of a business portfolio; absent for an unlimited tier.", gauge, portfolioLabels}
	portfolioUsedFamily = &family{"numberfleet_portfolio_used",
		"How much of the messaging limit the numbers of a business portfolio have used together now.", gauge, portfolioLabels}
	portfolioNumbersFamily = &family{"numberfleet_portfolio_phone_numbers",
		"Number of phone numbers that share the limit of a business portfolio.", gauge, portfolioLabels}
	poolNumbersFamily = &family{"numberfleet_number_pool_phone_numbers",
		"Number of phone numbers that send for a number pool.", gauge, labels}
	poolSendableFamily = &family{"numberfleet_number_pool_sendable_phone_numbers",
		"Number of phone numbers of a number pool that may message further users now.", gauge, labels}
	templateFamily = &family{"numberfleet_message_template_info",
		"Where a message template stands; always 1.", gauge, []string{"namespace", "name", "quality", "state", "policy"}}
	unclaimedFamily = &family{"numberfleet_unclaimed_phone_numbers",
		"Number of phone numbers that something was received for and that no resource claims.", gauge, nil}
)

// collect implements Collector.
func (f *Standing) collect(told *page) error {
	// The cache answers at once; the bound is for a cache that never came up.
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	view, err := f.Source.Now()
	if err != nil {
		return err
	}
	claimed := map[string]struct{}{}
	for n := range view.AllNumbers() {
		for _, subject := range lookup.Claims(f.Ledger, n) {
			claimed[subject] = struct{}{}
		}
		if told.withNumbers {
			f.number(told, n, view)
		}
	}
	f.portfolios(told, view)
	f.pools(told, view)
	unclaimed := 0
	for _, number := range f.Ledger.Numbers() {
		// Templates, portfolios and groups of numbers are among them.
		if _, ok := claimed[number]; !ok && report.ParseSubject(number).IsNumber() {
			unclaimed++
		}
	}
	told.put(unclaimedFamily, float64(unclaimed))
	return f.templates(ctx, told)
}

func (f *Standing) number(told *page, n *v1alpha1.PhoneNumber, view *standing.View) {
	of := labelText(labels, []string{n.Namespace, n.Name})
	stands := view.Number(n)
	told.putConditions(lookup.PhoneNumber, n, n.Status.Conditions)
	told.putAs(readyFamily, gaugeOf(meta.IsStatusConditionTrue(n.Status.Conditions, v1alpha1.ConditionReady)), of)
	numberRoom.put(told, &stands.Room, unlimited(&n.Status.Tier), of)
	told.putAs(ownReservedFamily, float64(stands.OwnReserved), of)
	numberBudgets.put(told, stands.Budgets, n.Namespace, n.Name)
	if n.Status.Tier.Name == "" {
		return
	}
	told.put(infoFamily, 1, n.Namespace, n.Name, n.Status.Tier.Name, string(n.Status.Quality.Rating), string(n.Status.State), n.Status.PolicyName, n.Status.Portfolio)
	if n.Status.Tier.Limit > 0 {
		told.putAs(limitFamily, float64(n.Status.Tier.Limit), of)
	}
	for _, count := range []struct {
		family *family
		value  *int64
	}{{ownUsedFamily, stands.OwnUsed}, {usersFamily, stands.UniqueUsers7d}, {usedFamily, stands.Used}} {
		if count.value != nil {
			told.putAs(count.family, float64(*count.value), of)
		}
	}
	for _, instant := range []struct {
		family *family
		at     metav1.Time
	}{{deadlineFamily, n.Status.NextDeadlineTime}, {flagFamily, n.Status.Flag.DeadlineTime}} {
		if !instant.at.IsZero() {
			told.putAs(instant.family, float64(instant.at.Unix()), of)
		}
	}
}

func (f *Standing) portfolios(told *page, view *standing.View) {
	for p := range view.AllPortfolios() {
		of := labelText(portfolioLabels, []string{p.Name})
		stands := view.Portfolio(p)
		told.putConditions(lookup.BusinessPortfolio, p, p.Status.Conditions)
		portfolioRoom.put(told, &stands.Room, unlimited(&p.Status.Tier), of)
		portfolioBudgets.put(told, stands.Budgets, p.Name)
		if p.Status.Tier.Name == "" {
			continue
		}
		if p.Status.Tier.Limit > 0 {
			told.putAs(portfolioLimitFamily, float64(p.Status.Tier.Limit), of)
		}
		if stands.Used != nil {
			told.putAs(portfolioUsedFamily, float64(*stands.Used), of)
		}
		if p.Status.Numbers != nil {
			told.putAs(portfolioNumbersFamily, float64(*p.Status.Numbers), of)
		}
	}
}

func (f *Standing) pools(told *page, view *standing.View) {
	for p := range view.AllPools() {
		of := labelText(labels, []string{p.Namespace, p.Name})
		stands := view.Pool(p)
		told.putConditions(lookup.NumberPool, p, p.Status.Conditions)
		poolRoom.put(told, &stands.Room, stands.Remaining == rules.NoLimit, of)
		told.putAs(poolNumbersFamily, float64(len(stands.Members)), of)
		told.putAs(poolSendableFamily, float64(stands.SendableMembers()), of)
	}
}

// roomFamilies are what may be sent now. An autoscaler reads an absent value as 0, so each is there for every resource.
type roomFamilies struct{ remaining, reserved, sendable, unlimited *family }

func newRoomFamilies(of, what string, labels []string) roomFamilies {
	return roomFamilies{
		&family{"numberfleet_" + of + "_remaining",
			"How many further users " + what + " may message now; 0 whenever it may message none, for whatever reason, and 2147483647 where there is no limit.", gauge, labels},
		&family{"numberfleet_" + of + "_reserved",
			"How much of the messaging limit of " + what + " is held for messages that are under way.", gauge, labels},
		&family{"numberfleet_" + of + "_sendable",
			"Whether " + what + " may message further users now.", gauge, labels},
		&family{"numberfleet_" + of + "_unlimited",
			"Whether " + what + " has no messaging limit.", gauge, labels},
	}
}

func (f roomFamilies) put(told *page, room *rules.Room, unlimited bool, of string) {
	told.putAs(f.remaining, float64(room.Remaining), of)
	told.putAs(f.reserved, float64(room.Reserved), of)
	told.putAs(f.sendable, gaugeOf(room.Sendable), of)
	told.putAs(f.unlimited, gaugeOf(unlimited), of)
}

func unlimited(tier *v1alpha1.TierStatus) bool {
	return tier.Name != "" && tier.Limit == rules.Unlimited
}

func gaugeOf(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

func (f *Standing) templates(ctx context.Context, told *page) error {
	var list v1alpha1.MessageTemplateList
	if err := f.Templates.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		return err
	}
	for i := range list.Items {
		t := &list.Items[i]
		told.putConditions(lookup.MessageTemplate, t, t.Status.Conditions)
		if t.Status.State != "" {
			told.put(templateFamily, 1, t.Namespace, t.Name, string(t.Status.Quality.Rating), template.StateLabel(t.Status.State), t.Status.PolicyName)
		}
	}
	return nil
}
