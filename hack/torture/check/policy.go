package check

import (
	"encoding/json"
	"slices"
)

// Policy is a MessagingPolicy, as far as it is checked.
type Policy struct {
	Spec struct {
		Scope string `json:"scope"`
		Tiers []struct {
			Name    string `json:"name"`
			Limit   int64  `json:"limit"`
			Upgrade *wayUp `json:"upgrade"`
		} `json:"tiers"`
		Start struct {
			Unverified string `json:"unverified"`
			Verified   string `json:"verified"`
		} `json:"start"`
		Counting struct {
			Measure            string `json:"measure"`
			WindowHours        int64  `json:"windowHours"`
			ServiceWindowHours int64  `json:"serviceWindowHours"`
		} `json:"counting"`
		Upgrade wayUp `json:"upgrade"`
		Flag    struct {
			GraceHours    int64 `json:"graceHours"`
			RecoveryHours int64 `json:"recoveryHours"`
		} `json:"flag"`
		Block struct {
			AfterHours int64 `json:"afterHours"`
		} `json:"block"`
	} `json:"spec"`
}

type wayUp struct {
	Measure          string `json:"measure"`
	Threshold        int64  `json:"threshold"`
	ThresholdPercent int64  `json:"thresholdPercent"`
	WindowHours      int64  `json:"windowHours"`
	MinimumSpanHours int64  `json:"minimumSpanHours"`
	MinimumQuality   string `json:"minimumQuality"`
	DelayHours       int64  `json:"delayHours"`
	AfterFlag        string `json:"afterFlag"`
}

const hour = 3600

// ReadPolicy reads a MessagingPolicy in JSON.
func ReadPolicy(content []byte) (*Policy, error) {
	p := &Policy{}
	if err := json.Unmarshal(content, p); err != nil {
		return nil, err
	}
	if p.Spec.Counting.ServiceWindowHours == 0 {
		p.Spec.Counting.ServiceWindowHours = 24
	}
	return p, nil
}

// Shared says whether numbers of one portfolio share a limit.
func (p *Policy) Shared() bool { return p.Spec.Scope == "Portfolio" }

// start is the index of the tier that begins it all, which is the lowest there is too.
func (p *Policy) start(verified bool) int {
	name := p.Spec.Start.Unverified
	if verified {
		name = p.Spec.Start.Verified
	}
	for i, t := range p.Spec.Tiers {
		if t.Name == name {
			return i
		}
	}
	return 0
}

// up is what raises a tier; nil if it is the last.
func (p *Policy) up(tier int) *wayUp {
	switch t := p.Spec.Tiers[tier]; {
	case tier == len(p.Spec.Tiers)-1:
		return nil
	case t.Upgrade != nil && t.Upgrade.Measure != "":
		return t.Upgrade
	default:
		return &p.Spec.Upgrade
	}
}

// required is how much it takes: a number, or a part of the limit, rounded up.
func (w *wayUp) required(limit int64) int64 {
	if w.Threshold > 0 {
		return w.Threshold
	}
	required := limit * w.ThresholdPercent / 100
	if limit*w.ThresholdPercent%100 != 0 {
		required++
	}
	return required
}

// The ratings. Unknown counts as High.
const (
	unknown = "Unknown"
	medium  = "Medium"
	low     = "Low"
)

func worse(a, b string) bool {
	place := func(rating string) int { return slices.Index([]string{low, medium}, rating) }
	order := func(rating string) int {
		if i := place(rating); i >= 0 {
			return i
		}
		return 2
	}
	return order(a) < order(b)
}
