package v1alpha1

// Business is who a number belongs to.
// +kubebuilder:validation:MinProperties=1
type Business struct {
	// name of the business, as people know it.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// portfolio is the name of the business portfolio at Meta that owns the number. Under a policy with scope Portfolio its
	// numbers share one limit; a number without one is a portfolio of its own.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$')",message="portfolio must be the name of a BusinessPortfolio: lower-case letters, digits, '-' and '.', like acme-retail"
	Portfolio string `json:"portfolio,omitempty"`

	// whatsAppBusinessAccountID is the id that Meta gave to the WhatsApp Business Account of the number.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^[0-9]+$')",message="whatsAppBusinessAccountID must be Meta's id in digits, like 102290129340398; quote it in YAML"
	WhatsAppBusinessAccountID string `json:"whatsAppBusinessAccountID,omitempty"`

	// humanEscalationPaths are the direct ways in which a user of this number reaches a human. Policies with
	// humanEscalation Require rate a number without one Low.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=6
	HumanEscalationPaths []HumanEscalationPath `json:"humanEscalationPaths,omitempty"`
}

// HumanEscalationPath is a direct way for a user to reach a human: InChatTransfer, PhoneCall, Email, WebSupport, SupportForm or
// StoreVisit. Social media accounts, help centres and app links are none.
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=32
// +kubebuilder:validation:XValidation:rule="!(self in ['SocialMedia', 'Facebook', 'Messenger', 'Instagram', 'Twitter', 'X', 'Telegram'])",message="social media accounts are no direct way to a human: users need a login and an account with another service. Name InChatTransfer, PhoneCall, Email, WebSupport, SupportForm or StoreVisit"
// +kubebuilder:validation:XValidation:rule="!(self in ['HelpCentre', 'HelpCenter', 'HelpCentreWebsite', 'HelpCenterWebsite', 'FAQ'])",message="a help centre is no direct way to a human: it is an indirect channel. Name InChatTransfer, PhoneCall, Email, WebSupport, SupportForm or StoreVisit"
// +kubebuilder:validation:XValidation:rule="!(self in ['App', 'AppLink'])",message="an app link is no direct way to a human: it is an indirect channel. Name InChatTransfer, PhoneCall, Email, WebSupport, SupportForm or StoreVisit"
// +kubebuilder:validation:XValidation:rule="self in ['InChatTransfer', 'PhoneCall', 'Email', 'WebSupport', 'SupportForm', 'StoreVisit', 'SocialMedia', 'Facebook', 'Messenger', 'Instagram', 'Twitter', 'X', 'Telegram', 'HelpCentre', 'HelpCenter', 'HelpCentreWebsite', 'HelpCenterWebsite', 'FAQ', 'App', 'AppLink']",message="must be InChatTransfer, PhoneCall, Email, WebSupport, SupportForm or StoreVisit"
type HumanEscalationPath string

// The accepted paths.
const (
	// InChatTransfer: a person takes the chat over.
	InChatTransfer HumanEscalationPath = "InChatTransfer"
	// PhoneCall: a number to call.
	PhoneCall HumanEscalationPath = "PhoneCall"
	// Email: an address to write to.
	Email HumanEscalationPath = "Email"
	// WebSupport: a chat or a call on the business's own website.
	WebSupport HumanEscalationPath = "WebSupport"
	// SupportForm: a form that a person answers.
	SupportForm HumanEscalationPath = "SupportForm"
	// StoreVisit: a shop to go to.
	StoreVisit HumanEscalationPath = "StoreVisit"
)
