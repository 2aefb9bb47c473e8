package simulate

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"sigs.k8s.io/yaml"

	"numberfleet.dev/numberfleet/internal/identity"
)

// fields are the fields of one object of a plan. They keep the first error, which names the field, and what is allowed.
type fields struct {
	path   string // of the object, with a point at its end; empty for the plan itself
	values map[string]any
	known  []string
	err    *error
}

// readFields reads YAML with one object.
func readFields(content []byte, err *error) *fields {
	text, problem := yaml.YAMLToJSONStrict(content)
	if problem != nil {
		*err = oneLine(problem)
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber() // a phone number without quotes is told from one that was rounded
	var values map[string]any
	if problem := decoder.Decode(&values); problem != nil || values == nil {
		*err = errors.New("must be an object with the fields start and sends, not a list or a text")
		return nil
	}
	return &fields{values: values, err: err}
}

func (f *fields) fail(field, format string, args ...any) {
	if *f.err == nil {
		*f.err = fmt.Errorf("%s%s: %s", f.path, field, fmt.Sprintf(format, args...))
	}
}

func (f *fields) get(field string) (any, bool) {
	f.known = append(f.known, field)
	value, ok := f.values[field]
	return value, ok && value != nil
}

// end is called when all fields were asked for: any other is a mistake.
func (f *fields) end() {
	for _, field := range slices.Sorted(maps.Keys(f.values)) {
		if !slices.Contains(f.known, field) {
			f.fail(field, "is not known: the fields here are %s", strings.Join(f.known, ", "))
		}
	}
}

// list calls with each object of a list.
func (f *fields) list(field string, most int, each func(*fields)) int {
	value, ok := f.get(field)
	if !ok {
		return 0
	}
	items, ok := value.([]any)
	if !ok || len(items) > most {
		f.fail(field, "must be a list of up to %d", most)
		return 0
	}
	for i, item := range items {
		path := fmt.Sprintf("%s%s[%d]", f.path, field, i)
		values, ok := item.(map[string]any)
		if !ok {
			f.fail(fmt.Sprintf("%s[%d]", field, i), "must be an object")
			return 0
		}
		each(&fields{path: path + ".", values: values, err: f.err})
	}
	return len(items)
}

// text is a text, or a number as it was written.
func (f *fields) text(field string) string {
	value, ok := f.get(field)
	if !ok {
		return ""
	}
	switch value := value.(type) {
	case string:
		return strings.TrimSpace(value)
	case json.Number:
		return value.String()
	}
	f.fail(field, "must be a text")
	return ""
}

func (f *fields) oneOf(field string, allowed ...string) string {
	text := f.text(field)
	if text != "" && !slices.Contains(allowed, text) {
		f.fail(field, "must be %s or %s", strings.Join(allowed[:len(allowed)-1], ", "), allowed[len(allowed)-1])
		return ""
	}
	return text
}

// whole is a whole number, the default if the field is left out.
func (f *fields) whole(field string, least, most, otherwise int64) int64 {
	text := f.text(field)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < least || n > most {
		f.fail(field, "must be a whole number from %d to %d", least, most)
		return otherwise
	}
	return n
}

func (f *fields) percent(field string, least, most float64) float64 {
	text := f.text(field)
	if text == "" {
		return 0
	}
	p, err := strconv.ParseFloat(text, 64)
	if err != nil || !(p >= least && p <= most) {
		f.fail(field, "must be a percentage from %g to %g, without a percent sign", least, most)
		return 0
	}
	return p
}

// numbers is a list of phone numbers.
func (f *fields) numbers(field string) []string {
	value, ok := f.get(field)
	if !ok {
		return nil
	}
	items, ok := value.([]any)
	if !ok || len(items) == 0 || len(items) > maxPlanNumbers {
		f.fail(field, "must be a list of 1 to %d phone numbers", maxPlanNumbers)
		return nil
	}
	var numbers []string
	for i, item := range items {
		where := fmt.Sprintf("%s[%d]", field, i)
		number, ok := item.(string)
		switch {
		case !ok || !identity.IsE164(number):
			f.fail(where, `must be in E.164 and in quotes, like "+15550100001"`)
			return nil
		case slices.Contains(numbers, number):
			f.fail(where, "stands in the list already")
			return nil
		}
		numbers = append(numbers, number)
	}
	return numbers
}

// start is a date, or midnight somewhere.
func (f *fields) start() time.Time {
	const allowed = "must be a date, like 2026-03-02, or midnight with the zone that the plan's clock times are in, like 2026-03-02T00:00:00+03:00"
	text := f.text("start")
	if text == "" {
		f.fail("start", "is missing: it %s", allowed)
		return time.Time{}
	}
	at, err := time.Parse(time.DateOnly, text)
	if err != nil {
		at, err = time.Parse(time.RFC3339, text)
	}
	if err != nil || at.Format(time.TimeOnly) != "00:00:00" || at.Nanosecond() != 0 {
		f.fail("start", allowed)
		return time.Time{}
	}
	if at.Year() < 1970 || at.Year() > 2100 {
		f.fail("start", "must lie between 1970 and 2100")
	}
	return at.UTC()
}

// days is a day or a range of days; to is zero where it is open.
func (f *fields) days() (from, to int) {
	text := f.text("days")
	if text == "" {
		return 1, 0
	}
	first, last, isRange := strings.Cut(text, "-")
	from, err := strconv.Atoi(first)
	if to = from; err == nil && isRange {
		if to = 0; last != "" {
			to, err = strconv.Atoi(last)
		}
	}
	if err != nil || from < 1 || from > maxPlanDays || to > maxPlanDays || to < from && (last != "" || !isRange) {
		f.fail("days", "must be a day, a range or an open range within days 1 to %d, like 3, 1-30 or 31-", maxPlanDays)
		return 1, 0
	}
	return from, to
}

// hours is a stretch of the day.
func (f *fields) hours() (from, to time.Duration) {
	from, to, err := ParseHours(cmp.Or(f.text("hours"), "09:00-18:00"))
	if err != nil {
		f.fail("hours", "%s", err)
	}
	return from, to
}

// ParseHours reads a stretch of the day.
func ParseHours(text string) (from, to time.Duration, err error) {
	first, last, _ := strings.Cut(text, "-")
	from, ok := clockTime(first)
	to, fine := clockTime(last)
	if !ok || !fine || to <= from {
		return 0, 0, errors.New("must be a stretch of the day from 00:00 to 24:00, like 09:00-18:00")
	}
	return from, to, nil
}

// clockTime is a time of the day, like 09:00, 09:00:30 or 24:00.
func clockTime(text string) (time.Duration, bool) {
	if text == "24:00" {
		return 24 * time.Hour, true
	}
	for _, layout := range []string{"15:04", time.TimeOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			return at.Sub(at.Truncate(24 * time.Hour)), true
		}
	}
	return 0, false
}
