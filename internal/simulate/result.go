package simulate

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/rules"
)

// Result is what the rules concluded.
type Result struct {
	Transitions []Transition     // in order of time
	Final       []Final          // by number
	Portfolios  []PortfolioFinal // by name; none where limits belong to numbers
	Templates   []TemplateFinal  // by name
	Days        []Day            // of a plan
	Pool        *PoolResult      // nil without a pool
	// Qualities are the changes of the portfolios' quality, in order of time. They follow from transitions of numbers and
	// templates, and are none themselves.
	Qualities []Transition

	at   time.Time      // the end
	ends map[string]End // by number or portfolio
}

// End is a number or portfolio at the end, as the rules know it. The facts can still be asked for counts.
type End struct {
	Policy *rules.Policy
	State  rules.State
	Facts  rules.Facts
}

// End is the end of what has a limit: a portfolio, or a number that has a limit of its own. The name may be empty where there is only
// one.
func (r *Result) End(subject string) (End, error) {
	var limited []string
	for name, end := range r.ends {
		if end.State.Tier.Name != "" {
			limited = append(limited, name)
		}
	}
	if subject == "" && len(limited) == 1 {
		subject = limited[0]
	}
	end, ok := r.ends[subject]
	switch {
	case subject == "":
		return End{}, fmt.Errorf("must name one of the %d that have a limit in these events", len(limited))
	case !ok:
		return End{}, errors.New("is not in these events")
	case end.State.Tier.Name == "":
		return End{}, errors.New("has no limit of its own: name its portfolio")
	}
	return end, nil
}

// Day is what became of one day of a plan.
type Day struct {
	Start         time.Time
	Planned, Sent int64 // messages
}

// Transition is one thing that happened to a number, a portfolio or a template.
type Transition struct {
	Subject string // the number, or the name of the portfolio or template
	rules.Transition
}

// Final is a number at the end.
type Final struct {
	Time    time.Time
	Subject string // the number
	// Tier and Used are those of its portfolio, where that has the limit.
	Tier    rules.Tier
	Used    int64
	Room    rules.Room
	Quality v1alpha1.QualityRating // its own
	State   v1alpha1.State         // the highest of those that hold
}

// PortfolioFinal is a portfolio at the end.
type PortfolioFinal struct {
	Subject    string
	Numbers    int
	Tier       rules.Tier
	Used       int64
	Room       rules.Room
	Quality    v1alpha1.QualityRating // the lowest of its numbers and templates
	Restricted bool
}

// TemplateFinal is a template at the end.
type TemplateFinal struct {
	Subject string
	State   v1alpha1.TemplateState
	Until   time.Time // end of a flag or a pause; zero where there is none, or only Meta knows
	Quality v1alpha1.QualityRating
	Pauses  int
}

// result is what there is at the end.
func (s *simulation) result(at time.Time) Result {
	r := Result{Transitions: s.transitions, Qualities: s.qualities, at: at, ends: map[string]End{}}
	for _, name := range slices.Sorted(maps.Keys(s.numbers)) {
		n := s.numbers[name]
		limited := n.limited()
		r.ends[n.name] = End{Policy: n.Policy, State: n.State, Facts: n.Facts}
		r.Final = append(r.Final, Final{
			Time:    at,
			Subject: n.name,
			Tier:    limited.State.Tier,
			Used:    rules.Used(limited.Policy, limited.Facts.Usage, at),
			Room:    n.fleet.Room(n.Unit, at),
			Quality: n.State.Rating,
			State:   n.fleet.Shown(n.Unit),
		})
	}
	for _, p := range s.portfolios {
		r.ends[p.name] = End{Policy: p.Policy, State: p.State, Facts: p.Facts}
		r.Portfolios = append(r.Portfolios, PortfolioFinal{
			Subject:    p.name,
			Numbers:    len(p.fleet.Numbers),
			Tier:       p.State.Tier,
			Used:       rules.Used(p.Policy, p.Facts.Usage, at),
			Room:       p.fleet.SharedRoom(at),
			Quality:    p.State.Members.Rating,
			Restricted: p.State.Restricted(),
		})
	}
	for _, name := range slices.Sorted(maps.Keys(s.templates)) {
		t := s.templates[name]
		r.Templates = append(r.Templates, TemplateFinal{
			Subject: t.name,
			State:   t.State.State,
			Until:   t.State.Until,
			Quality: t.State.Rating,
			Pauses:  t.State.Pauses,
		})
	}
	return r
}
