package check

import "strconv"

func (l *lifecycle) report(r report) {
	switch {
	case r.kind == quality:
		if r.value != unknown { // which keeps the rating before it
			l.rated = true
			l.setRating(r.value)
		}
	case r.value == flagged:
		if !l.flag {
			l.raiseFlag()
			if l.rating == low {
				l.startPeriod(&l.grace, l.Policy.Spec.Flag.GraceHours)
			} else {
				l.startPeriod(&l.recovering, l.Policy.Spec.Flag.RecoveryHours)
			}
		}
	case r.value == connected:
		switch {
		case l.blocked:
			l.blocked = false
			if l.rating == low {
				l.startLow()
			}
			l.emit("Unblocked", "", "")
		case l.flag:
			l.clearFlag()
			if l.rating == low {
				l.startPeriod(&l.grace, l.Policy.Spec.Flag.GraceHours)
			}
		}
	}
}

// reportLimit takes the limit that Meta reports, whatever the policy concluded.
func (l *lifecycle) reportLimit(value string) {
	most := int64(0)
	if value != unlimited {
		most, _ = strconv.ParseInt(value, 10, 64)
	}
	l.denied = false
	if most == l.tier.Limit {
		l.source = reported
		return
	}
	if higher(l.tier.Limit, most) {
		l.lowered = l.now
	}
	l.setTier(l.Policy.tierOf(most), "LimitReported", reported)
}

// reportVerification raises a business that becomes verified to where verified ones start. Losing it lowers nothing.
func (l *lifecycle) reportVerification(business string) {
	if business == l.business {
		return
	}
	l.business = business
	l.emit("VerificationChanged", "", "")
	if start := l.Policy.start(business); business == verified && higher(start.Limit, l.tier.Limit) {
		l.denied = false
		l.setTier(start, "TierUpgraded", byVerification)
	}
}

// reportDenial takes back the last raise, and stops all upgrades until Meta reports a limit or verifies the business.
func (l *lifecycle) reportDenial() {
	l.denied = true
	if l.due != never {
		l.cancelUpgrade()
	}
	if l.source == reported || !l.rose {
		l.emit("LimitReported", l.tier.Name, l.tier.Name)
		return
	}
	l.lowered = l.now
	l.setTier(l.before, "LimitReported", reported)
}

// rateByMembers sets the rating of a portfolio: the lowest of its members.
func (l *lifecycle) rateByMembers(ratings []string) {
	l.rating = unknown
	for _, r := range ratings {
		if worse(r, l.rating) {
			l.rating = r
		}
	}
	l.cancelUnfit()
}
