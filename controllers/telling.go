package controllers

import (
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/rules"
)

// folded is what happened to a resource, and what is told of it.
type folded struct {
	happened, told []rules.Transition
}

// fold folds what happened to whoever has a limit, and remembers in its status what is still to be told. It is over at the
// instant that it returns, if nothing happens before; zero if nothing is left to tell.
func fold(remembered *v1alpha1.LimitReachedStatus, happened []rules.Transition, now time.Time) (folded, time.Time) {
	before := rules.LimitStretch{Since: utc(remembered.SinceTime), Reached: remembered.Times, RoomSince: utc(remembered.RoomSinceTime)}
	stretch, told, over := rules.Fold(before, happened, now)
	*remembered = v1alpha1.LimitReachedStatus{SinceTime: at(stretch.Since), Times: stretch.Reached, RoomSinceTime: at(stretch.RoomSince)}
	return folded{happened, told}, over
}
