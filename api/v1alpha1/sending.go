package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

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
