package rules

import (
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// Rule 10. Unlimited is a tier without a limit: never restricted, never upgraded.

// Above says whether one limit is higher than another; Unlimited is higher than all.
func Above(a, b int64) bool {
	return b != Unlimited && (a == Unlimited || a > b)
}

// Start is the tier that a number of this verification starts at.
func (p *Policy) Start(verification v1alpha1.Verification) Tier {
	if verification == v1alpha1.Verified {
		return p.startVerified
	}
	return p.startUnverified
}

// Tiers are the tiers of the ladder, lowest first.
func (p *Policy) Tiers() []Tier {
	tiers := make([]Tier, len(p.tiers))
	for i, t := range p.tiers {
		tiers[i] = t.Tier
	}
	return tiers
}

// TierOf is the tier with this limit; a limit that the policy does not know goes by its number.
func (p *Policy) TierOf(limit int64) Tier {
	for _, t := range p.tiers {
		if t.Limit == limit {
			return t.Tier
		}
	}
	if limit == Unlimited {
		return Tier{Name: "Unlimited"}
	}
	return offLadder(limit)
}

// next is the lowest tier above a limit, with the way up to it. A reported limit between two tiers goes the way of the
// tier below it.
func (p *Policy) next(limit int64) (Tier, *requirement) {
	for i, t := range p.tiers {
		if Above(t.Limit, limit) {
			if i == 0 {
				return t.Tier, p.tiers[0].up
			}
			return t.Tier, p.tiers[i-1].up
		}
	}
	return Tier{}, nil
}

// UpgradeMeasure is what the next tier above a limit looks at: the measure, and the window that it is counted over; false on the last
// tier.
func (p *Policy) UpgradeMeasure(limit int64) (v1alpha1.Measure, time.Duration, bool) {
	_, way := p.next(limit)
	if way == nil {
		return "", 0, false
	}
	return way.measure, way.window, true
}

// Rule 4. The tier never falls below the first of the ladder, whether the business is verified or not.
//
// seeds/002: "the number will return to a Connected status but with a lower messaging limit imposed on it", and its ladder has a
// tier below the one that a verified business starts at.

// lower is the tier one step below a limit; false at the floor.
func (p *Policy) lower(limit int64) (below Tier, falls bool) {
	for _, t := range p.tiers {
		if Above(limit, t.Limit) {
			below, falls = t.Tier, true
		}
	}
	return below, falls
}
