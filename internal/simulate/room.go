package simulate

import (
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/rules"
)

// roomAt is how many users may still be messaged under a limit: the limit less what is used, and none while Meta says that it
// is reached. It is false where there is no limit.
func roomAt(p *rules.Policy, f *rules.Facts, s rules.State, now time.Time) (int64, bool) {
	switch {
	case s.RestrictedSource == v1alpha1.FromReport:
		return 0, true
	case s.Tier.Limit == rules.Unlimited:
		return 0, false
	}
	return max(0, s.Tier.Limit-rules.Used(p, f.Usage, now)), true
}
