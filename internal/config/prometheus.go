package config

import (
	"fmt"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"time"

	"github.com/prometheus/common/model"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Prometheus says whose counts are the answers of a Prometheus. A number of a namespace that is not listed can use none: the
// operator calls no URL that somebody else wrote.
type Prometheus struct {
	// PeriodSeconds is how often each query is asked, 15 to 3600; 60 where it is left out.
	PeriodSeconds int `json:"periodSeconds"`
	// Namespaces are at most 1000.
	Namespaces []PrometheusNamespace `json:"namespaces"`
}

// PrometheusNamespace is the Prometheus of a namespace's numbers.
type PrometheusNamespace struct {
	// Name of the namespace.
	Name string `json:"name"`
	// URL of the Prometheus, or of what has its HTTP API, without /api/v1. With a token it is https, or on this machine.
	URL string `json:"url"`
	// TokenFile holds a bearer token to send along. It is read at each use.
	TokenFile string `json:"tokenFile"`
	// CAFile holds the certificates to trust, in PEM; the system's where it is empty. It is read at each use.
	CAFile string `json:"caFile"`
	// Label of the answers to Queries that says which number each sample is of; number where it is left out.
	Label string `json:"label"`
	// Holds is what the label holds; PhoneNumber where it is left out.
	Holds LabelHolds `json:"holds"`
	// Queries are asked for all numbers of the namespace at once, but for those that have queries of their own or take the
	// ledger's counts.
	Queries PrometheusQueries `json:"queries"`
}

// LabelHolds is how a label names a number.
type LabelHolds string

// The ways.
const (
	HoldsPhoneNumber   LabelHolds = "PhoneNumber"   // in E.164, with or without the plus
	HoldsPhoneNumberID LabelHolds = "PhoneNumberID" // Meta's id
	HoldsName          LabelHolds = "Name"          // of the PhoneNumber resource
)

// PrometheusQueries are queries in PromQL of at most 4096 bytes; see v1alpha1.UsageQueries for what they give.
type PrometheusQueries struct {
	// Used gives how much of the limit is used, over $window.
	Used string `json:"used"`
	// UniqueUsers gives the unique users over $upgradeWindow.
	UniqueUsers string `json:"uniqueUsers"`
	// Messages gives the messages delivered outside of customer service windows over $upgradeWindow.
	Messages string `json:"messages"`
}

const (
	defaultSamplePeriod = 60
	leastSamplePeriod   = 15
	mostSamplePeriod    = 3600
	maxSampled          = 1000
	maxQuery            = 4096 // bytes
	maxLabel            = 256  // bytes
)

// Period is how often each query is asked.
func (p *Prometheus) Period() time.Duration { return time.Duration(p.PeriodSeconds) * time.Second }

func (p *Prometheus) complete() {
	if p.PeriodSeconds == 0 {
		p.PeriodSeconds = defaultSamplePeriod
	}
	for i := range p.Namespaces {
		n := &p.Namespaces[i]
		if n.Label == "" {
			n.Label = "number"
		}
		if n.Holds == "" {
			n.Holds = HoldsPhoneNumber
		}
	}
}

func validatePrometheus(path *field.Path, p *Prometheus) field.ErrorList {
	var errs field.ErrorList
	if p.PeriodSeconds < leastSamplePeriod || p.PeriodSeconds > mostSamplePeriod {
		errs = append(errs, field.Invalid(path.Child("periodSeconds"), p.PeriodSeconds, fmt.Sprintf("must be %d to %d", leastSamplePeriod, mostSamplePeriod)))
	}
	namespaces := path.Child("namespaces")
	if n := len(p.Namespaces); n > maxSampled {
		errs = append(errs, field.TooMany(namespaces, n, maxSampled))
	}
	names := map[string]bool{}
	for i, n := range p.Namespaces {
		at := namespaces.Index(i)
		errs = append(errs, label(at.Child("name"), n.Name)...)
		if names[n.Name] {
			errs = append(errs, field.Duplicate(at.Child("name"), n.Name))
		}
		names[n.Name] = true
		// An address may have a secret in it.
		if problem := serverProblem(n.URL, n.TokenFile != ""); problem != "" {
			errs = append(errs, field.Invalid(at.Child("url"), hidden, problem))
		}
		// Whoever mistakes the field for the token itself must not find it in the log.
		if n.TokenFile != "" && !filepath.IsAbs(n.TokenFile) {
			errs = append(errs, field.Invalid(at.Child("tokenFile"), hidden, "must be the absolute path of a file, like /etc/numberfleet/prometheus/token"))
		}
		if n.CAFile != "" && !filepath.IsAbs(n.CAFile) {
			errs = append(errs, field.Invalid(at.Child("caFile"), n.CAFile, "must be the absolute path of a file, like /etc/numberfleet/prometheus/ca.crt"))
		}
		if !model.UTF8Validation.IsValidLabelName(n.Label) || len(n.Label) > maxLabel {
			errs = append(errs, field.Invalid(at.Child("label"), n.Label, fmt.Sprintf("must be the name of a label, like number, of at most %d bytes", maxLabel)))
		}
		if holds := []LabelHolds{HoldsPhoneNumber, HoldsPhoneNumberID, HoldsName}; !slices.Contains(holds, n.Holds) {
			errs = append(errs, field.NotSupported(at.Child("holds"), n.Holds, holds))
		}
		for _, query := range []struct{ name, text string }{{"used", n.Queries.Used}, {"uniqueUsers", n.Queries.UniqueUsers}, {"messages", n.Queries.Messages}} {
			if len(query.text) > maxQuery {
				errs = append(errs, field.TooLong(at.Child("queries", query.name), "", maxQuery))
			}
		}
	}
	return errs
}

// serverProblem says what is wrong with the address of a server, to which a token may be sent; empty if nothing is.
func serverProblem(address string, token bool) string {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "https" && u.Scheme != "http":
		return "must be written like https://prometheus.example.com, without credentials, query and fragment"
	case token && u.Scheme == "http" && !onThisMachine(u.Hostname()):
		return "must be https, or on this machine: the token would be sent in the clear"
	}
	return ""
}

func onThisMachine(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.IsLoopback()
}
