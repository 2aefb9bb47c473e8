package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Scope is what a limit belongs to.
// +kubebuilder:validation:Enum=Number;Portfolio
type Scope string

// The scopes.
const (
	// ScopeNumber: every number has its own limit.
	ScopeNumber Scope = "Number"
	// ScopePortfolio: the numbers of a business portfolio share one limit.
	ScopePortfolio Scope = "Portfolio"
)

// Measure is what is counted.
// +kubebuilder:validation:Enum=UniqueUsers;Conversations;Messages
type Measure string

// The measures. A delivery counts if the user sent nothing in the customer service window before it.
const (
	// MeasureUniqueUsers: distinct users whose last counted delivery lies in the window.
	MeasureUniqueUsers Measure = "UniqueUsers"
	// MeasureConversations: conversations opened in the window; a counted delivery opens one unless one was opened in the
	// window before it.
	MeasureConversations Measure = "Conversations"
	// MeasureMessages: counted deliveries, each message once.
	MeasureMessages Measure = "Messages"
	// MeasureReached: distinct users by their last delivery, in a customer service window or not. No policy names it: quality is over it.
	MeasureReached Measure = "ReachedUsers"
	// MeasureComplaining: distinct users by their last feedback. No policy names it: quality is from it.
	MeasureComplaining Measure = "ComplainingUsers"
)

// Tier is one step of the ladder.
type Tier struct {
	// name of the tier.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	Name string `json:"name,omitempty"`

	// limit is how much of the counted measure fits in the window. A tier without a limit is unlimited and comes last.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000000
	Limit int64 `json:"limit,omitempty"`

	// upgrade is the way up from this tier, where it differs from the policy's.
	// +optional
	Upgrade Upgrade `json:"upgrade,omitzero"`
}

// StartTiers are the tiers that numbers start at.
type StartTiers struct {
	// unverified is the tier of a number whose business is not verified.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	Unverified string `json:"unverified,omitempty"`

	// verified is the tier of a number whose business is verified.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	Verified string `json:"verified,omitempty"`
}

// Counting is what counts against the limit.
type Counting struct {
	// measure is UniqueUsers or Conversations.
	// +required
	// +kubebuilder:validation:XValidation:rule="self != 'Messages'",message="measure must be UniqueUsers or Conversations: Meta limits users, not messages"
	Measure Measure `json:"measure,omitempty"`

	// windowHours is the length of the limit's rolling window, 24 in every era of Meta's rules. 1 to 720.
	// +required
	// +kubebuilder:validation:XValidation:rule="self >= 1 && self <= 720",message="windowHours must be between 1 and 720: counts are kept for 30 days"
	WindowHours int32 `json:"windowHours,omitempty"`

	// serviceWindowHours is how long after a message from the user deliveries do not count, 24 where it is left out. 1 to 168.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self >= 1 && self <= 168",message="serviceWindowHours must be between 1 and 168"
	ServiceWindowHours int32 `json:"serviceWindowHours,omitempty"`
}

// AfterFlag says what a flag does to the counts of an upgrade.
// +kubebuilder:validation:Enum=Continue;Restart
type AfterFlag string

// What a flag does.
const (
	// AfterFlagContinue: deliveries before and during the flag count on.
	AfterFlagContinue AfterFlag = "Continue"
	// AfterFlagRestart: only deliveries since the flag ended count.
	AfterFlagRestart AfterFlag = "Restart"
)

// WhileFlagged says what a flag does to an upgrade.
// +kubebuilder:validation:Enum=Cancel;Rise
type WhileFlagged string

// What a flag does.
const (
	// WhileFlaggedCancel: a flag cancels an upgrade, and none comes while it stands.
	WhileFlaggedCancel WhileFlagged = "Cancel"
	// WhileFlaggedRise: a flagged number rises as any other does.
	WhileFlaggedRise WhileFlagged = "Rise"
)

// Upgrade says what raises the tier.
// +kubebuilder:validation:XValidation:rule="!has(self.minimumSpanHours) || self.minimumSpanHours < self.windowHours",message="minimumSpanHours must be less than windowHours, or it could never be met"
// +kubebuilder:validation:XValidation:rule="has(self.thresholdPercent) != has(self.threshold)",message="set exactly one of thresholdPercent (of the current limit, like 200) and threshold (a count, like 1000)"
type Upgrade struct {
	// measure is what must be reached.
	// +required
	Measure Measure `json:"measure,omitempty"`

	// thresholdPercent is how much must be reached, in percent of the current limit. 1 to 10,000.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self >= 1 && self <= 10000",message="thresholdPercent must be between 1 and 10000, like 50 for half of the limit or 200 for twice the limit"
	ThresholdPercent *int32 `json:"thresholdPercent,omitempty"`

	// threshold is how much must be reached, as a count. 1 to 1,000,000,000.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self >= 1 && self <= 1000000000",message="threshold must be between 1 and 1000000000"
	Threshold *int64 `json:"threshold,omitempty"`

	// windowHours is the length of the rolling window in which it must be reached. 1 to 720.
	// +required
	// +kubebuilder:validation:XValidation:rule="self >= 1 && self <= 720",message="windowHours must be between 1 and 720: counts are kept for 30 days"
	WindowHours int32 `json:"windowHours,omitempty"`

	// minimumSpanHours is the least time from the first counted delivery in the window to the upgrade. None where it is
	// left out. 1 to 720.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self >= 1 && self <= 720",message="minimumSpanHours must be between 1 and 720; leave it out for none"
	MinimumSpanHours int32 `json:"minimumSpanHours,omitempty"`

	// minimumQuality is the lowest rating that is good enough. Unknown counts as High. Any is where it is left out.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self != 'Unknown'",message="minimumQuality must be High, Medium or Low"
	MinimumQuality QualityRating `json:"minimumQuality,omitempty"`

	// delayHours is how long after everything is met the tier rises. At once where it is left out. 1 to 720.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self >= 1 && self <= 720",message="delayHours must be between 1 and 720; leave it out to upgrade at once"
	DelayHours int32 `json:"delayHours,omitempty"`

	// whileFlagged says whether a flagged number may rise. Cancel where it is left out.
	// +optional
	WhileFlagged WhileFlagged `json:"whileFlagged,omitempty"`

	// afterFlag says whether deliveries from before a flag's end count. Continue where it is left out.
	// +optional
	AfterFlag AfterFlag `json:"afterFlag,omitempty"`
}

// QualityRules say how a rating comes about where Meta reports none.
// +kubebuilder:validation:XValidation:rule="has(self.mediumPerThousand) == has(self.lowPerThousand)",message="set mediumPerThousand and lowPerThousand together, or neither"
// +kubebuilder:validation:XValidation:rule="!has(self.mediumPerThousand) || !has(self.lowPerThousand) || self.mediumPerThousand < self.lowPerThousand",message="mediumPerThousand must be less than lowPerThousand"
type QualityRules struct {
	// windowHours is the length of the rolling window of the feedback that makes the rating. 1 to 720.
	// +required
	// +kubebuilder:validation:XValidation:rule="self >= 1 && self <= 720",message="windowHours must be between 1 and 720: counts are kept for 30 days"
	WindowHours int32 `json:"windowHours,omitempty"`

	// mediumPerThousand is how many complaining users per thousand users delivered to lower the rating to Medium. Meta
	// publishes no threshold, so it is the author's. Without thresholds only reported ratings count.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	MediumPerThousand int32 `json:"mediumPerThousand,omitempty"`

	// lowPerThousand is how many complaining users per thousand users delivered to lower the rating to Low.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	LowPerThousand int32 `json:"lowPerThousand,omitempty"`
}

// FlagRules say what a Low rating does.
type FlagRules struct {
	// graceHours is how long Low may last before the tier falls. 1 to 8,760.
	// +required
	// +kubebuilder:validation:XValidation:rule="self >= 1 && self <= 8760",message="graceHours must be between 1 and 8760"
	GraceHours int32 `json:"graceHours,omitempty"`

	// recoveryHours is how long Medium or High must last for the flag to end. 1 to 8,760.
	// +required
	// +kubebuilder:validation:XValidation:rule="self >= 1 && self <= 8760",message="recoveryHours must be between 1 and 8760"
	RecoveryHours int32 `json:"recoveryHours,omitempty"`
}

// BlockRules say when a number is blocked.
type BlockRules struct {
	// afterHours is how long Low must last at the lowest tier for the number to be blocked. 1 to 8,760.
	// +required
	// +kubebuilder:validation:XValidation:rule="self >= 1 && self <= 8760",message="afterHours must be between 1 and 8760"
	AfterHours int32 `json:"afterHours,omitempty"`
}

// HumanEscalation says whether a number needs a direct way to a human.
// +kubebuilder:validation:Enum=Require;Ignore
type HumanEscalation string

// Whether a number needs one.
const (
	// HumanEscalationRequire: a number whose users cannot reach a human is rated Low.
	HumanEscalationRequire HumanEscalation = "Require"
	// HumanEscalationIgnore: it makes no difference.
	HumanEscalationIgnore HumanEscalation = "Ignore"
)

// TemplateRules say what a Low rating does to a message template.
// +kubebuilder:validation:MinProperties=1
// +kubebuilder:validation:XValidation:rule="has(self.blockAfterHours) != has(self.pauseHours)",message="set exactly one of blockAfterHours (flagged so long, then blocked) and pauseHours (paused so long each time, then disabled)"
type TemplateRules struct {
	// blockAfterHours is how long a template stays flagged before it is blocked. 1 to 8,760.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self >= 1 && self <= 8760",message="blockAfterHours must be between 1 and 8760"
	BlockAfterHours *int32 `json:"blockAfterHours,omitempty"`

	// pauseHours are the lengths of the pauses in turn; the next Low after the last of them disables the template.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:Minimum=1
	// +kubebuilder:validation:items:Maximum=8760
	PauseHours []int32 `json:"pauseHours,omitempty"`
}

// MessagingPolicySpec is one set of rules.
// +kubebuilder:validation:XValidation:rule="self.tiers.filter(t, t.name == self.start.unverified || t.name == self.start.verified).all(t, t.name == self.start.unverified || self.start.verified == self.start.unverified || self.tiers.filter(u, u.name == self.start.unverified).all(u, has(u.limit) && (!has(t.limit) || t.limit > u.limit)))",message="start.verified must not be a lower tier than start.unverified",fieldPath=".start"
// +kubebuilder:validation:XValidation:rule="self.tiers.exists(t, t.name == self.start.unverified)",message="start.unverified must be the name of one of the tiers",fieldPath=".start"
// +kubebuilder:validation:XValidation:rule="self.tiers.exists(t, t.name == self.start.verified)",message="start.verified must be the name of one of the tiers",fieldPath=".start"
// +kubebuilder:validation:XValidation:rule="has(self.upgrade) || self.tiers.all(t, !has(t.limit) || has(t.upgrade) || t == self.tiers[size(self.tiers) - 1])",message="set upgrade, or an upgrade on every tier but the last"
// +kubebuilder:validation:XValidation:rule="self.scope != 'Portfolio' || (!has(self.flag) && !has(self.block))",message="leave out flag and block under scope Portfolio: the rating of one number lowers nothing that all of them share"
type MessagingPolicySpec struct {
	// source is the document that the rules come from. Every explanation names it.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	Source string `json:"source,omitempty"`

	// scope is what a limit belongs to.
	// +required
	Scope Scope `json:"scope,omitempty"`

	// tiers are the ladder, lowest first.
	// +required
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:XValidation:rule="self.all(t, has(t.limit) || t == self[size(self) - 1])",message="tiers must be ascending: only the last tier may go without a limit"
	// +kubebuilder:validation:XValidation:rule="self.all(a, self.all(b, a.name == b.name || !has(a.limit) || !has(b.limit) || a.limit != b.limit))",message="tiers must be ascending: two tiers have the same limit"
	// +kubebuilder:validation:XValidation:rule="self.map(t, has(t.limit) ? t.limit : 9007199254740991).isSorted()",message="tiers must be ascending: list them from the lowest limit to the highest"
	Tiers []Tier `json:"tiers,omitempty"`

	// start are the tiers that numbers start at. A Low rating may lower a number below them, to the first tier at least.
	// +required
	Start StartTiers `json:"start,omitzero"`

	// counting is what counts against the limit.
	// +required
	Counting Counting `json:"counting,omitzero"`

	// upgrade says what raises the tier.
	// +optional
	Upgrade Upgrade `json:"upgrade,omitzero"`

	// quality says how a rating comes about where Meta reports none.
	// +required
	Quality QualityRules `json:"quality,omitzero"`

	// flag says what a Low rating does. Where it is left out, it does nothing to the number.
	// +optional
	Flag FlagRules `json:"flag,omitzero"`

	// block says when a number is blocked. Where it is left out, only Meta blocks.
	// +optional
	Block BlockRules `json:"block,omitzero"`

	// humanEscalation says whether a number without a direct way to a human is rated Low. Ignore where it is left out.
	// +optional
	HumanEscalation HumanEscalation `json:"humanEscalation,omitempty"`

	// templates say what a Low rating does to a message template.
	// +optional
	Templates TemplateRules `json:"templates,omitzero"`
}

// MessagingPolicy is one set of rules by which numbers rise, are warned and fall. Every policy is data: those of the five
// source documents and of the eras of Meta's rules ship with the operator, and a team may write its own.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,categories=whatsapp
// +kubebuilder:printcolumn:name="Scope",type=string,JSONPath=`.spec.scope`
// +kubebuilder:printcolumn:name="Start",type=string,JSONPath=`.spec.start.unverified`
// +kubebuilder:printcolumn:name="Verified",type=string,JSONPath=`.spec.start.verified`
// +kubebuilder:printcolumn:name="Counts",type=string,JSONPath=`.spec.counting.measure`
// +kubebuilder:printcolumn:name="Upgrade",type=string,JSONPath=`.spec.upgrade.measure`,priority=1
// +kubebuilder:printcolumn:name="Percent",type=integer,JSONPath=`.spec.upgrade.thresholdPercent`,priority=1
// +kubebuilder:printcolumn:name="Default",type=string,JSONPath=`.metadata.annotations.whatsapp\.numberfleet\.dev/is-default-policy`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type MessagingPolicy struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard object metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// spec is the set of rules. Whoever applies it has all of it: parts of two sets would be a third that nobody wrote.
	// +required
	// +structType=atomic
	Spec MessagingPolicySpec `json:"spec,omitzero"`
}

// MessagingPolicyList is a list of messaging policies.
//
// +kubebuilder:object:root=true
type MessagingPolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitzero"`

	Items []MessagingPolicy `json:"items"`
}
