package rules

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// Progress is how far the next tier is.
type Progress struct {
	Next        Tier
	Required    int64
	Achieved    int64
	Known       bool      // whether there is so much now; else there was once, or nobody knows
	CountedFrom time.Time // zero unless a flag restarted the count
	Effective   time.Time // when the tier rises; zero unless the upgrade is pending
	Missing     []string  // sentences; empty when the upgrade is pending
}

// UpgradeProgress says how far the next tier is; false on the last tier.
func UpgradeProgress(p *Policy, f *Facts, s State, now time.Time) (Progress, bool) {
	e := evaluation{p: p, f: f, s: s, now: now.UTC().Truncate(time.Second)}
	to, way := p.next(s.Tier.Limit)
	if way == nil {
		return Progress{}, false
	}
	from := e.countedFrom(way)
	progress := Progress{
		Next:      to,
		Required:  way.required(s.Tier.Limit),
		Achieved:  e.achieved(way),
		Known:     e.knowsAchieved(way),
		Effective: e.upgradeDue(),
	}
	if from.After(e.now.Add(-way.window)) {
		progress.CountedFrom = from
	}
	if !progress.Effective.IsZero() {
		return progress, true
	}
	if !progress.Known {
		progress.Missing = append(progress.Missing, fmt.Sprintf("a fresh count of the %s within %s", noun(way.measure), words(way.window)))
	} else if short := progress.Required - progress.Achieved; short > 0 {
		progress.Missing = append(progress.Missing, fmt.Sprintf("%d more %s within %s", short, noun(way.measure), words(way.window)))
	} else if due := e.spanDue(); due.After(e.now) {
		progress.Missing = append(progress.Missing, fmt.Sprintf("the deliveries must span %s; they will at %s", words(way.span), stamp(due)))
	} else if way.span > 0 && due.IsZero() {
		progress.Missing = append(progress.Missing, fmt.Sprintf("the deliveries must span %s, from the first that is seen to come in", words(way.span)))
	}
	for _, why := range [...]string{e.unfit(way), e.denied()} {
		if why != "" {
			progress.Missing = append(progress.Missing, why)
		}
	}
	if s.Connection != v1alpha1.StateConnected {
		if p.role == portfolio {
			progress.Missing = append(progress.Missing, "one number at least must be connected and not flagged")
		} else {
			progress.Missing = append(progress.Missing, fmt.Sprintf("the number is %s and must be connected", s.Connection))
		}
	}
	return progress, true
}

// Deadlines are when the grace period of a Low rating ends, whether the tier falls then, and when a flag ends by recovery;
// zero where they do not run.
func Deadlines(p *Policy, s State) (grace time.Time, falls bool, clear time.Time) {
	e := evaluation{p: p, s: s, now: s.EvaluatedAt}
	return e.graceDue(), e.falls(), e.flagClearDue()
}

// Used is how much of the limit is used at an instant.
func Used(p *Policy, usage Usage, now time.Time) int64 {
	return usage.Count(p.Measure, now.Add(-p.Window), now)
}

func noun(measure v1alpha1.Measure) string {
	switch measure {
	case v1alpha1.MeasureConversations:
		return "conversations"
	case v1alpha1.MeasureMessages:
		return "messages"
	default:
		return "unique users"
	}
}

// LimitWords writes a limit for people.
func LimitWords(limit int64) string { return limitWords(limit) }

func limitWords(limit int64) string {
	if limit == Unlimited {
		return "unlimited"
	}
	return strconv.FormatInt(limit, 10)
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 MST") }

// words writes a duration in days, hours, minutes and seconds, as far as they are not zero.
func words(d time.Duration) string {
	var parts []string
	for _, unit := range []struct {
		length time.Duration
		name   string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "min"}, {time.Second, "s"}} {
		if n := d / unit.length; n > 0 {
			// 24 hours and 48 hours are how people and Meta call them.
			if unit.name == "d" && d%unit.length == 0 && n <= 2 {
				return strconv.FormatInt(int64(d/time.Hour), 10) + " h"
			}
			parts = append(parts, strconv.FormatInt(int64(n), 10)+" "+unit.name)
			d %= unit.length
		}
	}
	if len(parts) == 0 {
		return "0 s"
	}
	return strings.Join(parts, " ")
}
