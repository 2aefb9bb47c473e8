package controllers

import (
	"context"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/rules"
)

// Metrics of the controller. Numbers appear under the namespace and name of their resource only.
type Metrics struct {
	transitions *prometheus.CounterVec
	writes      *prometheus.CounterVec
	lateness    prometheus.Histogram
}

// NewMetrics registers the controller's metrics.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	m := &Metrics{
		transitions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "numberfleet_transitions_total",
			Help: "Number of transitions of phone numbers, by reason.",
		}, []string{"reason"}),
		writes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "numberfleet_status_writes_total",
			Help: "Number of status writes of phone numbers, by result.",
		}, []string{"result"}),
		lateness: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "numberfleet_deadline_lateness_seconds",
			Help:    "Time from a deadline of the rules to the reconcile that met it, by the operator's clock.",
			Buckets: []float64{0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 3600},
		}),
	}
	registry.MustRegister(m.transitions, m.writes, m.lateness)
	return m
}

func (m *Metrics) happened(t rules.Transition) {
	m.transitions.WithLabelValues(string(t.Reason)).Inc()
}

func (m *Metrics) deadlineMet(late time.Duration) { m.lateness.Observe(late.Seconds()) }

func (m *Metrics) statusWritten(err error) {
	result := "written"
	switch {
	case apierrors.IsConflict(err):
		result = "conflict"
	case err != nil:
		result = "failed"
	}
	m.writes.WithLabelValues(result).Inc()
}

// Fleet collects the live figures of all numbers at each scrape, so that a deleted number leaves nothing behind.
type Fleet struct {
	Numbers client.Reader
	Ledger  ledger.Ledger
	Samples *Samples
	Clock   Clock
}

var (
	labels          = []string{"namespace", "name"}
	portfolioLabels = []string{"name"}

	infoDesc = prometheus.NewDesc("numberfleet_phone_number_info",
		"Where a phone number stands; always 1.", []string{"namespace", "name", "tier", "quality", "state", "policy"}, nil)
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
	ownUsedDesc = prometheus.NewDesc("numberfleet_phone_number_own_used",
		"How much of the messaging limit a phone number itself has used now; that of its portfolio is in numberfleet_phone_number_used.", labels, nil)
	portfolioLimitDesc = prometheus.NewDesc("numberfleet_portfolio_limit",
		"Messaging limit of a business portfolio; absent for an unlimited tier.", portfolioLabels, nil)
	portfolioUsedDesc = prometheus.NewDesc("numberfleet_portfolio_used",
		"How much of the messaging limit the numbers of a business portfolio have used together now.", portfolioLabels, nil)
	portfolioNumbersDesc = prometheus.NewDesc("numberfleet_portfolio_phone_numbers",
		"Number of phone numbers that share the limit of a business portfolio.", portfolioLabels, nil)
	templateDesc = prometheus.NewDesc("numberfleet_message_template_info",
		"Where a message template stands; always 1.", []string{"namespace", "name", "quality", "state", "policy"}, nil)
	unclaimedDesc = prometheus.NewDesc("numberfleet_unclaimed_phone_numbers",
		"Number of phone numbers that something was received for and that no resource names.", nil, nil)
)

// Describe implements prometheus.Collector.
func (f *Fleet) Describe(descriptions chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{readyDesc, infoDesc, limitDesc, usedDesc, usersDesc, deadlineDesc, unclaimedDesc,
		ownUsedDesc, portfolioLimitDesc, portfolioUsedDesc, portfolioNumbersDesc, templateDesc} {
		descriptions <- d
	}
}

// Collect implements prometheus.Collector.
func (f *Fleet) Collect(metrics chan<- prometheus.Metric) {
	// The cache answers at once; the bound is for a cache that never came up.
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	var numbers v1alpha1.PhoneNumberList
	if err := f.Numbers.List(ctx, &numbers, client.UnsafeDisableDeepCopy); err != nil {
		metrics <- prometheus.NewInvalidMetric(infoDesc, err)
		return
	}
	now := f.Clock.Now()
	policies := f.policies(ctx)
	claimed := make(map[string]struct{}, len(numbers.Items))
	shares := f.shares(ctx, numbers.Items, policies, now)
	for i := range numbers.Items {
		n := &numbers.Items[i]
		claimed[n.Spec.PhoneNumber] = struct{}{}
		gauge := func(desc *prometheus.Desc, value float64, more ...string) {
			metrics <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, append([]string{n.Namespace, n.Name}, more...)...)
		}
		ready := 0.0
		if meta.IsStatusConditionTrue(n.Status.Conditions, v1alpha1.ConditionReady) {
			ready = 1
		}
		gauge(readyDesc, ready)
		if n.Status.Tier.Name == "" {
			continue
		}
		gauge(infoDesc, 1, n.Status.Tier.Name, string(n.Status.Quality.Rating), string(n.Status.State), n.Status.PolicyName)
		if n.Status.Tier.Limit > 0 {
			gauge(limitDesc, float64(n.Status.Tier.Limit))
		}
		own, users := f.own(n, policies[n.Status.PolicyName], now)
		if own != nil {
			gauge(ownUsedDesc, float64(*own))
		}
		if users != nil {
			gauge(usersDesc, float64(*users))
		}
		used := own
		if n.Status.Portfolio != "" {
			used = shares[n.Status.Portfolio]
		}
		if used != nil {
			gauge(usedDesc, float64(*used))
		}
		if deadline := n.Status.NextDeadlineTime; !deadline.IsZero() {
			gauge(deadlineDesc, float64(deadline.Unix()))
		}
	}
	f.portfolios(ctx, shares, metrics)
	f.templates(ctx, metrics)
	unclaimed := 0
	for _, number := range f.Ledger.Numbers() {
		// Templates, portfolios and groups of numbers are among them.
		if _, ok := claimed[number]; !ok && strings.HasPrefix(number, "+") {
			unclaimed++
		}
	}
	metrics <- prometheus.MustNewConstMetric(unclaimedDesc, prometheus.GaugeValue, float64(unclaimed))
}

func (f *Fleet) portfolios(ctx context.Context, shares map[string]*int64, metrics chan<- prometheus.Metric) {
	var list v1alpha1.BusinessPortfolioList
	if err := f.Numbers.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		metrics <- prometheus.NewInvalidMetric(portfolioUsedDesc, err)
		return
	}
	for i := range list.Items {
		p := &list.Items[i]
		gauge := func(desc *prometheus.Desc, value float64) {
			metrics <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, p.Name)
		}
		if p.Status.Tier.Name == "" {
			continue
		}
		if p.Status.Tier.Limit > 0 {
			gauge(portfolioLimitDesc, float64(p.Status.Tier.Limit))
		}
		if used := shares[p.Name]; used != nil {
			gauge(portfolioUsedDesc, float64(*used))
		}
		if p.Status.Numbers != nil {
			gauge(portfolioNumbersDesc, float64(*p.Status.Numbers))
		}
	}
}

// shares are how much the numbers of each portfolio have used together. A portfolio is left out until it is known which those
// are, after a start, and what they used: no figure is better than one that shows room.
func (f *Fleet) shares(ctx context.Context, numbers []v1alpha1.PhoneNumber, policies map[string]*rules.Policy, now time.Time) map[string]*int64 {
	var portfolios v1alpha1.BusinessPortfolioList
	if err := f.Numbers.List(ctx, &portfolios, client.UnsafeDisableDeepCopy); err != nil {
		return nil
	}
	members := map[string][]*v1alpha1.PhoneNumber{}
	for i := range numbers {
		if n := &numbers[i]; n.Status.Portfolio != "" {
			members[n.Status.Portfolio] = append(members[n.Status.Portfolio], n)
		}
	}
	shares := map[string]*int64{}
	for i := range portfolios.Items {
		p := &portfolios.Items[i]
		policy, group := policies[p.Status.PolicyName], ledger.GroupSubject(p.Name)
		share := f.Samples.sharing(members[p.Name])
		if policy == nil || !f.Ledger.Known(group) && (len(share.counted) > 0 || len(share.read) == 0) {
			continue
		}
		usage, _ := share.usage(ledger.Subject{Ledger: f.Ledger, Name: group}, policy)
		status := v1alpha1.UsageStatus{Used: new(rules.Used(policy, usage, now))}
		share.mark(&status, policy)
		shares[p.Name] = status.Used
	}
	return shares
}

// own is how much of the limit a number has used itself, and its users of the last 7 days; nil where that is not known.
func (f *Fleet) own(n *v1alpha1.PhoneNumber, policy *rules.Policy, now time.Time) (used, users *int64) {
	switch {
	case !f.Samples.counts(n):
		users = new(f.Ledger.Count(n.Spec.PhoneNumber, ledger.Users, now.Add(-week), now))
		if policy != nil {
			used = new(rules.Used(policy, ledger.Subject{Ledger: f.Ledger, Name: n.Spec.PhoneNumber}, now))
		}
	case policy != nil:
		var usage v1alpha1.UsageStatus
		f.Samples.counted(&usage, n, policy, rules.Unlimited)
		used, users = usage.Used, usage.UniqueUsers7d
	}
	return used, users
}

func (f *Fleet) templates(ctx context.Context, metrics chan<- prometheus.Metric) {
	var list v1alpha1.MessageTemplateList
	if err := f.Numbers.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		metrics <- prometheus.NewInvalidMetric(templateDesc, err)
		return
	}
	for i := range list.Items {
		if t := &list.Items[i]; t.Status.State != "" {
			metrics <- prometheus.MustNewConstMetric(templateDesc, prometheus.GaugeValue, 1, t.Namespace, t.Name,
				string(t.Status.Quality.Rating), string(t.Status.State), t.Status.PolicyName)
		}
	}
}

func (f *Fleet) policies(ctx context.Context) map[string]*rules.Policy {
	var list v1alpha1.MessagingPolicyList
	if err := f.Numbers.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		return nil
	}
	compiled := make(map[string]*rules.Policy, len(list.Items))
	for i := range list.Items {
		if policy, err := rules.Compile(list.Items[i].Name, &list.Items[i].Spec); err == nil {
			compiled[policy.Name] = policy
		}
	}
	return compiled
}
