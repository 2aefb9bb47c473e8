package graphtest

import (
	"slices"
	"strings"
	"time"
)

const portfolioLimit = "whatsapp_business_manager_messaging_limit"

// known are the fields that the server has of each kind of node, whether or not a node has a value there. The first
// default ones are told when no fields are asked for.
var known = map[kind]struct{ defaults, others []string }{
	business: {
		defaults: []string{"id", "name"},
		others:   []string{"verification_status", portfolioLimit, "created_time"},
	},
	account: {
		defaults: []string{"id", "name", "timezone_id", "message_template_namespace"},
		others: []string{
			"account_review_status", "business_verification_status", "country", "ownership_type", "primary_business_location", "status",
			"health_status", "owner_business_info", portfolioLimit,
		},
	},
	template: {
		defaults: []string{"id", "name", "language", "status", "category"},
		others:   []string{"quality_score", "rejected_reason", "components", "sub_category", "previous_category", "correct_category"},
	},
	number: {
		defaults: []string{"id", "display_phone_number", "verified_name", "quality_rating"},
		others: []string{
			"status", "name_status", "new_display_name", "new_name_status", "code_verification_status", "account_mode", "platform_type", "throughput",
			"health_status", "is_official_business_account", "is_on_biz_app", "last_onboarded_time", "messaging_limit_tier", portfolioLimit,
		},
	},
}

// choose is what is told of a node: the fields that are asked for, or the default ones. The id is always told.
func (s *Server) choose(n *node, asked string, at time.Time, major int) (Fields, *Refusal) {
	wanted, ok := parseFields(asked)
	if !ok {
		return nil, refuse(2500, "Syntax error in the field list")
	}
	if len(wanted) == 0 {
		for _, name := range known[n.kind].defaults {
			wanted = append(wanted, field{name: name})
		}
	}
	chosen := Fields{"id": n.id}
	for _, f := range wanted {
		exists := slices.Contains(known[n.kind].defaults, f.name) || slices.Contains(known[n.kind].others, f.name)
		if !exists || f.name == portfolioLimit && major < 24 {
			return nil, noField(f.name, n.kind)
		}
		if value := s.value(n, f.name, at); value != nil {
			chosen[f.name] = narrow(value, f.inner)
		}
	}
	return chosen, nil
}

// value is a field of a node, nil if there is none. What others decide is looked up with them, unless it was scripted.
func (s *Server) value(n *node, name string, at time.Time) any {
	fields, _ := n.now(at)
	if value, ok := fields[name]; ok {
		return value
	}
	switch name {
	case "health_status":
		return s.health(n, at)
	case portfolioLimit, "messaging_limit_tier":
		// From v24.0 on the older field tells the portfolio's limit too. Before, it told the number's, which can be scripted.
		if owner := s.owner(n); owner != nil && owner != n {
			return s.value(owner, portfolioLimit, at)
		}
	case "business_verification_status":
		if owner := s.owner(n); owner != nil {
			return s.value(owner, "verification_status", at)
		}
	case "owner_business_info":
		if owner := s.owner(n); owner != nil {
			return Fields{"id": owner.id, "name": s.value(owner, "name", at)}
		}
	}
	return nil
}

// owner is the portfolio that a node belongs to, nil if it is not known.
func (s *Server) owner(n *node) *node {
	for n != nil && n.kind != business {
		n = s.nodes[n.parent]
	}
	return n
}

// health is the health_status of a node: of all that is needed to send messages with it.
func (s *Server) health(n *node, at time.Time) Fields {
	types := map[kind]string{number: "PHONE_NUMBER", account: "WABA", business: "BUSINESS"}
	overall := "AVAILABLE"
	var entities []any
	for part := n; part != nil; part = s.nodes[part.parent] {
		fields, scripted := part.now(at)
		entity := Fields{"entity_type": types[part.kind], "id": part.id, "can_send_message": "AVAILABLE"}
		if part.kind == number {
			entity["can_receive_call_sip"] = "AVAILABLE"
		}
		if status := fields["status"]; status == "BANNED" || status == "DISCONNECTED" {
			entity["can_send_message"] = "BLOCKED"
			entity["errors"] = []any{Fields{
				"error_code": 141014, "error_description": "The number cannot send messages", "possible_solution": "Look at the account in WhatsApp Manager",
			}}
		}
		apply(entity, scripted)
		switch entity["can_send_message"] {
		case "BLOCKED":
			overall = "BLOCKED"
		case "LIMITED":
			if overall == "AVAILABLE" {
				overall = "LIMITED"
			}
		}
		entities = append(entities, entity)
	}
	entities = append(entities, Fields{"entity_type": "APP", "id": "4001", "can_send_message": "AVAILABLE", "can_receive_call_sip": "AVAILABLE"})
	return Fields{"can_send_message": overall, "entities": entities}
}

// field is an item of the parameter fields, such as throughput or owner_business_info{id,name}.
type field struct {
	name  string
	inner []field
}

func parseFields(asked string) ([]field, bool) {
	if asked == "" {
		return nil, true
	}
	fields, rest, ok := fieldList(asked)
	return fields, ok && rest == ""
}

func fieldList(s string) (fields []field, rest string, ok bool) {
	for {
		end := strings.IndexAny(s, ",{}")
		if end < 0 {
			end = len(s)
		}
		f := field{name: strings.TrimSpace(s[:end])}
		if f.name == "" {
			return nil, "", false
		}
		s = s[end:]
		if strings.HasPrefix(s, "{") {
			if f.inner, s, ok = fieldList(s[1:]); !ok || !strings.HasPrefix(s, "}") {
				return nil, "", false
			}
			s = s[1:]
		}
		fields = append(fields, f)
		if !strings.HasPrefix(s, ",") {
			return fields, s, true
		}
		s = s[1:]
	}
}

// narrow is the part of an object that is asked for.
func narrow(value any, inner []field) any {
	object, ok := value.(Fields)
	if !ok || len(inner) == 0 {
		return value
	}
	narrowed := Fields{}
	for _, f := range inner {
		if v, ok := object[f.name]; ok {
			narrowed[f.name] = narrow(v, f.inner)
		}
	}
	return narrowed
}
