package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"numberfleet.dev/numberfleet/internal/config"
	"numberfleet.dev/numberfleet/internal/secret"
)

// findSecrets says which files with a secret, of those that flags and configuration name, are missing or look wrong. What is in them is read, and
// nothing of it is told.
func findSecrets(ctx context.Context, e *examination) (findings []Finding, err error) {
	o := e.operator
	if o == nil || o.config == nil {
		return nil, nil
	}
	files := o.config.Secrets()
	if folder := o.flag("webhook-credentials"); folder != "" {
		files = append(files, config.AppSecrets("--webhook-credentials", folder)...)
	}
	for i, app := range o.config.Webhooks.Apps {
		files = append(files, config.AppSecrets(fmt.Sprintf("webhooks.apps[%d].credentials", i), app.Credentials)...)
	}
	read := map[string]*corev1.Secret{}
	var unread []error
	for _, file := range files {
		from, mounted := o.sourceOf(file.Path)
		if !mounted {
			findings = append(findings, Finding{Severity: Error, Command: fmt.Sprintf("kubectl -n %s edit deployment %s", o.deployment.Namespace, o.deployment.Name),
				Message: fmt.Sprintf("%s is to be in %s, and nothing is mounted there.", file.Field, file.Path)})
			continue
		}
		if from.secret == "" {
			continue // a volume of another kind, such as one of a CSI driver
		}
		stored, known := read[from.secret]
		if !known {
			if stored, err = e.readSecret(ctx, from.secret); err != nil {
				if err = fmt.Errorf("%s: %w", file.Field, err); !slices.ContainsFunc(unread, func(before error) bool { return before.Error() == err.Error() }) {
					unread = append(unread, err)
				}
				continue
			}
			read[from.secret] = stored
		}
		findings = append(findings, e.secretIn(stored, from, file)...)
	}
	return findings, errors.Join(unread...)
}

// secretIn says what is wrong with the secret in a key of a Secret, which is nil where it is missing.
func (e *examination) secretIn(stored *corev1.Secret, from source, file secret.File) []Finding {
	where := fmt.Sprintf("key %s of Secret %s/%s", from.key, e.OperatorNamespace, from.secret)
	var value []byte
	if stored != nil {
		value = stored.Data[from.key]
	}
	text, err := secret.Parse(value)
	switch {
	case len(value) == 0 && file.Optional:
		return nil
	case stored == nil:
		return []Finding{{Severity: Error, Message: fmt.Sprintf("%s is to be in %s, and there is no such Secret: what needs it does not work.", file.Field, where), Command: e.putSecret(from, false)}}
	case len(value) == 0:
		return []Finding{{Severity: Error, Message: fmt.Sprintf("%s is to be in %s, and that is missing or empty: what needs it does not work.", file.Field, where), Command: e.putSecret(from, true)}}
	case err != nil:
		return []Finding{{Severity: Error, Message: fmt.Sprintf("%s, in %s, %s: what needs it does not work.", file.Field, where, err), Command: e.putSecret(from, true)}}
	}
	if doubt := secret.Doubt(text); doubt != "" {
		return []Finding{{Severity: Warning, Message: fmt.Sprintf("%s, in %s, %s. It is used all the same.", file.Field, where, doubt), Command: e.putSecret(from, true)}}
	}
	return nil
}
