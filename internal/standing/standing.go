// Package standing says what may be sent now, live: what the rules decided is read from the statuses in the cache, and the counts
// are those of this very instant.
package standing

import (
	"context"
	"fmt"
	"iter"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

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

// View is where resources stand at one instant. What several of them need is read once, so a view is for one instant and one
// goroutine.
type View struct {
	cache  client.Reader
	counts Counts
	now    time.Time

	numbers    []v1alpha1.PhoneNumber
	portfolios []v1alpha1.BusinessPortfolio
	byName     map[types.NamespacedName]*v1alpha1.PhoneNumber // nil until somebody asks
	pools      []v1alpha1.NumberPool
	labelled   map[label][]*v1alpha1.PhoneNumber // nil until somebody asks

	policies map[string]*rules.Policy // nil for one that cannot be used
	members  map[string][]*v1alpha1.PhoneNumber
	shared   map[string]shared
}

// shared is a portfolio's limit and what stands in the way of it, whichever number sends.
type shared struct {
	limit    rules.Limit
	obstacle rules.Obstacle
	used     *int64
	budgets  []counts.BudgetUse
}

// At is a view of one instant. Nothing that it reads is changed.
func At(ctx context.Context, cache client.Reader, counts Counts, compiled *Policies, now time.Time) (*View, error) {
	v := &View{cache: cache, counts: counts, now: now.UTC().Truncate(time.Second), policies: map[string]*rules.Policy{},
		members: map[string][]*v1alpha1.PhoneNumber{}, shared: map[string]shared{}}
	var policies v1alpha1.MessagingPolicyList
	if err := cache.List(ctx, &policies, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list policies: %w", err)
	}
	for i := range policies.Items {
		if policy, err := compiled.Compile(&policies.Items[i]); err == nil {
			v.policies[policy.Name] = policy
		}
	}
	var numbers v1alpha1.PhoneNumberList
	if err := cache.List(ctx, &numbers, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list numbers: %w", err)
	}
	v.numbers = numbers.Items
	for i := range numbers.Items {
		if n := &numbers.Items[i]; n.Status.Portfolio != "" {
			v.members[n.Status.Portfolio] = append(v.members[n.Status.Portfolio], n)
		}
	}
	var portfolios v1alpha1.BusinessPortfolioList
	if err := cache.List(ctx, &portfolios, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list portfolios: %w", err)
	}
	v.portfolios = portfolios.Items
	for i := range portfolios.Items {
		p := &portfolios.Items[i]
		v.shared[p.Name] = v.sharedBy(p)
	}
	var pools v1alpha1.NumberPoolList
	if err := cache.List(ctx, &pools, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list pools: %w", err)
	}
	v.pools = pools.Items
	return v, nil
}

// Numbers are all numbers.
func (v *View) Numbers() iter.Seq[*v1alpha1.PhoneNumber] { return pointers(v.numbers) }

// Portfolios are all portfolios.
func (v *View) Portfolios() iter.Seq[*v1alpha1.BusinessPortfolio] { return pointers(v.portfolios) }

// Pools are all pools.
func (v *View) Pools() iter.Seq[*v1alpha1.NumberPool] { return pointers(v.pools) }

func pointers[T any](all []T) iter.Seq[*T] {
	return func(yield func(*T) bool) {
		for i := range all {
			if !yield(&all[i]) {
				return
			}
		}
	}
}

// Number is where a number stands.
func (v *View) Number(n *v1alpha1.PhoneNumber) Number {
	policy := v.policies[n.Status.PolicyName]
	own := v.counts.Number(n, policy, v.now)
	at := Number{Used: own.Now, OwnUsed: own.Now, UniqueUsers7d: own.UniqueUsers7d, OwnReserved: own.OwnReserved}
	if n.Status.Portfolio == "" {
		at.Room = rules.RoomOf(limitOf(policy, &own, &n.Status.Tier, &n.Status.Restriction, v.now), Obstacle(n))
		at.Budgets = Budgets(at.Room, own.Budgets)
		return at
	}
	of, ok := v.shared[n.Status.Portfolio]
	if !ok {
		of.obstacle = NotReady
	}
	at.Used = of.used
	at.Room = rules.RoomOf(of.limit, Obstacle(n), of.obstacle)
	return at
}

// Portfolio is where a portfolio stands.
func (v *View) Portfolio(p *v1alpha1.BusinessPortfolio) Portfolio {
	of, ok := v.shared[p.Name]
	if !ok {
		of = v.sharedBy(p)
	}
	room := rules.RoomOf(of.limit, of.obstacle, Obstacles(v.members[p.Name]))
	return Portfolio{Room: room, Used: of.used, Budgets: Budgets(room, of.budgets)}
}

func (v *View) sharedBy(p *v1alpha1.BusinessPortfolio) shared {
	s := shared{obstacle: PortfolioObstacle(p)}
	policy, used := v.policies[p.Status.PolicyName], Used{}
	if policy != nil {
		used = v.counts.Portfolio(p.Name, v.members[p.Name], policy, v.now)
	}
	s.limit, s.used, s.budgets = limitOf(policy, &used, &p.Status.Tier, &p.Status.Restriction, v.now), used.Now, used.Budgets
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
