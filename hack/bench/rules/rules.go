// Package rules measures what a decision takes: the rules that a reconcile runs, on counts that the ledger answers.
package rules

import (
	"context"
	"fmt"
	"slices"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/config/policies"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	said "numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/rules"
	"sigs.k8s.io/yaml"

	"numberfleet.dev/numberfleet/hack/bench/measure"
	"numberfleet.dev/numberfleet/hack/bench/report"
)

const (
	policyName = "meta-2025" // the default
	limit      = 250         // of its first tier
	portfolio  = "portfolio"
	numbers    = 10     // of the portfolio
	before     = 20_000 // deliveries to each subject within the 30 days before, to
	users      = 500    // other users: too few for the next tier
)

// Run measures it all.
func Run(ctx context.Context, b *measure.Bench) (report.Section, error) {
	policy, err := shipped(policyName)
	if err != nil {
		return report.Section{}, err
	}
	calm, err := newLedger(ctx, limit-1)
	if err != nil {
		return report.Section{}, err
	}
	defer func() { _ = calm.Close() }()
	busy, err := newLedger(ctx, limit)
	if err != nil {
		return report.Section{}, err
	}
	defer func() { _ = busy.Close() }()

	during := 300 * time.Millisecond
	if b.Short {
		during = 10 * time.Millisecond
	}
	rated := []said.Report{{Kind: said.Quality, At: now.Add(time.Second).Unix(), Value: "Medium"}}
	type evaluation struct {
		of, what string
		policy   *rules.Policy
		subject  string
		reports  []said.Report
		until    time.Time
		engine   *ledger.Ledger
		says     v1alpha1.TransitionReason // empty for nothing
		state    rules.State
		cost     measure.Cost
	}
	evaluations := []*evaluation{
		{of: "number", what: "at rest", policy: policy, subject: number(0), until: now.Add(time.Second), engine: calm},
		{of: "number", what: "with a report of its quality", policy: policy, subject: number(0), reports: rated, until: now.Add(time.Second), engine: calm, says: v1alpha1.ReasonQualityChanged},
		{of: "number", what: "with the delivery that reaches the limit", policy: policy, subject: number(0), until: now.Add(time.Minute), engine: busy, says: v1alpha1.ReasonRestricted},
		{of: "number of a portfolio", what: "at rest", policy: policy.Member(), subject: number(1), until: now.Add(time.Second), engine: calm},
		{of: "number of a portfolio", what: "with a report of its quality", policy: policy.Member(), subject: number(1), reports: rated, until: now.Add(time.Second), engine: calm, says: v1alpha1.ReasonQualityChanged},
		{of: "portfolio of 10 numbers", what: "at rest", policy: policy.Portfolio(), subject: counts.PortfolioKey(portfolio), until: now.Add(time.Second), engine: calm},
		{of: "portfolio of 10 numbers", what: "with the delivery that reaches the limit", policy: policy.Portfolio(), subject: counts.PortfolioKey(portfolio), until: now.Add(time.Minute), engine: busy, says: v1alpha1.ReasonRestricted},
	}
	for _, e := range evaluations {
		facts := rules.Facts{Usage: rules.Exact{Counted: e.engine.Usage(e.subject)}}
		start := rules.Initial(e.policy, v1alpha1.Unverified, now.Add(-time.Hour))
		e.state, _, _ = rules.Advance(e.policy, &facts, start, now)
		facts.Reports = e.reports
		_, happened, _ := rules.Advance(e.policy, &facts, e.state, e.until)
		said := slices.ContainsFunc(happened, func(t rules.Transition) bool { return t.Reason == e.says })
		if e.says == "" && len(happened) > 0 || e.says != "" && !said {
			return report.Section{}, fmt.Errorf("%s %s: the rules say %v", e.of, e.what, happened)
		}
	}
	for range b.Rounds {
		for _, e := range evaluations {
			facts := rules.Facts{Reports: e.reports, Usage: rules.Exact{Counted: e.engine.Usage(e.subject)}}
			e.cost.Add(during, func() { rules.Advance(e.policy, &facts, e.state, e.until) })
		}
	}

	table := report.Table{Columns: []string{"of a", "evaluated", "nanoseconds", "allocations", "bytes"}}
	slowest := measure.Samples{0}
	for _, e := range evaluations {
		table.Add(e.of, e.what, report.Cell(e.cost.Nanoseconds, report.Whole), report.Whole(e.cost.Allocations.Median()), report.Whole(e.cost.Bytes.Median()))
		if e.cost.Nanoseconds.Median() > slowest.Median() {
			slowest = e.cost.Nanoseconds
		}
	}
	return report.Section{
		Title:  "Rules",
		Intro:  fmt.Sprintf(intro, policyName, before),
		Tables: []report.Table{table},
		Goals: []report.Goal{{
			What: "a decision, the slowest of those below", Wanted: "microseconds: less than 1 ms", Measured: report.Cell(slowest, report.Whole) + " ns",
			Met: slowest.Median() < 1e6,
		}},
	}, nil
}

const intro = `One call of rules.Advance, the function that a reconcile and the simulator run, under the policy %s, on one core. Counts come
from a ledger in memory, with %d deliveries of each subject within 30 days.`

func shipped(name string) (*rules.Policy, error) {
	manifest, ok := policies.Manifest(name)
	if !ok {
		return nil, fmt.Errorf("the policy %s does not ship", name)
	}
	var resource v1alpha1.MessagingPolicy
	if err := yaml.UnmarshalStrict(manifest, &resource); err != nil {
		return nil, err
	}
	return rules.Compile(name, &resource.Spec)
}

func number(i int) string { return fmt.Sprintf("+155501000%02d", i) }

// now is when the evaluations are.
var now = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// newLedger is a ledger with a number on its own and a portfolio of others, which reached some users each within the last hour. Now
// either is one short of the limit of the first tier; the user who reaches it, if there are so many, comes half a minute later.
func newLedger(ctx context.Context, recent int) (*ledger.Ledger, error) {
	engine := ledger.OpenMemory()
	members := make([]string, numbers)
	for i := range members {
		members[i] = number(i + 1)
	}
	if err := engine.SetPortfolio(portfolio, members); err != nil {
		return nil, err
	}
	message := counts.MessageKey(0)
	deliver := func(number string, user int, at time.Time) error {
		message++
		_, err := engine.Append(ctx, counts.Batch{Entries: []counts.Entry{
			{Number: number, Kind: counts.Delivered, User: counts.UserKey(user + 1), Message: message, At: at.Unix()},
		}}, at)
		return err
	}
	// These have left the window of the limit, which is of 24 hours.
	span := 28 * 24 * time.Hour
	for i := range before {
		at := now.Add(-30*24*time.Hour + span*time.Duration(i)/before)
		for _, to := range []string{number(0), members[i%numbers]} {
			if err := deliver(to, i%users, at); err != nil {
				return nil, err
			}
		}
	}
	for i := range recent {
		at := now.Add(-time.Hour + time.Duration(i)*time.Second)
		if i == limit-1 {
			at = now.Add(30 * time.Second)
		}
		for _, to := range []string{number(0), members[i%numbers]} {
			if err := deliver(to, users+i, at); err != nil {
				return nil, err
			}
		}
	}
	return engine, nil
}
