package rules

import (
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// MemberQuality is what a number or a template contributes to the quality that the limit depends on, or what all of them contribute.
type MemberQuality struct {
	// Name of the number or template, as people know it: "number shop" or "template order_update". Of all together it is the one with the
	// lowest rating; empty if that is High.
	Name string
	// Rating is empty for a template that does not count. Of all together it is the lowest, and Unknown if none is known.
	Rating v1alpha1.QualityRating
	// Sendable says that a number is connected and not flagged. Of all together it says that one number is.
	Sendable bool
}

// QualityAt is a quality from an instant on.
type QualityAt struct {
	At time.Time
	MemberQuality
}

// Rule 2 for a portfolio: the quality is that of all its numbers and templates. For a number that has its limit itself, the quality of
// its templates counts too.
var memberQuality = rule[*evaluation]{
	number:   v1alpha1.RuleUpgrade,
	name:     "Quality over all numbers",
	sentence: `Meta's messaging limits since 2025-10-07: the limit rises for "high-quality messages across all numbers and templates"`,
	before:   (*evaluation).takeMembers,
	event: func(e *evaluation, until time.Time) time.Time {
		for _, m := range e.members {
			if m.At.After(e.now) && !m.At.After(until) {
				return m.At
			}
		}
		return time.Time{}
	},
}

// Rule 2 for a portfolio: the tier does not rise while none of its numbers can send.
var sendableMember = rule[*evaluation]{
	number:   v1alpha1.RuleUpgrade,
	name:     "A number that can send",
	sentence: memberQuality.sentence,
	objection: func(e *evaluation) objection {
		if e.s.Members.Sendable {
			return objection{}
		}
		return objection{"one number at least must be connected and not flagged", true}
	},
}

// takeMembers takes what the members contributed up to now.
func (e *evaluation) takeMembers() {
	for ; len(e.members) > 0 && !e.members[0].At.After(e.now); e.members = e.members[1:] {
		s, is := &e.s, e.members[0]
		if is.Rating != s.Members.Rating {
			s.MembersRatedSince = latest(is.At, s.MembersRatedSince)
		}
		if is.Sendable != s.Members.Sendable {
			s.MembersSendableSince = latest(is.At, s.MembersSendableSince)
		}
		s.Members = is.MemberQuality
		e.cancelOnObjection(is.At)
	}
}

// lowestQuality is what all members contribute together.
func lowestQuality(members []MemberQuality) MemberQuality {
	all := MemberQuality{Rating: v1alpha1.QualityUnknown}
	for _, m := range members {
		if m.Rating != "" && (m.Rating.Below(all.Rating) || all.Rating == v1alpha1.QualityUnknown && !all.Rating.Below(m.Rating)) {
			all.Name, all.Rating = m.Name, m.Rating
		}
		all.Sendable = all.Sendable || m.Sendable
	}
	if !all.Rating.Below(v1alpha1.QualityHigh) {
		all.Name = ""
	}
	return all
}

// quality is what a number contributes.
func (s *State) quality(name string) MemberQuality {
	return MemberQuality{name, s.Rating, s.Connection == v1alpha1.StateConnected && !s.Flagged()}
}

// quality is what a template contributes: nothing while it cannot be sent any more, or not until Meta approves it.
func (s *TemplateState) quality(name string) MemberQuality {
	if !CountsForQuality(s.State) {
		return MemberQuality{}
	}
	return MemberQuality{Name: name, Rating: s.Rating}
}

// qualities are what a number or a template contributed in a run: at its start, since it was rated so, and from each change on.
type qualities []QualityAt

func (q qualities) add(at time.Time, is MemberQuality) qualities {
	if n := len(q); n > 0 && q[n-1].MemberQuality == is {
		return q
	}
	return append(q, QualityAt{at, is})
}
