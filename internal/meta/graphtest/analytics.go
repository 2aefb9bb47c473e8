package graphtest

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// halfHour is the finest granularity of analytics, in seconds.
const halfHour = 1800

// Deliver makes analytics tell of messages of a phone number that were sent and delivered at a time.
func (s *Server) Deliver(number string, at time.Time, messages int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.delivered[number] == nil {
		s.delivered[number] = map[int64]int{}
	}
	s.delivered[number][at.Unix()/halfHour*halfHour] += messages
}

// analyticsForm is a call for analytics by half hours: start, end, numbers and product types.
var analyticsForm = regexp.MustCompile(`^analytics\.start\((\d+)\)\.end\((\d+)\)\.granularity\((\w+)\)(?:\.phone_numbers\((\[[^\]]*\])\))?(?:\.product_types\((\[[\d,]*\])\))?$`)

// analytics is what is told of an account's messages, of half hours in which there were any.
func (s *Server) analytics(n *node, call Call) (string, *Refusal) {
	asked := analyticsForm.FindStringSubmatch(call.Fields)
	if asked == nil || asked[3] != "HALF_HOUR" {
		return "", refuse(100, "(#100) Invalid parameter")
	}
	start, _ := strconv.ParseInt(asked[1], 10, 64)
	end, _ := strconv.ParseInt(asked[2], 10, 64)
	var filter []string
	if asked[4] != "" && json.Unmarshal([]byte(asked[4]), &filter) != nil {
		return "", refuse(100, "(#100) Invalid parameter")
	}
	sums := map[int64]int{}
	var numbers []string
	for _, id := range s.order {
		of := s.nodes[id]
		if of.kind != number || of.parent != n.id {
			continue
		}
		fields, _ := of.now(call.At)
		display, _ := fields["display_phone_number"].(string)
		digits := strings.Map(func(r rune) rune {
			if r < '0' || r > '9' {
				return -1
			}
			return r
		}, display)
		if len(filter) > 0 && !slices.Contains(filter, digits) {
			continue
		}
		numbers = append(numbers, digits)
		for at, messages := range s.delivered[id] {
			if at >= start && at < end {
				sums[at] += messages
			}
		}
	}
	points := []any{}
	for at := start; at < end; at += halfHour {
		if sums[at] > 0 {
			points = append(points, Fields{"start": at, "end": at + halfHour, "sent": sums[at], "delivered": sums[at]})
		}
	}
	return encode(Fields{"analytics": Fields{"phone_numbers": numbers, "granularity": "HALF_HOUR", "data_points": points}, "id": n.id}), nil
}

// subscribedApps are the apps that get the webhooks of an account. Its field subscribed_apps, a []string of their ids, scripts them.
func (s *Server) subscribedApps(n *node, at time.Time) string {
	fields, _ := n.now(at)
	ids, _ := fields["subscribed_apps"].([]string)
	data := []any{}
	for _, id := range ids {
		data = append(data, Fields{"whatsapp_business_api_data": Fields{"id": id, "name": "App " + id, "link": "https://www.facebook.com/games/?app_id=" + id}})
	}
	return encode(Fields{"data": data})
}
