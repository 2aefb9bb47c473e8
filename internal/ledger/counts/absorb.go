package counts

import (
	"maps"
	"slices"
)

// absorb takes over what is known about another number. Histories are sets, so nothing counts twice.
func (s *numberState) absorb(from *numberState) {
	for _, r := range from.reports {
		s.report(r, s.horizon)
	}
	if from.users.shards == nil {
		return
	}
	if s.users.shards == nil {
		s.horizon = max(s.horizon, from.horizon)
		s.users.clear(s.horizon)
	}
	s.dirty = true
	s.activity.join(&from.activity)
	var users []key
	for _, p := range from.users.all() {
		for _, is := range p.slots {
			switch {
			case is.empty():
			case is.isAlias():
				if k := is.rank().key(); s.linkAliases(k, is.alias()) {
					users = append(users, k)
				}
			default:
				users = append(users, is.rank().key())
			}
		}
	}
	for _, chat := range slices.Sorted(maps.Keys(from.chats.written)) {
		for _, at := range from.chats.written[chat] {
			if int64(at) >= s.windows.first(s.horizon) {
				s.activity.add(at)
				s.addChatInbound(chat, at)
			}
		}
	}
	users = append(users, slices.Collect(maps.Keys(from.complaints))...)
	slices.Sort(users)
	h := &history{}
	for _, k := range slices.Compact(users) {
		if !from.loadUser(k, h) {
			continue
		}
		for _, c := range h.complaints {
			if int64(c.at) >= s.horizon {
				s.addComplaint(s.users.resolve(k), event{kind: Complained, fingerprint: c.fingerprint, at: c.at})
			}
		}
		h.complaints = h.complaints[:0]
		h.written = s.chats.written
		h.trim(s.windows, s.horizon)
		if newest := h.newest(); newest > 0 {
			s.mergeHistoryOf(s.users.resolve(k), h, newest)
		}
	}
	for k, at := range from.linked {
		if int64(at) >= s.horizon {
			s.keepLink(s.users.resolve(k), at)
		}
	}
}

// mergeHistoryOf merges a trimmed history of another number into that of a user.
func (s *numberState) mergeHistoryOf(user key, h *history, newest uint32) {
	for _, d := range h.deliveries {
		s.activity.add(d.at)
	}
	for _, at := range h.inbounds {
		s.activity.add(at)
	}
	s.ensureSpan(user, newest) // it may sweep, which is a change of its own
	s.portfolio.linkIfShared(s, user)
	defer s.portfolio.begin(s, user).end()
	s.mergeHistory(user, h)
}
