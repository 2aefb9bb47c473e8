package rules_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/rules"
)

// reasonsAt are what is said of a number, each with the hours since the first day.
func reasonsAt(transitions []rules.Transition) string {
	var all []string
	for _, tr := range transitions {
		all = append(all, tr.Time.Sub(day1).String()+" "+string(tr.Reason))
	}
	return strings.Join(all, ", ")
}

// A block counts the time at the lowest tier: from when the number came to it.
func TestABlockCountsFromTheLowestTier(t *testing.T) {
	at := func(hours int) time.Time { return day1.Add(time.Duration(hours) * time.Hour) }
	said := func(kind report.Kind, hours int, value string) report.Report {
		return report.Report{Kind: kind, At: at(hours).Unix(), Value: value}
	}
	shared, same := sharedPolicy(t, v1alpha1.ScopeNumber), shippedPolicy(t, "quality-based") // blocks after 70 h, and after 30 d
	for _, test := range []struct {
		name    string
		policy  *rules.Policy
		reports []report.Report
		want    time.Time
	}{
		{"at the lowest tier all the time", shared, []report.Report{said(report.Quality, 1, "Low")}, at(71)},
		{"a verification that moves nothing", shared, []report.Report{said(report.Quality, 1, "Low"), said(report.Verification, 50, "Rejected")}, at(71)},
		{"a verification that lifts the tier that it starts at to the number", shared, []report.Report{
			said(report.Limit, 0, "6"), said(report.Quality, 1, "Low"), said(report.Verification, 20, "Verified"),
		}, at(31 + 70)},
		{"a verification where all start alike", same, []report.Report{said(report.Quality, 1, "Low"), said(report.Verification, 50, "Verified")}, at(1 + 30*24)},
		{"a fall to the lowest tier", shared, []report.Report{said(report.Limit, 0, "6"), said(report.Quality, 1, "Low")}, at(31 + 70)},
	} {
		t.Run(test.name, func(t *testing.T) {
			facts := &rules.Facts{HumanEscalation: true, Usage: everyDelivery(nil), Reports: test.reports}
			state, _, _ := rules.Advance(test.policy, facts, rules.Initial(test.policy, v1alpha1.Unverified, day1), at(2000))
			if state.Connection != v1alpha1.StateBlocked || !state.ConnectionSince.Equal(test.want) {
				t.Errorf("it is %s since %s, not blocked since %s", state.Connection, state.ConnectionSince, test.want)
			}
		})
	}
}

// A rating for the want of a way to a human ends with it, and what users think shows again.
func TestTheWayToAHumanIsDeclared(t *testing.T) {
	for _, test := range []struct {
		name              string
		mediumFrom        int64
		declare, appealed bool
		rating            v1alpha1.QualityRating
		why               string
	}{
		{"without thresholds", 0, true, false, v1alpha1.QualityUnknown, "the quality rating is Unknown, it was Low: a direct way to a human is declared"},
		{"on appeal", 0, false, true, v1alpha1.QualityUnknown, "the quality rating is Unknown, it was Low: Meta decided on appeal that users reach a human"},
		{"declared after an appeal", 0, true, true, v1alpha1.QualityUnknown, "the quality rating is Unknown, it was Low: a direct way to a human is declared"},
		{"with thresholds", 500, true, false, v1alpha1.QualityMedium, "the quality rating is Medium, it was Low: 1 of 2 users reached within 24 h complained, 500 in a thousand make it Medium"},
	} {
		t.Run(test.name, func(t *testing.T) {
			policy := shippedPolicy(t, "botmaker")
			if test.mediumFrom > 0 {
				policy.MediumFrom, policy.LowFrom = test.mediumFrom, test.mediumFrom+1
			}
			facts := &rules.Facts{Usage: halfComplain{deliveries(day1.Add(time.Minute), 2)}}
			state, _, _ := rules.Advance(policy, facts, rules.Initial(policy, "", day1), day1.Add(time.Hour))
			if state.Rating != v1alpha1.QualityLow || state.RatingReason != v1alpha1.ReasonLackingHumanAttention {
				t.Fatalf("without a way it is %s for %q", state.Rating, state.RatingReason)
			}
			facts.HumanEscalation, facts.Appealed = test.declare, test.appealed
			state, transitions, _ := rules.Advance(policy, facts, state, day1.Add(2*time.Hour))
			if state.Rating != test.rating || len(transitions) != 1 || transitions[0].Message != test.why {
				t.Errorf("it is %s: %+v", state.Rating, transitions)
			}
		})
	}
}

// halfComplain is a usage in which every second user complains at once.
type halfComplain struct{ everyDelivery }

func (h halfComplain) of(measure v1alpha1.Measure) everyDelivery {
	if measure != v1alpha1.MeasureComplaining {
		return h.everyDelivery
	}
	var some everyDelivery
	for i := 0; i < len(h.everyDelivery); i += 2 {
		some = append(some, h.everyDelivery[i])
	}
	return some
}

func (h halfComplain) Count(m v1alpha1.Measure, from, to time.Time) rules.Count {
	return h.of(m).Count(m, from, to)
}

func (h halfComplain) Nth(m v1alpha1.Measure, n int64, from, to time.Time) time.Time {
	return h.of(m).Nth(m, n, from, to)
}

func (h halfComplain) Last(m v1alpha1.Measure, from, to time.Time) time.Time {
	return h.of(m).Last(m, from, to)
}

func (h halfComplain) FallsBelow(m v1alpha1.Measure, window time.Duration, limit int64, now time.Time) time.Time {
	return h.of(m).FallsBelow(m, window, limit, now)
}

// What the resource declares of the verification holds from when it is read, unless Meta reported one; for a number of a
// portfolio it says nothing.
func TestTheVerificationIsDeclared(t *testing.T) {
	policy := shippedPolicy(t, "meta-2025")
	facts := &rules.Facts{HumanEscalation: true, Usage: everyDelivery(nil)}
	advance := func(p *rules.Policy, reports ...report.Report) rules.State {
		facts.Reports, facts.Verification = reports, ""
		state, _, _ := rules.Advance(p, facts, rules.Initial(p, "", day1), day1.Add(time.Hour))
		facts.Reports, facts.Verification = nil, v1alpha1.Verified
		state, _, _ = rules.Advance(p, facts, state, day1.Add(2*time.Hour))
		return state
	}
	if got := advance(policy); got.Verification != v1alpha1.Verified || got.Tier.Name != "2K" || !got.TierSince.Equal(day1.Add(2*time.Hour)) {
		t.Errorf("declared verified it is %s at %s since %s", got.Verification, got.Tier.Name, got.TierSince)
	}
	if got := advance(policy.Portfolio()); got.Verification != v1alpha1.Verified || got.Tier.Name != "2K" {
		t.Errorf("declared verified the portfolio is %s at %s", got.Verification, got.Tier.Name)
	}
	if got := advance(policy.Member()); got.Verification != v1alpha1.Unverified {
		t.Errorf("a number of a portfolio is %s", got.Verification)
	}
	rejected := report.Report{Kind: report.Verification, At: day1.Add(time.Minute).Unix(), Value: "Rejected"}
	if got := advance(policy, rejected); got.Verification != v1alpha1.VerificationRejected || got.Tier.Name != "250" {
		t.Errorf("rejected by Meta and declared verified it is %s at %s", got.Verification, got.Tier.Name)
	}
}

// A restriction of the account says until when it holds, and once.
func TestARestrictionSaysItsEnd(t *testing.T) {
	policy := shippedPolicy(t, "netcore")
	for until, want := range map[int64]string{
		0:                               "until Meta lifts it",
		day1.Add(73 * time.Hour).Unix(): "until 2026-03-05 01:00:00 UTC",
	} {
		first := report.Report{Kind: report.Restriction, At: day1.Add(time.Hour).Unix(), Value: report.RestrictedMessaging, Until: until}
		again := first
		again.At = day1.Add(2 * time.Hour).Unix()
		facts := &rules.Facts{HumanEscalation: true, Usage: everyDelivery(nil), Reports: []report.Report{first, again}}
		_, transitions, _ := rules.Advance(policy, facts, rules.Initial(policy, "", day1), day1.Add(3*time.Hour))
		if want := "Meta restricts the account: its numbers can only reply inside a customer service window, " + want; len(transitions) != 1 || transitions[0].Message != want {
			t.Errorf("it says %+v, not %q", transitions, want)
		}
	}
}

// The rules run in whole seconds and never backwards, and leave the reports that they are given as they are.
func TestTheRulesRunForward(t *testing.T) {
	policy := shippedPolicy(t, "netcore")
	reports := []report.Report{
		{Kind: report.Quality, At: day1.Add(2 * time.Hour).Unix(), Value: "High"},
		{Kind: report.Quality, At: day1.Add(time.Hour).Unix(), Value: "Low"},
	}
	given := slices.Clone(reports)
	facts := &rules.Facts{HumanEscalation: true, Usage: everyDelivery(nil), Reports: reports}
	state, transitions, _ := rules.Advance(policy, facts, rules.Initial(policy, "", day1), day1.Add(3*time.Hour+time.Millisecond))
	if got := reasonsAt(transitions); got != "1h0m0s QualityChanged, 1h0m0s Flagged, 2h0m0s QualityChanged" || !state.EvaluatedAt.Equal(day1.Add(3*time.Hour)) {
		t.Errorf("at %s it says %s", state.EvaluatedAt, got)
	}
	if !slices.Equal(reports, given) {
		t.Errorf("the reports became %v", reports)
	}
	facts.Reports = nil
	if back, more, _ := rules.Advance(policy, facts, state, day1); back != state || len(more) > 0 {
		t.Errorf("three hours before it is %+v and says %v", back, more)
	}
	if first := rules.Initial(policy, "", day1.Add(time.Millisecond)); !first.EvaluatedAt.Equal(day1) || !first.TierSince.Equal(day1) {
		t.Errorf("it begins at %s", first.EvaluatedAt)
	}
	if first := rules.InitialTemplate(day1.Add(time.Millisecond)); !first.EvaluatedAt.Equal(day1) || !first.Since.Equal(day1) {
		t.Errorf("a template begins at %s", first.EvaluatedAt)
	}
}

// A number that is rated Low gets a whole grace period when it comes to stand above the lowest tier, and no new one while it does.
func TestAWholeGracePeriod(t *testing.T) {
	said := func(kind report.Kind, days int, value string) report.Report {
		return report.Report{Kind: kind, At: day1.AddDate(0, 0, days).Unix(), Value: value}
	}
	low := said(report.Quality, 0, "Low") // for good; the flag of it ends after 7 days
	for _, test := range []struct {
		name, policy string
		reports      []report.Report
		want         string // when the tier falls, in days
	}{
		{"at the lowest tier", "quality-based", []report.Report{low}, ""},
		{"raised from it", "quality-based", []report.Report{low, said(report.Limit, 8, "10000")}, "15 to 1"},
		{"raised from above it", "quality-based", []report.Report{said(report.Limit, 0, "100000"), low, said(report.Limit, 10, "100000")}, "7 to 2, 14 to 2, 21 to 1"},
		{"below the tier that a verified business starts at", "taqnyat", []report.Report{said(report.Verification, 0, "Verified"), low}, "7 to 0"},
		{"verified no more", "taqnyat", []report.Report{said(report.Verification, 0, "Verified"), low, said(report.Verification, 3, "Unverified")}, "7 to 0"},
		{"verified at the lowest tier", "taqnyat", []report.Report{low, said(report.Verification, 8, "Verified")}, "15 to 0"},
		{"verified, with a tier above its start", "taqnyat", []report.Report{said(report.Verification, 0, "Verified"), said(report.Limit, 0, "10000"), low}, "7 to 1, 14 to 0"},
		{"raised while flagged", "quality-based", []report.Report{low, said(report.Limit, 3, "10000")}, "7 to 1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			policy := shippedPolicy(t, test.policy)
			facts := &rules.Facts{HumanEscalation: true, Usage: everyDelivery(nil), Reports: test.reports}
			_, transitions, _ := rules.Advance(policy, facts, rules.Initial(policy, "", day1), day1.AddDate(0, 0, 25))
			var falls []string
			for _, tr := range transitions {
				if tr.Reason == v1alpha1.ReasonTierDowngraded {
					falls = append(falls, fmt.Sprintf("%d to %s", tr.Time.Sub(day1)/day, tr.To))
				}
			}
			if got := strings.Join(falls, ", "); got != test.want {
				t.Errorf("it falls at day %q, not %q", got, test.want)
			}
		})
	}
}

// Durations are written in the units that people use.
func TestDurationsInWords(t *testing.T) {
	for hours, want := range map[int32]string{1: "1 h", 23: "23 h", 24: "24 h", 25: "1 d 1 h", 48: "48 h", 49: "2 d 1 h", 72: "3 d"} {
		policy := compiled(t, func(spec *v1alpha1.MessagingPolicySpec) { spec.Upgrade.MinimumSpanHours = hours })
		facts := &rules.Facts{Usage: deliveries(day1, 5)}
		progress, _ := rules.UpgradeProgress(policy, facts, rules.Initial(policy, "", day1), day1.Add(time.Minute))
		if got := strings.Join(progress.Missing, "; "); !strings.HasPrefix(got, "the deliveries must span "+want+";") {
			t.Errorf("%d hours are said so: %s", hours, got)
		}
	}
}

// Where a rating comes from feedback, a delivery that can make it better is looked at.
func TestADeliveryThatRatesIsLookedAt(t *testing.T) {
	policy := sharedPolicy(t, v1alpha1.ScopeNumber)
	facts := &rules.Facts{HumanEscalation: true, Usage: everyDelivery(nil)}
	state, _, next := rules.Advance(policy, facts, rules.Initial(policy, "", day1), day1.Add(time.Hour))
	if skippable := rules.DeliveriesUntilDecision(policy, facts, state, next); skippable != 0 {
		t.Errorf("before the first delivery, %d decide nothing", skippable)
	}
	state.Reported = v1alpha1.QualityHigh // then feedback rates nothing
	if skippable := rules.DeliveriesUntilDecision(policy, facts, state, next); skippable != 2 {
		t.Errorf("below a limit of 3, %d decide nothing", skippable)
	}
}

// A flag at the lowest tier says that nothing falls, when it comes and when it ends.
func TestAFlagAtTheLowestTierSaysSo(t *testing.T) {
	policy := shippedPolicy(t, "netcore")
	for limit, want := range map[string][2]string{
		"1000": {"the quality rating is Low; the flag stands until 2026-03-09 01:00:00 UTC, and the tier stays, for 1 is the lowest",
			"the flag of 2026-03-02 01:00:00 UTC ends: the rating stayed Low for 7 d; the tier stays, for 1 is the lowest"},
		"10000": {"the quality rating is Low: the tier falls at 2026-03-09 01:00:00 UTC unless the rating rises before",
			"the flag of 2026-03-02 01:00:00 UTC ends: the rating stayed Low for 7 d, and the tier falls"},
	} {
		facts := &rules.Facts{HumanEscalation: true, Usage: everyDelivery(nil), Reports: []report.Report{
			{Kind: report.Limit, At: day1.Unix(), Value: limit}, {Kind: report.Quality, At: day1.Add(time.Hour).Unix(), Value: "Low"},
		}}
		_, transitions, _ := rules.Advance(policy, facts, rules.Initial(policy, "", day1), day1.AddDate(0, 0, 8))
		said := map[v1alpha1.TransitionReason]string{}
		for _, tr := range transitions {
			said[tr.Reason] = tr.Message
		}
		if got := [2]string{said[v1alpha1.ReasonFlagged], said[v1alpha1.ReasonFlagCleared]}; got != want {
			t.Errorf("with a limit of %s it says %q", limit, got)
		}
	}
}

// Meta's word that a number is connected ends what came before it: the Low rating that led to a block is spent, and a restriction
// from before is not taken up again.
func TestConnectedAgain(t *testing.T) {
	said := func(kind report.Kind, days int, value string) report.Report {
		return report.Report{Kind: kind, At: day1.AddDate(0, 0, days).Unix(), Value: value}
	}
	policy := shippedPolicy(t, "quality-based") // blocks after 30 days
	for name, test := range map[string]struct {
		reports []report.Report
		low     time.Time
	}{
		"rated Low":  {[]report.Report{said(report.Quality, 0, "Low"), said(report.Connection, 31, "Connected")}, day1.AddDate(0, 0, 31)},
		"rated well": {[]report.Report{said(report.Connection, 1, "Blocked"), said(report.Connection, 31, "Connected")}, time.Time{}},
	} {
		facts := &rules.Facts{HumanEscalation: true, Usage: everyDelivery(nil), Reports: test.reports}
		state, _, _ := rules.Advance(policy, facts, rules.Initial(policy, "", day1), day1.AddDate(0, 0, 60))
		if state.Connection != v1alpha1.StateConnected || !state.LowSince.Equal(test.low) {
			t.Errorf("%s: after 60 days it is %s, and Low since %s", name, state.Connection, state.LowSince)
		}
		facts.Reports = nil
		if state, _, _ = rules.Advance(policy, facts, state, day1.AddDate(0, 0, 61)); (state.Connection == v1alpha1.StateBlocked) != (name == "rated Low") {
			t.Errorf("%s: after 61 days it is %s", name, state.Connection)
		}
	}
	facts := &rules.Facts{HumanEscalation: true, Usage: everyDelivery(nil), Reports: []report.Report{
		said(report.Restriction, 1, report.RestrictedMessaging), said(report.Connection, 5, "Connected"),
	}}
	state, _, _ := rules.Advance(policy, facts, rules.Initial(policy, "", day1), day1.AddDate(0, 0, 6))
	facts.Reports = []report.Report{said(report.Restriction, 3, report.RestrictedMessaging)}
	if state, _, _ = rules.Advance(policy, facts, state, day1.AddDate(0, 0, 7)); state.Restricted() {
		t.Error("a restriction from before it was lifted is taken up again")
	}
}
