package check

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

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
					Type   string `json:"recipient_type"`
					To     string `json:"recipient_id"` // a group, or a user
					Scoped string `json:"recipient_user_id"`
					// Of a group.
					Participant       string `json:"recipient_participant_id"`
					ParticipantScoped string `json:"recipient_participant_user_id"`
					Pricing           struct {
						Category string `json:"category"`
					} `json:"pricing"`
				} `json:"statuses"`
				Messages []struct {
					At     string `json:"timestamp"`
					Phone  string `json:"from"`
					Scoped string `json:"from_user_id"`
					Group  string `json:"group_id"`
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
				of := contact{message: s.ID, at: at}
				reply := s.Pricing.Category == "service" || s.Pricing.Category == "group_service"
				if s.Status == "sent" && !reply {
					continue // it tells nothing, not even which ids are one user's
				}
				if s.Type == "group" {
					of.group, of.user = s.To, t.user(s.Participant, s.ParticipantScoped)
				} else {
					of.user = t.user(s.To, s.Scoped)
				}
				if s.Status == "delivered" || s.Status == "read" || s.Status == "played" {
					t.deliveries[number] = append(t.deliveries[number], of)
				}
				if reply {
					t.replies[number] = append(t.replies[number], of)
				}
			}
			for _, m := range v.Messages {
				at, err := strconv.ParseInt(m.At, 10, 64)
				if err != nil {
					return err
				}
				t.received[number] = append(t.received[number], contact{user: t.user(m.Phone, m.Scoped), group: m.Group, at: at})
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
