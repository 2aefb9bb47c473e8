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

// sharedPolicy is a ladder that a few users climb, of scope Portfolio or Number, with ratings from feedback: its first tier
// has a way up of its own, and members are rated by the same thresholds as numbers alone.
func sharedPolicy(t *testing.T, scope v1alpha1.Scope) *rules.Policy {
	t.Helper()
	policy, err := rules.Compile("shared", sharedSpec(scope))
	if err != nil {
		t.Fatal(err)
	}
	return policy
}

func sharedSpec(scope v1alpha1.Scope) *v1alpha1.MessagingPolicySpec {
	spec := &v1alpha1.MessagingPolicySpec{
		Scope: scope,
		Tiers: []v1alpha1.Tier{
			{Name: "S", Limit: 3, Upgrade: v1alpha1.Upgrade{Measure: v1alpha1.MeasureUniqueUsers, Threshold: new(int64(5)), WindowHours: 240, MinimumQuality: v1alpha1.QualityHigh}},
			{Name: "M", Limit: 6}, {Name: "L", Limit: 12}, {Name: "Unlimited"},
		},
		Start:    v1alpha1.StartTiers{Unverified: "S", Verified: "M"},
		Counting: v1alpha1.Counting{Measure: v1alpha1.MeasureUniqueUsers, WindowHours: 24},
		Upgrade:  v1alpha1.Upgrade{Measure: v1alpha1.MeasureUniqueUsers, ThresholdPercent: new(int32(100)), WindowHours: 72, MinimumQuality: v1alpha1.QualityHigh, DelayHours: 6},
		Quality:  v1alpha1.QualityRules{WindowHours: 48, MediumPerThousand: 150, LowPerThousand: 400},
	}
	if scope == v1alpha1.ScopeNumber {
		spec.Flag = v1alpha1.FlagRules{GraceHours: 30, RecoveryHours: 20}
		spec.Block = v1alpha1.BlockRules{AfterHours: 70}
	}
	return spec
}

// life is what happens to three numbers that are counted together: deliveries to the same few users again and again, answers,
// complaints, and reports.
type life struct {
	policy  *rules.Policy
	usage   rules.Usage
	events  []time.Time // when anything happens, in order
	reports []report.Report
	// standings are what the portfolio's numbers and templates come to from an instant on; none but for a portfolio.
	standings []standings
	end       time.Time
}

type standings struct {
	from time.Time
	of   []rules.MemberQuality
}

const lifeGroup = "acme"

func drawLife(t *rapid.T, policy *rules.Policy, subject string, kinds map[report.Kind][]string) life {
	counted := ledger.OpenMemory()
	numbers := []string{"+15550100001", "+15550100002", "+15550100003"}
	for _, number := range numbers {
		if err := counted.SetWindows(number, counts.Windows{Service: policy.ServiceWindow, Conversation: policy.Window, CountReached: policy.Member().LowFrom > 0}); err != nil {
			t.Fatal(err)
		}
	}
	if err := counted.SetPortfolio(lifeGroup, numbers); err != nil {
		t.Fatal(err)
	}
	l := life{policy: policy, usage: rules.Exact{Counted: counted.Usage(subject)}}
	now := day1.Add(time.Minute) // the rules begin before anything happens
	for i := range rapid.IntRange(1, 60).Draw(t, "events") {
		// Quarters of an hour, so that events and deadlines often fall on one instant.
		now = now.Add(time.Duration(rapid.IntRange(0, 24).Draw(t, "quarters later")) * 15 * time.Minute)
		l.events = append(l.events, now)
		entry := counts.Entry{Number: rapid.SampledFrom(numbers).Draw(t, "number"), Message: counts.MessageKey(i + 1), At: now.Unix(),
			User: counts.UserKey(rapid.IntRange(1, 14).Draw(t, "user"))}
		switch what := rapid.IntRange(0, 9).Draw(t, "what"); {
		case what < 6:
			entry.Kind = counts.Delivered
		case what < 7:
			entry.Kind = counts.Received
		case what < 8:
			entry.Kind, entry.Complaint = counts.Complained, counts.NewComplaint(v1alpha1.FeedbackBlock, v1alpha1.FeedbackSpam)
		default:
			kind := rapid.SampledFrom(sortedKinds(kinds)).Draw(t, "kind")
			l.reports = append(l.reports, report.Report{Kind: kind, At: now.Unix(), Value: rapid.SampledFrom(kinds[kind]).Draw(t, "value")})
			continue
		}
		if _, err := counted.Append(t.Context(), counts.Batch{Entries: []counts.Entry{entry}}, now); err != nil {
			t.Fatal(err)
		}
	}
	l.end = now.Add(80 * time.Hour)
	return l
}

func sortedKinds(kinds map[report.Kind][]string) []report.Kind {
	var all []report.Kind
	for kind := range kinds {
		all = append(all, kind)
	}
	slices.Sort(all)
	return all
}

// drawStandings lets numbers and templates be rated, and numbers go offline, at some of the life's instants.
func (l *life) drawStandings(t *rapid.T) {
	of := []rules.MemberQuality{{Name: "number a", Rating: v1alpha1.QualityUnknown, Sendable: true}, {Name: "number b", Rating: v1alpha1.QualityUnknown, Sendable: true},
		{Name: "template c", Rating: v1alpha1.QualityUnknown}}
	l.standings = append(l.standings, standings{day1, slices.Clone(of)})
	for _, at := range slices.Compact(slices.Clone(l.events)) {
		if !at.After(day1) || rapid.IntRange(0, 3).Draw(t, "changes") > 0 {
			continue
		}
		who := rapid.IntRange(0, 2).Draw(t, "who")
		one := &of[who]
		one.Rating = rapid.SampledFrom([]v1alpha1.QualityRating{v1alpha1.QualityHigh, v1alpha1.QualityHigh, v1alpha1.QualityMedium, v1alpha1.QualityLow, v1alpha1.QualityUnknown}).Draw(t, "rated")
		one.Sendable = who < 2 && rapid.IntRange(0, 3).Draw(t, "able") > 0
		l.standings = append(l.standings, standings{at, slices.Clone(of)})
	}
}

// play runs the life in steps. Each sees what was reported since the one before and what the numbers come to at each change
// and now, as the controller does; what it concludes lies between the two steps.
func (l *life) play(t *rapid.T, stops []time.Time) (rules.State, []string) {
	state := rules.Initial(l.policy, v1alpha1.Unverified, day1)
	var all []string
	seen := day1.Add(-time.Second)
	for _, stop := range append(slices.Clone(stops), l.end) {
		facts := rules.Facts{HumanEscalation: true, Usage: l.usage}
		for _, r := range l.reports {
			if r.Time().After(seen) && !r.Time().After(stop) {
				facts.Reports = append(facts.Reports, r)
			}
		}
		var last []rules.MemberQuality
		for _, s := range l.standings {
			if s.from.After(stop) {
				break
			}
			if last = s.of; s.from.After(seen) {
				facts.Members = append(facts.Members, together(s.from, s.of))
			}
		}
		if last != nil {
			facts.Members = append(facts.Members, together(stop, last))
		}
		before := state
		var happened []rules.Transition
		var next time.Time
		state, happened, next = rules.Advance(l.policy, &facts, state, stop)
		for i, tr := range happened {
			if tr.Time.Before(before.EvaluatedAt) || tr.Time.After(stop) || i > 0 && tr.Time.Before(happened[i-1].Time) || tr.Message == "" {
				t.Fatalf("between %s and %s it is said: %+v", before.EvaluatedAt, stop, happened)
			}
			all = append(all, fmt.Sprint(tr.Time.Format(time.DateTime), " ", tr.Reason, " ", tr.From, " ", tr.To, ": ", tr.Message))
		}
		if !next.IsZero() && !next.After(stop) {
			t.Fatalf("the next instant %s is not in the future of %s", next, stop)
		}
		seen = stop
	}
	return state, all
}

// holds checks what must hold of every engine that decides over time.
func (l *life) holds(t *rapid.T) {
	state, each := l.play(t, l.events)
	same := func(what string, stops []time.Time) {
		again, seen := l.play(t, stops)
		if !slices.Equal(each, seen) {
			t.Fatalf("%s:\n  %s\nat each event:\n  %s", what, strings.Join(seen, "\n  "), strings.Join(each, "\n  "))
		}
		if again != state {
			t.Fatalf("%s the state is\n%+v\nat each event it is\n%+v", what, again, state)
		}
	}
	same("once more", l.events)
	split := append(slices.Clone(l.events), day1.Add(time.Duration(rapid.IntRange(1, int(l.end.Sub(day1).Minutes())).Draw(t, "split at minute"))*time.Minute))
	slices.SortFunc(split, time.Time.Compare)
	same("with a stop at another instant", split)
	var later []time.Time
	for stop := day1; stop.Before(l.end); stop = stop.Add(time.Duration(rapid.IntRange(1, 40).Draw(t, "hours")) * time.Hour) {
		later = append(later, stop)
	}
	same("looking later", later)
	same("looking once", nil)

	facts := &rules.Facts{HumanEscalation: true, Usage: l.usage}
	settled, more, next := rules.Advance(l.policy, facts, state, l.end)
	if settled != state || len(more) > 0 {
		t.Fatalf("evaluating twice changes something: %v", more)
	}
	if !next.IsZero() {
		if _, more, _ = rules.Advance(l.policy, facts, state, next.Add(-time.Second)); len(more) > 0 {
			t.Fatalf("before the next instant %s: %v", next, more)
		}
	}
}

func TestPortfolioProperties(t *testing.T) {
	policy := sharedPolicy(t, v1alpha1.ScopePortfolio)
	rapid.Check(t, func(t *rapid.T) {
		l := drawLife(t, policy, counts.PortfolioKey(lifeGroup), map[report.Kind][]string{
			report.Limit:        {"3", "6", "12", "7", "Unlimited", "many"},
			report.Verification: {"Verified", "Unverified", "Rejected"},
			report.Increase:     {"Deferred", "Failed", "NeedMoreInfo", "Perhaps"},
			report.Quality:      {"Low"}, // not for a portfolio
		})
		l.policy = policy.Portfolio()
		l.drawStandings(t)
		l.holds(t)
	})
}

func TestMemberProperties(t *testing.T) {
	policy := sharedPolicy(t, v1alpha1.ScopePortfolio)
	rapid.Check(t, func(t *rapid.T) {
		l := drawLife(t, policy, scenarioNumber, ratings)
		l.policy = policy.Member()
		l.holds(t)
	})
}

func TestFeedbackProperties(t *testing.T) {
	policies := []*rules.Policy{sharedPolicy(t, v1alpha1.ScopeNumber), sharedPolicy(t, v1alpha1.ScopePortfolio)}
	rapid.Check(t, func(t *rapid.T) {
		l := drawLife(t, rapid.SampledFrom(policies).Draw(t, "policy"), scenarioNumber, ratings)
		if rapid.Bool().Draw(t, "never rated by Meta") {
			l.reports = slices.DeleteFunc(l.reports, func(r report.Report) bool { return r.Kind == report.Quality })
		}
		l.holds(t)
	})
}

var ratings = map[report.Kind][]string{
	report.Quality:      {"High", "Medium", "Low", "Unknown"},
	report.Connection:   {"Connected", "Offline", "Flagged", "Restricted", "Blocked"},
	report.Limit:        {"3", "6"},
	report.Verification: {"Verified", "Unverified"},
}

func TestTemplateProperties(t *testing.T) {
	policies := []*rules.Policy{shippedPolicy(t, "chat-api"), shippedPolicy(t, "meta-2025"), shippedPolicy(t, "netcore")}
	rapid.Check(t, func(t *rapid.T) {
		policy := rapid.SampledFrom(policies).Draw(t, "policy")
		var reports []report.Report
		now := day1
		for range rapid.IntRange(1, 25).Draw(t, "reports") {
			now = now.Add(time.Duration(rapid.IntRange(0, 48).Draw(t, "half hours later")) * 30 * time.Minute)
			r := report.Report{Kind: report.Quality, At: now.Unix(), Value: rapid.SampledFrom([]string{"High", "Medium", "Low", "Low", "Low", "Unknown", "PURPLE"}).Draw(t, "rating")}
			if rapid.IntRange(0, 2).Draw(t, "kind") == 0 {
				r.Kind, r.Value = report.TemplateState, rapid.SampledFrom([]string{"Approved", "Paused", "Disabled", "Edited", "LOCKED"}).Draw(t, "state")
				r.Reason = rapid.SampledFrom([]string{"", "FIRST_PAUSE", "SECOND_PAUSE", "RATE_LIMITING_PAUSE"}).Draw(t, "reason")
			}
			reports = append(reports, r)
		}
		end := now.Add(10 * 24 * time.Hour)
		play := func(stops []time.Time) (rules.TemplateState, []rules.Transition) {
			state := rules.InitialTemplate(day1)
			var all []rules.Transition
			seen := day1.Add(-time.Second)
			for _, stop := range append(slices.Clone(stops), end) {
				var news []report.Report
				for _, r := range reports {
					if r.Time().After(seen) && !r.Time().After(stop) {
						news = append(news, r)
					}
				}
				before := state
				var happened []rules.Transition
				var next time.Time
				state, happened, next = advanceTemplate(policy, news, state, stop)
				for i, tr := range happened {
					if tr.Time.Before(before.EvaluatedAt) || tr.Time.After(stop) || i > 0 && tr.Time.Before(happened[i-1].Time) || tr.Message == "" {
						t.Fatalf("between %s and %s it is said: %+v", before.EvaluatedAt, stop, happened)
					}
				}
				if !next.IsZero() && !next.After(stop) {
					t.Fatalf("the next instant %s is not in the future of %s", next, stop)
				}
				all = append(all, happened...)
				seen = stop
			}
			return state, all
		}
		var each []time.Time
		for _, r := range reports {
			each = append(each, r.Time())
		}
		each = slices.Compact(each)
		state, transitions := play(each)
		split := append(slices.Clone(each), day1.Add(time.Duration(rapid.IntRange(1, int(end.Sub(day1).Minutes())).Draw(t, "split at minute"))*time.Minute))
		slices.SortFunc(split, time.Time.Compare)
		for _, stops := range [][]time.Time{each, split, nil} {
			if again, seen := play(stops); again != state || !slices.Equal(transitions, seen) {
				t.Fatalf("with stops at %v the story is\n%v\nnot\n%v", stops, seen, transitions)
			}
		}
		settled, more, next := advanceTemplate(policy, nil, state, end)
		if settled != state || len(more) > 0 {
			t.Fatalf("evaluating twice changes something: %v", more)
		}
		if !next.IsZero() {
			if _, more, _ = advanceTemplate(policy, nil, state, next.Add(-time.Second)); len(more) > 0 {
				t.Fatalf("before the next instant %s: %v", next, more)
			}
		}
		if state.Pauses > len(policy.Templates.Pauses) {
			t.Fatalf("paused %d times", state.Pauses)
		}
	})
}
