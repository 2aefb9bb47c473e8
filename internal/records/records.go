// Package records turns what Meta's webhooks and CloudEvents tell into ledger records: in one place for all who take them.
package records

import (
	"strings"

	"numberfleet.dev/numberfleet/internal/cloudevents"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/meta"
	"numberfleet.dev/numberfleet/internal/rules"
)

// Hasher makes keys of ids. It keeps no id: the memory behind one is used again. Phone numbers of users come as Meta
// writes them, in digits without the plus.
type Hasher interface {
	User(id string) counts.UserKey
	Message(id string) counts.MessageKey
	Chat(id string) counts.ChatKey
}

// Add adds updates to a batch, as ledger records, claims last. They alias nothing of the updates.
func Add(batch *counts.Batch, u *meta.Updates, hasher Hasher) {
	for i := range u.Deliveries {
		d := &u.Deliveries[i]
		entry := message(hasher, d, counts.Delivered)
		entry.Reply, entry.Category = d.Category.Reply(), categories[d.Category]
		batch.Entries = append(batch.Entries, entry)
	}
	for i := range u.Replies {
		batch.Entries = append(batch.Entries, message(hasher, &u.Replies[i], counts.Replied))
	}
	for i := range u.Received {
		m := &u.Received[i]
		user, alias := keys(hasher, &m.User)
		batch.Entries = append(batch.Entries, counts.Entry{
			Number: m.Number, Kind: counts.Received, User: user, Alias: alias, Chat: chat(hasher, m.Group), At: m.At,
		})
	}
	for i := range u.Failures {
		f := &u.Failures[i]
		if f.MessageID == "" {
			continue
		}
		user, alias := keys(hasher, &f.User)
		batch.Entries = append(batch.Entries, counts.Entry{
			Number: f.Number, Kind: counts.Failed, User: user, Alias: alias, Message: hasher.Message(f.MessageID), At: f.At,
		})
	}
	for i := range u.Joins {
		j := &u.Joins[i]
		batch.Entries = append(batch.Entries, counts.Entry{
			Number: j.Number, Kind: counts.AliasLinked, User: hasher.User(j.One), Alias: hasher.User(j.Other), At: j.At,
		})
	}
	for i := range u.Named {
		n, last := &u.Named[i], len(batch.Displays)-1
		if n.ID == "" || n.Displayed == "" || last >= 0 && batch.Displays[last] == (counts.Display{ID: n.ID, Number: n.Displayed}) {
			continue
		}
		batch.Displays = append(batch.Displays, counts.Display{ID: strings.Clone(n.ID), Number: n.Displayed})
	}
	batch.Reports = append(append(batch.Reports, u.Reports...), u.Claims...)
}

// categories are Meta's pricing categories as budgets know them.
var categories = [meta.Categories]counts.Category{
	meta.Marketing: counts.Marketing, meta.MarketingLite: counts.Marketing, meta.GroupMarketing: counts.Marketing,
	meta.Utility: counts.Utility, meta.GroupUtility: counts.Utility,
	meta.Authentication: counts.Authentication, meta.AuthenticationInternational: counts.Authentication,
	meta.Service: counts.Service, meta.GroupService: counts.Service,
	meta.ReferralConversion: counts.OtherCategory, meta.OtherCategory: counts.OtherCategory,
}

// message is an entry about a message to a user. One to a group is one to each participant.
func message(hasher Hasher, d *meta.Delivery, kind counts.Kind) counts.Entry {
	user, alias := keys(hasher, &d.User)
	return counts.Entry{
		Number: d.Number, Kind: kind, User: user, Alias: alias, Message: hasher.Message(d.MessageID), Chat: chat(hasher, d.Group), At: d.At,
	}
}

// chat is the key of a group of users, zero for none.
func chat(hasher Hasher, group string) counts.ChatKey {
	if group == "" {
		return 0
	}
	return hasher.Chat(group)
}

// keys are the user's key and, where the update names the user twice, the other one.
func keys(hasher Hasher, user *meta.Identity) (key, alias counts.UserKey) {
	switch {
	case user.Phone == "":
		return hasher.User(user.Scoped), 0
	case user.Scoped == "":
		return hasher.User(user.Phone), 0
	default:
		return hasher.User(user.Phone), hasher.User(user.Scoped)
	}
}

// Windows are those that the counts of a number are kept for under a policy.
func Windows(p *rules.Policy) counts.Windows {
	return counts.Windows{Service: p.ServiceWindow, Conversation: p.Window, CountReached: p.LowFrom > 0}
}

// OfEvent is the entry that an event makes; false for one that makes none, such as a report.
func OfEvent(e *cloudevents.Event, hasher Hasher) (counts.Entry, bool) {
	entry := counts.Entry{Number: e.Number, At: e.Time.Unix()}
	switch e.Type {
	case cloudevents.MessageDelivered:
		entry.Kind, entry.Reply, entry.Message = counts.Delivered, e.Reply(), hasher.Message(e.MessageID)
		entry.Category = counts.NewCategory(e.Category)
	case cloudevents.MessageFailed:
		entry.Kind, entry.Message = counts.Failed, hasher.Message(e.MessageID)
	case cloudevents.MessageReceived:
		entry.Kind = counts.Received
	case cloudevents.FeedbackReceived:
		entry.Kind, entry.Message = counts.Complained, hasher.Message(e.Source+"\x00"+e.ID)
		entry.Complaint = counts.NewComplaint(e.Feedback, e.FeedbackReason)
	default:
		return counts.Entry{}, false
	}
	entry.User = hasher.User(e.User)
	return entry, true
}
