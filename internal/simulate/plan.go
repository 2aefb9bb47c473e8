package simulate

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"time"

	"numberfleet.dev/numberfleet/internal/cloudevents"
	"numberfleet.dev/numberfleet/internal/textfile"
)

// What a plan may have at most, so that it ends.
const (
	maxPlanBytes    = 1 << 20
	maxPlanDays     = 366
	maxPlanMessages = 5_000_000
	maxPlanNumbers  = 1000
	maxPlanSends    = 100
	maxPlanChanges  = 10_000
)

// planNumber sends where a plan names no numbers. It is fictional.
const planNumber = "+15550100001"

// Plan says what is to be sent on which days, and what else will happen.
type Plan struct {
	start   time.Time // of the first day
	days    int
	beyond  bool // messages are sent beyond the limit too
	sends   []planSend
	changes []cloudevents.Event // in order of time
}

// planSend is so many users a day.
type planSend struct {
	first, last int // days
	users       int64
	grow        float64 // percent a day
	most        int64   // users a day; zero for no bound
	numbers     []string
	from, to    time.Duration // of the day
	returning   float64       // percent of the users that were messaged on earlier days
	replies     float64       // percent of the users that reply
	template    string
}

// onDay is how many users are to be messaged on a day.
func (s *planSend) onDay(day int) int64 {
	if day < s.first || day > s.last {
		return 0
	}
	users := math.Round(float64(s.users) * math.Pow(1+s.grow/100, float64(day-s.first)))
	if s.most > 0 {
		users = min(users, float64(s.most))
	}
	return int64(min(users, maxPlanMessages+1))
}

// End is the end of a plan's last day.
func (p *Plan) End() time.Time { return p.day(p.days + 1) }

// day is the beginning of a day, the first being 1.
func (p *Plan) day(n int) time.Time { return p.start.Add(time.Duration(n-1) * 24 * time.Hour) }

// ReadPlan reads a plan. The error names the field, its problem and what is allowed.
func ReadPlan(r io.Reader) (*Plan, error) {
	content, err := io.ReadAll(textfile.NewReader(io.LimitReader(r, maxPlanBytes+1)))
	if err != nil {
		return nil, err
	}
	if len(content) > maxPlanBytes {
		return nil, fmt.Errorf("is too long: a plan may have %d bytes", maxPlanBytes)
	}
	f := readFields(content, &err)
	if err != nil {
		return nil, err
	}
	var p Plan
	p.start = f.start()
	p.days = int(f.whole("days", 1, maxPlanDays, 0))
	p.beyond = f.oneOf("overLimit", "Skip", "Send") == "Send"
	numbers := f.numbers("numbers")
	if len(numbers) == 0 {
		numbers = []string{planNumber}
	}
	if f.list("sends", maxPlanSends, func(f *fields) { p.sends = append(p.sends, readSend(f, numbers)) }) == 0 {
		f.fail("sends", "is missing: a plan says at least once how many users are messaged")
	}
	changed := 0
	f.list("changes", maxPlanChanges, func(f *fields) { changed = max(changed, p.change(f, numbers)) })
	f.end()
	if err == nil {
		err = p.bound(changed)
	}
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(p.changes, func(a, b cloudevents.Event) int { return a.Time.Compare(b.Time) })
	return &p, nil
}

func readSend(f *fields, numbers []string) planSend {
	var s planSend
	s.first, s.last = f.days()
	if s.users = f.whole("users", 1, maxPlanMessages, 0); s.users == 0 {
		f.fail("users", "is missing: it must be how many users are messaged on the first of these days")
	}
	s.grow = f.percent("grow", -100, 1000)
	s.most = f.whole("most", 1, maxPlanMessages, 0)
	s.from, s.to = f.hours()
	if s.numbers = f.numbers("numbers"); len(s.numbers) == 0 {
		s.numbers = numbers
	}
	s.returning = f.percent("returning", 0, 100)
	s.replies = f.percent("replies", 0, 100)
	if s.template = f.text("template"); len(s.template) > 512 {
		f.fail("template", "is too long: a name may have 512 bytes")
	}
	f.end()
	return s
}

// change reads what else happens at an instant, and returns its day.
func (p *Plan) change(f *fields, numbers []string) int {
	day := int(f.whole("day", 1, maxPlanDays, 0))
	if day == 0 {
		f.fail("day", "is missing: it must be the day on which this happens, the first being 1")
	}
	at := time.Duration(0)
	if text := f.text("at"); text != "" {
		var ok bool
		if at, ok = clockTime(text); !ok || at == 24*time.Hour {
			f.fail("at", "must be a time of the day, like 09:00")
		}
	}
	if own := f.numbers("numbers"); len(own) > 0 {
		numbers = own
	}
	template := f.text("template")
	quality := f.oneOf("quality", "High", "Medium", "Low", "Unknown")
	state := f.oneOf("state", "Approved", "Paused", "Disabled", "Edited")
	event := cloudevents.Event{Source: "/plan", Time: p.day(day).Add(at)}
	changes := len(p.changes)
	each := func(e cloudevents.Event) {
		for _, number := range numbers {
			e.Number = number
			p.changes = append(p.changes, e)
		}
	}
	if template != "" {
		e := event
		e.Type, e.Template, e.Rating, e.State = cloudevents.TemplateReported, template, quality, state
		if len(template) > 512 {
			f.fail("template", "is too long: a name may have 512 bytes")
		}
		if quality != "" || state != "" {
			p.changes = append(p.changes, e)
		}
	} else if state != "" {
		f.fail("state", "is that of a template: name it in template, or write connection")
	} else if quality != "" {
		e := event
		e.Type, e.Rating = cloudevents.QualityReported, quality
		each(e)
	}
	if to := f.oneOf("connection", "Pending", "Connected", "Offline", "Flagged", "Restricted", "Blocked"); to != "" {
		e := event
		e.Type, e.State = cloudevents.ConnectionReported, to
		each(e)
	}
	if to := f.oneOf("verification", "Verified", "Unverified", "Pending", "Rejected"); to != "" {
		e := event
		e.Type, e.Verification = cloudevents.VerificationReported, to
		each(e)
	}
	if to := f.text("limit"); to != "" {
		e := event
		e.Type = cloudevents.LimitReported
		if to != "Unlimited" {
			var err error
			if e.Limit, err = strconv.ParseInt(to, 10, 64); err != nil || e.Limit < 1 || e.Limit > 1_000_000_000 {
				f.fail("limit", "must be a whole number from 1 to 1000000000, or Unlimited")
			}
		}
		each(e)
	}
	f.end()
	if len(p.changes) == changes {
		f.fail("day", "nothing changes: write quality, connection, verification, limit, or template with quality or state")
	}
	return day
}

// bound closes the ranges of days, and refuses what would not end.
func (p *Plan) bound(changed int) error {
	last := changed
	for i := range p.sends {
		s := &p.sends[i]
		if s.last == 0 && p.days == 0 {
			return fmt.Errorf("sends[%d].days: has no end: write one, like %d-30, or say with days how many the whole plan has", i, s.first)
		}
		last = max(last, s.first, s.last)
	}
	if p.days == 0 {
		p.days = last
	}
	if last > p.days {
		return fmt.Errorf("days: is %d, but a later day, %d, is written below", p.days, last)
	}
	total, most := int64(0), int64(maxPlanMessages)
	for i := range p.sends {
		s := &p.sends[i]
		s.last = cmp.Or(s.last, p.days)
		for day := s.first; day <= s.last; day++ {
			if total += s.onDay(day); total > most {
				return fmt.Errorf("sends[%d].users: come to more than %d messages by day %d: write fewer users or days, or bound them with most", i, most, day)
			}
		}
	}
	if len(p.changes) > 10*maxPlanChanges {
		return fmt.Errorf("changes: come to %d over all numbers: there may be %d", len(p.changes), 10*maxPlanChanges)
	}
	return nil
}
