package rules_test

import (
	"fmt"
	"maps"
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

// fleetLife is what happens to a portfolio of three numbers and two templates, or to a number alone with them.
type fleetLife struct {
	policy  *rules.Policy
	shared  bool
	ledger  *ledger.Ledger
	events  []time.Time
	reports map[string][]report.Report // by the name of a unit
	moves   map[string][]time.Time     // by the name of a unit: when something comes to it
	end     time.Time
}

var fleetNumbers = []string{"+15550100001", "+15550100002", "+15550100003"}

func drawFleetLife(t *rapid.T, policy *rules.Policy) *fleetLife {
	l := &fleetLife{policy: policy, shared: rapid.Bool().Draw(t, "shared"), ledger: ledger.OpenMemory(), reports: map[string][]report.Report{}, moves: map[string][]time.Time{}}
	for _, number := range fleetNumbers {
		if err := l.ledger.SetWindows(number, counts.Windows{Service: policy.ServiceWindow, Conversation: policy.Window, CountReached: policy.LowFrom > 0}); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.ledger.SetPortfolio(lifeGroup, fleetNumbers); err != nil {
		t.Fatal(err)
	}
	kinds := map[string]map[report.Kind][]string{
		"portfolio": {report.Limit: {"3", "6", "12", "Unlimited"}, report.Verification: {"Verified", "Unverified"}, report.Increase: {"Failed"}},
		"number":    {report.Quality: {"High", "Medium", "Low"}, report.Connection: {"Connected", "Offline", "Flagged"}},
		"template":  {report.Quality: {"High", "Medium", "Low", "Low"}, report.TemplateState: {"Approved", "Disabled"}},
	}
	now := day1.Add(time.Minute)
	for i := range rapid.IntRange(1, 60).Draw(t, "events") {
		now = now.Add(time.Duration(rapid.IntRange(0, 16).Draw(t, "quarters later")) * 15 * time.Minute)
		l.events = append(l.events, now)
		entry := counts.Entry{Number: rapid.SampledFrom(fleetNumbers).Draw(t, "number"), Message: counts.MessageKey(i + 1), At: now.Unix(),
			User: counts.UserKey(rapid.IntRange(1, 14).Draw(t, "user"))}
		number := fmt.Sprint("number ", slices.Index(fleetNumbers, entry.Number))
		switch what := rapid.IntRange(0, 9).Draw(t, "what"); {
		case what < 5:
			entry.Kind = counts.Delivered
		case what < 6:
			entry.Kind, entry.Complaint = counts.Complained, counts.NewComplaint(v1alpha1.FeedbackBlock, v1alpha1.FeedbackSpam)
		default:
			name := rapid.SampledFrom([]string{"portfolio", "number 0", "number 1", "number 2", "template a", "template b"}).Draw(t, "whose")
			of := kinds[strings.Fields(name)[0]]
			kind := rapid.SampledFrom(slices.Sorted(maps.Keys(of))).Draw(t, "kind")
			l.reports[name] = append(l.reports[name], report.Report{Kind: kind, At: now.Unix(), Value: rapid.SampledFrom(of[kind]).Draw(t, "value")})
			l.moves[name] = append(l.moves[name], now)
			continue
		}
		l.moves[number] = append(l.moves[number], now)
		if _, err := l.ledger.Append(t.Context(), counts.Batch{Entries: []counts.Entry{entry}}, now); err != nil {
			t.Fatal(err)
		}
	}
	l.end = now.Add(80 * time.Hour)
	return l
}

// written is what the statuses of a fleet remember: states, and up to when reports are in them.
type written struct {
	numbers   map[string]rules.State
	templates map[string]rules.TemplateState
	seen      map[string]time.Time
	next      map[string]time.Time
}

// rest leaves out of a run the members that nothing came to since they were written, and that change by themselves only later.
func (l *fleetLife) rest(f *rules.Fleet, w *written, stop time.Time) {
	atRest := func(name string) bool {
		seen, known := w.seen[name]
		return known && (w.next[name].IsZero() || w.next[name].After(stop)) &&
			!slices.ContainsFunc(l.moves[name], func(at time.Time) bool { return at.After(seen) && !at.After(stop) })
	}
	for _, n := range f.Numbers {
		n.AtRest, n.Next = f.Portfolio != nil && atRest(n.Name), w.next[n.Name]
	}
	for _, t := range f.Templates {
		t.AtRest, t.Next = atRest(t.Name), w.next[t.Name]
	}
}

// fleet reads a fleet from its statuses, and gives it the reports that they do not have.
func (l *fleetLife) fleet(from *written, now time.Time) *rules.Fleet {
	news := func(name string) []report.Report {
		return slices.DeleteFunc(slices.Clone(l.reports[name]), func(r report.Report) bool { return !r.Time().After(from.seen[name]) || r.Time().After(now) })
	}
	unit := func(name, subject string, policy *rules.Policy) *rules.Unit {
		state, known := from.numbers[name]
		if !known {
			state = rules.Initial(policy, v1alpha1.Unverified, day1)
		}
		if name != "portfolio" {
			state.Members = rules.MemberQuality{} // of a number alone nobody remembers it
		}
		return &rules.Unit{Name: name, Policy: policy, State: state,
			Facts: rules.Facts{HumanEscalation: true, Usage: rules.Exact{Counted: l.ledger.Usage(subject)}, Reports: news(name)}}
	}
	f := &rules.Fleet{}
	if l.shared {
		f.Portfolio = unit("portfolio", counts.PortfolioKey(lifeGroup), l.policy.Portfolio())
		for i, number := range fleetNumbers {
			f.Numbers = append(f.Numbers, unit(fmt.Sprint("number ", i), number, l.policy.Member()))
		}
	} else {
		f.Numbers = []*rules.Unit{unit("number 0", fleetNumbers[0], l.policy)}
	}
	for _, name := range []string{"template a", "template b"} {
		state, known := from.templates[name]
		if !known {
			state = rules.InitialTemplate(day1)
		}
		f.Templates = append(f.Templates, &rules.TemplateUnit{Name: name, Policy: l.policy, State: state, Reports: news(name)})
	}
	return f
}

// play looks at the fleet at some instants and writes what it came to, who has the limit first. A write of another may fail: then that
// one goes on from what was written before, and what happened to it is told by the write that succeeds.
func (l *fleetLife) play(stops []time.Time, fails func(name string) bool, rests bool) (*written, []string) {
	w := &written{map[string]rules.State{}, map[string]rules.TemplateState{}, map[string]time.Time{}, map[string]time.Time{}}
	var told []string
	write := func(name string, stop, next time.Time, transitions []rules.Transition) {
		w.seen[name], w.next[name] = stop, next
		for _, tr := range transitions {
			told = append(told, fmt.Sprint(name, ": ", tr.Time.Format(time.DateTime), " ", tr.Reason, " ", tr.From, " ", tr.To, " ", tr.Message))
		}
	}
	for _, stop := range append(slices.Clone(stops), l.end) {
		f := l.fleet(w, stop)
		if rests && !stop.Equal(l.end) {
			l.rest(f, w, stop)
		}
		next := f.Advance(stop)
		limited := f.Portfolio
		if limited == nil {
			limited = f.Numbers[0]
		}
		w.numbers[limited.Name] = limited.State
		write(limited.Name, stop, limited.Next, limited.Transitions)
		for _, n := range f.Numbers {
			if n != limited && (stop.Equal(l.end) || !fails(n.Name)) {
				w.numbers[n.Name] = n.State
				write(n.Name, stop, n.Next, n.Transitions)
			}
		}
		for _, t := range f.Templates {
			if stop.Equal(l.end) || !fails(t.Name) {
				w.templates[t.Name] = t.State
				write(t.Name, stop, t.Next, t.Transitions)
			}
		}
		if !next.IsZero() && !next.After(stop) {
			panic(fmt.Sprintf("the next instant %s is not in the future of %s", next, stop))
		}
	}
	slices.Sort(told)
	return w, told
}

func never(string) bool { return false }

// Whoever looks at a fleet after each event, hours later, or once, sees the same happen; and so does whoever could not write what some
// of its members came to, since who has the limit is written first: then members are played again, and it decides nothing twice. Members
// at rest may be left out.
func TestFleetProperties(t *testing.T) {
	spec := sharedSpec(v1alpha1.ScopePortfolio)
	spec.Tiers[0].Upgrade = v1alpha1.Upgrade{Measure: v1alpha1.MeasureUniqueUsers, Threshold: new(int64(2)), WindowHours: 240, MinimumQuality: v1alpha1.QualityMedium, DelayHours: 12}
	policy, err := rules.Compile("patient", spec)
	if err != nil {
		t.Fatal(err)
	}
	decisions := 0
	rapid.Check(t, func(t *rapid.T) {
		l := drawFleetLife(t, policy)
		is, told := l.play(l.events, never, false)
		same := func(what string, stops []time.Time, fails func(string) bool, rests bool) {
			again, seen := l.play(stops, fails, rests)
			if !slices.Equal(told, seen) {
				t.Fatalf("%s:\n  %s\nat each event:\n  %s", what, strings.Join(seen, "\n  "), strings.Join(told, "\n  "))
			}
			if !maps.Equal(is.numbers, again.numbers) || !maps.Equal(is.templates, again.templates) {
				t.Fatalf("%s:\n%+v\nat each event:\n%+v", what, again, is)
			}
		}
		var later []time.Time
		for stop := day1; stop.Before(l.end); stop = stop.Add(time.Duration(rapid.IntRange(1, 40).Draw(t, "hours")) * time.Hour) {
			later = append(later, stop)
		}
		fails := func(string) bool { return rapid.Bool().Draw(t, "fails") }
		same("looking later", later, never, false)
		same("looking once", nil, never, false)
		same("with writes that fail", l.events, fails, false)
		same("looking later, with writes that fail", later, fails, false)
		same("leaving out members at rest", l.events, never, true)
		same("looking later, leaving out members at rest", later, never, true)
		for _, line := range told {
			if strings.HasPrefix(line, "portfolio") && strings.Contains(line, string(v1alpha1.ReasonUpgradeCancelled)) {
				decisions++
			}
		}
	})
	if decisions < 2 {
		t.Errorf("members cancelled %d upgrades: that says little", decisions)
	}
}

// A portfolio whose number could not be written does not cancel an upgrade once more for a rating that it has seen, and neither misses
// one that came after.
func TestAMemberThatIsPlayedAgainChangesNothing(t *testing.T) {
	policy := shippedPolicy(t, "meta-2025")
	at := func(minutes int) time.Time { return day1.Add(time.Duration(minutes) * time.Minute) }
	usage := deliveries(at(60), 1000)
	number, portfolio := rules.Initial(policy.Member(), "", day1), rules.Initial(policy.Portfolio(), v1alpha1.Verified, day1)
	// advance looks at the fleet and writes the portfolio alone.
	advance := func(minutes int, reports ...report.Report) (said string) {
		f := &rules.Fleet{
			Portfolio: &rules.Unit{Name: "portfolio", Policy: policy.Portfolio(), State: portfolio, Facts: rules.Facts{Verification: v1alpha1.Verified, Usage: usage}},
			Numbers:   []*rules.Unit{{Name: "number shop", Policy: policy.Member(), State: number, Facts: rules.Facts{HumanEscalation: true, Usage: usage, Reports: reports}}},
		}
		f.Advance(at(minutes))
		portfolio = f.Portfolio.State
		return reasonsAt(f.Portfolio.Transitions)
	}
	rated := func(minutes int, rating v1alpha1.QualityRating) report.Report {
		return report.Report{Kind: report.Quality, At: at(minutes).Unix(), Value: string(rating)}
	}
	low, high, again := rated(30, v1alpha1.QualityLow), rated(120, v1alpha1.QualityHigh), rated(180, v1alpha1.QualityLow)
	for _, step := range []struct {
		minutes int
		reports []report.Report
		want    string
	}{
		{90, []report.Report{low}, ""},
		{130, []report.Report{low, high}, "2h0m0s UpgradePending"},
		{150, []report.Report{low, high}, ""},
		{200, []report.Report{low, high, again}, "3h0m0s UpgradeCancelled"},
	} {
		if got := advance(step.minutes, step.reports...); got != step.want {
			t.Errorf("at %d minutes it says %q, not %q", step.minutes, got, step.want)
		}
	}
}
