package rules_test

import (
	"bufio"
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
	"numberfleet.dev/numberfleet/internal/rules"
)

// Each timeline is some weeks in the life of a number under a shipped policy, and says every transition with its instant.
//
// A line is an instant and what happens then, or, after "=>", what the rules must conclude at that instant:
//
//	day 1 09:00:00     deliver 1..1000 over 10m     a message reaches each of these users, spread evenly over 10 minutes
//	day 1 09:00:00     receive 5..5                 these users write to the number
//	day 1 09:00:00     quality Low                  Meta reports a rating; likewise limit, connection, verification
//	day 1 09:00:00     show state Flagged, tier 1   what is shown at this instant
//	day 1 09:09:59     => TierUpgraded 1 -> 2
func TestTimelines(t *testing.T) {
	files, err := filepath.Glob("testdata/timelines/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no timelines: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			playTimeline(t, file)
		})
	}
}

// day1 is the first day of every timeline.
var day1 = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

const timelineNumber = "+15550100001"

func playTimeline(t *testing.T, file string) {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	p := player{t: t, file: filepath.Base(file), facts: rules.Facts{HumanEscalation: true}}
	scanner := bufio.NewScanner(strings.NewReader(string(content)))
	for n := 1; scanner.Scan(); n++ {
		line, _, _ := strings.Cut(scanner.Text(), "#")
		if fields := strings.Fields(line); len(fields) > 0 {
			p.line = n
			p.play(fields)
		}
	}
	p.finish()
}

type player struct {
	t    *testing.T
	file string
	line int

	policy   *rules.Policy
	facts    rules.Facts
	ledger   ledger.Ledger
	state    rules.State
	messages int
	started  bool
	want     []string
	got      []string
}

func (p *player) failf(format string, args ...any) {
	p.t.Helper()
	p.t.Fatalf("%s:%d: %s", p.file, p.line, fmt.Sprintf(format, args...))
}

func (p *player) play(fields []string) {
	p.t.Helper()
	switch fields[0] {
	case "policy":
		p.policy = shippedPolicy(p.t, fields[1])
		p.ledger = ledger.OpenMemory()
		p.facts.Usage = ledger.Subject{Ledger: p.ledger, Name: timelineNumber}
		err := p.ledger.Configure(timelineNumber, ledger.Windows{Service: p.policy.ServiceWindow, Conversation: p.policy.Window})
		if err != nil {
			p.failf("%v", err)
		}
	case "verified":
		p.facts.Verification = v1alpha1.Verified
	case "without-human-escalation":
		p.facts.HumanEscalation = false
	case "day":
		if !p.started {
			p.started = true
			p.state = rules.Initial(p.policy, p.facts.Verification, day1)
		}
		p.at(p.instant(fields[1], fields[2]), fields[3], fields[4:])
	default:
		p.failf("unknown word %q", fields[0])
	}
}

func (p *player) instant(day, clock string) time.Time {
	p.t.Helper()
	n, err := strconv.Atoi(day)
	if err != nil {
		p.failf("day %q: %v", day, err)
	}
	of, err := time.Parse(time.TimeOnly, clock)
	if err != nil {
		p.failf("time %q: %v", clock, err)
	}
	return day1.AddDate(0, 0, n-1).Add(of.Sub(of.Truncate(24 * time.Hour)))
}

func (p *player) at(at time.Time, what string, rest []string) {
	p.t.Helper()
	switch what {
	case "=>":
		p.want = append(p.want, at.Format(time.DateTime)+" "+strings.Join(rest, " "))
	case "deliver":
		users := p.users(rest[0])
		var over time.Duration
		if len(rest) == 3 {
			over = p.duration(rest[2])
		}
		for i, user := range users {
			p.messages++
			p.record(ledger.Entry{Kind: ledger.Delivered, User: user, Message: ledger.MessageKey(p.messages),
				At: at.Add(over * time.Duration(i) / time.Duration(len(users))).Unix()})
		}
	case "receive":
		for _, user := range p.users(rest[0]) {
			p.record(ledger.Entry{Kind: ledger.Received, User: user, At: at.Unix()})
		}
	case "quality", "limit", "connection", "verification":
		kind := map[string]rules.ReportKind{"quality": rules.ReportQuality, "limit": rules.ReportLimit,
			"connection": rules.ReportConnection, "verification": rules.ReportVerification}[what]
		p.facts.Reports = []rules.Report{{Kind: kind, At: at, Value: rest[0], Reason: strings.Join(rest[1:], " ")}}
		p.advance(at)
		p.facts.Reports = nil
	case "declare":
		p.facts.HumanEscalation = rest[0] == "human-escalation"
		p.advance(at)
	case "show":
		p.advance(at)
		p.show(at, strings.Join(rest, " "))
	default:
		p.failf("unknown word %q", what)
	}
}

func (p *player) users(span string) []ledger.UserKey {
	p.t.Helper()
	var from, to int
	if _, err := fmt.Sscanf(span, "%d..%d", &from, &to); err != nil {
		p.failf("users %q: %v", span, err)
	}
	users := make([]ledger.UserKey, 0, to-from+1)
	for user := from; user <= to; user++ {
		users = append(users, ledger.UserKey(user))
	}
	return users
}

func (p *player) duration(text string) time.Duration {
	p.t.Helper()
	d, err := time.ParseDuration(text)
	if err != nil {
		p.failf("%v", err)
	}
	return d
}

func (p *player) record(entry ledger.Entry) {
	p.t.Helper()
	entry.Number = timelineNumber
	at := time.Unix(entry.At, 0).UTC()
	if _, err := p.ledger.Append(context.Background(), ledger.Batch{Entries: []ledger.Entry{entry}}, at); err != nil {
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
		line := tr.Time.Format(time.DateTime) + " " + string(tr.Reason)
		if tr.From != "" || tr.To != "" {
			line += " " + tr.From + " -> " + tr.To
		}
		if tr.Message == "" {
			p.failf("%s has no sentence", line)
		}
		p.got = append(p.got, line)
	}
}

func (p *player) show(at time.Time, what string) {
	p.t.Helper()
	for pair := range strings.SplitSeq(what, ",") {
		name, want, _ := strings.Cut(strings.TrimSpace(pair), " ")
		var got string
		switch name {
		case "state":
			got = string(p.state.Shown())
		case "tier":
			got = p.state.Tier.Name
		case "limit":
			got = strconv.FormatInt(p.state.Tier.Limit, 10)
		case "quality":
			got = string(p.state.Rating)
		case "used":
			got = strconv.FormatInt(rules.Used(p.policy, p.facts.Usage, at), 10)
		case "until":
			got = p.state.RestrictedUntil.Format(time.DateTime)
			day, clock, _ := strings.Cut(strings.TrimPrefix(want, "day "), " ")
			want = p.instant(day, clock).Format(time.DateTime)
		default:
			p.failf("unknown word %q", name)
		}
		if got != want {
			p.failf("%s is %q, not %q", name, got, want)
		}
	}
}

func (p *player) finish() {
	p.t.Helper()
	for i := range max(len(p.want), len(p.got)) {
		want, got := "nothing more", "nothing more"
		if i < len(p.want) {
			want = p.want[i]
		}
		if i < len(p.got) {
			got = p.got[i]
		}
		if want != got {
			p.t.Fatalf("%s: transition %d:\n  want %s\n  got  %s\nall of them:\n  %s", p.file, i+1, want, got, strings.Join(p.got, "\n  "))
		}
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
