package prometheus

import (
	"fmt"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/conditions"
	"numberfleet.dev/numberfleet/controllers/internal/statuses"
	"numberfleet.dev/numberfleet/controllers/internal/usage"
	"numberfleet.dev/numberfleet/internal/promquery"
)

// shortfall is why a count could not be had, as a reason of the condition UsageFresh and in words that stay the same while
// it lasts.
type shortfall struct {
	reason, message string
	// stays says that only a human can mend it; else it is worth a word once it has lasted.
	stays bool
}

// shortfallOf is what a query that has no answer comes to.
func shortfallOf(e *promquery.Error) *shortfall {
	switch e.Kind {
	case promquery.Refused:
		return &shortfall{v1alpha1.ReasonQueryFailed, "is refused: " + e.Message, true}
	case promquery.Failed:
		return &shortfall{v1alpha1.ReasonQueryFailed, "cannot be carried out", false}
	case promquery.Partial:
		return &shortfall{v1alpha1.ReasonPartialData, "is answered, with a warning that the answer may not be complete", false}
	default:
		return &shortfall{v1alpha1.ReasonPrometheusUnreachable, "is not answered properly", false}
	}
}

// judge says how fresh what is known of a number is. The message has no times and no counts: it is written once.
func judge(s *usage.Sample, missing [usage.Quantities]*shortfall, period time.Duration, now time.Time) conditions.Verdict {
	if !s.Asked[usage.UsedCount] {
		return conditions.False(v1alpha1.ReasonSourceNotConfigured,
			"No query gives used: set spec.usage.queries.used, or queries.used of the namespace in the operator's configuration.")
	}
	waits := false
	for q := range usage.Quantities {
		why, last := missing[q], s.Readings[q].At
		if why == nil {
			continue
		}
		if last.IsZero() {
			last, waits = s.Since, true
		}
		if why.stays || now.Sub(last) >= 2*period {
			return conditions.False(why.reason, statuses.Clip(fmt.Sprintf("The query for %s %s. What was concluded from the last count stands.", q, why.message), 1024))
		}
	}
	if waits {
		return usage.NotSampledYet
	}
	return conditions.True(v1alpha1.ReasonSampled, fmt.Sprintf("A Prometheus is asked for the counts every %d seconds.", int(period.Seconds())))
}
