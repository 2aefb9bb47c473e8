package simulate

import (
	"cmp"
	"fmt"
	"slices"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/cloudevents"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/rules"
)

// addPortfolio starts a portfolio of the fleet, whose numbers are there already. Where limits belong to numbers, it is only
// who a report about it is told to.
func (s *simulation) addPortfolio(declared Portfolio) error {
	var members []*subject
	for _, n := range s.config.Fleet.Numbers {
		if n.Portfolio == declared.Name {
			members = append(members, s.numbers[n.PhoneNumber])
		}
	}
	told := members
	if s.config.Policy.Scope == v1alpha1.ScopePortfolio {
		fleet, declares := &rules.Fleet{}, []v1alpha1.Verification{}
		for _, n := range members {
			fleet.Numbers, declares = append(fleet.Numbers, n.Unit), append(declares, n.Facts.Verification)
		}
		usage, err := s.ledger.together(declared.Name, members)
		if err != nil {
			return fmt.Errorf("count the portfolio's numbers together: %w", err)
		}
		x := s.newSubject(declared.Name, portfolios, s.config.Policy.Portfolio(), rules.Facts{Verification: rules.DeclaredVerification(declared.Verification, declares...), Usage: usage}, declared.From)
		x.Name, x.fleet, fleet.Portfolio = "portfolio "+declared.Name, fleet, x.Unit
		for _, n := range members {
			n.portfolio, n.fleet = x, fleet
		}
		s.portfolios = append(s.portfolios, x)
		s.observe(x, s.now)
		s.wait(&x.scheduled)
		s.assess(x)
		told = []*subject{x}
	}
	if declared.ID != "" {
		s.told[declared.ID] = told
	}
	s.told[declared.Name] = told
	return nil
}

// reportedOf are those to whom a report is told.
func (s *simulation) reportedOf(e *cloudevents.Event) ([]*subject, error) {
	if e.Portfolio != "" {
		told, ok := s.told[e.Portfolio]
		if !ok {
			return nil, &cloudevents.Error{Line: e.Line, Field: "data.portfolio",
				Problem: "is not in the fleet: a PhoneNumber must name it in spec.business.portfolio, or a BusinessPortfolio have this name or id"}
		}
		return told, nil
	}
	n, err := s.number(e.Number)
	if err != nil {
		return nil, err
	}
	return []*subject{toldOf(n, e.Reports(report.Subject{})[0].Kind)}, nil
}

// toldOf is who a report about a number is told to.
func toldOf(n *subject, kind report.Kind) *subject {
	if kind.OfPortfolio() {
		return n.limited()
	}
	return n
}

// together answers the counts of several numbers as one.
func (l *batchedLedger) together(name string, members []*subject) (rules.Usage, error) {
	if len(members) == 1 {
		return members[0].Facts.Usage, nil
	}
	var names []string
	for _, n := range members {
		names = append(names, n.name)
	}
	group := counts.PortfolioKey(name)
	return &usage{l, rules.Exact{Counted: l.Usage(group)}}, l.SetPortfolio(name, names)
}

// gateOf is how the limit of a portfolio is granted.
func (f *Fleet) gateOf(portfolio string) *v1alpha1.GateSpec {
	for i := range f.Portfolios {
		if p := &f.Portfolios[i]; p.Name == portfolio {
			return &p.Gate
		}
	}
	return &v1alpha1.GateSpec{}
}

// portfolios are those that manifests declare and those that numbers name, by name.
func (f *Fleet) portfolios() []Portfolio {
	all := slices.Clone(f.Portfolios)
	for _, n := range f.Numbers {
		if n.Portfolio != "" && !slices.ContainsFunc(all, func(p Portfolio) bool { return p.Name == n.Portfolio }) {
			all = append(all, Portfolio{Name: n.Portfolio})
		}
	}
	slices.SortFunc(all, func(a, b Portfolio) int { return cmp.Compare(a.Name, b.Name) })
	return all
}
