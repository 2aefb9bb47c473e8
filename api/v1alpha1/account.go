package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

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
