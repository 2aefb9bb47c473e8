package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

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
