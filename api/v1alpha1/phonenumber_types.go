package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Activity says whether the operator works on a number.
// +kubebuilder:validation:Enum=Active;Suspended
type Activity string

// The activities.
const (
	// Active lets the rules run.
	Active Activity = "Active"
	// Suspended freezes the number's status. Usage is still counted; the rules catch up once it is active again.
	Suspended Activity = "Suspended"
)

// PhoneNumberSpec says which number it is and who it belongs to.
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.phoneNumberID) || (has(self.phoneNumberID) && self.phoneNumberID == oldSelf.phoneNumberID)",message="phoneNumberID may be set once and not be changed: create a new PhoneNumber for another number",fieldPath=".phoneNumberID",reason=FieldValueForbidden
type PhoneNumberSpec struct {
	// phoneNumber is the number in E.164, with the leading plus. It cannot be changed.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^[+][1-9][0-9]{6,14}$')",message="phoneNumber must be in E.164: a plus, the country code and 7 to 15 digits in all without spaces, like \"+15550001111\""
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="phoneNumber may not be changed: create a new PhoneNumber for another number",reason=FieldValueForbidden
	PhoneNumber string `json:"phoneNumber,omitempty"`

	// phoneNumberID is the id that Meta gave to the number. It may be set once.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^[0-9]+$')",message="phoneNumberID must be Meta's id in digits, like 106540352242922; quote it in YAML"
	PhoneNumberID string `json:"phoneNumberID,omitempty"`

	// displayName is the name that users see.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	DisplayName string `json:"displayName,omitempty"`

	// business is who the number belongs to.
	// +optional
	Business Business `json:"business,omitzero"`

	// verification of the business, Unverified where it is left out. What Meta reports replaces it.
	// +optional
	Verification Verification `json:"verification,omitempty"`

	// appeal is the last appeal against the number's rating or flag.
	// +optional
	Appeal Appeal `json:"appeal,omitzero"`

	// policyName is the MessagingPolicy whose rules apply. Where it is left out, that of the business portfolio applies, and
	// where the portfolio names none either, the policy marked with the annotation whatsapp.numberfleet.dev/is-default-policy.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$')",message="policyName must be the name of a MessagingPolicy: lower-case letters, digits, '-' and '.', like meta-2023"
	PolicyName string `json:"policyName,omitempty"`

	// usage says where the counts of the number come from, if not from what the operator receives.
	// +optional
	Usage UsageSpec `json:"usage,omitzero"`

	// activity says whether the operator works on the number, Active where it is left out.
	// +optional
	Activity Activity `json:"activity,omitempty"`

	GateSpec `json:",inline"`
}

// TemplateInUse is a message template of a number, as its MessageTemplate says.
type TemplateInUse struct {
	// name of the MessageTemplate, in the number's namespace.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// state of the template.
	// +required
	State TemplateState `json:"state,omitempty"`

	// rating of the template.
	// +required
	Rating QualityRating `json:"rating,omitempty"`
}

// PhoneNumberStatus is where the number stands. Its conditions are Ready (the operator does its job for this number), Sendable, Flagged,
// Restricted, RulesAgree, UsageFresh, where the number's account is read from Meta ReportsFresh and UsageComplete, and where it has budgets
// BudgetsFit.
type PhoneNumberStatus struct {
	CommonStatus `json:",inline"`
	PolicyStatus `json:",inline"`
	LimitStatus  `json:",inline"`

	// portfolio is the BusinessPortfolio that the limit belongs to. It is absent where the number has a limit of its own.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Portfolio string `json:"portfolio,omitempty"`

	// portfolioSinceTime is when the number came to the portfolio from elsewhere. It is absent where it was always there.
	// +optional
	PortfolioSinceTime metav1.Time `json:"portfolioSinceTime,omitzero"`

	// portfolioReport is the sequence number of the last of Meta's reports from before the number had a part in the portfolio.
	// Those after it are about what the portfolio shares.
	// +optional
	// +kubebuilder:validation:Minimum=1
	PortfolioReport int64 `json:"portfolioReport,omitempty"`

	// state is what the number can do now: Blocked, Pending, Offline, Restricted, Flagged or Connected.
	// +optional
	State State `json:"state,omitempty"`

	// quality is the number's quality rating.
	// +optional
	Quality QualityStatus `json:"quality,omitzero"`

	// flag is set while the number is flagged.
	// +optional
	Flag FlagStatus `json:"flag,omitzero"`

	// flagClearedTime is when the last flag ended.
	// +optional
	FlagClearedTime metav1.Time `json:"flagClearedTime,omitzero"`

	// displayName is how Meta's review of a display name ended: Approved, Rejected, Pending or Deferred.
	// +optional
	DisplayName Statement `json:"displayName,omitzero"`

	// health is whether Meta lets the number send messages: Available, Limited or Blocked, with what is in the way as the reason.
	// It is absent where Meta never said that it was not available.
	// +optional
	Health Statement `json:"health,omitzero"`

	// account is what Meta said of the WhatsApp Business account that the spec names.
	// +optional
	Account AccountStatus `json:"account,omitzero"`

	// alert is the last thing that Meta alerted to about the number or its account, such as OBA_APPROVED.
	// +optional
	Alert Statement `json:"alert,omitzero"`

	// throughput is how many messages Meta lets the number send and receive. It is absent until Meta says it.
	// +optional
	Throughput ThroughputStatus `json:"throughput,omitzero"`

	// lastFailure is the last message that failed, as far as one did since the operator came.
	// +optional
	LastFailure FailureStatus `json:"lastFailure,omitzero"`

	// completeness compares what was counted with what Meta tells, over the last day that was measured. It is absent where the
	// number's account is not read from Meta.
	// +optional
	Completeness CompletenessStatus `json:"completeness,omitzero"`

	// templates are the message templates of the number that a MessageTemplate in its namespace describes, by name.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	Templates []TemplateInUse `json:"templates,omitempty"`
}

// PhoneNumber is a WhatsApp Business phone number: who it belongs to, where it stands, what it may still send today, and
// what happens next.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=pn;wapn,categories=whatsapp
// +kubebuilder:printcolumn:name="Number",type=string,JSONPath=`.spec.phoneNumber`
// +kubebuilder:printcolumn:name="Tier",type=string,JSONPath=`.status.tier.name`
// +kubebuilder:printcolumn:name="Limit",type=integer,JSONPath=`.status.tier.limit`
// +kubebuilder:printcolumn:name="Used",type=integer,JSONPath=`.status.usage.used`
// +kubebuilder:printcolumn:name="Remaining",type=integer,JSONPath=`.status.usage.remaining`
// +kubebuilder:printcolumn:name="Quality",type=string,JSONPath=`.status.quality.rating`
// +kubebuilder:printcolumn:name="State",type=string,JSONPath=`.status.state`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Next Deadline",type=string,JSONPath=`.status.nextDeadlineTime`,priority=1
// +kubebuilder:printcolumn:name="Portfolio",type=string,JSONPath=`.status.portfolio`,priority=1
// +kubebuilder:printcolumn:name="Own Used",type=integer,JSONPath=`.status.usage.ownUsed`,priority=1
// +kubebuilder:printcolumn:name="Reserved",type=integer,JSONPath=`.status.usage.reserved`,priority=1
// +kubebuilder:printcolumn:name="Policy",type=string,JSONPath=`.status.policyName`,priority=1
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:selectablefield:JSONPath=`.status.state`
// +kubebuilder:selectablefield:JSONPath=`.status.tier.name`
// +kubebuilder:selectablefield:JSONPath=`.status.quality.rating`
// +kubebuilder:selectablefield:JSONPath=`.spec.phoneNumber`
// +kubebuilder:selectablefield:JSONPath=`.spec.policyName`
// +kubebuilder:selectablefield:JSONPath=`.status.portfolio`
type PhoneNumber struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// spec says which number it is and who it belongs to.
	// +required
	Spec PhoneNumberSpec `json:"spec,omitzero"`

	// status is where the number stands.
	// +optional
	// +default={"observedGeneration":-1}
	Status PhoneNumberStatus `json:"status,omitzero"`
}

// CommonStatus implements Object.
func (n *PhoneNumber) CommonStatus() *CommonStatus { return &n.Status.CommonStatus }

// Summary implements Object.
func (n *PhoneNumber) Summary() Summary {
	s := &n.Status
	return Summary{Policy: s.PolicyName, State: string(s.State), Tier: s.Tier.Name, Limit: s.Tier.Limit, Used: s.Usage.Used, Quality: s.Quality.Rating}
}

// PhoneNumberList is a list of phone numbers.
//
// +kubebuilder:object:root=true
type PhoneNumberList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitzero"`

	Items []PhoneNumber `json:"items"`
}
