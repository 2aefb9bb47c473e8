package statuses

import (
	"slices"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/rules"
)

// MaxHistory is how many transitions the status keeps.
const MaxHistory = 20

// AddTransitions counts transitions, adds them to a history, by time, and drops the oldest. One that a late report brought stands
// behind what was concluded before it: a transition keeps its number, for that is what receivers were told.
func AddTransitions(history *[]v1alpha1.Transition, count *int64, transitions []rules.Transition) {
	if len(transitions) == 0 {
		return
	}
	// A history from before transitions were counted is what is known of them.
	*count = max(*count, int64(len(*history))) + int64(len(transitions))
	var news []v1alpha1.Transition
	for _, t := range transitions {
		news = append(news, v1alpha1.Transition{Time: Time(t.Time), Reason: t.Reason, Rule: t.Rule, From: t.From, To: t.To, Message: Clip(t.Message, 1024)})
	}
	slices.SortStableFunc(news, func(a, b v1alpha1.Transition) int { return a.Time.Compare(b.Time.Time) })
	all := slices.Concat(*history, news)
	*history = all[max(0, len(all)-MaxHistory):]
}

// Transitions is what happened to a resource, and what is told of it.
type Transitions struct {
	Happened, Told []rules.Transition
}

// Fold folds what happened to whoever has a limit, and remembers in its status what is still to be told. It is over at the
// instant that it returns, if nothing happens before; zero if nothing is left to tell.
func Fold(remembered *v1alpha1.LimitReachedStatus, happened []rules.Transition, now time.Time) (Transitions, time.Time) {
	before := rules.LimitStretch{Since: UTC(remembered.SinceTime), Reached: remembered.Times, RoomSince: UTC(remembered.RoomSinceTime)}
	stretch, told, over := rules.Fold(before, happened, now)
	*remembered = v1alpha1.LimitReachedStatus{SinceTime: Time(stretch.Since), Times: stretch.Reached, RoomSinceTime: Time(stretch.RoomSince)}
	return Transitions{Happened: happened, Told: told}, over
}
