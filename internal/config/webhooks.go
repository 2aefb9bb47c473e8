package config

import (
	"path/filepath"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"numberfleet.dev/numberfleet/internal/identity"
	"numberfleet.dev/numberfleet/internal/secret"
)

// Webhooks say which apps at Meta send webhooks, besides the one of --webhook-credentials.
type Webhooks struct {
	// Apps are at most 64.
	Apps []WebhookApp `json:"apps"`
}

// WebhookApp is an app at Meta. It sends to a path of its own, which ends in its name.
type WebhookApp struct {
	// Name is a DNS label of at most 63 characters.
	Name string `json:"name"`
	// Credentials is the absolute path of a directory with the app's own app-secret, verify-token and, during a rotation,
	// app-secret-previous. No other app has the same.
	Credentials string `json:"credentials"`
	// Accounts are Meta's ids of the at most 1,000 WhatsApp Business accounts that the app may speak about. Where the list is
	// left out, the app is trusted to speak about all.
	Accounts []string `json:"accounts"`
	// AppID is Meta's id of the app. Optional: with it, it can be told whether the app is subscribed to an account.
	AppID string `json:"appID"`
}

// The files of a credentials directory: the keys of a Secret that is mounted there.
const (
	// AppSecretKey has the secret that Meta signs webhooks with.
	AppSecretKey = "app-secret"
	// PreviousAppSecretKey has the one before it, while both are in use. It is optional.
	PreviousAppSecretKey = "app-secret-previous" //nolint:gosec // a file's name
	// VerifyTokenKey has the token that Meta's handshake must bring.
	VerifyTokenKey = "verify-token"
)

// AppSecrets are the files of a credentials directory that a field or flag names.
func AppSecrets(field, directory string) []secret.File {
	var all []secret.File
	for _, name := range []string{AppSecretKey, VerifyTokenKey, PreviousAppSecretKey} {
		all = append(all, secret.File{Field: field + "/" + name, Path: filepath.Join(directory, name), Optional: name == PreviousAppSecretKey})
	}
	return all
}

// AppIDs are Meta's ids of the apps that may speak about an account; nil where one of them does not tell its id.
func (w *Webhooks) AppIDs(account string) []string {
	var ids []string
	for i := range w.Apps {
		app := &w.Apps[i]
		if app.Accounts != nil && !slices.Contains(app.Accounts, account) {
			continue
		}
		if app.AppID == "" {
			return nil
		}
		ids = append(ids, app.AppID)
	}
	return ids
}

const (
	maxApps        = 64
	maxAppAccounts = 1000
)

func validateWebhooks(path *field.Path, w *Webhooks) field.ErrorList {
	var errs field.ErrorList
	apps := path.Child("apps")
	if n := len(w.Apps); n > maxApps {
		errs = append(errs, field.TooMany(apps, n, maxApps))
	}
	names, directories := map[string]bool{}, map[string]bool{}
	for i := range w.Apps {
		at, app := apps.Index(i), &w.Apps[i]
		errs = append(errs, label(at.Child("name"), app.Name)...)
		if app.Name != "" && names[app.Name] {
			errs = append(errs, field.Duplicate(at.Child("name"), app.Name))
		}
		names[app.Name] = true

		// Whoever mistakes the field for a secret must not find it in the log.
		credentials := at.Child("credentials")
		switch directory := filepath.Clean(app.Credentials); {
		case app.Credentials == "":
			errs = append(errs, field.Required(credentials, "a directory with the app's secrets, like /etc/numberfleet/webhooks/shop"))
		case !filepath.IsAbs(app.Credentials):
			errs = append(errs, field.Invalid(credentials, hidden, "must be the absolute path of a directory, like /etc/numberfleet/webhooks/shop"))
		case directories[directory]:
			errs = append(errs, field.Duplicate(credentials, app.Credentials))
		default:
			directories[directory] = true
		}
		if app.AppID != "" && !identity.IsMetaID(app.AppID) {
			errs = append(errs, field.Invalid(at.Child("appID"), app.AppID, idForm))
		}
		errs = append(errs, validateAppAccounts(at.Child("accounts"), app.Accounts)...)
	}
	return errs
}

func validateAppAccounts(path *field.Path, accounts []string) field.ErrorList {
	var errs field.ErrorList
	// A list that was meant to hold something, such as one that a template left empty, must not open everything.
	if accounts != nil && len(accounts) == 0 {
		errs = append(errs, field.Required(path, "at least one account; leave the list out for an app that is trusted to speak about all"))
	}
	if n := len(accounts); n > maxAppAccounts {
		errs = append(errs, field.TooMany(path, n, maxAppAccounts))
	}
	seen := map[string]bool{}
	for i, id := range accounts {
		if !identity.IsMetaID(id) {
			errs = append(errs, field.Invalid(path.Index(i), id, idForm))
		} else if seen[id] {
			errs = append(errs, field.Duplicate(path.Index(i), id))
		}
		seen[id] = true
	}
	return errs
}

const idForm = "must be Meta's id in digits, like 102290129340398; quote it in YAML"
