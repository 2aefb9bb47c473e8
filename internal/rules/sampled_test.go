package rules_test

import (
	"strings"
	"testing"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/rules"
)

// told is usage of which one count is known, or not any more.
type told struct {
	count int64
	known bool
}

func (u told) Count(v1alpha1.Measure, time.Time, time.Time) int64        { return u.count }
func (u told) Knows(v1alpha1.Measure, time.Time, time.Time) bool         { return u.known }
func (told) Nth(v1alpha1.Measure, int64, time.Time, time.Time) time.Time { return time.Time{} }
func (told) Last(v1alpha1.Measure, time.Time, time.Time) time.Time       { return time.Time{} }
func (told) FallsBelow(v1alpha1.Measure, time.Duration, int64, time.Time) time.Time {
	return time.Time{}
}

func TestARestrictionStandsWhileUsedIsNotKnown(t *testing.T) {
	policy := shippedPolicy(t, "quality-based") // 1,000 users
	advance := func(s rules.State, u told, after time.Duration) (rules.State, []rules.Transition) {
		t.Helper()
		s, happened, next := rules.Advance(policy, &rules.Facts{Usage: u, UpgradeUsage: told{0, true}, HumanEscalation: true}, s, s.EvaluatedAt.Add(after))
		if !next.IsZero() {
			t.Errorf("it waits for %s", next)
		}
		return s, happened
	}
	s, happened := advance(rules.Initial(policy, v1alpha1.Unverified, day1), told{1000, true}, time.Minute)
	if !s.Restricted() || !s.RestrictedUntil.IsZero() || !strings.Contains(happened[0].Message, "there is room again once a count shows it") {
		t.Fatalf("with 1,000 used the state is %+v: %+v", s, happened)
	}
	if s, happened = advance(s, told{10, false}, 48*time.Hour); !s.Restricted() || len(happened) > 0 {
		t.Errorf("it is lifted on a count that nobody knows: %+v", happened)
	}
	if s, _ = advance(s, told{999, true}, time.Minute); s.Restricted() {
		t.Error("it stands though there is room")
	}
	// The last count that was known still shows that there is no room.
	if s, _ = advance(s, told{1000, false}, time.Minute); !s.Restricted() {
		t.Error("there is room by a count that shows none")
	}
	// A deadline that the ledger knew is none any more.
	s.RestrictedUntil = s.EvaluatedAt.Add(time.Hour)
	if s, _ = advance(s, told{10, false}, time.Minute); !s.RestrictedUntil.IsZero() || !s.Restricted() {
		t.Errorf("there is room again from %s, which nobody knows", s.RestrictedUntil)
	}
	s.Tier = rules.Tier{Name: "Unlimited", Limit: rules.Unlimited}
	if s, _ = advance(s, told{10, false}, time.Minute); s.Restricted() {
		t.Error("an unlimited tier is restricted")
	}
}

func TestAnUpgradeWaitsForACountThatIsKnown(t *testing.T) {
	policy := shippedPolicy(t, "quality-based") // 500 users within 7 days
	facts := &rules.Facts{Usage: told{900, true}, UpgradeUsage: told{500, false}, HumanEscalation: true}
	s, _, _ := rules.Advance(policy, facts, rules.Initial(policy, v1alpha1.Unverified, day1), day1.Add(time.Minute))
	progress, _ := rules.UpgradeProgress(policy, facts, s, s.EvaluatedAt)
	if s.Tier.Name != "1" || progress.Known || strings.Join(progress.Missing, "; ") != "a fresh count of the unique users within 7 d" {
		t.Errorf("without a count the tier is %s, and %+v", s.Tier.Name, progress)
	}
	// What uses the limit is not what leads to the next tier.
	facts.UpgradeUsage = told{499, true}
	if s, _, _ = rules.Advance(policy, facts, s, s.EvaluatedAt.Add(time.Minute)); s.Tier.Name != "1" {
		t.Errorf("with 499 users the tier is %s", s.Tier.Name)
	}
	facts.UpgradeUsage = told{500, true}
	if s, _, _ = rules.Advance(policy, facts, s, s.EvaluatedAt.Add(time.Minute)); s.Tier.Name != "2" {
		t.Errorf("with 500 users the tier is %s", s.Tier.Name)
	}
}

func TestADelayThatRunsIsNotStoppedByACountThatIsNotKnown(t *testing.T) {
	policy := shippedPolicy(t, "meta-2023") // 24 h after 500 conversations, verified
	facts := &rules.Facts{Usage: told{1, true}, UpgradeUsage: told{500, true}, Verification: v1alpha1.Verified}
	s, _, _ := rules.Advance(policy, facts, rules.Initial(policy, v1alpha1.Verified, day1), day1.Add(time.Minute))
	facts.UpgradeUsage = told{0, false}
	if s, _, _ = rules.Advance(policy, facts, s, s.EvaluatedAt.Add(24*time.Hour)); s.Tier.Name != "10K" {
		t.Errorf("after the delay the tier is %s", s.Tier.Name)
	}
}

func TestWhatIsNotKnownIsNotExplained(t *testing.T) {
	policy := shippedPolicy(t, "quality-based")
	facts := &rules.Facts{Usage: told{321, false}, HumanEscalation: true}
	s := rules.Initial(policy, v1alpha1.Unverified, day1)
	said := strings.Join(rules.Explain(policy, facts, s, rules.Cause{}, day1), "\n")
	if strings.Contains(said, "321") || !strings.Contains(said, "How much of the limit is used now is not known") {
		t.Errorf("it is explained with\n%s", said)
	}
}
