package main

import (
	"fmt"
	"slices"
	"time"

	"numberfleet.dev/numberfleet/internal/meta/metatest"
)

// incident is a status of a message, a message from a user, or a complaint of one.
type incident struct {
	at        time.Time
	status    metatest.Status
	inbound   metatest.Inbound
	complaint string // the user
}

// burst is messages of a number to users, with their statuses, and messages and complaints of some of the users.
func (t *traffic) burst(n *number, size int, from time.Time, within time.Duration) (all []incident) {
	until := from.Add(within)
	over := min(within, time.Duration(1+t.random.Int64N(int64(8*time.Hour))))
	if t.chance(0.1) {
		over = time.Second // all at once
	}
	pool := 2 * size
	dislike := 0.0
	if n.complainedAbout {
		dislike = []float64{0, 0.06, 0.15, 0.4}[t.random.IntN(4)]
	}
	for range size {
		at := from.Add(time.Duration(t.random.Int64N(int64(over)))).Truncate(time.Second)
		if t.chance(0.03) {
			all = append(all, t.toGroup(n, at, from, until)...)
			continue
		}
		phone, scoped := userOf(n, t.random.IntN(max(40, pool)))
		id := t.messageID(n)
		if t.chance(0.1) {
			all = append(all, t.wrote(n, phone, scoped, "", at, from))
		}
		p, s := t.names(n, phone, scoped)
		category := ""
		if t.chance(0.05) {
			category = "service"
		}
		status := func(what string, at time.Time) {
			all = append(all, incident{at: at, status: metatest.Status{ID: id, Status: what, Phone: p, Scoped: s, Category: category, At: at}})
		}
		dice := t.random.IntN(20)
		switch {
		case dice == 0:
			all = append(all, incident{at: at, status: metatest.Status{ID: id, Status: "failed", Phone: p, Scoped: s, Code: 131049, At: at}})
		case dice == 1:
			status("sent", at)
			status("read", at)
		default:
			status("delivered", at)
			if read := at.Add(time.Duration(1+t.random.IntN(300)) * time.Second); dice < 8 && !read.After(until) {
				status("read", read)
			}
		}
		if dislike > 0 && dice > 0 && t.chance(dislike) {
			late := at.Add(time.Duration(t.random.Int64N(int64(6 * time.Hour)))).Truncate(time.Second)
			if late.Before(until) {
				all = append(all, incident{at: late, complaint: []string{phone, "+" + phone, scoped}[t.random.IntN(3)]})
			}
		}
	}
	return all
}

// toGroup is a message to a group, with a status for each participant, and often what one of them wrote before.
func (t *traffic) toGroup(n *number, at, from, until time.Time) (all []incident) {
	const participants = 5
	which := t.random.IntN(3)
	group, id, category := fmt.Sprintf("group.%s.%d", n.phone[1:], which), t.messageID(n), "group_marketing"
	if t.chance(0.1) {
		category = "group_service"
	}
	for i := range participants {
		at := at.Add(time.Duration(t.random.IntN(20)) * time.Second)
		if at.After(until) {
			continue // before its names count as known
		}
		phone, scoped := userOf(n, which*participants+i)
		if t.chance(0.1) {
			all = append(all, t.wrote(n, phone, scoped, group, at, from))
		}
		p, s := t.names(n, phone, scoped)
		all = append(all, incident{at: at, status: metatest.Status{ID: id, Status: "delivered", Phone: p, Scoped: s, Group: group, Category: category, At: at}})
	}
	return all
}

// wrote is what a user wrote before a message: to the number, or in a group.
func (t *traffic) wrote(n *number, phone, scoped, group string, message, from time.Time) incident {
	at := message.Add(-time.Duration(t.random.Int64N(int64(30 * time.Minute)))).Truncate(time.Second)
	if t.chance(0.2) {
		at = message
	}
	if at.Before(from) {
		at = from
	}
	p, s := t.names(n, phone, scoped)
	return incident{at: at, inbound: metatest.Inbound{ID: "in." + t.messageID(n), Phone: p, Scoped: s, Group: group, At: at}}
}

func (t *traffic) messageID(n *number) string {
	t.serial++
	return fmt.Sprintf("wamid.%s.%d", n.phone[1:], t.serial)
}

// userOf is the phone number and the business-scoped id of a user. The numbers of a portfolio have users in common.
func userOf(n *number, user int) (phone, scoped string) {
	whose := n.phone
	if n.portfolio != nil {
		whose = n.portfolio.name
	}
	who := hash(whose)%1000*1000 + user
	return fmt.Sprintf("1556%07d", who), fmt.Sprintf("US.%d", who)
}

// names are the ids by which an incident names a user: both at first, then either. Until the operator has seen both together, it counts
// two users, and what it concludes meanwhile stays. Only late numbers begin with one id.
func (t *traffic) names(n *number, phone, scoped string) (string, string) {
	of := n.phone + " " + phone
	first := !t.known[of] && !n.late
	t.known[of] = true
	switch dice := t.random.IntN(3); {
	case first || dice == 0:
		return phone, scoped
	case dice == 1:
		return phone, ""
	default:
		return "", scoped
	}
}

// pack puts incidents into webhooks, in order of time.
func (t *traffic) pack(n *number, happened []incident) (all []*request) {
	slices.SortStableFunc(happened, func(a, b incident) int { return a.at.Compare(b.at) })
	for _, h := range happened {
		if h.complaint != "" {
			all = append(all, t.complaint(n, h))
		}
	}
	happened = slices.DeleteFunc(happened, func(h incident) bool { return h.complaint != "" })
	for len(happened) > 0 {
		size := min(len(happened), 1+t.random.IntN(120))
		var statuses []metatest.Status
		var inbound []metatest.Inbound
		for _, h := range happened[:size] {
			if h.status.ID != "" {
				statuses = append(statuses, h.status)
			} else {
				inbound = append(inbound, h.inbound)
			}
		}
		happened = happened[size:]
		p := &request{number: n, body: metatest.MessagesPayload(n.phone, statuses, inbound), times: t.times()}
		if t.chance(0.15) {
			p.truncation = 1 + t.random.IntN(3)
		}
		t.note(p)
		all = append(all, p)
	}
	return all
}

// complaint is an event: no webhook of Meta reports complaints.
func (t *traffic) complaint(n *number, h incident) *request {
	kind := []string{"Block", "Report", "Mute", "Archive"}[t.random.IntN(4)]
	reason := []string{"NoLongerNeeded", "DidNotSignUp", "Spam", "OffensiveMessages", "NoReason", "Other"}[t.random.IntN(6)]
	p := &request{number: n, times: t.times()}
	t.event(p, "feedback.received", h.at, fmt.Sprintf(`{"number":%q,"user":%q,"kind":%q,"reason":%q}`, n.phone, h.complaint, kind, reason))
	t.note(p)
	return p
}

// size is how many messages a burst has: from a few to more than the limit.
func (t *traffic) size(n *number, now time.Time) int {
	limit := t.standing(n, now).Limit
	if limit == 0 || limit > 260 {
		limit = 260
	}
	if n.portfolio != nil {
		limit = limit * 2 / 3
	}
	return 1 + t.random.IntN(int(limit)+int(limit)/4)
}
