package portfolio

import (
	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/throttle"
)

// parts are what was decided of a portfolio, and its counts.
func parts(status *v1alpha1.BusinessPortfolioStatus) throttle.Parts {
	d := *status
	p := throttle.Parts{Decisions: &d, Used: status.Usage.Used, Limit: status.Tier.Limit, Counts: throttle.WithoutCounts(&d.CommonStatus, &d.LimitStatus)}
	p.Counts.Step, p.Counts.Report = d.NextStep, d.ObservedReport
	d.NextStep, d.ObservedReport, d.Notifications = "", 0, nil
	return p
}
