package simulate

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/rules"
)

func policyFile(t testing.TB, file string) Policy {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	policy, err := ReadPolicy(content)
	if err != nil {
		t.Fatal(err)
	}
	return policy
}

// smallWith is the policy small with something else in place of what matches within its lines, pair by pair.
func smallWith(t testing.TB, changes ...string) Policy {
	t.Helper()
	content, err := os.ReadFile("testdata/scenarios/small.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(changes); i += 2 {
		content = regexp.MustCompile(changes[i]).ReplaceAll(content, []byte(changes[i+1]))
	}
	policy, err := ReadPolicy(content)
	if err != nil {
		t.Fatal(err)
	}
	return policy
}

// drawEvents draws some days of numbers: deliveries, replies, feedback and reports, often several at one instant, and at instants
// at which deadlines fall. Reports of templates are as far from everything else as apart says.
func drawEvents(t *rapid.T, numbers []string, apart time.Duration) (events []event) {
	now := day(2)
	for i := range rapid.IntRange(1, 120).Draw(t, "events") {
		now = now.Add(time.Duration(rapid.SampledFrom([]int{0, 0, 0, 1, 10, 60, 120, 360, 1440}).Draw(t, "minutes later")) * time.Minute)
		number := rapid.SampledFrom(numbers).Draw(t, "number")
		user := rapid.IntRange(1, 30).Draw(t, "user")
		add := func(kind, format string, args ...any) {
			events = append(events, event{now, kind, fmt.Sprintf(`"number":%q,`, number) + fmt.Sprintf(format, args...)})
		}
		rating := func() string {
			return rapid.SampledFrom([]string{"High", "High", "Medium", "Low", "Unknown"}).Draw(t, "rating")
		}
		switch rapid.SampledFrom([]string{"deliver", "deliver", "deliver", "deliver", "deliver", "template", "receive", "complain", "quality", "limit", "connection",
			"verification", "report"}).Draw(t, "what") {
		case "deliver":
			for j := range rapid.IntRange(1, 6).Draw(t, "users") {
				add("message.delivered", `"user":"US.%d","messageID":"m%d-%d"`, (user+j)%30, i, j)
			}
		case "template":
			add("message.delivered", `"user":"US.%d","messageID":"m%d","template":"promo"`, user, i)
		case "receive":
			add("message.received", `"user":"US.%d"`, user)
		case "complain":
			add("feedback.received", `"user":"US.%d","kind":"Block","reason":"Spam"`, user)
		case "quality":
			add("quality.reported", `"rating":%q`, rating())
		case "limit":
			add("limit.reported", `"limit":%d`, rapid.SampledFrom([]int{5, 10, 20, 100}).Draw(t, "limit"))
		case "connection":
			add("connection.reported", `"state":%q`, rapid.SampledFrom([]string{"Connected", "Connected", "Offline", "Pending"}).Draw(t, "state"))
		case "verification":
			add("verification.reported", `"business":%q`, rapid.SampledFrom([]string{"Verified", "Unverified"}).Draw(t, "business"))
		case "report":
			now = now.Add(apart)
			switch rapid.IntRange(1, 3).Draw(t, "of") {
			case 1:
				add("template.reported", `"template":"promo","rating":%q`, rating())
			case 2:
				add("template.reported", `"template":"promo","state":%q`, rapid.SampledFrom([]string{"Approved", "Paused", "Disabled", "Edited"}).Draw(t, "state"))
			case 3:
				add("template.reported", `"template":"promo","rating":%q,"state":"Edited"`, rating())
			}
			now = now.Add(apart)
		}
	}
	return events
}

func mustRun(t *rapid.T, config Config, lines string) Result {
	result, err := Run(t.Context(), config, strings.NewReader(lines))
	if err != nil {
		t.Fatalf("%v\n%s", err, lines)
	}
	return result
}

func wording(result Result) (lines []string) {
	for _, tr := range result.Transitions {
		lines = append(lines, fmt.Sprint(tr.Time.Format(time.DateTime), " ", tr.Subject, " ", tr.Reason, " ", tr.From, " ", tr.To, " ", tr.Message))
	}
	return lines
}

func same(t *rapid.T, what string, a, b []string) {
	if !slices.Equal(a, b) {
		t.Fatalf("%s:\n  %s\n\n  %s", what, strings.Join(a, "\n  "), strings.Join(b, "\n  "))
	}
}

func drawConfig(t *rapid.T, small, careful Policy) Config {
	config := Config{Policy: rapid.SampledFrom([]Policy{small, small, small, careful}).Draw(t, "policy")}
	config.Fleet = &Fleet{
		Numbers:    []Number{{PhoneNumber: first, Portfolio: "acme", HumanEscalation: true}, {PhoneNumber: second, Portfolio: "acme", HumanEscalation: true}},
		Portfolios: []Portfolio{{Name: "acme", Verification: rapid.SampledFrom([]v1alpha1.Verification{"", v1alpha1.Verified}).Draw(t, "verification")}},
	}
	return config
}

func TestSimulationProperties(t *testing.T) {
	small, careful := policyFile(t, "testdata/scenarios/small.yaml"), policyFile(t, "testdata/scenarios/careful.yaml")
	said := map[v1alpha1.TransitionReason]int{}
	rapid.Check(t, func(t *rapid.T) {
		config := drawConfig(t, small, careful)
		events := drawEvents(t, []string{first, second, "+15550100003"}, 0)
		config.Until = events[len(events)-1].at.AddDate(0, 0, rapid.IntRange(0, 5).Draw(t, "days after"))
		lines := written(events)
		whole := mustRun(t, config, lines)
		for _, tr := range whole.Transitions {
			said[tr.Reason]++
		}
		if !slices.IsSortedFunc(whole.Transitions, func(a, b Transition) int { return a.Time.Compare(b.Time) }) {
			t.Fatalf("not in order of time:\n%s", strings.Join(wording(whole), "\n"))
		}

		// What comes again changes nothing, wherever it comes again.
		once := strings.SplitAfter(lines, "\n")
		again := slices.Clone(once)
		for range rapid.IntRange(1, 5).Draw(t, "repeats") {
			i := rapid.IntRange(0, len(once)-1).Draw(t, "repeated")
			again = slices.Insert(again, slices.Index(again, once[i])+rapid.IntRange(1, len(once)-i).Draw(t, "later"), once[i])
		}
		same(t, "repeated", wording(whole), wording(mustRun(t, config, strings.Join(again, ""))))

		// Whoever stops earlier sees the same up to there. And what is shown there is true to the counts.
		for range 4 {
			stop := config
			stop.Until = events[rapid.IntRange(0, len(events)-1).Draw(t, "stop after")].at.Add(time.Duration(rapid.IntRange(0, 3).Draw(t, "hours")) * time.Hour)
			if stop.Until.After(config.Until) {
				continue
			}
			part := mustRun(t, stop, lines)
			var until []string
			for i, tr := range whole.Transitions {
				if !tr.Time.After(stop.Until) {
					until = append(until, wording(whole)[i])
				}
			}
			same(t, "stopped at "+stop.Until.String(), until, wording(part))
			for _, f := range part.Final {
				reached := f.Tier.Limit != rules.Unlimited && f.Used >= f.Tier.Limit
				if able := f.State == v1alpha1.StateConnected || f.State == v1alpha1.StateFlagged; reached && able || !reached && f.State == v1alpha1.StateRestricted {
					t.Fatalf("at %s: %+v", stop.Until, f)
				}
			}
		}

		// Nobody can tell in which order the messages of one second were delivered.
		shuffled := slices.Clone(events)
		for i := 1; i < len(shuffled); i++ {
			delivered := func(e event) bool { return e.kind == "message.delivered" && !strings.Contains(e.data, "template") }
			if a, b := shuffled[i-1], shuffled[i]; a.at.Equal(b.at) && delivered(a) && delivered(b) && rapid.Bool().Draw(t, "swap") {
				shuffled[i-1], shuffled[i] = b, a
			}
		}
		ends := mustRun(t, config, written(shuffled))
		for i, f := range ends.Final {
			if f != whole.Final[i] {
				t.Fatalf("in another order %+v, not %+v", f, whole.Final[i])
			}
		}
	})
	for _, reason := range []v1alpha1.TransitionReason{v1alpha1.ReasonTierUpgraded, v1alpha1.ReasonUpgradePending, v1alpha1.ReasonUpgradeCancelled, v1alpha1.ReasonQualityChanged,
		v1alpha1.ReasonRestricted, v1alpha1.ReasonRestrictionLifted, v1alpha1.ReasonLimitReported, v1alpha1.ReasonTemplatePaused, v1alpha1.ReasonTemplateResumed} {
		if said[reason] < 5 {
			t.Errorf("%s was said %d times: that says little", reason, said[reason])
		}
	}
}

// A portfolio of one number is that number: all happens at the same instants, whether it is said of the one or the other. Its
// ratings are reported here, and its templates' apart from all else: a number waits for all events at instants of which its
// portfolio knows nothing, and the other way round, and then the order of what happens within the second may be another.
func TestAPortfolioOfOneNumberIsThatNumber(t *testing.T) {
	reported := smallWith(t, ".*PerThousand.*", "")
	rapid.Check(t, func(t *rapid.T) {
		events := drawEvents(t, []string{first}, time.Second)
		config := Config{Policy: reported, Until: events[len(events)-1].at.AddDate(0, 0, 5)}
		config.Fleet = &Fleet{Numbers: []Number{{PhoneNumber: first, HumanEscalation: true}}}
		alone := mustRun(t, config, written(events))
		config.Fleet = &Fleet{Numbers: []Number{{PhoneNumber: first, Portfolio: "acme", HumanEscalation: true}}}
		shared := mustRun(t, config, written(events))
		happened := func(r Result) (lines []string) {
			for _, tr := range r.Transitions {
				lines = append(lines, fmt.Sprint(tr.Time.Format(time.DateTime), " ", tr.Reason, " ", tr.From, " ", tr.To))
			}
			slices.Sort(lines)
			return lines
		}
		same(t, "shared, and alone", happened(shared), happened(alone))
		if shared.Final[0] != alone.Final[0] {
			t.Fatalf("%+v, alone %+v", shared.Final[0], alone.Final[0])
		}
	})
}
