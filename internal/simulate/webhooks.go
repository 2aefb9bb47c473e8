package simulate

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/meta"
	"numberfleet.dev/numberfleet/internal/records"
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/webhookfile"
)

// Webhooks are what kept webhooks tell, in order of time and each report once.
type Webhooks struct {
	Passed Passed

	named   []mention // each number once
	entries []counts.Entry
	reports []report.Report
	last    int64 // the latest time that they say, Unix seconds; zero where they say none

	accounts   map[string]string   // by number: the account that it was named in last
	portfolios map[string][]string // by Meta's id: the accounts in whose webhooks it was named
	templates  map[report.Subject]namedTemplate
	names      map[string][]string // by Meta's id of a number: the numbers as which webhooks display it
}

// mention is when a number was first named, in Unix seconds; zero where no webhook that names it says a time.
type mention struct {
	number string
	at     int64
}

// namedTemplate is a template with what people call it.
type namedTemplate struct {
	meta.Template
	shown string
}

// latestTime is the last that the ledger knows.
var latestTime = time.Unix(math.MaxUint32, 0)

// ReadWebhooks reads kept webhooks. What the operator would pass over is passed over; of a body that it would refuse, the error says
// in which file and line it begins, and what is wrong.
func ReadWebhooks(bodies iter.Seq2[webhookfile.Body, error]) (*Webhooks, error) {
	r := webhookReader{
		Webhooks: &Webhooks{
			Passed:   Passed{Fields: map[string]int{}},
			accounts: map[string]string{}, portfolios: map[string][]string{}, templates: map[report.Subject]namedTemplate{},
			names: map[string][]string{},
		},
		first: map[string]int64{},
		seen:  map[report.Report]struct{}{},
	}
	for body, err := range bodies {
		if err == nil {
			err = r.body(body)
		}
		if err != nil {
			return nil, err
		}
	}
	return r.finish(), nil
}

type webhookReader struct {
	*Webhooks
	batch counts.Batch
	first map[string]int64 // when each number was first named
	seen  map[report.Report]struct{}
}

func (r *webhookReader) body(body webhookfile.Body) error {
	updates, err := meta.ParseOf(body.JSON, latestTime, nil, asDisplayed{})
	if err != nil {
		return fmt.Errorf("%s: %w", body.Where(), err)
	}
	defer updates.Release()
	r.Passed.Webhooks++
	r.Passed.Uncounted += updates.Sent + updates.Skipped + len(updates.Failures)
	for field, n := range updates.Other.All {
		r.Passed.Fields[field] += n
	}
	for _, problem := range updates.Unread {
		r.Passed.Unread = append(r.Passed.Unread, Unread{body.Where(), problem})
	}
	for i := range updates.Named {
		r.name(&updates.Named[i])
	}
	for _, template := range updates.Templates {
		r.templates[template.Subject()] = namedTemplate{Template: template}
	}
	r.last = max(r.last, updates.Last)

	r.batch.Entries, r.batch.Reports = r.batch.Entries[:0], r.batch.Reports[:0]
	records.Add(&r.batch, updates, hasher)
	r.entries = append(r.entries, r.batch.Entries...)
	for _, said := range r.batch.Reports {
		if _, again := r.seen[said]; !again {
			r.seen[said] = struct{}{}
			r.reports = append(r.reports, said)
		}
	}
	return nil
}

// name notes a number or portfolio that a webhook names.
func (r *webhookReader) name(named *meta.Named) {
	account := strings.Clone(named.Account)
	if named.Portfolio != "" {
		if all := r.portfolios[named.Portfolio]; !slices.Contains(all, account) {
			r.portfolios[named.Portfolio] = append(all, account)
		}
		return
	}
	if shown := r.names[named.ID]; named.ID != "" && !slices.Contains(shown, named.Number) {
		r.names[strings.Clone(named.ID)] = append(shown, named.Number)
	}
	if account != "" {
		r.accounts[named.Number] = account
	}
	if before, known := r.first[named.Number]; !known || before == 0 || named.At != 0 && named.At < before {
		r.first[named.Number] = named.At
	}
}

func (r *webhookReader) finish() *Webhooks {
	for number, at := range r.first {
		r.named = append(r.named, mention{number, at})
	}
	slices.SortFunc(r.named, func(a, b mention) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.number, b.number)) })
	r.tellReplies()
	slices.SortStableFunc(r.entries, func(a, b counts.Entry) int { return cmp.Compare(a.At, b.At) })
	slices.SortStableFunc(r.reports, func(a, b report.Report) int { return cmp.Compare(a.At, b.At) })
	r.show()
	return r.Webhooks
}

// tellReplies has every delivery of a message say what one of its statuses says, which may come after the first: that it is a reply.
func (r *webhookReader) tellReplies() {
	type message struct {
		number  string
		user    counts.UserKey
		message counts.MessageKey
	}
	of := func(e *counts.Entry) message { return message{e.Number, e.User, e.Message} }
	replies := map[message]bool{}
	for i := range r.entries {
		if e := &r.entries[i]; e.Reply || e.Kind == counts.Replied {
			replies[of(e)] = true
		}
	}
	r.entries = slices.DeleteFunc(r.entries, func(e counts.Entry) bool { return e.Kind == counts.Replied })
	for i := range r.entries {
		if e := &r.entries[i]; e.Kind == counts.Delivered {
			e.Reply = replies[of(e)]
		}
	}
}

// show says what people call the templates: a name, and the language and the account too where several go by it.
func (w *Webhooks) show() {
	names := map[string]int{}
	spellings := func(t *meta.Template) [3]string {
		inLanguage := t.Name + " " + strings.ReplaceAll(t.Language, "-", "_")
		return [...]string{t.Name, inLanguage, inLanguage + " " + t.Account}
	}
	for _, of := range w.templates {
		for _, name := range spellings(&of.Template) {
			names[name]++
		}
	}
	for subject, of := range w.templates {
		for _, of.shown = range spellings(&of.Template) {
			if names[of.shown] == 1 {
				break
			}
		}
		w.templates[subject] = of
	}
}

// hearing is how far a simulation has come with its webhooks.
type hearing struct {
	*Webhooks
	named   []mention
	entries []counts.Entry
	reports []report.Report
	numbers map[string][]string // of each account, in order
}

func newHearing(w *Webhooks, fleet *Fleet) *hearing {
	if w == nil {
		w = &Webhooks{}
	}
	w = w.claimed(fleet)
	h := &hearing{Webhooks: w, named: w.named, entries: w.entries, reports: w.reports, numbers: map[string][]string{}}
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

// hear plays what webhooks tell up to an instant. At one second, deliveries and messages come before reports.
func (s *simulation) hear(ctx context.Context, upTo time.Time) error {
	h, end := s.heard, upTo.Unix()
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
			err = s.hearReport(h.reports[0])
			h.reports = h.reports[1:]
		}
		if err = cmp.Or(err, s.ledger.err, ctx.Err()); err != nil {
			return err
		}
	}
}

// hearReport takes what Meta said of a number, an account, a portfolio or a template. Of accounts and portfolios that no number
// is known of, it says nothing here.
func (s *simulation) hearReport(r report.Report) error {
	var told []*subject
	var err error
	switch of := r.Subject; of.Type {
	case report.Template:
		return s.hearTemplate(of, r)
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
	for _, name := range s.heard.numbers[account] {
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
	for _, account := range s.heard.portfolios[id] {
		more, err := s.ofAccount(account, kind)
		if err != nil {
			return nil, err
		}
		told = append(told, more...)
	}
	return told, nil
}

// hearTemplate takes what Meta said of a template in one language.
func (s *simulation) hearTemplate(subject report.Subject, r report.Report) error {
	of := s.heard.templates[subject]
	t := s.template(of.shown)
	senders := s.heard.numbers[of.Account]
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

// asDisplayed names numbers as Meta displays them, and those by the id that it cannot be read of. Which ids a fleet has is not known yet.
type asDisplayed struct{}

func (asDisplayed) Subject(id, number string) string {
	return cmp.Or(number, report.NumberIDSubject(id).String())
}

// claimed are the webhooks as a fleet has the numbers: under the number that has the id, however Meta displays it.
func (w *Webhooks) claimed(fleet *Fleet) *Webhooks {
	is := map[string]string{}
	if fleet != nil {
		for _, n := range fleet.Numbers {
			for _, shown := range w.names[n.ID] {
				if n.ID != "" && shown != n.PhoneNumber {
					is[shown] = n.PhoneNumber
				}
			}
		}
	}
	if len(is) == 0 {
		return w
	}
	all := *w
	all.named, all.entries, all.reports = slices.Clone(w.named), slices.Clone(w.entries), slices.Clone(w.reports)
	rename := func(number *string) {
		if to, ok := is[*number]; ok {
			*number = to
		}
	}
	for i := range all.named {
		rename(&all.named[i].number)
	}
	for i := range all.entries {
		rename(&all.entries[i].Number)
	}
	for i := range all.reports {
		if number, ok := is[all.reports[i].Subject.String()]; ok {
			all.reports[i].Subject = report.ParseSubject(number)
		}
	}
	all.accounts = map[string]string{}
	for number, account := range w.accounts {
		rename(&number)
		all.accounts[number] = account
	}
	return &all
}
