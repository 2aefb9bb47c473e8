package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// UsageSource is where the counts of a number come from.
// +kubebuilder:validation:Enum=Ledger;Prometheus
type UsageSource string

// The sources.
const (
	// UsageFromLedger: the operator counts the deliveries that it receives.
	UsageFromLedger UsageSource = "Ledger"
	// UsageFromPrometheus: the counts are the answers of a Prometheus to queries.
	UsageFromPrometheus UsageSource = "Prometheus"
)

// UsageQueries are queries in PromQL. Each gives one sample, whatever its labels. $window stands for the window of the policy's
// limit, and $upgradeWindow for that of the next tier, each as a duration like 1d.
// +kubebuilder:validation:MinProperties=1
type UsageQueries struct {
	// used gives how much of the limit is used: unique users or conversations, as the policy counts, over $window.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=4096
	Used string `json:"used,omitempty"`

	// uniqueUsers gives the unique users, or the conversations where the policy's upgrade counts those, over $upgradeWindow.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=4096
	UniqueUsers string `json:"uniqueUsers,omitempty"`

	// messages gives the messages delivered outside of customer service windows over $upgradeWindow.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=4096
	Messages string `json:"messages,omitempty"`
}

// UsageSpec says where the counts of a number come from.
// +kubebuilder:validation:MinProperties=1
// +kubebuilder:validation:XValidation:rule="!has(self.queries) || !has(self.source) || self.source == 'Prometheus'",message="queries are asked of a Prometheus: set source to Prometheus, or leave it out"
type UsageSpec struct {
	// source is Ledger or Prometheus. Where it is left out, it is Prometheus if there are queries, here or for the whole namespace
	// in the operator's configuration, and else Ledger.
	// +optional
	Source UsageSource `json:"source,omitempty"`

	// queries replace those that the operator's configuration has for the namespace, one by one. The configuration says which
	// Prometheus is asked; without it, none is.
	// +optional
	Queries UsageQueries `json:"queries,omitzero"`
}

// CountSource is where counts come from.
// +kubebuilder:validation:Enum=Ledger;Prometheus;Mixed
type CountSource string

// The sources of counts.
const (
	// CountedHere: the operator counted the deliveries that it received.
	CountedHere CountSource = "Ledger"
	// CountedByPrometheus: the answers of a Prometheus.
	CountedByPrometheus CountSource = "Prometheus"
	// CountedMixed: some numbers of a portfolio are counted here, others by a Prometheus.
	CountedMixed CountSource = "Mixed"
)

// UsageStatus is what the number has used, as of observedTime. It is written with each decision, and else when the number's own
// counts have changed: the metrics have the counts live. Those that the operator counts itself are exact.
type UsageStatus struct {
	// source says where the counts come from: of the number, on a portfolio of its numbers. In those of a Prometheus used is
	// rather too high and what counts for an upgrade rather too low.
	// +required
	Source CountSource `json:"source,omitempty"`

	// sampledTime is when a Prometheus was asked for used, on a portfolio the longest ago for any of its numbers.
	// +optional
	SampledTime metav1.Time `json:"sampledTime,omitzero"`

	// observedTime is when the counts were taken.
	// +required
	ObservedTime metav1.Time `json:"observedTime,omitzero"`

	// used is how much of the limit is used in the policy's window: by the number, or by its portfolio where the limit is
	// shared, of which what other numbers sent after observedTime shows on the portfolio. It is absent until a Prometheus that the
	// counts come from has answered.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Used *int64 `json:"used,omitempty"`

	// ownUsed is how much of it the number itself has used. A user whom several numbers of a portfolio reached counts once in
	// used, and in ownUsed of each. It is absent on a portfolio.
	// +optional
	// +kubebuilder:validation:Minimum=0
	OwnUsed *int64 `json:"ownUsed,omitempty"`

	// reserved is how much more of the limit is held for messages that are under way: users for whom a sender reserved a place, and who
	// are not counted. Where the limit is shared it is held by all numbers of the portfolio.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Reserved *int64 `json:"reserved,omitempty"`

	// ownReserved is how much of it is held for messages of the number itself. It is absent on a portfolio.
	// +optional
	// +kubebuilder:validation:Minimum=0
	OwnReserved *int64 `json:"ownReserved,omitempty"`

	// remaining is how many further users may be messaged: what is neither used nor reserved of the limit, and 0 whenever nothing may be sent to them,
	// for the reason of the condition Sendable. It is absent where nothing limits it.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Remaining *int64 `json:"remaining,omitempty"`

	// sendableTime is when further users may be messaged again by itself, if nothing further is delivered. It is absent while they
	// may be, and where that does not end by itself.
	// +optional
	SendableTime metav1.Time `json:"sendableTime,omitzero"`

	// roomFreesTime is when used next falls, if nothing further is delivered. It is absent where a Prometheus counts.
	// +optional
	RoomFreesTime metav1.Time `json:"roomFreesTime,omitzero"`

	// uniqueUsers7d is how many users had a counted delivery in the last 7 days. It is absent where a Prometheus counts over another
	// time, and on a portfolio for whose numbers it does.
	// +optional
	// +kubebuilder:validation:Minimum=0
	UniqueUsers7d *int64 `json:"uniqueUsers7d,omitempty"`

	// messages7d is how many counted deliveries there were in the last 7 days. It is absent where uniqueUsers7d may be.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Messages7d *int64 `json:"messages7d,omitempty"`

	// lastDeliveryTime is the last counted delivery, as far as it still counts.
	// +optional
	LastDeliveryTime metav1.Time `json:"lastDeliveryTime,omitzero"`

	// lastReceivedTime is when anything was last received about the number, from Meta's webhooks or as an event: of a message, of its
	// user, or of the number itself. It is written with the counts, and may be a quarter of an hour behind. It is absent on a
	// portfolio, and where nothing was ever received.
	// +optional
	LastReceivedTime metav1.Time `json:"lastReceivedTime,omitzero"`
}

// CompletenessStatus compares the deliveries that were counted here over a day with those that Meta tells of the number.
type CompletenessStatus struct {
	// fromTime is when the day begins: midnight UTC.
	// +required
	FromTime metav1.Time `json:"fromTime,omitzero"`

	// toTime is when the day ends.
	// +required
	ToTime metav1.Time `json:"toTime,omitzero"`

	// counted is how many messages the operator knows to be delivered in it, in a customer service window or not.
	// +required
	// +kubebuilder:validation:Minimum=0
	Counted *int64 `json:"counted,omitempty"`

	// reported is how many Meta says, whose figures are approximate.
	// +required
	// +kubebuilder:validation:Minimum=0
	Reported *int64 `json:"reported,omitempty"`
}
