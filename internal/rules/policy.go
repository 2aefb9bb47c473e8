// Package rules is the rule engine: pure functions of (policy, facts, state, now). It has no client, no clock and no I/O;
// the controller, the simulator and the tests call the same functions.
//
// chain.go lists the rules that run for a number, for a number that shares its portfolio's limit, for a portfolio and for a template.
// Each rule stands in one file, under the sentence that it follows from. Advance runs a chain, Fleet a portfolio with all that belongs
// to it, Explain says what came of it, and RoomOf what may be sent now.
package rules

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/report"
)

// Policy is a MessagingPolicy made ready for evaluation. It is safe for concurrent use.
type Policy struct {
	// Name of the MessagingPolicy.
	Name string
	// Source is the document that the rules come from; the policy's name if it says none.
	Source string
	// Scope is what a limit belongs to.
	Scope v1alpha1.Scope

	// Measure and Window are what counts against the limit, and over which rolling time.
	Measure v1alpha1.Measure
	Window  time.Duration
	// ServiceWindow is how long after a message from the user deliveries do not count.
	ServiceWindow time.Duration

	// Grace is how long Low may last before the tier falls; zero where Low does nothing to the number.
	Grace time.Duration
	// Recovery is how long Medium or High must last for a flag to end.
	Recovery time.Duration
	// BlockAfter is how long Low must last at the lowest tier for the number to be blocked; zero for never.
	BlockAfter time.Duration
	// RequireHumanEscalation rates a number without a direct way to a human Low.
	RequireHumanEscalation bool

	// QualityWindow is the rolling window of the feedback that makes a rating, where Meta reports none.
	QualityWindow time.Duration
	// MediumFrom and LowFrom are how many complaining users per thousand reached users make Medium and Low; zero where only
	// reported ratings count.
	MediumFrom, LowFrom int64

	// Templates say what becomes of a template that is rated Low.
	Templates TemplateRules

	member, portfolio *Policy // see Member and Portfolio
	chain             chain[*evaluation]

	tiers           []tier // lowest first
	startUnverified Tier
	startVerified   Tier
}

// Member is the policy for a number whose portfolio has the limit: it has no ladder.
func (p *Policy) Member() *Policy { return p.member }

// Portfolio is the policy for a portfolio.
func (p *Policy) Portfolio() *Policy { return p.portfolio }

// Unlimited is the limit of a tier without one.
const Unlimited int64 = 0

// Tier is a step of the ladder: a name, and a limit or Unlimited.
type Tier struct {
	Name  string
	Limit int64
}

type tier struct {
	Tier
	up *requirement // nil on the last tier
}

// requirement is what raises a tier.
type requirement struct {
	measure          v1alpha1.Measure
	percent          int64 // of the current limit; zero where count is set
	count            int64
	window           time.Duration
	span             time.Duration
	minimumQuality   v1alpha1.QualityRating // empty for none
	delay            time.Duration
	whileFlagged     bool // a flagged number may rise
	restartAfterFlag bool
}

// longest is the longest window that counts are kept for.
const longest = 30 * 24 * time.Hour

// Compile checks a policy and makes it ready. The API server refuses what Compile refuses; a policy from a file has only
// this check. The error names the field, its problem and what is allowed.
func Compile(name string, spec *v1alpha1.MessagingPolicySpec) (*Policy, error) {
	p := &Policy{
		Name:                   name,
		Source:                 cmp.Or(spec.Source, "policy "+name),
		Scope:                  spec.Scope,
		Measure:                spec.Counting.Measure,
		Window:                 hours(spec.Counting.WindowHours),
		ServiceWindow:          24 * time.Hour,
		Grace:                  hours(spec.Flag.GraceHours),
		Recovery:               hours(spec.Flag.RecoveryHours),
		BlockAfter:             hours(spec.Block.AfterHours),
		RequireHumanEscalation: spec.HumanEscalation == v1alpha1.HumanEscalationRequire,
		QualityWindow:          hours(spec.Quality.WindowHours),
		MediumFrom:             int64(spec.Quality.MediumPerThousand),
		LowFrom:                int64(spec.Quality.LowPerThousand),
	}
	if p.Scope != v1alpha1.ScopeNumber && p.Scope != v1alpha1.ScopePortfolio {
		return nil, fmt.Errorf("scope is %q: it must be Number or Portfolio", p.Scope)
	}
	if spec.Counting.ServiceWindowHours != 0 {
		p.ServiceWindow = hours(spec.Counting.ServiceWindowHours)
	}
	if p.Measure != v1alpha1.MeasureUniqueUsers && p.Measure != v1alpha1.MeasureConversations {
		return nil, fmt.Errorf("counting.measure is %q: it must be UniqueUsers or Conversations", p.Measure)
	}
	if err := checkWindow("counting.windowHours", p.Window); err != nil {
		return nil, err
	}
	for _, optional := range []struct {
		field       string
		value, most int32
	}{
		{"counting.serviceWindowHours", spec.Counting.ServiceWindowHours, 168},
		{"flag.graceHours", spec.Flag.GraceHours, 8760},
		{"flag.recoveryHours", spec.Flag.RecoveryHours, 8760},
		{"block.afterHours", spec.Block.AfterHours, 8760},
	} {
		if optional.value < 0 || optional.value > optional.most {
			return nil, fmt.Errorf("%s is %d: it must be between 1 and %d, or left out", optional.field, optional.value, optional.most)
		}
	}
	if (p.Grace == 0) != (p.Recovery == 0) {
		return nil, fmt.Errorf("flag: graceHours and recoveryHours must be set together")
	}
	if p.Scope == v1alpha1.ScopePortfolio && (p.Grace > 0 || p.BlockAfter > 0) {
		return nil, fmt.Errorf("scope is Portfolio: leave out flag and block, since the rating of one number lowers nothing that all share")
	}
	if err := p.compileQuality(&spec.Quality); err != nil {
		return nil, err
	}
	if err := p.compileTemplates(&spec.Templates); err != nil {
		return nil, err
	}
	if len(spec.Tiers) == 0 {
		return nil, fmt.Errorf("tiers is empty: a policy needs at least one tier")
	}
	for i, t := range spec.Tiers {
		field := fmt.Sprintf("tiers[%d]", i)
		last := i == len(spec.Tiers)-1
		switch {
		case t.Name == "":
			return nil, fmt.Errorf("%s.name is empty", field)
		case slices.ContainsFunc(p.tiers, func(other tier) bool { return other.Name == t.Name }):
			return nil, fmt.Errorf("%s.name is %q, as that of another tier: names must differ", field, t.Name)
		case t.Limit < 0 || t.Limit > report.MaxLimit:
			return nil, fmt.Errorf("%s.limit is %d: it must be between 1 and %d, or left out for an unlimited tier", field, t.Limit, report.MaxLimit)
		case t.Limit == Unlimited && !last:
			return nil, fmt.Errorf("%s has no limit: only the last tier may be unlimited", field)
		case i > 0 && t.Limit != Unlimited && t.Limit <= p.tiers[i-1].Limit:
			return nil, fmt.Errorf("%s.limit is %d, after %d: tiers must be ascending", field, t.Limit, p.tiers[i-1].Limit)
		}
		compiled := tier{Tier: Tier{Name: t.Name, Limit: t.Limit}}
		if !last {
			up, where := &t.Upgrade, field+".upgrade"
			if up.Measure == "" {
				up, where = &spec.Upgrade, "upgrade"
			}
			way, err := compileRequirement(where, up)
			if err != nil {
				return nil, err
			}
			compiled.up = way
		}
		p.tiers = append(p.tiers, compiled)
	}
	var err error
	if p.startUnverified, err = p.named("start.unverified", spec.Start.Unverified); err != nil {
		return nil, err
	}
	if p.startVerified, err = p.named("start.verified", spec.Start.Verified); err != nil {
		return nil, err
	}
	if Above(p.startUnverified.Limit, p.startVerified.Limit) {
		return nil, fmt.Errorf("start.verified is %q, a lower tier than start.unverified: verification must not lower the limit", spec.Start.Verified)
	}
	p.chain = numberRules
	member, portfolio := *p, *p
	member.chain, member.tiers, member.startUnverified, member.startVerified = memberRules, nil, Tier{}, Tier{}
	portfolio.chain = portfolioRules
	p.member, p.portfolio = &member, &portfolio
	return p, nil
}

func compileRequirement(field string, up *v1alpha1.Upgrade) (*requirement, error) {
	w := &requirement{
		measure:          up.Measure,
		window:           hours(up.WindowHours),
		span:             hours(up.MinimumSpanHours),
		minimumQuality:   up.MinimumQuality,
		delay:            hours(up.DelayHours),
		whileFlagged:     up.WhileFlagged == v1alpha1.WhileFlaggedRise,
		restartAfterFlag: up.AfterFlag == v1alpha1.AfterFlagRestart,
	}
	switch up.Measure {
	case v1alpha1.MeasureUniqueUsers, v1alpha1.MeasureConversations, v1alpha1.MeasureMessages:
	case "":
		return nil, fmt.Errorf("%s is missing: every tier but the last needs a way up", field)
	default:
		return nil, fmt.Errorf("%s.measure is %q: it must be UniqueUsers, Conversations or Messages", field, up.Measure)
	}
	if (up.ThresholdPercent == nil) == (up.Threshold == nil) {
		return nil, fmt.Errorf("%s: set exactly one of thresholdPercent and threshold", field)
	}
	if up.ThresholdPercent != nil {
		if w.percent = int64(*up.ThresholdPercent); w.percent < 1 {
			return nil, fmt.Errorf("%s.thresholdPercent is %d: it must be at least 1", field, w.percent)
		}
	} else if w.count = *up.Threshold; w.count < 1 {
		return nil, fmt.Errorf("%s.threshold is %d: it must be at least 1", field, w.count)
	}
	if up.MinimumQuality != "" && (rank(up.MinimumQuality) == 0 || up.MinimumQuality == v1alpha1.QualityUnknown) {
		return nil, fmt.Errorf("%s.minimumQuality is %q: it must be High, Medium or Low", field, up.MinimumQuality)
	}
	switch up.WhileFlagged {
	case "", v1alpha1.WhileFlaggedCancel, v1alpha1.WhileFlaggedRise:
	default:
		return nil, fmt.Errorf("%s.whileFlagged is %q: it must be Cancel or Rise, or left out for Cancel", field, up.WhileFlagged)
	}
	if w.span < 0 || w.span >= w.window {
		return nil, fmt.Errorf("%s.minimumSpanHours is %d: it must be less than windowHours, or it could never be met", field, up.MinimumSpanHours)
	}
	if w.delay < 0 || w.delay > longest {
		return nil, fmt.Errorf("%s.delayHours is %d: it must be between 1 and %d, or left out", field, up.DelayHours, int(longest.Hours()))
	}
	return w, checkWindow(field+".windowHours", w.window)
}

func checkWindow(field string, window time.Duration) error {
	if window <= 0 || window > longest {
		return fmt.Errorf("%s is %d: it must be between 1 and %d, since counts are kept for 30 days", field,
			int(window.Hours()), int(longest.Hours()))
	}
	return nil
}

func (p *Policy) named(field, name string) (Tier, error) {
	for _, t := range p.tiers {
		if t.Name == name {
			return t.Tier, nil
		}
	}
	return Tier{}, fmt.Errorf("%s is %q: it must be the name of one of the tiers", field, name)
}

// Windows are the rolling windows over which the policy counts.
func (p *Policy) Windows() []time.Duration {
	windows := []time.Duration{p.Window}
	for _, t := range p.tiers {
		if t.up != nil && !slices.Contains(windows, t.up.window) {
			windows = append(windows, t.up.window)
		}
	}
	return windows
}

// required is how much of the measure the way up needs from a limit.
func (w *requirement) required(limit int64) int64 {
	if w.count > 0 {
		return w.count
	}
	return (limit*w.percent + 99) / 100
}

func hours(n int32) time.Duration { return time.Duration(n) * time.Hour }

// rank orders ratings; Unknown counts as High (rule 2). Zero for anything else.
func rank(rating v1alpha1.QualityRating) int {
	switch rating {
	case v1alpha1.QualityHigh, v1alpha1.QualityUnknown:
		return 3
	case v1alpha1.QualityMedium:
		return 2
	case v1alpha1.QualityLow:
		return 1
	default:
		return 0
	}
}

// worse says whether one rating is lower than another; Unknown counts as High.
func worse(a, b v1alpha1.QualityRating) bool { return rank(a) < rank(b) }
