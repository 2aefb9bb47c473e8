package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"path"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// certificateEnds is how long before its end a certificate is told of: what renews certificates does so a third of their time before, which
// is 30 days of the usual 90.
const certificateEnds = 14 * 24 * time.Hour

// listener is one of the addresses that the operator serves over TLS.
type listener struct {
	name string
	// port is the name of the container's port, which the Service leads to.
	port string
	// certificates is the flag with the folder of its certificate.
	certificates string
}

var listeners = []listener{
	{"the receiver of webhooks", "webhook", "webhook-cert-path"},
	{"the API of events and of the gate", "events", "events-cert-path"},
	{"the guard", "guard", "guard-cert-path"},
	{"the scaler", "scaler", "scaler-cert-path"},
	{"the metrics", "metrics", "metrics-cert-path"},
}

// findCertificates says which listeners have no certificate, or one that callers do not take.
func findCertificates(ctx context.Context, e *examination) (findings []Finding, err error) {
	o := e.operator
	if o == nil {
		return nil, nil
	}
	services, err := e.servicesOf(ctx)
	unread := []error{err}
	for _, l := range listeners {
		folder, address := o.flag(l.certificates), o.flag(l.port+"-bind-address")
		if folder == "" || address == "" || address == "0" {
			continue
		}
		from, _ := o.sourceOf(path.Join(folder, corev1.TLSCertKey))
		if from.secret == "" {
			continue
		}
		stored, err := e.readSecret(ctx, from.secret)
		if err != nil {
			unread = append(unread, fmt.Errorf("the certificate of %s: %w", l.name, err))
			continue
		}
		var names []string
		for i := range services {
			if leadsTo(&services[i], l.port) {
				names = append(names, services[i].Name+"."+services[i].Namespace+".svc")
			}
		}
		if f, wrong := e.certificateIn(stored, from, l, names); wrong {
			findings = append(findings, f)
		}
	}
	return findings, errors.Join(unread...)
}

// certificateIn says what is wrong with the certificate in a Secret, which is nil where it is missing. Callers call the listener by the names.
func (e *examination) certificateIn(stored *corev1.Secret, from source, l listener, names []string) (f Finding, wrong bool) {
	where := fmt.Sprintf("Secret %s/%s", e.OperatorNamespace, from.secret)
	f = Finding{Severity: Error, Command: fmt.Sprintf("kubectl -n %s create secret tls %s --cert=FILE --key=FILE --dry-run=client -o yaml | kubectl apply --server-side --force-conflicts -f -", e.OperatorNamespace, from.secret)}
	if stored == nil {
		f.Severity, f.Command = Info, fmt.Sprintf("kubectl -n %s create secret tls %s --cert=FILE --key=FILE", e.OperatorNamespace, from.secret)
		f.Message = fmt.Sprintf("%s is missing, so %s waits for a certificate and is not served.", where, l.name)
		return f, true
	}
	pair, err := tls.X509KeyPair(stored.Data[corev1.TLSCertKey], stored.Data[corev1.TLSPrivateKeyKey])
	if err != nil {
		f.Message = fmt.Sprintf("%s has no certificate in PEM with its key in %s and %s: %s is not served, or with the one before.", where, corev1.TLSCertKey, corev1.TLSPrivateKeyKey, l.name)
		return f, true
	}
	certificate, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		f.Message = fmt.Sprintf("%s has a certificate that cannot be read: %s is not served, or with the one before.", where, l.name)
		return f, true
	}
	switch ends := certificate.NotAfter; {
	case e.Now.After(ends):
		f.Message = fmt.Sprintf("The certificate of %s in %s ended at %s: callers refuse it.", l.name, where, ends.UTC().Format(time.RFC3339))
		return f, true
	case e.Now.Before(certificate.NotBefore):
		f.Message = fmt.Sprintf("The certificate of %s in %s begins at %s only: callers refuse it.", l.name, where, certificate.NotBefore.UTC().Format(time.RFC3339))
		return f, true
	case e.Now.Add(certificateEnds).After(ends):
		f.Severity, f.Message = Warning, fmt.Sprintf("The certificate of %s in %s ends at %s.", l.name, where, ends.UTC().Format(time.RFC3339))
		return f, true
	}
	for _, name := range names {
		if certificate.VerifyHostname(name) != nil {
			f.Severity = Warning
			f.Message = fmt.Sprintf("The certificate of %s in %s is not for %s: whoever calls it by that name refuses it.", l.name, where, name)
			return f, true
		}
	}
	return f, false
}
