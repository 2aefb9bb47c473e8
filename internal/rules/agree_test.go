package rules_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/rules"
)

// What Meta reports and what the policy concludes are both kept, and it is said where they differ.
func TestWhereMetaAndThePolicyDisagree(t *testing.T) {
	at := func(hours int) time.Time { return day1.Add(time.Duration(hours) * time.Hour) }
	said := func(kind report.Kind, hours int, value string) report.Report {
		return report.Report{Kind: kind, At: at(hours).Unix(), Value: value}
	}
	rated := func(p *rules.Policy) { p.MediumFrom, p.LowFrom = 10, 50 }
	for _, test := range []struct {
		name, policy string
		usage        everyDelivery
		reports      []report.Report
		hours        int
		without      bool // a way to a human
		change       func(*rules.Policy)
		want         rules.Agreement
	}{
		{name: "nothing was reported", policy: "meta-2025", hours: 1},
		{name: "the limit of a number that was seen for the first time", policy: "meta-2025", hours: 20,
			reports: []report.Report{said(report.Limit, 1, "10000")}, want: rules.Agreement{Reported: true}},
		{name: "a limit as the policy had it", policy: "meta-2025", hours: 20,
			reports: []report.Report{said(report.Limit, 1, "250")}, want: rules.Agreement{Reported: true}},
		{name: "a higher limit than the policy concluded, since a short time", policy: "meta-2025", hours: 7,
			reports: []report.Report{said(report.Limit, 1, "250"), said(report.Limit, 2, "2000")},
			want:    rules.Agreement{Reported: true, Settling: "Meta reports a limit of 2000, and by the policy it was 250 at 2026-03-02 02:00:00 UTC.", Due: at(8)}},
		{name: "and for longer than its delays", policy: "meta-2025", hours: 8,
			reports: []report.Report{said(report.Limit, 1, "250"), said(report.Limit, 2, "2000")},
			want:    rules.Agreement{Reported: true, Limit: "Meta reports a limit of 2000, and by the policy it was 250 at 2026-03-02 02:00:00 UTC."}},
		{name: "what it was stays over a further report", policy: "meta-2025", hours: 20,
			reports: []report.Report{said(report.Limit, 1, "250"), said(report.Limit, 2, "2000"), said(report.Limit, 4, "100000")},
			want:    rules.Agreement{Reported: true, Limit: "Meta reports a limit of 100000, and by the policy it was 250 at 2026-03-02 02:00:00 UTC."}},
		{name: "and ends once Meta reports the same", policy: "meta-2025", hours: 20,
			reports: []report.Report{said(report.Limit, 1, "250"), said(report.Limit, 2, "2000"), said(report.Limit, 4, "250")},
			want:    rules.Agreement{Reported: true}},
		{name: "the verification explains it", policy: "meta-2025", hours: 20,
			reports: []report.Report{said(report.Limit, 1, "250"), said(report.Limit, 2, "2000"), said(report.Verification, 3, "Verified")},
			want:    rules.Agreement{Reported: true}},
		{name: "Meta raises the limit while the policy waits", policy: "meta-2025", hours: 99, usage: deliveries(at(3), 1000),
			reports: []report.Report{said(report.Verification, 1, "Verified"), said(report.Limit, 2, "2000"), said(report.Limit, 5, "10000")},
			want:    rules.Agreement{Reported: true}},
		{name: "the policy concludes later what shows", policy: "quality-based", hours: 99, usage: deliveries(at(20), 1000),
			reports: []report.Report{said(report.Limit, 1, "1000"), said(report.Limit, 2, "500")},
			want:    rules.Agreement{Reported: true}},
		{name: "an increase that Meta denies", policy: "meta-2025", hours: 20, usage: deliveries(at(1), 2000),
			reports: []report.Report{{Kind: report.Increase, At: at(3).Unix(), Value: "Failed"}},
			want:    rules.Agreement{Reported: true, Limit: "Meta reports a limit of 250, and by the policy it was 2000 at 2026-03-02 03:00:00 UTC."}},
		{name: "a rating as reported", policy: "netcore", hours: 2,
			reports: []report.Report{said(report.Quality, 1, "Low")}, want: rules.Agreement{Reported: true}},
		{name: "a rating that the lack of a human forces", policy: "botmaker", hours: 2, without: true,
			reports: []report.Report{said(report.Quality, 1, "High")},
			want:    rules.Agreement{Reported: true, Quality: "Meta reports a rating of High, and by the policy it is Low: it has no direct way to a human."}},
		{name: "a rating of a number with a way to a human", policy: "botmaker", hours: 2,
			reports: []report.Report{said(report.Quality, 1, "High")}, want: rules.Agreement{Reported: true}},
		{name: "a rating where feedback makes none", policy: "netcore", hours: 2, usage: deliveries(at(1), 10), without: true,
			reports: []report.Report{said(report.Quality, 1, "High")}, want: rules.Agreement{Reported: true}},
		{name: "a rating that the feedback gives", policy: "meta-2025", hours: 2, change: rated, usage: deliveries(at(1), 10),
			reports: []report.Report{said(report.Quality, 1, "Medium")},
			want:    rules.Agreement{Reported: true, Quality: "Meta reports a rating of Medium, and by the policy it is Low: that is what the feedback of users comes to."}},
		{name: "no feedback", policy: "meta-2025", hours: 2, change: rated,
			reports: []report.Report{said(report.Quality, 1, "Medium")}, want: rules.Agreement{Reported: true}},
		{name: "a restriction that the count does not know", policy: "netcore", hours: 2,
			reports: []report.Report{said(report.Connection, 1, "Restricted")},
			want:    rules.Agreement{Reported: true, State: "Meta reports the number as restricted, and by the policy it is not: there is room below the limit."}},
		{name: "a restriction that Meta does not know", policy: "netcore", hours: 3, usage: deliveries(at(1), 1000),
			reports: []report.Report{said(report.Connection, 2, "Connected")},
			want:    rules.Agreement{Reported: true, State: "Meta reports the number as connected, and by the policy it is restricted: the limit is reached."}},
		{name: "a restriction of the account", policy: "netcore", hours: 2,
			reports: []report.Report{said(report.Restriction, 1, report.RestrictedMessaging)}, want: rules.Agreement{}},
		{name: "a flag without a low rating", policy: "netcore", hours: 2,
			reports: []report.Report{said(report.Quality, 1, "High"), said(report.Connection, 1, "Flagged")},
			want:    rules.Agreement{Reported: true, State: "Meta reports the number as flagged, and by the policy it is not: the rating is not Low."}},
		{name: "a flag of the policy's for a rating that was Low for no time", policy: "netcore", hours: 2,
			reports: []report.Report{said(report.Quality, 1, "Low"), said(report.Quality, 1, "High")}, want: rules.Agreement{Reported: true}},
		{name: "connected", policy: "quality-based", hours: 2,
			reports: []report.Report{said(report.Connection, 1, "Connected")}, want: rules.Agreement{Reported: true}},
		{name: "a block without a low rating", policy: "quality-based", hours: 2,
			reports: []report.Report{said(report.Connection, 1, "Blocked")},
			want:    rules.Agreement{Reported: true, State: "Meta reports the number as blocked, and by the policy it is not: the rating is not Low."}},
		{name: "a block where the policy blocks nobody", policy: "netcore", hours: 2,
			reports: []report.Report{said(report.Connection, 1, "Blocked")}, want: rules.Agreement{Reported: true}},
	} {
		t.Run(test.name, func(t *testing.T) {
			policy := shippedPolicy(t, test.policy)
			if test.change != nil {
				test.change(policy)
			}
			facts := &rules.Facts{HumanEscalation: !test.without, Usage: test.usage, Reports: test.reports}
			state, _, _ := rules.Advance(policy, facts, rules.Initial(policy, "", day1), at(test.hours))
			if got := rules.Agree(policy, facts, state, at(test.hours)); got != test.want {
				t.Errorf("it is %+v, not %+v", got, test.want)
			}
		})
	}
}

// What another policy concluded, and what another limit was, say nothing of this one.
func TestWhatWasOverruledEndsWithItsPolicy(t *testing.T) {
	policy := shippedPolicy(t, "meta-2023")
	facts := &rules.Facts{HumanEscalation: true, Usage: everyDelivery(nil), Reports: []report.Report{
		{Kind: report.Limit, At: day1.Add(time.Hour).Unix(), Value: "250"}, {Kind: report.Limit, At: day1.Add(2 * time.Hour).Unix(), Value: "10000"},
	}}
	state, _, _ := rules.Advance(policy, facts, rules.Initial(policy, "", day1), day1.Add(3*time.Hour))
	if state.ConcludedTier.Name != "250" {
		t.Fatalf("%+v", state.ConcludedTier)
	}
	if explained := strings.Join(rules.Explain(policy, facts, state, rules.Cause{}, day1.Add(3*time.Hour)), " "); !strings.Contains(explained, "Meta reported it. By the policy it was 250 at 2026-03-02 02:00:00 UTC. (rule 9") {
		t.Error(explained)
	}
	if joined := rules.DropLadder(state); joined.ConcludedTier != (rules.Tier{}) {
		t.Errorf("in a portfolio it is %+v", joined.ConcludedTier)
	}
	if adopted, _ := rules.MigratePolicy(policy, state, true, day1.Add(4*time.Hour)); adopted.ConcludedTier != state.ConcludedTier || adopted.ConcludedSince != state.ConcludedSince {
		t.Errorf("under the edited policy it is %+v", adopted.ConcludedTier)
	}
	if adopted, _ := rules.MigratePolicy(shippedPolicy(t, "meta-2025"), state, false, day1.Add(4*time.Hour)); adopted.ConcludedTier != (rules.Tier{}) || !adopted.ConcludedSince.IsZero() {
		t.Errorf("under another policy it is %+v", adopted.ConcludedTier)
	}
}

func TestWordsThatTheRulesUnderstand(t *testing.T) {
	for kind, values := range map[report.Kind][]string{
		report.Quality: {"High", "Unknown", "!NA"}, report.Limit: {"250", "Unlimited", "!TIER_HUGE", "!0", "!-5"},
		report.Connection: {"Connected", "Restricted", "!LINKED"}, report.Verification: {"Verified", "!FAILED"},
		report.Restriction: {report.RestrictedMessaging, "RESTRICTED_UTILITY_TEMPLATES"},
	} {
		for _, value := range values {
			word, not := strings.CutPrefix(value, "!")
			if (report.Report{Kind: kind, Value: word}).Understood() == not {
				t.Errorf("%s %s is understood: %v", kind, word, !not)
			}
		}
	}
}

// A restriction of the account ends at its end, whenever the rules run, and stays with the account.
func TestARestrictionOfAnAccount(t *testing.T) {
	policy := shippedPolicy(t, "meta-2025").Member()
	at := func(hours int) time.Time { return day1.Add(time.Duration(hours) * time.Hour) }
	restricted := report.Report{Kind: report.Restriction, At: at(1).Unix(), Value: report.RestrictedMessaging, Until: at(73).Unix()}
	facts := &rules.Facts{HumanEscalation: true, Usage: everyDelivery(nil), Reports: []report.Report{restricted}}
	state, _, next := rules.Advance(policy, facts, rules.Initial(policy, "", day1), at(2))
	if state.Shown() != v1alpha1.StateRestricted || !next.Equal(at(73)) {
		t.Fatalf("it is %s, and something happens at %s", state.Shown(), next)
	}
	explained := rules.Explain(policy, facts, state, rules.Cause{}, at(2))
	if want := "Restricted since 2026-03-02 01:00:00 UTC, until 2026-03-05 01:00:00 UTC: Meta restricts the account (RESTRICTED_BIZ_INITIATED_MESSAGING), and only replies inside a customer service window go out."; !strings.HasPrefix(explained[0], want) {
		t.Errorf("it says %q", explained)
	}
	// The same report again, as it is given each time, changes nothing, before its end and after it.
	again, more, _ := rules.Advance(policy, facts, state, at(3))
	if state.EvaluatedAt = at(3); again != state || len(more) > 0 {
		t.Errorf("told again it is %+v, %v", again, more)
	}
	ended, transitions, next := rules.Advance(policy, facts, state, at(100))
	if len(transitions) != 1 || !transitions[0].Time.Equal(at(73)) || transitions[0].Message != "the restriction of the account has ended" || !next.IsZero() {
		t.Errorf("it ends with %+v, and something happens at %s", transitions, next)
	}
	if again, more, _ := rules.Advance(policy, facts, ended, at(101)); again.Restricted() || len(more) > 0 {
		t.Errorf("told again after its end it is %+v, %v", again, more)
	}
	// One that was over before it was heard of restricted nothing here.
	late, _, _ := rules.Advance(policy, &rules.Facts{HumanEscalation: true, Usage: everyDelivery(nil)}, rules.Initial(policy, "", day1), at(100))
	if late, more, _ := rules.Advance(policy, facts, late, at(100)); late.Restricted() || len(more) > 0 {
		t.Errorf("heard of too late it is %+v, %v", late, more)
	}
	left, transitions := rules.LeaveAccount(state, at(5))
	if left.Restricted() || left.BusinessInitiated != (rules.Period{}) || len(transitions) != 1 || transitions[0].Reason != v1alpha1.ReasonRestrictionLifted {
		t.Errorf("in another account it is %+v, %v", left, transitions)
	}
	// A portfolio is not restricted: each number is.
	shared := shippedPolicy(t, "meta-2025").Portfolio()
	if of, more, _ := rules.Advance(shared, facts, rules.Initial(shared, "", day1), at(2)); of.Restricted() || slices.ContainsFunc(more, func(tr rules.Transition) bool { return tr.Reason == v1alpha1.ReasonRestricted }) {
		t.Errorf("the portfolio is %+v", of)
	}
}
