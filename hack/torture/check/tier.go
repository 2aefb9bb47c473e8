package check

import (
	"slices"
)

func (l *lifecycle) upgrade() {
	for {
		next, up := l.Policy.above(l.tier.Limit)
		if up == nil {
			return
		}
		if l.due == never {
			if !l.eligible(up) {
				return
			}
			l.due = l.now
			if up.DelayHours > 0 {
				l.emit("UpgradePending", l.tier.Name, next.Name)
				l.schedule(l.now + up.DelayHours*hour)
			}
		}
		if l.now < l.due+up.DelayHours*hour {
			return
		}
		l.setTier(next, "TierUpgraded", concluded)
	}
}

func (l *lifecycle) eligible(up *upgradeRule) bool {
	if up.stops(l.flag) || l.blocked || l.denied || !up.good(l.rating) {
		return false
	}
	after := l.lowered
	if up.AfterFlag == "Restart" {
		after = max(after, l.flagEnded)
	}
	if l.upgradeUsage(up, after).at(l.now) < up.required(l.tier.Limit) {
		return false
	}
	from := max(l.now-up.WindowHours*hour, after)
	first := slices.IndexFunc(l.counted, func(d contact) bool { return d.at > from })
	return l.counted[first].at+up.MinimumSpanHours*hour <= l.now
}

func (l *lifecycle) upgradeUsage(up *upgradeRule, after int64) *steps {
	of := [2]int64{l.tier.Limit, after}
	if l.risen[of] == nil {
		l.risen[of] = count(l.counted, up.Measure, up.WindowHours*hour, l.Policy.Spec.Counting.WindowHours*hour, after)
	}
	return l.risen[of]
}

// cancelUnfit cancels an upgrade that is due.
func (l *lifecycle) cancelUnfit() {
	if l.due == never {
		return
	}
	if _, up := l.Policy.above(l.tier.Limit); up.stops(l.flag) || !up.good(l.rating) {
		l.cancelUpgrade()
	}
}

func (l *lifecycle) cancelUpgrade() {
	next, _ := l.Policy.above(l.tier.Limit)
	l.due = never
	l.emit("UpgradeCancelled", l.tier.Name, next.Name)
}

// setTier moves to a tier. It ends a pending upgrade.
func (l *lifecycle) setTier(to Tier, reason, source string) {
	if next, _ := l.Policy.above(l.tier.Limit); l.due != never && higher(next.Limit, to.Limit) {
		l.cancelUpgrade()
	}
	from, floor := l.tier, l.atFloor()
	l.tier, l.tierSince, l.source, l.due = to, l.now, source, never
	l.before, l.rose = from, reason == "TierUpgraded"
	l.emit(reason, from.Name, to.Name)
	l.schedule(l.now + l.Policy.Spec.Block.AfterHours*hour)
	// At the floor Low has no grace period. A whole one begins as soon as there is a tier to fall to.
	if floor && !l.atFloor() && l.rating == low && !l.flag {
		l.startPeriod(&l.grace, l.Policy.Spec.Flag.GraceHours)
	}
}

func (l *lifecycle) restrict() {
	switch reached := l.tier.Limit > 0 && l.used.at(l.now) >= l.tier.Limit; {
	case reached && !l.restricted:
		l.emit("Restricted", "", "")
		l.restricted = true
	case !reached && l.restricted:
		l.emit("RestrictionLifted", "", "")
		l.restricted = false
	}
}
