package rules

import (
	"fmt"
	"strings"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// Progress is how far a number or a portfolio has come on the way to the next tier.
type Progress struct {
	Next Tier
	// Required and Achieved are of the measure that the next tier looks at. Known says whether Achieved is.
	Required, Achieved int64
	Known              bool
	// CountedFrom is the instant after which deliveries count; zero for the whole window.
	CountedFrom time.Time
	// Effective is when the tier rises; zero unless the upgrade is pending.
	Effective time.Time
	// Missing are sentences; none if the upgrade is pending.
	Missing []string
}

// UpgradeProgress is the progress to the next tier; false on the last one.
func UpgradeProgress(p *Policy, f *Facts, s State, now time.Time) (Progress, bool) {
	e := evaluate(p, f, &s, seconds(now))
	defer e.release()
	return e.upgradeProgress()
}

func (e *evaluation) upgradeProgress() (Progress, bool) {
	to, req := e.p.above(e.place)
	if req == nil {
		return Progress{}, false
	}
	from, achieved := e.countedFrom(req), e.achieved(req)
	progress := Progress{
		Next:      to,
		Required:  req.required(e.s.Tier.Limit),
		Achieved:  achieved.Least,
		Known:     achieved.Known || achieved.Least > 0,
		Effective: e.upgradeDue(),
	}
	if from.After(e.now.Add(-req.window)) {
		progress.CountedFrom = from
	}
	if !progress.Effective.IsZero() {
		return progress, true
	}
	if !progress.Known {
		progress.Missing = append(progress.Missing, fmt.Sprintf("a fresh count of the %s within %s", measureNoun(req.measure), formatDuration(req.window)))
	} else if short := progress.Required - progress.Achieved; short > 0 {
		progress.Missing = append(progress.Missing, fmt.Sprintf("%d more %s within %s", short, measureNoun(req.measure), formatDuration(req.window)))
	} else if due := e.spanDue(); due.After(e.now) {
		progress.Missing = append(progress.Missing, fmt.Sprintf("the deliveries must span %s; they will at %s", formatDuration(req.span), formatTime(due)))
	} else if req.span > 0 && due.IsZero() {
		progress.Missing = append(progress.Missing, fmt.Sprintf("the deliveries must span %s, from the first that is seen to come in", formatDuration(req.span)))
	}
	for i := range e.p.chain {
		if object := e.p.chain[i].objection; object != nil {
			if o := object(e); o.why != "" {
				progress.Missing = append(progress.Missing, o.why)
			}
		}
	}
	return progress, true
}

func (e *evaluation) explainUpgrade(x *explanation) {
	progress, ok := e.upgradeProgress()
	switch {
	case !ok && e.s.Tier.Limit == Unlimited:
		x.say(upgradeTopic, v1alpha1.RuleUnlimited, "There is no higher tier.")
	case !ok:
		x.say(upgradeTopic, v1alpha1.RuleUpgrade, "There is no higher tier.")
	case !progress.Effective.IsZero():
		x.say(upgradeTopic, v1alpha1.RuleUpgrade, "The limit rises to %s (tier %s) at %s: all that it requires was met at %s.",
			FormatLimit(progress.Next.Limit), progress.Next.Name, formatTime(progress.Effective), formatTime(e.s.EligibleSince))
	default:
		_, req := e.p.above(e.place)
		text := fmt.Sprintf("Tier %s (%s) needs %d %s within %s",
			progress.Next.Name, FormatLimit(progress.Next.Limit), progress.Required, measureNoun(req.measure), formatDuration(req.window))
		if req.minimumQuality != "" {
			text += fmt.Sprintf(" and a rating of %s at least", req.minimumQuality)
		} else {
			text += ", whatever the rating"
		}
		if progress.Known {
			text += fmt.Sprintf("; there are %d", progress.Achieved)
		}
		if len(progress.Missing) > 0 {
			text += ". Missing: " + strings.Join(progress.Missing, "; ")
		}
		if req.delay > 0 {
			text += fmt.Sprintf(". It comes %s after that", formatDuration(req.delay))
		}
		x.say(upgradeTopic, v1alpha1.RuleUpgrade, "%s.", text)
	}
}
