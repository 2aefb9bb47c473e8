package check

import (
	"encoding/json"
	"slices"
	"strconv"
)

// Policy is a MessagingPolicy, as far as it is checked.
type Policy struct {
	Spec struct {
		Scope string `json:"scope"`
		Tiers []Tier `json:"tiers"`
		Start struct {
			Unverified string `json:"unverified"`
			Verified   string `json:"verified"`
		} `json:"start"`
		Counting struct {
			Measure            string `json:"measure"`
			WindowHours        int64  `json:"windowHours"`
			ServiceWindowHours int64  `json:"serviceWindowHours"`
		} `json:"counting"`
		Upgrade upgradeRule `json:"upgrade"`
		Flag    struct {
			GraceHours    int64 `json:"graceHours"`
			RecoveryHours int64 `json:"recoveryHours"`
		} `json:"flag"`
		Quality struct {
			WindowHours       int64 `json:"windowHours"`
			MediumPerThousand int64 `json:"mediumPerThousand"`
			LowPerThousand    int64 `json:"lowPerThousand"`
		} `json:"quality"`
		Templates struct {
			BlockAfterHours int64   `json:"blockAfterHours"`
			PauseHours      []int64 `json:"pauseHours"`
		} `json:"templates"`
		Block struct {
			AfterHours int64 `json:"afterHours"`
		} `json:"block"`
	} `json:"spec"`
}

type upgradeRule struct {
	Measure          string `json:"measure"`
	Threshold        int64  `json:"threshold"`
	ThresholdPercent int64  `json:"thresholdPercent"`
	WindowHours      int64  `json:"windowHours"`
	MinimumSpanHours int64  `json:"minimumSpanHours"`
	MinimumQuality   string `json:"minimumQuality"`
	DelayHours       int64  `json:"delayHours"`
	WhileFlagged     string `json:"whileFlagged"`
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

// Tier is a tier, or a limit that Meta reports and no tier has.
type Tier struct {
	Name    string       `json:"name"`
	Limit   int64        `json:"limit"` // 0: none
	Upgrade *upgradeRule `json:"upgrade"`
}

// higher says whether a limit is higher than another.
func higher(a, b int64) bool { return b != 0 && (a == 0 || a > b) }

// verified is a business that is.
const verified = "Verified"

// start is the tier that begins it all.
func (p *Policy) start(business string) Tier {
	name := p.Spec.Start.Unverified
	if business == verified {
		name = p.Spec.Start.Verified
	}
	for _, t := range p.Spec.Tiers {
		if t.Name == name {
			return t
		}
	}
	return p.Spec.Tiers[0]
}

// tierOf is the tier with a limit. A limit of no tier has its number as its name.
func (p *Policy) tierOf(limit int64) Tier {
	for _, t := range p.Spec.Tiers {
		if t.Limit == limit {
			return t
		}
	}
	if limit == 0 {
		return Tier{Name: unlimited}
	}
	return Tier{Name: strconv.FormatInt(limit, 10), Limit: limit}
}

// above is the lowest tier above a limit, and the upgrade rule that leads to it: that of the tier below. Nil if there is none.
func (p *Policy) above(limit int64) (Tier, *upgradeRule) {
	below := 0
	for i, t := range p.Spec.Tiers {
		if !higher(t.Limit, limit) {
			below = i
			continue
		}
		if way := p.Spec.Tiers[below].Upgrade; way != nil && way.Measure != "" {
			return t, way
		}
		return t, &p.Spec.Upgrade
	}
	return Tier{}, nil
}

// below is the highest tier below a limit; false where there is none.
func (p *Policy) below(limit int64) (to Tier, falls bool) {
	for _, t := range slices.Backward(p.Spec.Tiers) {
		if higher(limit, t.Limit) {
			return t, true
		}
	}
	return Tier{}, false
}

// good says whether a rating is good enough for an upgrade. Without a minimum any is.
func (w *upgradeRule) good(rating string) bool {
	return w.MinimumQuality == "" || !worse(rating, w.MinimumQuality)
}

// stops says whether a flag cancels an upgrade.
func (w *upgradeRule) stops(flag bool) bool { return flag && w.WhileFlagged != "Rise" }

// required is the threshold: a number, or a share of the limit, rounded up.
func (w *upgradeRule) required(limit int64) int64 {
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
	high    = "High"
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
