package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Verification is how far Meta's verification of a business has come.
// +kubebuilder:validation:Enum=Verified;Unverified;Pending;Rejected
type Verification string

// The verifications. Only Verified lifts the start tier (seeds/002).
const (
	// Verified: Meta verified the business.
	Verified Verification = "Verified"
	// Unverified: verification was not asked for.
	Unverified Verification = "Unverified"
	// VerificationPending: Meta has not decided yet.
	VerificationPending Verification = "Pending"
	// VerificationRejected: Meta did not verify the business.
	VerificationRejected Verification = "Rejected"
)

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
