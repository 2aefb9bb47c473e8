package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"numberfleet.dev/numberfleet/internal/meta/metatest"
)

// pattern is how a number of the sample fleet sends, on each day of a cycle of two weeks. Messages are spread evenly from
// 08:00 on, and from somewhat later each further day of a week, so that yesterday's users have left the window.
type pattern struct {
	name     string // of its resource
	number   string
	id       string            // by which the stand-in for Meta knows the number; empty where the number is on another platform
	users    func(day int) int // how many users are to get a message on a day of the cycle, 0 to 13
	over     time.Duration     // how long that takes
	later    time.Duration     // than the day before; an hour where it is left out
	again    bool              // the same users every day
	template string            // at Meta; empty for one that no resource is about
	seldom   string            // what every fifth message is instead
	other    bool              // other users than those of the number's other pattern
	lost     int               // a day of the cycle on which the webhooks of about every third delivery are lost on purpose; 0 for none
	fails    int               // every so manieth message cannot be delivered; 0 for none
	quality
}

// quality is when Meta flags the number and takes the flag back, as time since the start of the cycle; zero for never.
type quality struct {
	flagged, unflagged time.Duration
}

const (
	day   = 24 * time.Hour
	cycle = 14 * day
)

func every(n int) func(int) int { return func(int) int { return n } }

func onWeekdays(n, otherwise int) func(int) int {
	return func(day int) int {
		if day%7 < 5 {
			return n
		}
		return otherwise
	}
}

// steadyExcept is the same on all days but some, on which nothing is sent.
func steadyExcept(n int, silent ...int) func(int) int {
	return func(day int) int {
		if slices.Contains(silent, day) {
			return 0
		}
		return n
	}
}

func atFirst(n, then int) func(int) int {
	return func(day int) int {
		if day == 0 {
			return n
		}
		return then
	}
}

// onDays is how many on some days, and none on the others.
func onDays(n int, days ...int) func(int) int {
	return func(day int) int {
		if slices.Contains(days, day) {
			return n
		}
		return 0
	}
}

// patterns shows within ten days: upgrades by every policy's own rule, a flag that clears and one that ends in a downgrade,
// restrictions that lift, a portfolio whose two numbers reach its limit together, again and again, and a campaign that the gate stops.
var patterns = []pattern{
	// chat-api: twice the limit in notifications within two days, to the same readers.
	{name: "newsletter", number: "+15550100001", id: newsletter, users: every(1000), over: time.Hour, again: true},
	// botmaker: rises within the week; Meta flags it on the second day and takes the flag back two days later. Some of its users have no
	// WhatsApp any more.
	{name: "support", number: "+15550100002", id: support, users: every(320), over: 10 * time.Hour, fails: 40,
		quality: quality{flagged: 30 * time.Hour, unflagged: 78 * time.Hour}},
	// taqnyat: unverified, at its limit of 250 every day but on the weekend.
	{name: "clinic", number: "+15550100003", users: onWeekdays(250, 40), over: 50 * time.Minute},
	// quality-based: rises at once on a big first day; the flag of that evening ends in a downgrade.
	{name: "flash-sales", number: "+15550100004", id: flashSales, users: atFirst(700, 60), over: 4 * time.Hour,
		quality: quality{flagged: 14 * time.Hour, unflagged: 12 * day}},
	// netcore: steady, but for two days on which nothing comes of it.
	{name: "bank", number: "+15550100005", id: bank, users: steadyExcept(450, 10, 11), over: 9 * time.Hour},
	// meta-2020: at its limit every day until it rises after two days.
	{name: "parcels", number: "+15550100006", id: parcels, users: onWeekdays(1000, 200), over: 50 * time.Minute},
	// meta-2023: verified; half of its limit within the week, and a day later it rises. On the second day not all of its webhooks come.
	{name: "bookings", number: "+15550100007", id: bookings, users: every(170), over: 12 * time.Hour, lost: 1},
	// meta-2025: on weekdays they use up the portfolio's 250 together, a message whenever there has been room for two minutes, so that the
	// limit is reached again and again; until 2,000 users within 30 days raise it.
	{name: "flights", number: "+15550100008", id: flights, users: every(150), over: day, later: 2 * time.Minute},
	{name: "hotels", number: "+15550100009", id: hotels, users: onWeekdays(100, 40), over: day, later: 2 * time.Minute, seldom: "last_minute"},
	// netcore, with a limit of 1,000: once a week a campaign of 4,000, while users log in all day. Of the limit 100 are guaranteed to logins.
	{name: "shop", number: "+15550100010", id: shop, users: onDays(4000, 0, 7), over: 4 * time.Hour, template: "autumn_sale"},
	{name: "shop", number: "+15550100010", id: shop, users: every(80), over: 12 * time.Hour, template: "login_code", other: true},
	// A number that nobody has declared.
	{name: "-", number: "+15550100099", id: forgotten, users: every(20), over: 6 * time.Hour},
}

// ratings are what Meta says of the template last_minute on a cycle: rated red it is paused for 3 hours, then for 6, then
// disabled; at the end of the cycle it is approved again.
var ratings = []struct {
	after                time.Duration
	score, event, before string
}{
	{after: 34 * time.Hour, score: "RED", before: "GREEN"},
	{after: 82 * time.Hour, score: "RED", before: "YELLOW"},
	{after: 130 * time.Hour, score: "RED", before: "YELLOW"},
	{after: 13 * day, score: "GREEN", before: "RED"},
	{after: 13*day + time.Minute, event: "APPROVED"},
}

// maxBatch is how many updates Meta puts into one webhook.
const maxBatch = 1000

// announce posts what Meta says of numbers and templates by webhooks.
func announce(ctx context.Context, to *replicas, born, from, until time.Time) error {
	var bodies [][]byte
	for i := range patterns {
		bodies = append(bodies, patterns[i].flags(born, from, until)...)
	}
	for _, r := range ratings {
		for _, at := range onCycle(born, from, until, r.after) {
			body := metatest.TemplateQualityPayload(travel, "last_minute", "en_US", r.before, r.score, at)
			if r.event != "" {
				body = metatest.TemplateStatusPayload(travel, "last_minute", "en_US", r.event, "", at)
			}
			bodies = append(bodies, body)
		}
	}
	for _, body := range bodies {
		if err := to.post(ctx, body); err != nil {
			return err
		}
	}
	return nil
}

// onCycle are the instants in (from, to] that lie so long after the start of a cycle.
func onCycle(born, from, to time.Time, after time.Duration) (instants []time.Time) {
	for n := int(from.Sub(born) / cycle); born.Add(time.Duration(n) * cycle).Before(to); n++ {
		if at := born.Add(time.Duration(n)*cycle + after); at.After(from) && !at.After(to) {
			instants = append(instants, at)
		}
	}
	return instants
}

// message is one that a number is to send: a template.
type message struct {
	of       *pattern
	at       time.Time
	day      int    // of the fleet
	phone    string // of the user
	template string
}

// sends are the messages of (from, to].
func (p *pattern) sends(born, from, to time.Time) (messages []message) {
	// A day may end on the next one.
	for n := max(0, int(from.Sub(born)/day)-1); born.Add(time.Duration(n) * day).Before(to); n++ {
		users := p.users(n % int(cycle/day))
		for i := range users {
			at := p.opens(born, n).Add(p.over * time.Duration(i) / time.Duration(users))
			if !at.After(from) || at.After(to) {
				continue
			}
			m := message{of: p, at: at, day: n, phone: p.user(n, i), template: p.template}
			if p.seldom != "" && i%5 == 0 {
				m.template = p.seldom
			}
			messages = append(messages, m)
		}
	}
	return messages
}

// opens is when the messages of a day of the fleet begin.
func (p *pattern) opens(born time.Time, n int) time.Time {
	return born.Add(time.Duration(n)*day + 8*time.Hour + time.Duration(n%7)*cmp.Or(p.later, time.Hour))
}

// user is the phone number of the ith user of a day.
func (p *pattern) user(n, i int) string {
	if !p.again {
		i += n * 5000
	}
	i %= 500_000
	if p.other {
		i += 500_000
	}
	return fmt.Sprintf("1556%s%06d", p.number[len(p.number)-2:], i)
}

// scoped is the business-scoped id of a user.
func scoped(phone string) string { return "US." + phone[min(4, len(phone)):] }

// One in ten users answers, a minute after a template, and another minute later the number writes back: that is free, for the service
// window is open.
const writesAfter = time.Minute

func writes(phone string) bool { return strings.HasSuffix(phone, "9") }

// flags are the webhooks about a flag in (from, to], as Meta sent them until October 2025.
func (p *pattern) flags(born, from, to time.Time) (bodies [][]byte) {
	for _, change := range []struct {
		after time.Duration
		event string
	}{{p.flagged, "FLAGGED"}, {p.unflagged, "UNFLAGGED"}} {
		if change.after == 0 {
			continue
		}
		for _, at := range onCycle(born, from, to, change.after) {
			bodies = append(bodies, metatest.QualityUpdatePayload(p.number, change.event, "", at))
		}
	}
	return bodies
}
