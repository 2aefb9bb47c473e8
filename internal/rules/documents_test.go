package rules_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/rules"
)

// What several of the documents say alike is tested here for all of them at once; docs/rules/ says which sentence it is.

const day = 24 * time.Hour

// The tiers, their limits, and where numbers start that are unverified and verified.
func TestLadders(t *testing.T) {
	for policy, want := range map[string]string{
		"chat-api":      "start 1, verified 1; 1 1000, 2 10000, 3 100000",
		"botmaker":      "start 1, verified 1; 1 1000, 2 10000, 3 100000",
		"taqnyat":       "start 0, verified 1; 0 250, 1 1000, 2 10000, 3 100000, 4 unlimited",
		"quality-based": "start 1, verified 1; 1 1000, 2 10000, 3 100000",
		"netcore":       "start 1, verified 1; 1 1000, 2 10000, 3 100000",
		"meta-2020":     "start 1, verified 1; 1 1000, 2 10000, 3 100000",
		"meta-2023":     "start 250, verified 1K; 250 250, 1K 1000, 10K 10000, 100K 100000, Unlimited unlimited",
		"meta-2025":     "start 250, verified 2K; 250 250, 2K 2000, 10K 10000, 100K 100000, Unlimited unlimited",
	} {
		t.Run(policy, func(t *testing.T) {
			p := shippedPolicy(t, policy)
			facts := &rules.Facts{HumanEscalation: true, Usage: everyDelivery(nil)}
			state := rules.Initial(p, v1alpha1.Unverified, day1)
			verified := rules.Initial(p, v1alpha1.Verified, day1)
			var steps []string
			for {
				limit := "unlimited"
				if state.Tier.Limit != rules.Unlimited {
					limit = fmt.Sprint(state.Tier.Limit)
				}
				steps = append(steps, state.Tier.Name+" "+limit)
				progress, higher := rules.UpgradeProgress(p, facts, state, day1)
				if !higher {
					break
				}
				state.Tier = progress.Next
			}
			got := fmt.Sprintf("start %s, verified %s; %s", rules.Initial(p, "", day1).Tier.Name, verified.Tier.Name, strings.Join(steps, ", "))
			if got != want {
				t.Errorf("it is\n%s\nnot\n%s", got, want)
			}
		})
	}
}

// What the next tier requires: how much within which window, rated how, and how long it takes then.
func TestTheWayUp(t *testing.T) {
	const high, medium = v1alpha1.QualityHigh, v1alpha1.QualityMedium
	for _, test := range []struct {
		name, policy string
		verification v1alpha1.Verification
		next         string
		required     int
		window       time.Duration
		atLeast      v1alpha1.QualityRating
		delay        time.Duration
	}{
		{"chat-api", "chat-api", v1alpha1.Unverified, "2", 2000, 7 * day, "", 2 * day},
		{"botmaker", "botmaker", v1alpha1.Unverified, "2", 2000, 7 * day, medium, 0},
		{"taqnyat", "taqnyat", v1alpha1.Verified, "2", 2000, 7 * day, high, 0},
		{"taqnyat, unverified", "taqnyat", v1alpha1.Unverified, "1", 500, 7 * day, high, 0},
		{"quality-based", "quality-based", v1alpha1.Unverified, "2", 500, 7 * day, medium, 0},
		{"netcore", "netcore", v1alpha1.Unverified, "2", 2000, 7 * day, medium, 0},
		{"meta-2020", "meta-2020", v1alpha1.Unverified, "2", 2000, 7 * day, medium, 0},
		{"meta-2023", "meta-2023", v1alpha1.Verified, "10K", 500, 7 * day, medium, day},
		{"meta-2023, unverified", "meta-2023", v1alpha1.Unverified, "1K", 1000, 30 * day, high, 0},
		{"meta-2025", "meta-2025", v1alpha1.Verified, "10K", 1000, 7 * day, high, 6 * time.Hour},
		{"meta-2025, unverified", "meta-2025", v1alpha1.Unverified, "2K", 2000, 30 * day, high, 0},
	} {
		p := shippedPolicy(t, test.policy)
		// rises says when the tier rises if half is sent at first and the rest some time later; zero if it does not.
		rises := func(t *testing.T, required int, later time.Duration, rating v1alpha1.QualityRating) time.Time {
			t.Helper()
			facts := &rules.Facts{HumanEscalation: true, Verification: test.verification, Usage: slices.Concat(
				slices.Repeat(everyDelivery{day1.Add(time.Hour)}, required/2),
				slices.Repeat(everyDelivery{day1.Add(time.Hour + later)}, required-required/2))}
			facts.Reports = []report.Report{{Kind: report.Quality, At: day1.Unix(), Value: string(rating)}}
			_, transitions, _ := rules.Advance(p, facts, rules.Initial(p, test.verification, day1), day1.Add(40*day))
			for _, tr := range transitions {
				if tr.Reason == v1alpha1.ReasonTierUpgraded {
					if tr.To != test.next {
						t.Errorf("it rises to %s, not to %s", tr.To, test.next)
					}
					return tr.Time
				}
			}
			return time.Time{}
		}
		within := test.window - time.Second
		t.Run(test.name, func(t *testing.T) {
			if got, want := rises(t, test.required, within, high), day1.Add(time.Hour+within+test.delay); !got.Equal(want) {
				t.Errorf("%d within %s: it rises at %s, not at %s", test.required, within, got, want)
			}
			if got := rises(t, test.required-1, within, high); !got.IsZero() {
				t.Errorf("one less: it rises at %s", got)
			}
			if got := rises(t, test.required, test.window, high); !got.IsZero() {
				t.Errorf("a second later: it rises at %s", got)
			}
			if got, want := rises(t, test.required, within, v1alpha1.QualityUnknown), rises(t, test.required, within, high); !got.Equal(want) {
				t.Errorf("rated Unknown: it rises at %s, and High at %s", got, want)
			}
			if got := rises(t, test.required, within, medium); got.IsZero() != (test.atLeast == high) {
				t.Errorf("rated Medium: it rises at %s", got)
			}
			if got := rises(t, test.required, within, v1alpha1.QualityLow); got.IsZero() != (test.atLeast != "") {
				t.Errorf("rated Low: it rises at %s", got)
			}
		})
	}
}

// sent is a number with a ledger of its own.
type sent struct {
	t        *testing.T
	policy   *rules.Policy
	l        *ledger.Ledger
	facts    rules.Facts
	state    rules.State
	messages int
}

func newSent(t *testing.T, p *rules.Policy) *sent {
	t.Helper()
	s := &sent{t: t, policy: p, l: ledger.OpenMemory(), state: rules.Initial(p, v1alpha1.Unverified, day1)}
	s.facts = rules.Facts{HumanEscalation: true, Usage: rules.Exact{Counted: s.l.Usage(scenarioNumber)}}
	if err := s.l.SetWindows(scenarioNumber, counts.Windows{Service: p.ServiceWindow, Conversation: p.Window, CountReached: p.LowFrom > 0}); err != nil {
		t.Fatal(err)
	}
	return s
}

// record appends what happened with the users from..to, a second apart.
func (s *sent) record(kind counts.Kind, at time.Duration, from, to int, did ...counts.Complaint) {
	s.t.Helper()
	for user := from; user <= to; user++ {
		s.messages++
		when := day1.Add(at + time.Duration(user-from)*time.Second)
		entry := counts.Entry{Number: scenarioNumber, Kind: kind, User: counts.UserKey(user), Message: counts.MessageKey(s.messages), At: when.Unix()}
		if len(did) > 0 {
			entry.Complaint = did[(user-from)%len(did)]
		}
		if _, err := s.l.Append(context.Background(), counts.Batch{Entries: []counts.Entry{entry}}, when); err != nil {
			s.t.Fatal(err)
		}
	}
}

func (s *sent) advance(to time.Duration, reports ...report.Report) {
	s.facts.Reports = reports
	s.state, _, _ = rules.Advance(s.policy, &s.facts, s.state, day1.Add(to))
	s.facts.Reports = nil
}

func (s *sent) expect(at time.Duration, used int64, restricted bool) {
	s.t.Helper()
	s.advance(at)
	if got := rules.Used(s.policy, s.facts.Usage, day1.Add(at)); got != used || s.state.Restricted() != restricted {
		s.t.Errorf("%s after the start %d are used and restricted is %t, not %d and %t", at, got, s.state.Restricted(), used, restricted)
	}
}

// Flag and restriction are each of its own: a number that is both shows the restriction, and the flag again when that is lifted.
func TestANumberCanBeFlaggedAndRestricted(t *testing.T) {
	for _, policy := range []string{"botmaker", "taqnyat", "quality-based", "netcore", "meta-2020", "meta-2023"} {
		t.Run(policy, func(t *testing.T) {
			s := newSent(t, shippedPolicy(t, policy))
			limit := int(s.state.Tier.Limit)
			s.record(counts.Delivered, time.Hour, 1, limit)
			s.advance(3*time.Hour, report.Report{Kind: report.Quality, At: day1.Unix(), Value: "Low"})
			if !s.state.Flagged() || !s.state.Restricted() || s.state.Shown() != v1alpha1.StateRestricted {
				t.Errorf("flagged %t, restricted %t, it shows %s", s.state.Flagged(), s.state.Restricted(), s.state.Shown())
			}
			explained := strings.Join(rules.Explain(s.policy, &s.facts, s.state, rules.Cause{}, s.state.EvaluatedAt), "\n")
			if !strings.Contains(explained, "\nFlagged since 2026-03-02 00:00:00 UTC.") || !strings.Contains(explained, "\nRestricted since 2026-03-02 ") {
				t.Errorf("it explains\n%s", explained)
			}
			s.advance(2 * day)
			if !s.state.Flagged() || s.state.Restricted() || s.state.Shown() != v1alpha1.StateFlagged {
				t.Errorf("a day later: flagged %t, restricted %t, it shows %s", s.state.Flagged(), s.state.Restricted(), s.state.Shown())
			}
		})
	}
}

// Customers who write first open their windows: no answer to them counts, against the limit or for the next tier. The rating is what
// Meta makes of it.
func TestCustomersWhoWriteFirst(t *testing.T) {
	for _, policy := range policyNames {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			s := newSent(t, shippedPolicy(t, policy))
			s.advance(0, report.Report{Kind: report.Quality, At: day1.Unix(), Value: "Medium"})
			s.record(counts.Received, time.Hour, 1, 300)
			s.record(counts.Delivered, 2*time.Hour, 1, 300)
			s.expect(3*time.Hour, 0, false)
			if progress, _ := rules.UpgradeProgress(s.policy, &s.facts, s.state, s.state.EvaluatedAt); progress.Achieved != 0 || s.state.Rating != v1alpha1.QualityMedium {
				t.Errorf("%d lead to the next tier, and the rating is %s", progress.Achieved, s.state.Rating)
			}
			s.advance(4*time.Hour, report.Report{Kind: report.Quality, At: day1.Add(4 * time.Hour).Unix(), Value: "High"})
			if s.state.Rating != v1alpha1.QualityHigh {
				t.Errorf("the rating is %s", s.state.Rating)
			}
		})
	}
}

// The limit is on users, not on messages; on users whom the number wrote to before as well as on new ones; and not on answers
// within 24 hours of a user's message, which go out though the limit is reached.
func TestWhatCountsAgainstTheLimit(t *testing.T) {
	for _, policy := range policyNames {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			s := newSent(t, shippedPolicy(t, policy))
			limit := int(s.state.Tier.Limit)
			const asker, other = 5001, 5002
			// Rated Low, so that the tier stays for these three days.
			s.advance(0, report.Report{Kind: report.Quality, At: day1.Unix(), Value: "Low"})
			s.record(counts.Received, 10*time.Hour, asker, asker)
			s.record(counts.Received, 10*time.Hour, other, other)

			for _, again := range []time.Duration{0, 30 * time.Minute, time.Hour} {
				s.record(counts.Delivered, day+6*time.Hour+again, 1, limit-1)
			}
			s.expect(day+9*time.Hour, int64(limit-1), false)
			s.record(counts.Delivered, day+10*time.Hour-time.Second, asker, asker)
			s.expect(day+10*time.Hour-time.Second, int64(limit-1), false)
			s.record(counts.Delivered, day+10*time.Hour+time.Second, other, other)
			s.expect(day+10*time.Hour+time.Second, int64(limit), true)
			s.record(counts.Received, day+11*time.Hour, asker, asker)
			s.record(counts.Delivered, day+11*time.Hour+time.Minute, asker, asker)
			s.expect(day+12*time.Hour, int64(limit), true)

			s.expect(2*day+11*time.Hour, 0, false)
			s.record(counts.Delivered, 2*day+12*time.Hour, 1, limit)
			s.expect(2*day+13*time.Hour, int64(limit), true)
		})
	}
}

// The window of the quality rating, to the second; and every reason that users can choose when they block a business.
func TestTheWindowOfTheQualityRating(t *testing.T) {
	reasons := []v1alpha1.FeedbackReason{v1alpha1.FeedbackNoLongerNeeded, v1alpha1.FeedbackDidNotSignUp, v1alpha1.FeedbackSpam, v1alpha1.FeedbackOffensiveMessages, v1alpha1.FeedbackNoReason}
	var blocks []counts.Complaint
	for _, reason := range reasons {
		blocks = append(blocks, counts.NewComplaint(v1alpha1.FeedbackBlock, reason))
	}
	for policy, window := range map[string]time.Duration{
		"chat-api": 7 * day, "botmaker": day, "taqnyat": 7 * day, "quality-based": day, "netcore": day, "meta-2020": day, "meta-2023": 7 * day, "meta-2025": 7 * day,
	} {
		t.Run(policy, func(t *testing.T) {
			content, err := os.ReadFile(filepath.Join("..", "..", "config", "policies", policy+".yaml"))
			if err != nil {
				t.Fatal(err)
			}
			var resource v1alpha1.MessagingPolicy
			if err := yaml.UnmarshalStrict(content, &resource); err != nil {
				t.Fatal(err)
			}
			// No document says how many complaints make a rating.
			resource.Spec.Quality.MediumPerThousand, resource.Spec.Quality.LowPerThousand = 20, 50
			p, err := rules.Compile(policy, &resource.Spec)
			if err != nil {
				t.Fatal(err)
			}
			s := newSent(t, p)
			s.record(counts.Delivered, time.Hour, 1, 100)
			s.record(counts.Complained, 2*time.Hour, 1, 5, blocks...)
			s.record(counts.Delivered, 3*time.Hour, 101, 105) // 5 of 105 are fewer than 50 in a thousand
			for _, step := range []struct {
				at     time.Duration
				rating v1alpha1.QualityRating
			}{
				{time.Hour + 2*time.Minute, v1alpha1.QualityHigh},
				{2*time.Hour + 3*time.Second, v1alpha1.QualityMedium}, // the fourth
				{2*time.Hour + 4*time.Second, v1alpha1.QualityLow},
				{4 * time.Hour, v1alpha1.QualityMedium},
			} {
				if s.advance(step.at); s.state.Rating != step.rating {
					t.Errorf("%s after the start the rating is %s, not %s", step.at, s.state.Rating, step.rating)
				}
			}
			var got []v1alpha1.FeedbackReason
			for _, insight := range s.l.Feedback(scenarioNumber, day1, day1.Add(4*time.Hour)) {
				if insight.Kind != v1alpha1.FeedbackBlock || insight.Users != 1 {
					t.Errorf("an insight is %+v", insight)
				}
				got = append(got, insight.Reason)
			}
			slices.Sort(got)
			if want := slices.Sorted(slices.Values(reasons)); !slices.Equal(got, want) {
				t.Errorf("the reasons are %q, not %q", got, want)
			}
			// The last complaint is out of the window; those who were reached afterwards are not.
			s.advance(2*time.Hour + 3*time.Second + window)
			if s.state.Rating == v1alpha1.QualityHigh {
				t.Error("the last complaint left the window before its time")
			}
			if s.advance(2*time.Hour + 4*time.Second + window); s.state.Rating != v1alpha1.QualityHigh {
				t.Errorf("once the complaints are out of the window the rating is %s", s.state.Rating)
			}
		})
	}
}

// What the timelines of templates in internal/simulate do not tell.
func TestTemplates(t *testing.T) {
	type step struct {
		after  time.Duration
		kind   report.Kind
		value  string
		reason string
	}
	low := step{0, report.Quality, "Low", ""}
	for _, test := range []struct {
		name, policy string
		steps        []step
		want         []string
	}{
		{"edited too late", "chat-api", []step{low, {8 * day, report.TemplateState, "Edited", ""}},
			[]string{"0s QualityChanged", "0s TemplateFlagged", "168h0m0s TemplateBlocked", "192h0m0s TemplateStateChanged"}},
		{"paused for pacing", "meta-2025", []step{{0, report.TemplateState, "Paused", "RATE_LIMITING_PAUSE"}, {30 * day, report.TemplateState, "Approved", "UNPAUSE"}},
			[]string{"0s TemplatePaused", "720h0m0s TemplateResumed"}},
		{"low where no rule is about templates", "netcore", []step{low}, []string{"0s QualityChanged"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var reports []report.Report
			for _, s := range test.steps {
				reports = append(reports, report.Report{Kind: s.kind, At: day1.Add(s.after).Unix(), Value: s.value, Reason: s.reason})
			}
			_, transitions, next := advanceTemplate(shippedPolicy(t, test.policy), reports, rules.InitialTemplate(day1), day1.Add(40*day))
			var got []string
			for _, tr := range transitions {
				got = append(got, fmt.Sprintf("%s %s", tr.Time.Sub(day1), tr.Reason))
			}
			if !slices.Equal(got, test.want) || !next.IsZero() {
				t.Errorf("it is %q, and then something at %s; want %q and nothing", got, next, test.want)
			}
		})
	}
}

// Meta reviews an increase, and may deny it or put it off: what was concluded is taken back, and nothing further is concluded
// until Meta reports a limit.
func TestAnIncreaseThatMetaDenies(t *testing.T) {
	for _, decision := range []string{"Failed", "Deferred", "NeedMoreInfo"} {
		t.Run(decision, func(t *testing.T) {
			p := shippedPolicy(t, "meta-2025")
			at := func(hours int) time.Time { return day1.Add(time.Duration(hours) * time.Hour) }
			facts := &rules.Facts{HumanEscalation: true, Usage: slices.Concat(
				slices.Repeat(everyDelivery{at(1)}, 2000), slices.Repeat(everyDelivery{at(50)}, 2000), slices.Repeat(everyDelivery{at(100)}, 1000)),
				Reports: []report.Report{{Kind: report.Increase, At: at(3).Unix(), Value: decision}, {Kind: report.Limit, At: at(99).Unix(), Value: "2000"}}}
			_, transitions, _ := rules.Advance(p, facts, rules.Initial(p, "", day1), at(120))
			var got []string
			for _, tr := range transitions {
				if tr.Reason != v1alpha1.ReasonRestricted && tr.Reason != v1alpha1.ReasonRestrictionLifted {
					got = append(got, strings.TrimSpace(fmt.Sprintf("%s %s %s", tr.Time.Sub(day1), tr.Reason, tr.To)))
				}
			}
			want := []string{"1h0m0s TierUpgraded 2K", "1h0m0s UpgradePending 10K", "3h0m0s UpgradeCancelled 10K", "3h0m0s LimitReported 250",
				"99h0m0s LimitReported 2K", "99h0m0s UpgradePending 10K", "105h0m0s TierUpgraded 10K"}
			if !slices.Equal(got, want) {
				t.Errorf("it is %q, not %q", got, want)
			}
		})
	}
}
