package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

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

// Rule is the number of a rule, under which docs/rules.md has it and where it comes from.
// +kubebuilder:validation:Minimum=1
// +kubebuilder:validation:Maximum=10
type Rule int32

// The rules.
const (
	// NoRule: a change of the policy or of the portfolio did it, or what users think, which is no rule of its own.
	NoRule              Rule = 0
	RuleRestriction     Rule = 1
	RuleUpgrade         Rule = 2
	RuleFlag            Rule = 3
	RuleFloor           Rule = 4
	RuleBlock           Rule = 5
	RuleVerification    Rule = 6
	RuleHumanEscalation Rule = 7
	RuleTemplates       Rule = 8
	RuleReports         Rule = 9
	RuleUnlimited       Rule = 10
)
