// Package settings makes what the gate decides by: settings of the state machine, from resources and from what the rules made of them. The
// operator and the simulator set the same.
package settings

import (
	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/rules"
)

// Limit is a limit of a subject, which is counted as a policy says and shared out as a spec says.
func Limit(subject string, limit int64, policy *rules.Policy, spec *v1alpha1.GateSpec) counts.LimitSetting {
	return counts.LimitSetting{Subject: subject, Limit: limit, Measure: policy.Measure, Window: policy.Window,
		ReleaseUnconfirmed: spec.Unconfirmed == v1alpha1.ReleaseUnconfirmed, Shadow: spec.Enforcement == v1alpha1.Shadow,
		AllowUnreserved: spec.OnUnavailable == v1alpha1.AllowUnavailable, Budgets: budgets(spec)}
}

// Sender says of a number how it is rated and what is in its way. The restriction is as in rules.Obstacle.StopsReplies.
func Sender(n *v1alpha1.PhoneNumber, quality v1alpha1.QualityRating, o rules.Obstacle, restriction string) counts.SenderSetting {
	return counts.SenderSetting{
		Number: n.Spec.PhoneNumber, Namespace: n.Namespace, Account: n.Spec.Business.WhatsAppBusinessAccountID, Quality: quality,
		Obstacle: Obstacle(o, restriction),
	}
}

// Template says of a template, which numbers of a namespace send, what is in its way. The category is Meta's word for it.
func Template(namespace string, subject report.Subject, o rules.Obstacle, category string) counts.TemplateSetting {
	return counts.TemplateSetting{Name: counts.TemplateName(namespace, subject.String()), Category: counts.NewCategory(report.CategoryName(category)), Obstacle: Obstacle(o, "")}
}

// Obstacle is an obstacle that the rules found. The restriction is as in rules.Obstacle.StopsReplies.
func Obstacle(o rules.Obstacle, restriction string) counts.Obstacle {
	is := counts.Obstacle{Reason: o.Reason, Replies: o.StopsReplies(restriction)}
	if !o.Until.IsZero() {
		is.Until = o.Until.Unix()
	}
	return is
}
