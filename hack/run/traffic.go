package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"numberfleet.dev/numberfleet/hack/rig"
	"numberfleet.dev/numberfleet/internal/meta/metatest"
)

// pattern is how a number of the sample fleet sends, on each day of a cycle of two weeks. Messages are spread evenly from
// 08:00 on, and from somewhat later each further day of a week, so that yesterday's users have left the window.
type pattern struct {
	number   string
	users    func(day int) int // how many users get a message on a day of the cycle, 0 to 13
	over     time.Duration     // how long that takes
	later    time.Duration     // than the day before; an hour where it is left out
	again    bool              // the same users every day
	platform bool              // Meta's webhooks go to a platform that posts CloudEvents
	id       string            // by which the stand-in for Meta knows the number; empty where it does not
	lost     int               // a day of the cycle on which the webhooks of about every third delivery are lost on purpose; 0 for none
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

// patterns shows within ten days: upgrades by every policy's own rule, a flag that clears and one that ends in a downgrade,
// restrictions that lift, and a portfolio whose two numbers reach its limit together, again and again.
var patterns = []pattern{
	// newsletter, chat-api: twice the limit in notifications within two days, to the same readers.
	{number: "+15550100001", users: every(1000), over: time.Hour, again: true},
	// support, botmaker: rises within the week; Meta flags it on the second day and takes the flag back two days later.
	{number: "+15550100002", users: every(320), over: 10 * time.Hour, quality: quality{flagged: 30 * time.Hour, unflagged: 78 * time.Hour}},
	// clinic, taqnyat: unverified, at its limit of 250 every day but on the weekend.
	{number: "+15550100003", users: onWeekdays(250, 40), over: 50 * time.Minute, platform: true},
	// flash-sales, quality-based: rises at once on a big first day; the flag of that evening ends in a downgrade.
	{number: "+15550100004", users: atFirst(700, 60), over: 4 * time.Hour, quality: quality{flagged: 14 * time.Hour, unflagged: 12 * day}},
	// bank, netcore: steady, but for two days on which nothing comes of it.
	{number: "+15550100005", users: steadyExcept(450, 10, 11), over: 9 * time.Hour},
	// parcels, meta-2020: at its limit every day until it rises after two days.
	{number: "+15550100006", users: onWeekdays(1000, 200), over: 50 * time.Minute},
	// bookings, meta-2023: verified; half of its limit within the week, and a day later it rises. On the second day not all of its
	// webhooks come.
	{number: "+15550100007", users: every(170), over: 12 * time.Hour, id: bookings, lost: 1},
	// flights and hotels, meta-2025: on weekdays they use up the portfolio's 250 together, a message whenever there has been room for
	// two minutes, so that the limit is reached again and again; until 2,000 users within 30 days raise it.
	{number: "+15550100008", users: every(150), over: day, later: 2 * time.Minute, id: flights},
	{number: "+15550100009", users: onWeekdays(100, 40), over: day, later: 2 * time.Minute, id: hotels},
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

// event is a rating that a platform reports.
type event struct {
	at     time.Time
	rating string
}

// platformRatings are what the platform of the clinic reports in a cycle.
var platformRatings = []struct {
	after  time.Duration
	rating string
}{{28 * time.Hour, "High"}, {4*day + 10*time.Hour, "Medium"}, {8 * day, "High"}}

// generate posts, as time goes on, what Meta would post, and what another platform would.
func generate(ctx context.Context, to *rig.Operator, other *platform, meta *graphAPI, clock *fleetClock) error {
	done := clock.origin
	for tick := time.NewTicker(100 * time.Millisecond); ; {
		select {
		case <-ctx.Done():
			tick.Stop()
			return ctx.Err()
		case <-tick.C:
		}
		until := clock.Now().Truncate(time.Second)
		for i := range patterns {
			h := &patterns[i]
			delivered, received := h.messages(clock.born, done, until)
			if h.platform {
				var reports []event
				for _, r := range platformRatings {
					for _, at := range onCycle(clock.born, done, until, r.after) {
						reports = append(reports, event{at, r.rating})
					}
				}
				if err := other.post(ctx, h.number, delivered, received, reports); err != nil {
					return err
				}
				continue
			}
			for _, m := range delivered {
				meta.Deliver(h.id, m.At, 1)
			}
			delivered = h.dropSome(clock.born, delivered)
			for _, body := range append(webhooks(h.number, delivered, received), h.flags(clock.born, done, until)...) {
				if err := post(ctx, to, body); err != nil {
					return err
				}
			}
		}
		for _, r := range ratings {
			for _, at := range onCycle(clock.born, done, until, r.after) {
				body := metatest.TemplateQualityPayload(travel, "last_minute", "en_US", r.before, r.score, at)
				if r.event != "" {
					body = metatest.TemplateStatusPayload(travel, "last_minute", "en_US", r.event, "", at)
				}
				if err := post(ctx, to, body); err != nil {
					return err
				}
			}
		}
		done = until
	}
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

// messages are what a number sent and got in (from, to].
func (h *pattern) messages(born, from, to time.Time) (delivered []metatest.Status, received []metatest.Inbound) {
	within := func(at time.Time) bool { return at.After(from) && !at.After(to) }
	// A day may end on the next one.
	for n := max(0, int(from.Sub(born)/day)-1); born.Add(time.Duration(n) * day).Before(to); n++ {
		opens := born.Add(time.Duration(n)*day + 8*time.Hour + time.Duration(n%7)*cmp.Or(h.later, time.Hour))
		users := h.users(n % int(cycle/day))
		for i := range users {
			user := i
			if !h.again {
				user += n * 2000
			}
			phone := fmt.Sprintf("1556%s%06d", h.number[len(h.number)-2:], user%1_000_000)
			scoped := "US." + phone[4:]
			message := func(kind string) string { return fmt.Sprintf("wamid.%s.%s.%d.%d", kind, h.number[1:], n, i) }

			at := opens.Add(h.over * time.Duration(i) / time.Duration(users))
			if within(at) {
				delivered = append(delivered, metatest.Status{ID: message("out"), Status: "delivered", Phone: phone, Scoped: scoped, At: at})
			}
			// One in ten answers, and the number writes back: that is free, for the service window is open.
			if answer, reply := at.Add(time.Minute), at.Add(2*time.Minute); i%10 == 9 {
				if within(answer) {
					received = append(received, metatest.Inbound{ID: message("in"), Phone: phone, Scoped: scoped, At: answer})
				}
				if within(reply) {
					delivered = append(delivered, metatest.Status{ID: message("reply"), Status: "delivered", Phone: phone, Scoped: scoped, At: reply})
				}
			}
		}
	}
	return delivered, received
}

// dropSome drops about every third delivery of the day on which webhooks are lost.
func (h *pattern) dropSome(born time.Time, delivered []metatest.Status) (kept []metatest.Status) {
	for _, m := range delivered {
		if h.lost == 0 || int(m.At.Sub(born)/day)%int(cycle/day) != h.lost || m.At.Unix()%3 > 0 {
			kept = append(kept, m)
		}
	}
	return kept
}

// webhooks are those about messages. Messages from users come first, because they make the replies free.
func webhooks(number string, delivered []metatest.Status, received []metatest.Inbound) (bodies [][]byte) {
	for some := range slices.Chunk(received, maxBatch) {
		bodies = append(bodies, metatest.MessagesPayload(number, nil, some))
	}
	for some := range slices.Chunk(delivered, maxBatch) {
		bodies = append(bodies, metatest.MessagesPayload(number, some, nil))
	}
	return bodies
}

// flags are the webhooks about a flag in (from, to], as Meta sent them until October 2025.
func (h *pattern) flags(born, from, to time.Time) (bodies [][]byte) {
	for _, change := range []struct {
		after time.Duration
		event string
	}{{h.flagged, "FLAGGED"}, {h.unflagged, "UNFLAGGED"}} {
		if change.after == 0 {
			continue
		}
		for _, at := range onCycle(born, from, to, change.after) {
			bodies = append(bodies, metatest.QualityUpdatePayload(h.number, change.event, "", at))
		}
	}
	return bodies
}
