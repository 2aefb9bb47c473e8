package rules_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/rules"
)

// Whoever passes over the deliveries that DeliveriesUntilDecision allows comes to the same as with a look at each of them.
func TestDeliveriesUntilADecisionDecideNothing(t *testing.T) {
	policies := []*rules.Policy{smallPolicy(t, v1alpha1.MeasureUniqueUsers), smallPolicy(t, v1alpha1.MeasureConversations), spanningPolicy(t)}
	passed := 0
	rapid.Check(t, func(t *rapid.T) {
		policy := rapid.SampledFrom(policies).Draw(t, "policy")
		story := drawDeliveries(t)
		each, eachState, _ := playDeliveries(t, policy, story, false)
		some, someState, n := playDeliveries(t, policy, story, true)
		passed += n
		if !slices.Equal(each, some) || eachState != someState {
			t.Fatalf("looking at each delivery:\n  %s\n%+v\npassing over those:\n  %s\n%+v", strings.Join(each, "\n  "), eachState, strings.Join(some, "\n  "), someState)
		}
	})
	if passed < 100 {
		t.Errorf("%d deliveries were passed over: that says little", passed)
	}
}

// spanningPolicy is one whose deliveries must span some time.
func spanningPolicy(t *testing.T) *rules.Policy {
	t.Helper()
	policy, err := rules.Compile("spanning", &v1alpha1.MessagingPolicySpec{
		Scope:    v1alpha1.ScopeNumber,
		Tiers:    []v1alpha1.Tier{{Name: "S", Limit: 6}, {Name: "M", Limit: 12}, {Name: "Unlimited"}},
		Start:    v1alpha1.StartTiers{Unverified: "S", Verified: "M"},
		Counting: v1alpha1.Counting{Measure: v1alpha1.MeasureUniqueUsers, WindowHours: 24},
		Upgrade: v1alpha1.Upgrade{Measure: v1alpha1.MeasureMessages, ThresholdPercent: new(int32(200)), WindowHours: 72, MinimumSpanHours: 30,
			MinimumQuality: v1alpha1.QualityMedium},
		Quality: v1alpha1.QualityRules{WindowHours: 24},
	})
	if err != nil {
		t.Fatal(err)
	}
	return policy
}

// delivered is a delivery, or a report.
type delivered struct {
	at     time.Time
	user   int
	report report.Report
}

func drawDeliveries(t *rapid.T) (story []delivered) {
	now := day1
	for range rapid.IntRange(1, 80).Draw(t, "deliveries") {
		now = now.Add(time.Duration(rapid.SampledFrom([]int{0, 1, 10, 60, 300, 1440}).Draw(t, "minutes later")) * time.Minute)
		d := delivered{at: now, user: rapid.IntRange(1, 12).Draw(t, "user")}
		if rapid.IntRange(1, 12).Draw(t, "report") == 1 {
			d.report = report.Report{At: now.Unix(), Kind: report.Quality, Value: rapid.SampledFrom([]string{"High", "Low"}).Draw(t, "rating")}
		}
		story = append(story, d)
	}
	return story
}

func playDeliveries(t *rapid.T, policy *rules.Policy, story []delivered, passOver bool) (told []string, state rules.State, passed int) {
	l := ledger.OpenMemory()
	defer func() { _ = l.Close() }()
	facts := rules.Facts{HumanEscalation: true, Usage: rules.Exact{Counted: l.Usage(scenarioNumber)}}
	state = rules.Initial(policy, v1alpha1.Unverified, day1)
	var next time.Time
	skippable := int64(-1)
	advance := func(to time.Time) {
		var happened []rules.Transition
		state, happened, next = rules.Advance(policy, &facts, state, to)
		facts.Reports = nil
		skippable = rules.DeliveriesUntilDecision(policy, &facts, state, next)
		for _, tr := range happened {
			told = append(told, fmt.Sprint(tr.Time.Format(time.DateTime), " ", tr.Reason, " ", tr.From, " ", tr.To, " ", tr.Message))
		}
	}
	for i, d := range story {
		for !next.IsZero() && next.Before(d.at) {
			advance(next)
		}
		if d.report.Kind != "" {
			facts.Reports = []report.Report{d.report}
			advance(d.at)
			continue
		}
		entry := counts.Entry{Number: scenarioNumber, Kind: counts.Delivered, Message: counts.MessageKey(i + 1), User: counts.UserKey(d.user), At: d.at.Unix()}
		if _, err := l.Append(t.Context(), counts.Batch{Entries: []counts.Entry{entry}}, d.at); err != nil {
			t.Fatal(err)
		}
		if !passOver || next.Equal(d.at) {
			advance(d.at)
			continue
		}
		state.EvaluatedAt = d.at
		if skippable--; skippable < 0 {
			skippable = rules.DeliveriesUntilDecision(policy, &facts, state, next)
		}
		if skippable < 0 {
			advance(d.at)
		} else {
			passed++
		}
	}
	for end := story[len(story)-1].at.AddDate(0, 0, 9); ; {
		if next.IsZero() || next.After(end) {
			advance(end)
			return told, state, passed
		}
		advance(next)
	}
}
