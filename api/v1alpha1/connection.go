package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// State is what a number can do now.
// +kubebuilder:validation:Enum=Blocked;Pending;Offline;Restricted;Flagged;Connected
type State string

// The states, highest first: where several hold, the highest shows.
const (
	// StateBlocked: the number may not send any more (seeds/003).
	StateBlocked State = "Blocked"
	// StatePending: the number is not yet registered (seeds/002, 004).
	StatePending State = "Pending"
	// StateOffline: WhatsApp's servers cannot reach the number (seeds/002, 004).
	StateOffline State = "Offline"
	// StateRestricted: the limit is reached; only replies inside a customer service window go out (seeds/001, 002, 004).
	StateRestricted State = "Restricted"
	// StateFlagged: the quality rating is low, and the tier falls unless it recovers in time (seeds/001 to 004).
	StateFlagged State = "Flagged"
	// StateConnected: the number is online and functioning normally (seeds/002, 004).
	StateConnected State = "Connected"
)

// ConnectionStatus is what is known of the number's registration.
type ConnectionStatus struct {
	// state that Meta reported last: Connected, Pending, Offline or Blocked, or Connected where nothing was reported.
	// +required
	State State `json:"state,omitempty"`

	// sinceTime is when the state became what it is.
	// +required
	SinceTime metav1.Time `json:"sinceTime,omitzero"`

	// source says where the state comes from.
	// +required
	Source Source `json:"source,omitempty"`

	// reportedTime is when Meta last reported the state.
	// +optional
	ReportedTime metav1.Time `json:"reportedTime,omitzero"`

	// reason is what Meta gave as one, such as PARTNER_REMOVED, PRIMARY_INACTIVITY, in its words.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Reason string `json:"reason,omitempty"`
}
