package plan

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"
	k8sjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	"numberfleet.dev/numberfleet/internal/cloudevents"
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/textfile"
)

// planFile is a plan as it is written. docs/simulator.md says what the fields mean.
type planFile struct {
	Start     scalar       `json:"start"`
	Days      scalar       `json:"days"`
	OverLimit scalar       `json:"overLimit"`
	Numbers   []scalar     `json:"numbers"`
	Sends     []sendFile   `json:"sends"`
	Changes   []changeFile `json:"changes"`
}

type sendFile struct {
	Days      scalar   `json:"days"`
	Users     scalar   `json:"users"`
	Grow      scalar   `json:"grow"`
	Most      scalar   `json:"most"`
	Hours     scalar   `json:"hours"`
	Numbers   []scalar `json:"numbers"`
	Returning scalar   `json:"returning"`
	Replies   scalar   `json:"replies"`
	Template  scalar   `json:"template"`
}

type changeFile struct {
	Day          scalar   `json:"day"`
	At           scalar   `json:"at"`
	Numbers      []scalar `json:"numbers"`
	Quality      scalar   `json:"quality"`
	Connection   scalar   `json:"connection"`
	Verification scalar   `json:"verification"`
	Limit        scalar   `json:"limit"`
	Template     scalar   `json:"template"`
	State        scalar   `json:"state"`
}

// scalar is a text or a number as it is written: the checks say what it must be. It is empty where the field is left out.
type scalar string

// UnmarshalJSON implements json.Unmarshaler.
func (s *scalar) UnmarshalJSON(value []byte) error {
	if json.Unmarshal(value, (*string)(s)) != nil {
		*s = scalar(value)
	}
	*s = scalar(strings.TrimSpace(string(*s)))
	return nil
}

// Read reads a plan. The error is one line. It names all fields that are wrong, and what is allowed.
func Read(from io.Reader) (*Plan, error) {
	return readPlan(from, reader{numbers: []string{DefaultNumber}})
}

// ReadFrom is Read of a plan of one number, in E.164, that is known up to an instant. The plan must name no numbers. Its start must not
// lie before the instant; if left out, it is the next midnight in UTC.
func ReadFrom(from io.Reader, number string, at time.Time) (*Plan, error) {
	return readPlan(from, reader{checker: checker{from: at}, numbers: []string{number}})
}

func readPlan(from io.Reader, r reader) (*Plan, error) {
	content, err := io.ReadAll(textfile.NewReader(io.LimitReader(from, maxBytes+1)))
	if err != nil {
		return nil, err
	}
	if len(content) > maxBytes {
		return nil, fmt.Errorf("is too long: a plan may have %d bytes", maxBytes)
	}
	// By way of JSON, whose strict decoder names the path of a field that it does not know.
	document, err := yaml.YAMLToJSONStrict(content)
	if err != nil {
		return nil, errors.New(strings.Join(strings.Fields(err.Error()), " "))
	}
	var written planFile
	unknown, err := k8sjson.UnmarshalStrict(document, &written)
	if err != nil {
		return nil, fmt.Errorf("is not of the form of a plan: %w", err)
	}
	for _, err := range unknown {
		r.unknown(err)
	}
	r.plan(&written)
	if err := r.errs.ToAggregate(); err != nil {
		return nil, err
	}
	slices.SortStableFunc(r.read.changes, func(a, b cloudevents.Event) int { return a.Time.Compare(b.Time) })
	return &r.read, nil
}

// reader makes a plan of what is written, and collects what is wrong with it.
type reader struct {
	checker
	read    Plan
	numbers []string // that send where an item names none
}

// unknown notes a field that the strict decoder does not know.
func (r *reader) unknown(err error) {
	path := err.(k8sjson.FieldError).FieldPath() //nolint:errorlint,forcetypeassert // the decoder promises it
	object := reflect.TypeFor[planFile]()
	if strings.HasPrefix(path, "sends[") {
		object = reflect.TypeFor[sendFile]()
	} else if strings.HasPrefix(path, "changes[") {
		object = reflect.TypeFor[changeFile]()
	}
	var fields []string
	for f := range object.Fields() {
		fields = append(fields, f.Tag.Get("json"))
	}
	r.errs = append(r.errs, field.Forbidden(field.NewPath(path), "there is no such field: the fields here are "+strings.Join(fields, ", ")))
}

func (r *reader) plan(written *planFile) {
	r.read.start = r.start(field.NewPath("start"), written.Start)
	r.read.days = int(r.whole(field.NewPath("days"), written.Days, MaxDays))
	r.read.overLimit = oneOf(&r.checker, field.NewPath("overLimit"), written.OverLimit, "Skip", "Send") == "Send"
	r.numbers = r.phoneNumbers(field.NewPath("numbers"), written.Numbers, r.numbers)

	sends, changes := field.NewPath("sends"), field.NewPath("changes")
	if len(written.Sends) == 0 {
		r.required(sends, "a plan says at least once how many users are messaged")
	}
	if !r.atMost(sends, len(written.Sends), maxSends) || !r.atMost(changes, len(written.Changes), maxChanges) {
		return
	}
	for i := range written.Sends {
		r.send(sends.Index(i), &written.Sends[i])
	}
	lastDay := 0
	for i := range written.Changes {
		lastDay = max(lastDay, r.change(changes.Index(i), &written.Changes[i]))
	}
	if len(r.errs) == 0 {
		r.closeRanges(sends, lastDay)
	}
	if len(r.errs) == 0 {
		r.bound(sends)
	}
	r.atMost(changes, len(r.read.changes), 10*maxChanges) // over all numbers
}

func (r *reader) send(path *field.Path, written *sendFile) {
	if written.Users == "" {
		r.required(path.Child("users"), "how many users are messaged on the first of these days")
	}
	s := send{
		Schedule: Schedule{
			Start: r.read.start,
			Users: r.whole(path.Child("users"), written.Users, MaxMessages),
			Grow:  r.percentage(path.Child("grow"), written.Grow, -100, 1000),
			Most:  r.whole(path.Child("most"), written.Most, MaxMessages),
		},
		numbers:   r.phoneNumbers(path.Child("numbers"), written.Numbers, r.numbers),
		returning: r.percentage(path.Child("returning"), written.Returning, 0, 100),
		replies:   r.percentage(path.Child("replies"), written.Replies, 0, 100),
		template:  r.template(path.Child("template"), written.Template),
	}
	s.First, s.Last = r.dayRange(path.Child("days"), written.Days)
	s.From, s.To = r.hours(path.Child("hours"), written.Hours)
	r.read.sends = append(r.read.sends, s)
}

// change reads what else happens at an instant, and returns its day.
func (r *reader) change(path *field.Path, written *changeFile) int {
	if written.Day == "" {
		r.required(path.Child("day"), "the day on which this happens, the first being 1")
	}
	day := int(r.whole(path.Child("day"), written.Day, MaxDays))
	at := dayAfter(r.read.start, day-1).Add(r.clockTime(path.Child("at"), written.At))
	numbers := r.phoneNumbers(path.Child("numbers"), written.Numbers, r.numbers)
	template := r.template(path.Child("template"), written.Template)
	quality := oneOf(&r.checker, path.Child("quality"), written.Quality, report.Ratings...)
	state := oneOf(&r.checker, path.Child("state"), written.State, report.TemplateChanges...)

	before := len(r.read.changes)
	happens := func(e cloudevents.Event, numbers ...string) {
		e.Source, e.Time = source, at
		for _, e.Number = range numbers {
			r.read.changes = append(r.read.changes, e)
		}
	}
	switch {
	case template != "" && (quality != "" || state != ""):
		happens(cloudevents.Event{Type: cloudevents.TemplateReported, Template: template, Rating: quality, TemplateState: state}, "")
	case template == "" && state != "":
		r.invalid(path.Child("state"), "is that of a template: name it in template, or write connection")
	case template == "" && quality != "":
		happens(cloudevents.Event{Type: cloudevents.QualityReported, Rating: quality}, numbers...)
	}
	if to := oneOf(&r.checker, path.Child("connection"), written.Connection, report.States...); to != "" {
		happens(cloudevents.Event{Type: cloudevents.ConnectionReported, State: to}, numbers...)
	}
	if to := oneOf(&r.checker, path.Child("verification"), written.Verification, report.Verifications...); to != "" {
		happens(cloudevents.Event{Type: cloudevents.VerificationReported, Verification: to}, numbers...)
	}
	if written.Limit != "" {
		happens(cloudevents.Event{Type: cloudevents.LimitReported, Limit: r.limit(path.Child("limit"), written.Limit)}, numbers...)
	}
	if len(r.read.changes) == before {
		r.required(path, "what changes: quality, connection, verification, limit, or template with quality or state")
	}
	return day
}

// closeRanges sets the plan's number of days where it is left out, and the last day of each range that has none.
func (r *reader) closeRanges(path *field.Path, last int) {
	p := &r.read
	for i, s := range p.sends {
		if s.Last == 0 && p.days == 0 {
			r.invalid(path.Index(i).Child("days"), "has no end: write one, like %d-30, or say with days how many the whole plan has", s.First)
		}
		last = max(last, s.First, s.Last)
	}
	if p.days == 0 {
		p.days = last
	}
	if last > p.days {
		r.invalid(field.NewPath("days"), "is %d, but a later day, %d, is written below", p.days, last)
	}
	for i := range p.sends {
		if p.sends[i].Last == 0 {
			p.sends[i].Last = p.days
		}
	}
}

// bound refuses a plan that comes to too many messages.
func (r *reader) bound(path *field.Path) {
	total := int64(0)
	for i := range r.read.sends {
		s := &r.read.sends[i]
		for day := s.First; day <= s.Last; day++ {
			if total += s.users(day); total > MaxMessages {
				r.invalid(path.Index(i).Child("users"), "come to more than %d messages by day %d: write fewer users or days, or bound them with most", MaxMessages, day)
				return
			}
		}
	}
}
