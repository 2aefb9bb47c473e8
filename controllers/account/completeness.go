package account

import (
	"context"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/log"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/conditions"
	"numberfleet.dev/numberfleet/controllers/internal/statuses"
	"numberfleet.dev/numberfleet/internal/meta/graph"
)

// Is the count complete? What another partner of the number sends uses the limit too, and its receipts go to that partner's app only.
// Meta tells how many messages were delivered in all, whoever sent them: not to how many users, but one that was not received here
// cannot have been counted.

const (
	// settleTime is how long after the end of a day it is compared: late deliveries are there by then, and Meta's figures.
	settleTime = 3 * time.Hour
	// measurePeriod is in how long all numbers of an account are compared: each takes a call.
	measurePeriod = 6 * time.Hour
	// maxAge is how old a comparison may be, from the end of its day.
	maxAge = 48 * time.Hour

	// Meta calls its figures approximate. So much may be missing: a part of what it tells, or a few messages.
	missingPercent  = 2
	missingMessages = 10
)

// comparison is what Meta tells of a number's deliveries of a day, and what was counted here.
type comparison struct {
	from, to          time.Time // to is zero where there is none
	counted, reported int64
	failed            bool // Meta tells nothing of the day that can be used
}

// missing is how many deliveries are missing here, as far as Meta's figures are exact.
func (c comparison) missing() int64 {
	if missing := c.reported - c.counted; missing > max(c.reported*missingPercent/100, missingMessages) {
		return missing
	}
	return 0
}

// lastDay is the day to compare: the last one that ended, in UTC, and is settled.
func lastDay(now time.Time) (from, to time.Time) {
	to = now.Add(-settleTime).UTC().Truncate(24 * time.Hour)
	return to.Add(-24 * time.Hour), to
}

// comparisonOf is the comparison of a number that stands, from this process or from before it.
func (a *account) comparisonOf(n *v1alpha1.PhoneNumber) comparison {
	if c, ok := a.comparisons[n.UID]; ok {
		return c
	}
	s := &n.Status.Completeness
	if s.Counted == nil || s.Reported == nil {
		return comparison{}
	}
	return comparison{from: statuses.UTC(s.FromTime), to: statuses.UTC(s.ToTime), counted: *s.Counted, reported: *s.Reported}
}

// compare asks Meta for the deliveries of some numbers that were not compared over the last day yet: of so many that all are within
// some hours, as long as the calls of the next read are left. A day of which the operator was not there for a part is not compared:
// Meta sends what it missed again, for up to a week.
func (p *Poller) compare(ctx context.Context, a *account, found *readout, numbers []v1alpha1.PhoneNumber, now time.Time) {
	from, to := lastDay(now)
	left := 1 + len(numbers)*int(p.Config.Period())/int(measurePeriod)
	if from.Before(p.Presence.PresentSince()) {
		left = 0
	}
	known := map[types.UID]comparison{} // of numbers that are there still
	for i := range numbers {
		n := &numbers[i]
		c := a.comparisonOf(n)
		read, _ := found.of(n)
		switch {
		case read != nil && !c.to.Equal(to) && left > 0 && p.countsHere(n) && a.limiter.State().Left > float64(a.calls):
			left--
			reported, err := a.client.Deliveries(ctx, a.id, digitsOf(read.DisplayPhoneNumber, n.Spec.PhoneNumber), from, to)
			switch {
			case err == nil:
				c = comparison{from: from, to: to, reported: reported, counted: p.deliveries(n, from, to)}
			case graph.KindOf(err) == graph.Permanent:
				c = comparison{to: to, failed: true} // the same answer would come again
			default:
				left = 0
			}
			if err != nil {
				log.FromContext(ctx).V(1).Info("deliveries of a number not read", "namespace", n.Namespace, "name", n.Name, "cause", err.Error())
			}
		case c.missing() > 0: // it may have come meanwhile
			c.counted = p.deliveries(n, c.from, c.to)
		}
		if !c.to.IsZero() {
			known[n.UID] = c
		}
	}
	a.comparisons = known
}

// deliveries are those of a number that are known here, in [from, to).
func (p *Poller) deliveries(n *v1alpha1.PhoneNumber, from, to time.Time) int64 {
	return p.Ledger.Deliveries(n.Spec.PhoneNumber, from.Add(-time.Second), to.Add(-time.Second))
}

// countsHere says whether the counts of a number are the ledger's.
func (p *Poller) countsHere(n *v1alpha1.PhoneNumber) bool {
	return n.Status.Usage.Source != v1alpha1.CountedByPrometheus && n.Spec.Usage.Source != v1alpha1.UsageFromPrometheus
}

// digitsOf are the digits of a number as Meta displays it, or of its E.164 where Meta does not.
func digitsOf(display, number string) string {
	digits := strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, display)
	if digits == "" {
		return strings.TrimPrefix(number, "+")
	}
	return digits
}

// completeness is what to say of a comparison.
func (p *Poller) completeness(a *account, n *v1alpha1.PhoneNumber, c comparison) conditions.Verdict {
	since := c.to
	if _, anew := a.comparisons[n.UID]; !anew && c.reported == 0 && c.counted == 0 {
		since = statuses.Latest(since, a.began) // of a number at rest the last day that was compared is not written
	}
	unknown := func(why string) conditions.Verdict {
		return conditions.Unknown(v1alpha1.ReasonNotMeasured, why)
	}
	switch {
	case !p.countsHere(n):
		return unknown("The number's counts are not the operator's own.")
	case c.failed:
		return unknown("Meta tells nothing of the number's deliveries that can be used.")
	case c.to.IsZero() || a.last.at.Sub(since) > maxAge:
		return unknown("What was counted was not compared with what Meta tells lately: a day in UTC is, once it is over and the operator was there for all of it.")
	}
	if c.reported == 0 && c.counted == 0 { // without the day: a number at rest is not written each day
		return conditions.True(v1alpha1.ReasonAgrees, "Meta delivered no messages of the number, and none are known here.")
	}
	figures := fmt.Sprintf("On %s Meta delivered %d messages of the number, by its figures, which are approximate, and %d are known here",
		c.from.Format(time.DateOnly), c.reported, c.counted)
	switch missing := c.missing(); {
	case missing == 0:
		return conditions.True(v1alpha1.ReasonAgrees, figures+".")
	default:
		return conditions.False(v1alpha1.ReasonDeliveriesMissing, fmt.Sprintf(
			"%s: %d are missing, so that used is too low and there is less room than is shown. Another partner may send from the number, whose receipts go to its app only, or webhooks were lost.", figures, missing))
	}
}

// completenessStatus is a comparison as the status shows it; empty where there is none.
func completenessStatus(c comparison) v1alpha1.CompletenessStatus {
	if c.to.IsZero() || c.failed {
		return v1alpha1.CompletenessStatus{}
	}
	return v1alpha1.CompletenessStatus{FromTime: statuses.Time(c.from), ToTime: statuses.Time(c.to), Counted: &c.counted, Reported: &c.reported}
}

// atRest says whether nothing was delivered.
func atRest(s v1alpha1.CompletenessStatus) bool {
	return s.Counted != nil && s.Reported != nil && *s.Counted == 0 && *s.Reported == 0
}
