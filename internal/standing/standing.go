// Package standing says what may be sent now, live: what the rules decided is read from the statuses in the cache, and the counts
// are those of this very instant.
package standing

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/rules"
)

// Counts answers what numbers have used.
type Counts interface {
	// Number is the usage of one number, under the policy that governs its limit; nil where that cannot be used.
	Number(n *v1alpha1.PhoneNumber, policy *rules.Policy, now time.Time) Used
	// Portfolio is the usage of the numbers of a portfolio together. It has no usage until it is known which those are.
	Portfolio(name string, members []*v1alpha1.PhoneNumber, policy *rules.Policy, now time.Time) Used
}

// Used is what is used and held at an instant.
type Used struct {
	// Usage answers the rules; nil where nothing can.
	Usage rules.Usage
	// Now is how much of the limit is used, and UniqueUsers7d the users of the last 7 days, as people are shown them; nil where
	// nobody knows.
	Now, UniqueUsers7d *int64
	// Reserved is how much of the limit is held by reservations, and OwnReserved how much of that or of the portfolio's by those of the
	// number itself.
	Reserved, OwnReserved int64
	// Budgets are those of the limit.
	Budgets []counts.BudgetUse
}

// Number is where a number stands.
type Number struct {
	rules.Room
	// Used is how much of the limit is used, by the number or by its portfolio, OwnUsed how much of it by the number itself; nil
	// where nobody knows.
	Used, OwnUsed, UniqueUsers7d *int64
	// OwnReserved is how much of Room.Reserved is held by the number itself.
	OwnReserved int64
	// Budgets are those of a number that has its limit itself.
	Budgets []Budget
}

// Portfolio is where a portfolio stands.
type Portfolio struct {
	rules.Room
	// Used is how much of the limit its numbers have used together; nil where nobody knows.
	Used    *int64
	Budgets []Budget
}

// View is where resources stand at one instant. It reads what is asked for when it is asked for, and what the numbers of a portfolio share
// once, so a view is for one instant and one goroutine.
type View struct {
	*Resources
	Time time.Time // in whole seconds

	source *Source
	shared map[string]*shared // by portfolio, as far as somebody asked
}

// shared is a portfolio's limit and what stands in the way of it, whichever number sends.
type shared struct {
	numbers  []*v1alpha1.PhoneNumber
	limit    rules.Limit
	obstacle rules.Obstacle
	used     *int64
	budgets  []counts.BudgetUse
}

// Number is where a number stands.
func (v *View) Number(n *v1alpha1.PhoneNumber) Number {
	policy := v.policy(n.Status.PolicyName)
	own := v.source.Counts.Number(n, policy, v.Time)
	at := Number{Used: own.Now, OwnUsed: own.Now, UniqueUsers7d: own.UniqueUsers7d, OwnReserved: own.OwnReserved}
	if n.Status.Portfolio == "" {
		at.Room = rules.RoomOf(limitOf(policy, &own, &n.Status.Tier, &n.Status.Restriction, v.Time), Obstacle(n))
		at.Budgets = Budgets(at.Room, own.Budgets)
		return at
	}
	of := v.sharedBy(n.Status.Portfolio)
	at.Used = of.used
	at.Room = rules.RoomOf(of.limit, Obstacle(n), of.obstacle)
	return at
}

// Portfolio is where a portfolio stands.
func (v *View) Portfolio(p *v1alpha1.BusinessPortfolio) Portfolio {
	of := v.sharedBy(p.Name)
	room := rules.RoomOf(of.limit, of.obstacle, Obstacles(of.numbers))
	return Portfolio{Room: room, Used: of.used, Budgets: Budgets(room, of.budgets)}
}

// sharedBy is what the numbers of a portfolio share. Of one that is not there nothing is known.
func (v *View) sharedBy(name string) *shared {
	if known := v.shared[name]; known != nil {
		return known
	}
	s := &shared{obstacle: NotReady}
	v.shared[name] = s
	p, ok := named[*v1alpha1.BusinessPortfolio](v.Portfolios, "", name)
	if !ok {
		return s
	}
	s.numbers, s.obstacle = v.Sharing(name), PortfolioObstacle(p)
	policy, used := v.policy(p.Status.PolicyName), Used{}
	if policy != nil {
		used = v.source.Counts.Portfolio(name, s.numbers, policy, v.Time)
	}
	s.limit, s.used, s.budgets = limitOf(policy, &used, &p.Status.Tier, &p.Status.Restriction, v.Time), used.Now, used.Budgets
	return s
}

// limitOf is the limit of a status with what is used and held of it now.
func limitOf(policy *rules.Policy, used *Used, tier *v1alpha1.TierStatus, restriction *v1alpha1.RestrictionStatus, now time.Time) rules.Limit {
	s := rules.State{Tier: rules.Tier{Name: tier.Name, Limit: tier.Limit}, RestrictedSince: restriction.SinceTime.Time, RestrictedSource: restriction.Source}
	if policy == nil || used.Usage == nil {
		return rules.Limit{Limit: tier.Limit, Unknown: true}
	}
	return rules.LimitAt(policy, &rules.Facts{Usage: used.Usage, Reserved: used.Reserved}, &s, now)
}

// NotReady is why nothing can be sent where the operator does not know enough to say.
var NotReady = rules.Obstacle{Reason: v1alpha1.RoomNotReady}

// Obstacle is why a number cannot send to further users, whatever is left of its limit, as its status says.
func Obstacle(n *v1alpha1.PhoneNumber) rules.Obstacle {
	status := &n.Status
	switch {
	case n.Spec.Activity == v1alpha1.Suspended:
		return rules.Obstacle{Reason: v1alpha1.RoomSuspended}
	case status.Tier.Name == "" || !meta.IsStatusConditionTrue(status.Conditions, v1alpha1.ConditionReady):
		return NotReady
	}
	s := rules.State{Connection: status.Connection.State}
	if status.Restriction.Source == v1alpha1.FromReport {
		s.RestrictedSince, s.RestrictedSource = status.Restriction.SinceTime.UTC(), v1alpha1.FromReport
		s.RestrictedReason = status.Restriction.Reason
		if until := status.Restriction.UntilTime; !until.IsZero() {
			s.RestrictedUntil = until.UTC()
		}
	}
	return s.Obstacle()
}

// Obstacles is why none of some numbers can.
func Obstacles(numbers []*v1alpha1.PhoneNumber) rules.Obstacle {
	all := make([]rules.Obstacle, 0, len(numbers))
	for _, n := range numbers {
		all = append(all, Obstacle(n))
	}
	return rules.Every(all)
}

// PortfolioObstacle is why no number of a portfolio can use its limit.
func PortfolioObstacle(p *v1alpha1.BusinessPortfolio) rules.Obstacle {
	switch {
	case p.Spec.Activity == v1alpha1.Suspended:
		return rules.Obstacle{Reason: v1alpha1.RoomSuspended}
	case p.Status.Tier.Name == "" || !meta.IsStatusConditionTrue(p.Status.Conditions, v1alpha1.ConditionReady):
		return NotReady
	}
	return rules.Obstacle{}
}

// Template is whether a template can be sent, as its status says.
func Template(t *v1alpha1.MessageTemplate) rules.Room {
	return rules.RoomOf(rules.Limit{Limit: rules.Unlimited}, TemplateObstacle(t))
}

// TemplateObstacle is why a template cannot be sent, as its status says.
func TemplateObstacle(t *v1alpha1.MessageTemplate) rules.Obstacle {
	switch {
	case t.Spec.Activity == v1alpha1.Suspended:
		return rules.Obstacle{Reason: v1alpha1.RoomSuspended}
	case t.Status.State == "" || !meta.IsStatusConditionTrue(t.Status.Conditions, v1alpha1.ConditionReady):
		return NotReady
	}
	s := rules.TemplateState{State: t.Status.State}
	if until := t.Status.UntilTime; !until.IsZero() {
		s.Until = until.UTC()
	}
	return s.Obstacle()
}
