package graph

import (
	"strings"

	"numberfleet.dev/numberfleet/internal/meta"
)

// The words of Meta's below hold what came, which may be none of the words that Meta documents, and are empty where nothing
// came. They have at most 64 characters, none of them a space.
type (
	// Status is the state of a phone number, such as CONNECTED.
	Status string
	// Rating is the quality rating of a phone number, such as GREEN.
	Rating string
	// Limit is a messaging limit, such as TIER_250: distinct users in 24 hours outside of service windows.
	Limit string
	// Verification is how far the verification of a business or of a number's ownership is, such as verified.
	Verification string
	// NameStatus is how far the review of a display name is, such as APPROVED.
	NameStatus string
	// ReviewStatus is how far the review of an account is, such as APPROVED.
	ReviewStatus string
	// TemplateStatus is where a message template stands, such as APPROVED.
	TemplateStatus string
	// Category is what a message template counts as, such as MARKETING.
	Category string
	// AccountMode is LIVE or SANDBOX.
	AccountMode string
	// Platform is where a number is registered, such as CLOUD_API.
	Platform string
	// ThroughputLevel is how many messages a number may send per second, such as STANDARD or HIGH.
	ThroughputLevel string
	// Availability is whether something can send messages, such as AVAILABLE.
	Availability string
)

// What Meta documents of the words that are compared here.
const (
	StatusConnected Status = "CONNECTED"

	NameApproved               NameStatus = "APPROVED"
	NameAvailableWithoutReview NameStatus = "AVAILABLE_WITHOUT_REVIEW"

	ReviewApproved ReviewStatus = "APPROVED"

	PlatformCloudAPI Platform = "CLOUD_API"

	Available Availability = "AVAILABLE"
	Limited   Availability = "LIMITED"
	Blocked   Availability = "BLOCKED"
)

// connections are Meta's statuses in the words used here. RATE_LIMITED is described nowhere apart from RESTRICTED. A number
// that was moved or deleted is not Blocked, which is what an enforcement does: it is not there any more, so it is Offline.
var connections = map[Status]string{
	"CONNECTED":    "Connected",
	"FLAGGED":      "Flagged",
	"RESTRICTED":   "Restricted",
	"RATE_LIMITED": "Restricted",
	"PENDING":      "Pending",
	"UNVERIFIED":   "Pending",
	"BANNED":       "Blocked",
	"DISCONNECTED": "Offline",
	"MIGRATED":     "Offline",
	"DELETED":      "Offline",
}

// Connection is the status as one of Pending, Connected, Offline, Flagged, Restricted, Blocked. False means that it says
// none of them, as UNKNOWN does; then it is as it came.
func (s Status) Connection() (connection string, known bool) {
	if connection, known := connections[s]; known {
		return connection, true
	}
	return string(s), false
}

// State is the status in the words used here, such as Approved. False means that it is none of Meta's; then it is as it came.
func (s TemplateStatus) State() (state string, known bool) { return meta.TemplateStateOf(string(s)) }

// Name is the category in the words used here, such as Marketing. False means that it is none of Meta's; then it is as it came.
func (c Category) Name() (category string, known bool) { return meta.CategoryOf(string(c)) }

var ratings = map[Rating]string{"GREEN": "High", "YELLOW": "Medium", "RED": "Low", "UNKNOWN": "Unknown", "NA": "Unknown"}

// Quality is the rating as one of High, Medium, Low, Unknown. False means that it is none of Meta's; then it is as it came.
func (r Rating) Quality() (quality string, known bool) {
	if quality, known := ratings[r]; known {
		return quality, true
	}
	return string(r), false
}

// Users is the limit's digits, or meta.Unlimited, or empty where Meta sets none. False means that it was not understood;
// then it is as it came.
func (l Limit) Users() (users string, known bool) {
	if users, known := meta.ParseLimit(string(l)); known {
		return users, true
	}
	return string(l), false
}

// verifications are Meta's words in lower case, by those used here. Meta's pages write them in either case.
var verifications = map[string]string{
	"verified":               "Verified",
	"approved":               "Verified",
	"pending":                "Pending",
	"pending_need_more_info": "Pending",
	"pending_submission":     "Pending",
	"rejected":               "Rejected",
	"failed":                 "Rejected",
	"ineligible":             "Rejected",
	"unverified":             "Unverified",
	"not_verified":           "Unverified",
	"expired":                "Unverified",
	"revoked":                "Unverified",
}

// Status is the verification as one of Verified, Unverified, Pending, Rejected, whatever case it was written in. False
// means that it is none of Meta's; then it is as it came.
func (v Verification) Status() (status string, known bool) {
	if status, known := verifications[strings.ToLower(string(v))]; known {
		return status, true
	}
	return string(v), false
}

// Approved reports whether the name may be shown to users.
func (s NameStatus) Approved() bool { return s == NameApproved || s == NameAvailableWithoutReview }

// Decision is the review's as Approved, Rejected, Pending or Deferred. False means that it is none of these; then it is as it
// came.
func (s ReviewStatus) Decision() (decision string, known bool) { return meta.Decision(string(s)) }

// Approved reports whether the account may use the API: of Meta's words only one says so.
func (s ReviewStatus) Approved() bool { return s == ReviewApproved }

var sendings = map[Availability]string{Available: "Available", Limited: "Limited", Blocked: "Blocked"}

// Sending is the availability as one of Available, Limited, Blocked. False means that it is none of these; then it is as it came.
func (a Availability) Sending() (sending string, known bool) {
	if sending, known := sendings[a]; known {
		return sending, true
	}
	return string(a), false
}

// severity orders availabilities from the best to the worst. One that is none of Meta's is worse than AVAILABLE, since
// something is said, and better than what is known to be bad.
func (a Availability) severity() int {
	switch a {
	case Available:
		return 0
	case Limited:
		return 2
	case Blocked:
		return 3
	default:
		return 1
	}
}
