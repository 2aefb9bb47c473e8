// Package metrics collects what is known of all resources at each scrape, so that a deleted resource leaves nothing
// behind.
package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
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

	roomDescs          = newRoomDesc("phone_number", "a phone number", labels)
	portfolioRoomDescs = newRoomDesc("portfolio", "a business portfolio", portfolioLabels)
	poolRoomDescs      = newRoomDesc("number_pool", "a number pool", labels)

	infoDesc = prometheus.NewDesc("numberfleet_phone_number_info",
		"Where a phone number stands, and the business portfolio whose limit it shares, empty if it has its own; always 1.",
		[]string{"namespace", "name", "tier", "quality", "state", "policy", "portfolio"}, nil)
	readyDesc = prometheus.NewDesc("numberfleet_phone_number_ready",
		"Whether the operator does its job for a phone number: 1, or 0 with the reason in the resource's condition Ready.", labels, nil)
	limitDesc = prometheus.NewDesc("numberfleet_phone_number_limit",
		"Messaging limit of a phone number; absent for an unlimited tier.", labels, nil)
	usedDesc = prometheus.NewDesc("numberfleet_phone_number_used",
		"How much of the messaging limit of a phone number is used now.", labels, nil)
	usersDesc = prometheus.NewDesc("numberfleet_phone_number_unique_users_7d",
		"Users with a counted delivery from a phone number in the last 7 days.", labels, nil)
	deadlineDesc = prometheus.NewDesc("numberfleet_phone_number_next_deadline_timestamp_seconds",
		"Next instant at which a phone number changes by itself; absent if there is none.", labels, nil)
	flagDesc = prometheus.NewDesc("numberfleet_phone_number_flag_deadline_timestamp_seconds",
		"When the tier of a flagged phone number falls if its quality stays low; absent if it is not flagged, or recovers, or if nobody knows.", labels, nil)
	ownUsedDesc = prometheus.NewDesc("numberfleet_phone_number_own_used",
		"How much of the messaging limit a phone number itself has used now; that of its portfolio is in numberfleet_phone_number_used.", labels, nil)
	ownReservedDesc = prometheus.NewDesc("numberfleet_phone_number_own_reserved",
		"How much of the messaging limit is held for messages of a phone number itself; what its portfolio holds is in numberfleet_phone_number_reserved.", labels, nil)
	portfolioLimitDesc = prometheus.NewDesc("numberfleet_portfolio_limit",
		"Messaging limit of a business portfolio; absent for an unlimited tier.", portfolioLabels, nil)
	portfolioUsedDesc = prometheus.NewDesc("numberfleet_portfolio_used",
		"How much of the messaging limit the numbers of a business portfolio have used together now.", portfolioLabels, nil)
	portfolioNumbersDesc = prometheus.NewDesc("numberfleet_portfolio_phone_numbers",
		"Number of phone numbers that share the limit of a business portfolio.", portfolioLabels, nil)
	poolNumbersDesc = prometheus.NewDesc("numberfleet_number_pool_phone_numbers",
		"Number of phone numbers that send for a number pool.", labels, nil)
	poolSendableDesc = prometheus.NewDesc("numberfleet_number_pool_sendable_phone_numbers",
		"Number of phone numbers of a number pool that may message further users now.", labels, nil)
	templateDesc = prometheus.NewDesc("numberfleet_message_template_info",
		"Where a message template stands; always 1.", []string{"namespace", "name", "quality", "state", "policy"}, nil)
	unclaimedDesc = prometheus.NewDesc("numberfleet_unclaimed_phone_numbers",
		"Number of phone numbers that something was received for and that no resource claims.", nil, nil)
)

// Describe implements prometheus.Collector.
func (f *Standing) Describe(descriptions chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{readyDesc, infoDesc, limitDesc, usedDesc, usersDesc, deadlineDesc, flagDesc, conditionDesc, unclaimedDesc,
		ownUsedDesc, ownReservedDesc, portfolioLimitDesc, portfolioUsedDesc, portfolioNumbersDesc, poolNumbersDesc, poolSendableDesc, templateDesc} {
		descriptions <- d
	}
	roomDescs.describe(descriptions)
	portfolioRoomDescs.describe(descriptions)
	poolRoomDescs.describe(descriptions)
	budgetDescs.describe(descriptions)
	portfolioBudgetDescs.describe(descriptions)
}

// Collect implements prometheus.Collector.
func (f *Standing) Collect(metrics chan<- prometheus.Metric) {
	// The cache answers at once; the bound is for a cache that never came up.
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	view, err := f.Source.Now()
	if err != nil {
		metrics <- prometheus.NewInvalidMetric(roomDescs.remaining, err)
		return
	}
	claimed := map[string]struct{}{}
	for n := range view.AllNumbers() {
		for _, subject := range lookup.Claims(f.Ledger, n) {
			claimed[subject] = struct{}{}
		}
		f.number(n, view, metrics)
	}
	f.portfolios(view, metrics)
	f.pools(view, metrics)
	f.templates(ctx, metrics)
	unclaimed := 0
	for _, number := range f.Ledger.Numbers() {
		// Templates, portfolios and groups of numbers are among them.
		if _, ok := claimed[number]; !ok && report.ParseSubject(number).IsNumber() {
			unclaimed++
		}
	}
	metrics <- prometheus.MustNewConstMetric(unclaimedDesc, prometheus.GaugeValue, float64(unclaimed))
}

func (f *Standing) number(n *v1alpha1.PhoneNumber, view *standing.View, metrics chan<- prometheus.Metric) {
	gauge := func(desc *prometheus.Desc, value float64, more ...string) {
		metrics <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, append([]string{n.Namespace, n.Name}, more...)...)
	}
	stands := view.Number(n)
	collectConditions(lookup.PhoneNumber, n, n.Status.Conditions, metrics)
	gauge(readyDesc, gaugeOf(meta.IsStatusConditionTrue(n.Status.Conditions, v1alpha1.ConditionReady)))
	roomDescs.collect(gauge, &stands.Room, unlimited(&n.Status.Tier))
	gauge(ownReservedDesc, float64(stands.OwnReserved))
	budgetDescs.collect(gauge, stands.Budgets)
	if n.Status.Tier.Name == "" {
		return
	}
	gauge(infoDesc, 1, n.Status.Tier.Name, string(n.Status.Quality.Rating), string(n.Status.State), n.Status.PolicyName, n.Status.Portfolio)
	if n.Status.Tier.Limit > 0 {
		gauge(limitDesc, float64(n.Status.Tier.Limit))
	}
	for _, count := range []struct {
		desc  *prometheus.Desc
		value *int64
	}{{ownUsedDesc, stands.OwnUsed}, {usersDesc, stands.UniqueUsers7d}, {usedDesc, stands.Used}} {
		if count.value != nil {
			gauge(count.desc, float64(*count.value))
		}
	}
	for _, instant := range []struct {
		desc *prometheus.Desc
		at   metav1.Time
	}{{deadlineDesc, n.Status.NextDeadlineTime}, {flagDesc, n.Status.Flag.DeadlineTime}} {
		if !instant.at.IsZero() {
			gauge(instant.desc, float64(instant.at.Unix()))
		}
	}
}

func (f *Standing) portfolios(view *standing.View, metrics chan<- prometheus.Metric) {
	for p := range view.AllPortfolios() {
		gauge := func(desc *prometheus.Desc, value float64, more ...string) {
			metrics <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, append([]string{p.Name}, more...)...)
		}
		stands := view.Portfolio(p)
		collectConditions(lookup.BusinessPortfolio, p, p.Status.Conditions, metrics)
		portfolioRoomDescs.collect(gauge, &stands.Room, unlimited(&p.Status.Tier))
		portfolioBudgetDescs.collect(gauge, stands.Budgets)
		if p.Status.Tier.Name == "" {
			continue
		}
		if p.Status.Tier.Limit > 0 {
			gauge(portfolioLimitDesc, float64(p.Status.Tier.Limit))
		}
		if stands.Used != nil {
			gauge(portfolioUsedDesc, float64(*stands.Used))
		}
		if p.Status.Numbers != nil {
			gauge(portfolioNumbersDesc, float64(*p.Status.Numbers))
		}
	}
}

func (f *Standing) pools(view *standing.View, metrics chan<- prometheus.Metric) {
	for p := range view.AllPools() {
		gauge := func(desc *prometheus.Desc, value float64, _ ...string) {
			metrics <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, p.Namespace, p.Name)
		}
		stands := view.Pool(p)
		collectConditions(lookup.NumberPool, p, p.Status.Conditions, metrics)
		poolRoomDescs.collect(gauge, &stands.Room, stands.Remaining == rules.NoLimit)
		gauge(poolNumbersDesc, float64(len(stands.Members)))
		gauge(poolSendableDesc, float64(stands.SendableMembers()))
	}
}

// roomDesc are the gauges of what may be sent now. An autoscaler reads an absent value as 0, so each is there for every resource.
type roomDesc struct{ remaining, reserved, sendable, unlimited *prometheus.Desc }

func newRoomDesc(of, what string, labels []string) roomDesc {
	return roomDesc{
		prometheus.NewDesc("numberfleet_"+of+"_remaining",
			"How many further users "+what+" may message now; 0 whenever it may message none, for whatever reason, and 2147483647 where there is no limit.", labels, nil),
		prometheus.NewDesc("numberfleet_"+of+"_reserved",
			"How much of the messaging limit of "+what+" is held for messages that are under way.", labels, nil),
		prometheus.NewDesc("numberfleet_"+of+"_sendable",
			"Whether "+what+" may message further users now.", labels, nil),
		prometheus.NewDesc("numberfleet_"+of+"_unlimited",
			"Whether "+what+" has no messaging limit.", labels, nil),
	}
}

func (d roomDesc) describe(descriptions chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{d.remaining, d.reserved, d.sendable, d.unlimited} {
		descriptions <- desc
	}
}

func (d roomDesc) collect(gauge func(*prometheus.Desc, float64, ...string), room *rules.Room, unlimited bool) {
	gauge(d.remaining, float64(room.Remaining))
	gauge(d.reserved, float64(room.Reserved))
	gauge(d.sendable, gaugeOf(room.Sendable))
	gauge(d.unlimited, gaugeOf(unlimited))
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

func (f *Standing) templates(ctx context.Context, metrics chan<- prometheus.Metric) {
	var list v1alpha1.MessageTemplateList
	if err := f.Templates.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		metrics <- prometheus.NewInvalidMetric(templateDesc, err)
		return
	}
	for i := range list.Items {
		t := &list.Items[i]
		collectConditions(lookup.MessageTemplate, t, t.Status.Conditions, metrics)
		if t.Status.State != "" {
			metrics <- prometheus.MustNewConstMetric(templateDesc, prometheus.GaugeValue, 1, t.Namespace, t.Name,
				string(t.Status.Quality.Rating), template.StateLabel(t.Status.State), t.Status.PolicyName)
		}
	}
}
