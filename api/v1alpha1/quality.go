package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// QualityRating is how users receive a number's messages.
// +kubebuilder:validation:Enum=High;Medium;Low;Unknown
type QualityRating string

// The ratings. Unknown counts as High.
const (
	// QualityHigh: GREEN, in Meta's words.
	QualityHigh QualityRating = "High"
	// QualityMedium: YELLOW.
	QualityMedium QualityRating = "Medium"
	// QualityLow: RED. It flags the number under policies that have flags.
	QualityLow QualityRating = "Low"
	// QualityUnknown: nothing was reported, and nothing can be computed. It counts as High.
	QualityUnknown QualityRating = "Unknown"
)

// Below says whether a rating is lower than another. None at all is below all.
func (r QualityRating) Below(other QualityRating) bool { return r.rank() < other.rank() }

func (r QualityRating) rank() int {
	switch r {
	case QualityHigh, QualityUnknown:
		return 3
	case QualityMedium:
		return 2
	case QualityLow:
		return 1
	default:
		return 0
	}
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
	// FeedbackBlock: the user blocked the number.
	FeedbackBlock FeedbackKind = "Block"
	// FeedbackReport: the user reported the number to WhatsApp.
	FeedbackReport FeedbackKind = "Report"
	// FeedbackMute: the user muted the chat.
	FeedbackMute FeedbackKind = "Mute"
	// FeedbackArchive: the user archived the chat.
	FeedbackArchive FeedbackKind = "Archive"
)

// FeedbackReason is why, as the user chose it.
// +kubebuilder:validation:Enum=NoLongerNeeded;DidNotSignUp;Spam;OffensiveMessages;NoReason;Other
type FeedbackReason string

// The reasons that Meta offers to a user who blocks a business (seeds/002), and Other for what came later.
const (
	// FeedbackNoLongerNeeded: the user has no use for the messages any more.
	FeedbackNoLongerNeeded FeedbackReason = "NoLongerNeeded"
	// FeedbackDidNotSignUp: the user did not ask for messages.
	FeedbackDidNotSignUp FeedbackReason = "DidNotSignUp"
	// FeedbackSpam: the user takes them for spam.
	FeedbackSpam FeedbackReason = "Spam"
	// FeedbackOffensiveMessages: the messages offend the user.
	FeedbackOffensiveMessages FeedbackReason = "OffensiveMessages"
	// FeedbackNoReason: the user gave none.
	FeedbackNoReason FeedbackReason = "NoReason"
	// FeedbackOther: a reason that is none of these.
	FeedbackOther FeedbackReason = "Other"
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
