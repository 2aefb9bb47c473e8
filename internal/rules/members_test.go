package rules_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/rules"
)

// together is what a portfolio is told of numbers and templates; those that are named as templates are.
func together(at time.Time, of []rules.MemberQuality) rules.QualityAt {
	fleet := rules.Fleet{Portfolio: &rules.Unit{}}
	for _, m := range of {
		if strings.HasPrefix(m.Name, "template") {
			fleet.Templates = append(fleet.Templates, &rules.TemplateUnit{Name: m.Name, State: rules.TemplateState{State: v1alpha1.TemplateApproved, Rating: m.Rating}})
			continue
		}
		state := rules.State{Connection: v1alpha1.StateOffline, Rating: m.Rating}
		if m.Sendable {
			state.Connection = v1alpha1.StateConnected
		}
		fleet.Numbers = append(fleet.Numbers, &rules.Unit{Name: m.Name, State: state})
	}
	fleet.Tell(at)
	return fleet.Portfolio.Facts.Members[0]
}

// A portfolio is as good as the worst of its numbers and templates, which it names, and can send as soon as one number can.
func TestTheQualityOfAPortfolio(t *testing.T) {
	number := func(rating v1alpha1.QualityRating) rules.MemberQuality {
		return rules.MemberQuality{Name: "number " + string(rating), Rating: rating}
	}
	sendable := func(m rules.MemberQuality) rules.MemberQuality {
		m.Sendable = true
		return m
	}
	template := func(rating v1alpha1.QualityRating) rules.MemberQuality {
		return rules.MemberQuality{Name: "template " + string(rating), Rating: rating}
	}
	const high, medium, low, unknown = v1alpha1.QualityHigh, v1alpha1.QualityMedium, v1alpha1.QualityLow, v1alpha1.QualityUnknown
	for _, test := range []struct {
		of   []rules.MemberQuality
		want string
	}{
		{nil, "Unknown, false"},
		{[]rules.MemberQuality{number(unknown)}, "Unknown, false"},
		{[]rules.MemberQuality{sendable(number(unknown))}, "Unknown, true"},
		{[]rules.MemberQuality{template(unknown)}, "Unknown, false"},
		{[]rules.MemberQuality{number(unknown), sendable(number(high))}, "High, true"},
		{[]rules.MemberQuality{sendable(number(high)), number(unknown)}, "High, true"},
		{[]rules.MemberQuality{sendable(number(high)), template(medium)}, "Medium of template Medium, true"},
		{[]rules.MemberQuality{number(medium), template(medium)}, "Medium of number Medium, false"},
		{[]rules.MemberQuality{number(medium), number(unknown), template(low)}, "Low of template Low, false"},
		{[]rules.MemberQuality{template(low), number(medium), number(unknown)}, "Low of template Low, false"},
	} {
		is := together(day1, test.of)
		got := string(is.Rating)
		if is.Name != "" {
			got += " of " + is.Name
		}
		if got += fmt.Sprintf(", %t", is.Sendable); got != test.want {
			t.Errorf("of %+v it is %s, not %s", test.of, got, test.want)
		}
	}
}

// A portfolio rises for the quality of all that belongs to it, and while one of its numbers can send; a number hears nothing of it.
func TestAPortfolioRisesByItsMembers(t *testing.T) {
	policy := shippedPolicy(t, "meta-2025").Portfolio()
	at := func(hours int) time.Time { return day1.Add(time.Duration(hours) * time.Hour) }
	told := func(hours int, rating v1alpha1.QualityRating, sendable bool) rules.QualityAt {
		return together(at(hours), []rules.MemberQuality{{Name: "number shop", Rating: rating, Sendable: sendable}})
	}
	facts := &rules.Facts{Verification: v1alpha1.Verified, Usage: deliveries(at(1), 1000), Members: []rules.QualityAt{
		told(0, v1alpha1.QualityHigh, true), told(3, v1alpha1.QualityMedium, true), told(4, v1alpha1.QualityHigh, false), told(5, v1alpha1.QualityHigh, true)}}
	state, transitions, _ := rules.Advance(policy, facts, rules.Initial(policy, v1alpha1.Verified, day1), at(20))
	if got, want := reasonsAt(transitions), "1h16m39s UpgradePending, 3h0m0s UpgradeCancelled, 5h0m0s UpgradePending, 11h0m0s TierUpgraded"; got != want {
		t.Errorf("it says %s, not %s", got, want)
	}
	if got, want := transitions[1].Message, "the upgrade to 10K is cancelled: the quality rating of number shop is Medium and must be at least High"; got != want {
		t.Errorf("it says %q, not %q", got, want)
	}
	if !state.MembersRatedSince.Equal(at(4)) || !state.MembersSendableSince.Equal(at(5)) || state.Members.Name != "" {
		t.Errorf("it is %+v since %s, and can send since %s", state.Members, state.MembersRatedSince, state.MembersSendableSince)
	}
	member := shippedPolicy(t, "meta-2025").Member()
	if state, transitions, _ := rules.Advance(member, &rules.Facts{HumanEscalation: true, Usage: everyDelivery(nil), Members: []rules.QualityAt{told(1, v1alpha1.QualityLow, true)}},
		rules.Initial(member, "", day1), at(2)); state.Rating != v1alpha1.QualityUnknown || len(transitions) > 0 {
		t.Errorf("a number is rated %s by the standing of its portfolio", state.Rating)
	}
}

// Of one instant, what became of a number comes before what Meta says of its portfolio: the same webhook says the same of both.
func TestAMemberComesBeforeTheReportsOfItsInstant(t *testing.T) {
	policy := shippedPolicy(t, "meta-2025").Portfolio()
	at := func(hours int) time.Time { return day1.Add(time.Duration(hours) * time.Hour) }
	told := func(hours int, rating v1alpha1.QualityRating) rules.QualityAt {
		return together(at(hours), []rules.MemberQuality{{Name: "number shop", Rating: rating, Sendable: true}})
	}
	facts := &rules.Facts{Verification: v1alpha1.Verified, Usage: deliveries(at(1), 1000),
		Members: []rules.QualityAt{told(0, v1alpha1.QualityHigh), told(3, v1alpha1.QualityMedium)},
		Reports: []report.Report{{Subject: report.PortfolioSubject("1"), Kind: report.Limit, Value: "10000", At: at(3).Unix()}}}
	_, transitions, _ := rules.Advance(policy, facts, rules.Initial(policy, v1alpha1.Verified, day1), at(20))
	if got, want := reasonsAt(transitions), "1h16m39s UpgradePending, 3h0m0s UpgradeCancelled, 3h0m0s LimitReported"; got != want {
		t.Errorf("it says %s, not %s", got, want)
	}
}

// A number that joins a portfolio leaves its ladder, and keeps what is its own.
func TestDropLadder(t *testing.T) {
	full := rules.Initial(shippedPolicy(t, "meta-2025"), "", day1)
	full.LimitReported, full.LimitLowered, full.EligibleSince = day1, day1, day1
	full.ConcludedTier, full.ConcludedSince = rules.Tier{Name: "2K", Limit: 2000}, day1
	full.FlagSince, full.FlagSource = day1, v1alpha1.FromReport
	full.RestrictedSince, full.RestrictedUntil = day1, day1.Add(time.Hour)
	for _, source := range []v1alpha1.Source{v1alpha1.FromPolicy, v1alpha1.FromReport} {
		state, want := full, full
		state.RestrictedSource, want.RestrictedSource = source, source
		want.Tier, want.TierSince, want.TierSource, want.LimitReported, want.LimitLowered = rules.Tier{}, time.Time{}, "", time.Time{}, time.Time{}
		want.ConcludedTier, want.ConcludedSince, want.EligibleSince = rules.Tier{}, time.Time{}, time.Time{}
		if source == v1alpha1.FromPolicy {
			want.RestrictedSince, want.RestrictedUntil, want.RestrictedSource = time.Time{}, time.Time{}, ""
		}
		if got := rules.DropLadder(state); got != want {
			t.Errorf("restricted by %s it becomes\n%+v\nnot\n%+v", source, got, want)
		}
	}
}

// A portfolio takes the highest limit that any of its numbers had.
func TestRaiseTo(t *testing.T) {
	policy := shippedPolicy(t, "meta-2025").Portfolio()
	for limit, want := range map[int64]string{250: "250", 100: "250", 2000: "2K", 5000: "5000", rules.Unlimited: "Unlimited"} {
		state, transitions := rules.RaiseTo(policy, rules.Initial(policy, "", day1), limit, day1.Add(time.Hour))
		if state.Tier.Name != want || (len(transitions) == 0) != (want == "250") {
			t.Errorf("with a number of %d it is at %s, and says %v", limit, state.Tier.Name, transitions)
		}
		for _, tr := range transitions {
			if message := fmt.Sprintf("the limit rises from 250 to %s: a number that has it joins the portfolio", rules.FormatLimit(limit)); reasonsAt(transitions) != "1h0m0s TierUpgraded" || tr.From != "250" || tr.To != want || tr.Message != message {
				t.Errorf("it says %+v", tr)
			}
		}
	}
}

// A denied increase stops the next, for what Meta says, until something newer is known of the limit.
func TestADeniedIncrease(t *testing.T) {
	policy := shippedPolicy(t, "meta-2025").Portfolio()
	at := func(hours int) time.Time { return day1.Add(time.Duration(hours) * time.Hour) }
	said := func(kind report.Kind, hours int, value, reason string) report.Report {
		return report.Report{Kind: kind, At: at(hours).Unix(), Value: value, Reason: reason}
	}
	pending := rules.Facts{Verification: v1alpha1.Verified, Usage: deliveries(at(1), 1000)}
	for _, test := range []struct {
		name    string
		reports []report.Report // heard of one after the other
		want    string          // what is left of it
		says    string
	}{
		{"put off", []report.Report{said(report.Increase, 3, "Deferred", "")}, "Deferred",
			"the upgrade to 10K is cancelled: Meta put off an increase at 2026-03-02 03:00:00 UTC; the limit stays 2000: Meta put off an increase at 2026-03-02 03:00:00 UTC"},
		{"denied", []report.Report{said(report.Increase, 3, "Failed", "spam")}, "Failed",
			"the upgrade to 10K is cancelled: Meta denied an increase at 2026-03-02 03:00:00 UTC: spam; the limit stays 2000: Meta denied an increase at 2026-03-02 03:00:00 UTC: spam"},
		{"asked", []report.Report{said(report.Increase, 3, "NeedMoreInfo", "")}, "NeedMoreInfo",
			"the upgrade to 10K is cancelled: Meta needs to know more before an increase at 2026-03-02 03:00:00 UTC; the limit stays 2000: Meta needs to know more before an increase at 2026-03-02 03:00:00 UTC"},
		{"a word that is not known", []report.Report{said(report.Increase, 3, "Perhaps", "")}, "", ""},
		{"one from before a limit", []report.Report{said(report.Limit, 3, "2000", ""), said(report.Increase, 2, "Failed", "")}, "", ""},
		{"one from before another", []report.Report{said(report.Increase, 4, "Failed", ""), said(report.Increase, 3, "Deferred", "")}, "Failed",
			"the upgrade to 10K is cancelled: Meta denied an increase at 2026-03-02 04:00:00 UTC; the limit stays 2000: Meta denied an increase at 2026-03-02 04:00:00 UTC"},
		{"a limit after it", []report.Report{said(report.Increase, 3, "Failed", ""), said(report.Limit, 4, "5000", "")}, "",
			"the upgrade to 10K is cancelled: Meta denied an increase at 2026-03-02 03:00:00 UTC; the limit stays 2000: Meta denied an increase at 2026-03-02 03:00:00 UTC; Meta reports a limit of 5000; it was 2000 here"},
	} {
		t.Run(test.name, func(t *testing.T) {
			facts := pending
			state, _, _ := rules.Advance(policy, &facts, rules.Initial(policy, v1alpha1.Verified, day1), at(2))
			var says []string
			for _, r := range test.reports {
				facts.Reports = []report.Report{r}
				var transitions []rules.Transition
				state, transitions, _ = rules.Advance(policy, &facts, state, at(4))
				for _, tr := range transitions {
					says = append(says, tr.Message)
				}
			}
			if got := strings.Join(says, "; "); string(state.Increase) != test.want || got != test.says {
				t.Errorf("an increase is %q, and it says\n%s\nnot\n%s", state.Increase, got, test.says)
			}
		})
	}
}

// A rating from feedback changes at the second at which the share of complaining users crosses a threshold, whatever makes it: those who
// complain, further users who are reached, and either of them leaving the window. It does so however late one looks.
func TestTheShareOfComplaints(t *testing.T) {
	policy := compiled(t, func(spec *v1alpha1.MessagingPolicySpec) {
		spec.Quality = v1alpha1.QualityRules{WindowHours: 48, MediumPerThousand: 60, LowPerThousand: 100}
		spec.Flag = v1alpha1.FlagRules{}
		spec.Tiers[0].Limit, spec.Tiers[1].Limit, spec.Tiers[2].Limit = 10_000, 20_000, 30_000
	})
	s := newSent(t, policy)
	spam := counts.NewComplaint(v1alpha1.FeedbackBlock, v1alpha1.FeedbackSpam)
	s.record(counts.Delivered, time.Hour, 1, 100)
	s.record(counts.Delivered, 25*time.Hour, 101, 200)
	s.record(counts.Complained, 31*time.Hour, 1, 10, spam)
	s.record(counts.Delivered, 50*time.Hour, 201, 300)
	want := []string{
		"1h0m0s High",
		"49h0m33s Medium", // 10 of 166
		"49h1m39s Low",    // 10 of 100
		"50h0m0s Medium",  // 10 of 101
		"50h1m6s High",    // 10 of 167
		"73h0m33s Medium",
		"73h1m39s Low",
		"79h0m0s Medium", // 9 of 100
		"79h0m4s High",   // 5 of 100
		"98h1m39s Unknown",
	}
	for name, stops := range map[string][]time.Duration{
		"once": {100 * time.Hour}, "by parts": {40 * time.Hour, 49*time.Hour + 50*time.Second, 60 * time.Hour, 79*time.Hour + 2*time.Second, 100 * time.Hour},
	} {
		state := rules.Initial(policy, "", day1)
		var got []string
		for _, stop := range stops {
			var transitions []rules.Transition
			var next time.Time
			state, transitions, next = rules.Advance(policy, &s.facts, state, day1.Add(stop))
			for _, tr := range transitions {
				got = append(got, tr.Time.Sub(day1).String()+" "+tr.To)
			}
			if len(got) < len(want) && stop > 50*time.Hour+2*time.Minute {
				due, _ := time.ParseDuration(strings.Fields(want[len(got)])[0])
				if next.After(day1.Add(due)) {
					t.Errorf("looking %s, at %s the next look is at %s, after %s", name, stop, next.Sub(day1), want[len(got)])
				}
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("looking %s it is\n%v\nnot\n%v", name, got, want)
		}
	}
}

// A report counts as of its time; one from the future as of now, and one from before the number was seen as of then.
func TestTheTimeOfAReport(t *testing.T) {
	policy := shippedPolicy(t, "netcore")
	now := day1.Add(2 * time.Hour)
	for at, want := range map[time.Duration]time.Time{-time.Hour: day1, time.Hour: day1.Add(time.Hour), 3 * time.Hour: now} {
		said := func(kind report.Kind, value string) report.Report {
			return report.Report{Kind: kind, At: day1.Add(at).Unix(), Value: value}
		}
		facts := &rules.Facts{HumanEscalation: true, Usage: everyDelivery(nil), Reports: []report.Report{
			said(report.Limit, "10000"), said(report.Connection, "Offline"), said(report.Verification, "Verified"),
		}}
		state, _, _ := rules.Advance(policy, facts, rules.Initial(policy, "", day1), now)
		if state.Tier.Name != "2" || state.TierSource != v1alpha1.FromReport || state.Connection != v1alpha1.StateOffline || state.Verification != v1alpha1.Verified {
			t.Errorf("of reports after %s it is at %s, %s and %s", at, state.Tier.Name, state.Connection, state.Verification)
		}
		if !state.TierSince.Equal(want) || !state.ConnectionSince.Equal(want) || !state.VerificationSince.Equal(want) {
			t.Errorf("of reports after %s it is so since %s, %s and %s, not %s", at, state.TierSince, state.ConnectionSince, state.VerificationSince, want)
		}
	}
	// A limit as it was is Meta's from now on.
	facts := &rules.Facts{HumanEscalation: true, Usage: everyDelivery(nil), Reports: []report.Report{{Kind: report.Limit, At: now.Unix(), Value: "1000"}}}
	if state, _, _ := rules.Advance(policy, facts, rules.Initial(policy, "", day1), now); state.TierSource != v1alpha1.FromReport || !state.TierSince.Equal(day1) {
		t.Errorf("a limit that was confirmed comes from %s since %s", state.TierSource, state.TierSince)
	}
	for limit, understood := range map[string]bool{"1": true, "0": false, "1000000000": true, "1000000001": false, "-1": false, "1e3": false} {
		if (report.Report{Kind: report.Limit, Value: limit}).Understood() != understood {
			t.Errorf("a limit of %s is understood: %t", limit, !understood)
		}
	}
}

// What Meta says of an account names its reason.
func TestAReportSaysItsReason(t *testing.T) {
	policy := shippedPolicy(t, "netcore")
	for reason, want := range map[string]string{"": "Meta reports the number as Offline, it was Connected", "DELETED": "Meta reports the number as Offline, it was Connected: DELETED"} {
		facts := &rules.Facts{HumanEscalation: true, Usage: everyDelivery(nil), Reports: []report.Report{{Kind: report.AccountConnection, At: day1.Add(time.Hour).Unix(), Value: "Offline", Reason: reason}}}
		if _, transitions, _ := rules.Advance(policy, facts, rules.Initial(policy, "", day1), day1.Add(2*time.Hour)); len(transitions) != 1 || transitions[0].Message != want {
			t.Errorf("it says %+v, not %q", transitions, want)
		}
	}
}

// A flag or restriction that Meta reports says as well that the number is registered; what the policy had concluded alike is Meta's
// word from then on; and a warning gives the whole grace period.
func TestWhatAReportOfAConnectionSays(t *testing.T) {
	at := func(days int) time.Time { return day1.AddDate(0, 0, days) }
	connection := func(days int, value string) report.Report {
		return report.Report{Kind: report.Connection, At: at(days).Unix(), Value: value}
	}
	low := report.Report{Kind: report.Quality, At: at(1).Unix(), Value: "Low"}
	for _, test := range []struct {
		name    string
		reports []report.Report
		want    string // the connection, the flag, the restriction, and what falls or ends when
	}{
		{"nothing", nil, "Connected by Policy"},
		{"pending, then flagged", []report.Report{connection(1, "Pending"), connection(2, "Flagged")}, "Connected by Reported, flagged by Reported"},
		{"offline, then flagged", []report.Report{connection(1, "Offline"), connection(2, "Flagged")}, "Connected by Reported, flagged by Reported"},
		{"pending, then restricted", []report.Report{connection(1, "Pending"), connection(2, "Restricted")}, "Connected by Reported, restricted by Reported"},
		{"offline, then restricted", []report.Report{connection(1, "Offline"), connection(2, "Restricted")}, "Connected by Reported, restricted by Reported"},
		{"flagged", []report.Report{connection(2, "Flagged")}, "Connected by Reported, flagged by Reported"},
		{"blocked, then flagged", []report.Report{connection(1, "Blocked"), connection(2, "Flagged")}, "Blocked by Reported, flagged by Reported"},
		{"flagged by both", []report.Report{low, connection(2, "Flagged")}, "Connected by Reported, flagged by Reported"},
		{"blocked by both", []report.Report{low, connection(33, "Blocked")}, "Blocked by Reported"},
		{"flagged again after the flag of Low at the lowest tier", []report.Report{low, connection(10, "Flagged")}, "Connected by Reported"}, // for 7 days from then
	} {
		t.Run(test.name, func(t *testing.T) {
			p := shippedPolicy(t, "quality-based")
			facts := &rules.Facts{HumanEscalation: true, Usage: everyDelivery(nil), Reports: test.reports}
			end := at(3)
			if n := len(test.reports); n > 0 && test.reports[n-1].Time().After(end) {
				end = test.reports[n-1].Time().AddDate(0, 0, 7)
			}
			state, _, _ := rules.Advance(p, facts, rules.Initial(p, "", day1), end.Add(-time.Second))
			wasFlagged := state.Flagged()
			facts.Reports = nil
			state, _, _ = rules.Advance(p, facts, state, end)
			got := fmt.Sprintf("%s by %s", state.Connection, state.ConnectionSource)
			if state.Flagged() {
				got += fmt.Sprintf(", flagged by %s", state.FlagSource)
			}
			if state.Restricted() {
				got += fmt.Sprintf(", restricted by %s", state.RestrictedSource)
			}
			if got != test.want {
				t.Errorf("it is %s, not %s", got, test.want)
			}
			if strings.HasPrefix(test.name, "flagged again") && !wasFlagged {
				t.Error("the flag ended before the whole grace period")
			}
		})
	}
}

// Meta reviews what a verification of the business brings as it reviews what deliveries bring: denied, or put off, the limit stays as
// it was before.
func TestADenialTakesTheRaiseBack(t *testing.T) {
	policy := shippedPolicy(t, "meta-2025").Portfolio()
	at := func(hour int) time.Time { return day1.Add(time.Duration(hour) * time.Hour) }
	said := func(hour int, kind report.Kind, value string) report.Report {
		return report.Report{Kind: kind, At: at(hour).Unix(), Value: value}
	}
	verified := said(1, report.Verification, "Verified")
	for name, test := range map[string]struct {
		reports  []report.Report
		declared v1alpha1.Verification
		users    int // at hour 0
		tier     string
		source   v1alpha1.Source
		increase v1alpha1.IncreaseDecision
	}{
		"denied after a verification":                  {reports: []report.Report{verified, said(2, report.Increase, "Failed")}, tier: "250", source: v1alpha1.FromReport, increase: v1alpha1.IncreaseFailed},
		"put off after a verification":                 {reports: []report.Report{verified, said(2, report.Increase, "Deferred")}, tier: "250", source: v1alpha1.FromReport, increase: v1alpha1.IncreaseDeferred},
		"more is asked after a verification":           {reports: []report.Report{verified, said(2, report.Increase, "NeedMoreInfo")}, tier: "250", source: v1alpha1.FromReport, increase: v1alpha1.IncreaseNeedMoreInfo},
		"denied in the second of a verification":       {reports: []report.Report{verified, said(1, report.Increase, "Failed")}, tier: "250", source: v1alpha1.FromReport, increase: v1alpha1.IncreaseFailed},
		"denied twice":                                 {reports: []report.Report{verified, said(2, report.Increase, "Deferred"), said(3, report.Increase, "Failed")}, tier: "250", source: v1alpha1.FromReport, increase: v1alpha1.IncreaseFailed},
		"told again that it is verified":               {reports: []report.Report{verified, said(2, report.Increase, "Failed"), said(3, report.Verification, "Verified")}, tier: "250", source: v1alpha1.FromReport, increase: v1alpha1.IncreaseFailed},
		"denied before the verification":               {reports: []report.Report{said(0, report.Increase, "Failed"), verified}, tier: "2K", source: v1alpha1.FromVerification},
		"verified, and then by volume":                 {reports: []report.Report{verified, said(20, report.Increase, "Failed")}, users: 1000, tier: "2K", source: v1alpha1.FromReport, increase: v1alpha1.IncreaseFailed},
		"granted":                                      {reports: []report.Report{verified, said(2, report.Increase, "Failed"), said(4, report.Limit, "2000")}, tier: "2K", source: v1alpha1.FromReport},
		"Meta had reported the limit":                  {reports: []report.Report{verified, said(2, report.Limit, "2000"), said(3, report.Increase, "Failed")}, tier: "2K", source: v1alpha1.FromReport, increase: v1alpha1.IncreaseFailed},
		"from a limit that the policy has no tier for": {reports: []report.Report{said(0, report.Limit, "1000"), verified, said(2, report.Increase, "Failed")}, tier: "1000", source: v1alpha1.FromReport, increase: v1alpha1.IncreaseFailed},
	} {
		usage := slices.Repeat(everyDelivery{at(0).Add(time.Minute)}, test.users)
		facts := &rules.Facts{Usage: usage, Reports: test.reports, Members: []rules.QualityAt{together(day1, []rules.MemberQuality{{Name: "number shop", Rating: v1alpha1.QualityHigh, Sendable: true}})}}
		state, said, _ := rules.Advance(policy, facts, rules.Initial(policy, "", day1), at(30))
		if state.Tier.Name != test.tier || state.TierSource != test.source || state.Increase != test.increase {
			t.Errorf("%s: it is at %s by %s, with an increase that is %q: %v", name, state.Tier.Name, state.TierSource, state.Increase, said)
		}
	}
}
