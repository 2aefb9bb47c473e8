package simulate

import (
	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/rules"
)

// NumberFrom is a simulation of one number, in E.164, that has its limit itself. It begins where the number stands, at that instant.
func NumberFrom(policy Policy, number string, from End) Config {
	return Config{Policy: policy, From: from.State.EvaluatedAt, Fleet: &Fleet{Numbers: []Number{{PhoneNumber: number, From: &from}}}}
}

// PortfolioFrom is a simulation of one portfolio. It begins where the portfolio stands, at that instant. One number sends for all
// numbers and templates that the portfolio has: it is rated as the lowest of them, and can send if a number can.
func PortfolioFrom(policy Policy, portfolio, number string, from End) Config {
	is := &from.State
	sender := End{Policy: policy.Member(), State: rules.Initial(policy.Member(), is.Verification, is.MembersRatedSince)}
	sender.Facts = rules.Facts{Verification: is.Verification, HumanEscalation: from.Facts.HumanEscalation, Usage: from.Facts.Usage,
		Reports: []report.Report{{Kind: report.Quality, At: is.MembersRatedSince.Unix(), Value: string(is.Members.Rating)}}}
	if !is.Members.Sendable {
		sender.Facts.Reports = append(sender.Facts.Reports, report.Report{Kind: report.Connection, At: is.EvaluatedAt.Unix(), Value: string(v1alpha1.StateOffline)})
	}
	sender.State, _, _ = rules.Advance(sender.Policy, &sender.Facts, sender.State, is.EvaluatedAt)
	sender.Facts.Reports, sender.Facts.Usage = nil, nil // what it used is the portfolio's
	return Config{Policy: policy, From: is.EvaluatedAt, Fleet: &Fleet{
		Numbers:    []Number{{PhoneNumber: number, Portfolio: portfolio, From: &sender}},
		Portfolios: []Portfolio{{Name: portfolio, From: &from}},
	}}
}
