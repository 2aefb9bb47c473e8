package rules

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/report"
)

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
	if err := p.compileTiers(spec); err != nil {
		return nil, err
	}
	if err := p.compileStart(&spec.Start); err != nil {
		return nil, err
	}
	p.chain = numberRules
	member, portfolio := *p, *p
	member.chain, member.tiers, member.startUnverified, member.startVerified = memberRules, nil, Tier{}, Tier{}
	portfolio.chain = portfolioRules
	p.member, p.portfolio = &member, &portfolio
	return p, nil
}

// compileTiers makes the ladder of limits, with the way up of each tier but the last.
func (p *Policy) compileTiers(spec *v1alpha1.MessagingPolicySpec) error {
	if len(spec.Tiers) == 0 {
		return fmt.Errorf("tiers is empty: a policy needs at least one tier")
	}
	for i, t := range spec.Tiers {
		field := fmt.Sprintf("tiers[%d]", i)
		last := i == len(spec.Tiers)-1
		switch {
		case t.Name == "":
			return fmt.Errorf("%s.name is empty", field)
		case slices.ContainsFunc(p.tiers, func(other tier) bool { return other.Name == t.Name }):
			return fmt.Errorf("%s.name is %q, as that of another tier: names must differ", field, t.Name)
		case t.Limit < 0 || t.Limit > report.MaxLimit:
			return fmt.Errorf("%s.limit is %d: it must be between 1 and %d, or left out for an unlimited tier", field, t.Limit, report.MaxLimit)
		case t.Limit == Unlimited && !last:
			return fmt.Errorf("%s has no limit: only the last tier may be unlimited", field)
		case i > 0 && t.Limit != Unlimited && t.Limit <= p.tiers[i-1].Limit:
			return fmt.Errorf("%s.limit is %d, after %d: tiers must be ascending", field, t.Limit, p.tiers[i-1].Limit)
		}
		compiled := tier{Tier: Tier{Name: t.Name, Limit: t.Limit}}
		if !last {
			up, where := &t.Upgrade, field+".upgrade"
			if up.Measure == "" {
				up, where = &spec.Upgrade, "upgrade"
			}
			way, err := compileRequirement(where, up)
			if err != nil {
				return err
			}
			compiled.up = way
		}
		p.tiers = append(p.tiers, compiled)
	}
	return nil
}

// compileStart finds the tiers that numbers start at.
func (p *Policy) compileStart(spec *v1alpha1.StartTiers) error {
	for _, start := range []struct {
		field, name string
		tier        *Tier
	}{{"start.unverified", spec.Unverified, &p.startUnverified}, {"start.verified", spec.Verified, &p.startVerified}} {
		var found bool
		if *start.tier, found = p.TierNamed(start.name); !found {
			return fmt.Errorf("%s is %q: it must be the name of one of the tiers", start.field, start.name)
		}
	}
	if Above(p.startUnverified.Limit, p.startVerified.Limit) {
		return fmt.Errorf("start.verified is %q, a lower tier than start.unverified: verification must not lower the limit", spec.Verified)
	}
	return nil
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
	if !slices.Contains([]v1alpha1.QualityRating{"", v1alpha1.QualityHigh, v1alpha1.QualityMedium, v1alpha1.QualityLow}, up.MinimumQuality) {
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

func (p *Policy) compileQuality(spec *v1alpha1.QualityRules) error {
	if err := checkWindow("quality.windowHours", p.QualityWindow); err != nil {
		return err
	}
	if (spec.MediumPerThousand == 0) != (spec.LowPerThousand == 0) {
		return fmt.Errorf("quality: mediumPerThousand and lowPerThousand must be set together")
	}
	for _, threshold := range []struct {
		field string
		value int32
	}{{"mediumPerThousand", spec.MediumPerThousand}, {"lowPerThousand", spec.LowPerThousand}} {
		if threshold.value < 0 || threshold.value > 1000 {
			return fmt.Errorf("quality.%s is %d: it must be between 1 and 1000, or left out", threshold.field, threshold.value)
		}
	}
	if spec.LowPerThousand > 0 && spec.MediumPerThousand >= spec.LowPerThousand {
		return fmt.Errorf("quality.mediumPerThousand is %d: it must be less than lowPerThousand, which is %d", spec.MediumPerThousand, spec.LowPerThousand)
	}
	return nil
}

func (p *Policy) compileTemplates(spec *v1alpha1.TemplateRules) error {
	if spec.BlockAfterHours != nil && len(spec.PauseHours) > 0 {
		return fmt.Errorf("templates: set one of blockAfterHours and pauseHours, not both")
	}
	if after := spec.BlockAfterHours; after != nil {
		if *after < 1 || *after > 8760 {
			return fmt.Errorf("templates.blockAfterHours is %d: it must be between 1 and 8760", *after)
		}
		p.Templates.BlockAfter = hours(*after)
	}
	for i, pause := range spec.PauseHours {
		if pause < 1 || pause > 8760 {
			return fmt.Errorf("templates.pauseHours[%d] is %d: it must be between 1 and 8760", i, pause)
		}
		p.Templates.Pauses = append(p.Templates.Pauses, hours(pause))
	}
	return nil
}
