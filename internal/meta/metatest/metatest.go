// Package metatest writes webhooks as Meta does, for tests and for making traffic.
package metatest

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// Account is the WhatsApp Business account that every payload is about.
const Account = "2001"

// Status is a status of a message that a number sent.
type Status struct {
	ID     string
	Status string // sent, delivered, read, played or failed
	Phone  string // the user's WhatsApp ID; optional
	Scoped string // the user's business-scoped ID; optional
	Group  string // that the message was sent to, where the user is a participant
	Code   int    // of a failed message
	// Category is Meta's pricing category, marketing where it is empty.
	Category string
	At       time.Time
}

// Inbound is a text from a user to a number.
type Inbound struct {
	ID     string
	Phone  string // the user's WhatsApp ID; optional
	Scoped string // the user's business-scoped ID; optional
	Group  string // that it was written in
	At     time.Time
}

// MessagesPayload is a webhook of the field messages. The number is in E.164, with the plus or without.
func MessagesPayload(number string, statuses []Status, inbound []Inbound) []byte {
	value := map[string]any{
		"messaging_product": "whatsapp",
		"metadata":          map[string]any{"display_phone_number": strings.TrimPrefix(number, "+"), "phone_number_id": "1001"},
	}
	if len(statuses) > 0 {
		list := make([]map[string]any, len(statuses))
		for i, s := range statuses {
			list[i] = status(s)
		}
		value["statuses"] = list
	}
	if len(inbound) > 0 {
		list := make([]map[string]any, len(inbound))
		for i, m := range inbound {
			list[i] = map[string]any{
				"id": m.ID, "timestamp": strconv.FormatInt(m.At.Unix(), 10), "type": "text", "text": map[string]any{"body": "hi"},
			}
			set(list[i], "from", m.Phone)
			set(list[i], "from_user_id", m.Scoped)
			set(list[i], "group_id", m.Group)
		}
		value["messages"] = list
	}
	return payload("messages", value, nil)
}

// QualityUpdatePayload is a webhook of the field phone_number_quality_update, such as one with the event DOWNGRADE and the
// limit TIER_1K. The limit is optional.
func QualityUpdatePayload(number, event, limit string, at time.Time) []byte {
	value := map[string]any{"display_phone_number": strings.TrimPrefix(number, "+"), "event": event}
	set(value, "current_limit", limit)
	return payload("phone_number_quality_update", value, at.Unix())
}

// TemplateQualityPayload is a webhook of the field message_template_quality_update, such as from GREEN to RED.
func TemplateQualityPayload(account, name, language, from, to string, at time.Time) []byte {
	value := template(name, language)
	value["previous_quality_score"], value["new_quality_score"] = from, to
	return accountPayload(account, "message_template_quality_update", value, at.Unix())
}

// TemplateStatusPayload is a webhook of the field message_template_status_update, such as one with the event PAUSED and the
// title FIRST_PAUSE. The title is optional.
func TemplateStatusPayload(account, name, language, event, title string, at time.Time) []byte {
	value := template(name, language)
	value["event"], value["reason"], value["message_template_category"] = event, "NONE", "MARKETING"
	if title != "" {
		value["other_info"] = map[string]any{"title": title, "description": "what happened to the template"}
	}
	if event == "DISABLED" {
		value["disable_info"] = map[string]any{"disable_date": at.Unix()}
	}
	return accountPayload(account, "message_template_status_update", value, at.Unix())
}

// AccountAlertPayload is a webhook of the field account_alerts about a portfolio, such as one with the alert
// INCREASED_CAPABILITIES_ELIGIBILITY_DEFERRED.
func AccountAlertPayload(portfolio, alert, description string, at time.Time) []byte {
	return payload("account_alerts", map[string]any{
		"entity_type": "BUSINESS", "entity_id": portfolio,
		"alert_info": map[string]any{
			"alert_severity": "WARNING", "alert_status": "ACTIVE", "alert_type": alert, "alert_description": description,
		},
	}, at.Unix())
}

// AlertPayload is a webhook of the field account_alerts about a BUSINESS, a PHONE_NUMBER or a CURRENT_STATUS_ID, by its id at
// Meta.
func AlertPayload(about, id, alert, description string, at time.Time) []byte {
	return payload("account_alerts", map[string]any{
		"entity_type": about, "entity_id": id,
		"alert_info": map[string]any{
			"alert_severity": "INFORMATIONAL", "alert_status": "NONE", "alert_type": alert, "alert_description": description,
		},
	}, at.Unix())
}

// CapabilityPayload is a webhook of the field business_capability_update. Meta writes the limit as a number, as -1, or as text
// such as TIER_2K.
func CapabilityPayload(account string, limit any, at time.Time) []byte {
	value := map[string]any{"max_daily_conversations_per_business": limit, "max_phone_numbers_per_waba": 25}
	return accountPayload(account, "business_capability_update", value, at.Unix())
}

// Restriction is what is restricted of an account. Meta writes the end as Unix seconds, others as text; nil for none.
type Restriction struct {
	Type        string
	Expiration  any
	Remediation string
}

// RestrictionPayload is a webhook of the field account_update with the event ACCOUNT_RESTRICTION.
func RestrictionPayload(account string, at time.Time, restrictions ...Restriction) []byte {
	list := make([]map[string]any, len(restrictions))
	for i, r := range restrictions {
		list[i] = map[string]any{"restriction_type": r.Type}
		set(list[i], "remediation", r.Remediation)
		if r.Expiration != nil {
			list[i]["expiration"] = r.Expiration
		}
	}
	return accountPayload(account, "account_update", map[string]any{"event": "ACCOUNT_RESTRICTION", "restriction_info": list}, at.Unix())
}

// ViolationPayload is a webhook of the field account_update with the event ACCOUNT_VIOLATION, such as SCAM.
func ViolationPayload(account, violation string, at time.Time) []byte {
	value := map[string]any{"event": "ACCOUNT_VIOLATION", "violation_info": map[string]any{"violation_type": violation}}
	return accountPayload(account, "account_update", value, at.Unix())
}

// BanPayload is a webhook of the field account_update with the event DISABLED_UPDATE: DISABLE, REINSTATE, or
// SCHEDULE_FOR_DISABLE with a date in prose.
func BanPayload(account, state, date string, at time.Time) []byte {
	value := map[string]any{"event": "DISABLED_UPDATE", "ban_info": map[string]any{"waba_ban_state": state, "waba_ban_date": date}}
	return accountPayload(account, "account_update", value, at.Unix())
}

// AccountEventPayload is a webhook of the field account_update with an event that says it all, such as ACCOUNT_OFFBOARDED.
func AccountEventPayload(account, event string, at time.Time) []byte {
	return accountPayload(account, "account_update", map[string]any{"event": event}, at.Unix())
}

// VerifiedAccountPayload is a webhook of the field account_update as older versions wrote it when a number was verified.
func VerifiedAccountPayload(account, number string, at time.Time) []byte {
	value := map[string]any{"event": "VERIFIED_ACCOUNT", "phone_number": strings.TrimPrefix(number, "+")}
	return accountPayload(account, "account_update", value, at.Unix())
}

// CertificationPayload is a webhook of the field account_update about the verification of a business by its solution provider,
// such as APPROVED, or FAILED with reasons.
func CertificationPayload(account, portfolio, status string, at time.Time, reasons ...string) []byte {
	if len(reasons) == 0 {
		reasons = []string{"NONE"}
	}
	return accountPayload(account, "account_update", map[string]any{
		"event": "PARTNER_CLIENT_CERTIFICATION_STATUS_UPDATE",
		"partner_client_certification_info": map[string]any{
			"client_business_id": portfolio, "status": status, "rejection_reasons": reasons,
		},
	}, at.Unix())
}

// ReviewPayload is a webhook of the field account_review_update, such as APPROVED.
func ReviewPayload(account, decision string, at time.Time) []byte {
	return accountPayload(account, "account_review_update", map[string]any{"decision": decision}, at.Unix())
}

// NameUpdatePayload is a webhook of the field phone_number_name_update, such as REJECTED with NAME_FORMAT_UNACCEPTABLE. The
// reason is optional.
func NameUpdatePayload(number, decision, name, reason string, at time.Time) []byte {
	value := map[string]any{
		"display_phone_number": strings.TrimPrefix(number, "+"), "decision": decision, "requested_verified_name": name, "rejection_reason": nil,
	}
	set(value, "rejection_reason", reason)
	return payload("phone_number_name_update", value, at.Unix())
}

// PreferencePayload is a webhook of the field user_preferences: a user stops marketing messages of a number, or resumes them.
func PreferencePayload(number, phone, value string, at time.Time) []byte {
	return payload("user_preferences", map[string]any{
		"messaging_product": "whatsapp",
		"metadata":          map[string]any{"display_phone_number": strings.TrimPrefix(number, "+"), "phone_number_id": "1001"},
		"contacts":          []any{map[string]any{"profile": map[string]any{"name": "Ana"}, "wa_id": phone}},
		"user_preferences": []any{map[string]any{
			"wa_id": phone, "detail": "what the user asked for", "category": "marketing_messages", "value": value, "timestamp": at.Unix(),
		}},
	}, nil)
}

// Sign is the value of the header X-Hub-Signature-256 for a body that an app with the secret gets.
func Sign(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

func status(s Status) map[string]any {
	status := map[string]any{"id": s.ID, "status": s.Status, "timestamp": strconv.FormatInt(s.At.Unix(), 10)}
	if s.Group != "" {
		set(status, "recipient_type", "group")
		set(status, "recipient_id", s.Group)
		set(status, "recipient_participant_id", s.Phone)
		set(status, "recipient_participant_user_id", s.Scoped)
	} else {
		set(status, "recipient_id", s.Phone)
		set(status, "recipient_user_id", s.Scoped)
	}
	switch s.Status {
	case "failed":
		status["errors"] = []map[string]any{{"code": s.Code, "title": "refused"}}
	case "sent", "delivered":
		status["pricing"] = map[string]any{"billable": true, "pricing_model": "PMP", "type": "regular", "category": cmp.Or(s.Category, "marketing")}
	}
	return status
}

// template is what a value says about which template it is. Meta writes its language with a hyphen here, and with an
// underscore elsewhere.
func template(name, language string) map[string]any {
	return map[string]any{
		"message_template_id": 4001, "message_template_name": name, "message_template_language": strings.ReplaceAll(language, "_", "-"),
	}
}

func set(object map[string]any, name, value string) {
	if value != "" {
		object[name] = value
	}
}

func payload(field string, value map[string]any, at any) []byte {
	return accountPayload(Account, field, value, at)
}

func accountPayload(account, field string, value map[string]any, at any) []byte {
	entry := map[string]any{"id": account, "changes": []any{map[string]any{"field": field, "value": value}}}
	if at != nil {
		entry["time"] = at
	}
	body, err := json.Marshal(map[string]any{"object": "whatsapp_business_account", "entry": []any{entry}})
	if err != nil {
		panic(err) // strings, numbers and maps of them always marshal
	}
	return body
}
