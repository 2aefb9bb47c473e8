package plan

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"numberfleet.dev/numberfleet/internal/identity"
	"numberfleet.dev/numberfleet/internal/report"
)

// checker reads scalars, and collects what is wrong with them.
type checker struct {
	errs field.ErrorList
	// from is where the one number that sends stands, and the earliest start; zero for any numbers and any start.
	from time.Time
}

func (c *checker) invalid(path *field.Path, format string, args ...any) {
	c.errs = append(c.errs, field.Invalid(path, field.OmitValueType{}, fmt.Sprintf(format, args...)))
}

func (c *checker) required(path *field.Path, what string) {
	c.errs = append(c.errs, field.Required(path, what))
}

func (c *checker) atMost(path *field.Path, items, most int) bool {
	if items > most {
		c.errs = append(c.errs, field.TooMany(path, items, most))
	}
	return items <= most
}

func oneOf[S ~string](c *checker, path *field.Path, written scalar, allowed ...S) S {
	value := S(written)
	if value != "" && !slices.Contains(allowed, value) {
		c.errs = append(c.errs, field.NotSupported(path, value, allowed))
	}
	return value
}

// whole is a whole number from 1; zero where it is left out.
func (c *checker) whole(path *field.Path, value scalar, most int64) int64 {
	n, err := strconv.ParseInt(string(value), 10, 64)
	if value != "" && (err != nil || n < 1 || n > most) {
		c.invalid(path, "must be a whole number from 1 to %d", most)
	}
	return n
}

// percentage is zero where it is left out.
func (c *checker) percentage(path *field.Path, value scalar, least, most float64) float64 {
	p, err := strconv.ParseFloat(string(value), 64)
	if value != "" && (err != nil || !(p >= least && p <= most)) {
		c.invalid(path, "must be a percentage from %g to %g, without a percent sign", least, most)
	}
	return p
}

func (c *checker) template(path *field.Path, name scalar) string {
	if len(name) > maxTemplate {
		c.errs = append(c.errs, field.TooLong(path, "", maxTemplate))
	}
	return string(name)
}

// phoneNumbers are the others where the list is left out.
func (c *checker) phoneNumbers(path *field.Path, list []scalar, others []string) []string {
	if list == nil {
		return others
	}
	if !c.from.IsZero() {
		c.errs = append(c.errs, field.Forbidden(path, "the number or portfolio of the cluster sends: leave them out"))
		return nil
	}
	if len(list) == 0 || len(list) > maxNumbers {
		c.invalid(path, "must be a list of 1 to %d phone numbers", maxNumbers)
		return nil
	}
	var numbers []string
	for i, number := range list {
		if !identity.IsE164(string(number)) {
			c.invalid(path.Index(i), `must be in E.164 and in quotes, like "+15550100001"`)
		} else if slices.Contains(numbers, string(number)) {
			c.errs = append(c.errs, field.Duplicate(path.Index(i), string(number)))
		}
		numbers = append(numbers, string(number))
	}
	return numbers
}

func (c *checker) limit(path *field.Path, value scalar) int64 {
	limit, ok := report.ParseLimit(string(value))
	if !ok {
		c.invalid(path, "must be a whole number from 1 to %d, or Unlimited", report.MaxLimit)
	}
	return limit
}

// start is midnight of a date, in UTC or in the zone that it has. Where a number stands already it is by default the next in UTC.
func (c *checker) start(path *field.Path, value scalar) time.Time {
	const allowed = "a date, like 2026-03-02, or midnight with the zone that the plan's clock times are in, like 2026-03-02T00:00:00+03:00"
	if value == "" && !c.from.IsZero() {
		return c.from.Add(24*time.Hour - time.Second).Truncate(24 * time.Hour)
	}
	if value == "" {
		c.required(path, allowed)
		return time.Time{}
	}
	at, err := time.Parse(time.DateOnly, string(value))
	if err != nil {
		at, err = time.Parse(time.RFC3339, string(value))
	}
	if err != nil || at.Format(time.TimeOnly) != "00:00:00" || at.Nanosecond() != 0 {
		c.invalid(path, "must be "+allowed)
	} else if at.Year() < 1970 || at.Year() > 2100 {
		c.invalid(path, "must lie between 1970 and 2100")
	} else if at.Before(c.from) {
		c.invalid(path, "lies before %s, when the simulation begins: write a later day, or leave it out for the next midnight in UTC", c.from.UTC().Format(time.RFC3339))
	}
	return at.UTC()
}

// dayRange is a day or a range of days, by default all. The last day is zero where the range has no end.
func (c *checker) dayRange(path *field.Path, value scalar) (first, last int) {
	if value == "" {
		return 1, 0
	}
	from, to, isRange := strings.Cut(string(value), "-")
	first, err := strconv.Atoi(from)
	if last = first; err == nil && isRange {
		if last = 0; to != "" {
			last, err = strconv.Atoi(to)
		}
	}
	if err != nil || first < 1 || first > MaxDays || last > MaxDays || last < first && (to != "" || !isRange) {
		c.invalid(path, "must be a day, a range or an open range within days 1 to %d, like 3, 1-30 or 31-", MaxDays)
	}
	return first, last
}

// hours are a part of the day, by default the hours of an office.
func (c *checker) hours(path *field.Path, value scalar) (from, to time.Duration) {
	if value == "" {
		value = "09:00-18:00"
	}
	from, to, err := ParseHours(string(value))
	if err != nil {
		c.invalid(path, "%s", err)
	}
	return from, to
}

// clockTime is a time of the day, by default midnight.
func (c *checker) clockTime(path *field.Path, value scalar) time.Duration {
	if value == "" {
		return 0
	}
	at, ok := parseClockTime(string(value))
	if !ok || at == 24*time.Hour {
		c.invalid(path, "must be a time of the day, like 09:00")
	}
	return at
}

// ParseHours reads a part of the day, like 09:00-18:00. Both ends are times since midnight.
func ParseHours(value string) (from, to time.Duration, err error) {
	first, last, _ := strings.Cut(value, "-")
	from, ok := parseClockTime(first)
	to, fine := parseClockTime(last)
	if !ok || !fine || to <= from {
		return 0, 0, errors.New("must be a stretch of the day from 00:00 to 24:00, like 09:00-18:00")
	}
	return from, to, nil
}

// parseClockTime reads a time of the day, like 09:00, 09:00:30 or 24:00.
func parseClockTime(value string) (sinceMidnight time.Duration, ok bool) {
	if value == "24:00" {
		return 24 * time.Hour, true
	}
	for _, layout := range []string{"15:04", time.TimeOnly} {
		if at, err := time.Parse(layout, value); err == nil {
			return at.Sub(at.Truncate(24 * time.Hour)), true
		}
	}
	return 0, false
}
