package meta_test

import (
	"strings"
	"testing"

	"numberfleet.dev/numberfleet/internal/meta"
)

// Each of Meta's words is one of the project's; any other stays as it came.
func TestMetasWords(t *testing.T) {
	for name, test := range map[string]struct {
		read  func(string) string
		words map[string]string
	}{
		"the status of a number": {func(s string) string { return string(meta.Connection(s)) }, map[string]string{
			"PENDING": "Pending", "CONNECTED": "Connected", "FLAGGED": "Flagged", "RESTRICTED": "Restricted", "RATE_LIMITED": "Restricted", "BANNED": "Blocked",
			"DISCONNECTED": "Offline", "MIGRATED": "Offline", "DELETED": "Offline", "UNVERIFIED": "Pending",
			"UNKNOWN": "UNKNOWN", "LINKED": "LINKED", "connected": "connected", "": "",
		}},
		"a rating": {func(s string) string { return string(meta.Rating(s)) }, map[string]string{
			"GREEN": "High", "YELLOW": "Medium", "RED": "Low", "UNKNOWN": "Unknown", "NA": "NA", "PURPLE": "PURPLE", "": "",
		}},
		"a rating that was read": {func(s string) string { return string(meta.ReadRating(s)) }, map[string]string{
			"GREEN": "High", "YELLOW": "Medium", "RED": "Low", "UNKNOWN": "Unknown", "NA": "Unknown", "PURPLE": "PURPLE", "": "",
		}},
		"a limit": {meta.Limit, map[string]string{
			"TIER_50": "50", "TIER_250": "250", "TIER_1K": "1000", "TIER_2K": "2000", "TIER_10K": "10000", "TIER_100K": "100000", "TIER_1M": "1000000",
			"TIER_UNLIMITED": "Unlimited", "UNLIMITED": "Unlimited", "-1": "Unlimited", "2000": "2000", "TIER_NOT_SET": "", "": "",
			"TIER_HUGE": "TIER_HUGE", "TIER_": "TIER_", "12abc": "12abc", "TIER_0": "TIER_0", "0": "0", strings.Repeat("9", 33): strings.Repeat("9", 33),
		}},
		"a verification": {func(s string) string { return string(meta.Verification(s)) }, map[string]string{
			"verified": "Verified", "VERIFIED": "Verified", "Verified": "Verified", "approved": "Verified",
			"not_verified": "Unverified", "UNVERIFIED": "Unverified", "NOT_VERIFIED": "Unverified", "expired": "Unverified", "revoked": "Unverified",
			"pending": "Pending", "pending_need_more_info": "Pending", "pending_submission": "Pending",
			"rejected": "Rejected", "failed": "Rejected", "ineligible": "Rejected", "on_hold": "on_hold", "": "",
		}},
		"a review": {func(s string) string { return string(meta.Decision(s)) }, map[string]string{
			"APPROVED": "Approved", "REJECTED": "Rejected", "PENDING": "Pending", "DEFERRED": "Deferred", "LOST": "LOST", "": "",
		}},
		"whether something can send": {func(s string) string { return string(meta.Sending(s)) }, map[string]string{
			"AVAILABLE": "Available", "LIMITED": "Limited", "BLOCKED": "Blocked", "DEGRADED": "DEGRADED", "": "",
		}},
		"the state of a template": {func(s string) string { return string(meta.TemplateState(s)) }, map[string]string{
			"APPROVED": "Approved", "PAUSED": "Paused", "DISABLED": "Disabled", "REJECTED": "Rejected", "PENDING": "Pending", "IN_APPEAL": "InAppeal",
			"ARCHIVED": "Archived", "DELETED": "Deleted", "PENDING_DELETION": "PendingDeletion", "LIMIT_EXCEEDED": "LimitExceeded", "FLAGGED": "Flagged",
			"SOMETHING_NEW": "SOMETHING_NEW", "": "",
		}},
		"the category of a template": {func(s string) string { return string(meta.TemplateCategory(s)) }, map[string]string{
			"MARKETING": "Marketing", "UTILITY": "Utility", "AUTHENTICATION": "Authentication", "OTP": "OTP", "": "",
		}},
	} {
		for word, want := range test.words {
			if got := test.read(word); got != want {
				t.Errorf("%s: %q is %q, not %q", name, word, got, want)
			}
		}
	}
}
