package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// BusinessPortfolioSpec says which portfolio it is. Its numbers name it in spec.business.portfolio.
// +kubebuilder:validation:MinProperties=1
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.portfolioID) || (has(self.portfolioID) && self.portfolioID == oldSelf.portfolioID)",message="portfolioID may be set once and not be changed: create a new BusinessPortfolio for another portfolio",fieldPath=".portfolioID",reason=FieldValueForbidden
type BusinessPortfolioSpec struct {
	// portfolioID is the id that Meta gave to the business portfolio. What Meta reports about the portfolio itself names it. It
	// may be set once.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^[0-9]+$')",message="portfolioID must be Meta's id in digits, like 506914307656634; quote it in YAML"
	PortfolioID string `json:"portfolioID,omitempty"`

	// displayName is the portfolio's name, as people know it.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	DisplayName string `json:"displayName,omitempty"`

	// verification of the business. Where it is left out the business is verified if one of its numbers says so. What Meta
	// reports replaces it.
	// +optional
	Verification Verification `json:"verification,omitempty"`

	// policyName is the MessagingPolicy, of scope Portfolio, whose rules apply. Where it is left out, the policy marked with
	// the annotation whatsapp.numberfleet.dev/is-default-policy applies.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$')",message="policyName must be the name of a MessagingPolicy: lower-case letters, digits, '-' and '.', like meta-2025"
	PolicyName string `json:"policyName,omitempty"`

	// activity says whether the operator works on the portfolio, Active where it is left out.
	// +optional
	Activity Activity `json:"activity,omitempty"`

	GateSpec `json:",inline"`
}

// PortfolioQuality is how users receive the messages of all numbers and templates of a portfolio.
type PortfolioQuality struct {
	// rating is the lowest among the numbers and templates.
	// +required
	Rating QualityRating `json:"rating,omitempty"`

	// sinceTime is when the rating became what it is.
	// +required
	SinceTime metav1.Time `json:"sinceTime,omitzero"`

	// reason names a number or template that has this rating, where it is below High.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Reason string `json:"reason,omitempty"`
}

// IncreaseDecision is how Meta answered to an increase of the limit that the portfolio was eligible for.
// +kubebuilder:validation:Enum=Deferred;Failed;NeedMoreInfo
type IncreaseDecision string

// The decisions other than an increase.
const (
	// IncreaseDeferred: Meta has put the decision off.
	IncreaseDeferred IncreaseDecision = "Deferred"
	// IncreaseFailed: Meta has denied the increase.
	IncreaseFailed IncreaseDecision = "Failed"
	// IncreaseNeedMoreInfo: Meta wants to know more, such as an identity verification.
	IncreaseNeedMoreInfo IncreaseDecision = "NeedMoreInfo"
)

// IncreaseStatus is an increase of the limit that Meta did not grant. While it stands, the policy concludes none.
type IncreaseStatus struct {
	// decision is Deferred, Failed or NeedMoreInfo.
	// +required
	Decision IncreaseDecision `json:"decision,omitempty"`

	// reportedTime is when Meta said so.
	// +required
	ReportedTime metav1.Time `json:"reportedTime,omitzero"`

	// reason that Meta gave, as it came.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Reason string `json:"reason,omitempty"`
}

// BusinessPortfolioStatus is where the portfolio stands. Its conditions are Ready (the operator does its job for this portfolio), Sendable,
// Restricted, RulesAgree and, where it has budgets, BudgetsFit.
type BusinessPortfolioStatus struct {
	CommonStatus `json:",inline"`
	PolicyStatus `json:",inline"`
	LimitStatus  `json:",inline"`

	// numbers is how many PhoneNumbers share the limit.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Numbers *int32 `json:"numbers,omitempty"`

	// quality is that of all numbers and templates.
	// +optional
	Quality PortfolioQuality `json:"quality,omitzero"`

	// increase is set while Meta denies or defers an increase.
	// +optional
	Increase IncreaseStatus `json:"increase,omitzero"`

	// alert is the last thing that Meta alerted to about the portfolio besides an increase.
	// +optional
	Alert Statement `json:"alert,omitzero"`

	// nextStep says in a few words what comes next.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	NextStep string `json:"nextStep,omitempty"`
}

// BusinessPortfolio is a business portfolio at Meta. Under a policy of scope Portfolio the limit, its tier and their
// history belong to it and are shared by its numbers in all namespaces.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=wabp,categories=whatsapp
// +kubebuilder:printcolumn:name="Tier",type=string,JSONPath=`.status.tier.name`
// +kubebuilder:printcolumn:name="Limit",type=integer,JSONPath=`.status.tier.limit`
// +kubebuilder:printcolumn:name="Used",type=integer,JSONPath=`.status.usage.used`
// +kubebuilder:printcolumn:name="Remaining",type=integer,JSONPath=`.status.usage.remaining`
// +kubebuilder:printcolumn:name="Numbers",type=integer,JSONPath=`.status.numbers`
// +kubebuilder:printcolumn:name="Quality",type=string,JSONPath=`.status.quality.rating`
// +kubebuilder:printcolumn:name="Next Step",type=string,JSONPath=`.status.nextStep`
// +kubebuilder:printcolumn:name="Reserved",type=integer,JSONPath=`.status.usage.reserved`,priority=1
// +kubebuilder:printcolumn:name="Policy",type=string,JSONPath=`.status.policyName`,priority=1
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type BusinessPortfolio struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// spec says which portfolio it is.
	// +optional
	Spec BusinessPortfolioSpec `json:"spec,omitzero"`

	// status is where the portfolio stands.
	// +optional
	// +default={"observedGeneration":-1}
	Status BusinessPortfolioStatus `json:"status,omitzero"`
}

// CommonStatus implements Object.
func (p *BusinessPortfolio) CommonStatus() *CommonStatus { return &p.Status.CommonStatus }

// Summary implements Object.
func (p *BusinessPortfolio) Summary() Summary {
	s := &p.Status
	return Summary{Policy: s.PolicyName, State: string(s.Connection.State), Tier: s.Tier.Name, Limit: s.Tier.Limit, Used: s.Usage.Used, Quality: s.Quality.Rating}
}

// BusinessPortfolioList is a list of business portfolios.
//
// +kubebuilder:object:root=true
type BusinessPortfolioList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitzero"`

	Items []BusinessPortfolio `json:"items"`
}
