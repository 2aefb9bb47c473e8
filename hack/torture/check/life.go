package check

import (
	"cmp"
	"container/heap"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"
)

// Subject is what a limit or a rating belongs to: a number, or a portfolio by the numbers that share its limit.
type Subject struct {
	Policy  *Policy
	Numbers []string // E.164
	// Member is a number whose portfolio has the limit: no tier, restriction or upgrade is its own.
	Member bool
	// Portfolio says that the numbers are those of a portfolio, whose rating is the lowest of theirs. Reports are about its name
	// here as well, or its id at Meta.
	Portfolio bool
	Name, ID  string
	Account   string // of the numbers, at Meta
	// Templates of the portfolio: their ratings are among those of which its own is the lowest.
	Templates []Template
}

// Transition is one thing that must have happened.
type Transition struct {
	At               int64 // Unix seconds
	Reason, From, To string
}

// String writes a transition in a line.
func (t Transition) String() string {
	text := time.Unix(t.At, 0).UTC().Format(time.DateTime) + " " + t.Reason
	if t.From != "" || t.To != "" {
		text += fmt.Sprintf(" %s -> %s", t.From, t.To)
	}
	return text
}

// Standing is where a subject must stand.
type Standing struct {
	Tier         string
	Limit        int64  // 0: none
	Source       string // of the tier
	Verification string
	Denied       bool // Meta denies an increase, puts it off, or wants to know more
	Rating       string
	State        string
	Flagged      bool
	Limited      bool // the limit is reached
}

// Where a tier comes from.
const (
	concluded      = "Policy"
	byVerification = "Verification"
	reported       = "Reported"
)

// life is a subject as time passes.
type life struct {
	Subject
	counted []said

	now, until int64
	instants   instants
	happened   []Transition

	tier       Rung
	tierSince  int64
	before     Rung // the tier before this one
	rose       bool // the rules raised it to this one
	source     string
	business   string // verified or not
	denied     bool   // what Meta answered to an increase
	rating     string
	rated      bool   // Meta has reported a rating: complaints make none any more
	complained *steps // users who complained; nil where no complaints make a rating
	reached    *steps // users who were delivered to
	lowSince   int64  // of the spell of Low; never while it is none
	grace      int64  // since when the present grace period runs; never while none does
	flag       bool
	recovering int64
	flagEnded  int64
	restricted bool
	lowered    int64 // when Meta last reported a lower limit: what was sent before brings no upgrade
	due        int64 // since when all was there for the next tier; never if it is not
	blocked    bool
	used       *steps
	risen      map[[2]int64]*steps
}

// Live lives through all that the tape has of a subject until an instant, at every instant at which something can have
// happened: each report, each counted delivery, each one's leaving a window, and each deadline.
func (t *Tape) Live(s Subject, until int64) ([]Transition, Standing) {
	l := &life{Subject: s, until: until, rating: unknown, lowSince: never, grace: never, recovering: never, flagEnded: never, due: never,
		tierSince: never, lowered: never, source: concluded, business: "Unverified", risen: map[[2]int64]*steps{}}
	spec := &s.Policy.Spec
	if !s.Member {
		l.tier = s.Policy.start(l.business)
		l.counted = t.counted(s.Numbers, spec.Counting.ServiceWindowHours*hour)
		l.used = count(l.counted, spec.Counting.Measure, spec.Counting.WindowHours*hour, spec.Counting.WindowHours*hour, never)
		for _, d := range l.counted {
			l.wake(d.at, d.at+spec.Counting.WindowHours*hour)
			for _, t := range spec.Tiers {
				if _, up := s.Policy.up(t.Limit); up != nil && up.MinimumSpanHours > 0 {
					l.wake(d.at + up.MinimumSpanHours*hour)
				}
			}
		}
	}
	if spec.Quality.LowPerThousand > 0 && !s.Portfolio {
		l.weigh(t, s.Numbers[0])
	}
	reports := t.reportsTo(s)
	for _, r := range reports {
		l.wake(r.at)
	}
	for i, of := range s.Templates {
		happened, _ := t.LiveTemplate(of, until)
		for _, h := range happened {
			if h.Reason == "QualityChanged" {
				reports = append(reports, heard{report{h.At, quality, h.To}, len(s.Numbers) + i})
				l.wake(h.At)
			}
		}
	}
	slices.SortStableFunc(reports, func(a, b heard) int { return cmp.Compare(a.at, b.at) })
	ratings := slices.Repeat([]string{unknown}, len(s.Numbers)+len(s.Templates))
	for l.instants.Len() > 0 {
		l.now = heap.Pop(&l.instants).(int64)
		if l.now > until {
			break
		}
		for ; len(reports) > 0 && reports[0].at == l.now; reports = reports[1:] {
			switch r := reports[0]; {
			case r.kind == limit:
				l.limited(r.value)
			case r.kind == verification:
				l.verify(r.value)
			case r.kind == increase:
				l.deny()
			case !s.Portfolio:
				l.report(r.report)
			case r.kind == quality && r.value != unknown:
				ratings[r.number] = r.value
				l.together(ratings)
			}
		}
		l.feedback()
		l.flagEnds()
		l.blockDue()
		if !s.Member {
			l.upgrade()
			l.restrict()
		}
	}
	return l.happened, l.standing()
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

func (l *life) standing() Standing {
	s := Standing{Rating: l.rating, Flagged: l.flag, Limited: l.restricted, State: "Connected"}
	if !l.Member {
		s.Tier, s.Limit, s.Source, s.Verification, s.Denied = l.tier.Name, l.tier.Limit, l.source, l.business, l.denied
	}
	switch {
	case l.blocked:
		s.State = "Blocked"
	case l.restricted:
		s.State = "Restricted"
	case l.flag:
		s.State = flagged
	}
	return s
}

func (l *life) say(reason, from, to string) {
	l.happened = append(l.happened, Transition{l.now, reason, from, to})
}

// from begins to count down hours now.
func (l *life) from(since *int64, hours int64) {
	*since = l.now
	l.wake(l.now + hours*hour)
}

func (l *life) wake(all ...int64) {
	for _, at := range all {
		if at <= l.until {
			heap.Push(&l.instants, at)
		}
	}
}

// Used is how much of the limit a subject has used at an instant.
func (t *Tape) Used(s Subject, at int64) int64 {
	spec := &s.Policy.Spec
	window := spec.Counting.WindowHours * hour
	return count(t.counted(s.Numbers, spec.Counting.ServiceWindowHours*hour), spec.Counting.Measure, window, window, never).at(at)
}

// Feedback is how many users complained about a number in the quality window before an instant, and how many were reached, if
// any complained and the policy makes a rating of it.
func (t *Tape) Feedback(s Subject, at int64) (complaining, reached int64) {
	q := &s.Policy.Spec.Quality
	if complaining = count(t.complained(s.Numbers[0]), "UniqueUsers", q.WindowHours*hour, 0, never).at(at); complaining > 0 && q.LowPerThousand > 0 {
		reached = count(t.delivered(s.Numbers[0]), "UniqueUsers", q.WindowHours*hour, 0, never).at(at)
	}
	return complaining, reached
}

// Room is the first instant at which a subject that has reached a limit at an instant has room again, if nothing comes after it.
func (t *Tape) Room(s Subject, limit, at int64) int64 {
	spec := &s.Policy.Spec
	window := spec.Counting.WindowHours * hour
	known := slices.DeleteFunc(t.counted(s.Numbers, spec.Counting.ServiceWindowHours*hour), func(d said) bool { return d.at > at })
	used := count(known, spec.Counting.Measure, window, window, never)
	for _, down := range used.downs {
		if down > at && used.at(down) < limit {
			return down
		}
	}
	return at
}

// Between are the least and the most that a subject has used in [from, to].
func (t *Tape) Between(s Subject, from, to int64) (least, most int64) {
	spec := &s.Policy.Spec
	window := spec.Counting.WindowHours * hour
	return extremes(count(t.counted(s.Numbers, spec.Counting.ServiceWindowHours*hour), spec.Counting.Measure, window, window, never), from, to)
}

// Week are the least and the most users that a subject reached within 7 days, by counted deliveries, at instants in [from, to].
func (t *Tape) Week(s Subject, from, to int64) (least, most int64) {
	return extremes(count(t.counted(s.Numbers, s.Policy.Spec.Counting.ServiceWindowHours*hour), "UniqueUsers", 7*24*hour, 0, never), from, to)
}

// WeekMessages are the counted deliveries of a subject within the 7 days before an instant.
func (t *Tape) WeekMessages(s Subject, at int64) int64 {
	return count(t.counted(s.Numbers, s.Policy.Spec.Counting.ServiceWindowHours*hour), "Messages", 7*24*hour, 0, never).at(at)
}

func extremes(s *steps, from, to int64) (least, most int64) {
	least, most = math.MaxInt64, math.MinInt64
	look := func(at int64) {
		if at >= from && at <= to {
			n := s.at(at)
			least, most = min(least, n), max(most, n)
		}
	}
	look(from)
	for _, at := range slices.Concat(s.ups, s.downs) {
		look(at)
	}
	return least, most
}

// instants is a heap of instants.
type instants []int64

func (h instants) Len() int           { return len(h) }
func (h instants) Less(i, j int) bool { return h[i] < h[j] }
func (h instants) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push implements heap.Interface.
func (h *instants) Push(x any) { *h = append(*h, x.(int64)) }

// Pop implements heap.Interface.
func (h *instants) Pop() any {
	last := len(*h) - 1
	x := (*h)[last]
	*h = (*h)[:last]
	return x
}
