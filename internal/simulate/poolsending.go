package simulate

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/gate/settings"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/rules"
)

// poolSending has a pool send what its numbers delivered: each delivery becomes a reservation of the pool at its instant. The state machine
// chooses the number, as it does for the gate, and the message is delivered there.
type poolSending struct {
	*simulation
	pool *Pool

	members  []*poolMember // as the pool has its numbers
	byNumber map[string]*poolMember
	limits   []poolLimit
	outdated bool // the settings are: rules ran since they were made

	users    map[counts.UserKey]poolUser
	aliases  map[counts.UserKey]counts.UserKey // the users that also go by another key
	messages map[counts.MessageKey]*subject    // who delivered each; nil for one that was refused
	result   PoolResult

	room     scheduled          // looks at what the pool may send, at the end of each instant at which rules ran
	drySince time.Time          // zero while something may be sent to further users
	stretch  rules.LimitStretch // in which the pool runs dry again and again
}

// poolMember is a number of a pool.
type poolMember struct {
	*subject
	resource *v1alpha1.PhoneNumber
	users    map[counts.UserKey]struct{} // to whom it sent
	result   *PoolMember
}

// poolLimit is a limit that numbers of a pool fall under.
type poolLimit struct {
	key   string // of the ledger
	owner *subject
	spec  *v1alpha1.GateSpec
}

type poolUser struct {
	number  *subject // that sent to them last
	refused bool     // a message to them was
}

func newPoolSending(s *simulation, pool *Pool) *poolSending {
	p := &poolSending{
		simulation: s, pool: pool, byNumber: map[string]*poolMember{}, outdated: true,
		users: map[counts.UserKey]poolUser{}, aliases: map[counts.UserKey]counts.UserKey{}, messages: map[counts.MessageKey]*subject{},
		result: PoolResult{Pool: pool.name(), Strategy: pool.Strategy(), Refused: map[string]int64{}},
	}
	p.room = scheduled{name: pool.name(), kind: pools, run: p.look}
	return p
}

// begin takes the numbers of the pool, which have begun.
func (p *poolSending) begin() {
	known := map[*subject]bool{}
	p.result.Members = make([]PoolMember, len(p.pool.Numbers))
	for i, resource := range p.pool.Numbers {
		n := p.numbers[resource.Spec.PhoneNumber]
		m := &poolMember{subject: n, resource: resource, users: map[counts.UserKey]struct{}{}, result: &p.result.Members[i]}
		p.members, p.byNumber[n.name] = append(p.members, m), m
		limit := poolLimit{n.name, n.limited(), &resource.Spec.GateSpec}
		if x := n.portfolio; x != nil {
			limit.spec = p.config.Fleet.gateOf(x.name)
			if len(x.fleet.Numbers) > 1 {
				limit.key = counts.PortfolioKey(x.name)
			}
		}
		if !known[limit.owner] {
			known[limit.owner] = true
			p.limits = append(p.limits, limit)
		}
	}
}

// ran notes that rules ran: what the gate decides by may have changed, and so may what the pool may send.
func (p *poolSending) ran() {
	if p != nil {
		p.outdated = true
		p.wait(&p.room)
	}
}

// configure sets what the gate decides by, as the operator does. The ledger leaves out what it has.
func (p *poolSending) configure() error {
	set := counts.Settings{Pools: []counts.PoolSetting{settings.Pool(p.pool.NumberPool, p.pool.Numbers)}}
	for _, m := range p.members {
		sender := settings.Sender(m.resource, m.State.Rating, m.State.Obstacle(), m.State.RestrictedReason)
		sender.Account = "" // in events a template has its name alone
		set.Senders = append(set.Senders, sender)
	}
	for _, l := range p.limits {
		set.Limits = append(set.Limits, settings.Limit(l.key, l.owner.State.Tier.Limit, l.owner.Policy, l.spec))
	}
	for name, t := range p.templates {
		set.Templates = append(set.Templates, settings.Template(p.pool.Namespace, report.TemplateSubject("", name, ""), t.State.Obstacle(), t.State.Category.Name))
	}
	p.outdated = false
	return p.ledger.Configure(set)
}

// sender is the number about which an entry is here that was recorded about one of the pool; nil where a message was refused. What a user
// did comes to the number that sent to them last, if one did. A group belongs to the number that has it.
func (p *poolSending) sender(recorded *subject, entry *counts.Entry, template string) (*subject, error) {
	if p.byNumber[recorded.name] == nil || entry.Chat != 0 {
		return recorded, nil
	}
	if entry.Alias != 0 {
		p.aliases[entry.Alias] = entry.User
	}
	user := cmp.Or(p.aliases[entry.User], entry.User)
	if entry.Kind != counts.Delivered {
		return cmp.Or(p.users[user].number, recorded), nil
	}
	if n, again := p.messages[entry.Message]; again {
		return n, nil
	}
	n, err := p.send(user, entry, template)
	p.messages[entry.Message] = n
	return n, err
}

// send reserves a message and confirms it. It returns the number that sends, nil where none may.
func (p *poolSending) send(user counts.UserKey, entry *counts.Entry, template string) (*subject, error) {
	if p.outdated {
		if err := p.configure(); err != nil {
			return nil, err
		}
	}
	r := &p.result
	r.message(p.now)
	var id counts.ReservationID
	binary.BigEndian.PutUint64(id[:], uint64(r.Messages))
	d, err := p.operate(counts.Operation{
		Kind: counts.Reserve, ID: id, Pool: p.pool.name(), User: entry.User, Template: counts.Template{Name: template},
		Free: entry.Reply, Category: entry.Category, TTL: uint32(counts.DefaultTTL / time.Second),
	})
	if err != nil {
		return nil, err
	}
	is, known := p.users[user]
	if !known {
		r.Users++
	}
	if !d.Granted() {
		r.Refused[d.Why]++
		if !is.refused {
			is.refused = true
			r.UsersRefused++
		}
		p.users[user] = is
		return nil, nil
	}
	m := p.byNumber[d.Number]
	if is.number != nil && is.number != m.subject {
		r.Changes++
	}
	is.number = m.subject
	p.users[user], m.users[user] = is, struct{}{}
	r.Sent++
	m.result.Sent++
	m.result.Users = int64(len(m.users))
	m.result.reached(d.Room.Used+d.Room.Held, d.Room.Limit)
	_, err = p.operate(counts.Operation{Kind: counts.Confirm, ID: id, Message: entry.Message})
	return m.subject, err
}

func (p *poolSending) operate(o counts.Operation) (counts.Decision, error) {
	p.ledger.flush()
	decisions, err := p.ledger.Operate(context.Background(), []counts.Operation{o}, p.now)
	if err != nil {
		return counts.Decision{}, err
	}
	return decisions[0], nil
}

// look notes how much of the limits is used, and whether the pool may message further users.
func (p *poolSending) look(now time.Time) (next time.Time) {
	rooms := make([]rules.MemberRoom, 0, len(p.members))
	for _, m := range p.members {
		room := rules.RoomInPool(p.pool.NumberPool, m.resource, m.State.Rating, m.fleet.Room(m.Unit, now))
		m.result.reached(room.Used, room.Limit)
		rooms = append(rooms, rules.MemberRoom{Room: room, Owner: m.limited().name})
	}
	room := rules.RoomTogether(rooms)
	happened := rules.Transition{Time: now, Rule: v1alpha1.RuleRestriction, Reason: v1alpha1.ReasonRestrictionLifted}
	switch dry := !p.drySince.IsZero(); {
	case dry == !room.Sendable:
		return next
	case dry:
		p.result.DryFor += now.Sub(p.drySince)
		p.drySince = time.Time{}
	default:
		happened.Reason, p.drySince = v1alpha1.ReasonRestricted, now
	}
	stretch, told, _ := rules.Fold(p.stretch, []rules.Transition{happened}, now)
	p.stretch = stretch
	for _, t := range told {
		if t.Reason == v1alpha1.ReasonRestricted {
			p.result.Dry++
		}
	}
	return next
}

// finish is the result at the end, at which the numbers are as given.
func (p *poolSending) finish(end time.Time, numbers []Final) (*PoolResult, error) {
	if p.result.Messages == 0 {
		return nil, fmt.Errorf("no number of NumberPool %s delivered anything in the events", p.pool.name())
	}
	if !p.drySince.IsZero() {
		p.result.DryFor += end.Sub(p.drySince)
	}
	for _, f := range numbers {
		if m := p.byNumber[f.Subject]; m != nil {
			m.result.Name, m.result.Final = m.resource.Name, f
		}
	}
	return &p.result, nil
}
