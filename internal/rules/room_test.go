package rules_test

import (
	"testing"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/rules"
)

// What remains is what is left of the limit, and nothing whenever nothing may be sent, with the reason and until when.
func TestRoomOf(t *testing.T) {
	noon := day1.Add(12 * time.Hour)
	some := rules.Limit{Limit: 250, Used: 100}
	number := func(s rules.State) rules.Obstacle { return s.Obstacle() }
	connection := func(state v1alpha1.State) rules.Obstacle { return number(rules.State{Connection: state}) }
	template := func(s rules.TemplateState) rules.Obstacle { return s.Obstacle() }
	none := func(reason v1alpha1.RoomReason, until time.Time) rules.Room {
		return rules.Room{Limit: 250, Used: 100, Reason: reason, Until: until}
	}
	for _, test := range []struct {
		name  string
		limit rules.Limit
		in    []rules.Obstacle
		want  rules.Room
	}{
		{name: "what is left", limit: some, want: rules.Room{Limit: 250, Used: 100, Remaining: 150, Sendable: true}},
		{name: "less what is reserved", limit: rules.Limit{Limit: 250, Used: 100, Reserved: 20},
			want: rules.Room{Limit: 250, Used: 100, Reserved: 20, Remaining: 130, Sendable: true}},
		{name: "reservations take the last of it", limit: rules.Limit{Limit: 250, Used: 240, Reserved: 10},
			want: rules.Room{Limit: 250, Used: 240, Reserved: 10, Reason: v1alpha1.RoomLimitReached}},
		{name: "the limit is reached, until users leave the window", limit: rules.Limit{Limit: 250, Used: 250, Frees: noon},
			want: rules.Room{Limit: 250, Used: 250, Reason: v1alpha1.RoomLimitReached, Until: noon}},
		{name: "never less than nothing", limit: rules.Limit{Limit: 250, Used: 900},
			want: rules.Room{Limit: 250, Used: 900, Reason: v1alpha1.RoomLimitReached}},
		{name: "no limit", limit: rules.Limit{Used: 900}, want: rules.Room{Used: 900, Remaining: rules.NoLimit, Sendable: true}},
		{name: "nobody knows what is used", limit: rules.Limit{Limit: 250, Used: 100, Unknown: true}, want: none(v1alpha1.RoomNotReady, time.Time{})},
		{name: "and the limit was reached", limit: rules.Limit{Limit: 250, Used: 100, Unknown: true, Reached: true}, want: none(v1alpha1.RoomLimitReached, time.Time{})},

		{name: "a connected number", limit: some, in: []rules.Obstacle{connection(v1alpha1.StateConnected)},
			want: rules.Room{Limit: 250, Used: 100, Remaining: 150, Sendable: true}},
		{name: "a blocked number", limit: some, in: []rules.Obstacle{connection(v1alpha1.StateBlocked)}, want: none(v1alpha1.RoomBlocked, time.Time{})},
		{name: "a pending number", limit: some, in: []rules.Obstacle{connection(v1alpha1.StatePending)}, want: none(v1alpha1.RoomPending, time.Time{})},
		{name: "a number that is offline", limit: some, in: []rules.Obstacle{connection(v1alpha1.StateOffline)}, want: none(v1alpha1.RoomOffline, time.Time{})},
		{name: "a blocked number without a limit", in: []rules.Obstacle{connection(v1alpha1.StateBlocked)}, want: rules.Room{Reason: v1alpha1.RoomBlocked}},
		{name: "a number that Meta reports as restricted", limit: some,
			in:   []rules.Obstacle{number(rules.State{Connection: v1alpha1.StateConnected, RestrictedSince: day1, RestrictedSource: v1alpha1.FromReport})},
			want: none(v1alpha1.RoomLimitReached, time.Time{})},
		{name: "a number of a restricted account", limit: some,
			in: []rules.Obstacle{number(rules.State{Connection: v1alpha1.StateConnected, RestrictedSince: day1, RestrictedUntil: noon,
				RestrictedSource: v1alpha1.FromReport, RestrictedReason: report.RestrictedMessaging})},
			want: none(v1alpha1.RoomAccountRestricted, noon)},
		{name: "a flagged number", limit: some, in: []rules.Obstacle{number(rules.State{Connection: v1alpha1.StateConnected, FlagSince: day1})},
			want: rules.Room{Limit: 250, Used: 100, Remaining: 150, Sendable: true}},
		{name: "the count, and not what was concluded from it, says that the limit is reached", limit: some,
			in:   []rules.Obstacle{number(rules.State{Connection: v1alpha1.StateConnected, RestrictedSince: day1, RestrictedSource: v1alpha1.FromPolicy})},
			want: rules.Room{Limit: 250, Used: 100, Remaining: 150, Sendable: true}},

		{name: "an approved template", limit: some, in: []rules.Obstacle{template(rules.TemplateState{State: v1alpha1.TemplateApproved})},
			want: rules.Room{Limit: 250, Used: 100, Remaining: 150, Sendable: true}},
		{name: "a paused template", limit: some, in: []rules.Obstacle{template(rules.TemplateState{State: v1alpha1.TemplatePaused, Until: noon})},
			want: none(v1alpha1.RoomTemplatePaused, noon)},
		{name: "a blocked template", limit: some, in: []rules.Obstacle{template(rules.TemplateState{State: v1alpha1.TemplateBlocked})},
			want: none(v1alpha1.RoomTemplateNotSendable, time.Time{})},
		{name: "the first obstacle is the reason", limit: some, in: []rules.Obstacle{connection(v1alpha1.StateConnected), connection(v1alpha1.StateOffline),
			template(rules.TemplateState{State: v1alpha1.TemplatePaused, Until: noon})}, want: none(v1alpha1.RoomOffline, time.Time{})},

		{name: "a portfolio, of which one number can send", limit: some,
			in:   []rules.Obstacle{rules.Every([]rules.Obstacle{connection(v1alpha1.StateBlocked), connection(v1alpha1.StateConnected)})},
			want: rules.Room{Limit: 250, Used: 100, Remaining: 150, Sendable: true}},
		{name: "a portfolio, of which none can", limit: some,
			in:   []rules.Obstacle{rules.Every([]rules.Obstacle{connection(v1alpha1.StateBlocked), connection(v1alpha1.StateOffline)})},
			want: none(v1alpha1.RoomBlocked, time.Time{})},
		{name: "until the first of them can again", limit: some,
			in: []rules.Obstacle{rules.Every([]rules.Obstacle{connection(v1alpha1.StateBlocked), {Reason: v1alpha1.RoomAccountRestricted, Until: noon.Add(time.Hour)},
				{Reason: v1alpha1.RoomAccountRestricted, Until: noon}})},
			want: none(v1alpha1.RoomAccountRestricted, noon)},
		{name: "a portfolio without numbers", limit: some, in: []rules.Obstacle{rules.Every(nil)}, want: none(v1alpha1.RoomNotReady, time.Time{})},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := rules.RoomOf(test.limit, test.in...); got != test.want {
				t.Errorf("%+v, want %+v", got, test.want)
			}
		})
	}
}

// Replies go out while the limit is reached, or while Meta lets the account reply and no more; whatever else is in the way stops them too.
func TestWhatStopsReplies(t *testing.T) {
	for _, test := range []struct {
		reason      v1alpha1.RoomReason
		restriction string
		stops       bool
	}{
		{reason: "", stops: false},
		{reason: v1alpha1.RoomLimitReached, stops: false},
		{reason: v1alpha1.RoomAccountRestricted, restriction: report.RestrictedMessaging, stops: false},
		{reason: v1alpha1.RoomAccountRestricted, restriction: report.RestrictedReplies, stops: true},
		{reason: v1alpha1.RoomBlocked, stops: true},
		{reason: v1alpha1.RoomPending, stops: true},
		{reason: v1alpha1.RoomOffline, stops: true},
		{reason: v1alpha1.RoomSuspended, stops: true},
		{reason: v1alpha1.RoomNotReady, stops: true},
	} {
		if got := (rules.Obstacle{Reason: test.reason}).StopsReplies(test.restriction); got != test.stops {
			t.Errorf("%s %s: %t, want %t", test.reason, test.restriction, got, test.stops)
		}
	}
}

// LimitAt counts at the instant that it is asked for, and says when there is room again.
func TestLimitAt(t *testing.T) {
	policy := shippedPolicy(t, "meta-2025")
	usage := deliveries(day1.Add(time.Second), 250)
	state := rules.State{Tier: rules.Tier{Name: "250", Limit: 250}}
	for _, test := range []struct {
		after time.Duration
		want  rules.Limit
	}{
		{250 * time.Second, rules.Limit{Limit: 250, Used: 250, Reserved: 3, Frees: day1.Add(24*time.Hour + time.Second)}},
		{249 * time.Second, rules.Limit{Limit: 250, Used: 249, Reserved: 3}},
		{24*time.Hour + 10*time.Second, rules.Limit{Limit: 250, Used: 240, Reserved: 3}},
	} {
		if got := rules.LimitAt(policy, &rules.Facts{Usage: usage, Reserved: 3}, &state, day1.Add(test.after)); got != test.want {
			t.Errorf("after %s: %+v, want %+v", test.after, got, test.want)
		}
	}
}
