package simulate

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/scenario"
)

// The scenarios that the rules are tested with, as events, and those of portfolios, templates and feedback, which many numbers
// have together: the simulator must come to every transition at its instant. See internal/scenario for how they are written.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/scenarios/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	ofRules, err := filepath.Glob("../rules/testdata/scenarios/*.txt")
	if err != nil || len(ofRules) == 0 {
		t.Fatalf("no scenarios of the rules: %v", err)
	}
	for _, file := range append(files, ofRules...) {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			s, err := scenario.Read(file)
			if err != nil {
				t.Fatal(err)
			}
			if slices.ContainsFunc(s.Steps, func(s scenario.Step) bool {
				return slices.Contains([]string{"declare", "account", "restriction"}, s.What)
			}) {
				return // what resources declare does not change in a simulation, and no event is about an account
			}
			playScenario(t, file, s)
		})
	}
}

func playScenario(t *testing.T, file string, s *scenario.Scenario) {
	t.Helper()
	config, names := configOf(t, filepath.Dir(file), s)
	events := eventsOf(t, s)
	for _, step := range s.Steps {
		config.Until = latest(config.Until, step.At)
	}
	if len(events) > 0 {
		config.Until = latest(config.Until, events[len(events)-1].at)
	}
	result := played(t, config, events)
	var got []string
	for _, tr := range result.Transitions {
		if tr.Message == "" {
			t.Errorf("%s has no sentence", tr.Reason)
		}
		name, ok := names[tr.Subject]
		if !ok {
			name = tr.Subject
		}
		got = append(got, scenario.Transition(name, tr.Time, string(tr.Reason), tr.From, tr.To))
	}
	if problem := s.Compare(got); problem != "" {
		t.Fatalf("%s: %s", file, problem)
	}

	// What is shown at an instant is what a simulation that ends there ends with.
	for _, step := range s.Steps {
		if step.What != "show" {
			continue
		}
		config.Until = step.At
		ended := played(t, config, events)
		err := step.Shown(func(name, want string) error {
			if got := ended.shows(step.Subject, names, name); got != want && (name != "until" || got != "") {
				return fmt.Errorf("%s is %q, not %q", name, got, want)
			}
			return nil
		})
		if err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func played(t *testing.T, config Config, events []event) Result {
	t.Helper()
	result, err := Run(t.Context(), config, strings.NewReader(written(events)))
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// shows is what the result has of a name of a scenario; empty if it does not have it.
func (r *Result) shows(subject string, names map[string]string, what string) string {
	for _, f := range r.Final {
		if name, ok := names[f.Subject]; ok && name == subject {
			return map[string]string{"state": string(f.State), "tier": f.Tier.Name, "limit": strconv.FormatInt(f.Tier.Limit, 10),
				"quality": string(f.Quality), "used": strconv.FormatInt(f.Used, 10)}[what]
		}
	}
	for _, p := range r.Portfolios {
		if p.Subject == subject {
			return map[string]string{"tier": p.Tier.Name, "limit": strconv.FormatInt(p.Tier.Limit, 10), "quality": string(p.Quality),
				"used": strconv.FormatInt(p.Used, 10), "restricted": strconv.FormatBool(p.Restricted)}[what]
		}
	}
	for _, f := range r.Templates {
		if f.Subject == subject {
			return map[string]string{"state": string(f.State), "quality": string(f.Quality), "pauses": strconv.Itoa(f.Pauses),
				"until": f.Until.Format(time.DateTime)}[what]
		}
	}
	return ""
}

// configOf is the fleet of a scenario, and the names that it has for phone numbers.
func configOf(t *testing.T, dir string, s *scenario.Scenario) (Config, map[string]string) {
	t.Helper()
	var config Config
	if strings.HasSuffix(s.Policy, ".yaml") {
		content, err := os.ReadFile(filepath.Join(dir, s.Policy))
		if err != nil {
			t.Fatal(err)
		}
		if config.Policy, err = ReadPolicy(content); err != nil {
			t.Fatal(err)
		}
	} else {
		config.Policy = shipped(t, s.Policy)
	}
	config.Fleet = &Fleet{}
	names, phones := map[string]string{}, map[string]string{}
	for _, n := range s.Numbers {
		names[n.PhoneNumber], phones[n.Name] = n.Name, n.PhoneNumber
		number := Number{PhoneNumber: n.PhoneNumber, Portfolio: n.Portfolio, HumanEscalation: !n.WithoutHumanEscalation}
		if n.Verified {
			number.Verification = v1alpha1.Verified
		}
		config.Fleet.Numbers = append(config.Fleet.Numbers, number)
	}
	for _, p := range s.Portfolios {
		verification := map[string]v1alpha1.Verification{"verified": v1alpha1.Verified, "unverified": v1alpha1.Unverified}[p.Verification]
		config.Fleet.Portfolios = append(config.Fleet.Portfolios, Portfolio{Name: p.Name, Verification: verification})
	}
	for _, f := range s.Templates {
		declared := Template{Names: []string{f.Name}}
		for _, name := range f.Numbers {
			declared.Numbers = append(declared.Numbers, phones[name])
		}
		config.Fleet.Templates = append(config.Fleet.Templates, declared)
	}
	return config, names
}

// event is an event without its id.
type event struct {
	at         time.Time
	kind, data string
}

// written are events as CloudEvents, one a line.
func written(events []event) string {
	var lines strings.Builder
	for i, e := range events {
		fmt.Fprintf(&lines, `{"specversion":"1.0","id":"%d","source":"/scenario","type":"dev.numberfleet.%s.v1","time":%q,"data":{%s}}`+"\n",
			i, e.kind, e.at.Format(time.RFC3339Nano), e.data)
	}
	return lines.String()
}

// eventsOf are what happens in a scenario, in order of time.
func eventsOf(t *testing.T, s *scenario.Scenario) (events []event) {
	t.Helper()
	phones, portfolios := map[string]string{}, map[string]bool{}
	for _, n := range s.Numbers {
		phones[n.Name] = n.PhoneNumber
		portfolios[n.Portfolio] = n.Portfolio != ""
	}
	messages := 0
	for _, step := range s.Steps {
		about := fmt.Sprintf(`"number":%q`, phones[step.Subject])
		if portfolios[step.Subject] {
			about = fmt.Sprintf(`"portfolio":%q`, step.Subject)
		}
		add := func(at time.Time, kind, format string, args ...any) {
			events = append(events, event{at, kind, about + "," + fmt.Sprintf(format, args...)})
		}
		if slices.Contains([]string{"many", "-1", "LINKED"}, step.Rest[0]) {
			continue // words that events cannot have
		}
		switch step.What {
		case "show":
		case "deliver", "receive", "complain":
			moments, err := step.Moments()
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range moments {
				messages++
				switch template, ok := step.After("of"); {
				case step.What == "receive":
					add(m.At, "message.received", `"user":"US.%d"`, m.User)
				case step.What == "complain":
					add(m.At, "feedback.received", `"user":"US.%d","kind":%q,"reason":%q`, m.User, step.Rest[1], step.Rest[2])
				case ok:
					add(m.At, "message.delivered", `"user":"US.%d","messageID":"m%d","template":%q`, m.User, messages, template)
				default:
					add(m.At, "message.delivered", `"user":"US.%d","messageID":"m%d"`, m.User, messages)
				}
			}
		case "quality":
			add(step.At, "quality.reported", `"rating":%q,"reason":%q`, step.Rest[0], strings.Join(step.Rest[1:], " "))
		case "limit":
			if step.Rest[0] == "Unlimited" {
				add(step.At, "limit.reported", `"more":0`)
			} else {
				add(step.At, "limit.reported", `"limit":%s`, step.Rest[0])
			}
		case "connection":
			add(step.At, "connection.reported", `"state":%q`, step.Rest[0])
		case "verification":
			add(step.At, "verification.reported", `"business":%q`, step.Rest[0])
		case "report":
			about = fmt.Sprintf(`"template":%q`, step.Subject)
			if number, ok := step.After("by"); ok {
				about += fmt.Sprintf(`,"number":%q`, phones[number])
			}
			for _, word := range step.Rest {
				switch word {
				case "High", "Medium", "Low", "Unknown":
					about += fmt.Sprintf(`,"rating":%q`, word)
				case "Approved", "Paused", "Disabled", "Edited":
					about += fmt.Sprintf(`,"state":%q`, word)
				}
			}
			add(step.At, "template.reported", `"more":0`)
		default:
			t.Fatalf("line %d: unknown word %q", step.Line, step.What)
		}
	}
	slices.SortStableFunc(events, func(a, b event) int { return a.at.Compare(b.at) })
	return events
}

// Whatever the events of several numbers, what is concluded is in order of time, and of each number the same as if it were alone.
func TestNumbersAreIndependentAndInOrder(t *testing.T) {
	content := deliveries(20_000, 37*time.Second)
	policy := shipped(t, "meta-2023")
	all, err := Run(t.Context(), Config{Policy: policy}, bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	if len(all.Transitions) < 40 || len(all.Final) != 20 {
		t.Fatalf("%d transitions of %d numbers say little", len(all.Transitions), len(all.Final))
	}
	if !slices.IsSortedFunc(all.Transitions, func(a, b Transition) int { return a.Time.Compare(b.Time) }) {
		t.Error("the transitions are not in order of time")
	}
	if !slices.IsSortedFunc(all.Final, func(a, b Final) int { return cmp.Compare(a.Subject, b.Subject) }) {
		t.Error("the numbers are not in order")
	}
	for _, final := range all.Final {
		var alone bytes.Buffer
		for line := range bytes.Lines(content) {
			if bytes.Contains(line, []byte(final.Subject)) {
				alone.Write(line)
			}
		}
		one, err := Run(t.Context(), Config{Policy: policy, Until: final.Time}, &alone)
		if err != nil {
			t.Fatal(err)
		}
		of := slices.DeleteFunc(slices.Clone(all.Transitions), func(tr Transition) bool { return tr.Subject != final.Subject })
		if !slices.Equal(of, one.Transitions) || one.Final[0] != final {
			t.Errorf("%s is not the same alone", final.Subject)
		}
	}
}
