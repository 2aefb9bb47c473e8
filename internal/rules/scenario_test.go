package rules_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/rules"
	"numberfleet.dev/numberfleet/internal/scenario"
)

// Each timeline is some weeks in the life of a number under a shipped policy, and says every transition with its instant.
// See internal/scenario for how it is written.
func TestTimelines(t *testing.T) {
	files, err := filepath.Glob("testdata/scenarios/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no timelines: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			playScenario(t, file)
		})
	}
}

// day1 is the first day of every timeline.
var day1 = scenario.Day1

const scenarioNumber = "+15550100001"

func playScenario(t *testing.T, file string) {
	t.Helper()
	s, err := scenario.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	policy, l := shippedPolicy(t, s.Policy), ledger.OpenMemory()
	if err := l.SetWindows(scenarioNumber, counts.Windows{Service: policy.ServiceWindow, Conversation: policy.Window}); err != nil {
		t.Fatal(err)
	}
	number := s.Numbers[0]
	p := player{t: t, file: filepath.Base(file), policy: policy, ledger: l, facts: rules.Facts{
		HumanEscalation: !number.WithoutHumanEscalation,
		Usage:           rules.Exact{Counted: l.Usage(scenarioNumber)},
	}}
	if number.Verified {
		p.facts.Verification = v1alpha1.Verified
	}
	p.state = rules.Initial(policy, p.facts.Verification, day1)
	for _, step := range s.Steps {
		p.line = step.Line
		p.play(step)
	}
	if problem := s.Compare(p.got); problem != "" {
		t.Fatalf("%s: %s", p.file, problem)
	}
}

type player struct {
	t    *testing.T
	file string
	line int

	policy   *rules.Policy
	facts    rules.Facts
	ledger   *ledger.Ledger
	state    rules.State
	messages int
	got      []string
}

func (p *player) failf(format string, args ...any) {
	p.t.Helper()
	p.t.Fatalf("%s:%d: %s", p.file, p.line, fmt.Sprintf(format, args...))
}

func (p *player) play(step scenario.Step) {
	p.t.Helper()
	switch step.What {
	case "deliver":
		for _, m := range p.moments(step) {
			p.messages++
			p.record(counts.Entry{Kind: counts.Delivered, User: counts.UserKey(m.User), Message: counts.MessageKey(p.messages), At: m.At.Unix()})
		}
	case "receive":
		for _, m := range p.moments(step) {
			p.record(counts.Entry{Kind: counts.Received, User: counts.UserKey(m.User), At: m.At.Unix()})
		}
	case "quality", "limit", "connection", "verification":
		kind := map[string]report.Kind{"quality": report.Quality, "limit": report.Limit,
			"connection": report.Connection, "verification": report.Verification}[step.What]
		p.facts.Reports = []report.Report{{Kind: kind, At: step.At.Unix(), Value: step.Rest[0], Reason: strings.Join(step.Rest[1:], " ")}}
		p.advance(step.At)
		p.facts.Reports = nil
	case "account", "restriction":
		said := report.Report{Kind: report.AccountConnection, At: step.At.Unix(), Value: step.Rest[0], Reason: strings.Join(step.Rest[1:], " ")}
		if step.What == "restriction" {
			said = report.Report{Kind: report.Restriction, At: step.At.Unix(), Value: step.Rest[0]}
			if len(step.Rest) == 5 { // until day N and a time
				until, err := scenario.Instant(step.Rest[3], step.Rest[4])
				if err != nil {
					p.failf("%v", err)
				}
				said.Until = until.Unix()
			}
		}
		p.facts.Reports = []report.Report{said}
		p.advance(step.At)
		p.facts.Reports = nil
	case "declare":
		p.facts.HumanEscalation = step.Rest[0] == "human-escalation"
		p.advance(step.At)
	case "show":
		p.advance(step.At)
		p.show(step)
	default:
		p.failf("unknown word %q", step.What)
	}
}

func (p *player) moments(step scenario.Step) []scenario.Moment {
	p.t.Helper()
	moments, err := step.Moments()
	if err != nil {
		p.failf("%v", err)
	}
	return moments
}

func (p *player) record(entry counts.Entry) {
	p.t.Helper()
	entry.Number = scenarioNumber
	at := time.Unix(entry.At, 0).UTC()
	if _, err := p.ledger.Append(context.Background(), counts.Batch{Entries: []counts.Entry{entry}}, at); err != nil {
		p.failf("%v", err)
	}
	p.advance(at)
}

func (p *player) advance(to time.Time) {
	p.t.Helper()
	if to.Before(p.state.EvaluatedAt) {
		p.failf("%s lies before what was played already", to.Format(time.DateTime))
	}
	state, transitions, next := rules.Advance(p.policy, &p.facts, p.state, to)
	p.state = state
	if !next.IsZero() && !next.After(to) {
		p.failf("the next instant %s is not after %s", next, to)
	}
	for _, tr := range transitions {
		line := scenario.Transition("", tr.Time, string(tr.Reason), tr.From, tr.To)
		if tr.Message == "" {
			p.failf("%s has no sentence", line)
		}
		p.got = append(p.got, line)
	}
}

func (p *player) show(step scenario.Step) {
	p.t.Helper()
	err := step.Shown(func(name, want string) error {
		got, ok := map[string]string{
			"state":   string(p.state.Shown()),
			"tier":    p.state.Tier.Name,
			"limit":   strconv.FormatInt(p.state.Tier.Limit, 10),
			"quality": string(p.state.Rating),
			"used":    strconv.FormatInt(rules.Used(p.policy, p.facts.Usage, step.At), 10),
			"until":   p.state.RestrictedUntil.Format(time.DateTime),
		}[name]
		if !ok || got != want {
			return fmt.Errorf("%s is %q, not %q", name, got, want)
		}
		return nil
	})
	if err != nil {
		p.failf("%v", err)
	}
}

// shippedPolicy reads a policy as it ships.
func shippedPolicy(t testing.TB, name string) *rules.Policy {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", "..", "config", "policies", name+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var resource v1alpha1.MessagingPolicy
	if err := yaml.UnmarshalStrict(content, &resource); err != nil {
		t.Fatal(err)
	}
	policy, err := rules.Compile(resource.Name, &resource.Spec)
	if err != nil {
		t.Fatal(err)
	}
	return policy
}
