package simulate

import (
	"cmp"
	"context"
	"maps"
	"math"
	"slices"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/report"
)

// webhookQueue is what a simulation has yet to play of its webhooks.
type webhookQueue struct {
	*Webhooks
	named   []mention
	entries []counts.Entry
	reports []report.Report
	numbers map[string][]string // of each account, in order
}

func newWebhookQueue(w *Webhooks, fleet *Fleet) *webhookQueue {
	if w == nil {
		w = &Webhooks{}
	}
	w = w.claimed(fleet)
	h := &webhookQueue{Webhooks: w, named: w.named, entries: w.entries, reports: w.reports, numbers: map[string][]string{}}
	accounts := maps.Clone(w.accounts)
	if fleet != nil && accounts == nil {
		accounts = map[string]string{}
	}
	if fleet != nil {
		for _, n := range fleet.Numbers {
			if n.Account != "" {
				accounts[n.PhoneNumber] = n.Account // what is declared goes before where it was named
			}
		}
	}
	for _, number := range slices.Sorted(maps.Keys(accounts)) {
		h.numbers[accounts[number]] = append(h.numbers[accounts[number]], number)
	}
	for len(h.named) > 0 && h.named[0].at == 0 {
		h.named = h.named[1:] // they begin with the end
	}
	return h
}

// playWebhooks plays what webhooks tell up to an instant. At one second, deliveries and messages come before reports.
func (s *simulation) playWebhooks(ctx context.Context, upTo time.Time) error {
	h, end := s.webhooks, upTo.Unix()
	for {
		at := int64(math.MaxInt64)
		if len(h.named) > 0 {
			at = h.named[0].at
		}
		if len(h.entries) > 0 {
			at = min(at, h.entries[0].At)
		}
		if len(h.reports) > 0 {
			at = min(at, h.reports[0].At)
		}
		if at > end {
			return nil
		}
		if err := s.until(time.Unix(at, 0)); err != nil {
			return err
		}
		var err error
		switch {
		case len(h.named) > 0 && h.named[0].at == at:
			_, err = s.number(h.named[0].number)
			h.named = h.named[1:]
		case len(h.entries) > 0 && h.entries[0].At == at:
			var n *subject
			if n, err = s.number(h.entries[0].Number); err == nil {
				err = s.recorded(n, h.entries[0], "")
			}
			h.entries = h.entries[1:]
		default:
			err = s.playReport(h.reports[0])
			h.reports = h.reports[1:]
		}
		if err = cmp.Or(err, s.ledger.err, ctx.Err()); err != nil {
			return err
		}
	}
}

// playReport takes what Meta said of a number, an account, a portfolio or a template. Of accounts and portfolios that no number
// is known of, it says nothing here.
func (s *simulation) playReport(r report.Report) error {
	var told []*subject
	var err error
	switch of := r.Subject; of.Type {
	case report.Template:
		return s.playTemplateReport(of, r)
	case report.Account:
		told, err = s.ofAccount(of.ID, r.Kind)
	case report.Portfolio:
		told, err = s.ofPortfolio(of.ID, r.Kind)
	case report.Number, report.NumberID:
		if !of.IsE164() && s.numbers[of.String()] == nil {
			return nil
		}
		var n *subject
		if n, err = s.number(of.String()); err == nil {
			told = []*subject{toldOf(n, r.Kind)}
		}
	}
	for _, x := range told {
		s.report(x, r)
	}
	return err
}

// ofAccount are those to whom a report about an account is told: its numbers, and the portfolios that have their limits.
//
// A limit of an account is that of its portfolio, and nothing to a number with one of its own.
func (s *simulation) ofAccount(account string, kind report.Kind) ([]*subject, error) {
	if kind == report.Limit && s.config.Policy.Scope != v1alpha1.ScopePortfolio {
		return nil, nil
	}
	var told []*subject
	for _, name := range s.webhooks.numbers[account] {
		n, err := s.number(name)
		if err != nil {
			return nil, err
		}
		told = append(told, n)
		if n.portfolio != nil && !slices.Contains(told, n.portfolio) {
			told = append(told, n.portfolio)
		}
	}
	return told, nil
}

// ofPortfolio are those to whom a report about a portfolio is told, by Meta's id. Where the fleet does not say which it is, they are
// those of the accounts in whose webhooks Meta named it.
func (s *simulation) ofPortfolio(id string, kind report.Kind) ([]*subject, error) {
	if told, declared := s.told[id]; declared {
		return told, nil
	}
	var told []*subject
	for _, account := range s.webhooks.portfolios[id] {
		more, err := s.ofAccount(account, kind)
		if err != nil {
			return nil, err
		}
		told = append(told, more...)
	}
	return told, nil
}

// playTemplateReport takes what Meta said of a template in one language.
func (s *simulation) playTemplateReport(subject report.Subject, r report.Report) error {
	of := s.webhooks.templates[subject]
	t := s.template(of.shown)
	senders := s.webhooks.numbers[of.Account]
	if declared, ok := s.config.Fleet.template(subject); ok {
		senders = declared.Numbers
	}
	for _, sender := range senders {
		n, err := s.number(sender)
		if err != nil {
			return err
		}
		s.sends(n, t)
	}
	t.Reports = append(t.Reports, r)
	s.wake(&t.scheduled)
	return nil
}

// template is the manifest of a template in one language.
func (f *Fleet) template(subject report.Subject) (Template, bool) {
	if f == nil {
		return Template{}, false
	}
	i := slices.IndexFunc(f.Templates, func(t Template) bool { return t.Subject == subject })
	if i < 0 {
		return Template{}, false
	}
	return f.Templates[i], true
}
