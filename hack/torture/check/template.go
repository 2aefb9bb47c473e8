package check

// Template is a template with a unique name.
type Template struct {
	Policy *Policy
	Name   string
}

// TemplateStanding is the state in which a template must be.
type TemplateStanding struct {
	State, Rating string
	Until         int64 // when that ends by itself, in Unix seconds; 0: never
	Pauses        int64 // how many there were
}

// templateLifecycle is the state of a template as time passes.
type templateLifecycle struct {
	blockAfter int64
	pauses     []int64 // hours
	now        int64
	happened   []Transition
	TemplateStanding
}

// The states of a template.
const (
	approved = "Approved"
	paused   = "Paused"
	blocked  = "Blocked"
	disabled = "Disabled" // Meta's word for blocked
	pending  = "Pending"  // in review
)

// ReplayTemplate applies all input about a template until an instant: each report, and each deadline before it.
func (t *Input) ReplayTemplate(of Template, until int64) ([]Transition, TemplateStanding) {
	rules := &of.Policy.Spec.Templates
	l := &templateLifecycle{blockAfter: rules.BlockAfterHours * hour, pauses: rules.PauseHours,
		TemplateStanding: TemplateStanding{State: approved, Rating: unknown}}
	for _, r := range inTime(t.reports[template(of.Name)]) {
		if r.at > until {
			break
		}
		l.expire(r.at - 1)
		l.now = r.at
		if r.kind == quality {
			l.setRating(r.value)
		} else {
			l.report(r.value)
		}
	}
	l.expire(until)
	return l.happened, l.TemplateStanding
}

// expire ends what ends by itself until an instant: a flag with a block, a pause with a return.
func (l *templateLifecycle) expire(until int64) {
	if l.Until == 0 || l.Until > until {
		return
	}
	l.now = l.Until
	if l.State == flagged {
		l.become(blocked, 0, "TemplateBlocked")
	} else {
		l.resume()
	}
}

// resume lets the template be sent again. After a pause its rating is unknown.
func (l *templateLifecycle) resume() {
	if l.State == paused {
		l.Rating = unknown
	}
	l.become(approved, 0, "TemplateResumed")
}

// setRating takes a rating. Each Low of a template that can be sent is the next step: a flag, or a pause, or a block.
func (l *templateLifecycle) setRating(rating string) {
	if rating == unknown {
		return
	}
	if rating != l.Rating {
		l.happened = append(l.happened, Transition{l.now, "QualityChanged", l.Rating, rating})
		l.Rating = rating
	}
	switch {
	case rating != low && l.State == flagged:
		l.become(approved, 0, "TemplateFlagCleared")
	case rating != low || l.State != approved:
	case l.blockAfter > 0:
		l.become(flagged, l.now+l.blockAfter, "TemplateFlagged")
	case l.Pauses < int64(len(l.pauses)):
		l.pause(l.Pauses + 1)
	case len(l.pauses) > 0:
		l.become(blocked, 0, "TemplateBlocked")
	}
}

// report takes a state or an edit. After an edit the rating is unknown, and the template cannot be sent until it is approved. A pause beyond
// those of the policy lasts until Meta reports its end.
func (l *templateLifecycle) report(state string) {
	switch {
	case state == "Edited":
		l.Rating = unknown
		if l.State == flagged {
			l.become(pending, 0, "TemplateFlagCleared")
		} else if l.State != pending {
			before := l.State
			l.become(pending, 0, "TemplateStateChanged")
			change := &l.happened[len(l.happened)-1]
			change.From, change.To = before, pending
		}
	case state == approved && l.State == flagged:
		l.become(approved, 0, "TemplateFlagCleared")
	case state == approved && l.State != approved:
		l.resume()
	case state == disabled && l.State == blocked:
		l.State = disabled // no transition
	case state == disabled && l.State != disabled:
		l.become(disabled, 0, "TemplateBlocked")
	case state == "FIRST_PAUSE" && len(l.pauses) >= 1:
		l.pause(1)
	case state == "SECOND_PAUSE" && len(l.pauses) >= 2:
		l.pause(2)
	case state == "RATE_LIMITING_PAUSE":
		l.become(paused, 0, "TemplatePaused")
	case state == paused || state == "FIRST_PAUSE" || state == "SECOND_PAUSE":
		if l.Pauses < int64(len(l.pauses)) {
			l.pause(l.Pauses + 1)
		} else {
			l.become(paused, 0, "TemplatePaused")
		}
	}
}

// pause begins a pause of the policy, by its number.
func (l *templateLifecycle) pause(which int64) {
	l.Pauses = which
	l.become(paused, l.now+l.pauses[which-1]*hour, "TemplatePaused")
}

func (l *templateLifecycle) become(state string, until int64, reason string) {
	l.State, l.Until = state, until
	l.happened = append(l.happened, Transition{At: l.now, Reason: reason})
}
