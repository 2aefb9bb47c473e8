package check

// setRating changes the rating. Low raises a flag at once, if the policy has flags. A better rating starts the recovery.
func (l *lifecycle) setRating(rating string) {
	if rating == l.rating {
		return
	}
	l.emit("QualityChanged", l.rating, rating)
	l.rating = rating
	if rating == low {
		l.startLow()
		l.recovering = never
		if l.Policy.Spec.Flag.GraceHours > 0 && !l.flag {
			l.raiseFlag()
		}
	} else {
		l.lowSince, l.grace = never, never
		if l.flag && l.recovering == never {
			l.startPeriod(&l.recovering, l.Policy.Spec.Flag.RecoveryHours)
		}
	}
	l.cancelUnfit()
}

// countFeedback counts the users who complained and the users who were reached, over the quality window.
func (l *lifecycle) countFeedback(t *Input, number string) {
	window := l.Policy.Spec.Quality.WindowHours * hour
	complaints, deliveries := t.complained(number), t.delivered(number)
	l.complained, l.reached = count(complaints, "UniqueUsers", window, 0, never), count(deliveries, "UniqueUsers", window, 0, never)
	for _, all := range [][]contact{complaints, deliveries} {
		for _, s := range all {
			l.schedule(s.at, s.at+window)
		}
	}
}

// rateByFeedback rates a number that Meta has not rated, by complaining users per thousand users reached.
func (l *lifecycle) rateByFeedback() {
	if l.complained == nil || l.rated {
		return
	}
	q := &l.Policy.Spec.Quality
	switch complained, reached := l.complained.at(l.now)*1000, l.reached.at(l.now); {
	case reached == 0:
		l.setRating(unknown)
	case complained >= reached*q.LowPerThousand:
		l.setRating(low)
	case complained >= reached*q.MediumPerThousand:
		l.setRating(medium)
	default:
		l.setRating(high)
	}
}

// startLow starts an unbroken time at Low.
func (l *lifecycle) startLow() {
	l.lowSince = l.now
	l.startPeriod(&l.grace, l.Policy.Spec.Flag.GraceHours)
	l.schedule(l.now + l.Policy.Spec.Block.AfterHours*hour)
}

func (l *lifecycle) raiseFlag() {
	l.flag = true
	l.emit("Flagged", "", "")
	l.cancelUnfit()
}

func (l *lifecycle) clearFlag() {
	l.flag, l.recovering, l.flagEnded = false, never, l.now
	l.emit("FlagCleared", "", "")
}

// endFlag ends a flag after the recovery period, and a grace period with a fall of the tier, unless it is the lowest.
func (l *lifecycle) endFlag() {
	flag := &l.Policy.Spec.Flag
	if flag.GraceHours == 0 {
		return
	}
	if l.flag && l.recovering != never && l.now >= l.recovering+flag.RecoveryHours*hour {
		l.clearFlag()
	}
	if l.grace == never || l.now < l.grace+flag.GraceHours*hour || !l.flag && l.atFloor() {
		return
	}
	if l.flag {
		l.clearFlag()
	}
	l.startPeriod(&l.grace, flag.GraceHours)
	if !l.atFloor() {
		to, _ := l.Policy.below(l.tier.Limit)
		l.setTier(to, "TierDowngraded", concluded)
	}
}

func (l *lifecycle) atFloor() bool {
	_, falls := l.Policy.below(l.tier.Limit)
	return l.Member || !falls
}

// block blocks after unbroken Low at the floor. The time counts from the later of the two.
func (l *lifecycle) block() {
	after := l.Policy.Spec.Block.AfterHours * hour
	if after > 0 && !l.blocked && l.lowSince != never && l.atFloor() && l.now >= max(l.lowSince, l.tierSince)+after {
		l.blocked = true
		l.emit("Blocked", "", "")
	}
}
