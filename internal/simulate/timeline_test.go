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
)

// The timelines that the rules are tested with, as events: the simulator must come to the same transitions.
func TestTimelinesOfTheRules(t *testing.T) {
	files, err := filepath.Glob("../rules/testdata/timelines/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no timelines: %v", err)
	}
	played := 0
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(content), " declare ") {
			continue // what resources declare does not change in a simulation
		}
		played++
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			line := newTimeline(t, string(content))
			result, err := Run(t.Context(), line.config, bytes.NewReader(line.events.Bytes()))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, tr := range result.Transitions {
				got = append(got, strings.TrimSuffix(fmt.Sprintf("%s %s %s -> %s", tr.Time.Format(time.DateTime), tr.Reason, tr.From, tr.To), "  -> "))
			}
			if !slices.Equal(got, line.want) {
				t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(line.want, "\n  "))
			}
		})
	}
	if played < 7 {
		t.Errorf("%d timelines were played: there must be one for each shipped policy", played)
	}
}

// timeline is one of them: see internal/rules/timeline_test.go for what its lines mean.
type timeline struct {
	t      *testing.T
	config Config
	events bytes.Buffer
	count  int
	want   []string
}

func newTimeline(t *testing.T, content string) *timeline {
	t.Helper()
	l := &timeline{t: t}
	number := Number{PhoneNumber: "+15550100001", HumanEscalation: true}
	for text := range strings.Lines(content) {
		text, _, _ = strings.Cut(text, "#")
		switch words := strings.Fields(text); {
		case len(words) == 0:
		case words[0] == "policy":
			l.config.Policy = shipped(t, words[1])
		case words[0] == "verified":
			number.Verification = v1alpha1.Verified
		case words[0] == "without-human-escalation":
			number.HumanEscalation = false
		default:
			at := instant(t, words[1], words[2])
			if words[3] != "=>" {
				l.config.Until = at
			}
			l.line(at, words[3], words[4:])
		}
	}
	l.config.Fleet = &Fleet{Numbers: []Number{number}}
	return l
}

func instant(t *testing.T, day, clock string) time.Time {
	t.Helper()
	n, err := strconv.Atoi(day)
	if err != nil {
		t.Fatal(err)
	}
	at, err := time.Parse(time.DateTime, "2026-03-02 "+clock)
	if err != nil {
		t.Fatal(err)
	}
	return at.AddDate(0, 0, n-1)
}

func (l *timeline) line(at time.Time, what string, rest []string) {
	l.t.Helper()
	if slices.Contains([]string{"many", "-1", "LINKED"}, rest[0]) {
		return // words that events cannot have
	}
	switch what {
	case "=>":
		l.want = append(l.want, at.Format(time.DateTime)+" "+strings.Join(rest, " "))
	case "deliver", "receive":
		var from, to int
		if _, err := fmt.Sscanf(rest[0], "%d..%d", &from, &to); err != nil {
			l.t.Fatal(err)
		}
		var over time.Duration
		if len(rest) == 3 {
			var err error
			if over, err = time.ParseDuration(rest[2]); err != nil {
				l.t.Fatal(err)
			}
		}
		for user := from; user <= to; user++ {
			kind := map[string]string{"deliver": "message.delivered", "receive": "message.received"}[what]
			moment := at.Add(over * time.Duration(user-from) / time.Duration(to-from+1))
			if l.config.Until.Before(moment) {
				l.config.Until = moment
			}
			l.event(moment, kind, fmt.Sprintf(`"user":"%d","messageID":"m%d"`, user, l.count))
		}
	case "quality":
		l.event(at, "quality.reported", fmt.Sprintf(`"rating":%q,"reason":%q`, rest[0], strings.Join(rest[1:], " ")))
	case "limit":
		if rest[0] == "Unlimited" {
			l.event(at, "limit.reported", `"more":0`)
		} else {
			l.event(at, "limit.reported", `"limit":`+rest[0])
		}
	case "connection":
		l.event(at, "connection.reported", fmt.Sprintf(`"state":%q`, rest[0]))
	case "verification":
		l.event(at, "verification.reported", fmt.Sprintf(`"business":%q`, rest[0]))
	}
}

func (l *timeline) event(at time.Time, kind, data string) {
	l.count++
	fmt.Fprintf(&l.events, `{"specversion":"1.0","id":"%d","source":"/timeline","type":"dev.numberfleet.%s.v1","time":%q,"data":{"number":"+15550100001",%s}}`+"\n",
		l.count, kind, at.Format(time.RFC3339Nano), data)
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
