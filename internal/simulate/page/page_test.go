package page

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/chart"
	"numberfleet.dev/numberfleet/internal/rules"
	"numberfleet.dev/numberfleet/internal/simulate"
	"numberfleet.dev/numberfleet/internal/simulate/plan"
	"numberfleet.dev/numberfleet/internal/simulate/simulatetest"
)

func play(t *testing.T, policy, text string) (*Recorder, *simulate.Result) {
	t.Helper()
	read, err := plan.Read(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	config := simulate.Config{Policy: simulatetest.Policy(t, policy)}
	recorder := NewRecorder(config.Policy.Policy)
	config.Observer = recorder
	result, err := plan.Run(t.Context(), config, read, nil)
	if err != nil {
		t.Fatal(err)
	}
	return recorder, &result
}

const example = `
start: 2026-03-02
sends:
- {days: 1-3, users: 600}
- {days: 12, users: 5}
- {days: 12, users: 1, hours: 18:00-19:00, numbers: ["+15550100002"]}
days: 14
changes:
- {day: 2, at: 06:00, quality: Medium}
- {day: 3, at: 06:00, quality: Low}
- {day: 11, at: 06:00, connection: Offline, numbers: ["+15550100001"]}
- {day: 11, at: 18:00, connection: Connected, numbers: ["+15550100001"]}
- {day: 13, limit: 5000}
- {day: 14, limit: Unlimited}
`

func at(day, hour int) int64 { return time.Date(2026, 3, 1+day, hour, 0, 0, 0, time.UTC).Unix() }

func TestSubject(t *testing.T) {
	recorder, result := play(t, "quality-based", example)
	subjects, all := recorder.subjects(result)
	if all != 2 || len(subjects) != 2 || subjects[1].Peak != 1 {
		t.Fatalf("%d: %+v", all, subjects)
	}
	s := subjects[0]
	if s.Name != "+15550100001" || s.Start != at(1, 9) || s.End != at(15, 0) || s.Peak != 600 {
		t.Errorf("%s from %d to %d, at most %d", s.Name, s.Start, s.End, s.Peak)
	}
	spans := func(spans []chart.Span) string {
		var lines []string
		for _, p := range spans {
			lines = append(lines, fmt.Sprintf("%s %s-%s", p.What, time.Unix(p.From, 0).UTC().Format("02T15:04"), time.Unix(p.To, 0).UTC().Format("02T15:04")))
		}
		return strings.Join(lines, ", ")
	}
	// The 500th of 600 is delivered on day 1 at 499/600 of 9 h. Low from day 3 on lowers the tier a week later.
	for _, test := range []struct{ what, got, want string }{
		{"tiers", spans(s.Tiers), "1 02T09:00-02T16:29, 2 02T16:29-11T06:00, 1 11T06:00-14T00:00, 5000 14T00:00-15T00:00, Unlimited 15T00:00-16T00:00"},
		{"quality", spans(s.Quality), "Unknown 02T09:00-03T06:00, Medium 03T06:00-04T06:00, Low 04T06:00-16T00:00"},
		{"states", spans(s.States), "Flagged 04T06:00-11T06:00, Offline 12T06:00-12T18:00"},
	} {
		if test.got != test.want {
			t.Errorf("%s: got %s, want %s", test.what, test.got, test.want)
		}
	}
	// What is drawn is in order, has a limit wherever there is one, and all that is used has left a day later.
	for i, time := range s.Times {
		if i > 0 && time <= s.Times[i-1] {
			t.Fatalf("point %d is at %d, after %d", i, time, s.Times[i-1])
		}
		switch limit := s.Limits[i]; {
		case time >= at(14, 0) != (limit == nil), time >= at(13, 0) && time < at(14, 0) && *limit != 5000:
			t.Errorf("the limit at %d is %v", time, limit)
		}
		if used := *s.Used[i]; time >= at(4, 18) && time < at(12, 9) && used != 0 || time >= at(12, 17) && time < at(13, 9) && used != 5 {
			t.Errorf("%d are used at %d", used, time)
		}
	}
}

// numbered answers counts that a test says.
type numbered struct {
	rules.Usage
	used func(at time.Time) int64
}

func (n numbered) Count(_ v1alpha1.Measure, _, to time.Time) rules.Count {
	return rules.Count{Least: n.used(to), Most: n.used(to), Known: true}
}

// However long it goes on and however many subjects there are, no peak is lost and memory is bounded.
func TestRecorderIsBoundedAndKeepsPeaks(t *testing.T) {
	const subjects, events = 50, 20_000
	recorder := NewRecorder(simulatetest.Policy(t, "quality-based").Policy)
	usage := numbered{used: func(at time.Time) int64 {
		if at.Unix()%1_000_003 == 0 {
			return 1_000_000 // for a second
		}
		return 1 + at.Unix()%7
	}}
	start := time.Unix(1_000_003*1700, 0).UTC()
	for i := range events {
		for n := range subjects {
			recorder.Observe(fmt.Sprint(n), usage, start.Add(time.Duration(i)*1_000_003/50*time.Second/100))
		}
	}
	if recorder.points > mostPointsAll {
		t.Errorf("%d points in all", recorder.points)
	}
	for name, track := range recorder.tracks {
		peaks := 0
		for i, p := range track.points {
			if p.Used == 1_000_000 {
				peaks++
			}
			if p.At%steps[recorder.step] != 0 || i > 0 && p.At <= track.points[i-1].At {
				t.Fatalf("%s: point %d is at %d", name, i, p.At)
			}
		}
		if len(track.points) > mostPoints || peaks < 2 || track.peak != 1_000_000 {
			t.Errorf("%s: %d points, %d peaks", name, len(track.points), peaks)
		}
	}
}

// The page asks nobody for anything, and what users write cannot become part of it.
func TestPage(t *testing.T) {
	recorder, result := play(t, "quality-based", example)
	result.Transitions[0].Message = "</script><script>alert(1)</script>"
	var written bytes.Buffer
	if err := Write(&written, "<b>mine</b>", recorder, result); err != nil {
		t.Fatal(err)
	}
	text := written.String()
	for _, foreign := range []string{`(src|href)\s*=`, `@import`, `url\(`, `fetch\(`, `XMLHttpRequest`, `<b>mine`, `alert\(1\)</script>`, `ZgotmplZ`} {
		if found := regexp.MustCompile(foreign).FindString(text); found != "" {
			t.Errorf("the page has %s", found)
		}
	}
	for _, part := range []string{"uPlot=function", "The MIT License", "+15550100001", "&lt;b&gt;mine", "unique users in the 24 h", "TierDowngraded"} {
		if !strings.Contains(text, part) {
			t.Errorf("the page lacks %s", part)
		}
	}
	if written.Len() > 300_000 {
		t.Errorf("%d bytes are many", written.Len())
	}

	written.Reset()
	if err := Write(&written, "mine", NewRecorder(simulatetest.Policy(t, "meta-2023").Policy), &simulate.Result{}); err != nil || !strings.Contains(written.String(), "There were no events") {
		t.Errorf("without events: %v", err)
	}
}

func TestPageLeavesOutWhatHasLeastToTell(t *testing.T) {
	policy := simulatetest.Policy(t, "quality-based").Policy
	recorder := NewRecorder(policy)
	for i := range mostSubjects + 3 {
		recorder.Observe(fmt.Sprintf("+155501%05d", i), numbered{}, time.Unix(1_800_000_000, 0))
	}
	result := simulate.Result{Transitions: []simulate.Transition{{Subject: fmt.Sprintf("+155501%05d", mostSubjects+2)}}}
	subjects, all := recorder.subjects(&result)
	if all != mostSubjects+3 || len(subjects) != mostSubjects || subjects[mostSubjects-1].Name != "+15550100026" {
		t.Errorf("%d of %d, the last is %s", len(subjects), all, subjects[len(subjects)-1].Name)
	}
	var written bytes.Buffer
	if err := Write(&written, "mine", recorder, &result); err != nil || !strings.Contains(written.String(), "3 more are left out") {
		t.Error(err)
	}
}

// A portfolio is drawn with its own limit and quality: the limit as long as it holds, up to the instant at which there is none
// any more, and the quality that follows from its numbers and templates.
func TestPortfolio(t *testing.T) {
	fleet, err := os.Open("../testdata/meta-2025.fleet.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer fleet.Close()
	events, err := os.Open("../testdata/meta-2025.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer events.Close()
	config := simulate.Config{Policy: simulatetest.Policy(t, "meta-2025")}
	if config.Fleet, err = simulate.ReadFleet(fleet); err != nil {
		t.Fatal(err)
	}
	recorder := NewRecorder(config.Policy.Policy)
	config.Observer = recorder
	result, err := simulate.Run(t.Context(), config, events)
	if err != nil {
		t.Fatal(err)
	}
	subjects, all := recorder.subjects(&result)
	if all != 2 || subjects[1].Name != "acme" {
		t.Fatalf("drawn are %+v", subjects) // the portfolio, and the number that is in none
	}
	acme := subjects[1]
	// The template is paused for three hours, and rated anew after that.
	if q := acme.Quality; len(q) != 3 || q[0].What != "Unknown" || q[1].What != "Low" || q[1].From != at(2, 8) || q[2].What != "Unknown" || q[2].From != at(2, 11) {
		t.Errorf("the quality is %+v", q)
	}
	last := len(acme.Times) - 1
	if acme.Times[last-1] != at(3, 8)-1 || acme.Limits[last-1] == nil || *acme.Limits[last-1] != 2 || acme.Limits[last] != nil {
		t.Errorf("the limit ends with %v at %v", acme.Limits[last-1:], acme.Times[last-1:])
	}
}
