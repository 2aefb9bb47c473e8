package config

import (
	"net/mail"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// Reasons are all that a transition can have.
var Reasons = []v1alpha1.TransitionReason{
	v1alpha1.ReasonTierUpgraded, v1alpha1.ReasonTierDowngraded, v1alpha1.ReasonUpgradePending, v1alpha1.ReasonUpgradeCancelled,
	v1alpha1.ReasonQualityChanged, v1alpha1.ReasonFlagged, v1alpha1.ReasonFlagCleared, v1alpha1.ReasonRestricted,
	v1alpha1.ReasonRestrictionLifted, v1alpha1.ReasonBlocked, v1alpha1.ReasonUnblocked, v1alpha1.ReasonConnectionChanged,
	v1alpha1.ReasonVerificationChanged, v1alpha1.ReasonLimitReported, v1alpha1.ReasonTemplateFlagged,
	v1alpha1.ReasonTemplateFlagCleared, v1alpha1.ReasonTemplateBlocked, v1alpha1.ReasonTemplatePaused, v1alpha1.ReasonTemplateResumed,
	v1alpha1.ReasonTemplateStateChanged, v1alpha1.ReasonTemplateCategoryChanged, v1alpha1.ReasonTemplateCategoryAnnounced,
}

const (
	maxReceivers = 16
	maxAddresses = 50
	// hidden stands for a value that may hold a secret.
	hidden = "(not shown)"
)

func validate(c *OperatorConfiguration) field.ErrorList {
	var errs field.ErrorList
	if c.APIVersion != APIVersion {
		errs = append(errs, field.NotSupported(field.NewPath("apiVersion"), c.APIVersion, []string{APIVersion}))
	}
	if c.Kind != Kind {
		errs = append(errs, field.NotSupported(field.NewPath("kind"), c.Kind, []string{Kind}))
	}
	receivers := field.NewPath("notifications", "receivers")
	if n := len(c.Notifications.Receivers); n > maxReceivers {
		errs = append(errs, field.TooMany(receivers, n, maxReceivers))
	}
	names := map[string]bool{}
	for i := range c.Notifications.Receivers {
		path, r := receivers.Index(i), &c.Notifications.Receivers[i]
		errs = append(errs, validateReceiver(path, r)...)
		if names[r.Name] {
			errs = append(errs, field.Duplicate(path.Child("name"), r.Name))
		}
		names[r.Name] = true
	}
	errs = append(errs, validateGraphAPI(field.NewPath("graphAPI"), &c.GraphAPI)...)
	errs = append(errs, validateGuard(field.NewPath("guard"), &c.Guard)...)
	errs = append(errs, validateWebhooks(field.NewPath("webhooks"), &c.Webhooks)...)
	errs = append(errs, validatePrometheus(field.NewPath("prometheus"), &c.Prometheus)...)
	errs = append(errs, validateLedger(field.NewPath("ledger"), &c.Ledger)...)
	return append(errs, validatePolicies(field.NewPath("policies"), &c.Policies)...)
}

func validateReceiver(path *field.Path, r *Receiver) field.ErrorList {
	var errs field.ErrorList
	errs = append(errs, label(path.Child("name"), r.Name)...)
	seen := map[v1alpha1.TransitionReason]bool{}
	for i, reason := range r.Reasons {
		at := path.Child("reasons").Index(i)
		if !slices.Contains(Reasons, reason) {
			errs = append(errs, field.NotSupported(at, reason, Reasons))
		}
		if seen[reason] {
			errs = append(errs, field.Duplicate(at, reason))
		}
		seen[reason] = true
	}
	for i, namespace := range r.Namespaces {
		errs = append(errs, label(path.Child("namespaces").Index(i), namespace)...)
	}

	kinds := 0
	if r.Email != nil {
		kinds++
		errs = append(errs, validateEmail(path.Child("email"), r.Email)...)
	}
	if r.Slack != nil {
		kinds++
		at := path.Child("slack")
		errs = append(errs, address(at, r.Slack.URL, r.Slack.URLFile)...)
		errs = append(errs, file(at.Child("caFile"), r.Slack.CAFile)...)
	}
	if r.CloudEvents != nil {
		kinds++
		at := path.Child("cloudEvents")
		errs = append(errs, address(at, r.CloudEvents.URL, r.CloudEvents.URLFile)...)
		errs = append(errs, file(at.Child("caFile"), r.CloudEvents.CAFile)...)
		errs = append(errs, file(at.Child("tokenFile"), r.CloudEvents.TokenFile)...)
		if r.CloudEvents.TokenFile != "" && strings.HasPrefix(r.CloudEvents.URL, "http:") {
			errs = append(errs, field.Forbidden(at.Child("tokenFile"), "the token would be sent in the clear: url must begin with https://"))
		}
	}
	if kinds != 1 {
		errs = append(errs, field.Required(path, "exactly one of email, slack and cloudEvents must be set"))
	}
	return errs
}

func validateEmail(path *field.Path, e *Email) field.ErrorList {
	var errs field.ErrorList
	if e.Host == "" {
		errs = append(errs, field.Required(path.Child("host"), "the SMTP server's name or address"))
	} else if strings.ContainsAny(e.Host, "/@ ") {
		errs = append(errs, field.Invalid(path.Child("host"), e.Host, "must be a host name or an IP address, without scheme and port"))
	}
	if e.Port < 1 || e.Port > 65535 {
		errs = append(errs, field.Invalid(path.Child("port"), e.Port, "must be 1 to 65535"))
	}
	if !slices.Contains([]TLS{StartTLS, Implicit, NoTLS}, e.TLS) {
		errs = append(errs, field.NotSupported(path.Child("tls"), e.TLS, []TLS{StartTLS, Implicit, NoTLS}))
	}
	errs = append(errs, mailbox(path.Child("from"), e.From)...)
	if n := len(e.To); n == 0 {
		errs = append(errs, field.Required(path.Child("to"), "at least one address"))
	} else if n > maxAddresses {
		errs = append(errs, field.TooMany(path.Child("to"), n, maxAddresses))
	}
	for i, to := range e.To {
		errs = append(errs, mailbox(path.Child("to").Index(i), to)...)
	}
	if (e.Username == "") != (e.PasswordFile == "") {
		errs = append(errs, field.Required(path, "username and passwordFile go together: set both or none"))
	}
	if e.Username != "" && e.TLS == NoTLS {
		errs = append(errs, field.Forbidden(path.Child("username"), "the password would be sent in the clear: tls must be StartTLS or Implicit"))
	}
	errs = append(errs, file(path.Child("passwordFile"), e.PasswordFile)...)
	return append(errs, file(path.Child("caFile"), e.CAFile)...)
}

func label(path *field.Path, value string) field.ErrorList {
	if value == "" {
		return field.ErrorList{field.Required(path, "lower-case letters, digits and '-', at most 63, like ops-mail")}
	}
	var errs field.ErrorList
	for _, problem := range validation.IsDNS1123Label(value) {
		errs = append(errs, field.Invalid(path, value, problem))
	}
	return errs
}

func mailbox(path *field.Path, value string) field.ErrorList {
	if _, err := mail.ParseAddress(value); err != nil {
		return field.ErrorList{field.Invalid(path, value, `must be an address, like ops@example.com or "Ops <ops@example.com>"`)}
	}
	return nil
}

func address(path *field.Path, inline, inFile string) field.ErrorList {
	if (inline == "") == (inFile == "") {
		return field.ErrorList{field.Required(path, "exactly one of url and urlFile must be set")}
	}
	if inFile != "" {
		return file(path.Child("urlFile"), inFile)
	}
	if !IsURL(inline) {
		// A webhook's URL is a secret.
		return field.ErrorList{field.Invalid(path.Child("url"), hidden, "must be an absolute URL with https:// or http:// and a host")}
	}
	return nil
}

// IsURL says whether something can be posted to a URL: it is absolute and of HTTP.
func IsURL(value string) bool {
	u, err := url.Parse(value)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Hostname() != "" && u.Fragment == ""
}

func file(path *field.Path, name string) field.ErrorList {
	if name != "" && !filepath.IsAbs(name) {
		return field.ErrorList{field.Invalid(path, name, "must be an absolute path, like /etc/numberfleet/notifications/"+filepath.Base(path.String()))}
	}
	return nil
}
