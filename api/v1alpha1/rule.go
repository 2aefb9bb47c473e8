package v1alpha1

// Rule is the number of a rule, under which docs/rules.md has it and where it comes from.
// +kubebuilder:validation:Minimum=1
// +kubebuilder:validation:Maximum=10
type Rule int32

// The rules.
const (
	// NoRule: a change of the policy or of the portfolio did it, or what users think, which is no rule of its own.
	NoRule              Rule = 0
	RuleRestriction     Rule = 1
	RuleUpgrade         Rule = 2
	RuleFlag            Rule = 3
	RuleFloor           Rule = 4
	RuleBlock           Rule = 5
	RuleVerification    Rule = 6
	RuleHumanEscalation Rule = 7
	RuleTemplates       Rule = 8
	RuleReports         Rule = 9
	RuleUnlimited       Rule = 10
)
