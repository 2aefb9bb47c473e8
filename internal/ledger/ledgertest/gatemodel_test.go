package ledgertest

import (
	"math"
	"slices"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/report"
)

// gateModel decides operations from nothing but what was applied before, straight from the definitions. A record has entries, settings,
// a portfolio, windows or operations, and only one of these.
type gateModel struct {
	model
	at           time.Time         // log time
	now          int64             // the same in Unix seconds
	names        map[string]string // of numbers, besides their own
	portfolios   portfolios
	limits       map[string]counts.LimitSetting
	senders      map[string]counts.SenderSetting
	templates    map[string]counts.TemplateSetting
	reservations []*reservation
	places       []*place
}

// reservation is one that was granted and not forgotten.
type reservation struct {
	asked            counts.Operation
	decided          counts.Decision
	created, expires time.Time
	place            bool // it was granted one
	ended            bool
	confirmed        counts.MessageKey // zero until then
	confirmedAt      time.Time
	failed           []counts.MessageKey // before anyone confirmed them
}

func (r *reservation) holds() bool { return r.place && !r.ended }

// place is a user's place in a limit, and the message for which it was taken.
type place struct {
	limit    string
	user     counts.UserKey
	number   string
	category counts.Category
}

func newGateModel(windows counts.Windows) *gateModel {
	return &gateModel{
		model: model{windows: windows}, names: map[string]string{}, portfolios: portfolios{}, limits: map[string]counts.LimitSetting{},
		senders: map[string]counts.SenderSetting{}, templates: map[string]counts.TemplateSetting{},
	}
}

// apply applies a record and returns what became of its operations.
func (m *gateModel) apply(r *counts.Record) (decisions []counts.Decision) {
	if clock := time.UnixMilli(r.Clock); clock.After(m.at) {
		m.at, m.now = clock, clock.Unix()
	}
	m.settle("", counts.NoCategory)
	for _, e := range r.Entries {
		e.Number = m.own(e.Number)
		m.enter(e)
		m.settle(e.Number, e.Category)
	}
	for _, w := range r.Windows {
		m.windows = w.Windows
	}
	for _, p := range r.Portfolios {
		var own []string
		for _, number := range p.Numbers {
			own = append(own, m.own(number))
		}
		m.portfolios.set(p.Name, own)
	}
	for _, c := range r.Claims {
		m.claim(report.NumberIDSubject(c.ID).String(), c.Number)
	}
	m.endDue() // what happened before it came before it
	m.set(&r.Settings)
	m.settle("", counts.NoCategory)
	for i := range r.Operations {
		decisions = append(decisions, m.decide(&r.Operations[i]))
	}
	return decisions
}

// endDue ends what ends by now, and forgets what ended as long ago as its operations are answered.
func (m *gateModel) endDue() {
	for _, r := range m.reservations {
		r.ended = r.ended || r.place && m.ended(m.ends(r))
	}
	m.reservations = slices.DeleteFunc(m.reservations, func(r *reservation) bool {
		kept := r.expires
		if r.asked.Key != 0 {
			kept = slices.MaxFunc([]time.Time{kept, r.created.Add(counts.KeyKept)}, time.Time.Compare)
		}
		return !r.holds() && m.ended(kept)
	})
}

// endsEvery is how often reservations end: with the tenth of a second in which their time is over.
const endsEvery = 100 * time.Millisecond

// ended says whether what ends at a time has ended.
func (m *gateModel) ended(at time.Time) bool {
	return !m.at.Before(at.Add(endsEvery - 1).Truncate(endsEvery))
}

// ends is when a reservation ends by itself.
func (m *gateModel) ends(r *reservation) time.Time {
	switch {
	case r.confirmed != 0:
		return r.confirmedAt.Add(counts.UnknownFor)
	case m.limits[m.owner(r.asked.Number)].ReleaseUnconfirmed:
		return r.expires
	default:
		return r.expires.Add(counts.UnknownFor)
	}
}

// set takes settings over.
func (m *gateModel) set(s *counts.Settings) {
	for _, l := range s.Limits {
		l.Subject = m.own(l.Subject)
		if m.limits[l.Subject] = l; l.Removed {
			delete(m.limits, l.Subject)
		}
	}
	for _, n := range s.Senders {
		n.Number = m.own(n.Number)
		if m.senders[n.Number] = n; n.Removed {
			delete(m.senders, n.Number)
		}
	}
	for _, t := range s.Templates {
		if m.templates[t.Name] = t; t.Removed {
			delete(m.templates, t.Name)
		}
	}
}

// own is the name of a number under which it is known.
func (m *gateModel) own(number string) string {
	if name, found := m.names[number]; found {
		return name
	}
	return number
}

// claim gives what is known under a name to a number, which keeps what it has of settings.
func (m *gateModel) claim(name, number string) {
	if m.own(name) == number {
		return
	}
	m.names[name] = number
	for of := range m.portfolios {
		m.portfolios[of] = slices.DeleteFunc(m.portfolios[of], func(n string) bool { return n == name })
	}
	for i := range m.entries {
		m.entries[i].Number = m.own(m.entries[i].Number)
	}
	for _, r := range m.reservations {
		r.asked.Number = m.own(r.asked.Number)
		r.decided.Number = r.asked.Number
	}
	if l, found := m.limits[name]; found && m.limits[number].Measure == "" {
		m.limits[number] = l
	}
	if n, found := m.senders[name]; found && m.senders[number].Number == "" {
		n.Number = number
		m.senders[number] = n
	}
	delete(m.limits, name)
	delete(m.senders, name)
}

// owner is what has the limit of a number.
func (m *gateModel) owner(number string) string {
	for name, numbers := range m.portfolios {
		if slices.Contains(numbers, number) {
			return counts.PortfolioKey(name)
		}
	}
	return number
}

// sharing are the numbers of a limit.
func (m *gateModel) sharing(limit string) []string {
	for name, numbers := range m.portfolios {
		if limit == counts.PortfolioKey(name) {
			return numbers
		}
	}
	return []string{limit}
}

// enter takes an entry. A message that is delivered ends the reservation that was confirmed with it, else, where it is counted, the
// only one that may be of it. One that fails ends the one that was confirmed with it, or that will be.
func (m *gateModel) enter(e counts.Entry) {
	if e.At < m.now-int64((counts.Kept+counts.Lateness).Seconds()) || e.At > m.now+int64(counts.Ahead.Seconds()) {
		return
	}
	known := m.isDelivered(e.Number, e.User, e.Message)
	m.entries = append(m.entries, e)
	if e.Kind != counts.Failed && (e.Kind != counts.Delivered || known) {
		return
	}
	open := m.openOf(e.Number, e.User)
	i := slices.IndexFunc(open, func(r *reservation) bool { return r.confirmed == e.Message })
	switch {
	case i >= 0:
		open[i].ended = true
	case e.Kind == counts.Failed:
		for _, r := range open {
			r.failed = append(r.failed, e.Message)
		}
	case m.counts(e):
		open = slices.DeleteFunc(open, func(r *reservation) bool { return r.confirmed != 0 || r.created.Unix() > e.At })
		if len(open) == 1 {
			open[0].ended = true
		}
	}
}

// openOf are the reservations of a number that hold a user's place.
func (m *gateModel) openOf(number string, user counts.UserKey) (open []*reservation) {
	who := m.of(m.sharing(m.owner(number))...).person()
	for _, r := range m.reservations {
		if r.holds() && r.asked.Number == number && who(r.asked.User) == who(user) {
			open = append(open, r)
		}
	}
	return open
}

// isDelivered says whether a message of a number reached a user.
func (m *gateModel) isDelivered(number string, user counts.UserKey, message counts.MessageKey) bool {
	who := m.of(number).person()
	return slices.ContainsFunc(m.entries, func(e counts.Entry) bool {
		return e.Kind == counts.Delivered && e.Number == number && e.Message == message && who(e.User) == who(user)
	})
}

// counts says whether a delivery is counted, as far as is known.
func (m *gateModel) counts(e counts.Entry) bool {
	of := m.of(e.Number)
	n := len(of.happened().events(m.windows, v1alpha1.MeasureMessages))
	for i := range of.entries {
		if of.entries[i] == e {
			of.entries[i].Kind = counts.AliasLinked // as if nothing was delivered
		}
	}
	return n > len(of.happened().events(m.windows, v1alpha1.MeasureMessages))
}

// limitNow is how a limit stands.
type limitNow struct {
	setting      counts.LimitSetting
	person       func(counts.UserKey) counts.UserKey
	used         int64
	counted      map[counts.UserKey]bool
	held         map[counts.UserKey]bool // whether they are counted or not
	users, holds []int64                 // of its budgets
	of           map[counts.UserKey]int  // the budget of each user's place; -1 for none
}

// limit is how a limit stands now. What lies ahead of log time counts as well.
func (m *gateModel) limit(subject string) *limitNow {
	numbers := m.sharing(subject)
	some := m.of(numbers...)
	setting := m.limits[subject]
	l := &limitNow{
		setting: setting, person: some.person(), counted: map[counts.UserKey]bool{}, held: map[counts.UserKey]bool{}, of: map[counts.UserKey]int{},
		users: make([]int64, len(setting.Budgets)), holds: make([]int64, len(setting.Budgets)),
	}
	after := m.now - int64(setting.Window.Seconds())
	if setting.Measure != "" {
		for user, times := range some.happened().counted {
			one := happened{counted: map[counts.UserKey][]int64{user: times}}
			n := int64(len(within(one.times(m.windows, math.MaxInt64-1)[setting.Measure], after, math.MaxInt64)))
			l.used += n
			l.counted[user] = n > 0
		}
	}
	for _, r := range m.reservations {
		if r.holds() && slices.Contains(numbers, r.asked.Number) {
			l.held[l.person(r.asked.User)] = true
		}
	}
	for _, p := range m.places {
		if p.limit != subject {
			continue
		}
		user, budget := l.person(p.user), m.budget(setting, p.number, p.category)
		if _, found := l.of[user]; found {
			continue // users who are one
		}
		switch l.of[user] = budget; {
		case budget < 0:
		case l.counted[user]:
			l.users[budget]++
		default:
			l.holds[budget]++
		}
	}
	return l
}

// heldOnly are how many users are held and not counted.
func (l *limitNow) heldOnly() (n int64) {
	for user := range l.held {
		if !l.counted[user] {
			n++
		}
	}
	return n
}

// uses are how much of each budget is used and held. Guarantees beyond the limit are cut, the last first.
func (l *limitNow) uses() (all []counts.BudgetUse) {
	left := l.setting.Limit
	for i, b := range l.setting.Budgets {
		guaranteed := min(left, b.Guaranteed.Of(l.setting.Limit, 0))
		left -= guaranteed
		all = append(all, counts.BudgetUse{
			Name: b.Name, Used: l.users[i], Held: l.holds[i], Guaranteed: guaranteed, Maximum: b.Maximum.Of(l.setting.Limit, -1),
		})
	}
	return all
}

// budget is the first of a limit that a message falls under.
func (m *gateModel) budget(setting counts.LimitSetting, number string, category counts.Category) int {
	return slices.IndexFunc(setting.Budgets, func(b counts.BudgetSetting) bool {
		return (len(b.Namespaces) == 0 || slices.Contains(b.Namespaces, m.senders[number].Namespace)) &&
			(len(b.Categories) == 0 || slices.Contains(b.Categories, category))
	})
}

// settle gives up the places of those who are neither held nor counted, and gives one to who is counted since an entry.
func (m *gateModel) settle(number string, category counts.Category) {
	for subject := range m.limits {
		l := m.limit(subject)
		m.places = slices.DeleteFunc(m.places, func(p *place) bool {
			user := l.person(p.user)
			return p.limit == subject && !l.counted[user] && !l.held[user]
		})
		for _, users := range []map[counts.UserKey]bool{l.counted, l.held} {
			for user, is := range users {
				if _, has := l.of[user]; is && !has {
					m.places = append(m.places, &place{subject, user, number, category})
					l.of[user] = -1
				}
			}
		}
	}
}
