package forecast

import (
	"fmt"
	"strings"
	"testing"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/rules"
	"numberfleet.dev/numberfleet/internal/simulate"
	"numberfleet.dev/numberfleet/internal/simulate/plan"
	"numberfleet.dev/numberfleet/internal/simulate/simulatetest"
)

// A plan that begins where a number or a portfolio stands comes to the tiers of a forecast that begins there, at the same instants.
func TestPlanFromWhereANumberStandsIsTheForecast(t *testing.T) {
	noon := simulatetest.Day(2).Add(12 * time.Hour)
	for _, test := range []struct {
		policy, tier           string
		used, achieved, perDay int64
		portfolio              bool
	}{
		{"meta-2025", "10K", 1000, 4000, 800, false},
		{"meta-2025", "2K", 1900, 900, 700, true},
		{"meta-2023", "1K", 400, 450, 300, false},
		{"meta-2020", "1", 1000, 1900, 900, false}, // nothing can be sent until those of the first day leave
		{"chat-api", "2", 9999, 9999, 3000, false},
	} {
		t.Run(fmt.Sprint(test), func(t *testing.T) {
			policy := simulatetest.Policy(t, test.policy)
			limited := policy
			if test.portfolio {
				limited.Policy = policy.Portfolio()
			}
			start, err := New(limited, v1alpha1.Verified, noon).AtTier(test.tier)
			if err != nil {
				t.Fatal(err)
			}
			start = start.WithUsage(test.used, test.achieved)
			pace := Pace{PerDay: test.perDay, Grow: 20, From: 9 * time.Hour, To: 18 * time.Hour}
			steps, err := Steps(t.Context(), start, pace)
			if err != nil {
				t.Fatal(err)
			}
			rated := start // as a forecast, the plan is of a number that is rated High
			rated.Facts.Reports = []report.Report{{Kind: report.Quality, At: noon.Unix(), Value: string(v1alpha1.QualityHigh)}}
			rated.Facts.Members = []rules.QualityAt{{At: noon, MemberQuality: rules.MemberQuality{Rating: v1alpha1.QualityHigh, Sendable: true}}}
			rated.State, _, _ = rules.Advance(rated.Policy, &rated.Facts, rated.State, noon)
			rated.Facts.Reports, rated.Facts.Members = nil, nil
			config := simulate.NumberFrom(policy, first, simulate.End(rated))
			if test.portfolio {
				config = simulate.PortfolioFrom(policy, "acme", first, simulate.End(rated))
			}
			planned, err := plan.ReadFrom(strings.NewReader(fmt.Sprintf("sends: [{days: 1-9, users: %d, grow: 20}]", test.perDay)), first, noon)
			if err != nil {
				t.Fatal(err)
			}
			result, err := plan.Run(t.Context(), config, planned, nil)
			if err != nil {
				t.Fatal(err)
			}
			if want := simulatetest.Day(3); !result.Days[0].Start.Equal(want) {
				t.Errorf("day 1 is %s, want %s", result.Days[0].Start, want)
			}
			var rises []string
			for _, tr := range result.Transitions {
				if tr.Reason == v1alpha1.ReasonTierUpgraded {
					rises = append(rises, fmt.Sprintf("%s %s", tr.To, tr.Time))
				}
			}
			var want []string
			for _, step := range steps {
				if !step.At.IsZero() && !step.At.After(planned.End()) {
					want = append(want, fmt.Sprintf("%s %s", step.Tier.Name, step.At))
				}
			}
			if len(want) == 0 || strings.Join(rises, ", ") != strings.Join(want, ", ") {
				t.Errorf("it rises to %s\nthe forecast says %s", rises, want)
			}
		})
	}
}

// What a number used before counts against its limit until the last instant of its window, and only for as long.
func TestPlanSendsWhatIsLeftOfWhereANumberStands(t *testing.T) {
	noon := simulatetest.Day(2).Add(12 * time.Hour)
	policy := simulatetest.Policy(t, "meta-2020")
	start := New(policy, v1alpha1.Verified, noon).WithUsage(400, 400)
	for _, test := range []struct {
		hours string
		sent  int64
	}{{"09:00-12:00", 600}, {"12:00-18:00", 1000}} {
		planned, err := plan.ReadFrom(strings.NewReader("{days: 1, sends: [{users: 1500, hours: '"+test.hours+"'}]}"), first, noon)
		if err != nil {
			t.Fatal(err)
		}
		result, err := plan.Run(t.Context(), simulate.NumberFrom(policy, first, simulate.End(start)), planned, nil)
		if err != nil || result.Days[0].Sent != test.sent {
			t.Errorf("%s: %v, %+v, want %d sent", test.hours, err, result.Days, test.sent)
		}
	}
}

// A portfolio whose numbers are all offline sends nothing, and a Low rating that it has stays.
func TestPlanOfAPortfolioThatCannotSend(t *testing.T) {
	noon := simulatetest.Day(2).Add(12 * time.Hour)
	policy := simulatetest.Policy(t, "meta-2025")
	start := New(simulate.Policy{Policy: policy.Portfolio(), Scope: policy.Scope}, v1alpha1.Verified, noon).WithUsage(10, 10)
	start.State.Members = rules.MemberQuality{Name: "number shop", Rating: v1alpha1.QualityLow}
	planned, err := plan.ReadFrom(strings.NewReader("sends: [{days: 1, users: 5}]"), first, noon)
	if err != nil {
		t.Fatal(err)
	}
	result, err := plan.Run(t.Context(), simulate.PortfolioFrom(policy, "acme", first, simulate.End(start)), planned, nil)
	if err != nil || result.Days[0].Sent != 0 || result.Portfolios[0].Quality != v1alpha1.QualityLow || len(result.Qualities) != 0 {
		t.Errorf("%v, %+v", err, result)
	}
}
