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
		user := t.random.IntN(max(40, pool))
		whose := n.phone
		if n.portfolio != nil { // its numbers have users in common
			whose = n.portfolio.name
		}
		who := hash(whose)%1000*1000 + user
		phone := fmt.Sprintf("1556%07d", who)
		scoped := fmt.Sprintf("US.%d", who)
		at := from.Add(time.Duration(t.random.Int64N(int64(over)))).Truncate(time.Second)
		t.serial++
		id := fmt.Sprintf("wamid.%s.%d", n.phone[1:], t.serial)
		if t.chance(0.1) {
			wrote := at.Add(-time.Duration(t.random.Int64N(int64(30 * time.Minute)))).Truncate(time.Second)
			if t.chance(0.2) {
				wrote = at
			}
			if wrote.Before(from) {
				wrote = from
			}
			p, s := t.names(n, phone, scoped)
			all = append(all, incident{at: wrote, inbound: metatest.Inbound{ID: "in." + id, Phone: p, Scoped: s, At: wrote}})
		}
		failed := t.random.IntN(20) == 0
		p, s := phone, ""
		if !failed {
			p, s = t.names(n, phone, scoped)
		}
		status := func(what string, at time.Time) {
			all = append(all, incident{at: at, status: metatest.Status{ID: id, Status: what, Phone: p, Scoped: s, At: at}})
		}
		switch dice := t.random.IntN(20); {
		case failed: // it tells nothing, not even who the user is
			all = append(all, incident{at: at, status: metatest.Status{ID: id, Status: "failed", Phone: p, Code: 131049, At: at}})
		case dice == 1:
			status("sent", at)
			status("read", at)
		default:
			status("delivered", at)
			if read := at.Add(time.Duration(1+t.random.IntN(300)) * time.Second); dice < 8 && !read.After(from.Add(within)) {
				status("read", read)
			}
		}
		if dislike > 0 && !failed && t.chance(dislike) {
			late := at.Add(time.Duration(t.random.Int64N(int64(6 * time.Hour)))).Truncate(time.Second)
			if late.Before(from.Add(within)) {
				all = append(all, incident{at: late, complaint: []string{phone, "+" + phone, scoped}[t.random.IntN(3)]})
			}
		}
	}
	return all
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
