package portfolio

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/throttle"
)

// parts are what was decided of a portfolio, and its counts.
func parts(status *v1alpha1.BusinessPortfolioStatus) throttle.Parts {
	d := *status
	p := throttle.Parts{Decisions: &d, Used: d.Usage.Used, Limit: d.Tier.Limit, Counts: throttle.Counts{Usage: d.Usage, Upgrade: d.Upgrade,
		Until: d.Restriction.UntilTime, Next: d.NextDeadlineTime, Step: d.NextStep, Why: d.Explanation, Report: d.ObservedReport}}
	d.Usage, d.NextStep, d.Explanation = v1alpha1.UsageStatus{Source: d.Usage.Source}, "", nil
	d.NextDeadlineTime, d.ObservedReport = metav1.Time{}, 0
	d.Notifications = nil
	throttle.WithoutCounts(&d.Upgrade, &d.Restriction)
	return p
}
