package meta

import (
	"math"
	"strconv"
	"strings"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/report"
)

// Meta's words in those of package report, for webhooks and reads of the Graph API. A word that is none of Meta's stays as it came.

// words are Meta's words of one kind.
type words[T ~string] map[string]T

func (w words[T]) read(word string) T {
	if is, known := w[word]; known {
		return is
	}
	return T(word)
}

var ratings = words[v1alpha1.QualityRating]{
	"GREEN":   v1alpha1.QualityHigh,
	"YELLOW":  v1alpha1.QualityMedium,
	"RED":     v1alpha1.QualityLow,
	"UNKNOWN": v1alpha1.QualityUnknown,
}

// Rating is Meta's quality score of a number or a template, such as GREEN.
func Rating(word string) v1alpha1.QualityRating { return ratings.read(word) }

// ReadRating is Rating as the Graph API tells it, which has a word for one that there is not yet.
func ReadRating(word string) v1alpha1.QualityRating {
	if word == "NA" {
		return v1alpha1.QualityUnknown
	}
	return Rating(word)
}

// connections are the statuses of a number. RATE_LIMITED is described nowhere apart from RESTRICTED. A number that was moved or deleted
// is not Blocked, which is what an enforcement does: it is not there any more, so it is Offline. UNKNOWN says none of them.
var connections = words[v1alpha1.State]{
	"CONNECTED":    v1alpha1.StateConnected,
	"FLAGGED":      v1alpha1.StateFlagged,
	"RESTRICTED":   v1alpha1.StateRestricted,
	"RATE_LIMITED": v1alpha1.StateRestricted,
	"PENDING":      v1alpha1.StatePending,
	"UNVERIFIED":   v1alpha1.StatePending,
	"BANNED":       v1alpha1.StateBlocked,
	"DISCONNECTED": v1alpha1.StateOffline,
	"MIGRATED":     v1alpha1.StateOffline,
	"DELETED":      v1alpha1.StateOffline,
}

// Connection is the status of a number.
func Connection(word string) v1alpha1.State { return connections.read(word) }

// accountStates are the events of account_update that say whether the numbers of an account work, or the one number that the event
// names.
var accountStates = words[v1alpha1.State]{
	"ACCOUNT_DELETED":     v1alpha1.StateOffline,
	"ACCOUNT_OFFBOARDED":  v1alpha1.StateOffline,
	"ACCOUNT_RECONNECTED": v1alpha1.StateConnected,
}

// partnerStates are the events of account_update that say so only where they name a number, or tell why it was disconnected: a
// partner comes and goes without the numbers of the account.
var partnerStates = words[v1alpha1.State]{"PARTNER_ADDED": v1alpha1.StateConnected, "PARTNER_REMOVED": v1alpha1.StateOffline}

// banStates are the states of a ban that say so as well; SCHEDULE_FOR_DISABLE is of a day to come.
var banStates = words[v1alpha1.State]{"DISABLE": v1alpha1.StateBlocked, report.ReasonReinstated: v1alpha1.StateConnected}

// verifications are in lower case. Meta's pages write them in either case.
var verifications = words[v1alpha1.Verification]{
	"verified":               v1alpha1.Verified,
	"approved":               v1alpha1.Verified,
	"pending":                v1alpha1.VerificationPending,
	"pending_need_more_info": v1alpha1.VerificationPending,
	"pending_submission":     v1alpha1.VerificationPending,
	"rejected":               v1alpha1.VerificationRejected,
	"failed":                 v1alpha1.VerificationRejected,
	"ineligible":             v1alpha1.VerificationRejected,
	"unverified":             v1alpha1.Unverified,
	"not_verified":           v1alpha1.Unverified,
	"expired":                v1alpha1.Unverified,
	"revoked":                v1alpha1.Unverified,
}

// Verification is how far the verification of a business is, in whatever case it is written.
func Verification(word string) v1alpha1.Verification {
	if is, known := verifications[strings.ToLower(word)]; known {
		return is
	}
	return v1alpha1.Verification(word)
}

var decisions = words[report.Decision]{
	"APPROVED": report.Approved, "REJECTED": report.Rejected, "PENDING": report.Pending, "DEFERRED": report.Deferred,
}

// Decision is how a review of an account or a display name ended.
func Decision(word string) report.Decision { return decisions.read(word) }

// increases are the alerts that say how Meta answered to an increase of the limit other than by granting it.
var increases = words[v1alpha1.IncreaseDecision]{
	"INCREASED_CAPABILITIES_ELIGIBILITY_DEFERRED":       v1alpha1.IncreaseDeferred,
	"INCREASED_CAPABILITIES_ELIGIBILITY_FAILED":         v1alpha1.IncreaseFailed,
	"INCREASED_CAPABILITIES_ELIGIBILITY_NEED_MORE_INFO": v1alpha1.IncreaseNeedMoreInfo,
}

var sendings = words[report.Sending]{"AVAILABLE": report.SendingAvailable, "LIMITED": report.SendingLimited, "BLOCKED": report.SendingBlocked}

// Sending is whether something can send messages.
func Sending(word string) report.Sending { return sendings.read(word) }

// templateStates are the statuses that the Graph API tells, and the events of message_template_status_update. Where a template is
// reinstated or unarchived, it is again what it was; what is told of it by webhook was approved.
var templateStates = words[v1alpha1.TemplateState]{
	"APPROVED":         v1alpha1.TemplateApproved,
	"REINSTATED":       v1alpha1.TemplateApproved,
	"UNARCHIVED":       v1alpha1.TemplateApproved,
	"UNPAUSE":          v1alpha1.TemplateApproved,
	"PAUSED":           v1alpha1.TemplatePaused,
	"DISABLED":         v1alpha1.TemplateDisabled,
	"FLAGGED":          v1alpha1.TemplateFlagged,
	"PENDING":          v1alpha1.TemplatePending, // in review, which an edit begins
	"REJECTED":         v1alpha1.TemplateRejected,
	"IN_APPEAL":        v1alpha1.TemplateInAppeal,
	"ARCHIVED":         v1alpha1.TemplateArchived,
	"DELETED":          v1alpha1.TemplateDeleted,
	"PENDING_DELETION": v1alpha1.TemplatePendingDeletion,
	"LIMIT_EXCEEDED":   v1alpha1.TemplateLimitExceeded,
}

// TemplateState is where a template stands.
func TemplateState(word string) v1alpha1.TemplateState { return templateStates.read(word) }

var templateCategories = words[report.CategoryName]{
	"MARKETING": report.Marketing, "UTILITY": report.Utility, "AUTHENTICATION": report.Authentication,
}

// TemplateCategory is what a template counts as.
func TemplateCategory(word string) report.CategoryName { return templateCategories.read(word) }

const maxLimitLength = 32 // of a limit as Meta writes it, in bytes

// Limit is a messaging limit, in distinct users per 24 hours, as the value of a Limit report: Meta writes TIER_250, TIER_2K,
// TIER_UNLIMITED, UNLIMITED, 2000 or -1. It is empty where none is set.
func Limit(word string) string {
	if limit, ok := parseLimit(word); ok {
		return limit
	}
	return word
}

// parseLimit is Limit of text that may be anything. What it does not understand stays as it came, unless it is no word of at most 32
// bytes: then it is false.
func parseLimit(written string) (limit string, ok bool) {
	tier, isTier := strings.CutPrefix(written, "TIER_")
	switch {
	case len(written) > maxLimitLength:
		return "", false
	case tier == "UNLIMITED" || written == "-1":
		return report.LimitValue(report.Unlimited), true
	case written == "" || written == "TIER_NOT_SET":
		return "", true
	}
	factor := int64(1)
	if isTier {
		switch tier[max(len(tier)-1, 0):] {
		case "K":
			factor, tier = 1_000, tier[:len(tier)-1]
		case "M":
			factor, tier = 1_000_000, tier[:len(tier)-1]
		}
	}
	if n, err := strconv.ParseUint(tier, 10, 32); err == nil {
		return limitDigits(int64(n) * factor)
	}
	return strings.Clone(written), printable(written)
}

// limitDigits is a limit given as a number; -1 is Meta's way to write that there is none.
func limitDigits(n int64) (limit string, ok bool) {
	switch {
	case n == -1:
		return report.LimitValue(report.Unlimited), true
	case n < 1 || n > math.MaxInt32:
		return "", false
	default:
		return report.LimitValue(n), true
	}
}
