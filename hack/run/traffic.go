package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"time"

	"numberfleet.dev/numberfleet/internal/meta/metatest"
)

// habit is how a number of the sample fleet sends, on each day of a cycle of two weeks. Messages are spread evenly from
// 08:00 on, and from an hour later each further day of a work week, so that yesterday's users have left the window.
type habit struct {
	number string
	users  func(day int) int // how many users get a message on a day of the cycle, 0 to 13
	over   time.Duration     // how long that takes
	again  bool              // the same users every day
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

func atFirst(n, then int) func(int) int {
	return func(day int) int {
		if day == 0 {
			return n
		}
		return then
	}
}

// habits shows within ten days: upgrades by every policy's own rule, a flag that clears and one that ends in a downgrade,
// restrictions that lift, and a portfolio whose two numbers reach its limit together.
var habits = []habit{
	// newsletter, chat-api: twice the limit in notifications within two days, to the same readers.
	{number: "+15550100001", users: every(1000), over: time.Hour, again: true},
	// support, botmaker: rises within the week; Meta flags it on the second day and takes the flag back two days later.
	{number: "+15550100002", users: every(320), over: 10 * time.Hour, quality: quality{flagged: 30 * time.Hour, unflagged: 78 * time.Hour}},
	// clinic, taqnyat: unverified, at its limit of 250 every day but on the weekend.
	{number: "+15550100003", users: onWeekdays(250, 40), over: 50 * time.Minute},
	// flash-sales, quality-based: rises at once on a big first day; the flag of that evening ends in a downgrade.
	{number: "+15550100004", users: atFirst(700, 60), over: 4 * time.Hour, quality: quality{flagged: 14 * time.Hour, unflagged: 12 * day}},
	// bank, netcore: steady.
	{number: "+15550100005", users: every(450), over: 9 * time.Hour},
	// parcels, meta-2020: at its limit every day until it rises after two days.
	{number: "+15550100006", users: onWeekdays(1000, 200), over: 50 * time.Minute},
	// bookings, meta-2023: verified; half of its limit within the week, and a day later it rises.
	{number: "+15550100007", users: every(170), over: 12 * time.Hour},
	// flights and hotels, meta-2025: on weekdays they use up the portfolio's 250 together, until 2,000 users within 30 days
	// raise it.
	{number: "+15550100008", users: every(150), over: 2 * time.Hour},
	{number: "+15550100009", users: onWeekdays(100, 40), over: 3 * time.Hour},
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

// generate posts, as time goes on, what Meta would post.
func generate(ctx context.Context, to *operator, life *life) error {
	const account = "200000000000006"
	done := life.origin
	for tick := time.NewTicker(100 * time.Millisecond); ; {
		select {
		case <-ctx.Done():
			tick.Stop()
			return ctx.Err()
		case <-tick.C:
		}
		until := life.Now().Truncate(time.Second)
		for _, h := range habits {
			for _, body := range h.webhooks(life.born, done, until) {
				if err := to.post(ctx, body); err != nil {
					return err
				}
			}
		}
		for n := int(done.Sub(life.born) / cycle); life.born.Add(time.Duration(n) * cycle).Before(until); n++ {
			for _, r := range ratings {
				at := life.born.Add(time.Duration(n)*cycle + r.after)
				if !at.After(done) || at.After(until) {
					continue
				}
				body := metatest.TemplateQualityPayload(account, "last_minute", "en_US", r.before, r.score, at)
				if r.event != "" {
					body = metatest.TemplateStatusPayload(account, "last_minute", "en_US", r.event, "", at)
				}
				if err := to.post(ctx, body); err != nil {
					return err
				}
			}
		}
		done = until
	}
}

// webhooks are what happened to a number in (from, to].
func (h *habit) webhooks(born, from, to time.Time) [][]byte {
	var bodies [][]byte
	var delivered []metatest.Status
	var received []metatest.Inbound
	flush := func() {
		if len(delivered)+len(received) > 0 {
			bodies = append(bodies, metatest.MessagesPayload(h.number, delivered, received))
			delivered, received = nil, nil
		}
	}
	within := func(at time.Time) bool { return at.After(from) && !at.After(to) }
	for n := int(from.Sub(born) / day); born.Add(time.Duration(n) * day).Before(to); n++ {
		opens := born.Add(time.Duration(n)*day + time.Duration(8+n%7)*time.Hour)
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
			if len(delivered)+len(received) > maxBatch-3 {
				flush()
			}
		}
	}
	flush()

	for n := int(from.Sub(born) / cycle); born.Add(time.Duration(n) * cycle).Before(to); n++ {
		for _, change := range []struct {
			after time.Duration
			event string
		}{{h.flagged, "FLAGGED"}, {h.unflagged, "UNFLAGGED"}} {
			at := born.Add(time.Duration(n)*cycle + change.after)
			if change.after > 0 && at.After(from) && !at.After(to) {
				bodies = append(bodies, metatest.QualityUpdatePayload(h.number, change.event, "", at))
			}
		}
	}
	return bodies
}

// post sends a signed webhook, again and again until it is acknowledged, as Meta does.
func (o *operator) post(ctx context.Context, body []byte) error {
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, o.webhook, bytes.NewReader(body))
		if err != nil {
			return err
		}
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("X-Hub-Signature-256", metatest.Sign(o.secret, body))
		response, err := http.DefaultClient.Do(request)
		if err == nil {
			_ = response.Body.Close()
			switch response.StatusCode {
			case http.StatusOK:
				return nil
			case http.StatusServiceUnavailable:
			default:
				return fmt.Errorf("the operator answered a webhook with %s", response.Status)
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(500 * time.Millisecond):
		}
	}
}
