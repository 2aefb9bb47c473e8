package meta

import (
	"strings"

	"github.com/valyala/fastjson"
)

// Category is Meta's pricing category of a message. It is a fact of the message, which one of its statuses tells: of delivered and
// read only one does.
type Category uint8

// The categories of Meta's page "webhooks/reference/messages/status", 14 September 2026, and of its page on the prices of groups.
const (
	NoCategory Category = iota // the status tells none
	Marketing
	MarketingLite
	Utility
	Authentication
	AuthenticationInternational
	Service
	ReferralConversion
	GroupMarketing
	GroupUtility
	GroupService
	OtherCategory // one that the pages do not name

	Categories = iota // how many there are
)

var categoryNames = [Categories]string{
	Marketing: "marketing", MarketingLite: "marketing_lite", Utility: "utility", Authentication: "authentication",
	AuthenticationInternational: "authentication_international", Service: "service", ReferralConversion: "referral_conversion",
	GroupMarketing: "group_marketing", GroupUtility: "group_utility", GroupService: "group_service", OtherCategory: "other",
}

// String is Meta's name of the category, empty for none.
func (c Category) String() string { return categoryNames[c] }

// Reply says whether a message of the category is a reply by definition: it was sent inside a customer service window, whether or
// not what opened that was seen. Type and billable say nothing of it: service messages are billable since October 2026, and a
// template inside a window has the template's category.
func (c Category) Reply() bool { return c == Service || c == GroupService }

// categoryOf is the category in a status's pricing. What cannot be read is none: it is no reason to lose a delivery.
func categoryOf(pricing *fastjson.Value) Category {
	if pricing == nil {
		return NoCategory
	}
	written, ok := text(pricing.Get("category"))
	if !ok || written == "" {
		return NoCategory
	}
	name := strings.ReplaceAll(strings.ToLower(written), "-", "_") // older versions write authentication-international
	for c, known := range categoryNames {
		if name == known {
			return Category(c)
		}
	}
	return OtherCategory
}
