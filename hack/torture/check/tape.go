// Package check says what an operator must have counted and concluded, from nothing but the webhooks and events that were
// sent to it. It is written from the design alone and by brute force: it shares no code with the ledger, the rules, the
// parsers or the simulator, so that one mistake is not made twice.
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

// Tape is all that was sent, in any order and any number of times.
type Tape struct {
	deliveries map[string][]said // by number
	received   map[string][]said
	reports    map[string][]report
	is         map[string]string // an identity of a user to another one of the same user
}

// said is one thing that happened between a number and a user.
type said struct {
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
	quality    = "Quality"
	connection = "Connection"
	flagged    = "Flagged"
	connected  = "Connected"
)

// NewTape is an empty tape.
func NewTape() *Tape {
	return &Tape{deliveries: map[string][]said{}, received: map[string][]said{}, reports: map[string][]report{}, is: map[string]string{}}
}

type webhook struct {
	Entry []struct {
		Time    int64 `json:"time"`
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
				Number string `json:"display_phone_number"`
				Event  string `json:"event"`
			} `json:"value"`
		} `json:"changes"`
	} `json:"entry"`
}

// Webhook adds the body of a webhook of Meta.
func (t *Tape) Webhook(body []byte) error {
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
				// Nothing is learnt from others, not even which names are of one user.
				if s.Status == "delivered" || s.Status == "read" || s.Status == "played" {
					t.deliveries[number] = append(t.deliveries[number], said{t.user(s.Phone, s.Scoped), s.ID, at})
				}
			}
			for _, m := range v.Messages {
				at, err := strconv.ParseInt(m.At, 10, 64)
				if err != nil {
					return err
				}
				t.received[number] = append(t.received[number], said{user: t.user(m.Phone, m.Scoped), at: at})
			}
			if change.Field != "phone_number_quality_update" {
				continue
			}
			number = "+" + v.Number
			switch v.Event {
			case "FLAGGED":
				t.report(number, report{entry.Time, quality, low}, report{entry.Time, connection, flagged})
			case "UNFLAGGED":
				t.report(number, report{entry.Time, quality, medium}, report{entry.Time, connection, connected})
			default:
				return fmt.Errorf("the event %q is not one that is checked", v.Event)
			}
		}
	}
	return nil
}

// Event adds a CloudEvent that reports a rating.
func (t *Tape) Event(body []byte) error {
	var e struct {
		Type string    `json:"type"`
		Time time.Time `json:"time"`
		Data struct {
			Number string `json:"number"`
			Rating string `json:"rating"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &e); err != nil {
		return err
	}
	if e.Type != "dev.numberfleet.quality.reported.v1" {
		return fmt.Errorf("the event type %q is not one that is checked", e.Type)
	}
	t.report(e.Data.Number, report{e.Time.Unix(), quality, e.Data.Rating})
	return nil
}

// report adds reports, each once.
func (t *Tape) report(number string, all ...report) {
	for _, r := range all {
		if !slices.Contains(t.reports[number], r) {
			t.reports[number] = append(t.reports[number], r)
		}
	}
}

// user is one of the identities of a user: a phone number, a business-scoped id, or both, which are one from then on.
func (t *Tape) user(phone, scoped string) string {
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

func (t *Tape) root(user string) string {
	for t.is[user] != "" {
		user = t.is[user]
	}
	return user
}

// reportsOf are a number's reports by time; those of one instant as they were said.
func (t *Tape) reportsOf(number string) []report {
	all := slices.Clone(t.reports[number])
	slices.SortStableFunc(all, func(a, b report) int { return cmp.Compare(a.at, b.at) })
	return all
}

// delivered are a number's deliveries by time, each message once, at the earliest time that is told of it.
func (t *Tape) delivered(number string) []said {
	first := map[[2]string]int64{}
	for _, d := range t.deliveries[number] {
		of := [2]string{t.root(d.user), d.message}
		if at, known := first[of]; !known || d.at < at {
			first[of] = d.at
		}
	}
	all := make([]said, 0, len(first))
	for of, at := range first {
		all = append(all, said{of[0], of[1], at})
	}
	slices.SortFunc(all, func(a, b said) int { return cmp.Or(cmp.Compare(a.at, b.at), strings.Compare(a.message, b.message)) })
	return all
}

// counted are the deliveries of numbers together, by time, without those to a user who had written to the number that
// they came from within the service window before.
func (t *Tape) counted(numbers []string, service int64) []said {
	var all []said
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
	slices.SortStableFunc(all, func(a, b said) int { return cmp.Compare(a.at, b.at) })
	return all
}
