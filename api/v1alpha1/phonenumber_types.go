package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Verification is how far Meta's verification of a business has come.
// +kubebuilder:validation:Enum=Verified;Unverified;Pending;Rejected
type Verification string

// The verifications. Only Verified lifts the start tier (seeds/002).
const (
	Verified             Verification = "Verified"
	Unverified           Verification = "Unverified"
	VerificationPending  Verification = "Pending"
	VerificationRejected Verification = "Rejected"
)

// HumanEscalationPath is a direct way for a user to reach a human: InChatTransfer, PhoneCall, Email, WebSupport, SupportForm or
// StoreVisit. Social media accounts, help centres and app links are none.
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=32
// +kubebuilder:validation:XValidation:rule="!(self in ['SocialMedia', 'Facebook', 'Messenger', 'Instagram', 'Twitter', 'X', 'Telegram'])",message="social media accounts are no direct way to a human: users need a login and an account with another service. Name InChatTransfer, PhoneCall, Email, WebSupport, SupportForm or StoreVisit"
// +kubebuilder:validation:XValidation:rule="!(self in ['HelpCentre', 'HelpCenter', 'HelpCentreWebsite', 'HelpCenterWebsite', 'FAQ'])",message="a help centre is no direct way to a human: it is an indirect channel. Name InChatTransfer, PhoneCall, Email, WebSupport, SupportForm or StoreVisit"
// +kubebuilder:validation:XValidation:rule="!(self in ['App', 'AppLink'])",message="an app link is no direct way to a human: it is an indirect channel. Name InChatTransfer, PhoneCall, Email, WebSupport, SupportForm or StoreVisit"
// +kubebuilder:validation:XValidation:rule="self in ['InChatTransfer', 'PhoneCall', 'Email', 'WebSupport', 'SupportForm', 'StoreVisit', 'SocialMedia', 'Facebook', 'Messenger', 'Instagram', 'Twitter', 'X', 'Telegram', 'HelpCentre', 'HelpCenter', 'HelpCentreWebsite', 'HelpCenterWebsite', 'FAQ', 'App', 'AppLink']",message="must be InChatTransfer, PhoneCall, Email, WebSupport, SupportForm or StoreVisit"
type HumanEscalationPath string

// The accepted paths.
const (
	InChatTransfer HumanEscalationPath = "InChatTransfer"
	PhoneCall      HumanEscalationPath = "PhoneCall"
	Email          HumanEscalationPath = "Email"
	WebSupport     HumanEscalationPath = "WebSupport"
	SupportForm    HumanEscalationPath = "SupportForm"
	StoreVisit     HumanEscalationPath = "StoreVisit"
)

// Activity says whether the operator works on a number.
// +kubebuilder:validation:Enum=Active;Suspended
type Activity string

// The activities.
const (
	// Active lets the rules run.
	Active Activity = "Active"
	// Suspended freezes the number's status. Usage is still counted; the rules catch up once it is active again.
	Suspended Activity = "Suspended"
)

// Business is who a number belongs to.
// +kubebuilder:validation:MinProperties=1
type Business struct {
	// name of the business, as people know it.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// portfolio is the name of the business portfolio at Meta that owns the number. Under a policy with scope Portfolio its
	// numbers share one limit; a number without one is a portfolio of its own.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$')",message="portfolio must be the name of a BusinessPortfolio: lower-case letters, digits, '-' and '.', like acme-retail"
	Portfolio string `json:"portfolio,omitempty"`

	// whatsAppBusinessAccountID is the id that Meta gave to the WhatsApp Business Account of the number.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^[0-9]+$')",message="whatsAppBusinessAccountID must be Meta's id in digits, like 102290129340398; quote it in YAML"
	WhatsAppBusinessAccountID string `json:"whatsAppBusinessAccountID,omitempty"`

	// humanEscalationPaths are the direct ways in which a user of this number reaches a human. Policies with
	// humanEscalation Require rate a number without one Low.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=6
	HumanEscalationPaths []HumanEscalationPath `json:"humanEscalationPaths,omitempty"`
}

// AppealState is where an appeal stands.
// +kubebuilder:validation:Enum=Open;Unchanged;Reversed
type AppealState string

// The states of an appeal.
const (
	// AppealOpen: Meta has not decided yet.
	AppealOpen AppealState = "Open"
	// AppealUnchanged: Meta decided that everything stays as it was.
	AppealUnchanged AppealState = "Unchanged"
	// AppealReversed: Meta agrees that users reach a human. The number is no longer rated Low for the want of it.
	AppealReversed AppealState = "Reversed"
)

// Appeal records that a review of a rating or flag was asked for in the Business Manager (seeds/001). Only people see it
// there, so people write it here.
// +kubebuilder:validation:XValidation:rule="(self.state != 'Open') == has(self.decidedTime)",message="set decidedTime once the appeal is decided, and only then: state is Unchanged or Reversed"
// +kubebuilder:validation:XValidation:rule="!has(self.decidedTime) || self.decidedTime >= self.openedTime",message="decidedTime must not lie before openedTime"
type Appeal struct {
	// state is Open, or what Meta decided: Unchanged or Reversed.
	// +required
	State AppealState `json:"state,omitempty"`

	// openedTime is when the appeal was made.
	// +required
	OpenedTime metav1.Time `json:"openedTime,omitzero"`

	// decidedTime is when Meta decided it.
	// +optional
	DecidedTime metav1.Time `json:"decidedTime,omitzero"`

	// note says what was put forward, for those who read it later.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Note string `json:"note,omitempty"`
}

// UsageSource is where the counts of a number come from.
// +kubebuilder:validation:Enum=Ledger;Prometheus
type UsageSource string

// The sources.
const (
	// UsageFromLedger: the operator counts the deliveries that it receives.
	UsageFromLedger UsageSource = "Ledger"
	// UsageFromPrometheus: the counts are the answers of a Prometheus to queries.
	UsageFromPrometheus UsageSource = "Prometheus"
)

// UsageQueries are queries in PromQL. Each gives one sample, whatever its labels. $window stands for the window of the policy's
// limit, and $upgradeWindow for that of the next tier, each as a duration like 1d.
// +kubebuilder:validation:MinProperties=1
type UsageQueries struct {
	// used gives how much of the limit is used: unique users or conversations, as the policy counts, over $window.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=4096
	Used string `json:"used,omitempty"`

	// uniqueUsers gives the unique users, or the conversations where the policy's upgrade counts those, over $upgradeWindow.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=4096
	UniqueUsers string `json:"uniqueUsers,omitempty"`

	// messages gives the messages delivered outside of customer service windows over $upgradeWindow.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=4096
	Messages string `json:"messages,omitempty"`
}

// UsageSpec says where the counts of a number come from.
// +kubebuilder:validation:MinProperties=1
// +kubebuilder:validation:XValidation:rule="!has(self.queries) || !has(self.source) || self.source == 'Prometheus'",message="queries are asked of a Prometheus: set source to Prometheus, or leave it out"
type UsageSpec struct {
	// source is Ledger or Prometheus. Where it is left out, it is Prometheus if there are queries, here or for the whole namespace
	// in the operator's configuration, and else Ledger.
	// +optional
	Source UsageSource `json:"source,omitempty"`

	// queries replace those that the operator's configuration has for the namespace, one by one. The configuration says which
	// Prometheus is asked; without it, none is.
	// +optional
	Queries UsageQueries `json:"queries,omitzero"`
}

// PhoneNumberSpec says which number it is and who it belongs to.
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.phoneNumberID) || (has(self.phoneNumberID) && self.phoneNumberID == oldSelf.phoneNumberID)",message="phoneNumberID may be set once and not be changed: create a new PhoneNumber for another number",fieldPath=".phoneNumberID",reason=FieldValueForbidden
type PhoneNumberSpec struct {
	// phoneNumber is the number in E.164, with the leading plus. It cannot be changed.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^[+][1-9][0-9]{6,14}$')",message="phoneNumber must be in E.164: a plus, the country code and 7 to 15 digits in all without spaces, like \"+15550001111\""
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="phoneNumber may not be changed: create a new PhoneNumber for another number",reason=FieldValueForbidden
	PhoneNumber string `json:"phoneNumber,omitempty"`

	// phoneNumberID is the id that Meta gave to the number. It may be set once.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^[0-9]+$')",message="phoneNumberID must be Meta's id in digits, like 106540352242922; quote it in YAML"
	PhoneNumberID string `json:"phoneNumberID,omitempty"`

	// displayName is the name that users see.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	DisplayName string `json:"displayName,omitempty"`

	// business is who the number belongs to.
	// +optional
	Business Business `json:"business,omitzero"`

	// verification of the business, Unverified where it is left out. What Meta reports replaces it.
	// +optional
	Verification Verification `json:"verification,omitempty"`

	// appeal is the last appeal against the number's rating or flag.
	// +optional
	Appeal Appeal `json:"appeal,omitzero"`

	// policyName is the MessagingPolicy whose rules apply. Where it is left out, that of the business portfolio applies, and
	// where the portfolio names none either, the policy marked with the annotation whatsapp.numberfleet.dev/is-default-policy.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$')",message="policyName must be the name of a MessagingPolicy: lower-case letters, digits, '-' and '.', like meta-2023"
	PolicyName string `json:"policyName,omitempty"`

	// usage says where the counts of the number come from, if not from what the operator receives.
	// +optional
	Usage UsageSpec `json:"usage,omitzero"`

	// activity says whether the operator works on the number, Active where it is left out.
	// +optional
	Activity Activity `json:"activity,omitempty"`
}

// State is what a number can do now.
// +kubebuilder:validation:Enum=Blocked;Pending;Offline;Restricted;Flagged;Connected
type State string

// The states, highest first: where several hold, the highest shows.
const (
	// StateBlocked: the number may not send any more (seeds/003).
	StateBlocked State = "Blocked"
	// StatePending: the number is not yet registered (seeds/002, 004).
	StatePending State = "Pending"
	// StateOffline: WhatsApp's servers cannot reach the number (seeds/002, 004).
	StateOffline State = "Offline"
	// StateRestricted: the limit is reached; only replies inside a customer service window go out (seeds/001, 002, 004).
	StateRestricted State = "Restricted"
	// StateFlagged: the quality rating is low, and the tier falls unless it recovers in time (seeds/001 to 004).
	StateFlagged State = "Flagged"
	// StateConnected: the number is online and functioning normally (seeds/002, 004).
	StateConnected State = "Connected"
)

// QualityRating is how users receive a number's messages.
// +kubebuilder:validation:Enum=High;Medium;Low;Unknown
type QualityRating string

// The ratings. Unknown counts as High.
const (
	QualityHigh    QualityRating = "High"
	QualityMedium  QualityRating = "Medium"
	QualityLow     QualityRating = "Low"
	QualityUnknown QualityRating = "Unknown"
)

// Source says where a value comes from.
// +kubebuilder:validation:Enum=Policy;Verification;Reported
type Source string

// The sources. What is reported replaces what the policy concluded.
const (
	// FromPolicy: the rules of the policy concluded it.
	FromPolicy Source = "Policy"
	// FromVerification: it came with the verification of the business.
	FromVerification Source = "Verification"
	// FromReport: Meta reported it.
	FromReport Source = "Reported"
)

// TierStatus is how many users the number may message, and since when.
type TierStatus struct {
	// name of the tier in the policy; a reported limit that is no tier of the policy goes by its number.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	Name string `json:"name,omitempty"`

	// limit is how many users or conversations fit in the policy's window. It is absent for an unlimited tier.
	// +optional
	// +kubebuilder:validation:Minimum=1
	Limit int64 `json:"limit,omitempty"`

	// sinceTime is when the number came to this tier.
	// +required
	SinceTime metav1.Time `json:"sinceTime,omitzero"`

	// source says where the tier comes from.
	// +required
	Source Source `json:"source,omitempty"`

	// reportedTime is when Meta last reported a limit.
	// +optional
	ReportedTime metav1.Time `json:"reportedTime,omitzero"`

	// loweredTime is when Meta last reported a lower limit than was shown. Deliveries before it do not count for an upgrade.
	// +optional
	LoweredTime metav1.Time `json:"loweredTime,omitzero"`

	// concluded is the tier that the policy had concluded when Meta reported another limit. It is absent where they agree.
	// +optional
	Concluded ConcludedTier `json:"concluded,omitzero"`

	// before is the tier that the policy raised or lowered to this one. It is absent where Meta's report made the tier.
	// +optional
	Before TierBefore `json:"before,omitzero"`
}

// TierBefore is a tier that a number had.
type TierBefore struct {
	// name of the tier in the policy.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	Name string `json:"name,omitempty"`

	// limit of the tier. It is absent for an unlimited tier.
	// +optional
	// +kubebuilder:validation:Minimum=1
	Limit int64 `json:"limit,omitempty"`
}

// ConcludedTier is what the policy concluded beside a limit that Meta reports.
type ConcludedTier struct {
	// name of the tier in the policy.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	Name string `json:"name,omitempty"`

	// limit of the tier. It is absent for an unlimited tier.
	// +optional
	// +kubebuilder:validation:Minimum=1
	Limit int64 `json:"limit,omitempty"`

	// sinceTime is when Meta first reported another limit.
	// +required
	SinceTime metav1.Time `json:"sinceTime,omitzero"`
}

// QualityStatus is the number's quality rating.
type QualityStatus struct {
	// rating is High, Medium, Low or Unknown.
	// +required
	Rating QualityRating `json:"rating,omitempty"`

	// sinceTime is when the rating became what it is.
	// +required
	SinceTime metav1.Time `json:"sinceTime,omitzero"`

	// lowSinceTime is the start of the present spell of Low, from which it is counted how long it lasts.
	// +optional
	LowSinceTime metav1.Time `json:"lowSinceTime,omitzero"`

	// reason for the rating, where one is known, as Meta gave it.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Reason string `json:"reason,omitempty"`

	// source says where the rating comes from.
	// +required
	Source Source `json:"source,omitempty"`

	// reportedRating is what Meta reported last, kept where something else forces the rating.
	// +optional
	ReportedRating QualityRating `json:"reportedRating,omitempty"`

	// reportedTime is when Meta reported last.
	// +optional
	ReportedTime metav1.Time `json:"reportedTime,omitzero"`

	// graceSinceTime is the start of the grace period that is running: that of the spell of Low, or the last fall.
	// +optional
	GraceSinceTime metav1.Time `json:"graceSinceTime,omitzero"`

	// nextFallTime is when the tier falls if the rating stays Low. It is absent where there is no lower tier.
	// +optional
	NextFallTime metav1.Time `json:"nextFallTime,omitzero"`

	// feedback is what users did over the policy's quality window. It is absent while none did anything.
	// +optional
	Feedback FeedbackStatus `json:"feedback,omitzero"`
}

// FeedbackKind is what a user did about a number.
// +kubebuilder:validation:Enum=Block;Report;Mute;Archive
type FeedbackKind string

// The kinds of feedback.
const (
	FeedbackBlock   FeedbackKind = "Block"
	FeedbackReport  FeedbackKind = "Report"
	FeedbackMute    FeedbackKind = "Mute"
	FeedbackArchive FeedbackKind = "Archive"
)

// FeedbackReason is why, as the user chose it.
// +kubebuilder:validation:Enum=NoLongerNeeded;DidNotSignUp;Spam;OffensiveMessages;NoReason;Other
type FeedbackReason string

// The reasons that Meta offers to a user who blocks a business (seeds/002), and Other for what came later.
const (
	FeedbackNoLongerNeeded    FeedbackReason = "NoLongerNeeded"
	FeedbackDidNotSignUp      FeedbackReason = "DidNotSignUp"
	FeedbackSpam              FeedbackReason = "Spam"
	FeedbackOffensiveMessages FeedbackReason = "OffensiveMessages"
	FeedbackNoReason          FeedbackReason = "NoReason"
	FeedbackOther             FeedbackReason = "Other"
)

// FeedbackStatus is what users did over the policy's quality window, as of usage.observedTime.
type FeedbackStatus struct {
	// complainingUsers is how many users did any of it.
	// +required
	// +kubebuilder:validation:Minimum=0
	ComplainingUsers *int64 `json:"complainingUsers,omitempty"`

	// reachedUsers is how many users a message was delivered to, in a customer service window or not. It is counted where the
	// policy has thresholds.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ReachedUsers *int64 `json:"reachedUsers,omitempty"`

	// insights are the reasons, most users first.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=24
	Insights []FeedbackInsight `json:"insights,omitempty"`
}

// FeedbackInsight is how many users gave one reason.
type FeedbackInsight struct {
	// kind is Block, Report, Mute or Archive.
	// +required
	Kind FeedbackKind `json:"kind,omitempty"`

	// reason that the users chose.
	// +required
	Reason FeedbackReason `json:"reason,omitempty"`

	// users is how many did so.
	// +required
	// +kubebuilder:validation:Minimum=1
	Users int64 `json:"users,omitempty"`
}

// FlagStatus is a warning that is standing.
type FlagStatus struct {
	// sinceTime is when the number was flagged.
	// +required
	SinceTime metav1.Time `json:"sinceTime,omitzero"`

	// deadlineTime is when the tier falls if the rating stays Low. It is absent while the rating recovers.
	// +optional
	DeadlineTime metav1.Time `json:"deadlineTime,omitzero"`

	// recoveringSinceTime is when the rating rose above Low. It is absent while the rating is Low.
	// +optional
	RecoveringSinceTime metav1.Time `json:"recoveringSinceTime,omitzero"`

	// clearTime is when the flag ends if the rating stays above Low. It is absent while the rating is Low.
	// +optional
	ClearTime metav1.Time `json:"clearTime,omitzero"`

	// source says whether the policy concluded the flag or Meta reported it.
	// +required
	Source Source `json:"source,omitempty"`

	// appeal is where the appeal of spec.appeal stands, where it was made while this flag stood.
	// +optional
	Appeal AppealState `json:"appeal,omitempty"`
}

// RestrictionStatus is a limit that is reached, or a restriction of the account.
type RestrictionStatus struct {
	// sinceTime is when the limit was reached, or the restriction reported.
	// +required
	SinceTime metav1.Time `json:"sinceTime,omitzero"`

	// untilTime is when enough users leave the window again, if nothing further is delivered, or when a restriction of the
	// account ends. It is absent where only Meta knows.
	// +optional
	UntilTime metav1.Time `json:"untilTime,omitzero"`

	// source says whether the policy concluded the restriction or Meta reported it.
	// +required
	Source Source `json:"source,omitempty"`

	// reason is what Meta restricts of the account, in Meta's word. It is absent where a limit is why.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Reason string `json:"reason,omitempty"`
}

// LimitReachedStatus is a time in which the limit is reached again and again. Its beginning and its end are told, and stand in the
// history; it is over once there has been room for an hour without a break.
type LimitReachedStatus struct {
	// sinceTime is when the limit was reached first.
	// +required
	SinceTime metav1.Time `json:"sinceTime,omitzero"`

	// times is how often it was reached since.
	// +required
	// +kubebuilder:validation:Minimum=1
	Times int64 `json:"times,omitempty"`

	// roomSinceTime is since when there has been room. It is absent while there is none.
	// +optional
	RoomSinceTime metav1.Time `json:"roomSinceTime,omitzero"`
}

// CountSource is where counts come from.
// +kubebuilder:validation:Enum=Ledger;Prometheus;Mixed
type CountSource string

// The sources of counts.
const (
	// CountedHere: the operator counted the deliveries that it received.
	CountedHere CountSource = "Ledger"
	// CountedByPrometheus: the answers of a Prometheus.
	CountedByPrometheus CountSource = "Prometheus"
	// CountedMixed: some numbers of a portfolio are counted here, others by a Prometheus.
	CountedMixed CountSource = "Mixed"
)

// UsageStatus is what the number has used, as of observedTime. It is written with each decision, and else when the number's own
// counts have changed: the metrics have the counts live. Those that the operator counts itself are exact.
type UsageStatus struct {
	// source says where the counts come from: of the number, on a portfolio of its numbers. In those of a Prometheus used is
	// rather too high and what counts for an upgrade rather too low.
	// +required
	Source CountSource `json:"source,omitempty"`

	// sampledTime is when a Prometheus was asked for used, on a portfolio the longest ago for any of its numbers.
	// +optional
	SampledTime metav1.Time `json:"sampledTime,omitzero"`

	// observedTime is when the counts were taken.
	// +required
	ObservedTime metav1.Time `json:"observedTime,omitzero"`

	// used is how much of the limit is used in the policy's window: by the number, or by its portfolio where the limit is
	// shared, of which what other numbers sent after observedTime shows on the portfolio. It is absent until a Prometheus that the
	// counts come from has answered.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Used *int64 `json:"used,omitempty"`

	// ownUsed is how much of it the number itself has used. A user whom several numbers of a portfolio reached counts once in
	// used, and in ownUsed of each. It is absent on a portfolio.
	// +optional
	// +kubebuilder:validation:Minimum=0
	OwnUsed *int64 `json:"ownUsed,omitempty"`

	// remaining is how many further users may be messaged: what is left of the limit, and 0 whenever nothing may be sent to them,
	// for the reason of the condition Sendable. It is absent where nothing limits it.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Remaining *int64 `json:"remaining,omitempty"`

	// sendableTime is when further users may be messaged again by itself, if nothing further is delivered. It is absent while they
	// may be, and where that does not end by itself.
	// +optional
	SendableTime metav1.Time `json:"sendableTime,omitzero"`

	// roomFreesTime is when used next falls, if nothing further is delivered. It is absent where a Prometheus counts.
	// +optional
	RoomFreesTime metav1.Time `json:"roomFreesTime,omitzero"`

	// uniqueUsers7d is how many users had a counted delivery in the last 7 days. It is absent where a Prometheus counts over another
	// time, and on a portfolio for whose numbers it does.
	// +optional
	// +kubebuilder:validation:Minimum=0
	UniqueUsers7d *int64 `json:"uniqueUsers7d,omitempty"`

	// messages7d is how many counted deliveries there were in the last 7 days. It is absent where uniqueUsers7d may be.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Messages7d *int64 `json:"messages7d,omitempty"`

	// lastDeliveryTime is the last counted delivery, as far as it still counts.
	// +optional
	LastDeliveryTime metav1.Time `json:"lastDeliveryTime,omitzero"`

	// lastReceivedTime is when anything was last received about the number, from Meta's webhooks or as an event: of a message, of its
	// user, or of the number itself. It is written with the counts, and may be a quarter of an hour behind. It is absent on a
	// portfolio, and where nothing was ever received.
	// +optional
	LastReceivedTime metav1.Time `json:"lastReceivedTime,omitzero"`
}

// FailureStatus is a message that did not reach its user.
type FailureStatus struct {
	// code is Meta's error code. It is absent where Meta gave none.
	// +optional
	// +kubebuilder:validation:Minimum=1
	Code int64 `json:"code,omitempty"`

	// class is the code itself where it says something of its own (131026, 130472, 131048, 131049, 131064), or what kind of error it
	// is: throttled, account, number, user, window, template, message, meta or other.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	Class string `json:"class,omitempty"`

	// meaning says in a sentence what the class means.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Meaning string `json:"meaning,omitempty"`

	// time at which it failed.
	// +required
	Time metav1.Time `json:"time,omitzero"`
}

// ThroughputStatus is how many messages Meta lets a number send and receive.
type ThroughputStatus struct {
	// level in Meta's word: STANDARD, HIGH or NOT_APPLICABLE, or as it came.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Level string `json:"level,omitempty"`

	// messagesPerSecond is what Meta documents of the level, in both directions together: 80 of STANDARD, 1000 of HIGH, and 20 of a
	// number that the WhatsApp Business app uses too. It is absent where Meta documents nothing.
	// +optional
	// +kubebuilder:validation:Minimum=1
	MessagesPerSecond int64 `json:"messagesPerSecond,omitempty"`

	// reportedTime is when Meta said so.
	// +required
	ReportedTime metav1.Time `json:"reportedTime,omitzero"`
}

// CompletenessStatus compares the deliveries that were counted here over a day with those that Meta tells of the number.
type CompletenessStatus struct {
	// fromTime is when the day begins: midnight UTC.
	// +required
	FromTime metav1.Time `json:"fromTime,omitzero"`

	// toTime is when the day ends.
	// +required
	ToTime metav1.Time `json:"toTime,omitzero"`

	// counted is how many messages the operator knows to be delivered in it, in a customer service window or not.
	// +required
	// +kubebuilder:validation:Minimum=0
	Counted *int64 `json:"counted,omitempty"`

	// reported is how many Meta says, whose figures are approximate.
	// +required
	// +kubebuilder:validation:Minimum=0
	Reported *int64 `json:"reported,omitempty"`
}

// UpgradeStatus is how far the next tier is.
type UpgradeStatus struct {
	// nextTier is the name of the next tier.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	NextTier string `json:"nextTier,omitempty"`

	// required is how much of the policy's measure the upgrade needs.
	// +required
	// +kubebuilder:validation:Minimum=1
	Required int64 `json:"required,omitempty"`

	// achieved is how much of it there is, as of usage.observedTime. It is absent while nobody knows.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Achieved *int64 `json:"achieved,omitempty"`

	// eligibleSinceTime is when everything required was met.
	// +optional
	EligibleSinceTime metav1.Time `json:"eligibleSinceTime,omitzero"`

	// effectiveTime is when the tier rises.
	// +optional
	EffectiveTime metav1.Time `json:"effectiveTime,omitzero"`

	// countedFromTime is the instant from which deliveries count for the upgrade, where a flag restarted the count.
	// +optional
	CountedFromTime metav1.Time `json:"countedFromTime,omitzero"`

	// missing says in sentences what is missing. It is empty once the number is eligible.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=256
	Missing []string `json:"missing,omitempty"`
}

// ConnectionStatus is what is known of the number's registration.
type ConnectionStatus struct {
	// state that Meta reported last: Connected, Pending, Offline or Blocked, or Connected where nothing was reported.
	// +required
	State State `json:"state,omitempty"`

	// sinceTime is when the state became what it is.
	// +required
	SinceTime metav1.Time `json:"sinceTime,omitzero"`

	// source says where the state comes from.
	// +required
	Source Source `json:"source,omitempty"`

	// reportedTime is when Meta last reported the state.
	// +optional
	ReportedTime metav1.Time `json:"reportedTime,omitzero"`

	// reason is what Meta gave as one, such as PARTNER_REMOVED, PRIMARY_INACTIVITY, in its words.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Reason string `json:"reason,omitempty"`
}

// VerificationStatus is the verification that the rules use.
type VerificationStatus struct {
	// state is the reported verification, or the spec's where nothing was reported.
	// +required
	State Verification `json:"state,omitempty"`

	// sinceTime is when the verification became what it is.
	// +required
	SinceTime metav1.Time `json:"sinceTime,omitzero"`

	// source says whether Meta reported it or the spec says it (Policy).
	// +required
	Source Source `json:"source,omitempty"`

	// reportedTime is when Meta last reported it.
	// +optional
	ReportedTime metav1.Time `json:"reportedTime,omitzero"`
}

// Statement is something that Meta said: in the words used here, or as it came where there is none.
type Statement struct {
	// value is what Meta said, such as Approved, SCAM or RESTRICTED_UTILITY_TEMPLATES.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Value string `json:"value,omitempty"`

	// reason that Meta gave, or the date of a ban, as it came.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Reason string `json:"reason,omitempty"`

	// reportedTime is when Meta said so.
	// +required
	ReportedTime metav1.Time `json:"reportedTime,omitzero"`

	// untilTime is when it ends by itself. It is absent where it does not.
	// +optional
	UntilTime metav1.Time `json:"untilTime,omitzero"`
}

// AccountStatus is what Meta said of the number's WhatsApp Business account.
type AccountStatus struct {
	// id of the account that all of it is about.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	ID string `json:"id,omitempty"`

	// review is how Meta's review of the account ended: Approved, Rejected, Pending or Deferred.
	// +optional
	Review Statement `json:"review,omitzero"`

	// restrictions are what Meta restricts of the account, in its words, until they end. Two of them restrict the number:
	// RESTRICTED_BIZ_INITIATED_MESSAGING, under which it can only reply, and RESTRICTED_CUSTOMER_INITIATED_MESSAGING, under which
	// it cannot even reply.
	// +optional
	// +listType=map
	// +listMapKey=value
	// +kubebuilder:validation:MaxItems=16
	Restrictions []Statement `json:"restrictions,omitempty"`

	// businessInitiated is the restriction under which the number may begin no conversation. It is absent where none holds.
	// +optional
	BusinessInitiated Statement `json:"businessInitiated,omitzero"`

	// customerInitiated is the restriction under which the number may not even reply. It is absent where none holds.
	// +optional
	CustomerInitiated Statement `json:"customerInitiated,omitzero"`

	// restrictionsLiftedTime is when Meta last reported that no restriction of the account is left, or that the number is
	// connected in spite of one without an end.
	// +optional
	RestrictionsLiftedTime metav1.Time `json:"restrictionsLiftedTime,omitzero"`

	// violation is the last violation of a policy that Meta reported, such as SCAM.
	// +optional
	Violation Statement `json:"violation,omitzero"`

	// ban is whether Meta disabled the account: DISABLE, REINSTATE, or SCHEDULE_FOR_DISABLE with the date as the reason.
	// +optional
	Ban Statement `json:"ban,omitzero"`
}

// TransitionReason says what happened to a number.
// +kubebuilder:validation:Enum=TierUpgraded;TierDowngraded;UpgradePending;UpgradeCancelled;QualityChanged;Flagged;FlagCleared;Restricted;RestrictionLifted;Blocked;Unblocked;ConnectionChanged;VerificationChanged;LimitReported;TemplateFlagged;TemplateFlagCleared;TemplateBlocked;TemplatePaused;TemplateResumed;TemplateStateChanged;TemplateCategoryChanged;TemplateCategoryAnnounced
type TransitionReason string

// The reasons are the same in status.history, Kubernetes Events and metrics.
const (
	// ReasonTierUpgraded: the tier rose.
	ReasonTierUpgraded TransitionReason = "TierUpgraded"
	// ReasonTierDowngraded: the tier fell after Low lasted for the policy's grace period.
	ReasonTierDowngraded TransitionReason = "TierDowngraded"
	// ReasonUpgradePending: everything for the next tier is met; it rises after the policy's delay.
	ReasonUpgradePending TransitionReason = "UpgradePending"
	// ReasonUpgradeCancelled: the quality fell, or a flag was raised, before a pending upgrade took effect.
	ReasonUpgradeCancelled TransitionReason = "UpgradeCancelled"
	// ReasonQualityChanged: the quality rating changed.
	ReasonQualityChanged TransitionReason = "QualityChanged"
	// ReasonFlagged: the rating fell to Low.
	ReasonFlagged TransitionReason = "Flagged"
	// ReasonFlagCleared: the flag ended, by recovery, by its deadline, or by Meta's word.
	ReasonFlagCleared TransitionReason = "FlagCleared"
	// ReasonRestricted: the limit was reached.
	ReasonRestricted TransitionReason = "Restricted"
	// ReasonRestrictionLifted: there is room below the limit again.
	ReasonRestrictionLifted TransitionReason = "RestrictionLifted"
	// ReasonBlocked: the number may not send any more.
	ReasonBlocked TransitionReason = "Blocked"
	// ReasonUnblocked: Meta connected a blocked number again.
	ReasonUnblocked TransitionReason = "Unblocked"
	// ReasonConnectionChanged: Meta reported another connection state.
	ReasonConnectionChanged TransitionReason = "ConnectionChanged"
	// ReasonVerificationChanged: the verification of the business changed.
	ReasonVerificationChanged TransitionReason = "VerificationChanged"
	// ReasonLimitReported: Meta reported another limit than the policy had concluded.
	ReasonLimitReported TransitionReason = "LimitReported"
	// ReasonTemplateFlagged: the rating of a template fell to Low; it is blocked unless it is edited or rated better.
	ReasonTemplateFlagged TransitionReason = "TemplateFlagged"
	// ReasonTemplateFlagCleared: a flagged template was edited or rated better.
	ReasonTemplateFlagCleared TransitionReason = "TemplateFlagCleared"
	// ReasonTemplateBlocked: a template can not be sent any more.
	ReasonTemplateBlocked TransitionReason = "TemplateBlocked"
	// ReasonTemplatePaused: a template can not be sent for some time.
	ReasonTemplatePaused TransitionReason = "TemplatePaused"
	// ReasonTemplateResumed: a template can be sent again.
	ReasonTemplateResumed TransitionReason = "TemplateResumed"
	// ReasonTemplateStateChanged: Meta reports that a template is in review, rejected, archived or another state in which it
	// can not be sent.
	ReasonTemplateStateChanged TransitionReason = "TemplateStateChanged"
	// ReasonTemplateCategoryChanged: Meta changed the category of a template, and with it the price.
	ReasonTemplateCategoryChanged TransitionReason = "TemplateCategoryChanged"
	// ReasonTemplateCategoryAnnounced: Meta will change the category of a template.
	ReasonTemplateCategoryAnnounced TransitionReason = "TemplateCategoryAnnounced"
)

// Transition is one thing that happened to a number, a portfolio or a template.
type Transition struct {
	// time at which it happened.
	// +required
	Time metav1.Time `json:"time,omitzero"`

	// reason says what happened.
	// +required
	Reason TransitionReason `json:"reason,omitempty"`

	// rule is the rule that made it, by its number in docs/rules.md. It is absent where none did, such as where the policy changed.
	// +optional
	Rule Rule `json:"rule,omitempty"`

	// from is the tier, rating, state or category before.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	From string `json:"from,omitempty"`

	// to is the tier, rating, state or category after.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	To string `json:"to,omitempty"`

	// message says in a sentence why.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`
}

// TemplateInUse is a message template of a number, as its MessageTemplate says.
type TemplateInUse struct {
	// name of the MessageTemplate, in the number's namespace.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// state of the template.
	// +required
	State TemplateState `json:"state,omitempty"`

	// rating of the template.
	// +required
	Rating QualityRating `json:"rating,omitempty"`
}

// NotificationProgress is how far the transitions of a resource were sent to one receiver.
type NotificationProgress struct {
	// receiver is the name of the receiver in the operator's configuration.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Receiver string `json:"receiver,omitempty"`

	// transitions is how many of the resource's transitions are done with: sent, or not asked for.
	// +required
	// +kubebuilder:validation:Minimum=0
	Transitions *int64 `json:"transitions,omitempty"`
}

// PhoneNumberStatus is where the number stands.
type PhoneNumberStatus struct {
	// conditions are Ready (the operator does its job for this number), Sendable, Flagged, Restricted, RulesAgree, UsageFresh and,
	// where the number's account is read from Meta, ReportsFresh and UsageComplete.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// observedGeneration is the generation of the spec that this status is of; -1 until there is one.
	// +optional
	// +kubebuilder:validation:Minimum=-1
	ObservedGeneration int64 `json:"observedGeneration,omitempty"` //nolint:kubeapilinter // -1 until there is one is what kstatus expects; 0 never is

	// policyName is the policy that applies.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	PolicyName string `json:"policyName,omitempty"`

	// policyGeneration is the generation of the policy that was applied.
	// +optional
	// +kubebuilder:validation:Minimum=1
	PolicyGeneration int64 `json:"policyGeneration,omitempty"`

	// portfolio is the BusinessPortfolio that the limit belongs to. It is absent where the number has a limit of its own.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Portfolio string `json:"portfolio,omitempty"`

	// portfolioSinceTime is when the number came to the portfolio from elsewhere. It is absent where it was always there.
	// +optional
	PortfolioSinceTime metav1.Time `json:"portfolioSinceTime,omitzero"`

	// portfolioReport is the sequence number of the last of Meta's reports from before the number had a part in the portfolio.
	// Those after it are about what the portfolio shares.
	// +optional
	// +kubebuilder:validation:Minimum=1
	PortfolioReport int64 `json:"portfolioReport,omitempty"`

	// state is what the number can do now: Blocked, Pending, Offline, Restricted, Flagged or Connected.
	// +optional
	State State `json:"state,omitempty"`

	// tier is how many users the number may message.
	// +optional
	Tier TierStatus `json:"tier,omitzero"`

	// quality is the number's quality rating.
	// +optional
	Quality QualityStatus `json:"quality,omitzero"`

	// flag is set while the number is flagged.
	// +optional
	Flag FlagStatus `json:"flag,omitzero"`

	// flagClearedTime is when the last flag ended.
	// +optional
	FlagClearedTime metav1.Time `json:"flagClearedTime,omitzero"`

	// restriction is set while the number is restricted.
	// +optional
	Restriction RestrictionStatus `json:"restriction,omitzero"`

	// limitReached is set while the limit is reached again and again.
	// +optional
	LimitReached LimitReachedStatus `json:"limitReached,omitzero"`

	// connection is what is known of the number's registration.
	// +optional
	Connection ConnectionStatus `json:"connection,omitzero"`

	// verification is the verification that the rules use.
	// +optional
	Verification VerificationStatus `json:"verification,omitzero"`

	// displayName is how Meta's review of a display name ended: Approved, Rejected, Pending or Deferred.
	// +optional
	DisplayName Statement `json:"displayName,omitzero"`

	// health is whether Meta lets the number send messages: Available, Limited or Blocked, with what is in the way as the reason.
	// It is absent where Meta never said that it was not available.
	// +optional
	Health Statement `json:"health,omitzero"`

	// account is what Meta said of the WhatsApp Business account that the spec names.
	// +optional
	Account AccountStatus `json:"account,omitzero"`

	// alert is the last thing that Meta alerted to about the number or its account, such as OBA_APPROVED.
	// +optional
	Alert Statement `json:"alert,omitzero"`

	// throughput is how many messages Meta lets the number send and receive. It is absent until Meta says it.
	// +optional
	Throughput ThroughputStatus `json:"throughput,omitzero"`

	// usage is what the number has used.
	// +optional
	Usage UsageStatus `json:"usage,omitzero"`

	// lastFailure is the last message that failed, as far as one did since the operator came.
	// +optional
	LastFailure FailureStatus `json:"lastFailure,omitzero"`

	// completeness compares what was counted with what Meta tells, over the last day that was measured. It is absent where the
	// number's account is not read from Meta.
	// +optional
	Completeness CompletenessStatus `json:"completeness,omitzero"`

	// upgrade is how far the next tier is. It is absent on an unlimited or last tier.
	// +optional
	Upgrade UpgradeStatus `json:"upgrade,omitzero"`

	// explanation says in sentences why the number is where it is, what is missing for the next tier, and what would lower it. Each
	// names its rule.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=1024
	Explanation []string `json:"explanation,omitempty"`

	// nextDeadlineTime is the next instant at which something changes by itself, if nothing further is delivered or
	// reported.
	// +optional
	NextDeadlineTime metav1.Time `json:"nextDeadlineTime,omitzero"`

	// observedReport is the sequence number of the last of Meta's reports that is part of this status.
	// +optional
	// +kubebuilder:validation:Minimum=1
	ObservedReport int64 `json:"observedReport,omitempty"`

	// templates are the message templates of the number that a MessageTemplate in its namespace describes, by name.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	Templates []TemplateInUse `json:"templates,omitempty"`

	// transitions is how many transitions there were in all; the last of the history has this number.
	// +optional
	// +kubebuilder:validation:Minimum=1
	Transitions int64 `json:"transitions,omitempty"`

	// history is the last 20 transitions, oldest first.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=20
	History []Transition `json:"history,omitempty"`

	// notifications say how far the transitions were sent to each receiver of the operator's configuration.
	// +optional
	// +listType=map
	// +listMapKey=receiver
	// +kubebuilder:validation:MaxItems=16
	Notifications []NotificationProgress `json:"notifications,omitempty"`
}

// PhoneNumber is a WhatsApp Business phone number: who it belongs to, where it stands, what it may still send today, and
// what happens next.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=pn;wapn,categories=whatsapp
// +kubebuilder:printcolumn:name="Number",type=string,JSONPath=`.spec.phoneNumber`
// +kubebuilder:printcolumn:name="Tier",type=string,JSONPath=`.status.tier.name`
// +kubebuilder:printcolumn:name="Limit",type=integer,JSONPath=`.status.tier.limit`
// +kubebuilder:printcolumn:name="Used",type=integer,JSONPath=`.status.usage.used`
// +kubebuilder:printcolumn:name="Remaining",type=integer,JSONPath=`.status.usage.remaining`
// +kubebuilder:printcolumn:name="Quality",type=string,JSONPath=`.status.quality.rating`
// +kubebuilder:printcolumn:name="State",type=string,JSONPath=`.status.state`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Next Deadline",type=string,JSONPath=`.status.nextDeadlineTime`,priority=1
// +kubebuilder:printcolumn:name="Portfolio",type=string,JSONPath=`.status.portfolio`,priority=1
// +kubebuilder:printcolumn:name="Own Used",type=integer,JSONPath=`.status.usage.ownUsed`,priority=1
// +kubebuilder:printcolumn:name="Policy",type=string,JSONPath=`.status.policyName`,priority=1
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:selectablefield:JSONPath=`.status.state`
// +kubebuilder:selectablefield:JSONPath=`.status.tier.name`
// +kubebuilder:selectablefield:JSONPath=`.status.quality.rating`
// +kubebuilder:selectablefield:JSONPath=`.spec.phoneNumber`
// +kubebuilder:selectablefield:JSONPath=`.spec.policyName`
// +kubebuilder:selectablefield:JSONPath=`.status.portfolio`
type PhoneNumber struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// spec says which number it is and who it belongs to.
	// +required
	Spec PhoneNumberSpec `json:"spec,omitzero"`

	// status is where the number stands.
	// +optional
	// +default={"observedGeneration":-1}
	Status PhoneNumberStatus `json:"status,omitzero"`
}

// PhoneNumberList is a list of phone numbers.
//
// +kubebuilder:object:root=true
type PhoneNumberList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitzero"`

	Items []PhoneNumber `json:"items"`
}
