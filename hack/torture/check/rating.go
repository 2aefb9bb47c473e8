package check

// rate changes the rating. Low raises a flag at once where the policy has flags; better starts the recovery.
func (l *life) rate(rating string) {
	if rating == l.rating {
		return
	}
	l.say("QualityChanged", l.rating, rating)
	l.rating = rating
	if rating == low {
		l.spell()
		l.recovering = never
		if l.Policy.Spec.Flag.GraceHours > 0 && !l.flag {
			l.raise()
		}
	} else {
		l.lowSince, l.grace = never, never
		if l.flag && l.recovering == never {
			l.from(&l.recovering, l.Policy.Spec.Flag.RecoveryHours)
		}
	}
	l.unfit()
}

// weigh makes the users who complained, and those who were delivered to, of the quality window.
func (l *life) weigh(t *Tape, number string) {
	window := l.Policy.Spec.Quality.WindowHours * hour
	complaints, deliveries := t.complained(number), t.delivered(number)
	l.complained, l.reached = count(complaints, "UniqueUsers", window, 0, never), count(deliveries, "UniqueUsers", window, 0, never)
	for _, all := range [][]said{complaints, deliveries} {
		for _, s := range all {
			l.wake(s.at, s.at+window)
		}
	}
}

// feedback rates a number that Meta has not rated by how many in a thousand of the users reached complained.
func (l *life) feedback() {
	if l.complained == nil || l.rated {
		return
	}
	q := &l.Policy.Spec.Quality
	switch complained, reached := l.complained.at(l.now)*1000, l.reached.at(l.now); {
	case reached == 0:
		l.rate(unknown)
	case complained >= reached*q.LowPerThousand:
		l.rate(low)
	case complained >= reached*q.MediumPerThousand:
		l.rate(medium)
	default:
		l.rate(high)
	}
}

// spell starts a spell of Low.
func (l *life) spell() {
	l.lowSince = l.now
	l.from(&l.grace, l.Policy.Spec.Flag.GraceHours)
	l.wake(l.now + l.Policy.Spec.Block.AfterHours*hour)
}

func (l *life) raise() {
	l.flag = true
	l.say("Flagged", "", "")
	l.unfit()
}

func (l *life) clear() {
	l.flag, l.recovering, l.flagEnded = false, never, l.now
	l.say("FlagCleared", "", "")
}

// flagEnds ends a flag after the recovery period above Low, and a grace period of Low: with the tier, unless it is the lowest.
func (l *life) flagEnds() {
	flag := &l.Policy.Spec.Flag
	if flag.GraceHours == 0 {
		return
	}
	if l.flag && l.recovering != never && l.now >= l.recovering+flag.RecoveryHours*hour {
		l.clear()
	}
	if l.grace == never || l.now < l.grace+flag.GraceHours*hour || !l.flag && l.atFloor() {
		return
	}
	if l.flag {
		l.clear()
	}
	l.from(&l.grace, flag.GraceHours)
	if !l.atFloor() {
		to, _ := l.Policy.down(l.tier.Limit)
		l.move(to, "TierDowngraded", concluded)
	}
}

func (l *life) atFloor() bool {
	_, falls := l.Policy.down(l.tier.Limit)
	return l.Member || !falls
}

// blockDue blocks after unbroken Low at the floor, counted from the later of the two.
func (l *life) blockDue() {
	after := l.Policy.Spec.Block.AfterHours * hour
	if after > 0 && !l.blocked && l.lowSince != never && l.atFloor() && l.now >= max(l.lowSince, l.tierSince)+after {
		l.blocked = true
		l.say("Blocked", "", "")
	}
}
