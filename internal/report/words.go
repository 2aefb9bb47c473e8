package report

import (
	"strconv"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// The words of the API's that reports have, in the order in which they are listed to people.
var (
	Ratings       = []v1alpha1.QualityRating{v1alpha1.QualityHigh, v1alpha1.QualityMedium, v1alpha1.QualityLow, v1alpha1.QualityUnknown}
	States        = []v1alpha1.State{v1alpha1.StatePending, v1alpha1.StateConnected, v1alpha1.StateOffline, v1alpha1.StateFlagged, v1alpha1.StateRestricted, v1alpha1.StateBlocked}
	Verifications = []v1alpha1.Verification{v1alpha1.Verified, v1alpha1.Unverified, v1alpha1.VerificationPending, v1alpha1.VerificationRejected}
	Increases     = []v1alpha1.IncreaseDecision{v1alpha1.IncreaseDeferred, v1alpha1.IncreaseFailed, v1alpha1.IncreaseNeedMoreInfo}
	// TemplateChanges are what others than Meta may report of a template.
	TemplateChanges = []v1alpha1.TemplateState{v1alpha1.TemplateApproved, v1alpha1.TemplatePaused, v1alpha1.TemplateDisabled, Edited}
)

// The words of reports that are no words of the API's. A word that is spelled as Meta spells it is one that statuses and the history
// show so.

// Unlimited is a limit that there is not.
const Unlimited int64 = 0

// MaxLimit is the highest limit that can be reported, in users.
const MaxLimit = 1_000_000_000

const unlimited = "Unlimited"

// LimitValue is the value of a Limit report: a number of users in digits, or the word for Unlimited.
func LimitValue(users int64) string {
	if users == Unlimited {
		return unlimited
	}
	return strconv.FormatInt(users, 10)
}

// ParseLimit reads what LimitValue wrote. False means that it is neither the word nor a number from 1 to MaxLimit.
func ParseLimit(value string) (users int64, ok bool) {
	if value == unlimited {
		return Unlimited, true
	}
	users, err := strconv.ParseInt(value, 10, 64)
	return users, err == nil && users >= 1 && users <= MaxLimit
}

// Edited is reported of a template that has a new wording, which Meta reviews.
const Edited v1alpha1.TemplateState = "Edited"

// Decision is how a review of Meta's ended, of an account or of a display name.
type Decision string

// The decisions.
const (
	Approved Decision = "Approved"
	Rejected Decision = "Rejected"
	Pending  Decision = "Pending"
	Deferred Decision = "Deferred"
)

// Sending is whether Meta lets a number send messages.
type Sending string

// How a number may send.
const (
	SendingAvailable Sending = "Available"
	SendingLimited   Sending = "Limited"
	SendingBlocked   Sending = "Blocked"
)

// Whether the operator's app gets the webhooks of an account: the values of Subscription reports.
const (
	Subscribed    = "Subscribed"
	NotSubscribed = "NotSubscribed"
)

// The levels of Throughput reports that Meta documents with a number of messages, and where the number is used: their reasons.
const (
	ThroughputStandard = "STANDARD"
	ThroughputHigh     = "HIGH"

	OnCloudAPI    = "CloudAPI"
	OnBusinessApp = "OnBusinessApp" // shared with the WhatsApp Business app
)

// CategoryName is what Meta counts a message or a template as, which is what it is paid for.
type CategoryName string

// The categories.
const (
	Marketing      CategoryName = "Marketing"
	Utility        CategoryName = "Utility"
	Authentication CategoryName = "Authentication"
	Service        CategoryName = "Service" // of messages only: a reply
)

// Reasons that the rules look at.
const (
	// ReasonRead is the reason of what was read from the Graph API. Meta's reads give none for a rating or a pause: a rating that was
	// read is no step of a ladder, since the state that was read with it says what Meta made of it, and which pause it is that was read,
	// only Meta knows.
	ReasonRead = "read from the Graph API"
	// ReasonReinstated: the numbers of an account work again, whose ban was lifted.
	ReasonReinstated = "REINSTATE"
	// ReasonPacing: a template is paused, but not for its quality: it is no step of a ladder and does not end by itself.
	ReasonPacing = "RATE_LIMITING_PAUSE"
)

// Pause is which pause for its quality a paused template is in, the first being 1; zero where the reason does not say.
func (r Report) Pause() int {
	switch r.Reason {
	case "FIRST_PAUSE":
		return 1
	case "SECOND_PAUSE":
		return 2
	default:
		return 0
	}
}

// What an account is restricted to, that changes what its numbers can send, and the word that no restriction is left: the values of
// Restriction reports.
const (
	RestrictedMessaging = "RESTRICTED_BIZ_INITIATED_MESSAGING"      // the numbers may begin no conversation
	RestrictedReplies   = "RESTRICTED_CUSTOMER_INITIATED_MESSAGING" // they may not even reply
	NothingRestricted   = "None"
)

// otherRestrictions are those of templates, calls and new numbers, by what they take away.
var otherRestrictions = map[string]string{
	"RESTRICTED_ADD_PHONE_NUMBER_ACTION":                   "no phone number can be added",
	"RESTRICTED_UTILITY_TEMPLATES":                         "no utility template can be created",
	"RESTRICTED_DIRECT_SEND_UTILITY_TEMPLATES":             "no utility template can be sent directly",
	"RESTRICTED_BUSINESS_INITIATED_CALLING":                "its numbers cannot call users",
	"RESTRICTED_USER_INITIATED_CALLING":                    "users cannot call its numbers",
	"RESTRICTED_USER_INITIATED_CALLING_CALL_BUTTON_HIDDEN": "users see no button to call its numbers",
	"RESTRICTED_BIZ_INITIATED_AND_USER_INITIATED_CALLING":  "its numbers can neither call nor be called",
}

// RestrictionEffect is what a restriction of an account takes away besides messages, as a clause; empty where that is not known.
func RestrictionEffect(restriction string) string { return otherRestrictions[restriction] }
