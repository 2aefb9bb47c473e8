package ledgertest

import (
	"bytes"
	"slices"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/report"
)

// decide decides of an operation.
func (m *gateModel) decide(o *counts.Operation) counts.Decision {
	i := slices.IndexFunc(m.reservations, func(r *reservation) bool { return r.asked.ID == o.ID })
	if i < 0 && o.Kind == counts.Reserve && o.Key != 0 {
		i = m.withKey(o.Key)
		if i >= 0 && (m.reservations[i].asked.User != o.User || m.reservations[i].asked.Number != m.own(o.Number)) {
			i = -1 // no repetition
		}
	}
	switch {
	case i < 0 && o.Kind == counts.Reserve:
		return m.reserve(*o)
	case i < 0:
		return counts.Decision{ID: o.ID, State: counts.Ended, Why: counts.Unknown}
	}
	r := m.reservations[i]
	d := counts.Decision{ID: r.asked.ID, Number: r.asked.Number, Expires: r.expires.Unix()}
	switch {
	case o.Kind == counts.Reserve:
		d = r.decided
	case o.Kind == counts.Release:
		r.ended = true
	case r.confirmed != 0 && r.confirmed != o.Message:
		d.Why = counts.OtherMessage
	case r.confirmed == 0:
		r.confirmed, r.confirmedAt = o.Message, m.at
		r.ended = r.ended || r.place && (slices.Contains(r.failed, o.Message) || m.isDelivered(r.asked.Number, r.asked.User, o.Message))
	}
	switch {
	case r.ended:
		d.State = counts.Ended
	case o.Kind == counts.Confirm:
		d.State = counts.Confirmed
	}
	m.settle("", counts.NoCategory)
	if o.Kind == counts.Reserve {
		m.report(&d, &r.asked)
	}
	return d
}

// withKey is the newest reservation with an idempotency key, as long as that stands for it; -1 for none.
func (m *gateModel) withKey(k uint64) (newest int) {
	newest = -1
	for i, r := range m.reservations {
		if r.asked.Key != k || !m.at.Before(r.created.Add(counts.KeyKept)) {
			continue
		}
		if newest < 0 || r.created.After(m.reservations[newest].created) || r.created.Equal(m.reservations[newest].created) && bytes.Compare(r.asked.ID[:], m.reservations[newest].asked.ID[:]) > 0 {
			newest = i
		}
	}
	return newest
}

// report adds to a decision how the limit stands, and the budget of the user's place or else of the message.
func (m *gateModel) report(d *counts.Decision, o *counts.Operation) {
	l := m.limit(m.owner(o.Number))
	if l.setting.Measure == "" {
		return
	}
	d.Room = counts.LimitUse{Limit: l.setting.Limit, Used: l.used, Held: l.heldOnly()}
	budget, has := l.of[l.person(o.User)]
	if !has {
		budget = m.budget(l.setting, o.Number, o.Category)
	}
	if budget >= 0 {
		d.Budget = l.uses()[budget]
	}
}

// reserve decides of a new reservation.
func (m *gateModel) reserve(o counts.Operation) counts.Decision {
	o.Number = m.own(o.Number)
	sender, known := m.senders[o.Number]
	subject := m.owner(o.Number)
	l := m.limit(subject)
	if !known || l.setting.Measure == "" {
		return counts.Decision{ID: o.ID, State: counts.Refused, Why: string(v1alpha1.RoomNotReady)}
	}
	if o.Category == counts.NoCategory {
		o.Category = m.template(&o).Category
	}
	user := l.person(o.User)
	budget, has := l.of[user]
	if !has {
		budget = m.budget(l.setting, o.Number, o.Category)
	}
	d := counts.Decision{ID: o.ID, Number: o.Number, Expires: m.now + int64(o.TTL)}
	if d.State, d.Why = m.grant(&o, l, user, budget, sender.Obstacle); d.State == counts.Refused && l.setting.Shadow {
		d.State, d.Shadow = counts.Held, true
	}
	if d.State == counts.Refused {
		d.Expires = 0
	} else {
		m.reservations = append(m.reservations, &reservation{
			asked: o, decided: d, created: m.at, expires: m.at.Add(time.Duration(o.TTL) * time.Second), place: d.State == counts.Held || d.Why == counts.AlreadyCounted,
		})
		m.settle(o.Number, o.Category)
	}
	m.report(&d, &o)
	return d
}

// template is the setting of the template that a number sends.
func (m *gateModel) template(o *counts.Operation) counts.TemplateSetting {
	sender, account := m.senders[o.Number], o.Template.Account
	if sender.Account != "" {
		account = sender.Account
	}
	return m.templates[counts.TemplateName(sender.Namespace, report.TemplateSubject(account, o.Template.Name, o.Template.Language).String())]
}

// grant says what is granted and why, or why nothing is.
func (m *gateModel) grant(o *counts.Operation, l *limitNow, user counts.UserKey, budget int, own counts.Obstacle) (counts.ReservationState, string) {
	obstacle, reply := own, o.Free || o.Category == counts.Service
	if own.Reason == "" || l.setting.Obstacle.Replies && !own.Replies {
		obstacle = l.setting.Obstacle
	}
	closes, bounded := m.windowCloses(o.Number, o.User), l.setting.Limit != 0 || budget >= 0 && l.uses()[budget].Maximum >= 0
	reached := obstacle.Reason == v1alpha1.RoomLimitReached // as Meta reports it
	switch template := m.template(o).Obstacle; {
	case obstacle.Replies:
		return counts.Refused, string(obstacle.Reason)
	case template.Reason != "":
		return counts.Refused, string(template.Reason)
	case closes > m.now && (reply || closes > m.now+int64(o.TTL)):
		return counts.Free, counts.InsideWindow
	case reply:
		return counts.Refused, string(v1alpha1.RoomOutsideWindow)
	case obstacle.Reason != "" && !reached:
		return counts.Refused, string(obstacle.Reason)
	case bounded && l.counted[user]:
		return counts.Free, counts.AlreadyCounted
	case reached:
		return counts.Refused, string(obstacle.Reason)
	case !bounded:
		return counts.Free, counts.Unlimited
	case l.held[user]:
		return counts.Held, counts.AlreadyHeld
	}
	taken := l.used + l.heldOnly()
	for i, b := range l.uses() {
		switch {
		case i != budget:
			taken += max(0, b.Guaranteed-b.Used-b.Held)
		case b.Maximum >= 0 && b.Used+b.Held >= b.Maximum:
			return counts.Refused, string(v1alpha1.RoomBudgetReached)
		}
	}
	if l.setting.Limit != 0 && taken >= l.setting.Limit {
		return counts.Refused, string(v1alpha1.RoomLimitReached)
	}
	return counts.Held, counts.Reserved
}

// windowCloses is when the customer service window of a user with a number closes; zero if there was none.
func (m *gateModel) windowCloses(number string, user counts.UserKey) (at int64) {
	who := m.of(number).person()
	for _, e := range m.entries {
		if e.Kind == counts.Received && e.Chat == 0 && e.Number == number && who(e.User) == who(user) && e.At <= m.now {
			at = max(at, e.At+int64(m.windows.Service.Seconds()))
		}
	}
	return at
}
