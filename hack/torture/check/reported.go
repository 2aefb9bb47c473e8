package check

import "strconv"

func (l *life) report(r report) {
	switch {
	case r.kind == quality:
		if r.value != unknown { // which keeps the rating before it
			l.rated = true
			l.rate(r.value)
		}
	case r.value == flagged:
		if !l.flag {
			l.raise()
			if l.rating == low {
				l.from(&l.grace, l.Policy.Spec.Flag.GraceHours)
			} else {
				l.from(&l.recovering, l.Policy.Spec.Flag.RecoveryHours)
			}
		}
	case r.value == connected:
		switch {
		case l.blocked:
			l.blocked = false
			if l.rating == low {
				l.spell()
			}
			l.say("Unblocked", "", "")
		case l.flag:
			l.clear()
			if l.rating == low {
				l.from(&l.grace, l.Policy.Spec.Flag.GraceHours)
			}
		}
	}
}

// limited takes the limit that Meta reports, whatever the policy concluded.
func (l *life) limited(value string) {
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
	l.move(l.Policy.of(most), "LimitReported", reported)
}

// verify raises a business that becomes verified to where verified ones start. Losing it lowers nothing.
func (l *life) verify(business string) {
	if business == l.business {
		return
	}
	l.business = business
	l.say("VerificationChanged", "", "")
	if start := l.Policy.start(business); business == verified && higher(start.Limit, l.tier.Limit) {
		l.denied = false
		l.move(start, "TierUpgraded", byVerification)
	}
}

// deny takes back the last raise, by what was sent or by a verification, and ends all increases until Meta reports a limit or
// verifies the business.
func (l *life) deny() {
	l.denied = true
	if l.due != never {
		l.cancel()
	}
	if l.source == reported || !l.rose {
		l.say("LimitReported", l.tier.Name, l.tier.Name)
		return
	}
	l.lowered = l.now
	l.move(l.before, "LimitReported", reported)
}

// together is the rating of a portfolio: the lowest of its numbers'.
func (l *life) together(ratings []string) {
	l.rating = unknown
	for _, r := range ratings {
		if worse(r, l.rating) {
			l.rating = r
		}
	}
	l.unfit()
}
