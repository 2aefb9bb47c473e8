package ingest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/receipts"
	"numberfleet.dev/numberfleet/internal/report"
)

// App is an app at Meta whose webhooks are received. It has a path of its own, and secrets that no other path takes.
type App struct {
	// Name is the end of the path, after a slash.
	Name        string
	Credentials *Credentials
	// Accounts are Meta's ids of the WhatsApp Business accounts that the app may speak about; all where there are none.
	Accounts []string
}

// Owners know which WhatsApp Business accounts a subject of the ledger belongs to, by what resources say: several for a
// portfolio, and none where no resource says. An error means that it cannot be told now.
type Owners interface {
	Accounts(ctx context.Context, subject report.Subject) ([]string, error)
}

// app is what the receiver has of an App.
type app struct {
	name        string // empty for the one whose path has no name
	credentials *Credentials
	accounts    map[string]bool // nil for an app that is trusted for all
	metrics     *metrics
}

func newApp(of App, registerer prometheus.Registerer) (*app, error) {
	if of.Credentials == nil {
		return nil, fmt.Errorf("the app %q needs credentials", of.Name)
	}
	metrics, err := newMetrics(registerer, of.Name)
	if err != nil {
		return nil, err
	}
	a := &app{name: of.Name, credentials: of.Credentials, metrics: metrics}
	if len(of.Accounts) > 0 {
		a.accounts = make(map[string]bool, len(of.Accounts))
		for _, account := range of.Accounts {
			a.accounts[account] = true
		}
	}
	return a, metrics.holds(of.Credentials)
}

// apps makes those of the options, by path.
func apps(options *Options, path string) (map[string]*app, error) {
	all := map[string]*app{}
	if options.Credentials != nil {
		a, err := newApp(App{Credentials: options.Credentials}, options.Metrics)
		if err != nil {
			return nil, err
		}
		all[path] = a
	}
	for _, of := range options.Apps {
		at := path + "/" + of.Name
		if of.Name == "" || all[at] != nil {
			return nil, fmt.Errorf("every app needs a name of its own, not %q", of.Name)
		}
		a, err := newApp(of, options.Metrics)
		if err != nil {
			return nil, err
		}
		all[at] = a
	}
	if len(all) == 0 {
		return nil, errors.New("a receiver needs the credentials of an app")
	}
	return all, nil
}

// foreign is what of a webhook is about others than the app that signed it may speak about. None of it is stored.
type foreign struct {
	updates int
	what    string // the first of it, in words that may be logged
	account string // Meta's id of whose that is, or empty where there is none to show
}

func (f *foreign) add(updates int, what, account string) {
	if f.updates += updates; f.what == "" {
		f.what, f.account = what, account
	}
}

// hears says which accounts the app may speak about; nil where that is all.
func (a *app) hears() func(account string) bool {
	if a.accounts == nil {
		return nil
	}
	return func(account string) bool { return a.accounts[account] }
}

// guard takes out of the batch and the request what is about a number or portfolio that belongs to another account. What is about an account or a
// template is about one that the body names, and the app may speak about. The last of the reports, so many as are claims, are of no
// account of the app's; they are only kept if what they are about belongs to one.
func (a *app) guard(ctx context.Context, batch *counts.Batch, claims int, request *receipts.Request, owners Owners) (not foreign, failed error) {
	asked, of, mine := report.Subject{}, []string(nil), false // most batches are about one subject, or about one after the other
	others := func(subject report.Subject, claimed bool) bool {
		if subject != asked {
			accounts, err := owners.Accounts(ctx, subject)
			failed = cmp.Or(failed, err)
			asked, of, mine = subject, accounts, slices.ContainsFunc(accounts, func(account string) bool { return a.accounts[account] })
		}
		switch {
		case mine || len(of) == 0 && !claimed:
			return false
		case len(of) > 0:
			not.add(1, "a number or portfolio", of[0])
		default:
			not.add(1, "a number or portfolio", "")
		}
		return true
	}
	batch.Entries = slices.DeleteFunc(batch.Entries, func(e counts.Entry) bool { return others(report.ParseSubject(e.Number), false) })
	own := len(batch.Reports) - claims
	claimed := slices.DeleteFunc(batch.Reports[own:], func(r report.Report) bool { return others(r.Subject, true) })
	batch.Reports = slices.DeleteFunc(batch.Reports[:own], func(r report.Report) bool { return others(r.Subject, false) })
	batch.Reports = append(batch.Reports, claimed...)
	left := not // what follows is part of what it comes with
	batch.Names = slices.DeleteFunc(batch.Names, func(n counts.Name) bool {
		return others(report.NumberIDSubject(n.ID), false) || others(report.ParseSubject(n.Number), false)
	})
	request.Delivered = slices.DeleteFunc(request.Delivered, func(d receipts.Delivered) bool { return others(report.ParseSubject(d.Number), false) })
	not = left
	request.Failures = slices.DeleteFunc(request.Failures, func(f receipts.Failure) bool { return others(report.ParseSubject(f.Number), false) })
	return not, failed
}

var trespass = answer{http.StatusForbidden, "the app that signed this body may not speak about the account that it is about"}

// trespassed tells that a webhook of an app is about what is not its own, whole or in part. It is only refused where that is all of
// it: the rest counts, and what is left out would be left out each time that Meta sent it again.
func (r *Receiver) trespassed(a *app, not foreign, kept int) answer {
	a.metrics.foreign.Inc()
	said := []any{"app", a.name, "about", not.what, "account", cmp.Or(not.account, "(not an id)"), "updates", not.updates}
	if kept == 0 {
		r.log.Info("A webhook was refused: it is about an account that its app may not speak about", said...)
		return trespass
	}
	r.log.Info("Part of a webhook was left out: it is about an account that its app may not speak about", said...)
	return answer{}
}

// shown is an account id as it may be logged, for whoever signed a body can write anything there.
func shown(account string) string {
	if len(account) > 32 {
		return ""
	}
	for i := range len(account) {
		if account[i] < '0' || account[i] > '9' {
			return ""
		}
	}
	return string([]byte(account)) // what was read is not kept
}
