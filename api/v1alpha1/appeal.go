package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

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
