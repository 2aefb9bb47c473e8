package meta

import (
	"sync"

	"github.com/valyala/fastjson"

	"numberfleet.dev/numberfleet/internal/report"
)

// MaxUpdates is how many updates one POST may bring, by Meta's page "webhooks/overview". Statuses, messages, calls and
// errors count one each, and so does every change of another field.
const MaxUpdates = 1000

// Identity is what an update says about who a user is. One of the two is always there; both are one user.
type Identity struct {
	Phone  string // the WhatsApp ID: a phone number's digits, without the plus, as identity.Phone has them
	Scoped string // the business-scoped user ID, such as US.123
}

// Delivery is a status that says that a message reached a user: delivered, read or played. A message read may come
// without its delivered status before it, so one message may bring one to three.
type Delivery struct {
	Number    string // who sent it: in E.164, or what Names say
	User      Identity
	MessageID string
	Group     string   // Meta's id of the group that it was sent to, empty for a user alone: then each participant has a status
	Category  Category // where this status tells it
	At        int64    // Unix seconds
}

// Received is a message or call from a user to a number, or that the user accepted the number's call.
type Received struct {
	Number string // who it was for, as of Delivery
	User   Identity
	Group  string // Meta's id of the group that it was written to, empty for none: it opens the window of that group
	At     int64  // Unix seconds
}

// Join says that two ids are one user's, who changed the phone number, and the business-scoped id with it.
type Join struct {
	Number     string // who was told, as of Delivery
	One, Other string // phone numbers or business-scoped ids, as in Identity
	At         int64  // Unix seconds
}

// Failure is a status that says that a message will not reach its user.
type Failure struct {
	Number    string // who sent it: in E.164, or what Names say
	User      Identity
	MessageID string // empty where the status does not say which message, to whom and when: it failed all the same
	Code      int64  // Meta's error code, zero if the status has none
	At        int64  // Unix seconds, zero if the status has no time that can be read
}

// Template is what Meta calls a message template by.
type Template struct {
	Account  string // Meta's id of the WhatsApp Business account
	Name     string
	Language string // as it came, such as en-US or en_US
}

// Subject is the subject of reports about the template.
func (t Template) Subject() report.Subject {
	return report.TemplateSubject(t.Account, t.Name, t.Language)
}

// Updates is what one POST brought, each list in the body's order.
//
// Ids of users and messages, ids of numbers and accounts but those of reports, alias memory that is used again after Release; numbers and reports
// are the caller's to keep.
type Updates struct {
	Deliveries []Delivery
	Replies    []Delivery // of messages that left, and were not delivered yet, as replies by their category
	Received   []Received
	Failures   []Failure
	Joins      []Join
	Reports    []report.Report
	Templates  []Template // those that reports are about, one for each report
	Named      []Named    // one of each change that is about a number or a portfolio
	// Claims are reports by an account that may not be heard of, about a portfolio or a number that may be another's: whoever may
	// hear of that account only must find out.
	Claims         []report.Report
	Foreign        int    // updates of accounts that may not be heard of, without Claims; see ParseOf
	ForeignAccount string // the first of these accounts, as it came, but at most 64 bytes

	Preferred Preferences
	Sent      int           // statuses that say that a message left
	Changed   int           // updates that say that a user has another phone number or scoped id, one or more Joins each
	Skipped   int           // updates that say nothing that is counted, such as unknown statuses
	Unread    []*FieldError // of each item, or whole change or entry, that was passed over since it could not be read
	Other     Fields        // changes of other fields, and bodies of other objects

	// First and Last are the times of the earliest and the latest update, Unix seconds, as far as updates say one and it has come;
	// zero where none does.
	First, Last int64

	parser   fastjson.Parser
	contacts []Identity // of the value being read
	values   int        // how many JSON values the parser holds
}

// Release gives the memory behind u back. Neither u nor an id out of it may be used afterwards.
func (u *Updates) Release() {
	// A body of that many values is no ordinary one; its memory is not worth keeping.
	if u.values > maxValues/4 {
		return
	}
	u.cut(lengths{})
	clear(u.contacts)
	clear(u.Claims)
	u.contacts, u.Claims, u.Foreign, u.ForeignAccount = u.contacts[:0], u.Claims[:0], 0, ""
	u.Preferred, u.Sent, u.Changed, u.Skipped, u.Unread, u.Other = Preferences{}, 0, 0, 0, nil, Fields{}
	u.First, u.Last = 0, 0
	pool.Put(u)
}

// lengths are those of the lists that tell something of numbers, users, accounts, templates or portfolios.
type lengths struct{ deliveries, replies, received, failures, joins, reports, templates, named int }

func (u *Updates) lengths() lengths {
	return lengths{len(u.Deliveries), len(u.Replies), len(u.Received), len(u.Failures), len(u.Joins), len(u.Reports), len(u.Templates), len(u.Named)}
}

// cut takes back what came since the lists had some lengths, and says how many updates that was.
func (u *Updates) cut(had lengths) int {
	shorten(&u.Named, had.named)
	shorten(&u.Templates, had.templates)
	return shorten(&u.Deliveries, had.deliveries) + shorten(&u.Replies, had.replies) + shorten(&u.Received, had.received) +
		shorten(&u.Failures, had.failures) + shorten(&u.Joins, had.joins) + shorten(&u.Reports, had.reports)
}

func shorten[T any](list *[]T, to int) int {
	less := len(*list) - to
	clear((*list)[to:])
	*list = (*list)[:to]
	return less
}

var pool = sync.Pool{New: func() any { return new(Updates) }}
