package main

import (
	"fmt"

	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// of is a metric of the number that the user chose. Every replica tells the same.
func of(metric string) string {
	return fmt.Sprintf(`max(numberfleet_%s{namespace="$namespace", name="$name"})`, metric)
}

// by is the same by a label.
func by(label, metric string) string {
	return fmt.Sprintf(`max by (%s) (numberfleet_%s{namespace="$namespace", name="$name"})`, label, metric)
}

// number shows one phone number.
func number() *dashboard.DashboardBuilder {
	d := newDashboard(numberUID, "numberfleet / number", "Where one phone number stands, what it may still send, and what happens next.").
		WithVariable(variable("namespace", "Namespace", "label_values(numberfleet_phone_number_info, namespace)")).
		WithVariable(variable("name", "PhoneNumber", `label_values(numberfleet_phone_number_info{namespace="$namespace"}, name)`))

	d.WithPanel(word(panel{"State", "What the number can do now. The highest is shown: a restricted number may be flagged too.", 3, "short"}, "state", by("state", "phone_number_info")))
	d.WithPanel(word(panel{"Quality", "The quality rating.", 3, "short"}, "quality", by("quality", "phone_number_info")))
	d.WithPanel(word(panel{"Tier", "The step of the policy's ladder of limits.", 3, "short"}, "tier", by("tier", "phone_number_info")))
	d.WithPanel(word(panel{"Policy", "The MessagingPolicy whose rules apply.", 3, "short"}, "policy", by("policy", "phone_number_info")))
	d.WithPanel(figure(panel{"Remaining", "How many further users may be messaged now; 2147483647 where there is no limit.", 3, "short"}, of("phone_number_remaining")))
	d.WithPanel(figure(panel{"Used of the limit", "By the number, or by all numbers of its portfolio.", 3, "percentunit"},
		of("phone_number_used")+" / "+of("phone_number_limit")).Thresholds(ofLimit()))
	d.WithPanel(figure(panel{"Next deadline", "When something changes by itself: kubectl phonenumbers explain says what.", 3, "dateTimeFromNow"},
		of("phone_number_next_deadline_timestamp_seconds")+" * 1000"))
	d.WithPanel(figure(panel{"Last received", "When anything was last received about the number.", 3, "dateTimeFromNow"},
		of("phone_number_last_received_timestamp_seconds")+" * 1000"))

	d.WithPanel(graph(panel{"Used and limit", "What is used of the limit, which may be that of the portfolio, and what the number itself used.", 12, "short"},
		query{"limit", of("phone_number_limit")}, query{"used", of("phone_number_used")}, query{"used by the number itself", of("phone_number_own_used")}).
		LineInterpolation(common.LineInterpolationStepAfter))
	d.WithPanel(words(panel{"State and quality", "Over time.", 12, "short"},
		query{"{{state}}", by("state", "phone_number_info")}, query{"quality {{quality}}", by("quality", "phone_number_info")}))
	d.WithPanel(graph(panel{"Remaining", "How many further users may be messaged.", 8, "short"}, query{"remaining", of("phone_number_remaining")}))
	d.WithPanel(graph(panel{"Reserved", "Places of the limit that messages under way hold.", 8, "short"},
		query{"of the limit", of("phone_number_reserved")}, query{"by the number itself", of("phone_number_own_reserved")}))
	d.WithPanel(graph(panel{"Users in 7 days", "Users with a counted delivery in the last seven days, from which most policies raise the tier.", 8, "short"},
		query{"users", of("phone_number_unique_users_7d")}))
	d.WithPanel(shares(panel{"Delivered", "Messages by Meta's pricing category.", 8, "ops"},
		query{"{{category}}", rate("category", "delivered")}))
	d.WithPanel(shares(panel{"Failed", "Messages by Meta's error code, or what kind it is of.", 8, "ops"},
		query{"{{code}}", rate("code", "failed")}))
	d.WithPanel(graph(panel{"Budgets", "What is used of each budget and what it may take at most, of a number that has its limit itself and shares it out.", 8, "short"},
		query{"{{budget}}: used", by("budget", "phone_number_budget_used")}, query{"{{budget}}: at most", by("budget", "phone_number_budget_maximum")}))
	d.WithPanel(list(panel{"Abnormal conditions", "Conditions that are not as they should be: kubectl describe says more.", 16, "short"},
		by("type, reason", "abnormal_condition"), "type", "reason"))
	d.WithPanel(figure(panel{"Tier falls", "When the tier falls if the quality stays low; of a flagged number.", 8, "dateTimeFromNow"},
		of("phone_number_flag_deadline_timestamp_seconds")+" * 1000"))
	return d
}

// rate is the rate of messages that were delivered or failed.
func rate(label, what string) string {
	return fmt.Sprintf(`sum by (%s) (rate(numberfleet_phone_number_%s_messages_total{namespace="$namespace", name="$name"}[$__rate_interval]))`, label, what)
}
