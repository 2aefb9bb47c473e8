// Package scenario reads the scenarios that the rules and the simulator are tested with: some weeks in the life of numbers,
// their portfolios and templates under a policy, with every transition and its instant.
//
// Without a name a scenario is about one number. With names, each line says whom it is about:
//
//	policy meta-2025                                a shipped policy, or a file beside the scenario
//	verified                                        the business of the one number; likewise without-human-escalation
//	portfolio acme verified                         a portfolio that declares its verification itself
//	number shop of acme verified                    a number, by a name of the scenario; a portfolio of its own without "of"
//	template promo of shop support                  declared to be sent by these numbers
//
//	day 1 09:00:00     deliver 1..1000 over 10m     a message reaches each of these users, spread evenly over 10 minutes
//	day 1 09:00:00     shop: deliver 5..5 of promo  a message of a template
//	day 1 09:00:00     receive 5..5                 these users write to the number
//	day 1 09:00:00     complain 5..7 Block Spam     these users block it, for spam
//	day 1 09:00:00     quality Low                  Meta reports a rating; likewise limit, connection, verification
//	day 1 09:00:00     account Blocked DISABLE      Meta reports of the number's account, with the event
//	day 1 09:00:00     restriction RESTRICTED_BIZ_INITIATED_MESSAGING until day 4 09:00:00
//	day 1 09:00:00     promo: report Low Paused     Meta reports of a template a rating, a state or both
//	day 1 09:00:00     promo: report Low by shop    and which number sends it
//	day 1 09:00:00     declare human-escalation     the resource says so from now on
//	day 1 09:00:00     show state Flagged, tier 1   what is shown at this instant
//	day 1 09:09:59     => TierUpgraded 1 -> 2       what the rules must conclude; "=>" takes a name before it as well
package scenario

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Day1 is the first day of every scenario.
var Day1 = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// Scenario is what happens to numbers, and what the rules must conclude, as a file says it.
type Scenario struct {
	Policy     string
	Numbers    []Number // one without a name if the scenario names none
	Portfolios []Portfolio
	Templates  []Template
	Steps      []Step
	// Want are the transitions, as Transition writes them.
	Want []string
}

// Number is a number of a scenario.
type Number struct {
	Name, Portfolio        string
	PhoneNumber            string
	Verified               bool
	WithoutHumanEscalation bool
}

// Portfolio is a portfolio with a manifest.
type Portfolio struct {
	Name         string
	Verification string
}

// Template is a template with a manifest.
type Template struct {
	Name    string
	Numbers []string
}

// Step is one line: what happens, or is shown.
type Step struct {
	Line    int
	At      time.Time
	Subject string // a name of the scenario; empty for the one number
	What    string
	Rest    []string
}

// Read reads a scenario from a file.
func Read(file string) (*Scenario, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	s := &Scenario{}
	one := Number{PhoneNumber: phoneNumber(1)}
	lines := bufio.NewScanner(bytes.NewReader(content))
	for n := 1; lines.Scan(); n++ {
		text, _, _ := strings.Cut(lines.Text(), "#")
		words := strings.Fields(text)
		if len(words) == 0 {
			continue
		}
		if err := s.take(n, words, &one); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", file, n, err)
		}
	}
	if len(s.Numbers) == 0 {
		s.Numbers = []Number{one}
	}
	return s, nil
}

func phoneNumber(n int) string { return fmt.Sprintf("+1555010%04d", n) }

func (s *Scenario) take(line int, words []string, one *Number) error {
	switch words[0] {
	case "verified":
		one.Verified = true
		return nil
	case "without-human-escalation":
		one.WithoutHumanEscalation = true
		return nil
	}
	if len(words) < 2 {
		return fmt.Errorf("nothing follows %q", words[0])
	}
	switch words[0] {
	case "policy":
		s.Policy = words[1]
	case "portfolio":
		s.Portfolios = append(s.Portfolios, Portfolio{Name: words[1], Verification: strings.Join(words[2:], " ")})
	case "template":
		s.Templates = append(s.Templates, Template{Name: words[1], Numbers: words[3:]})
	case "number":
		n := Number{Name: words[1], PhoneNumber: phoneNumber(len(s.Numbers) + 1)}
		n.Verified = slices.Contains(words, "verified")
		n.WithoutHumanEscalation = slices.Contains(words, "without-human-escalation")
		if len(words) > 3 && words[2] == "of" {
			n.Portfolio = words[3]
		}
		s.Numbers = append(s.Numbers, n)
	case "day":
		return s.day(line, words[1:])
	default:
		return fmt.Errorf("unknown word %q", words[0])
	}
	return nil
}

func (s *Scenario) day(line int, words []string) error {
	if len(words) < 3 {
		return fmt.Errorf("a day and a time must be followed by what happens")
	}
	at, err := Instant(words[0], words[1])
	if err != nil {
		return err
	}
	subject, words := "", words[2:]
	if name, ok := strings.CutSuffix(words[0], ":"); ok {
		subject, words = name, words[1:]
	}
	if len(words) < 2 {
		return fmt.Errorf("nothing follows %q", words[0])
	}
	if words[0] == "=>" {
		from, to := "", ""
		if len(words) == 5 && words[3] == "->" {
			from, to = words[2], words[4]
		}
		s.Want = append(s.Want, Transition(subject, at, words[1], from, to))
		return nil
	}
	s.Steps = append(s.Steps, Step{Line: line, At: at, Subject: subject, What: words[0], Rest: words[1:]})
	return nil
}

// Instant is an instant of a scenario: a day, from 1, and the time of day.
func Instant(day, clock string) (time.Time, error) {
	n, err := strconv.Atoi(day)
	if err != nil {
		return time.Time{}, fmt.Errorf("day %q: %w", day, err)
	}
	of, err := time.Parse(time.TimeOnly, clock)
	if err != nil {
		return time.Time{}, err
	}
	return Day1.AddDate(0, 0, n-1).Add(of.Sub(of.Truncate(24 * time.Hour))), nil
}

// Transition writes a transition in one line.
func Transition(subject string, at time.Time, reason, from, to string) string {
	text := at.Format(time.DateTime) + " "
	if subject != "" {
		text += subject + ": "
	}
	text += reason
	if from != "" || to != "" {
		text += " " + from + " -> " + to
	}
	return text
}

// Moment is when something happens with one user.
type Moment struct {
	At   time.Time
	User int
}

// Moments are those of a step with users, such as "1..1000 over 10m".
func (s Step) Moments() ([]Moment, error) {
	var from, to int
	if _, err := fmt.Sscanf(s.Rest[0], "%d..%d", &from, &to); err != nil || to < from {
		return nil, fmt.Errorf("line %d: users %q: must be like 1..5", s.Line, s.Rest[0])
	}
	var over time.Duration
	if text, ok := s.After("over"); ok {
		var err error
		if over, err = time.ParseDuration(text); err != nil {
			return nil, fmt.Errorf("line %d: %w", s.Line, err)
		}
	}
	moments := make([]Moment, 0, to-from+1)
	for user := from; user <= to; user++ {
		moments = append(moments, Moment{At: s.At.Add(over * time.Duration(user-from) / time.Duration(to-from+1)), User: user})
	}
	return moments, nil
}

// After is the word of a step after another one.
func (s Step) After(word string) (string, bool) {
	if i := slices.Index(s.Rest, word); i >= 0 && i+1 < len(s.Rest) {
		return s.Rest[i+1], true
	}
	return "", false
}

// Shown calls with each name of a step that shows, what it must be, and that as an instant if it is one.
func (s Step) Shown(check func(name, want string) error) error {
	for pair := range strings.SplitSeq(strings.Join(s.Rest, " "), ",") {
		name, want, _ := strings.Cut(strings.TrimSpace(pair), " ")
		if instant, ok := strings.CutPrefix(want, "day "); ok {
			day, clock, _ := strings.Cut(instant, " ")
			at, err := Instant(day, clock)
			if err != nil {
				return err
			}
			want = at.Format(time.DateTime)
		}
		if err := check(name, want); err != nil {
			return fmt.Errorf("line %d: %w", s.Line, err)
		}
	}
	return nil
}

// Compare says where the transitions are not those that the scenario wants; empty if they are.
func (s *Scenario) Compare(got []string) string {
	for i := range max(len(s.Want), len(got)) {
		wanted, is := "nothing more", "nothing more"
		if i < len(s.Want) {
			wanted = s.Want[i]
		}
		if i < len(got) {
			is = got[i]
		}
		if wanted != is {
			return fmt.Sprintf("transition %d:\n  want %s\n  got  %s\nall of them:\n  %s", i+1, wanted, is, strings.Join(got, "\n  "))
		}
	}
	return ""
}
