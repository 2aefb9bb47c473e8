package rules_test

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
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

// everyDelivery is a usage in which each delivery goes to another user, so that users, conversations and messages are the
// same count: that of the instants in a sorted list.
type everyDelivery []time.Time

func (d everyDelivery) within(from, to time.Time) everyDelivery {
	lo := sort.Search(len(d), func(i int) bool { return d[i].After(from) })
	hi := sort.Search(len(d), func(i int) bool { return d[i].After(to) })
	return d[lo:max(lo, hi)]
}

func (d everyDelivery) Count(_ v1alpha1.Measure, from, to time.Time) rules.Count {
	return known(int64(len(d.within(from, to))))
}

func (d everyDelivery) Nth(_ v1alpha1.Measure, n int64, from, to time.Time) time.Time {
	if in := d.within(from, to); n >= 1 && int64(len(in)) >= n {
		return in[n-1]
	}
	return time.Time{}
}

func (d everyDelivery) Last(_ v1alpha1.Measure, from, to time.Time) time.Time {
	if in := d.within(from, to); len(in) > 0 {
		return in[len(in)-1]
	}
	return time.Time{}
}

func (d everyDelivery) FallsBelow(_ v1alpha1.Measure, window time.Duration, limit int64, now time.Time) time.Time {
	in := d.within(now.Add(-window), now)
	if int64(len(in)) < limit {
		return now
	}
	return in[int64(len(in))-limit].Add(window)
}

var policyNames = []string{"chat-api", "botmaker", "taqnyat", "quality-based", "netcore", "meta-2020", "meta-2023", "meta-2025"}

// story is a random life: deliveries in bursts, and reports of every kind.
type story struct {
	policy  *rules.Policy
	usage   everyDelivery
	reports []report.Report
	end     time.Time
}

func drawStory(t *rapid.T, policies map[string]*rules.Policy) story {
	s := story{policy: policies[rapid.SampledFrom(policyNames).Draw(t, "policy")], end: day1.AddDate(0, 0, 61)}
	instant := rapid.Custom(func(t *rapid.T) time.Time {
		// Hours and half hours, so that events and deadlines often fall on one instant.
		return day1.Add(time.Duration(rapid.IntRange(1, 60*48-1).Draw(t, "half hours")) * 30 * time.Minute)
	})
	for range rapid.IntRange(0, 8).Draw(t, "bursts") {
		at := instant.Draw(t, "burst at")
		for i := range rapid.IntRange(1, 2500).Draw(t, "users") {
			s.usage = append(s.usage, at.Add(time.Duration(i)*time.Second))
		}
	}
	slices.SortFunc(s.usage, time.Time.Compare)
	values := map[report.Kind][]string{
		report.Quality:           {"High", "Medium", "Low", "Unknown", "PURPLE"},
		report.Limit:             {"250", "1000", "2000", "10000", "Unlimited", "-5", "many"},
		report.Connection:        {"Connected", "Pending", "Offline", "Flagged", "Restricted", "Blocked", "LINKED"},
		report.Verification:      {"Verified", "Unverified", "Pending", "Rejected", "Maybe"},
		report.AccountConnection: {"Connected", "Offline", "Blocked", "Gone"},
		report.Restriction:       {report.RestrictedMessaging, report.RestrictedMessaging, report.NothingRestricted, "RESTRICTED_UTILITY_TEMPLATES"},
	}
	for range rapid.IntRange(0, 12).Draw(t, "reports") {
		kind := rapid.SampledFrom([]report.Kind{report.Quality, report.Quality, report.Limit, report.Connection, report.Verification,
			report.AccountConnection, report.Restriction}).Draw(t, "kind")
		said := report.Report{Kind: kind, At: instant.Draw(t, "reported at").Unix(), Value: rapid.SampledFrom(values[kind]).Draw(t, "value")}
		if kind == report.Restriction && rapid.Bool().Draw(t, "ends") {
			said.Until = instant.Draw(t, "until").Unix()
		}
		s.reports = append(s.reports, said)
	}
	slices.SortStableFunc(s.reports, func(a, b report.Report) int { return cmp.Compare(a.At, b.At) })
	return s
}

// play runs the story in steps: each step sees the reports since the one before, as the controller does.
func (s story) play(stops []time.Time) (rules.State, []rules.Transition, time.Time) {
	state := rules.Initial(s.policy, v1alpha1.Unverified, day1)
	var all []rules.Transition
	var next time.Time
	reports := s.reports
	for _, stop := range append(stops, s.end) {
		facts := rules.Facts{HumanEscalation: true, Usage: s.usage}
		for len(reports) > 0 && !reports[0].Time().After(stop) {
			facts.Reports = append(facts.Reports, reports[0])
			reports = reports[1:]
		}
		var happened []rules.Transition
		state, happened, next = rules.Advance(s.policy, &facts, state, stop)
		all = append(all, happened...)
	}
	return state, all, next
}

func TestEngineProperties(t *testing.T) {
	policies := map[string]*rules.Policy{}
	for _, name := range policyNames {
		policies[name] = shippedPolicy(t, name)
	}
	rapid.Check(t, func(t *rapid.T) {
		s := drawStory(t, policies)
		// At every delivery, as a reconcile after each would.
		stops := slices.Clone(s.usage)
		state, transitions, next := s.play(stops)

		again, transitionsAgain, _ := s.play(stops)
		if again != state || !slices.Equal(transitions, transitionsAgain) {
			t.Fatal("the same story ends in another state: the engine is not deterministic")
		}
		settled, more, _ := rules.Advance(s.policy, &rules.Facts{HumanEscalation: true, Usage: s.usage}, state, s.end)
		if settled != state || len(more) > 0 {
			t.Fatalf("evaluating twice changes something: %v", more)
		}
		if !next.IsZero() && !next.After(s.end) {
			t.Fatalf("the next instant %s is not in the future of %s", next, s.end)
		}
		for i, tr := range transitions {
			if tr.Time.After(s.end) || tr.Time.Before(day1) {
				t.Fatalf("%s at %s lies outside of the story", tr.Reason, tr.Time)
			}
			if i > 0 && tr.Time.Before(transitions[i-1].Time) {
				t.Fatalf("%s at %s comes after %s at %s", tr.Reason, tr.Time, transitions[i-1].Reason, transitions[i-1].Time)
			}
			if tr.Message == "" {
				t.Fatalf("%s says nothing", tr.Reason)
			}
		}

		// Stopping at any further instant, and going on from the saved state, changes nothing.
		split := day1.Add(time.Duration(rapid.IntRange(1, 60*24*60).Draw(t, "split at minute")) * time.Minute)
		with := append(slices.Clone(stops), split)
		slices.SortFunc(with, time.Time.Compare)
		if state2, transitions2, _ := s.play(with); state2 != state || !slices.Equal(transitions, transitions2) {
			t.Fatalf("a stop at %s changes the story:\n%v\n%v", split, transitions, transitions2)
		}

		// Deliveries that come in one batch are decided as if each had come alone.
		if state2, transitions2, _ := s.play(everyHour(s)); state2 != state || !slices.Equal(transitions, transitions2) {
			t.Fatalf("in batches of an hour the story is another:\n%v\n%v", transitions, transitions2)
		}

		// What must hold of a state whatever happened.
		if state.Restricted() && state.RestrictedSource == v1alpha1.FromPolicy {
			if used := rules.Used(s.policy, s.usage, s.end); state.Tier.Limit == rules.Unlimited || used < state.Tier.Limit {
				t.Fatalf("restricted with %d of %d used", used, state.Tier.Limit)
			}
		}
		if state.Flagged() && state.RecoveringSince.IsZero() && state.Rating != v1alpha1.QualityLow && state.FlagSource == v1alpha1.FromPolicy {
			t.Fatalf("flagged with a %s rating that does not recover", state.Rating)
		}
	})
}

// everyHour are the full hours of a story.
func everyHour(s story) []time.Time {
	var hours []time.Time
	for at := day1; at.Before(s.end); at = at.Add(time.Hour) {
		hours = append(hours, at)
	}
	return hours
}

// Webhooks may come days late: a report that is older than what is known of the same thing changes nothing.
func TestALateReportUndoesNothing(t *testing.T) {
	policy := shippedPolicy(t, "quality-based")
	at := func(hours int) time.Time { return day1.Add(time.Duration(hours) * time.Hour) }
	for _, test := range []struct {
		name    string
		reports []report.Report
		usage   everyDelivery
		now     int // hours, when the late report comes
		late    report.Report
	}{
		{"a limit before one that confirmed what was known", []report.Report{{Kind: report.Limit, At: at(12).Unix(), Value: "1000"}}, nil, 13, report.Report{Kind: report.Limit, At: at(11).Unix(), Value: "250"}},
		{"a state before one that confirmed what was known", []report.Report{{Kind: report.Connection, At: at(12).Unix(), Value: "Connected"}}, nil, 13, report.Report{Kind: report.Connection, At: at(11).Unix(), Value: "Offline"}},
		{"a restriction of the account before its end", []report.Report{{Kind: report.Restriction, At: at(12).Unix(), Value: report.NothingRestricted}}, nil, 13, report.Report{Kind: report.Restriction, At: at(11).Unix(), Value: report.RestrictedMessaging}},
		{"an account that is connected, of a number that the policy blocked", []report.Report{{Kind: report.Quality, At: at(0).Unix(), Value: "Low"}}, nil, 31 * 24, report.Report{Kind: report.AccountConnection, At: at(31 * 24).Unix(), Value: "Connected"}},
		{"a verification before one that confirmed what was known", []report.Report{{Kind: report.Verification, At: at(12).Unix(), Value: "Unverified"}}, nil, 13, report.Report{Kind: report.Verification, At: at(11).Unix(), Value: "Rejected"}},
		{"a rating before one that confirmed what was known", []report.Report{{Kind: report.Quality, At: at(12).Unix(), Value: "High"}}, nil, 13, report.Report{Kind: report.Quality, At: at(11).Unix(), Value: "Low"}},
		{"a limit before an upgrade", nil, deliveries(at(12), 500), 14, report.Report{Kind: report.Limit, At: at(11).Unix(), Value: "1000"}},
		{"a state before the policy blocked the number", []report.Report{{Kind: report.Quality, At: at(0).Unix(), Value: "Low"}}, nil, 31 * 24, report.Report{Kind: report.Connection, At: at(29 * 24).Unix(), Value: "Connected"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			facts := &rules.Facts{HumanEscalation: true, Usage: test.usage, Reports: test.reports}
			before, _, _ := rules.Advance(policy, facts, rules.Initial(policy, v1alpha1.Unverified, day1), at(test.now))
			facts.Reports = []report.Report{test.late}
			if _, transitions, _ := rules.Advance(policy, facts, before, at(test.now)); len(transitions) > 0 {
				t.Errorf("it brings %s %s -> %s", transitions[0].Reason, transitions[0].From, transitions[0].To)
			}
		})
	}
}

// Reports may come with fractions of a second; the rules count in whole ones.
func TestAReportWithinASecondCountsFromItsStart(t *testing.T) {
	policy := shippedPolicy(t, "netcore")
	facts := &rules.Facts{HumanEscalation: true, Usage: everyDelivery(nil), Reports: []report.Report{{Kind: report.Quality, At: day1.Add(1500 * time.Millisecond).Unix(), Value: "Low"}}}
	state, transitions, _ := rules.Advance(policy, facts, rules.Initial(policy, v1alpha1.Unverified, day1), day1.Add(time.Hour))
	if len(transitions) != 2 || !state.FlagSince.Equal(day1.Add(time.Second)) {
		t.Errorf("the number is flagged since %s after %v", state.FlagSince, transitions)
	}
}

// deliveries are n, one a second from an instant on.
func deliveries(from time.Time, n int) everyDelivery {
	var all everyDelivery
	for i := range n {
		all = append(all, from.Add(time.Duration(i)*time.Second))
	}
	return all
}

func TestPolicyErrorsNameTheField(t *testing.T) {
	base := func() v1alpha1.MessagingPolicySpec {
		return v1alpha1.MessagingPolicySpec{
			Scope:    v1alpha1.ScopeNumber,
			Tiers:    []v1alpha1.Tier{{Name: "1", Limit: 1000}, {Name: "2", Limit: 10000}, {Name: "top"}},
			Start:    v1alpha1.StartTiers{Unverified: "1", Verified: "2"},
			Counting: v1alpha1.Counting{Measure: v1alpha1.MeasureUniqueUsers, WindowHours: 24},
			Upgrade:  v1alpha1.Upgrade{Measure: v1alpha1.MeasureMessages, ThresholdPercent: new(int32(200)), WindowHours: 168, MinimumQuality: v1alpha1.QualityMedium},
			Quality:  v1alpha1.QualityRules{WindowHours: 24},
		}
	}
	good := base()
	if _, err := rules.Compile("good", &good); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		change func(*v1alpha1.MessagingPolicySpec)
		want   string
	}{
		{"tiers that fall", func(s *v1alpha1.MessagingPolicySpec) { s.Tiers[1].Limit = 500 }, "tiers[1].limit is 500, after 1000: tiers must be ascending"},
		{"an unlimited tier below the last", func(s *v1alpha1.MessagingPolicySpec) { s.Tiers[0].Limit = 0 }, "tiers[0] has no limit: only the last tier may be unlimited"},
		{"no tiers", func(s *v1alpha1.MessagingPolicySpec) { s.Tiers = nil }, "tiers is empty: a policy needs at least one tier"},
		{"an unknown start tier", func(s *v1alpha1.MessagingPolicySpec) { s.Start.Verified = "gold" }, `start.verified is "gold": it must be the name of one of the tiers`},
		{"a verified start below the unverified", func(s *v1alpha1.MessagingPolicySpec) { s.Start = v1alpha1.StartTiers{Unverified: "2", Verified: "1"} }, `start.verified is "1", a lower tier than start.unverified: verification must not lower the limit`},
		{"zero percent", func(s *v1alpha1.MessagingPolicySpec) { s.Upgrade.ThresholdPercent = new(int32(0)) }, "upgrade.thresholdPercent is 0: it must be at least 1"},
		{"two thresholds", func(s *v1alpha1.MessagingPolicySpec) { s.Upgrade.Threshold = new(int64(5)) }, "upgrade: set exactly one of thresholdPercent and threshold"},
		{"a window longer than what is kept", func(s *v1alpha1.MessagingPolicySpec) { s.Upgrade.WindowHours = 721 }, "upgrade.windowHours is 721: it must be between 1 and 720, since counts are kept for 30 days"},
		{"a limit on messages", func(s *v1alpha1.MessagingPolicySpec) { s.Counting.Measure = v1alpha1.MeasureMessages }, `counting.measure is "Messages": it must be UniqueUsers or Conversations`},
		{"no way up", func(s *v1alpha1.MessagingPolicySpec) { s.Upgrade = v1alpha1.Upgrade{} }, "upgrade is missing: every tier but the last needs a way up"},
		{"a span as long as the window", func(s *v1alpha1.MessagingPolicySpec) { s.Upgrade.MinimumSpanHours = 168 }, "upgrade.minimumSpanHours is 168: it must be less than windowHours, or it could never be met"},
		{"a negative delay", func(s *v1alpha1.MessagingPolicySpec) { s.Upgrade.DelayHours = -1 }, "upgrade.delayHours is -1: it must be between 1 and 720, or left out"},
		{"a negative service window", func(s *v1alpha1.MessagingPolicySpec) { s.Counting.ServiceWindowHours = -24 }, "counting.serviceWindowHours is -24: it must be between 1 and 168, or left out"},
		{"two tiers of one name", func(s *v1alpha1.MessagingPolicySpec) { s.Tiers[1].Name = "1" }, `tiers[1].name is "1", as that of another tier: names must differ`},
		{"an unknown quality", func(s *v1alpha1.MessagingPolicySpec) { s.Upgrade.MinimumQuality = "Unknown" }, `upgrade.minimumQuality is "Unknown": it must be High, Medium or Low`},
	} {
		t.Run(test.name, func(t *testing.T) {
			spec := base()
			test.change(&spec)
			if _, err := rules.Compile("bad", &spec); err == nil || err.Error() != test.want {
				t.Errorf("the error is %v, not %s", err, test.want)
			}
		})
	}
}

// One evaluation of a number at rest, which is what most reconciles do. The goal is 2 µs without allocation.
func BenchmarkAdvanceAtRest(b *testing.B) {
	policy := shippedPolicy(b, "meta-2023")
	var usage everyDelivery
	for i := range 400 {
		usage = append(usage, day1.Add(time.Duration(i)*time.Second))
	}
	facts := &rules.Facts{HumanEscalation: true, Usage: usage}
	now := day1.Add(time.Hour)
	state, _, _ := rules.Advance(policy, facts, rules.Initial(policy, v1alpha1.Verified, day1), now)
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(time.Second)
		state, _, _ = rules.Advance(policy, facts, state, now)
	}
}

// smallPolicy is a ladder that a few users climb, so that stories with users who are messaged again and again reach it.
func smallPolicy(t *testing.T, measure v1alpha1.Measure) *rules.Policy {
	t.Helper()
	policy, err := rules.Compile("small", &v1alpha1.MessagingPolicySpec{
		Scope:    v1alpha1.ScopeNumber,
		Tiers:    []v1alpha1.Tier{{Name: "S", Limit: 3}, {Name: "M", Limit: 6}, {Name: "L", Limit: 12}, {Name: "Unlimited"}},
		Start:    v1alpha1.StartTiers{Unverified: "S", Verified: "M"},
		Counting: v1alpha1.Counting{Measure: measure, WindowHours: 24},
		Upgrade:  v1alpha1.Upgrade{Measure: measure, ThresholdPercent: new(int32(200)), WindowHours: 72, MinimumQuality: v1alpha1.QualityMedium, DelayHours: 5},
		Quality:  v1alpha1.QualityRules{WindowHours: 24},
		Flag:     v1alpha1.FlagRules{GraceHours: 48, RecoveryHours: 48},
	})
	if err != nil {
		t.Fatal(err)
	}
	return policy
}

// The operator may look at a number after each delivery, or only hours later: it comes to the same transitions at the same
// instants, though users are messaged again meanwhile and leave the window.
func TestLookingLaterSeesTheSame(t *testing.T) {
	policies := []*rules.Policy{smallPolicy(t, v1alpha1.MeasureUniqueUsers), smallPolicy(t, v1alpha1.MeasureConversations)}
	rapid.Check(t, func(t *rapid.T) {
		policy := rapid.SampledFrom(policies).Draw(t, "policy")
		l := ledger.OpenMemory()
		var at []time.Time
		now := day1
		for i := range rapid.IntRange(1, 60).Draw(t, "deliveries") {
			now = now.Add(time.Duration(rapid.IntRange(1, 6*60).Draw(t, "minutes later")) * time.Minute)
			at = append(at, now)
			entry := counts.Entry{Number: scenarioNumber, Kind: counts.Delivered, Message: counts.MessageKey(i + 1),
				User: counts.UserKey(rapid.IntRange(1, 12).Draw(t, "user")), At: now.Unix()}
			if _, err := l.Append(t.Context(), counts.Batch{Entries: []counts.Entry{entry}}, now); err != nil {
				t.Fatal(err)
			}
		}
		end := now.Add(30 * time.Hour)
		play := func(stops []time.Time) (rules.State, []string) {
			facts := rules.Facts{HumanEscalation: true, Usage: rules.Exact{Counted: l.Usage(scenarioNumber)}}
			state := rules.Initial(policy, v1alpha1.Unverified, day1)
			var all []string
			for _, stop := range append(slices.Clone(stops), end) {
				var happened []rules.Transition
				state, happened, _ = rules.Advance(policy, &facts, state, stop)
				for _, tr := range happened {
					all = append(all, fmt.Sprint(tr.Time.Format(time.DateTime), " ", tr.Reason, " ", tr.From, " ", tr.To))
				}
			}
			return state, all
		}
		_, each := play(at)
		var later []time.Time
		for stop := day1; stop.Before(end); stop = stop.Add(time.Duration(rapid.IntRange(1, 40).Draw(t, "hours")) * time.Hour) {
			later = append(later, stop)
		}
		if _, seen := play(later); !slices.Equal(each, seen) {
			t.Fatalf("looking at each delivery:\n  %s\nlooking later:\n  %s", strings.Join(each, "\n  "), strings.Join(seen, "\n  "))
		}
	})
}
