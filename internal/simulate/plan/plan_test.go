package plan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/cloudevents"
	"numberfleet.dev/numberfleet/internal/simulate"
	"numberfleet.dev/numberfleet/internal/simulate/simulatetest"
)

func read(t *testing.T, content string) *Plan {
	t.Helper()
	plan, err := Read(strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// events are a plan's events if nothing limits it.
func events(t *testing.T, plan *Plan) []cloudevents.Event {
	t.Helper()
	s := newGenerator(plan, plan.End(), func(string, string, time.Time) (bool, error) { return true, nil })
	var all []cloudevents.Event
	for {
		e, err := s.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
}

func TestPlanEvents(t *testing.T) {
	plan := read(t, `
start: 2026-03-02
numbers: ["+15550100001", "+15550100002"]
sends:
- {days: 1-2, users: 4, grow: 50, most: 5, hours: 09:00-10:00, replies: 25}
- {days: 2, users: 1, hours: 09:30-24:00, numbers: ["+15550100003"], template: news}
changes:
- {day: 2, at: "09:30", quality: Low, numbers: ["+15550100001"]}
- {day: 1, at: 08:00:30, verification: Verified, limit: 10000, numbers: ["+15550100002"]}
- {day: 2, at: 23:00, template: news, state: Paused, quality: Low}
- {day: 2, at: 23:00, limit: Unlimited, connection: Offline, numbers: ["+15550100003"]}
`)
	var got []string
	for _, e := range events(t, plan) {
		kind := strings.TrimSuffix(strings.TrimPrefix(string(e.Type), "dev.numberfleet."), ".v1")
		line := strings.Join([]string{e.Time.Format("02 15:04:05"), kind, strings.TrimPrefix(e.Number, "+1555010000"), e.User, e.Template, string(e.Rating), string(e.State), string(e.TemplateState), string(e.Verification)}, " ")
		if e.Type == cloudevents.LimitReported {
			line += fmt.Sprint(" ", e.Limit)
		}
		got = append(got, strings.Join(strings.Fields(line), " "))
	}
	const want = `02 08:00:30 verification.reported 2 Verified
02 08:00:30 limit.reported 2 10000
02 09:00:00 message.delivered 1 ZZ.15550100001x1
02 09:15:00 message.delivered 2 ZZ.15550100002x1
02 09:30:00 message.delivered 1 ZZ.15550100001x2
02 09:45:00 message.delivered 2 ZZ.15550100002x2
03 09:00:00 message.delivered 1 ZZ.15550100001x3
03 09:12:00 message.delivered 2 ZZ.15550100002x3
03 09:24:00 message.delivered 1 ZZ.15550100001x4
03 09:30:00 quality.reported 1 Low
03 09:30:00 message.delivered 3 ZZ.15550100003x1 news
03 09:34:00 message.received 1 ZZ.15550100001x4
03 09:36:00 message.delivered 2 ZZ.15550100002x4
03 09:46:00 message.received 2 ZZ.15550100002x4
03 09:48:00 message.delivered 1 ZZ.15550100001x5
03 23:00:00 template.reported news Low Paused
03 23:00:00 connection.reported 3 Offline
03 23:00:00 limit.reported 3 0`
	if strings.Join(got, "\n") != want {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), want)
	}
}

// Users who return are those of earlier days, in turn, and nobody is messaged twice on a day while there is somebody else.
func TestPlanReturningUsers(t *testing.T) {
	plan := read(t, "start: 2026-03-02T00:00:00+03:00\nsends: [{days: 1-3, users: 4, returning: 50}]")
	var users []string
	for _, e := range events(t, plan) {
		_, user, _ := strings.Cut(e.User, "x")
		users = append(users, user)
		if hour := e.Time.Hour(); hour < 6 || hour >= 15 {
			t.Errorf("%s is not within the hours of the plan's zone", e.Time)
		}
	}
	if got := strings.Join(users, " "); got != "1 2 3 4 5 1 6 2 7 3 8 4" {
		t.Errorf("got %s", got)
	}
}

const warmup = `
start: 2026-03-02
numbers: ["+15550100001", "+15550100002"]
sends:
- {days: 1-8, users: 900, grow: 20, returning: 30, replies: 20}
- {days: 5-, users: 50, hours: 00:00-24:00, numbers: ["+15550100002"]}
days: 10
changes:
- {day: 1, verification: Verified}
- {day: 3, at: 12:00, quality: Medium}
- {day: 4, at: 12:00, quality: Low, numbers: ["+15550100001"]}
- {day: 6, at: 12:00, connection: Offline, numbers: ["+15550100002"]}
- {day: 7, at: 12:00, connection: Connected, numbers: ["+15550100002"]}
- {day: 8, limit: 250}
`

// A plan is nothing but the events that it makes.
func TestPlanIsItsEvents(t *testing.T) {
	for _, name := range []string{"meta-2025", "meta-2023"} {
		for _, over := range []string{"Skip", "Send"} {
			config := simulate.Config{Policy: simulatetest.Policy(t, name)}
			plan := read(t, warmup+"overLimit: "+over)
			var written, planned, played bytes.Buffer
			result, err := Run(t.Context(), config, plan, &written)
			if err != nil {
				t.Fatal(err)
			}
			if err := result.WriteJSON(&planned); err != nil {
				t.Fatal(err)
			}
			config.Until = plan.End()
			if result, err = simulate.Run(t.Context(), config, &written); err != nil {
				t.Fatal(err)
			}
			if err := result.WriteJSON(&played); err != nil {
				t.Fatal(err)
			}
			if planned.String() != played.String() || strings.Count(played.String(), "\n") < 15 {
				t.Errorf("%s, %s: planned\n%.2000s\nplayed\n%.2000s", name, over, planned.String(), played.String())
			}
		}
	}
}

// A number that has reached its limit sends nothing more until there is room, and while it is offline it sends nothing.
func TestPlanStopsAtTheLimit(t *testing.T) {
	const plan = "start: 2026-03-02\nsends: [{days: 1-3, users: 1200, hours: 10:00-11:00}]\nchanges: [{day: 3, connection: Offline}]\n"
	for _, test := range []struct{ more, want string }{
		// On the second day there is room for as many as leave the window: the 1,000 of the first day left at 10:00 to 10:50.
		{"", "[1200 1000] [1200 1000] [1200 0] "},
		{"overLimit: Send", "[1200 1200] [1200 1200] [1200 1200] "},
	} {
		config := simulate.Config{Policy: simulatetest.Policy(t, "chat-api")}
		result, err := Run(t.Context(), config, read(t, plan+test.more), nil)
		if err != nil {
			t.Fatal(err)
		}
		var got strings.Builder
		for _, day := range result.Days {
			fmt.Fprint(&got, []int64{day.Planned, day.Sent}, " ")
		}
		if got.String() != test.want {
			t.Errorf("%s: got %s, want %s", test.more, got.String(), test.want)
		}
	}
}

// What is asked for until an instant is played until then, whatever the plan still has, and no further.
func TestPlanUntil(t *testing.T) {
	until := simulatetest.Day(5).Add(10 * time.Hour)
	result, err := Run(t.Context(), simulate.Config{Policy: simulatetest.Policy(t, "meta-2025"), Verification: v1alpha1.Verified, Until: until}, read(t, warmup), nil)
	if err != nil {
		t.Fatal(err)
	}
	last := result.Transitions[len(result.Transitions)-1]
	if last.Time.After(until) || !result.Final[0].Time.Equal(until) || result.Days[3].Planned == 0 || result.Days[4].Planned != 0 {
		t.Errorf("%v, %v", last, result.Final[0])
	}
}

func TestPlanRefusals(t *testing.T) {
	const sends = "sends: [{days: 1, users: 10}]\n"
	for _, test := range []struct{ plan, want string }{
		{"", "[start: Required value: a date, like 2026-03-02, or midnight with"},
		{"- a", "is not of the form of a plan: json: cannot unmarshal array"},
		{"start: [", "yaml: "},
		{"start: 2026-03-02\nstart: 2026-03-03\n" + sends, "yaml: "},
		{sends, "start: Required value: a date"},
		{"start: monday\n" + sends, "start: Invalid value: must be a date"},
		{"start: 2026-03-02T10:00:00Z\n" + sends, "start: Invalid value: must be a date"},
		{"start: 0001-01-01\n" + sends, "start: Invalid value: must lie between"},
		{"start: 2026-03-02", "sends: Required value: a plan says at least once"},
		{"start: 2026-03-02\nsends: 5", "is not of the form of a plan: json: cannot unmarshal number into Go struct field planFile.sends"},
		{"start: 2026-03-02\nsends: [5]", "is not of the form of a plan: json: cannot unmarshal number into Go struct field planFile.sends"},
		{"start: 2026-03-02\nfleet: a\n" + sends, "fleet: Forbidden: there is no such field: the fields here are start, days, overLimit, numbers, sends, changes"},
		{"start: 2026-03-02\noverLimit: Drop\n" + sends, `overLimit: Unsupported value: "Drop": supported values: "Skip", "Send"`},
		{"start: 2026-03-02\nnumbers: [+15550100001]\n" + sends, `numbers[0]: Invalid value: must be in E.164 and in quotes, like "+15550100001"`},
		{"start: 2026-03-02\nnumbers: []\n" + sends, "numbers: Invalid value: must be a list of 1 to 1000 phone numbers"},
		{"start: 2026-03-02\nnumbers: [\"+15550100001\", \"+15550100001\"]\n" + sends, "numbers[1]: Duplicate value"},
		{"start: 2026-03-02\nsends: [{days: 1}]", "sends[0].users: Required value: how many users are messaged"},
		{"start: 2026-03-02\nsends: [{days: 1, users: 1.5}]", "sends[0].users: Invalid value: must be a whole number from 1 to 5000000"},
		{"start: 2026-03-02\nsends: [{days: 1, users: 10, grow: 20%}]", "sends[0].grow: Invalid value: must be a percentage from -100 to 1000, without a percent sign"},
		{"start: 2026-03-02\nsends: [{days: 1, users: 10, grow: NaN}]", "sends[0].grow: Invalid value: must be a percentage"},
		{"start: 2026-03-02\nsends: [{days: 1, users: 10, returning: 101}]", "sends[0].returning: Invalid value: must be a percentage from 0 to 100"},
		{"start: 2026-03-02\nsends: [{days: 1, users: 10, user: 3}]", "sends[0].user: Forbidden: there is no such field: the fields here are days, users, grow, "},
		{"start: 2026-03-02\nsends: [{days: 1, users: 10, hours: 18-9}]", "sends[0].hours: Invalid value: must be a stretch of the day from 00:00 to 24:00, like 09:00-18:00"},
		{"start: 2026-03-02\nsends: [{days: 3-1, users: 10}]", "sends[0].days: Invalid value: must be a day, a range or an open range within days 1 to 366"},
		{"start: 2026-03-02\nsends: [{days: 1-400, users: 10}]", "sends[0].days: Invalid value: must be a day, a range"},
		{"start: 2026-03-02\nsends: [{days: [1], users: 10}]", "sends[0].days: Invalid value: must be a day, a range"},
		{"start: 2026-03-02\nsends: [{users: 10}]", "sends[0].days: Invalid value: has no end: write one, like 1-30"},
		{"start: 2026-03-02\ndays: 400\nsends: [{users: 10}]", "days: Invalid value: must be a whole number from 1 to 366"},
		{"start: 2026-03-02\ndays: 3\nsends: [{days: 1-5, users: 10}]", "days: Invalid value: is 3, but a later day, 5, is written below"},
		{"start: 2026-03-02\nsends: [{days: 1-300, users: 800, grow: 20}]", "sends[0].users: Invalid value: come to more than 5000000 messages by day 40"},
		{"start: 2026-03-02\nchanges: [{quality: Low}]\n" + sends, "changes[0].day: Required value: the day"},
		{"start: 2026-03-02\nchanges: [{day: 1}]\n" + sends, "changes[0]: Required value: what changes: quality"},
		{"start: 2026-03-02\nchanges: [{day: 1, at: 24:00, quality: Low}]\n" + sends, "changes[0].at: Invalid value: must be a time of the day, like 09:00"},
		{"start: 2026-03-02\nchanges: [{day: 1, quality: Red}]\n" + sends, `changes[0].quality: Unsupported value: "Red": supported values: "High", "Medium", "Low", "Unknown"`},
		{"start: 2026-03-02\nchanges: [{day: 1, state: Paused}]\n" + sends, "[changes[0].state: Invalid value: is that of a template"},
		{"start: 2026-03-02\nchanges: [{day: 1, limit: 0}]\n" + sends, "changes[0].limit: Invalid value: must be a whole number from 1 to 1000000000, or Unlimited"},
		{"start: 2026-03-02\nchanges: [{day: 1, limit: many}]\n" + sends, "changes[0].limit: Invalid value: must be a whole number"},
		{"start: x\nsends: [{days: 1, users: x}]", "[start: Invalid value: must be a date"},
		{strings.Repeat("#", maxBytes+1), "is too long: a plan may have 1048576 bytes"},
	} {
		_, err := Read(strings.NewReader(test.plan))
		if err == nil || !strings.HasPrefix(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%.100s:\n got %v\nwant %s", test.plan, err, test.want)
		}
	}
}

// Whatever is read as a plan plays to its end, with its events in order of time and as the reader of events takes them.
func FuzzPlan(f *testing.F) {
	f.Add([]byte(warmup))
	f.Add([]byte("start: 2026-03-02\nsends: [{days: 1-3, users: 4, grow: -50, returning: 50}]\nchanges: [{day: 3, template: a, state: Edited, limit: 5}]"))
	f.Add([]byte("start: 2026-03-02T00:00:00-11:00\nsends: [{days: 1, users: 3, hours: 23:59:59-24:00}]"))
	f.Fuzz(func(t *testing.T, content []byte) {
		plan, err := Read(bytes.NewReader(content))
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("%q is more than a line", err)
			}
			return
		}
		var written bytes.Buffer
		s := &tee{newGenerator(plan, plan.End(), func(string, string, time.Time) (bool, error) { return true, nil }), json.NewEncoder(&written)}
		var before time.Time
		for range 500 {
			e, err := s.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil || e.Time.Before(before) || e.Time.After(plan.End()) {
				t.Fatalf("%v after %s: %v", e, before, err)
			}
			before = e.Time
		}
		reader := cloudevents.NewReader(&written)
		for {
			if _, err := reader.Next(); errors.Is(err, io.EOF) {
				return
			} else if err != nil {
				t.Fatal(err)
			}
		}
	})
}

// A template that is paused is not sent: nobody gets its messages meanwhile, and the day counts them as not sent.
func TestAPausedTemplateIsNotSent(t *testing.T) {
	plan, err := Read(strings.NewReader(`
start: 2026-03-02
days: 1
sends:
- {users: 24, hours: 00:00-24:00, template: offer}
changes:
- {day: 1, at: 10:00, template: offer, quality: Low}
`))
	if err != nil {
		t.Fatal(err)
	}
	result, err := Run(t.Context(), simulate.Config{Policy: simulatetest.Policy(t, "meta-2025")}, plan, nil)
	if err != nil {
		t.Fatal(err)
	}
	// At 10:00 to 13:00: a message at the very instant at which the pause ends comes before that.
	if d := result.Days[0]; d.Planned != 24 || d.Sent != 20 {
		t.Errorf("of %d messages %d were sent", d.Planned, d.Sent)
	}
}

// A plan is read the same with a byte-order mark before it, which editors and shells of Windows put there.
func TestAPlanMayBeginWithAByteOrderMark(t *testing.T) {
	read(t, "\ufeffstart: 2026-03-02\nsends:\n- {days: 1-2, users: 800}\n")
}

// A plan of a number that stands already has its days after that, and no other numbers.
func TestReadFrom(t *testing.T) {
	at := simulatetest.Day(2).Add(12 * time.Hour)
	for _, test := range []struct{ plan, want string }{
		{"sends: [{users: 1, days: 1}]", "2026-03-03T00:00:00Z"},
		{"{start: 2026-03-05, sends: [{users: 1, days: 1}]}", "2026-03-05T00:00:00Z"},
		{"{start: 2026-03-02, sends: [{users: 1, days: 1}]}", `start: Invalid value: lies before 2026-03-02T12:00:00Z, when the simulation begins: write a later day, or leave it out for the next midnight in UTC`},
		{`{numbers: ["+15550100002"], sends: [{users: 1, days: 1}]}`, "numbers: Forbidden: the number or portfolio of the cluster sends: leave them out"},
		{`{sends: [{users: 1, days: 1, numbers: ["+15550100002"]}]}`, "sends[0].numbers: Forbidden: the number"},
	} {
		p, err := ReadFrom(strings.NewReader(test.plan), "+15550100001", at)
		got := fmt.Sprint(err)
		if err == nil {
			got = p.start.Format(time.RFC3339)
		}
		if !strings.HasPrefix(got, test.want) {
			t.Errorf("%s: %s, want %s", test.plan, got, test.want)
		}
	}
	p, err := ReadFrom(strings.NewReader("sends: [{users: 1, days: 1}]"), "+15550100001", simulatetest.Day(2))
	if err != nil || !p.start.Equal(simulatetest.Day(2)) {
		t.Errorf("%v, %+v: midnight is the next midnight", err, p)
	}
}
