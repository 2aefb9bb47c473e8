package check

import (
	"slices"
)

func (l *life) upgrade() {
	for {
		next, up := l.Policy.up(l.tier.Limit)
		if up == nil {
			return
		}
		if l.due == never {
			if !l.eligible(up) {
				return
			}
			l.due = l.now
			if up.DelayHours > 0 {
				l.say("UpgradePending", l.tier.Name, next.Name)
				l.wake(l.now + up.DelayHours*hour)
			}
		}
		if l.now < l.due+up.DelayHours*hour {
			return
		}
		l.move(next, "TierUpgraded", concluded)
	}
}

func (l *life) eligible(up *wayUp) bool {
	if up.stops(l.flag) || l.blocked || l.denied || !up.good(l.rating) {
		return false
	}
	after := l.lowered
	if up.AfterFlag == "Restart" {
		after = max(after, l.flagEnded)
	}
	if l.measured(up, after).at(l.now) < up.required(l.tier.Limit) {
		return false
	}
	from := max(l.now-up.WindowHours*hour, after)
	first := slices.IndexFunc(l.counted, func(d said) bool { return d.at > from })
	return l.counted[first].at+up.MinimumSpanHours*hour <= l.now
}

func (l *life) measured(up *wayUp, after int64) *steps {
	of := [2]int64{l.tier.Limit, after}
	if l.risen[of] == nil {
		l.risen[of] = count(l.counted, up.Measure, up.WindowHours*hour, l.Policy.Spec.Counting.WindowHours*hour, after)
	}
	return l.risen[of]
}

// unfit cancels an upgrade that is due.
func (l *life) unfit() {
	if l.due == never {
		return
	}
	if _, up := l.Policy.up(l.tier.Limit); up.stops(l.flag) || !up.good(l.rating) {
		l.cancel()
	}
}

func (l *life) cancel() {
	next, _ := l.Policy.up(l.tier.Limit)
	l.due = never
	l.say("UpgradeCancelled", l.tier.Name, next.Name)
}

// move moves to a tier. An upgrade that is due ends: it has come, or it does not come.
func (l *life) move(to Rung, reason, source string) {
	if next, _ := l.Policy.up(l.tier.Limit); l.due != never && higher(next.Limit, to.Limit) {
		l.cancel()
	}
	from, floor := l.tier, l.atFloor()
	l.tier, l.tierSince, l.source, l.due = to, l.now, source, never
	l.before, l.rose = from, reason == "TierUpgraded"
	l.say(reason, from.Name, to.Name)
	l.wake(l.now + l.Policy.Spec.Block.AfterHours*hour)
	// Low at the floor counts down to a block, and no grace period: a whole one begins where there is a tier to fall to again.
	if floor && !l.atFloor() && l.rating == low && !l.flag {
		l.from(&l.grace, l.Policy.Spec.Flag.GraceHours)
	}
}

func (l *life) restrict() {
	switch reached := l.tier.Limit > 0 && l.used.at(l.now) >= l.tier.Limit; {
	case reached && !l.restricted:
		l.say("Restricted", "", "")
		l.restricted = true
	case !reached && l.restricted:
		l.say("RestrictionLifted", "", "")
		l.restricted = false
	}
}
