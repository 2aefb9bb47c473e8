package counts

import (
	"bytes"
	"fmt"
	"iter"
	"slices"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// Settings say what the gate decides by: the limits and budgets, what stands in the way of numbers, and templates. They follow from
// resources and from what the rules decided, and come as records, so that a decision follows from the log alone.
type Settings struct {
	Limits    []LimitSetting
	Senders   []SenderSetting
	Templates []TemplateSetting
	Pools     []PoolSetting
}

// Empty says whether there is none.
func (s *Settings) Empty() bool {
	return len(s.Limits)+len(s.Senders)+len(s.Templates)+len(s.Pools) == 0
}

// Parts are settings that are together these. The row of each has about so many bytes at most.
func (s Settings) Parts(most int) iter.Seq[Settings] {
	return func(yield func(Settings) bool) {
		for !s.Empty() {
			var part Settings
			left := most
			part.Limits, s.Limits = cut(s.Limits, &left, func(l *LimitSetting) int { return len(l.appendRow(nil)) })
			part.Senders, s.Senders = cut(s.Senders, &left, func(n *SenderSetting) int { return len(n.appendRow(nil)) })
			part.Templates, s.Templates = cut(s.Templates, &left, func(t *TemplateSetting) int { return len(t.appendRow(nil)) })
			part.Pools, s.Pools = cut(s.Pools, &left, func(p *PoolSetting) int { return len(p.appendRow(nil)) })
			if !yield(part) {
				return
			}
		}
	}
}

// Obstacle is why nothing can be sent to further users, whatever is left of a limit. The zero value is none.
type Obstacle struct {
	Reason v1alpha1.RoomReason
	Until  int64 // Unix seconds; zero where it does not end by itself
	// Replies says that replies inside customer service windows cannot be sent either.
	Replies bool
}

// LimitSetting is a limit and how it is shared out. It replaces the one that its subject had.
type LimitSetting struct {
	// Subject is a number in E.164 that has its limit itself, or the PortfolioKey of a portfolio.
	Subject string
	// Removed says that the subject has no limit any more: nothing is granted.
	Removed bool
	// Limit is zero for none.
	Limit int64
	// Measure is MeasureUniqueUsers or MeasureConversations, over Window, which is whole seconds up to Kept.
	Measure  v1alpha1.Measure
	Window   time.Duration
	Obstacle Obstacle
	// ReleaseUnconfirmed ends a reservation at its end of time to send unless it was confirmed. Else it counts on for UnknownFor.
	ReleaseUnconfirmed bool
	// Shadow grants everything, and says what would have been refused.
	Shadow bool
	// AllowUnreserved lets messages that fall under no budget be sent while nothing can be decided: see View.Unreserved.
	AllowUnreserved bool
	// Budgets share out the limit. The first that matches is that of a request.
	Budgets []BudgetSetting
}

// BudgetSetting is a part of a limit.
type BudgetSetting struct {
	Name string // at most 63 bytes, and no other of the limit has it
	// Namespaces of the numbers that it is for, and Categories of the messages; empty for all.
	Namespaces []string
	Categories []Category
	// Guaranteed is kept for the budget, and Maximum is the most that it takes.
	Guaranteed, Maximum Amount
	// AllowUnreserved is as that of the limit, for messages that fall under the budget.
	AllowUnreserved bool
}

// Amount is a number of users, or a percentage of the limit. The zero value is none.
type Amount struct {
	Set     bool
	N       int64 // a percentage is 0 to 100
	Percent bool
}

// Of is the amount of a limit, rounded down; otherwise where it is not set, and where it is a percentage of no limit.
func (a Amount) Of(limit, otherwise int64) int64 {
	switch {
	case !a.Set || a.Percent && limit == 0:
		return otherwise
	case a.Percent:
		return limit/100*a.N + limit%100*a.N/100
	default:
		return a.N
	}
}

// SenderSetting says what stands in the way of a number. A number without one is granted nothing.
type SenderSetting struct {
	Number    string // E.164
	Removed   bool   // there is no resource any more
	Namespace string // of its resource
	Account   string // Meta's id of its WhatsApp Business account; empty where it is not known
	Quality   v1alpha1.QualityRating
	Obstacle  Obstacle
}

// TemplateName is by what name the gate knows the template of a subject: each namespace speaks for its own numbers.
func TemplateName(namespace, subject string) string { return namespace + "/" + subject }

// TemplateSetting says what stands in the way of a template. One without a setting can be sent.
type TemplateSetting struct {
	Name     string // see TemplateName
	Removed  bool
	Category Category
	Obstacle Obstacle
}

// Bounds of settings.
const (
	maxName    = 1024 // bytes
	maxBudgets = 32
)

// Validate returns ErrInvalid and says what is not valid.
func (s *Settings) Validate() error {
	for i := range s.Limits {
		if problem := s.Limits[i].invalid(); problem != "" {
			return fmt.Errorf("%w: the limit %d: %s", ErrInvalid, i, problem)
		}
	}
	for i := range s.Senders {
		if n := &s.Senders[i]; n.Number == "" || len(n.Number) > maxNumber || len(n.Namespace) > maxName || len(n.Account) > maxName || len(n.Quality) > maxName || n.Obstacle.invalid() {
			return fmt.Errorf("%w: the sender %d", ErrInvalid, i)
		}
	}
	for i := range s.Templates {
		if t := &s.Templates[i]; t.Name == "" || len(t.Name) > maxName || !t.Category.valid() || t.Obstacle.invalid() {
			return fmt.Errorf("%w: the template %d", ErrInvalid, i)
		}
	}
	for i := range s.Pools {
		if s.Pools[i].invalid() {
			return fmt.Errorf("%w: the pool %d", ErrInvalid, i)
		}
	}
	return nil
}

func (o *Obstacle) invalid() bool {
	return len(o.Reason) > maxName || o.Until < 0 || o.Reason == "" && *o != (Obstacle{})
}

func (l *LimitSetting) invalid() string {
	switch {
	case l.Subject == "" || len(l.Subject) > maxName:
		return "its subject is empty or too long"
	case l.Removed:
		return ""
	case l.Limit < 0:
		return "it is negative"
	case l.Measure != v1alpha1.MeasureUniqueUsers && l.Measure != v1alpha1.MeasureConversations:
		return "it is of a measure that no limit is of"
	case l.Window <= 0 || l.Window > Kept || l.Window%time.Second != 0:
		return "its window is not whole seconds up to " + Kept.String()
	case l.Obstacle.invalid():
		return "its obstacle is not valid"
	case len(l.Budgets) > maxBudgets:
		return fmt.Sprintf("it has more than %d budgets", maxBudgets)
	}
	for i := range l.Budgets {
		b := &l.Budgets[i]
		twice := slices.ContainsFunc(l.Budgets[:i], func(o BudgetSetting) bool { return o.Name == b.Name })
		if b.Name == "" || len(b.Name) > 63 || twice || b.Guaranteed.invalid() || b.Maximum.invalid() ||
			slices.ContainsFunc(b.Categories, func(c Category) bool { return !c.valid() }) ||
			slices.ContainsFunc(b.Namespaces, func(n string) bool { return len(n) > maxName }) {
			return fmt.Sprintf("its budget %d is not valid", i)
		}
	}
	return ""
}

func (a Amount) invalid() bool { return !a.Set && a != Amount{} || a.N < 0 || a.Percent && a.N > 100 }

// equal says whether two settings are the same.
func (l *LimitSetting) equal(o *LimitSetting) bool {
	return bytes.Equal(l.appendRow(nil), o.appendRow(nil))
}

// matches says whether a request falls under a budget.
func (b *BudgetSetting) matches(namespace string, category Category) bool {
	return (len(b.Namespaces) == 0 || slices.Contains(b.Namespaces, namespace)) &&
		(len(b.Categories) == 0 || slices.Contains(b.Categories, category))
}
