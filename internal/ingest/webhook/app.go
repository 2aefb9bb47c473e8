package webhook

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"

	"numberfleet.dev/numberfleet/internal/identity"
	"numberfleet.dev/numberfleet/internal/ingest"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/receipts"
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/server"
)

// App is an app at Meta whose webhooks are received. It has a path of its own, and secrets that no other path takes.
type App struct {
	// Name is the end of the path, after a slash. The app whose path has no such end has none.
	Name        string
	Credentials *Credentials
	// Accounts are Meta's ids of the WhatsApp Business accounts that the app may speak about; all where there are none.
	Accounts []string
}

// Owners knows which WhatsApp Business accounts a subject belongs to, by what resources say: several for a portfolio, and none
// where no resource says. An error means that this cannot be told now.
type Owners interface {
	Accounts(ctx context.Context, subject report.Subject) ([]string, error)
}

// app is an App as the receiver serves it.
type app struct {
	name        string // empty for the one whose path has no name
	credentials *Credentials
	accounts    map[string]bool // nil for an app that may speak about all
	metrics     *metrics
	handler     http.Handler
}

func (r *Receiver) newApp(of *App, metrics *metrics) *app {
	a := &app{name: of.Name, credentials: of.Credentials, metrics: metrics}
	if len(of.Accounts) > 0 {
		a.accounts = make(map[string]bool, len(of.Accounts))
		for _, account := range of.Accounts {
			a.accounts[account] = true
		}
	}
	a.handler = metrics.instrument(func(w http.ResponseWriter, req *http.Request) (int, error) { return r.serve(a, w, req) }, r.log, r.clock)
	return a
}

// allowed says which accounts the app may speak about; nil where it may about all.
func (a *app) allowed() func(account string) bool {
	if a.accounts == nil {
		return nil
	}
	return func(account string) bool { return a.accounts[account] }
}

// denied counts the updates of a webhook that its app may not send. None of them is stored.
type denied struct {
	updates int
	what    string // the first of them is about, in words that may be logged
	account string // Meta's id of the account that it belongs to, empty where none can be shown
}

func (d *denied) add(updates int, what, account string) {
	if d.updates += updates; d.what == "" {
		d.what, d.account = what, account
	}
}

// authorize removes the records about numbers and portfolios of accounts that the app may not speak about. The parser has left out
// what names another account or its templates. The last reports, as many as there are claims, come from entries of other accounts:
// they are kept only where their subject belongs to an account of the app.
func (a *app) authorize(ctx context.Context, received *ingest.Received, claims int, owners Owners) (denied denied, failed error) {
	asked, of, own := report.Subject{}, []string(nil), false // most batches are about one subject, or about one after the other
	foreign := func(subject report.Subject, claimed bool) bool {
		if subject != asked {
			accounts, err := owners.Accounts(ctx, subject)
			failed = cmp.Or(failed, err)
			asked, of, own = subject, accounts, slices.ContainsFunc(accounts, func(account string) bool { return a.accounts[account] })
		}
		if own || len(of) == 0 && !claimed {
			return false
		}
		account := ""
		if len(of) > 0 {
			account = of[0]
		}
		denied.add(1, "a number or portfolio", account)
		return true
	}
	batch := &received.Batch
	entry := func(e counts.Entry) bool { return foreign(report.ParseSubject(e.Number), false) }
	batch.Entries = slices.DeleteFunc(batch.Entries, func(e counts.Entry) bool { return e.Kind != counts.Failed && entry(e) })
	rest := len(batch.Reports) - claims
	claimed := slices.DeleteFunc(batch.Reports[rest:], func(r report.Report) bool { return foreign(r.Subject, true) })
	batch.Reports = slices.DeleteFunc(batch.Reports[:rest], func(r report.Report) bool { return foreign(r.Subject, false) })
	batch.Reports = append(batch.Reports, claimed...)
	received.Failures = slices.DeleteFunc(received.Failures, func(f receipts.Failure) bool { return foreign(report.ParseSubject(f.Number), false) })
	before := denied // names, categories and what failed are parts of updates that are counted
	batch.Entries = slices.DeleteFunc(batch.Entries, entry)
	batch.Displays = slices.DeleteFunc(batch.Displays, func(n counts.Display) bool {
		return foreign(report.NumberIDSubject(n.ID), false) || foreign(report.ParseSubject(n.Number), false)
	})
	received.Delivered = slices.DeleteFunc(received.Delivered, func(d receipts.Delivered) bool { return foreign(report.ParseSubject(d.Number), false) })
	return before, failed
}

var errForbidden = &server.Error{Code: http.StatusForbidden, Message: "the app that signed this body may not speak about the account that it is about"}

// refuseDenied logs and counts a webhook of which updates were denied. It is refused only where all of it was denied: else Meta would
// send it again, with the same outcome.
func (r *Receiver) refuseDenied(a *app, denied *denied, kept int) error {
	a.metrics.foreign.Inc()
	about := []any{"app", a.name, "about", denied.what, "account", cmp.Or(denied.account, "(not an id)"), "updates", denied.updates}
	if kept == 0 {
		r.log.Info("A webhook was refused: it is about an account that its app may not speak about", about...)
		return errForbidden
	}
	r.log.Info("Part of a webhook was left out: it is about an account that its app may not speak about", about...)
	return nil
}

// printableID is an account's id as it may be logged, for whoever signed a body can write anything there; empty if it is none.
func printableID(account string) string {
	if !identity.IsMetaID(account) {
		return ""
	}
	return strings.Clone(account) // what was read is not kept
}
