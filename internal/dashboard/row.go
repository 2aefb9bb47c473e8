package dashboard

import (
	"cmp"
	"time"

	"numberfleet.dev/numberfleet/api/client"
	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/overview"
)

// row is an object as the page's tables show it.
type row struct {
	client.Item      // where it stands, without budgets
	Live        bool `json:"live"` // the operator said it just now

	Title    string                 `json:"title,omitempty"` // that people gave it
	Business string                 `json:"business,omitempty"`
	State    string                 `json:"state,omitempty"`
	Quality  v1alpha1.QualityRating `json:"quality,omitempty"`
	Tier     string                 `json:"tier,omitempty"`
	Policy   string                 `json:"policy,omitempty"`
	OwnUsed  *int64                 `json:"ownUsed,omitempty"` // of a number in a portfolio, as its status says
	Numbers  *int32                 `json:"numbers,omitempty"` // of a portfolio or a pool
	Senders  *int32                 `json:"senders,omitempty"` // those of a pool that may send

	Urgency overview.Urgency `json:"urgency"`
	Problem string           `json:"problem,omitempty"` // the reason of the first problem
	Next    *overview.Event  `json:"next,omitempty"`
}

// rowOf is the row of an object that stands as an item says.
func rowOf(o v1alpha1.Object, stands client.Item, live bool) row {
	summary := o.Summary()
	stands.Budgets = nil
	r := row{Item: stands, Live: live, State: summary.State, Quality: summary.Quality, Tier: summary.Tier, Policy: summary.Policy}
	switch o := o.(type) {
	case *v1alpha1.PhoneNumber:
		r.Title, r.Business = o.Spec.DisplayName, o.Spec.Business.Name
		if o.Status.Portfolio != "" {
			r.OwnUsed = o.Status.Usage.OwnUsed
		}
	case *v1alpha1.BusinessPortfolio:
		r.Title, r.Numbers = o.Spec.DisplayName, o.Status.Numbers
	case *v1alpha1.NumberPool:
		r.Numbers, r.Senders = o.Status.Numbers, o.Status.Sendable
	case *v1alpha1.MessageTemplate:
		r.Title, r.Business = o.Spec.TemplateName, o.Spec.Language
		r.Quality = o.Status.Quality.Rating
	}
	problems := overview.Problems(o, &stands)
	r.Urgency = overview.UrgencyOf(problems)
	if len(problems) > 0 {
		r.Problem = problems[0].Reason
	}
	if upcoming := overview.Upcoming(o, &stands); len(upcoming) > 0 {
		r.Next = &upcoming[0]
	}
	return r
}

// observed is when the status of an object was made; zero where nobody said.
func observed(o v1alpha1.Object) time.Time {
	switch o := o.(type) {
	case *v1alpha1.PhoneNumber:
		return o.Status.Usage.ObservedTime.Time
	case *v1alpha1.BusinessPortfolio:
		return o.Status.Usage.ObservedTime.Time
	case *v1alpha1.MessageTemplate:
		return o.Status.EvaluatedTime.Time
	default:
		return time.Time{}
	}
}

// compareKeys orders objects by kind, namespace and name.
func compareKeys(a, b key) int {
	return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.namespace, b.namespace), cmp.Compare(a.name, b.name))
}
