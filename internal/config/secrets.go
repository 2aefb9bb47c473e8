package config

import (
	"k8s.io/apimachinery/pkg/util/validation/field"

	"numberfleet.dev/numberfleet/internal/secret"
)

// Secrets are the files with a secret each that the configuration names, without those of webhooks, which have folders. What NATS asks for
// is in files of several lines, and the log cannot be opened without it.
func (c *OperatorConfiguration) Secrets() []secret.File {
	var all []secret.File
	add := func(path *field.Path, name, file string) {
		if file != "" {
			all = append(all, secret.File{Field: path.Child(name).String(), Path: file})
		}
	}
	for i, r := range c.Notifications.Receivers {
		at := field.NewPath("notifications", "receivers").Index(i)
		if r.Email != nil {
			add(at.Child("email"), "passwordFile", r.Email.PasswordFile)
		}
		if r.Slack != nil {
			add(at.Child("slack"), "urlFile", r.Slack.URLFile)
		}
		if r.CloudEvents != nil {
			add(at.Child("cloudEvents"), "urlFile", r.CloudEvents.URLFile)
			add(at.Child("cloudEvents"), "tokenFile", r.CloudEvents.TokenFile)
		}
	}
	accounts := func(path *field.Path, all []Account) {
		for i, account := range all {
			add(path.Index(i), "tokenFile", account.TokenFile)
			add(path.Index(i), "appSecretFile", account.AppSecretFile)
		}
	}
	accounts(field.NewPath("graphAPI", "accounts"), c.GraphAPI.Accounts)
	accounts(field.NewPath("guard", "accounts"), c.Guard.Accounts)
	for i, namespace := range c.Prometheus.Namespaces {
		add(field.NewPath("prometheus", "namespaces").Index(i), "tokenFile", namespace.TokenFile)
	}
	if log := c.Ledger.Log; log != nil {
		at := field.NewPath("ledger", "log")
		add(at, "secretFile", log.SecretFile)
		if log.Backup != nil {
			add(at.Child("backup"), "accessKeyIDFile", log.Backup.AccessKeyIDFile)
			add(at.Child("backup"), "secretAccessKeyFile", log.Backup.SecretAccessKeyFile)
		}
	}
	return all
}
