package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// MessageTemplateSpec says which template it is and which numbers send it.
type MessageTemplateSpec struct {
	// templateName is the template's name at Meta. It cannot be changed.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9_]+$')",message="templateName must be a template's name at Meta: lower-case letters, digits and '_', like order_update"
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="templateName may not be changed: create a new MessageTemplate for another template",reason=FieldValueForbidden
	TemplateName string `json:"templateName,omitempty"`

	// language of the template: at Meta each language of a template has its own rating and status. It cannot be changed.
	// +required
	// +kubebuilder:validation:MinLength=2
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z]{2,3}([_-][A-Za-z]{2,4})?$')",message="language must be a language code of Meta, like en or en_US"
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="language may not be changed: create a new MessageTemplate for another language",reason=FieldValueForbidden
	Language string `json:"language,omitempty"`

	// whatsAppBusinessAccountID is the id that Meta gave to the WhatsApp Business Account of the template. All numbers of the
	// same account in the namespace can send it. It cannot be changed.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^[0-9]+$')",message="whatsAppBusinessAccountID must be Meta's id in digits, like 102290129340398; quote it in YAML"
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="whatsAppBusinessAccountID may not be changed: create a new MessageTemplate for another account",reason=FieldValueForbidden
	WhatsAppBusinessAccountID string `json:"whatsAppBusinessAccountID,omitempty"`

	// phoneNumberNames are the PhoneNumbers in the namespace that send the template, where it is not all of the account's.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	PhoneNumberNames []string `json:"phoneNumberNames,omitempty"`

	// policyName is the MessagingPolicy whose rules apply. Where it is left out, the policy marked with the annotation
	// whatsapp.numberfleet.dev/is-default-policy applies.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$')",message="policyName must be the name of a MessagingPolicy: lower-case letters, digits, '-' and '.', like meta-2025"
	PolicyName string `json:"policyName,omitempty"`

	// activity says whether the operator works on the template, Active where it is left out.
	// +optional
	Activity Activity `json:"activity,omitempty"`
}

// TemplateState is where a template stands with Meta, or what the rules made of its rating: Approved, Flagged, Paused, Blocked,
// Disabled, Rejected, Pending, InAppeal, Archived, Deleted, PendingDeletion, LimitExceeded, or Meta's word as it came where it is
// none of these. Only Approved and Flagged ones can be sent.
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=64
type TemplateState string

// The states of a template.
const (
	// TemplateApproved: the template can be sent.
	TemplateApproved TemplateState = "Approved"
	// TemplateFlagged: the template can be sent, and is blocked unless it is edited or rated better in time (seeds/000).
	TemplateFlagged TemplateState = "Flagged"
	// TemplatePaused: the template cannot be sent for some time.
	TemplatePaused TemplateState = "Paused"
	// TemplateBlocked: by the rules of the policy the template cannot be sent any more; Meta's word for it is Disabled.
	TemplateBlocked TemplateState = "Blocked"
	// TemplateDisabled: Meta disabled the template. It can be edited and submitted again.
	TemplateDisabled TemplateState = "Disabled"
	// TemplateRejected: Meta's review rejected the template. It can be edited and submitted again.
	TemplateRejected TemplateState = "Rejected"
	// TemplatePending: Meta reviews the template, which is new or was edited.
	TemplatePending TemplateState = "Pending"
	// TemplateInAppeal: Meta looks again at what it decided.
	TemplateInAppeal TemplateState = "InAppeal"
	// TemplateArchived: the template was not used for long, or was put away.
	TemplateArchived TemplateState = "Archived"
	// TemplateDeleted: the template is no more.
	TemplateDeleted TemplateState = "Deleted"
	// TemplatePendingDeletion: the template will be deleted.
	TemplatePendingDeletion TemplateState = "PendingDeletion"
	// TemplateLimitExceeded: the account has more templates than it may have.
	TemplateLimitExceeded TemplateState = "LimitExceeded"
)

// CategoryChange is a change of a template's category that Meta announced.
type CategoryChange struct {
	// to is the category that the template will have.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	To string `json:"to,omitempty"`

	// time at which it will, as Meta announced.
	// +optional
	Time metav1.Time `json:"time,omitzero"`
}

// TemplateQuality is a template's quality rating.
type TemplateQuality struct {
	// rating is High, Medium, Low or Unknown.
	// +required
	Rating QualityRating `json:"rating,omitempty"`

	// sinceTime is when the rating became what it is.
	// +required
	SinceTime metav1.Time `json:"sinceTime,omitzero"`

	// reportedTime is when Meta last reported a rating, or when an edit or a pause ended what was known of it.
	// +optional
	ReportedTime metav1.Time `json:"reportedTime,omitzero"`
}

// MessageTemplateStatus is where the template stands. Its conditions are Ready (the operator does its job for this template), Sendable and,
// where the template's account is read from Meta, ReportsFresh.
type MessageTemplateStatus struct {
	CommonStatus `json:",inline"`
	PolicyStatus `json:",inline"`

	// state is where the template stands: Approved, Flagged, Paused, Blocked, Disabled, Rejected, Pending, InAppeal, Archived,
	// Deleted, PendingDeletion, LimitExceeded, or Meta's word as it came.
	// +optional
	State TemplateState `json:"state,omitempty"`

	// stateReason is what Meta gave as the reason of the state, such as SCAM or FIRST_PAUSE.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	StateReason string `json:"stateReason,omitempty"`

	// sinceTime is when the state became what it is.
	// +optional
	SinceTime metav1.Time `json:"sinceTime,omitzero"`

	// untilTime is when a flag ends in a block, or when a pause ends. It is absent where only Meta knows.
	// +optional
	UntilTime metav1.Time `json:"untilTime,omitzero"`

	// source says whether the policy concluded the state or Meta reported it.
	// +optional
	Source Source `json:"source,omitempty"`

	// stateReportedTime is when Meta last reported a state.
	// +optional
	StateReportedTime metav1.Time `json:"stateReportedTime,omitzero"`

	// quality is the template's quality rating.
	// +optional
	Quality TemplateQuality `json:"quality,omitzero"`

	// category is what Meta counts the template as: Marketing, Utility, Authentication, or what came. It is absent until Meta
	// reports it.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Category string `json:"category,omitempty"`

	// categoryReportedTime is when Meta last reported the category.
	// +optional
	CategoryReportedTime metav1.Time `json:"categoryReportedTime,omitzero"`

	// categoryChange is what Meta announced about the category.
	// +optional
	CategoryChange CategoryChange `json:"categoryChange,omitzero"`

	// pauses is how often the template was paused for its quality.
	// +optional
	// +kubebuilder:validation:Minimum=1
	Pauses int32 `json:"pauses,omitempty"`

	// evaluatedTime is the instant up to which the rules have run.
	// +optional
	EvaluatedTime metav1.Time `json:"evaluatedTime,omitzero"`
}

// MessageTemplate is a message template of a WhatsApp Business Account in one language: how users receive it, whether it can
// be sent, and when that changes.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=wamt,categories=whatsapp
// +kubebuilder:printcolumn:name="Template",type=string,JSONPath=`.spec.templateName`
// +kubebuilder:printcolumn:name="Language",type=string,JSONPath=`.spec.language`
// +kubebuilder:printcolumn:name="Quality",type=string,JSONPath=`.status.quality.rating`
// +kubebuilder:printcolumn:name="State",type=string,JSONPath=`.status.state`
// +kubebuilder:printcolumn:name="Sendable",type=string,JSONPath=`.status.conditions[?(@.type=="Sendable")].status`
// +kubebuilder:printcolumn:name="Until",type=string,JSONPath=`.status.untilTime`
// +kubebuilder:printcolumn:name="Pauses",type=integer,JSONPath=`.status.pauses`,priority=1
// +kubebuilder:printcolumn:name="Category",type=string,JSONPath=`.status.category`,priority=1
// +kubebuilder:printcolumn:name="Policy",type=string,JSONPath=`.status.policyName`,priority=1
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:selectablefield:JSONPath=`.status.state`
// +kubebuilder:selectablefield:JSONPath=`.status.quality.rating`
// +kubebuilder:selectablefield:JSONPath=`.status.category`
// +kubebuilder:selectablefield:JSONPath=`.spec.templateName`
type MessageTemplate struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// spec says which template it is.
	// +required
	Spec MessageTemplateSpec `json:"spec,omitzero"`

	// status is where the template stands.
	// +optional
	// +default={"observedGeneration":-1}
	Status MessageTemplateStatus `json:"status,omitzero"`
}

// CommonStatus implements Object.
func (t *MessageTemplate) CommonStatus() *CommonStatus { return &t.Status.CommonStatus }

// Summary implements Object.
func (t *MessageTemplate) Summary() Summary {
	return Summary{Policy: t.Status.PolicyName, State: string(t.Status.State), Quality: t.Status.Quality.Rating}
}

// MessageTemplateList is a list of message templates.
//
// +kubebuilder:object:root=true
type MessageTemplateList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitzero"`

	Items []MessageTemplate `json:"items"`
}
