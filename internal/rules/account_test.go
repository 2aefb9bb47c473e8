package rules_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/rules"
)

// Of several restrictions of an account the strictest holds, and each ends on its own.
func TestRestrictionsOfAnAccountEndEachOnItsOwn(t *testing.T) {
	policy := shippedPolicy(t, "netcore")
	at := func(hour int) time.Time { return day1.Add(time.Duration(hour) * time.Hour) }
	const starts, replies, none = report.RestrictedMessaging, report.RestrictedReplies, report.NothingRestricted
	of := func(what string, hour, until int) report.Report {
		r := report.Report{Kind: report.Restriction, At: at(hour).Unix(), Value: what}
		if until > 0 {
			r.Until = at(until).Unix()
		}
		return r
	}
	connected := report.Report{Kind: report.Connection, At: at(50).Unix(), Value: "Connected"}
	for name, test := range map[string]struct {
		reports []report.Report
		want    string // hours at which what holds changes: S for no starts, R for no replies either, - for nothing
	}{
		"no replies":                              {[]report.Report{of(replies, 1, 73)}, "1R 73-"},
		"no replies, without an end":              {[]report.Report{of(replies, 1, 0)}, "1R"},
		"the stricter first":                      {[]report.Report{of(replies, 1, 73), of(starts, 1, 97)}, "1R 73S 97-"},
		"the weaker first":                        {[]report.Report{of(starts, 1, 97), of(replies, 1, 73)}, "1R 73S 97-"},
		"the stricter while the weaker holds":     {[]report.Report{of(starts, 1, 97), of(replies, 24, 73)}, "1S 24R 73S 97-"},
		"the weaker ends before":                  {[]report.Report{of(starts, 1, 48), of(replies, 1, 73)}, "1R 73-"},
		"both at once":                            {[]report.Report{of(starts, 1, 73), of(replies, 1, 73)}, "1R 73-"},
		"the weaker without an end":               {[]report.Report{of(starts, 1, 0), of(replies, 1, 73)}, "1R 73S"},
		"none is left":                            {[]report.Report{of(starts, 1, 97), of(replies, 1, 73), of(none, 24, 0)}, "1R 24-"},
		"the stricter ends sooner than was said":  {[]report.Report{of(starts, 1, 97), of(replies, 1, 73), of(replies, 24, 48)}, "1R 48S 97-"},
		"the stricter ends later than was said":   {[]report.Report{of(replies, 1, 73), of(replies, 24, 97)}, "1R 97-"},
		"the older of two ends of one comes last": {[]report.Report{of(replies, 24, 97), of(replies, 1, 73)}, "1R 97-"},
		"the older of two comes last":             {[]report.Report{of(replies, 24, 73), of(starts, 1, 97)}, "1S 24R 73S 97-"},
		"connected lifts what has no end":         {[]report.Report{of(replies, 1, 0), of(starts, 1, 97), connected}, "1R 50S 97-"},
		"connected leaves what has one":           {[]report.Report{of(replies, 1, 73), connected}, "1R 73-"},
		"of something else":                       {[]report.Report{of("RESTRICTED_UTILITY_TEMPLATES", 1, 73), of("SOMETHING_NEW", 1, 0)}, ""},
	} {
		for _, step := range []int{1, 200} { // seen each hour, or late
			state, facts := rules.Initial(policy, "", day1), &rules.Facts{HumanEscalation: true, Usage: everyDelivery(nil)}
			var got []string
			var said []rules.Transition
			for hour := step; hour <= 200; hour += step {
				before := state
				facts.Reports = nil
				for _, r := range test.reports {
					// As the controller does: each time all that is newer than what the state knows.
					if !r.Time().After(at(hour)) && (r.Kind != report.Restriction || state.NewRestriction(r.Value, r.Time())) && (r.Kind == report.Restriction || r.Time().Equal(at(hour)) || step > 1) {
						facts.Reports = append(facts.Reports, r)
					}
				}
				var more []rules.Transition
				state, more, _ = rules.Advance(policy, facts, state, at(hour))
				said = append(said, more...)
				if state.Restricted() != (state.Shown() == v1alpha1.StateRestricted) || state.Restricted() != (state.Obstacle().Reason == v1alpha1.RoomAccountRestricted) {
					t.Errorf("%s: %+v shows %s", name, state, state.Shown())
				}
				if step == 1 && state.RestrictedReason != before.RestrictedReason {
					got = append(got, strings.TrimSuffix(at(hour).Sub(day1).String(), "h0m0s")+map[string]string{starts: "S", replies: "R", "": "-"}[state.RestrictedReason])
				}
			}
			if is := strings.Join(got, " "); step == 1 && is != test.want {
				t.Errorf("%s: it is %q, not %q", name, is, test.want)
			}
			lasts := test.want != "" && !strings.HasSuffix(test.want, "-")
			if state.Restricted() != lasts {
				t.Errorf("%s, seen every %d h: in the end it is restricted: %v", name, step, state.Restricted())
			}
			if begins, ends := count(said, v1alpha1.ReasonRestricted), count(said, v1alpha1.ReasonRestrictionLifted); step == 1 && (begins == 0) != (test.want == "") || ends > begins || lasts && ends == begins {
				t.Errorf("%s, seen every %d h: it says %+v", name, step, said)
			}
		}
	}
}

func count(said []rules.Transition, reason v1alpha1.TransitionReason) int {
	return len(slices.DeleteFunc(slices.Clone(said), func(tr rules.Transition) bool { return tr.Reason != reason }))
}

// A number that cannot even reply is told so, and other restrictions are explained as far as it is known what they take away.
func TestWhatARestrictionTakesAwayIsSaid(t *testing.T) {
	policy := shippedPolicy(t, "netcore")
	facts := &rules.Facts{HumanEscalation: true, Usage: everyDelivery(nil), Reports: []report.Report{
		{Kind: report.Restriction, At: day1.Add(time.Hour).Unix(), Value: report.RestrictedReplies, Until: day1.Add(73 * time.Hour).Unix()},
	}}
	state, said, next := rules.Advance(policy, facts, rules.Initial(policy, "", day1), day1.Add(2*time.Hour))
	if want := "Meta restricts the account: its numbers can send nothing, and cannot even reply, until 2026-03-05 01:00:00 UTC"; len(said) != 1 || said[0].Message != want || !next.Equal(day1.Add(73*time.Hour)) {
		t.Errorf("it says %+v", said)
	}
	explained := rules.Explain(policy, facts, state, rules.Cause{}, day1.Add(2*time.Hour))
	if want := "Restricted since 2026-03-02 01:00:00 UTC, until 2026-03-05 01:00:00 UTC: Meta restricts the account (RESTRICTED_CUSTOMER_INITIATED_MESSAGING), and no messages go out, not even replies. (rule 9"; !strings.Contains(strings.Join(explained, "\n"), want) {
		t.Errorf("it explains %q", explained)
	}
	for what, want := range map[string]string{
		report.RestrictedMessaging: "", report.RestrictedReplies: "",
		"RESTRICTED_ADD_PHONE_NUMBER_ACTION":                   "no phone number can be added.",
		"RESTRICTED_UTILITY_TEMPLATES":                         "no utility template can be created.",
		"RESTRICTED_DIRECT_SEND_UTILITY_TEMPLATES":             "no utility template can be sent directly.",
		"RESTRICTED_BUSINESS_INITIATED_CALLING":                "its numbers cannot call users.",
		"RESTRICTED_USER_INITIATED_CALLING":                    "users cannot call its numbers.",
		"RESTRICTED_USER_INITIATED_CALLING_CALL_BUTTON_HIDDEN": "users see no button to call its numbers.",
		"RESTRICTED_BIZ_INITIATED_AND_USER_INITIATED_CALLING":  "its numbers can neither call nor be called.",
		"SOMETHING_NEW": "until 2026-03-02 01:00:00 UTC: SOMETHING_NEW.",
	} {
		if is := rules.ExplainRestriction(what, day1, day1.Add(time.Hour)); !strings.HasSuffix(is, want) || (is == "") != (want == "") {
			t.Errorf("of %s it says %q", what, is)
		}
	}
}

// What took a number away says why, and only that what gives it back brings it back.
func TestANumberThatLeftTheAPIIsOfflineWithTheReason(t *testing.T) {
	policy := shippedPolicy(t, "meta-2025")
	at := func(hour int) time.Time { return day1.Add(time.Duration(hour) * time.Hour) }
	account := func(hour int, value, reason string) report.Report {
		return report.Report{Kind: report.AccountConnection, At: at(hour).Unix(), Value: value, Reason: reason}
	}
	read := func(hour int, value string) report.Report {
		return report.Report{Kind: report.Connection, At: at(hour).Unix(), Value: value}
	}
	const left = "PARTNER_REMOVED, PRIMARY_INACTIVITY, initiated by WHATSAPP"
	for name, test := range map[string]struct {
		reports []report.Report
		state   v1alpha1.State
		reason  string
	}{
		"it left":                            {[]report.Report{account(1, "Offline", left)}, v1alpha1.StateOffline, left},
		"it came back":                       {[]report.Report{account(1, "Offline", left), account(2, "Connected", "ACCOUNT_RECONNECTED")}, v1alpha1.StateConnected, ""},
		"it came back by another partner":    {[]report.Report{account(1, "Offline", left), account(2, "Connected", "PARTNER_ADDED")}, v1alpha1.StateConnected, ""},
		"it is read as connected":            {[]report.Report{account(1, "Offline", left), read(2, "Connected")}, v1alpha1.StateConnected, ""},
		"it is read as disconnected":         {[]report.Report{account(1, "Offline", left), read(2, "Offline")}, v1alpha1.StateOffline, left},
		"it was read as disconnected before": {[]report.Report{read(1, "Offline"), account(2, "Offline", left)}, v1alpha1.StateOffline, left},
		"a banned one left":                  {[]report.Report{account(1, "Blocked", "DISABLE"), account(2, "Offline", left)}, v1alpha1.StateBlocked, "DISABLE"},
		"a banned one came back":             {[]report.Report{account(1, "Blocked", "DISABLE"), account(2, "Connected", "ACCOUNT_RECONNECTED")}, v1alpha1.StateBlocked, "DISABLE"},
		"a banned one is reinstated":         {[]report.Report{account(1, "Blocked", "DISABLE"), account(2, "Connected", report.ReasonReinstated)}, v1alpha1.StateConnected, ""},
		"one that is not registered left":    {[]report.Report{read(1, "Pending"), account(2, "Offline", left)}, v1alpha1.StatePending, ""},
	} {
		facts := &rules.Facts{HumanEscalation: true, Usage: everyDelivery(nil), Reports: test.reports}
		state, said, _ := rules.Advance(policy, facts, rules.Initial(policy, "", day1), at(3))
		if state.Connection != test.state || state.ConnectionReason != test.reason {
			t.Errorf("%s: it is %s, %q", name, state.Connection, state.ConnectionReason)
		}
		if test.reason == left && name == "it left" && said[0].Message != "Meta reports the number as Offline, it was Connected: "+left {
			t.Errorf("%s: it says %+v", name, said)
		}
		if explained := strings.Join(rules.Explain(policy, facts, state, rules.Cause{}, at(3)), "\n"); test.reason != "" && !strings.Contains(explained, "Meta reported it: "+test.reason+".") {
			t.Errorf("%s: it explains %s", name, explained)
		}
	}
}
