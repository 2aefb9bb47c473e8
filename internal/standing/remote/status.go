package remote

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"numberfleet.dev/numberfleet/api/client"
	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/rules"
)

// The kinds of items.
const (
	KindNumber    = "PhoneNumber"
	KindPortfolio = "BusinessPortfolio"
	KindPool      = "NumberPool"
	KindTemplate  = "MessageTemplate"
)

// KindOf is the kind of an object, whether its metadata say so or not.
func KindOf(o v1alpha1.Object) string {
	switch o.(type) {
	case *v1alpha1.PhoneNumber:
		return KindNumber
	case *v1alpha1.BusinessPortfolio:
		return KindPortfolio
	case *v1alpha1.NumberPool:
		return KindPool
	default:
		return KindTemplate
	}
}

// ofStatus is where an object stood when its status was written.
func ofStatus(o v1alpha1.Object) client.Item {
	i := client.Item{Kind: KindOf(o), Namespace: o.GetNamespace(), Name: o.GetName()}
	switch o := o.(type) {
	case *v1alpha1.PhoneNumber:
		i.Number, i.NumberID, i.Portfolio = o.Spec.PhoneNumber, o.Spec.PhoneNumberID, o.Status.Portfolio
		ofLimit(&i, &o.Status.LimitStatus)
	case *v1alpha1.BusinessPortfolio:
		ofLimit(&i, &o.Status.LimitStatus)
	case *v1alpha1.NumberPool:
		ofRoom(&i, o.Status.Reserved, o.Status.Remaining, o.Status.SendableTime.Time)
	case *v1alpha1.MessageTemplate:
		ofRoom(&i, nil, nil, o.Status.UntilTime.Time)
	}
	sendable := meta.FindStatusCondition(o.CommonStatus().Conditions, v1alpha1.ConditionSendable)
	switch {
	case sendable == nil:
		i.Reason, i.Remaining, i.Until = string(v1alpha1.RoomNotReady), 0, time.Time{}
	case !meta.IsStatusConditionTrue(o.CommonStatus().Conditions, v1alpha1.ConditionSendable):
		i.Reason, i.Remaining = sendable.Reason, 0
	default:
		i.Sendable, i.Until = true, time.Time{}
	}
	return i
}

func ofLimit(i *client.Item, s *v1alpha1.LimitStatus) {
	if s.Tier.Limit > 0 {
		i.Limit = new(s.Tier.Limit)
	}
	i.Used = s.Usage.Used
	ofRoom(i, s.Usage.Reserved, s.Usage.Remaining, s.Usage.SendableTime.Time)
	for _, b := range s.Budgets {
		of := client.Budget{Name: b.Name, Maximum: b.Maximum, Remaining: rules.NoLimit}
		for _, figure := range []struct {
			to   *int64
			from *int64
		}{{&of.Used, b.Used}, {&of.Reserved, b.Reserved}, {&of.Guaranteed, b.Guaranteed}, {&of.Remaining, b.Remaining}} {
			if figure.from != nil {
				*figure.to = *figure.from
			}
		}
		i.Budgets = append(i.Budgets, of)
	}
}

func ofRoom(i *client.Item, reserved, remaining *int64, until time.Time) {
	i.Remaining, i.Until = rules.NoLimit, until
	if reserved != nil {
		i.Reserved = *reserved
	}
	if remaining != nil {
		i.Remaining = *remaining
	}
}
