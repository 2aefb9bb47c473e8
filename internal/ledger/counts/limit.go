package counts

import (
	"iter"
	"math"
	"slices"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// limit is a limit with the places in it. A user has one place, from when a reservation holds it or a delivery counts the user until
// neither does. So at any time the counted users and those who are held are as many as there are places, and a place is taken by a
// reservation only while that is less than the limit.
//
// A place belongs to one budget: that of the message for which it was taken. Places of users who are counted only are kept where there
// are budgets.
//
// Apply is the only writer. It holds View.gate while it changes anything.
type limit struct {
	subject string
	users   limitUsers // nil while the subject has no numbers

	setting LimitSetting                  // its Measure is empty while there is none
	budgets []budgetState                 // of the setting's; they follow, as what is below places does
	places  map[key]*place                // by the key that stands for the user
	leaving queue[*place, byLeaving]      // places of counted users
	ending  queue[*reservation, byEnding] // reservations that hold places
	held    int64                         // places that are held, of users who are not counted
	heldBy  map[*numberState]int64

	dirty bool // the row has changed since the last snapshot that was kept
}

// limitUsers are the users who take places: those of a number, or of a portfolio, which asks one of its numbers first: most users are known
// to one, and whoever knows them already need not be looked for.
type limitUsers interface {
	// canonical is the key that stands for all known keys of a user.
	canonical(k key, first *numberState) key
	// lastOf is when the user was last counted, and when a conversation was last opened; zero for never.
	lastOf(user key, first *numberState) (counted, opened uint32)
	// eachCounted calls with each user who may be counted after a time, and a number that knows the user.
	eachCounted(after int64, call func(user key, of *numberState))
	allSeries() *seriesSet
}

// place is that of one user.
type place struct {
	user     key
	number   *numberState   // by whose message it was taken,
	category Category       // and of what category that was
	budget   int            // which of the limit's that is; -1 for none
	until    int64          // the user is counted until then, Unix seconds; zero for a user who is not counted
	leaves   spot[*place]   // in limit.leaving
	holds    []*reservation // in no order
	failed   []uint32       // fingerprints of messages that failed before anyone confirmed them
}

// budgetState is a budget of the limit as it is now.
type budgetState struct {
	guaranteed, maximum int64 // users; maximum is -1 for none
	used, held          int64 // as of a limit
}

// unkept is what is guaranteed and neither used nor held.
func (b *budgetState) unkept() int64 { return max(0, b.guaranteed-b.used-b.held) }

// isSet says whether there is a setting. Without one nothing is granted.
func (l *limit) isSet() bool { return l != nil && l.setting.Measure != "" }

// tracked says whether users who are only counted have places.
func (l *limit) tracked() bool { return len(l.setting.Budgets) > 0 }

// active says whether what becomes of users is to be followed.
func (l *limit) active() bool { return l != nil && (len(l.places) > 0 || l.tracked()) }

// window is the length of the limit's window in seconds.
func (l *limit) window() int64 { return int64(l.setting.Window.Seconds()) }

// used is how much of the limit is used at a time, all that lies after it included.
func (l *limit) used(now int64) int64 {
	on, of := seriesFor(l.setting.Measure)
	return l.users.allSeries()[on].count(of, now-l.window(), math.MaxUint32)
}

// countedUntil is until when a user is counted; zero for one who is not counted at a time.
func (l *limit) countedUntil(user key, first *numberState, now int64) int64 {
	if !l.isSet() || l.users == nil {
		return 0
	}
	counted, opened := l.users.lastOf(user, first)
	last := counted
	if l.setting.Measure == v1alpha1.MeasureConversations {
		last = opened
	}
	if until := int64(last) + l.window(); last > 0 && until > now {
		return until
	}
	return 0
}

// take takes a place for a user who has none.
func (l *limit) take(user key, number *numberState, category Category, until int64) *place {
	p := &place{user: user, number: number, category: category}
	p.budget = l.budgetOf(number, category)
	if l.places == nil {
		l.places = map[key]*place{}
	}
	l.places[user] = p
	l.setUntil(p, until)
	l.dirty = true
	return p
}

// budgetOf is the first budget that a message falls under; -1 for none.
func (l *limit) budgetOf(number *numberState, category Category) int {
	return slices.IndexFunc(l.setting.Budgets, func(b BudgetSetting) bool { return b.matches(number.namespace(), category) })
}

// add adds a place to what it counts for, n times.
func (l *limit) add(p *place, n int64) {
	var used, held int64
	switch {
	case p.until > 0:
		used = n
	case len(p.holds) > 0:
		held = n
	}
	if held != 0 {
		l.held += held
		l.heldBy[p.number] += held
	}
	if p.budget >= 0 {
		l.budgets[p.budget].used += used
		l.budgets[p.budget].held += held
	}
}

// setUntil sets until when the user of a place is counted.
func (l *limit) setUntil(p *place, until int64) {
	if p.until == until {
		return
	}
	l.add(p, -1)
	p.until = until
	l.add(p, 1)
	l.dirty = true
	switch {
	case until == 0:
		l.leaving.remove(p)
	case p.leaves.moment == nil:
		l.leaving.add(p)
	default:
		l.leaving.moved(p)
	}
}

// hold has a reservation hold a place. It is known when that ends by itself.
func (l *limit) hold(p *place, r *reservation) {
	l.add(p, -1)
	r.place, r.at = p, len(p.holds)
	p.holds = append(p.holds, r)
	l.ending.add(r)
	l.add(p, 1)
	l.dirty = true
}

// letGo ends the hold of a reservation, if it has one.
func (l *limit) letGo(r *reservation) {
	p := r.place
	if p == nil {
		return
	}
	l.add(p, -1)
	last := pop(&p.holds)
	if last != r {
		p.holds[r.at], last.at = last, r.at
	}
	r.place = nil
	l.ending.remove(r)
	l.add(p, 1)
	l.dirty = true
	l.giveBack(p)
}

// giveBack gives a place back whose user is neither held nor, as far as that is tracked, counted.
func (l *limit) giveBack(p *place) {
	if len(p.holds) > 0 || p.until > 0 && l.tracked() {
		return
	}
	l.setUntil(p, 0)
	delete(l.places, p.user)
	l.dirty = true
}

// advance gives users who have left the window by now no place for that any more.
func (l *limit) advance(now int64) {
	for p, left := l.leaving.firstBy(now); left; p, left = l.leaving.firstBy(now) {
		l.setUntil(p, 0)
		l.giveBack(p)
	}
}

// at is the limit as advance would make it, for whoever may not change it.
func (l *limit) at(now int64) *limit {
	then := *l
	then.budgets = slices.Clone(l.budgets)
	for p := range l.left(now) {
		held := int64(min(len(p.holds), 1))
		then.held += held
		if p.budget >= 0 {
			then.budgets[p.budget].used--
			then.budgets[p.budget].held += held
		}
	}
	return &then
}

// left are the places whose user has left the window by now, which advance was not told yet.
func (l *limit) left(now int64) iter.Seq[*place] {
	return l.leaving.search(func(until int64) bool { return until <= now })
}

// refresh finds out anew until when a user is counted. A user who is counted now and has no place gets one, where such places are kept.
func (l *limit) refresh(user key, number *numberState, category Category, now int64) {
	p := l.places[user]
	if p == nil && !l.tracked() {
		return
	}
	until := l.countedUntil(user, number, now)
	switch {
	case p != nil:
		l.setUntil(p, until)
		l.giveBack(p)
	case until > 0:
		l.take(user, number, category, until)
	}
}

// refreshAll finds out anew who is counted, after windows or numbers have changed.
func (l *limit) refreshAll(now int64) {
	for _, p := range l.placesByUser() {
		l.setUntil(p, l.countedUntil(p.user, p.number, now))
		l.giveBack(p)
	}
	if l.tracked() && l.users != nil && l.isSet() {
		l.users.eachCounted(now-l.window(), func(user key, of *numberState) {
			if l.places[user] == nil {
				l.refresh(user, of, NoCategory, now)
			}
		})
	}
}

// rename gives a user's place to the key that stands for the user now. If that has one as well, the two are one.
func (l *limit) rename(from, to key) {
	p, q := l.places[from], l.places[to]
	if p == nil || from == to {
		return
	}
	l.dirty = true
	delete(l.places, from)
	if q == nil {
		p.user, l.places[to] = to, p
		return
	}
	l.add(p, -1)
	l.add(q, -1)
	for _, r := range p.holds {
		r.place, r.at = q, len(q.holds)
		q.holds = append(q.holds, r)
	}
	q.remember(p.failed...)
	p.holds = nil
	l.add(p, 1)
	l.add(q, 1)
	l.setUntil(p, 0)
}

// recount assigns all places to the budgets anew, after these or the namespaces of numbers have changed. What is guaranteed beyond the
// limit is cut, the last first, so that no guarantee is given that cannot be kept.
func (l *limit) recount() {
	l.dirty = true
	l.held, l.heldBy, l.budgets = 0, map[*numberState]int64{}, make([]budgetState, len(l.setting.Budgets))
	left := l.setting.Limit
	for i := range l.budgets {
		b := &l.setting.Budgets[i]
		guaranteed := min(b.Guaranteed.Of(l.setting.Limit, 0), left)
		left -= guaranteed
		l.budgets[i] = budgetState{guaranteed: guaranteed, maximum: b.Maximum.Of(l.setting.Limit, -1)}
	}
	for _, p := range l.places {
		p.budget = l.budgetOf(p.number, p.category)
		l.add(p, 1)
	}
}

// placesByUser are the places in a fixed order.
func (l *limit) placesByUser() []*place {
	all := make([]*place, 0, len(l.places))
	for _, p := range l.places {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b *place) int {
		if a.user < b.user {
			return -1
		}
		return 1
	})
	return all
}

// byLeaving orders places by when their user leaves the window.
type byLeaving struct{}

func (byLeaving) when(p *place) int64         { return p.until }
func (byLeaving) spot(p *place) *spot[*place] { return &p.leaves }
