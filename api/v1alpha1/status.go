package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Object is a resource whose status the operator writes: a PhoneNumber, a BusinessPortfolio, a MessageTemplate or a NumberPool.
//
// +kubebuilder:object:generate=false
// +kubebuilder:ac:generate=false
type Object interface {
	metav1.Object
	runtime.Object
	// CommonStatus is the part of the status that all kinds have. It is the object's own, not a copy.
	CommonStatus() *CommonStatus
	// Summary is the status in one line.
	Summary() Summary
}

// Summary is where a resource stands, in the words of its status. What its kind does not have is empty.
//
// +kubebuilder:object:generate=false
// +kubebuilder:ac:generate=false
type Summary struct {
	Policy  string
	State   string
	Tier    string
	Limit   int64 // zero for an unlimited tier
	Used    *int64
	Quality QualityRating
}

// CommonStatus is the part of a status that all kinds have.
type CommonStatus struct {
	// conditions are Ready (the operator does its job for the resource) and Sendable, and, as far as the kind has them, Flagged,
	// Restricted, RulesAgree, UsageFresh, UsageComplete, ReportsFresh, BudgetsFit and MembersFit.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// observedGeneration is the generation of the spec that this status is of; -1 until there is one.
	// +optional
	// +kubebuilder:validation:Minimum=-1
	ObservedGeneration int64 `json:"observedGeneration,omitempty"` //nolint:kubeapilinter // -1 until there is one is what kstatus expects; 0 never is

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

// PolicyStatus is the part of a status that says which rules made it, and of what.
type PolicyStatus struct {
	// policyName is the policy that applies.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	PolicyName string `json:"policyName,omitempty"`

	// policyGeneration is the generation of the policy that was applied.
	// +optional
	// +kubebuilder:validation:Minimum=1
	PolicyGeneration int64 `json:"policyGeneration,omitempty"`

	// observedReport is the sequence number of the last of Meta's reports about the resource itself that is part of this status.
	// +optional
	// +kubebuilder:validation:Minimum=1
	ObservedReport int64 `json:"observedReport,omitempty"`
}

// LimitStatus is the part of a status that is about a messaging limit: that of a number, or that of a portfolio, which its numbers
// share.
type LimitStatus struct {
	// tier is how many users may be messaged: by the number, or by the numbers of the portfolio together.
	// +optional
	Tier TierStatus `json:"tier,omitzero"`

	// connection is what is known of the number's registration. A portfolio is Connected while at least one of its numbers is
	// connected and not flagged.
	// +optional
	Connection ConnectionStatus `json:"connection,omitzero"`

	// restriction is set while the limit is reached, or while Meta restricts the number.
	// +optional
	Restriction RestrictionStatus `json:"restriction,omitzero"`

	// limitReached is set while the limit is reached again and again.
	// +optional
	LimitReached LimitReachedStatus `json:"limitReached,omitzero"`

	// verification is the verification that the rules use.
	// +optional
	Verification VerificationStatus `json:"verification,omitzero"`

	// usage is what is used of the limit. A user whom several numbers of a portfolio reached counts once.
	// +optional
	Usage UsageStatus `json:"usage,omitzero"`

	// budgets are how much of the limit the budgets of the spec use, in its order. They are of whoever has the limit.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	Budgets []BudgetStatus `json:"budgets,omitempty"`

	// upgrade is how far the next tier is. It is absent on an unlimited or last tier.
	// +optional
	Upgrade UpgradeStatus `json:"upgrade,omitzero"`

	// explanation says in sentences why the tier and the quality are what they are, what is missing for the next tier, and what would
	// lower it. Each names its rule.
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
}

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
