package overview

import (
	"slices"
	"time"

	"numberfleet.dev/numberfleet/api/client"
	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// Event is what happens by itself at an instant, if nothing further is delivered or reported.
type Event struct {
	Time time.Time `json:"time"`
	What string    `json:"what"`
}

// Upcoming is what happens next to an object that stands as the item says: the first first.
func Upcoming(o v1alpha1.Object, stands *client.Item) []Event {
	var all events
	switch o := o.(type) {
	case *v1alpha1.PhoneNumber:
		all.flag(&o.Status.Flag)
		all.limit(&o.Status.LimitStatus, stands)
	case *v1alpha1.BusinessPortfolio:
		all.limit(&o.Status.LimitStatus, stands)
	case *v1alpha1.NumberPool:
		all.add(stands.Until, "further users may be messaged again")
	case *v1alpha1.MessageTemplate:
		what := "the pause ends"
		if o.Status.State == v1alpha1.TemplateFlagged {
			what = "the template is blocked, unless it is edited or its rating rises before"
		}
		all.add(o.Status.UntilTime.Time, what)
	}
	slices.SortStableFunc(all, func(a, b Event) int { return a.Time.Compare(b.Time) })
	return all
}

type events []Event

// add adds what happens at an instant; zero for never.
func (e *events) add(at time.Time, what string) {
	if !at.IsZero() {
		*e = append(*e, Event{at.UTC(), what})
	}
}

func (e *events) flag(flag *v1alpha1.FlagStatus) {
	e.add(flag.DeadlineTime.Time, "the tier falls, unless the quality rating rises above Low before")
	e.add(flag.ClearTime.Time, "the flag ends, if the quality rating stays above Low")
}

func (e *events) limit(s *v1alpha1.LimitStatus, stands *client.Item) {
	e.add(s.Upgrade.EffectiveTime.Time, "the tier rises to "+s.Upgrade.NextTier)
	e.add(stands.Until, "further users may be messaged again")
}
