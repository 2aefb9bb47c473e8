package v1alpha1

import (
	"k8s.io/apimachinery/pkg/util/intstr"
)

// GateSpec says how the gate grants a messaging limit to those who ask before they send. It is of whoever has the limit: of a
// BusinessPortfolio, or of a PhoneNumber that has its limit itself.
type GateSpec struct {
	// budgets share out the limit. A message falls under the first budget that is for its number's namespace and for its category; one
	// that falls under none has what is guaranteed to nobody. The budgets of a PhoneNumber that shares the limit of a portfolio are not
	// used: the condition BudgetsFit says so.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:XValidation:rule="self.map(b, has(b.guaranteed) && type(b.guaranteed) == string, int(b.guaranteed.substring(0, size(b.guaranteed) - 1))).sum() <= 100",messageExpression="'budgets guarantee %d%% of the limit together: lower guaranteed of %s until they are 100%% at most'.format([self.map(b, has(b.guaranteed) && type(b.guaranteed) == string, int(b.guaranteed.substring(0, size(b.guaranteed) - 1))).sum(), self.map(b, has(b.guaranteed) && type(b.guaranteed) == string, b.name)])"
	Budgets []Budget `json:"budgets,omitempty"`

	// enforcement is Enforce or Shadow, Enforce where it is left out.
	// +optional
	Enforcement Enforcement `json:"enforcement,omitempty"`

	// unconfirmed is Hold or Release, Hold where it is left out.
	// +optional
	Unconfirmed Unconfirmed `json:"unconfirmed,omitempty"`

	// onUnavailable is Deny or Allow, Deny where it is left out. A budget may say otherwise for its messages.
	// +optional
	OnUnavailable OnUnavailable `json:"onUnavailable,omitempty"`
}

// Enforcement says whether the gate refuses what exceeds a limit or a budget.
// +kubebuilder:validation:Enum=Enforce;Shadow
type Enforcement string

// The enforcements.
const (
	// Enforce refuses it.
	Enforce Enforcement = "Enforce"
	// Shadow grants it all the same. What would have been refused is counted and told.
	Shadow Enforcement = "Shadow"
)

// Unconfirmed says what becomes of a reservation whose sender never said that it sent the message.
// +kubebuilder:validation:Enum=Hold;Release
type Unconfirmed string

// The ways to treat them.
const (
	// HoldUnconfirmed counts it on for 24 hours after its time to send, unless the message is delivered or fails before: what was perhaps
	// sent may be delivered.
	HoldUnconfirmed Unconfirmed = "Hold"
	// ReleaseUnconfirmed ends it with its time to send: the senders promise that nothing is sent after it.
	ReleaseUnconfirmed Unconfirmed = "Release"
)

// OnUnavailable says what becomes of a message while the gate cannot decide, since what it keeps decisions in cannot be reached. Replies
// inside customer service windows that are known to be open are sent in either case.
// +kubebuilder:validation:Enum=Deny;Allow
type OnUnavailable string

// The ways to treat such messages.
const (
	// DenyUnavailable asks their senders to try again.
	DenyUnavailable OnUnavailable = "Deny"
	// AllowUnavailable lets them be sent without a reservation unless what is known is against it. The limit and the budget may be exceeded.
	AllowUnavailable OnUnavailable = "Allow"
)

// MessageCategory is what Meta charges a message as.
// +kubebuilder:validation:Enum=Marketing;Utility;Authentication;Service
type MessageCategory string

// Budget is a part of a limit: how much of it is kept for some messages, and how much they may take at most. A user is charged to one
// budget, that of the first message that took a place of the limit for the user, until the user is neither counted nor held.
// +kubebuilder:validation:XValidation:rule="!has(self.guaranteed) || !has(self.maximum) || (type(self.guaranteed) == int && type(self.maximum) == int ? self.guaranteed <= self.maximum : type(self.guaranteed) == int || type(self.maximum) == int || size(self.guaranteed) < size(self.maximum) || size(self.guaranteed) == size(self.maximum) && self.guaranteed <= self.maximum)",message="guaranteed must not be more than maximum: lower guaranteed, or raise maximum"
type Budget struct {
	// name of the budget.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([a-z0-9-]*[a-z0-9])?$')",message="name must be lower-case letters, digits and '-', like logins"
	Name string `json:"name,omitempty"`

	// namespaces of the PhoneNumbers that it is for; those of all namespaces where it is left out.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=63
	Namespaces []string `json:"namespaces,omitempty"`

	// categories of the messages that it is for; all where it is left out.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=4
	Categories []MessageCategory `json:"categories,omitempty"`

	// guaranteed is how much of the limit is kept for the budget, and lent to nobody: a number of users, or a percentage of the limit,
	// rounded down. Where the guarantees of all budgets are more than the limit, the last ones of the list are cut, and the condition
	// BudgetsFit says which.
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? self >= 0 && self <= 1000000000 : self == '100%' || size(self) in [2, 3] && self.charAt(size(self) - 1) == '%' && self.charAt(size(self) - 2) in ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'] && (size(self) == 2 || self.charAt(0) in ['1', '2', '3', '4', '5', '6', '7', '8', '9'])",message="guaranteed must be a number of users like 400, or a percentage of the limit from 0% to 100% like \"40%\""
	Guaranteed *intstr.IntOrString `json:"guaranteed,omitempty"`

	// maximum is how much of the limit the budget may take at most: a number of users, or a percentage of the limit, rounded down.
	// Nothing but the limit bounds it where it is left out.
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? self >= 0 && self <= 1000000000 : self == '100%' || size(self) in [2, 3] && self.charAt(size(self) - 1) == '%' && self.charAt(size(self) - 2) in ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'] && (size(self) == 2 || self.charAt(0) in ['1', '2', '3', '4', '5', '6', '7', '8', '9'])",message="maximum must be a number of users like 400, or a percentage of the limit from 0% to 100% like \"40%\""
	Maximum *intstr.IntOrString `json:"maximum,omitempty"`

	// onUnavailable is Deny or Allow for messages that fall under the budget; that of the limit where it is left out.
	// +optional
	OnUnavailable OnUnavailable `json:"onUnavailable,omitempty"`
}

// BudgetStatus is a budget at usage.observedTime. Its figures are users.
type BudgetStatus struct {
	// name of the budget.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name,omitempty"`

	// used is how many of the counted users are charged to the budget.
	// +required
	// +kubebuilder:validation:Minimum=0
	Used *int64 `json:"used,omitempty"`

	// reserved is how many users are held under the budget and not counted.
	// +required
	// +kubebuilder:validation:Minimum=0
	Reserved *int64 `json:"reserved,omitempty"`

	// guaranteed is how many users are kept for the budget, of which used and reserved are a part.
	// +required
	// +kubebuilder:validation:Minimum=0
	Guaranteed *int64 `json:"guaranteed,omitempty"`

	// maximum is how many users it may take at most. It is absent where nothing but the limit bounds it.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Maximum *int64 `json:"maximum,omitempty"`

	// remaining is how many further users may be messaged under the budget, without what is guaranteed to the others, and 0 whenever
	// nothing may be sent. It is absent where nothing limits it.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Remaining *int64 `json:"remaining,omitempty"`
}
