// Package check says what the operator must have counted and concluded, from the webhooks and events that were sent to it. It works by
// brute force and shares no code with the ledger, the rules, the parsers or the simulator, so that no mistake is made twice. A new rule may
// be left out of it, if the traffic leaves it out too.
package check

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Input is all that was sent, in any order and any number of times.
type Input struct {
	deliveries map[string][]contact // by number
	received   map[string][]contact
	complaints map[string][]contact
	reports    map[string][]report // by number, or by account at Meta, portfolio or template
	is         map[string]string   // an identity of a user to another one of the same user
}

// contact is one thing that happened between a number and a user.
type contact struct {
	user    string
	message string
	at      int64 // Unix seconds
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
	return &Input{deliveries: map[string][]contact{}, received: map[string][]contact{}, complaints: map[string][]contact{}, reports: map[string][]report{}, is: map[string]string{}}
}

type webhook struct {
	Entry []struct {
		ID      string `json:"id"`
		Time    int64  `json:"time"`
		Changes []struct {
			Field string `json:"field"`
			Value struct {
				Metadata struct {
					Number string `json:"display_phone_number"`
				} `json:"metadata"`
				Statuses []struct {
					ID     string `json:"id"`
					Status string `json:"status"`
					At     string `json:"timestamp"`
					Phone  string `json:"recipient_id"`
					Scoped string `json:"recipient_user_id"`
				} `json:"statuses"`
				Messages []struct {
					At     string `json:"timestamp"`
					Phone  string `json:"from"`
					Scoped string `json:"from_user_id"`
				} `json:"messages"`
				Number  string `json:"display_phone_number"`
				Event   string `json:"event"`
				Limit   any    `json:"current_limit"`
				OfAll   any    `json:"max_daily_conversations_per_business"`
				Phone   string `json:"phone_number"`
				Partner struct {
					Business string `json:"client_business_id"`
					Status   string `json:"status"`
				} `json:"partner_client_certification_info"`
				Template string `json:"message_template_name"`
				Score    string `json:"new_quality_score"`
				Other    struct {
					Title string `json:"title"`
				} `json:"other_info"`
				About string `json:"entity_id"`
				Alert struct {
					Type string `json:"alert_type"`
				} `json:"alert_info"`
			} `json:"value"`
		} `json:"changes"`
	} `json:"entry"`
}

// Webhook adds the body of a webhook of Meta.
func (t *Input) Webhook(body []byte) error {
	var w webhook
	if err := json.Unmarshal(body, &w); err != nil {
		return err
	}
	for _, entry := range w.Entry {
		for _, change := range entry.Changes {
			v := change.Value
			number := "+" + v.Metadata.Number
			for _, s := range v.Statuses {
				at, err := strconv.ParseInt(s.At, 10, 64)
				if err != nil {
					return err
				}
				// Other statuses tell nothing, not even which ids are one user's.
				if s.Status == "delivered" || s.Status == "read" || s.Status == "played" {
					t.deliveries[number] = append(t.deliveries[number], contact{t.user(s.Phone, s.Scoped), s.ID, at})
				}
			}
			for _, m := range v.Messages {
				at, err := strconv.ParseInt(m.At, 10, 64)
				if err != nil {
					return err
				}
				t.received[number] = append(t.received[number], contact{user: t.user(m.Phone, m.Scoped), at: at})
			}
			switch change.Field {
			case "phone_number_quality_update":
				if err := t.update("+"+v.Number, v.Event, v.Limit, entry.Time); err != nil {
					return err
				}
			case "business_capability_update":
				most, err := limitOf(v.OfAll)
				if err != nil {
					return err
				}
				t.report(account(entry.ID), report{entry.Time, limit, most})
			case "account_update":
				// A partner's failed attempt reports nothing.
				switch {
				case v.Event == "VERIFIED_ACCOUNT":
					t.report("+"+v.Phone, report{entry.Time, verification, verified})
				case v.Partner.Status == "APPROVED":
					t.report(account(entry.ID), report{entry.Time, verification, verified})
					t.report(portfolio(v.Partner.Business), report{entry.Time, verification, verified})
				}
			case "message_template_quality_update":
				t.report(template(v.Template), report{entry.Time, quality, scores[v.Score]})
			case "message_template_status_update":
				switch state, known := states[v.Event]; {
				case v.Event == "FLAGGED":
					t.report(template(v.Template), report{entry.Time, quality, low})
				case known && v.Other.Title != "":
					t.report(template(v.Template), report{entry.Time, sendable, v.Other.Title})
				case known:
					t.report(template(v.Template), report{entry.Time, sendable, state})
				default:
					return fmt.Errorf("the event %q is not one that is checked", v.Event)
				}
			case "account_alerts":
				if answer, found := strings.CutPrefix(v.Alert.Type, "INCREASED_CAPABILITIES_ELIGIBILITY_"); found {
					t.report(portfolio(v.About), report{entry.Time, increase, answer})
				}
			}
		}
	}
	return nil
}

// scores and states are Meta's words for ratings and states of templates.
var (
	scores = map[string]string{"GREEN": high, "YELLOW": medium, "RED": low, "UNKNOWN": unknown}
	states = map[string]string{"APPROVED": approved, "PAUSED": paused, "DISABLED": "Disabled", "PENDING": "Edited"}
)

// update adds an update about a number. A throughput tier is not a limit.
func (t *Input) update(number, event string, of any, at int64) error {
	switch event {
	case "THROUGHPUT_UPGRADE":
		return nil
	case "FLAGGED":
		t.report(number, report{at, quality, low}, report{at, connection, flagged})
	case "UNFLAGGED":
		t.report(number, report{at, quality, medium}, report{at, connection, connected})
	case "UPGRADE", "DOWNGRADE":
	default:
		return fmt.Errorf("the event %q is not one that is checked", event)
	}
	if of == nil {
		return nil
	}
	most, err := limitOf(of)
	if err == nil {
		t.report(number, report{at, limit, most})
	}
	return err
}

// limitOf is a limit in digits, or Unlimited. Meta writes it as a number or as text: 2000, -1, TIER_250, TIER_2K, UNLIMITED.
func limitOf(written any) (string, error) {
	text := fmt.Sprint(written)
	if n, ok := written.(float64); ok {
		text = strconv.FormatInt(int64(n), 10)
	}
	text = strings.TrimPrefix(text, "TIER_")
	if text == "-1" || text == "UNLIMITED" {
		return unlimited, nil
	}
	if thousands, ok := strings.CutSuffix(text, "K"); ok {
		text = thousands + "000"
	}
	if _, err := strconv.ParseInt(text, 10, 64); err != nil {
		return "", fmt.Errorf("the limit %v is not one that is checked", written)
	}
	return text, nil
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

// delivered are a number's deliveries by time, each message once, at its earliest time.
func (t *Input) delivered(number string) []contact {
	first := map[[2]string]int64{}
	for _, d := range t.deliveries[number] {
		of := [2]string{t.root(d.user), d.message}
		if at, known := first[of]; !known || d.at < at {
			first[of] = d.at
		}
	}
	all := make([]contact, 0, len(first))
	for of, at := range first {
		all = append(all, contact{of[0], of[1], at})
	}
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

// counted are the deliveries of numbers together, by time, outside of service windows.
func (t *Input) counted(numbers []string, service int64) []contact {
	var all []contact
	for _, number := range numbers {
		wrote := map[string][]int64{}
		for _, r := range t.received[number] {
			wrote[t.root(r.user)] = append(wrote[t.root(r.user)], r.at)
		}
		for _, d := range t.delivered(number) {
			if !slices.ContainsFunc(wrote[d.user], func(at int64) bool { return at > d.at-service && at <= d.at }) {
				all = append(all, d)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b contact) int { return cmp.Compare(a.at, b.at) })
	return all
}
