package main

import (
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

const (
	fleetUID  = "numberfleet-fleet"
	numberUID = "numberfleet-number"
)

// toNumber leads from a series with the labels namespace and name, or from the row of a table, to the dashboard of the number.
func toNumber(namespace, name string) []cog.Builder[dashboard.DashboardLink] {
	return []cog.Builder[dashboard.DashboardLink]{dashboard.NewDashboardLinkBuilder("Show the number").
		Url("/d/" + numberUID + "?var-datasource=${datasource}&var-namespace=" + namespace + "&var-name=" + name + "&${__url_time_range}")}
}

// fleet shows all numbers together, and the operator. Over time it asks what rules record, since a fleet has very many series.
func fleet() *dashboard.DashboardBuilder {
	d := newDashboard(fleetUID, "numberfleet / fleet", "Where all phone numbers stand, what arrives, and how the operator does. It needs the rules of config/prometheus.").
		WithVariable(variable("namespace", "Namespace", "label_values(numberfleet:phone_numbers:count, namespace)").Multi(true).IncludeAll(true).AllValue(".*"))

	d.WithRow(dashboard.NewRowBuilder("Numbers"))
	d.WithPanel(figure(panel{"Phone numbers", "How many PhoneNumbers have a tier.", 6, "short"},
		`sum(numberfleet:phone_numbers:count{namespace=~"$namespace"})`))
	d.WithPanel(figure(panel{"Sendable", "How many phone numbers may message further users now.", 6, "short"},
		`sum(max by (namespace, name) (numberfleet_phone_number_sendable{namespace=~"$namespace"}))`))
	d.WithPanel(figure(panel{"With abnormal conditions", "How many resources have a condition that is not as it should be; the table below has them.", 6, "short"},
		`count(group by (kind, namespace, name) (numberfleet_abnormal_condition{namespace=~"$namespace"})) or vector(0)`))
	d.WithPanel(figure(panel{"Unclaimed", "Numbers that something is received about and that no PhoneNumber names: kubectl phonenumbers unclaimed.", 6, "short"},
		`max(numberfleet_unclaimed_phone_numbers)`))
	d.WithPanel(shares(panel{"State", "How many phone numbers are in each state. The highest is shown: a blocked number may be flagged too.", 12, "short"},
		query{"{{state}}", `sum by (state) (numberfleet:phone_numbers:count{namespace=~"$namespace"})`}))
	d.WithPanel(shares(panel{"Quality rating", "How many phone numbers have each rating.", 12, "short"},
		query{"{{quality}}", `sum by (quality) (numberfleet:phone_numbers:count{namespace=~"$namespace"})`}))
	d.WithPanel(bars(panel{"Used of the limit: numbers", "The 20 numbers with limits of their own that have used most of them. The colours change where the alerts do.", 12, "percentunit"},
		query{"{{namespace}}/{{name}}", `topk(20, numberfleet:limit_used:ratio{kind="PhoneNumber", namespace=~"$namespace"})`}).
		DataLinks(toNumber("${__field.labels.namespace}", "${__field.labels.name}")))
	d.WithPanel(bars(panel{"Used of the limit: portfolios", "The 20 portfolios whose numbers have used most of the limit that they share.", 12, "percentunit"},
		query{"{{name}}", `topk(20, numberfleet:limit_used:ratio{kind="BusinessPortfolio"})`}))
	d.WithPanel(list(panel{"Abnormal conditions", "Conditions that are not as they should be, 500 at most: kubectl describe says more.", 12, "short"},
		`topk(500, max by (kind, namespace, name, type, reason) (numberfleet_abnormal_condition{namespace=~"$namespace"}))`,
		"kind", "namespace", "name", "type", "reason").
		DataLinks(toNumber("${__data.fields.namespace}", "${__data.fields.name}")))
	d.WithPanel(graph(panel{"Remaining of pools", "How many further users the numbers of each pool may message. Unlimited ones are left out.", 12, "short"},
		query{"{{namespace}}/{{name}}", `max by (namespace, name) (numberfleet_number_pool_remaining{namespace=~"$namespace"} < 2147483647)`}))

	d.WithRow(dashboard.NewRowBuilder("What arrives"))
	d.WithPanel(shares(panel{"Webhooks", "By the status of the answer. 401: no secret signed it. 503: it cannot be recorded, and Meta tries again.", 8, "reqps"},
		query{"{{code}}", `sum by (code) (rate(numberfleet_webhook_requests_total[$__rate_interval]))`}))
	d.WithPanel(graph(panel{"Time to an answer", "Of webhooks. Meta asks for a median of a quarter of a second and less than 1 % above one.", 8, "s"},
		query{"half of them", quantile("0.5", "numberfleet_webhook_request_duration_seconds")},
		query{"99 in 100", quantile("0.99", "numberfleet_webhook_request_duration_seconds")}))
	d.WithPanel(shares(panel{"Updates", "In acknowledged webhooks, by kind. unread could not be read, and was passed over.", 8, "ops"},
		query{"{{kind}}", `sum by (kind) (rate(numberfleet_webhook_updates_total[$__rate_interval]))`}))
	d.WithPanel(shares(panel{"Delivered", "Messages by Meta's pricing category, as a rate over five minutes.", 12, "ops"},
		query{"{{category}}", `sum by (category) (numberfleet:delivered_messages:rate5m{namespace=~"$namespace"})`}))
	d.WithPanel(shares(panel{"Failed", "Messages by Meta's error code, or what kind it is of, as a rate over five minutes.", 12, "ops"},
		query{"{{code}}", `sum by (code) (numberfleet:failed_messages:rate5m{namespace=~"$namespace"})`}))

	d.WithRow(dashboard.NewRowBuilder("Gate"))
	d.WithPanel(shares(panel{"Decisions", "Reservations by what became of them, and why.", 8, "ops"},
		query{"{{state}}: {{why}}", `sum by (state, why) (rate(numberfleet_gate_decisions_total[$__rate_interval]))`}))
	d.WithPanel(graph(panel{"Places held", "By reservations under way. Of unknown ones the time to send is over, and nobody said what became of them.", 8, "short"},
		query{"held", `sum(max by (kind, namespace, name) (numberfleet_gate_held))`},
		query{"unknown", `sum(max by (kind, namespace, name) (numberfleet_gate_held_unknown))`}))
	d.WithPanel(shares(panel{"Messages through the guard", "By what became of them.", 8, "ops"},
		query{"{{outcome}}", `sum by (outcome) (rate(numberfleet_guard_messages_total[$__rate_interval]))`}))

	d.WithRow(dashboard.NewRowBuilder("Operator"))
	d.WithPanel(shares(panel{"Decisions of the rules", "Transitions by reason.", 8, "ops"},
		query{"{{reason}}", `sum by (reason) (rate(numberfleet_transitions_total[$__rate_interval]))`}))
	d.WithPanel(shares(panel{"Status writes", "For a decision, or for counts alone.", 8, "ops"},
		query{"{{for}}: {{result}}", `sum by (for, result) (rate(numberfleet_status_writes_total[$__rate_interval]))`}))
	d.WithPanel(graph(panel{"Deadlines", "Deadlines of the rules that were met, and those of them that were more than a second late.", 8, "short"},
		query{"met", `sum(increase(numberfleet_deadline_lateness_seconds_count[$__rate_interval]))`},
		query{"late", `sum(increase(numberfleet_deadline_lateness_seconds_count[$__rate_interval])) - sum(increase(numberfleet_deadline_lateness_seconds_bucket{le=~"1|1.0"}[$__rate_interval]))`}))
	d.WithPanel(graph(panel{"Memory", "Of each replica.", 6, "bytes"},
		query{"{{instance}}", `process_resident_memory_bytes and on (job, instance) numberfleet_unclaimed_phone_numbers`}))
	d.WithPanel(graph(panel{"CPU", "Of each replica, in cores.", 6, "short"},
		query{"{{instance}}", `rate(process_cpu_seconds_total[$__rate_interval]) and on (job, instance) numberfleet_unclaimed_phone_numbers`}))
	d.WithPanel(graph(panel{"Age of the log", "With ledger.engine: Log, how old what each replica knows may be; more than 2 s and it refuses.", 6, "s"},
		query{"{{instance}}", `numberfleet_log_age_seconds`}))
	d.WithPanel(graph(panel{"Time to the log", "With ledger.engine: Log, until a round of records is kept and applied, of 99 in 100.", 6, "s"},
		query{"{{instance}}", `histogram_quantile(0.99, sum by (instance, le) (rate(numberfleet_log_append_duration_seconds_bucket[$__rate_interval])))`}))
	return d
}

// quantile is one of a histogram, over all replicas.
func quantile(q, histogram string) string {
	return "histogram_quantile(" + q + ", sum by (le) (rate(" + histogram + "_bucket[$__rate_interval])))"
}
