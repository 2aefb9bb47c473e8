package simulate

import (
	"cmp"
	"slices"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/cloudevents"
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/rules"
)

// template is a message template on its way through time.
type template struct {
	scheduled
	*rules.TemplateUnit
	// limited are those with a limit whose numbers send the template: its quality counts for them. They are in order, and none
	// where limits belong to numbers, whatever those send.
	limited []*subject
}

// template is the template of that name, which begins now if it is not known.
func (s *simulation) template(name string) *template {
	if t, ok := s.templates[name]; ok {
		return t
	}
	t := &template{TemplateUnit: &rules.TemplateUnit{Name: "template " + name, Policy: s.config.Policy.Policy, State: rules.InitialTemplate(s.now)}}
	t.scheduled = scheduled{name: name, kind: templates, run: func(to time.Time) time.Time { return s.advanceTemplate(t, to) }}
	s.templates[name] = t
	for _, n := range s.senders[name] {
		s.sends(n, t)
	}
	return t
}

// sends notes that a number sends a template.
func (s *simulation) sends(n *subject, t *template) {
	x := n.limited()
	if s.config.Policy.Scope != v1alpha1.ScopePortfolio || slices.Contains(t.limited, x) {
		return
	}
	t.limited = append(t.limited, x)
	slices.SortFunc(t.limited, func(a, b *subject) int { return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.name, b.name)) })
	x.fleet.Templates = append(x.fleet.Templates, t.TemplateUnit)
	slices.SortFunc(x.fleet.Templates, func(a, b *rules.TemplateUnit) int { return cmp.Compare(a.Name, b.Name) })
	if t.State.Rating != v1alpha1.QualityUnknown {
		s.assess(x)
	}
}

// reportTemplate takes what Meta said of a template.
func (s *simulation) reportTemplate(e *cloudevents.Event) error {
	t := s.template(e.Template)
	if e.Number != "" {
		n, err := s.number(e.Number)
		if err != nil {
			return err
		}
		s.sends(n, t)
	}
	if len(t.limited) == 0 {
		if n := s.only(); n != nil {
			s.sends(n, t)
		}
	}
	t.Reports = append(t.Reports, e.Reports(report.Subject{})...)
	s.wake(&t.scheduled)
	return nil
}

// only is a number of the only portfolio that there is; nil if there are several, or none. A template of which nothing says
// who sends it can only be theirs.
func (s *simulation) only() *subject {
	var only *subject
	for _, n := range s.numbers {
		if only != nil && n.limited() != only.limited() {
			return nil
		}
		only = n
	}
	return only
}

func (s *simulation) advanceTemplate(t *template, to time.Time) time.Time {
	changed := t.Advance(to)
	s.sending.ran()
	s.tell(t.name, t.Transitions)
	t.Transitions = t.Transitions[:0]
	if changed {
		for _, x := range t.limited {
			s.assess(x)
		}
	}
	return t.Next
}
