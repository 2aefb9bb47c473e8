package v1alpha1

// The condition types of a PhoneNumber. Ready follows kstatus and says nothing about the business: a flagged number whose
// flag is known and counted down is Ready.
const (
	// ConditionReady: the operator does its job for this number.
	ConditionReady = "Ready"
	// ConditionFlagged: the rating is, or lately was, Low, and the tier falls unless it recovers. True is bad news.
	ConditionFlagged = "Flagged"
	// ConditionRestricted: the limit is reached, or the account is restricted. True is bad news.
	ConditionRestricted = "Restricted"
	// ConditionSendable: further users may be messaged now, by the number or by one of the portfolio's; or the message template can
	// be sent. The reasons of False are those of RoomReason.
	ConditionSendable = "Sendable"
	// ConditionRulesAgree: what Meta reports of tier, quality and state is what the policy concludes by itself.
	ConditionRulesAgree = "RulesAgree"
	// ConditionUsageFresh: messages from Meta are expected and come, so that the counts in the status are those of now; or they are
	// what a Prometheus said lately. A
	// portfolio has it where a Prometheus counts for some of its numbers.
	ConditionUsageFresh = "UsageFresh"
	// ConditionUsageComplete: what was counted is all that Meta delivered, by Meta's own figures. It is absent where the
	// operator's configuration does not have the number's account.
	ConditionUsageComplete = "UsageComplete"
	// ConditionReportsFresh: what Meta says of the number is read from the Graph API often enough. It is absent where the
	// operator's configuration does not have the number's account.
	ConditionReportsFresh = "ReportsFresh"
	// ConditionBudgetsFit: the limit is shared out as the budgets of the spec say. It is absent where there are none.
	ConditionBudgetsFit = "BudgetsFit"
	// ConditionMembersFit: the numbers of a pool go together, and their weights can be read.
	ConditionMembersFit = "MembersFit"
	// ConditionStalled: the operator cannot go on without a human. It is present only while that is so (kstatus).
	ConditionStalled = "Stalled"
)

// Reasons of the conditions of a PhoneNumber.
const (
	// ReasonEvaluated (Ready=True): the rules ran on all that is known.
	ReasonEvaluated = "Evaluated"
	// ReasonSuspended (Ready=True): spec.activity is Suspended; the status is frozen.
	ReasonSuspended = "Suspended"
	// ReasonPolicyNotFound (Ready=False): the policy does not exist, or none is the default.
	ReasonPolicyNotFound = "PolicyNotFound"
	// ReasonPolicyInvalid (Ready=False): the policy's values cannot be used.
	ReasonPolicyInvalid = "PolicyInvalid"
	// ReasonPolicyConflict (Ready=False): the policy of the number, template or portfolio is not one that the portfolio can
	// share a limit under.
	ReasonPolicyConflict = "PolicyConflict"
	// ReasonPortfolioNotFound (Ready=False): the BusinessPortfolio that the number names does not exist.
	ReasonPortfolioNotFound = "PortfolioNotFound"
	// ReasonPortfolioPending (Ready=False): the BusinessPortfolio that the number names is suspended or not Ready, and cannot take the
	// number in.
	ReasonPortfolioPending = "PortfolioPending"
	// ReasonDuplicatePortfolio (Ready=False): an older BusinessPortfolio has the same id at Meta.
	ReasonDuplicatePortfolio = "DuplicatePortfolio"
	// ReasonDuplicateTemplate (Ready=False): an older MessageTemplate of the namespace is about the same template.
	ReasonDuplicateTemplate = "DuplicateTemplate"
	// ReasonDuplicateNumber (Ready=False): an older PhoneNumber has the same number.
	ReasonDuplicateNumber = "DuplicateNumber"

	// ReasonQualityLow (Flagged=True): the rating is Low.
	ReasonQualityLow = "QualityLow"
	// ReasonRecovering (Flagged=True): the rating has risen and must last.
	ReasonRecovering = "Recovering"
	// ReasonReportedFlagged (Flagged=True): Meta reported the flag.
	ReasonReportedFlagged = "ReportedFlagged"
	// ReasonNotFlagged (Flagged=False): no warning stands.
	ReasonNotFlagged = "NotFlagged"

	// ReasonLimitReached (Restricted=True): used has reached the limit.
	ReasonLimitReached = "LimitReached"
	// ReasonReportedRestricted (Restricted=True): Meta reported the restriction.
	ReasonReportedRestricted = "ReportedRestricted"
	// ReasonAccountRestricted (Restricted=True): Meta restricts the account of the number.
	ReasonAccountRestricted = "AccountRestricted"
	// ReasonBelowLimit (Restricted=False): there is room.
	ReasonBelowLimit = "BelowLimit"
	// ReasonUnlimited (Restricted=False): the tier has no limit.
	ReasonUnlimited = "Unlimited"

	// ReasonAgreed (RulesAgree=True): what Meta reports is what the policy concludes, as far as it concludes anything.
	ReasonAgreed = "Agreed"
	// ReasonLimitDiffers (RulesAgree=False): Meta reports another limit than the policy had concluded, for longer than its
	// delays explain.
	ReasonLimitDiffers = "LimitDiffers"
	// ReasonQualityDiffers (RulesAgree=False): Meta reports another rating than the policy comes to.
	ReasonQualityDiffers = "QualityDiffers"
	// ReasonStateDiffers (RulesAgree=False): Meta reports another state than the policy comes to.
	ReasonStateDiffers = "StateDiffers"
	// ReasonNotUnderstood (RulesAgree=Unknown): Meta reported a word that the rules do not know; the message has it.
	ReasonNotUnderstood = "NotUnderstood"
	// ReasonWithinDelay (RulesAgree=Unknown): Meta reports another limit than the policy had concluded, since so short a time
	// that one may only be later than the other.
	ReasonWithinDelay = "WithinDelay"
	// ReasonNothingReported (RulesAgree=Unknown): Meta reported nothing yet that the policy concludes too.
	ReasonNothingReported = "NothingReported"

	// ReasonCounting (UsageFresh=True): all that was received is counted.
	ReasonCounting = "Counting"
	// ReasonNothingReceived (UsageFresh=Unknown): nothing was ever received for this number; see that Meta's webhook
	// points here.
	ReasonNothingReceived = "NothingReceived"
	// ReasonSecretMissing (UsageFresh=Unknown): nothing comes for this number, and no app that may report about it has its secret, so
	// that webhooks are refused.
	ReasonSecretMissing = "SecretMissing"
	// ReasonSilent (UsageFresh=Unknown): something was received about the number on each of seven days, and then nothing for 24
	// hours.
	ReasonSilent = "Silent"
	// ReasonNotSubscribed (UsageFresh=Unknown): the operator's app is not subscribed to the number's account at Meta, so that no
	// webhooks come.
	ReasonNotSubscribed = "NotSubscribed"

	// ReasonAgrees (UsageComplete=True): as many deliveries were counted as Meta tells of, as far as its figures are exact.
	ReasonAgrees = "Agrees"
	// ReasonDeliveriesMissing (UsageComplete=False): Meta tells of more deliveries than were counted: the count is too low.
	ReasonDeliveriesMissing = "DeliveriesMissing"
	// ReasonNotMeasured (UsageComplete=Unknown): there is no day that both are known of.
	ReasonNotMeasured = "NotMeasured"

	// ReasonGuaranteesFit (BudgetsFit=True): all that the budgets guarantee is kept for them.
	ReasonGuaranteesFit = "GuaranteesFit"
	// ReasonGuaranteesExceedLimit (BudgetsFit=False): the budgets guarantee more together than the limit has; the last ones have less.
	ReasonGuaranteesExceedLimit = "GuaranteesExceedLimit"
	// ReasonLimitShared (BudgetsFit=False): the limit is that of the number's portfolio, whose budgets share it out.
	ReasonLimitShared = "LimitShared"
	// ReasonSetElsewhere (BudgetsFit=False): another cluster that shares the ledger has a resource for the same limit, which the gate follows.
	ReasonSetElsewhere = "SetElsewhere"

	// ReasonNoNumbers (Ready=False): the selector of the pool selects no PhoneNumber of the namespace.
	ReasonNoNumbers = "NoNumbers"
	// ReasonSelectorInvalid (Ready=False): the selector of the pool cannot be used.
	ReasonSelectorInvalid = "SelectorInvalid"
	// ReasonTooManyNumbers (Ready=False): the selector of the pool selects more numbers than a pool may have; the last ones do not send.
	ReasonTooManyNumbers = "TooManyNumbers"
	// ReasonMembersGoTogether (MembersFit=True): there is nothing to say against the numbers of the pool.
	ReasonMembersGoTogether = "MembersGoTogether"
	// ReasonPoliciesDiffer (MembersFit=False): the numbers of the pool are governed by different policies.
	ReasonPoliciesDiffer = "PoliciesDiffer"
	// ReasonNumbersShared (MembersFit=False): a number is in another pool too.
	ReasonNumbersShared = "NumbersShared"
	// ReasonWeightInvalid (MembersFit=False): the weight of a number cannot be read, and counts as 1.
	ReasonWeightInvalid = "WeightInvalid"

	// ReasonSampled (UsageFresh=True): the Prometheus that the counts come from answers.
	ReasonSampled = "Sampled"
	// ReasonNotSampledYet (UsageFresh=Unknown): the Prometheus that the counts come from was not asked yet, or is asked since
	// less than two periods and has not told.
	ReasonNotSampledYet = "NotSampledYet"
	// ReasonSourceNotConfigured (UsageFresh=False): the operator's configuration has no Prometheus for the namespace, or there
	// is no query for used.
	ReasonSourceNotConfigured = "SourceNotConfigured"
	// ReasonQueryFailed (UsageFresh=False): the Prometheus refuses the query, or for two periods it could not be carried out.
	ReasonQueryFailed = "QueryFailed"
	// ReasonPrometheusUnreachable (UsageFresh=False): for two periods the Prometheus did not answer properly.
	ReasonPrometheusUnreachable = "PrometheusUnreachable"
	// ReasonPartialData (UsageFresh=False): for two periods the Prometheus said that its answers are not complete.
	ReasonPartialData = "PartialData"
	// ReasonNoData (UsageFresh=False): for two periods the answers had nothing about the number.
	ReasonNoData = "NoData"
	// ReasonInvalidSample (UsageFresh=False): for two periods what the Prometheus said was no count.
	ReasonInvalidSample = "InvalidSample"
	// ReasonMembersNotFresh (UsageFresh=False): of a portfolio, the counts of some numbers are not fresh.
	ReasonMembersNotFresh = "MembersNotFresh"

	// ReasonPolled (ReportsFresh=True): the number was read.
	ReasonPolled = "Polled"
	// ReasonTokenRefused (ReportsFresh=False): the access token is missing, malformed, expired or revoked.
	ReasonTokenRefused = "TokenRefused"
	// ReasonPermissionMissing (ReportsFresh=False): the access token lacks a permission.
	ReasonPermissionMissing = "PermissionMissing"
	// ReasonNotFoundAtMeta (ReportsFresh=False): Meta has no such account, or no such number in it, or the access token may
	// not see it.
	ReasonNotFoundAtMeta = "NotFoundAtMeta"
	// ReasonNumberMismatch (ReportsFresh=False): at Meta spec.phoneNumberID is the id of another number than spec.phoneNumber.
	ReasonNumberMismatch = "NumberMismatch"
	// ReasonReadRefused (ReportsFresh=False): Meta refuses the call for another cause.
	ReasonReadRefused = "ReadRefused"
	// ReasonRateLimited (ReportsFresh=False): for two periods the calls that Meta allows did not suffice.
	ReasonRateLimited = "RateLimited"
	// ReasonUnreachable (ReportsFresh=False): for two periods Meta did not answer properly.
	ReasonUnreachable = "Unreachable"
)

// AnnotationDefaultPolicy marks, with the value "true", the MessagingPolicy of numbers that name none.
const AnnotationDefaultPolicy = "whatsapp.numberfleet.dev/is-default-policy"

// AnnotationWeight says, as a whole number from 0 to 100, how many users a PhoneNumber gets in a NumberPool with the strategy Weighted,
// relative to the others; 1 where it is left out.
const AnnotationWeight = "whatsapp.numberfleet.dev/weight"

// MostWeight is the greatest weight of a PhoneNumber in a NumberPool.
const MostWeight = 100

// ReasonUserFeedback is the quality reason of a rating that users' feedback makes, where Meta reports none.
const ReasonUserFeedback = "UserFeedback"

// ReasonLackingHumanAttention is the quality reason of a number without a direct way to a human under a policy that
// requires one (seeds/001).
const ReasonLackingHumanAttention = "LackingHumanAttention"
