package config

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/clock"

	"numberfleet.dev/numberfleet/internal/identity"
	"numberfleet.dev/numberfleet/internal/meta/graph"
)

// GraphAPI says what is read from Meta's Graph API. Without accounts nothing is.
type GraphAPI struct {
	// Version is a version of the Graph API; that of docs/graph.md where it is left out.
	Version string `json:"version"`
	// BaseURL is where the Graph API is; Meta's where it is left out. It is https, or on this machine.
	BaseURL string `json:"baseURL"`
	// PeriodMinutes is how often each account is read, 5 to 1440; 15 where it is left out.
	PeriodMinutes int `json:"periodMinutes"`
	// Accounts are at most 100.
	Accounts []Account `json:"accounts"`
}

// Account is a WhatsApp Business account.
type Account struct {
	// ID is Meta's id of the account, in digits.
	ID string `json:"id"`
	// TokenFile holds an access token: one that may read the account, or, for the guard, one that may send from its numbers. It is read at
	// each use.
	TokenFile string `json:"tokenFile"`
	// AppSecretFile holds the secret of the app that the token was made for, with which each call is then proved (appsecret_proof).
	// It is read at each use. Optional: apps can ask Meta to demand it.
	AppSecretFile string `json:"appSecretFile"`
}

const (
	// A read of an account is some calls, and one more for each hundred numbers after the first. Every quarter of an hour,
	// those of 4,000 numbers fit into the 200 calls that Meta allows within an hour; every 5 minutes, those of 1,000 do.
	defaultPeriod = 15
	leastPeriod   = 5
	mostPeriod    = 24 * 60

	maxAccounts = 100
)

// Period is how often each account is read.
func (g *GraphAPI) Period() time.Duration { return time.Duration(g.PeriodMinutes) * time.Minute }

func (g *GraphAPI) complete() {
	if g.Version == "" {
		g.Version = graph.DefaultVersion
	}
	if g.BaseURL == "" {
		g.BaseURL = graph.DefaultBaseURL
	}
	if g.PeriodMinutes == 0 {
		g.PeriodMinutes = defaultPeriod
	}
}

func validateGraphAPI(path *field.Path, g *GraphAPI) field.ErrorList {
	var errs field.ErrorList
	// The client knows what it can be given, so it is asked.
	if err := usable(graph.Options{Version: g.Version}); err != nil {
		errs = append(errs, field.Invalid(path.Child("version"), g.Version, err.Error()))
	}
	if err := usable(graph.Options{BaseURL: g.BaseURL}); err != nil {
		errs = append(errs, field.Invalid(path.Child("baseURL"), hidden, err.Error()))
	}
	if g.PeriodMinutes < leastPeriod || g.PeriodMinutes > mostPeriod {
		errs = append(errs, field.Invalid(path.Child("periodMinutes"), g.PeriodMinutes, fmt.Sprintf("must be %d to %d", leastPeriod, mostPeriod)))
	}
	return append(errs, validateAccounts(path.Child("accounts"), g.Accounts)...)
}

func validateAccounts(path *field.Path, all []Account) field.ErrorList {
	var errs field.ErrorList
	if n := len(all); n > maxAccounts {
		errs = append(errs, field.TooMany(path, n, maxAccounts))
	}
	ids := map[string]bool{}
	for i, account := range all {
		at := path.Index(i)
		if !identity.IsMetaID(account.ID) {
			errs = append(errs, field.Invalid(at.Child("id"), account.ID, idForm))
		} else if ids[account.ID] {
			errs = append(errs, field.Duplicate(at.Child("id"), account.ID))
		}
		ids[account.ID] = true
		// Whoever mistakes the field for the token itself must not find it in the log.
		if account.TokenFile == "" {
			errs = append(errs, field.Required(at.Child("tokenFile"), "a file with an access token, like /etc/numberfleet/graph/token"))
		} else if !filepath.IsAbs(account.TokenFile) {
			errs = append(errs, field.Invalid(at.Child("tokenFile"), hidden, "must be the absolute path of a file, like /etc/numberfleet/graph/token"))
		}
		if account.AppSecretFile != "" && !filepath.IsAbs(account.AppSecretFile) {
			errs = append(errs, field.Invalid(at.Child("appSecretFile"), hidden, "must be the absolute path of a file, like /etc/numberfleet/graph/app-secret"))
		}
	}
	return errs
}

// usable says what is wrong with the version or the base URL, whichever is given.
func usable(o graph.Options) error {
	o.Clock = clock.RealClock{}
	o.Token = func(context.Context) (string, error) { return "", nil }
	_, err := graph.New(o)
	return err
}
