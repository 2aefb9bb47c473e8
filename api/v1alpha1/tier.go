package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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
