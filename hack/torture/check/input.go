// Package check says what the operator must have counted and concluded, from the webhooks and events that were sent to it. It works by
// brute force and shares no code with the ledger, the rules, the parsers or the simulator, so that no mistake is made twice. A new rule may
// be left out of it, if the traffic leaves it out too.
package check

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Input is all that was sent, in any order and any number of times.
type Input struct {
	deliveries map[string][]contact // by number
	replies    map[string][]contact // messages that a status calls a reply
	received   map[string][]contact
	complaints map[string][]contact
	reports    map[string][]report // by number, or by account at Meta, portfolio or template
	is         map[string]string   // an identity of a user to another one of the same user
}

// contact is one thing that happened between a number and a user.
type contact struct {
	user    string
	message string
	group   string // that the message was sent to, or written in; empty for the user alone
	at      int64  // Unix seconds
}

type report struct {
	at          int64
	kind, value string
}

// The kinds of reports, and what Meta's FLAGGED and UNFLAGGED stand for.
const (
	quality      = "Quality"
	connection   = "Connection"
	limit        = "Limit"
	verification = "Verification"
	increase     = "Increase" // Meta's answer to an increase, unless it grants it
	sendable     = "Template" // whether a template can be sent
	flagged      = "Flagged"
	connected    = "Connected"
)

// unlimited is the absence of a limit.
const unlimited = "Unlimited"

// account, portfolio and template are the keys of reports about them.
func account(id string) string    { return "account " + id }
func portfolio(id string) string  { return "portfolio " + id }
func template(name string) string { return "template " + name }

// NewInput is an empty input.
func NewInput() *Input {
	return &Input{deliveries: map[string][]contact{}, replies: map[string][]contact{}, received: map[string][]contact{}, complaints: map[string][]contact{}, reports: map[string][]report{}, is: map[string]string{}}
}

// Event adds a CloudEvent that reports something, or says that a user complained.
func (t *Input) Event(body []byte) error {
	var e struct {
		Type string    `json:"type"`
		Time time.Time `json:"time"`
		Data struct {
			Number    string `json:"number"`
			Portfolio string `json:"portfolio"`
			Rating    string `json:"rating"`
			Limit     *int64 `json:"limit"`
			Business  string `json:"business"`
			User      string `json:"user"`
			Template  string `json:"template"`
			State     string `json:"state"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &e); err != nil {
		return err
	}
	of, at := e.Data.Number, e.Time.Unix()
	if e.Data.Portfolio != "" {
		of = portfolio(e.Data.Portfolio)
	}
	switch e.Type {
	case "dev.numberfleet.quality.reported.v1":
		t.report(of, report{at, quality, e.Data.Rating})
	case "dev.numberfleet.limit.reported.v1":
		most := unlimited
		if e.Data.Limit != nil {
			most = strconv.FormatInt(*e.Data.Limit, 10)
		}
		t.report(of, report{at, limit, most})
	case "dev.numberfleet.verification.reported.v1":
		t.report(of, report{at, verification, e.Data.Business})
	case "dev.numberfleet.template.reported.v1":
		if e.Data.Rating != "" {
			t.report(template(e.Data.Template), report{at, quality, e.Data.Rating})
		} else {
			t.report(template(e.Data.Template), report{at, sendable, e.Data.State})
		}
	case "dev.numberfleet.feedback.received.v1":
		phone, scoped := strings.TrimPrefix(e.Data.User, "+"), ""
		if strings.Contains(phone, ".") {
			phone, scoped = "", phone
		}
		t.complaints[of] = append(t.complaints[of], contact{user: t.user(phone, scoped), at: at})
	default:
		return fmt.Errorf("the event type %q is not one that is checked", e.Type)
	}
	return nil
}

// report adds reports, each once.
func (t *Input) report(of string, all ...report) {
	for _, r := range all {
		if !slices.Contains(t.reports[of], r) {
			t.reports[of] = append(t.reports[of], r)
		}
	}
}

// user is one of the identities of a user: a phone number, a business-scoped id, or both, which are one from then on.
func (t *Input) user(phone, scoped string) string {
	switch phone, scoped = "phone "+phone, "scoped "+scoped; {
	case scoped == "scoped ":
		return phone
	case phone == "phone ":
		return scoped
	default:
		if a, b := t.root(phone), t.root(scoped); a != b {
			t.is[b] = a
		}
		return phone
	}
}

func (t *Input) root(user string) string {
	for t.is[user] != "" {
		user = t.is[user]
	}
	return user
}

// subjectReport is a report that a subject takes: about one of its numbers, by index, or about the subject as a whole.
type subjectReport struct {
	report
	number int
}

// reportsTo are the reports that a subject takes, by time, and in the order of arrival within one instant. A portfolio takes those about
// its numbers, about their account and about itself. A number takes those about itself, and verifications of its account. A number that
// shares a limit takes none about what its portfolio has.
func (t *Input) reportsTo(s Subject) (all []subjectReport) {
	add := func(of string, number int, kinds ...string) {
		for _, r := range t.reports[of] {
			if slices.Contains(kinds, r.kind) {
				all = append(all, subjectReport{r, number})
			}
		}
	}
	for i, number := range s.Numbers {
		add(number, i, quality, connection)
		if !s.Member {
			add(number, i, limit, verification)
		}
	}
	switch {
	case s.Portfolio:
		add(account(s.Account), -1, limit, verification)
		add(portfolio(s.ID), -1, limit, verification, increase)
		add(portfolio(s.Name), -1, limit, verification)
	case !s.Member:
		add(account(s.Account), -1, verification)
	}
	slices.SortStableFunc(all, func(a, b subjectReport) int { return cmp.Compare(a.at, b.at) })
	return all
}

// inTime are reports by time, and in the order of arrival within one instant.
func inTime(all []report) []report {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b report) int { return cmp.Compare(a.at, b.at) })
	return all
}

// delivered are a number's deliveries by time, each message to a user once, at its earliest time.
func (t *Input) delivered(number string) []contact {
	first := map[[2]string]contact{}
	for _, d := range t.deliveries[number] {
		d.user = t.root(d.user)
		of := [2]string{d.user, d.message}
		if was, known := first[of]; !known || d.at < was.at {
			first[of] = d
		}
	}
	all := slices.AppendSeq(make([]contact, 0, len(first)), maps.Values(first))
	slices.SortFunc(all, func(a, b contact) int { return cmp.Or(cmp.Compare(a.at, b.at), strings.Compare(a.message, b.message)) })
	return all
}

// complained are a number's complaints by time.
func (t *Input) complained(number string) []contact {
	all := slices.Clone(t.complaints[number])
	for i := range all {
		all[i].user = t.root(all[i].user)
	}
	slices.SortStableFunc(all, func(a, b contact) int { return cmp.Compare(a.at, b.at) })
	return all
}

// counted are the deliveries of numbers together, by time, that are no replies, and outside of service windows. What was written in a
// group opens the window of the group, and of no user.
func (t *Input) counted(numbers []string, service int64) []contact {
	var all []contact
	for _, number := range numbers {
		wrote, inGroup := map[string][]int64{}, map[string][]int64{}
		for _, r := range t.received[number] {
			if r.group != "" {
				inGroup[r.group] = append(inGroup[r.group], r.at)
			} else {
				wrote[t.root(r.user)] = append(wrote[t.root(r.user)], r.at)
			}
		}
		reply := map[[2]string]bool{}
		for _, r := range t.replies[number] {
			reply[[2]string{t.root(r.user), r.message}] = true
		}
		for _, d := range t.delivered(number) {
			opens := func(at int64) bool { return at > d.at-service && at <= d.at }
			if !reply[[2]string{d.user, d.message}] && !slices.ContainsFunc(wrote[d.user], opens) && !slices.ContainsFunc(inGroup[d.group], opens) {
				all = append(all, d)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b contact) int { return cmp.Compare(a.at, b.at) })
	return all
}
