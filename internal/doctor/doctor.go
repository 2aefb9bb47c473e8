// Package doctor finds what is misconfigured in a cluster, and says what mends it. It reads only, with the rights of whoever asks.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Severity is how bad a finding is.
type Severity string

// The severities, the worst first.
const (
	// Error: something does not work.
	Error Severity = "Error"
	// Warning: it works, and less is known or kept than one would think, or it will not work for long.
	Warning Severity = "Warning"
	// Unknown: it could not be looked at, for want of a right or of an answer.
	Unknown Severity = "Unknown"
	// Info: it is so, and may well be meant.
	Info Severity = "Info"
)

// severities is in the order in which findings are told.
var severities = []Severity{Error, Warning, Unknown, Info}

// Finding is one thing that is not as it should be. It holds no secret, and no phone number.
type Finding struct {
	// Check is which of the checks found it.
	Check    string   `json:"check"`
	Severity Severity `json:"severity"`
	// Message says in sentences what is so, and what it means.
	Message string `json:"message"`
	// Objects are those that it is about, as KIND/NAMESPACE/NAME; empty where the message names all there is.
	Objects []string `json:"objects,omitempty"`
	// Command mends it, or shows more where nobody can say what mends it. What stands in capitals is to be filled in.
	Command string `json:"command,omitempty"`
}

// Report is what all checks found.
type Report struct {
	// Time is when it was made, by the clock of this machine, and Version that of the program that made it.
	Time    metav1.Time `json:"time"`
	Version string      `json:"version"`
	// Checks are the names of those that were made.
	Checks   []string  `json:"checks"`
	Findings []Finding `json:"findings"`
}

// Healthy says whether there is neither an error nor a warning.
func (r *Report) Healthy() bool {
	return r.Count(Error)+r.Count(Warning) == 0
}

// Count is how many findings have a severity.
func (r *Report) Count(of Severity) (n int) {
	for i := range r.Findings {
		if r.Findings[i].Severity == of {
			n++
		}
	}
	return n
}

// Options say what is examined.
type Options struct {
	// API has the rights of whoever asks, and the scheme of AddToScheme.
	API client.Client
	// OperatorNamespace is where the operator runs.
	OperatorNamespace string
	// Namespace is whose numbers are examined; all where it is empty. Home is the one to fall back to for whoever may not list all.
	Namespace, Home string
	// Now is the time of this machine, which is as much ahead of the API server's as Ahead says. ServerTime asks the API server for its own, to
	// the second.
	Now        time.Time
	Ahead      time.Duration
	ServerTime func(context.Context) (time.Time, error)
	// Version is that of the program that asks.
	Version string
}

// check looks at one thing.
type check struct {
	name string
	// find is what is wrong. An error says that some of it could not be looked at.
	find func(context.Context, *examination) ([]Finding, error)
}

// checks are in the order in which an installation stands: what is missing further up is often why something is wrong further down.
var checks = []check{
	{"kinds", findKinds},
	{"operator", findOperator},
	{"configuration", findConfiguration},
	{"ledger", findLedger},
	{"secrets", findSecrets},
	{"certificates", findCertificates},
	{"services", findServices},
	{"route", findRoute},
	{"clock", findClock},
	{"operator-rights", findOperatorRights},
	{"your-rights", findYourRights},
	{"policies", findPolicies},
	{"resources", findConditions},
	{"duplicates", findDuplicates},
	{"unclaimed", findUnclaimed},
	{"monitoring", findMonitoring},
}

// examination is what the checks share.
type examination struct {
	Options
	fleet
	// operator is nil where there is none, or where it may not be read: the check of that name says so.
	operator *operator
}

// Examine makes all checks. It fails only where ctx is done.
func Examine(ctx context.Context, o Options) (*Report, error) {
	e := &examination{Options: o}
	report := &Report{Time: metav1.NewTime(o.Now.UTC().Truncate(time.Second)), Version: o.Version, Findings: []Finding{}}
	for _, c := range checks {
		findings, err := c.find(ctx, e)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			findings = append(findings, unread(err)...)
		}
		report.Checks = append(report.Checks, c.name)
		for _, f := range findings {
			f.Check = c.name
			if !slices.ContainsFunc(report.Findings, func(before Finding) bool { return before.Message == f.Message }) { // several may need the same
				report.Findings = append(report.Findings, f)
			}
		}
	}
	slices.SortStableFunc(report.Findings, func(a, b Finding) int {
		return slices.Index(severities, a.Severity) - slices.Index(severities, b.Severity)
	})
	return report, nil
}

// unread says what could not be looked at: one finding for each of the errors that are joined.
func unread(err error) (findings []Finding) {
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		for _, each := range joined.Unwrap() {
			findings = append(findings, unread(each)...)
		}
		return findings
	}
	f := Finding{Severity: Unknown, Message: fmt.Sprintf("It cannot be said whether this is well: %s.", err)}
	var status apierrors.APIStatus
	if apierrors.IsForbidden(err) && errors.As(err, &status) {
		f.Message = fmt.Sprintf("It cannot be said whether this is well, for you may not read it: %s.", err)
	}
	return []Finding{f}
}
