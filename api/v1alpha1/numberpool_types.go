package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// PoolStrategy says which number of a pool sends to a user who is in no customer service window with any of them.
// +kubebuilder:validation:Enum=Sticky;LeastUsed;Weighted
type PoolStrategy string

// The strategies.
const (
	// Sticky keeps a user with the number that last exchanged a message with them within 30 days, while that one may send, and spreads the
	// others evenly.
	Sticky PoolStrategy = "Sticky"
	// LeastUsed takes the number of whose limit the least is used.
	LeastUsed PoolStrategy = "LeastUsed"
	// Weighted spreads users by the annotation AnnotationWeight of the numbers.
	Weighted PoolStrategy = "Weighted"
)

// LowQuality says what becomes of a number of a pool that is rated too low.
// +kubebuilder:validation:Enum=Drain;Keep
type LowQuality string

// What becomes of it.
const (
	// Drain lets the number send to users inside customer service windows only.
	Drain LowQuality = "Drain"
	// Keep lets it send on.
	Keep LowQuality = "Keep"
)

// NumberPoolSpec says which numbers send for the pool, and which of them to whom.
type NumberPoolSpec struct {
	// selector selects the numbers by their labels, among the PhoneNumbers of the namespace.
	// +required
	Selector *metav1.LabelSelector `json:"selector,omitempty"`

	// strategy says which number sends to a user who is in no customer service window with any of them, Sticky where it is left out.
	// +optional
	Strategy PoolStrategy `json:"strategy,omitempty"`

	// minimumQuality is the rating below which a number is rated too low, High or Medium; Medium where it is left out. Unknown counts as
	// High.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self in ['High', 'Medium']",message="minimumQuality must be High or Medium; for numbers that send whatever their rating, set onLowQuality: Keep"
	MinimumQuality QualityRating `json:"minimumQuality,omitempty"`

	// onLowQuality says what becomes of a number that is rated too low, Drain where it is left out.
	// +optional
	OnLowQuality LowQuality `json:"onLowQuality,omitempty"`

	// categories of the messages that the pool is for. Where it is left out it is for all.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=4
	Categories []MessageCategory `json:"categories,omitempty"`
}

// PoolMember is a number that sends for a pool.
type PoolMember struct {
	// name of the PhoneNumber.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// state of the number. It is absent until the number has one.
	// +optional
	State State `json:"state,omitempty"`

	// remaining is how many further users the number may message now. It is absent where nothing limits it.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Remaining *int64 `json:"remaining,omitempty"`

	// reason why the number may message no further users; absent where it may.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Reason RoomReason `json:"reason,omitempty"`
}

// UnsendableStatus is a time in which no number of a pool may message further users. Its beginning and its end are told, and stand in the
// history; it is over once one could for an hour without a break.
type UnsendableStatus struct {
	// sinceTime is since when none may.
	// +required
	SinceTime metav1.Time `json:"sinceTime,omitzero"`

	// roomSinceTime is since when one may again. It is absent while none may.
	// +optional
	RoomSinceTime metav1.Time `json:"roomSinceTime,omitzero"`
}

// NumberPoolStatus is where the pool stands. Its conditions are Ready (the gate chooses among the numbers that the spec says), Sendable and
// MembersFit.
type NumberPoolStatus struct {
	CommonStatus `json:",inline"`

	// numbers is how many numbers send for the pool.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Numbers *int32 `json:"numbers,omitempty"`

	// sendable is how many of them may message further users now.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Sendable *int32 `json:"sendable,omitempty"`

	// remaining is how many further users they may message now together. A limit that several share counts once. It is absent where
	// nothing limits it.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Remaining *int64 `json:"remaining,omitempty"`

	// reserved is how much of their limits is held for messages that are under way.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Reserved *int64 `json:"reserved,omitempty"`

	// sendableTime is when further users may be messaged again, while none may; absent where that is not known.
	// +optional
	SendableTime metav1.Time `json:"sendableTime,omitzero"`

	// members are the numbers, by name; the first 100.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=100
	Members []PoolMember `json:"members,omitempty"`

	// unsendable is set while no number may message further users, and until one could for an hour without a break.
	// +optional
	Unsendable UnsendableStatus `json:"unsendable,omitzero"`
}

// NumberPool is several PhoneNumbers of a namespace as one sender: a reservation names the pool, and the gate chooses the number.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=npool,categories=whatsapp
// +kubebuilder:printcolumn:name="Strategy",type=string,JSONPath=`.spec.strategy`
// +kubebuilder:printcolumn:name="Numbers",type=integer,JSONPath=`.status.numbers`
// +kubebuilder:printcolumn:name="Can Send",type=integer,JSONPath=`.status.sendable`
// +kubebuilder:printcolumn:name="Remaining",type=integer,JSONPath=`.status.remaining`
// +kubebuilder:printcolumn:name="Sendable",type=string,JSONPath=`.status.conditions[?(@.type=="Sendable")].status`
// +kubebuilder:printcolumn:name="Why",type=string,JSONPath=`.status.conditions[?(@.type=="Sendable")].reason`
// +kubebuilder:printcolumn:name="Reserved",type=integer,JSONPath=`.status.reserved`,priority=1
// +kubebuilder:printcolumn:name="Fit",type=string,JSONPath=`.status.conditions[?(@.type=="MembersFit")].status`,priority=1
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type NumberPool struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// spec says which numbers send, and which of them to whom.
	// +required
	Spec NumberPoolSpec `json:"spec,omitzero"`

	// status is where the pool stands.
	// +optional
	// +default={"observedGeneration":-1}
	Status NumberPoolStatus `json:"status,omitzero"`
}

// CommonStatus implements Object.
func (p *NumberPool) CommonStatus() *CommonStatus { return &p.Status.CommonStatus }

// Summary implements Object.
func (p *NumberPool) Summary() Summary { return Summary{} }

// NumberPoolList is a list of number pools.
//
// +kubebuilder:object:root=true
type NumberPoolList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitzero"`

	Items []NumberPool `json:"items"`
}
