package ingest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"numberfleet.dev/numberfleet/internal/ledger"
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
	Accounts(ctx context.Context, subject string) ([]string, error)
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

// foreign is what of a webhook belongs to others than the app that signed it: the first of it, in words that may be logged.
type foreign struct {
	what    string
	account string // Meta's id, or empty where there is none to show
}

// names looks among the accounts that a body names for one that is not the app's.
func (a *app) names(accounts []string) (foreign, bool) {
	for _, account := range accounts {
		if !a.accounts[account] {
			return foreign{"an entry", shown(account)}, true
		}
	}
	return foreign{}, false
}

// writes looks among the records for one about a number or portfolio that belongs to another account. What is about an
// account or a template is about one that the body names.
func (a *app) writes(ctx context.Context, batch *ledger.Batch, owners Owners) (foreign, bool, error) {
	asked := "" // most batches are about one subject, or about one after the other
	check := func(subject string) (foreign, bool, error) {
		if subject == asked {
			return foreign{}, false, nil
		}
		asked = subject
		accounts, err := owners.Accounts(ctx, subject)
		if err != nil || len(accounts) == 0 || slices.ContainsFunc(accounts, func(account string) bool { return a.accounts[account] }) {
			return foreign{}, false, err
		}
		return foreign{"a number or portfolio", accounts[0]}, true, nil
	}
	for i := range batch.Entries {
		if is, found, err := check(batch.Entries[i].Number); found || err != nil {
			return is, found, err
		}
	}
	for i := range batch.Reports {
		if is, found, err := check(batch.Reports[i].Number); found || err != nil {
			return is, found, err
		}
	}
	return foreign{}, false, nil
}

// guard refuses what an app may not write. What cannot be told now is to be tried again: a forged history would stay.
func (r *Receiver) guard(ctx context.Context, app *app, batch *ledger.Batch, owners Owners) answer {
	is, found, err := app.writes(ctx, batch, owners)
	switch {
	case err != nil:
		r.log.Info("A webhook waits, since it cannot be told yet whose numbers it is about", "app", app.name, "problem", err.Error())
		return unavailable
	case found:
		return r.trespassed(app, is)
	}
	return answer{}
}

var trespass = answer{http.StatusForbidden, "the app that signed this body may not speak about an account in it"}

// trespassed refuses a webhook of an app about what is not its own.
func (r *Receiver) trespassed(a *app, is foreign) answer {
	a.metrics.foreign.Inc()
	r.log.Info("A webhook was refused: it is about an account that its app may not speak about", "app", a.name, "about", is.what,
		"account", cmp.Or(is.account, "(not an id)"))
	return trespass
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
