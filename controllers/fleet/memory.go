package fleet

import (
	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/lookup"
	"numberfleet.dev/numberfleet/controllers/internal/reconciler"
	"numberfleet.dev/numberfleet/internal/rules"
)

// memory is what is known of a portfolio between its reconciles. It saves reading and evaluating a thousand numbers for one delivery.
// Nothing of it is needed: without it, everything is read and evaluated anew.
type memory struct {
	fleet *fleet              // nil: all is to be read anew
	moved map[lookup.Key]bool // numbers and templates about which something came
}

// fleet is a portfolio with its numbers and templates, as of the last reconcile.
type fleet struct {
	generation int64 // of the portfolio's spec
	policy     lookup.Policy
	// numbers are all that share the limit; with those that are suspended, for which the rules do not run. Their statuses may be old.
	numbers []*v1alpha1.PhoneNumber
	members map[lookup.Key]*member
	order   []lookup.Key                    // of the members: numbers, then templates
	sleeps  map[lookup.Key]reconciler.Sleep // of the portfolio and its members
}

// member is a number or a template of a fleet at rest.
type member struct {
	generation int64 // of its spec
	number     *rules.Unit
	template   *rules.TemplateUnit
}

// recall is what is known of a portfolio, and what has moved since. It is forgotten, until the reconcile has ended well.
func (r *Reconciler) recall(name string) (*fleet, map[lookup.Key]bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.memoryOf(name)
	f, moved := m.fleet, m.moved
	m.fleet, m.moved = nil, map[lookup.Key]bool{}
	return f, moved
}

// remember keeps what is known of a portfolio, unless something was declared meanwhile. It returns when any of it is to be evaluated.
func (r *Reconciler) remember(name string, f *fleet) (sleep reconciler.Sleep) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m := r.memoryOf(name); !m.moved[lookup.PortfolioKey(name)] {
		m.fleet = f
	}
	for _, s := range f.sleeps {
		sleep = sleep.Earlier(s)
	}
	return sleep
}

// forget is for a portfolio that is gone.
func (r *Reconciler) forget(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.portfolios, name)
}

// move notes that something came about a member of a portfolio, or about the portfolio itself: then all is read anew.
func (r *Reconciler) move(name string, member lookup.Key) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.memoryOf(name)
	if m.moved[member] = true; member.Kind == lookup.BusinessPortfolio {
		m.fleet = nil
	}
}

func (r *Reconciler) memoryOf(name string) *memory {
	if r.portfolios == nil {
		r.portfolios = map[string]*memory{}
	}
	m, known := r.portfolios[name]
	if !known {
		m = &memory{moved: map[lookup.Key]bool{}}
		r.portfolios[name] = m
	}
	return m
}
