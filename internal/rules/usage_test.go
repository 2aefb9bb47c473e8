package rules_test

import (
	"strings"
	"testing"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/rules"
)

// told is usage of which two counts are told, or not any more: of a day, which use the limit, and of longer, which lead to the next tier.
type told struct {
	used, achieved rules.Count
}

func (u told) Count(_ v1alpha1.Measure, from, to time.Time) rules.Count {
	if to.Sub(from) == 24*time.Hour {
		return u.used
	}
	return u.achieved
}

// known is a count that is known, and stale one that is not any more.
func known(n int64) rules.Count { return rules.Count{Least: n, Most: n, Known: true} }
func stale(n int64) rules.Count { return rules.Count{Most: n} }

func (told) Nth(v1alpha1.Measure, int64, time.Time, time.Time) time.Time { return time.Time{} }
func (told) Last(v1alpha1.Measure, time.Time, time.Time) time.Time       { return time.Time{} }
func (told) FallsBelow(v1alpha1.Measure, time.Duration, int64, time.Time) time.Time {
	return time.Time{}
}

func TestARestrictionStandsWhileUsedIsNotKnown(t *testing.T) {
	policy := shippedPolicy(t, "quality-based") // 1,000 users
	advance := func(s rules.State, used rules.Count, after time.Duration) (rules.State, []rules.Transition) {
		t.Helper()
		s, happened, next := rules.Advance(policy, &rules.Facts{Usage: told{used, known(0)}, HumanEscalation: true}, s, s.EvaluatedAt.Add(after))
		if !next.IsZero() {
			t.Errorf("it waits for %s", next)
		}
		return s, happened
	}
	s, happened := advance(rules.Initial(policy, v1alpha1.Unverified, day1), known(1000), time.Minute)
	if !s.Restricted() || !s.RestrictedUntil.IsZero() || !strings.Contains(happened[0].Message, "there is room again once a count shows it") {
		t.Fatalf("with 1,000 used the state is %+v: %+v", s, happened)
	}
	if s, happened = advance(s, stale(10), 48*time.Hour); !s.Restricted() || len(happened) > 0 {
		t.Errorf("it is lifted on a count that nobody knows: %+v", happened)
	}
	if s, _ = advance(s, known(999), time.Minute); s.Restricted() {
		t.Error("it stands though there is room")
	}
	// The last count that was known still shows that there is no room.
	if s, _ = advance(s, stale(1000), time.Minute); !s.Restricted() {
		t.Error("there is room by a count that shows none")
	}
	// A deadline that the ledger knew is none any more.
	s.RestrictedUntil = s.EvaluatedAt.Add(time.Hour)
	if s, _ = advance(s, stale(10), time.Minute); !s.RestrictedUntil.IsZero() || !s.Restricted() {
		t.Errorf("there is room again from %s, which nobody knows", s.RestrictedUntil)
	}
	s.Tier = rules.Tier{Name: "Unlimited", Limit: rules.Unlimited}
	if s, _ = advance(s, stale(10), time.Minute); s.Restricted() {
		t.Error("an unlimited tier is restricted")
	}
}

func TestAnUpgradeWaitsForACountThatIsKnown(t *testing.T) {
	policy := shippedPolicy(t, "quality-based") // 500 users within 7 days
	facts := &rules.Facts{Usage: told{known(900), stale(500)}, HumanEscalation: true}
	s, _, _ := rules.Advance(policy, facts, rules.Initial(policy, v1alpha1.Unverified, day1), day1.Add(time.Minute))
	progress, _ := rules.UpgradeProgress(policy, facts, s, s.EvaluatedAt)
	if s.Tier.Name != "1" || progress.Known || strings.Join(progress.Missing, "; ") != "a fresh count of the unique users within 7 d" {
		t.Errorf("without a count the tier is %s, and %+v", s.Tier.Name, progress)
	}
	// What uses the limit is not what leads to the next tier.
	facts.Usage = told{known(900), known(499)}
	if s, _, _ = rules.Advance(policy, facts, s, s.EvaluatedAt.Add(time.Minute)); s.Tier.Name != "1" {
		t.Errorf("with 499 users the tier is %s", s.Tier.Name)
	}
	facts.Usage = told{known(900), known(500)}
	if s, _, _ = rules.Advance(policy, facts, s, s.EvaluatedAt.Add(time.Minute)); s.Tier.Name != "2" {
		t.Errorf("with 500 users the tier is %s", s.Tier.Name)
	}
}

func TestADelayThatRunsIsNotStoppedByACountThatIsNotKnown(t *testing.T) {
	policy := shippedPolicy(t, "meta-2023") // 24 h after 500 conversations, verified
	facts := &rules.Facts{Usage: told{known(1), known(500)}, Verification: v1alpha1.Verified}
	s, _, _ := rules.Advance(policy, facts, rules.Initial(policy, v1alpha1.Verified, day1), day1.Add(time.Minute))
	facts.Usage = told{known(1), stale(0)}
	if s, _, _ = rules.Advance(policy, facts, s, s.EvaluatedAt.Add(24*time.Hour)); s.Tier.Name != "10K" {
		t.Errorf("after the delay the tier is %s", s.Tier.Name)
	}
}

func TestWhatIsNotKnownIsNotExplained(t *testing.T) {
	policy := shippedPolicy(t, "quality-based")
	facts := &rules.Facts{Usage: told{stale(321), known(0)}, HumanEscalation: true}
	s := rules.Initial(policy, v1alpha1.Unverified, day1)
	said := strings.Join(rules.Explain(policy, facts, s, rules.Cause{}, day1), "\n")
	if strings.Contains(said, "321") || !strings.Contains(said, "How much of the limit is used now is not known") {
		t.Errorf("it is explained with\n%s", said)
	}
}
