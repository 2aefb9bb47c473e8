package simulate

import (
	"cmp"
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"
	"time"

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
