package prometheus_test

import (
	"fmt"
	"strings"
)

// trigger is a fleet in which one thing is wrong, and what is alerted of it.
type trigger struct {
	alert   string            // none where it is empty
	series  map[string]string // those that differ from the healthy fleet, or come to it
	labels  map[string]string // of the alert, without alertname and severity
	summary string
	minutes int // after which it is looked at; 120 where it is left out
}

// replicas are the label instance of the operator's replicas.
var replicas = []string{"10.0.0.1:8443", "10.0.0.2:8443"}

// healthy is a fleet of which nothing is to be alerted. @ stands for the labels of a replica, and N for as long as is looked at.
var healthy = map[string]string{
	`numberfleet_phone_number_used{namespace="shop",name="alone",@}`:        "790+0xN",
	`numberfleet_phone_number_limit{namespace="shop",name="alone",@}`:       "1000+0xN",
	`numberfleet_phone_number_info{` + alone + `,@}`:                        "1+0xN",
	`numberfleet_phone_number_used{namespace="shop",name="member",@}`:       "790+0xN",
	`numberfleet_phone_number_limit{namespace="shop",name="member",@}`:      "1000+0xN",
	`numberfleet_phone_number_info{` + member + `,@}`:                       "1+0xN",
	`numberfleet_portfolio_used{namespace="operator",name="acme",@}`:        "790+0xN",
	`numberfleet_portfolio_limit{namespace="operator",name="acme",@}`:       "1000+0xN",
	`numberfleet_message_template_info{` + template + `,state="Flagged",@}`: "1+0xN",

	`numberfleet_unclaimed_phone_numbers{namespace="operator",@}`:                                                "0+0xN",
	`numberfleet_webhook_requests_total{app="",code="200",@}`:                                                    "0+60xN",
	`numberfleet_webhook_requests_total{app="",code="401",@}`:                                                    "0+1xN",
	`numberfleet_webhook_request_duration_seconds_bucket{app="",le="1",@}`:                                       "0+1000xN",
	`numberfleet_webhook_request_duration_seconds_count{app="",@}`:                                               "0+1009xN",
	`numberfleet_webhook_unstored_requests_total{app="",@}`:                                                      "0+0xN",
	`numberfleet_events_unstored_requests_total{@}`:                                                              "0+0xN",
	`numberfleet_degraded{namespace="operator",reason="SecretMissing",field="graphAPI.accounts[0].tokenFile",@}`: "0+0xN",

	`numberfleet_gate_decisions_total{state="Held",why="Reserved",@}`:                          "0+51xN",
	`numberfleet_gate_decisions_total{state="Refused",why="LimitReached",@}`:                   "0+49xN",
	`numberfleet_gate_held{kind="PhoneNumber",namespace="shop",name="alone",@}`:                "40+0xN",
	`numberfleet_gate_held_unknown{kind="PhoneNumber",namespace="shop",name="alone",@}`:        "20+0xN",
	`numberfleet_gate_oldest_hold_seconds{kind="PhoneNumber",namespace="shop",name="alone",@}`: "172800+0xN",

	`process_start_time_seconds{@}`:                                                                     "1+0xN",
	`numberfleet_deadline_lateness_seconds_count{@}`:                                                    "0+10xN",
	`numberfleet_deadline_lateness_seconds_bucket{le="60.0",@}`:                                         "0+10xN",
	`numberfleet_status_writes_total{result="written",for="counts",@}`:                                  "0+91xN",
	`numberfleet_status_writes_total{result="failed",for="counts",@}`:                                   "0+9xN",
	`numberfleet_notifications_total{receiver="ops",result="sent",@}`:                                   "0+1xN",
	`numberfleet_notifications_total{receiver="ops",result="failed",@}`:                                 "0+1xN",
	`numberfleet_log_age_seconds{namespace="operator",@}`:                                               "1+0xN",
	`numberfleet_log_leads{namespace="operator",instance="10.0.0.1:8443"}`:                              "1+0xN",
	`numberfleet_log_leads{namespace="operator",instance="10.0.0.2:8443"}`:                              "0+0xN",
	`numberfleet_log_seals_total{namespace="operator",@}`:                                               "0+6xN",
	`numberfleet_log_append_duration_seconds_bucket{le="1",@}`:                                          "0+99xN",
	`numberfleet_log_append_duration_seconds_bucket{le="+Inf",@}`:                                       "0+99xN",
	`numberfleet_degraded{namespace="operator",reason="LogNotSynced",field="ledger.log.requireSync",@}`: "0+0xN",
	`numberfleet_log_clock_difference_seconds{namespace="operator",@}`:                                  "-9+0xN",
	`numberfleet_log_backup_timestamp_seconds{namespace="operator",instance="10.0.0.1:8443"}`:           "0+60xN",
	`numberfleet_log_backup_timestamp_seconds{namespace="operator",instance="10.0.0.2:8443"}`:           "0+0xN",
}

const (
	alone    = `namespace="shop",name="alone",tier="1",quality="High",state="Connected",policy="quality-based",portfolio=""`
	member   = `namespace="shop",name="member",tier="2K",quality="High",state="Connected",policy="meta-2025",portfolio="acme"`
	template = `namespace="shop",name="order",quality="Low",policy="meta-2025"`
	absent   = "_"
	wrong    = "1+0xN"
	one      = "10.0.0.2:8443" // of the replicas
)

// condition is a series of a condition that is not as it should be.
func condition(kind, namespace, name, of, reason string) string {
	return fmt.Sprintf(`numberfleet_abnormal_condition{kind=%q,namespace=%q,name=%q,type=%q,reason=%q,@}`, kind, namespace, name, of, reason)
}

// ofAlone is one of the number that has its limit itself.
func ofAlone(of, reason string) map[string]string {
	return map[string]string{condition("PhoneNumber", "shop", "alone", of, reason): wrong}
}

type labels = map[string]string

var (
	aloneIs     = labels{"namespace": "shop", "name": "alone"}
	aloneIsKind = labels{"kind": "PhoneNumber", "namespace": "shop", "name": "alone"}
	acmeIsKind  = labels{"kind": "BusinessPortfolio", "namespace": "operator", "name": "acme"}
)

var triggers = []trigger{
	{},
	{
		alert: "NumberfleetLimit80PercentUsed", labels: aloneIsKind, summary: "PhoneNumber alone has used 80% of its messaging limit.",
		series: map[string]string{`numberfleet_phone_number_used{namespace="shop",name="alone",@}`: "800+0xN"},
	},
	{
		alert: "NumberfleetLimit80PercentUsed", labels: acmeIsKind, summary: "BusinessPortfolio acme has used 94.9% of its messaging limit.",
		series: map[string]string{
			`numberfleet_phone_number_used{namespace="shop",name="member",@}`: "949+0xN", `numberfleet_portfolio_used{namespace="operator",name="acme",@}`: "949+0xN",
		},
	},
	{
		alert: "NumberfleetLimit95PercentUsed", labels: aloneIsKind, summary: "PhoneNumber alone has used 95% of its messaging limit.",
		series: map[string]string{`numberfleet_phone_number_used{namespace="shop",name="alone",@}`: "950+0xN"},
	},
	{
		alert: "NumberfleetRestricted", labels: aloneIsKind, summary: "PhoneNumber alone has reached its messaging limit: only replies go out.",
		series: map[string]string{
			`numberfleet_phone_number_used{namespace="shop",name="alone",@}`:        "1000+0xN",
			condition("PhoneNumber", "shop", "alone", "Restricted", "LimitReached"): wrong,
			condition("PhoneNumber", "shop", "alone", "Sendable", "LimitReached"):   wrong,
		},
	},
	{
		alert: "NumberfleetRestricted", labels: acmeIsKind, summary: "BusinessPortfolio acme has reached its messaging limit: only replies go out.",
		series: map[string]string{
			condition("PhoneNumber", "shop", "member", "Restricted", "LimitReached"):         wrong,
			condition("BusinessPortfolio", "operator", "acme", "Restricted", "LimitReached"): wrong,
		},
	},
	{
		alert: "NumberfleetRestricted", labels: labels{"kind": "PhoneNumber", "namespace": "shop", "name": "member"},
		summary: "PhoneNumber member has reached its messaging limit: only replies go out.",
		series:  map[string]string{condition("PhoneNumber", "shop", "member", "Restricted", "ReportedRestricted"): wrong},
	},
	{
		alert: "NumberfleetAccountRestricted", labels: labels{"namespace": "shop"}, summary: "Meta restricts the account of 2 phone numbers in namespace shop.",
		series: map[string]string{
			condition("PhoneNumber", "shop", "alone", "Restricted", "AccountRestricted"):  wrong,
			condition("PhoneNumber", "shop", "member", "Restricted", "AccountRestricted"): wrong,
			condition("PhoneNumber", "shop", "member", "Sendable", "AccountRestricted"):   wrong,
		},
	},
	{alert: "NumberfleetBlocked", labels: aloneIs, summary: "PhoneNumber alone is blocked: nothing can be sent, and only Meta can lift it.", series: ofAlone("Sendable", "Blocked")},
	{alert: "NumberfleetOffline", labels: aloneIs, summary: "PhoneNumber alone is offline: WhatsApp's servers cannot reach it.", series: ofAlone("Sendable", "Offline")},
	{
		alert: "NumberfleetQualityFell", labels: labels{"namespace": "shop", "name": "alone", "quality": "Low"},
		summary: "The quality rating of PhoneNumber alone fell to Low within the last hour.",
		series: map[string]string{
			`numberfleet_phone_number_info{` + alone + `,@}`:                                    "1+0x70",
			`numberfleet_phone_number_info{` + strings.Replace(alone, "High", "Low", 1) + `,@}`: "_x71 1+0xN",
		},
	},
	{
		alert: "NumberfleetQualityFell", labels: labels{"namespace": "shop", "name": "alone", "quality": "Medium"},
		summary: "The quality rating of PhoneNumber alone fell to Medium within the last hour.",
		series: map[string]string{
			`numberfleet_phone_number_info{` + alone + `,@}`:                                       "1+0x70",
			`numberfleet_phone_number_info{` + strings.Replace(alone, "High", "Medium", 1) + `,@}`: "_x71 1+0xN",
		},
	},
	{ // a rating that is low for longer, and one that rose
		series: map[string]string{
			`numberfleet_phone_number_info{` + alone + `,@}`:                                     absent,
			`numberfleet_phone_number_info{` + strings.Replace(alone, "High", "Low", 1) + `,@}`:  "1+0xN",
			`numberfleet_phone_number_info{` + strings.Replace(member, "High", "Low", 1) + `,@}`: "1+0x70",
			`numberfleet_phone_number_info{` + member + `,@}`:                                    "_x71 1+0xN",
		},
	},
	{
		alert: "NumberfleetFlagged", labels: aloneIs, summary: "PhoneNumber alone is flagged: its tier falls in 2d 0h 0m 0s unless its quality rises.",
		series: map[string]string{
			condition("PhoneNumber", "shop", "alone", "Flagged", "QualityLow"):                          wrong,
			`numberfleet_phone_number_flag_deadline_timestamp_seconds{namespace="shop",name="alone",@}`: "180000+0xN",
		},
	},
	{alert: "NumberfleetFlagged", labels: aloneIs, summary: "PhoneNumber alone is flagged.", series: ofAlone("Flagged", "ReportedFlagged")},
	{series: ofAlone("Flagged", "Recovering")},
	{
		alert: "NumberfleetTierFallsSoon", labels: aloneIs, summary: "The tier of PhoneNumber alone falls in 1d 23h 59m 59s unless its quality rises.",
		series: map[string]string{
			condition("PhoneNumber", "shop", "alone", "Flagged", "ReportedFlagged"):                     wrong,
			`numberfleet_phone_number_flag_deadline_timestamp_seconds{namespace="shop",name="alone",@}`: "179999+0xN",
		},
	},
	{
		alert: "NumberfleetTemplatePaused", labels: labels{"namespace": "shop", "name": "order"},
		summary: "Meta has paused MessageTemplate order: it cannot be sent for some time.",
		series: map[string]string{
			`numberfleet_message_template_info{` + template + `,state="Flagged",@}`: absent, `numberfleet_message_template_info{` + template + `,state="Paused",@}`: wrong,
			condition("MessageTemplate", "shop", "order", "Sendable", "TemplatePaused"): wrong,
		},
	},
	{
		alert: "NumberfleetTemplateDisabled", labels: labels{"namespace": "shop", "name": "order"},
		summary: "MessageTemplate order cannot be sent any more: edit it and submit it again.",
		series:  map[string]string{`numberfleet_message_template_info{` + template + `,state="Disabled",@}`: wrong},
	},
	{
		alert: "NumberfleetSilent", labels: labels{"namespace": "shop", "name": "alone", "reason": "Silent"},
		summary: "Nothing is received about PhoneNumber alone any more (Silent): its counts may be too low.", series: ofAlone("UsageFresh", "Silent"),
	},
	{
		alert: "NumberfleetNothingReceived", labels: aloneIs, summary: "Nothing was ever received about PhoneNumber alone.",
		series: ofAlone("UsageFresh", "NothingReceived"), minutes: 25 * 60,
	},
	{series: ofAlone("UsageFresh", "NothingReceived")},
	{
		alert: "NumberfleetSamplesNotFresh", labels: labels{"namespace": "shop", "reason": "NoData"},
		summary: "A Prometheus does not say how much 1 phone numbers in namespace shop have used (NoData).", series: ofAlone("UsageFresh", "NoData"),
	},
	{
		alert: "NumberfleetCountsIncomplete", labels: aloneIs,
		summary: "Meta tells of more deliveries of PhoneNumber alone than were counted: its counts are too low.", series: ofAlone("UsageComplete", "DeliveriesMissing"),
	},
	{
		alert: "NumberfleetUnclaimed", labels: labels{"namespace": "operator"}, summary: "Something is received about 3 phone numbers that no PhoneNumber names.",
		series: map[string]string{`numberfleet_unclaimed_phone_numbers{namespace="operator",@}`: "3+0xN"},
	},
	{
		alert: "NumberfleetTokenRefused", labels: labels{"namespace": "shop", "reason": "TokenRefused"},
		summary: "Meta refuses the access token for 1 phone numbers in namespace shop (TokenRefused).", series: ofAlone("ReportsFresh", "TokenRefused"),
	},
	{
		alert: "NumberfleetReportsNotFresh", labels: labels{"namespace": "shop", "reason": "Unreachable"},
		summary: "1 phone numbers in namespace shop are not read from Meta's Graph API (Unreachable).", series: ofAlone("ReportsFresh", "Unreachable"),
	},
	{
		alert: "NumberfleetNotReady", labels: labels{"kind": "PhoneNumber", "namespace": "shop", "name": "alone", "reason": "PolicyNotFound"},
		summary: "The operator does not do its job for PhoneNumber alone (PolicyNotFound).", series: ofAlone("Ready", "PolicyNotFound"),
	},
	{
		alert: "NumberfleetRulesDisagree", labels: labels{"kind": "PhoneNumber", "namespace": "shop", "name": "alone", "reason": "LimitDiffers"},
		summary: "What Meta reports of PhoneNumber alone is not what its policy concludes (LimitDiffers).", series: ofAlone("RulesAgree", "LimitDiffers"),
	},
	{
		alert: "NumberfleetSpecDoesNotFit", labels: labels{"kind": "NumberPool", "namespace": "shop", "name": "sales", "type": "MembersFit", "reason": "PoliciesDiffer"},
		summary: "NumberPool sales asks for what cannot be (PoliciesDiffer).",
		series:  map[string]string{condition("NumberPool", "shop", "sales", "MembersFit", "PoliciesDiffer"): wrong},
	},
	{
		alert: "NumberfleetWebhooksRefused", labels: labels{"app": "bank"}, summary: "Every webhook of app bank is refused: the app secret is likely wrong.",
		series: map[string]string{`numberfleet_webhook_requests_total{app="bank",code="401",@}`: "0+1xN"},
	},
	{
		alert: "NumberfleetWebhooksRefused", labels: labels{}, summary: "Every webhook of the app without a name is refused: the app secret is likely wrong.",
		series: map[string]string{`numberfleet_webhook_requests_total{app="",code="200",@}`: "9+0xN"},
	},
	{
		alert: "NumberfleetWebhooksSlow", labels: labels{}, summary: "2% of the webhooks take more than a second; Meta asks for less than 1 %.",
		series: map[string]string{
			`numberfleet_webhook_request_duration_seconds_bucket{app="",le="1",@}`: "0+98xN", `numberfleet_webhook_request_duration_seconds_count{app="",@}`: "0+100xN",
		},
	},
	{
		alert: "NumberfleetLedgerNotWritable", labels: labels{}, summary: "Webhooks or events cannot be recorded and are answered with 503.",
		series: map[string]string{`numberfleet_webhook_unstored_requests_total{app="",@}`: "0+1xN"},
	},
	{
		alert: "NumberfleetLedgerNotWritable", labels: labels{}, summary: "Webhooks or events cannot be recorded and are answered with 503.",
		series: map[string]string{`numberfleet_events_unstored_requests_total{@}`: "0+1xN"},
	},
	{
		alert: "NumberfleetDegraded", labels: labels{"namespace": "operator", "reason": "SecretMissing", "field": "--webhook-credentials/app-secret"},
		summary: "The operator lacks what --webhook-credentials/app-secret names (SecretMissing).",
		series: map[string]string{
			`numberfleet_degraded{namespace="operator",reason="SecretMissing",field="--webhook-credentials/app-secret",@}`: wrong,
			`numberfleet_webhook_requests_total{app="",code="503",@}`:                                                      "0+1xN",
			condition("PhoneNumber", "shop", "alone", "UsageFresh", "SecretMissing"):                                       wrong,
		},
	},
	{
		alert: "NumberfleetGateRefusing", labels: labels{}, summary: "51% of the reservations are refused.",
		series: map[string]string{
			`numberfleet_gate_decisions_total{state="Held",why="Reserved",@}`: "0+49xN", `numberfleet_gate_decisions_total{state="Refused",why="LimitReached",@}`: "0+51xN",
		},
	},
	{
		alert: "NumberfleetGateUnavailable", labels: labels{}, summary: "Nothing can be decided: reservations are refused, or messages sent without one.",
		series: map[string]string{`numberfleet_gate_decisions_total{state="Unreserved",why="InsideWindow",@}`: "0+1xN"},
	},
	{
		alert: "NumberfleetGateUnavailable", labels: labels{}, summary: "Nothing can be decided: reservations are refused, or messages sent without one.",
		series: map[string]string{`numberfleet_gate_decisions_total{state="Refused",why="Unavailable",@}`: "0+100xN"},
	},
	{
		alert: "NumberfleetHoldTooOld", labels: aloneIsKind, summary: "A reservation of PhoneNumber alone holds its place for 2d 0h 10m 1s; 48 hours is the most.",
		series: map[string]string{`numberfleet_gate_oldest_hold_seconds{kind="PhoneNumber",namespace="shop",name="alone",@}`: "173401+0xN"},
	},
	{
		alert: "NumberfleetHoldsUnknown", labels: aloneIsKind, summary: "52.5% of the reservations of PhoneNumber alone were neither confirmed nor released.",
		series: map[string]string{`numberfleet_gate_held_unknown{kind="PhoneNumber",namespace="shop",name="alone",@}`: "21+0xN"},
	},
	{
		alert: "NumberfleetDown", labels: labels{}, summary: "No operator is scraped.",
		series: map[string]string{`numberfleet_unclaimed_phone_numbers{namespace="operator",@}`: "0+0x60"},
	},
	{
		alert: "NumberfleetRestarting", labels: labels{"instance": one}, summary: "The operator at " + one + " ended 3 times within 30 minutes.",
		series: map[string]string{`process_start_time_seconds{instance="` + one + `"}`: "1+0x99 2 3 4+0xN"},
	},
	{
		alert: "NumberfleetDeadlinesLate", labels: labels{}, summary: "30 deadlines of the rules were met more than a minute late.",
		series: map[string]string{`numberfleet_deadline_lateness_seconds_count{@}`: "0+11xN"},
	},
	{
		alert: "NumberfleetStatusWritesFail", labels: labels{}, summary: "50% of the writes of statuses fail.",
		series: map[string]string{`numberfleet_status_writes_total{result="failed",for="counts",@}`: "0+91xN"},
	},
	{
		alert: "NumberfleetNotificationsFail", labels: labels{"receiver": "ops"}, summary: "Notifications to receiver ops fail.",
		series: map[string]string{`numberfleet_notifications_total{receiver="ops",result="sent",@}`: "7+0xN"},
	},
	{
		alert: "NumberfleetReplicaBehind", labels: labels{"namespace": "operator", "instance": one},
		summary: "What the replica at " + one + " knows is 6s old: it refuses webhooks and reservations.",
		series:  map[string]string{`numberfleet_log_age_seconds{namespace="operator",instance="` + one + `"}`: "6+0xN"},
	},
	{
		alert: "NumberfleetNotOneLeader", labels: labels{}, summary: "0 replicas lead instead of one, which writes statuses.",
		series: map[string]string{`numberfleet_log_leads{namespace="operator",instance="10.0.0.1:8443"}`: "0+0xN"},
	},
	{
		alert: "NumberfleetLogNotCompared", labels: labels{"namespace": "operator", "instance": one},
		summary: "The replica at " + one + " does not compare what it read with the others.",
		series:  map[string]string{`numberfleet_log_seals_total{namespace="operator",instance="` + one + `"}`: "6+0xN"},
	},
	{
		alert: "NumberfleetLogNotSynced", labels: labels{"namespace": "operator"},
		summary: "The nodes of the log acknowledge before they have synced: a power failure may lose what was acknowledged.",
		series:  map[string]string{`numberfleet_degraded{namespace="operator",reason="LogNotSynced",field="ledger.log.requireSync",@}`: wrong},
	},
	{
		alert: "NumberfleetClockWrong", labels: labels{"namespace": "operator", "instance": one},
		summary: "The clock of the replica at " + one + " is 11s off; beyond 30 s it refuses.",
		series:  map[string]string{`numberfleet_log_clock_difference_seconds{namespace="operator",instance="` + one + `"}`: "-11+0xN"},
	},
	{
		alert: "NumberfleetLogSlow", labels: labels{},
		summary: "One round in a hundred takes 1.01s until it is in the log: its disks or its network are slow.",
		series: map[string]string{
			`numberfleet_log_append_duration_seconds_bucket{le="1",@}`: "0+98xN", `numberfleet_log_append_duration_seconds_bucket{le="2",@}`: "0+99xN",
			`numberfleet_log_append_duration_seconds_bucket{le="+Inf",@}`: "0+99xN",
		},
	},
	{
		alert: "NumberfleetBackupOld", labels: labels{"namespace": "operator"}, minutes: 10 * 60,
		summary: "The newest snapshot in the bucket is more than 3 hours old: what came since would be lost with the log.",
		series:  map[string]string{`numberfleet_log_backup_timestamp_seconds{namespace="operator",instance="10.0.0.1:8443"}`: "17000+0xN"},
	},
}
