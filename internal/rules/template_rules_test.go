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

// The life of a template by rule 8, hour by hour: what is said, and where it ends.
func TestTheLifeOfATemplate(t *testing.T) {
	at := func(hour int) time.Time { return day1.Add(time.Duration(hour) * time.Hour) }
	type heard struct {
		hour int // when it arrives
		report.Report
	}
	rated := func(hour, of int, rating string) heard {
		return heard{hour, report.Report{Kind: report.Quality, At: at(of).Unix(), Value: rating}}
	}
	is := func(hour, of int, state, reason string) heard {
		return heard{hour, report.Report{Kind: report.TemplateState, At: at(of).Unix(), Value: state, Reason: reason}}
	}
	read := func(hour int, rating string) heard {
		return heard{hour, report.Report{Kind: report.Quality, At: at(hour).Unix(), Value: rating, Reason: report.ReasonRead}}
	}
	look := func(hour int) heard { return heard{hour, report.Report{Kind: report.Limit, At: at(hour).Unix()}} } // not about templates
	const flags, pauses, neither = "chat-api", "meta-2025", "netcore"                                           // flagged for 7 days; paused for 3 and 6 hours; left alone
	for _, test := range []struct {
		name, policy string
		heard        []heard
		says         string
		ends         string // the state, its source, the rating, and the hour since each
	}{
		{"rated better", flags, []heard{rated(9, 9, "Low"), rated(20, 20, "Medium")},
			"9h0m0s QualityChanged, 9h0m0s TemplateFlagged, 20h0m0s QualityChanged, 20h0m0s TemplateFlagCleared", "Approved 20h0m0s Policy, Medium 20h0m0s"},
		{"edited", flags, []heard{rated(9, 9, "Low"), is(20, 20, "Edited", "")},
			"9h0m0s QualityChanged, 9h0m0s TemplateFlagged, 20h0m0s TemplateFlagCleared", "Pending 20h0m0s Reported, Unknown 20h0m0s"},
		{"edited without a rating", flags, []heard{is(20, 20, "Edited", "")}, "20h0m0s TemplateStateChanged", "Pending 20h0m0s Reported, Unknown 0s"},
		{"neither", flags, []heard{rated(9, 9, "Low"), rated(300, 300, "Low")},
			"9h0m0s QualityChanged, 9h0m0s TemplateFlagged, 177h0m0s TemplateBlocked", "Blocked 177h0m0s Policy, Low 9h0m0s"},
		{"edited at the last instant", flags, []heard{rated(9, 9, "Low"), is(177, 177, "Edited", "")},
			"9h0m0s QualityChanged, 9h0m0s TemplateFlagged, 177h0m0s TemplateFlagCleared", "Pending 177h0m0s Reported, Unknown 177h0m0s"},
		{"words that say nothing", flags, []heard{rated(9, 9, "Low"), rated(20, 20, "Unknown"), rated(21, 21, "PURPLE"), is(22, 22, "", "")},
			"9h0m0s QualityChanged, 9h0m0s TemplateFlagged", "Flagged 9h0m0s Policy, Low 9h0m0s"},
		{"a rating from before the one that is known", flags, []heard{rated(9, 9, "Low"), rated(10, 8, "High")},
			"9h0m0s QualityChanged, 9h0m0s TemplateFlagged", "Flagged 9h0m0s Policy, Low 9h0m0s"},
		{"a rating from before an edit", flags, []heard{is(9, 9, "Edited", ""), rated(10, 8, "Low")}, "9h0m0s TemplateStateChanged", "Pending 9h0m0s Reported, Unknown 0s"},
		{"an edit from before a rating", flags, []heard{rated(9, 9, "Low"), is(10, 8, "Edited", "")},
			"9h0m0s QualityChanged, 9h0m0s TemplateFlagged, 9h0m0s TemplateFlagCleared", "Pending 9h0m0s Reported, Low 9h0m0s"},
		{"two at once, the later first", flags, []heard{rated(20, 10, "High"), rated(20, 9, "Low")},
			"9h0m0s QualityChanged, 9h0m0s TemplateFlagged, 10h0m0s QualityChanged, 10h0m0s TemplateFlagCleared", "Approved 10h0m0s Policy, High 10h0m0s"},
		{"a report from the future", flags, []heard{rated(9, 30, "Low")}, "9h0m0s QualityChanged, 9h0m0s TemplateFlagged", "Flagged 9h0m0s Policy, Low 9h0m0s"},
		{"Low thrice", pauses, []heard{rated(9, 9, "Low"), rated(20, 20, "Low"), rated(40, 40, "Low")},
			"9h0m0s QualityChanged, 9h0m0s TemplatePaused, 12h0m0s TemplateResumed, 20h0m0s QualityChanged, 20h0m0s TemplatePaused, 26h0m0s TemplateResumed, 40h0m0s QualityChanged, 40h0m0s TemplateBlocked", "Blocked 40h0m0s Policy, Low 40h0m0s"},
		{"Low while paused", pauses, []heard{rated(9, 9, "Low"), rated(10, 10, "Low")},
			"9h0m0s QualityChanged, 9h0m0s TemplatePaused, 12h0m0s TemplateResumed", "Approved 12h0m0s Policy, Unknown 12h0m0s"},
		{"rated better while paused", pauses, []heard{rated(9, 9, "Low"), rated(10, 10, "High")},
			"9h0m0s QualityChanged, 9h0m0s TemplatePaused, 10h0m0s QualityChanged, 12h0m0s TemplateResumed", "Approved 12h0m0s Policy, Unknown 12h0m0s"},
		{"Low where no rule is about templates", neither, []heard{rated(9, 9, "Low")}, "9h0m0s QualityChanged", "Approved 0s Policy, Low 9h0m0s"},

		{"approved by Meta while flagged", flags, []heard{rated(9, 9, "Low"), is(20, 20, "Approved", "")},
			"9h0m0s QualityChanged, 9h0m0s TemplateFlagged, 20h0m0s TemplateFlagCleared", "Approved 20h0m0s Reported, Low 9h0m0s"},
		{"approved by Meta while paused", pauses, []heard{rated(9, 9, "Low"), is(10, 10, "Approved", "")},
			"9h0m0s QualityChanged, 9h0m0s TemplatePaused, 10h0m0s TemplateResumed", "Approved 10h0m0s Reported, Unknown 10h0m0s"},
		{"approved by Meta while blocked", neither, []heard{is(9, 9, "Disabled", ""), is(10, 10, "Approved", "")},
			"9h0m0s TemplateBlocked, 10h0m0s TemplateResumed", "Approved 10h0m0s Reported, Unknown 0s"},
		{"approved by Meta before the pause", pauses, []heard{rated(9, 9, "Low"), is(10, 8, "Approved", "")},
			"9h0m0s QualityChanged, 9h0m0s TemplatePaused, 12h0m0s TemplateResumed", "Approved 12h0m0s Policy, Unknown 12h0m0s"},
		{"approved by Meta as it is", neither, []heard{is(9, 9, "Approved", "")}, "", "Approved 0s Reported, Unknown 0s"},
		{"disabled twice", neither, []heard{is(9, 9, "Disabled", ""), is(10, 10, "Disabled", "")}, "9h0m0s TemplateBlocked", "Disabled 9h0m0s Reported, Unknown 0s"},
		{"paused before it was disabled", neither, []heard{is(9, 9, "Disabled", ""), is(10, 8, "Paused", "")}, "9h0m0s TemplateBlocked", "Disabled 9h0m0s Reported, Unknown 0s"},
		{"paused twice, where no rule is about it", neither, []heard{is(9, 9, "Paused", ""), is(10, 10, "Paused", "")}, "9h0m0s TemplatePaused", "Paused 9h0m0s Reported, Unknown 0s"},
		{"paused by Meta thrice", pauses, []heard{is(9, 9, "Paused", ""), is(20, 20, "Paused", ""), is(40, 40, "Paused", "")},
			"9h0m0s TemplatePaused, 12h0m0s TemplateResumed, 20h0m0s TemplatePaused, 26h0m0s TemplateResumed, 40h0m0s TemplatePaused", "Paused 40h0m0s Reported, Unknown 0s"},
		{"paused for the pace before a pause that is over", pauses, []heard{rated(9, 9, "Low"), look(12), is(13, 11, "Paused", "RATE_LIMITING_PAUSE")},
			"9h0m0s QualityChanged, 9h0m0s TemplatePaused, 12h0m0s TemplateResumed, 12h0m0s TemplatePaused", "Paused 12h0m0s Reported, Unknown 12h0m0s"},
		{"paused by Meta within a pause that is over", pauses, []heard{rated(9, 9, "Low"), look(12), is(13, 11, "Paused", "")},
			"9h0m0s QualityChanged, 9h0m0s TemplatePaused, 12h0m0s TemplateResumed", "Approved 12h0m0s Policy, Unknown 12h0m0s"},
		{"disabled within a pause that is over", pauses, []heard{rated(9, 9, "Low"), look(12), is(13, 11, "Disabled", "")},
			"9h0m0s QualityChanged, 9h0m0s TemplatePaused, 12h0m0s TemplateResumed, 12h0m0s TemplateBlocked", "Disabled 12h0m0s Reported, Unknown 12h0m0s"},
		{"paused by Meta within a flag that is over", flags, []heard{rated(9, 9, "Low"), rated(20, 20, "High"), is(21, 15, "Paused", "")},
			"9h0m0s QualityChanged, 9h0m0s TemplateFlagged, 20h0m0s QualityChanged, 20h0m0s TemplateFlagCleared, 20h0m0s TemplatePaused", "Paused 20h0m0s Reported, High 20h0m0s"},
		{"the same after a word of Meta's", flags, []heard{is(8, 8, "Approved", ""), rated(9, 9, "Low"), rated(20, 20, "High"), is(21, 15, "Paused", "")},
			"9h0m0s QualityChanged, 9h0m0s TemplateFlagged, 20h0m0s QualityChanged, 20h0m0s TemplateFlagCleared, 20h0m0s TemplatePaused", "Paused 20h0m0s Reported, High 20h0m0s"},
		{"a rating from within a pause that is over", pauses, []heard{rated(9, 9, "Low"), look(12), rated(13, 10, "Medium"), rated(13, 11, "Low")},
			"9h0m0s QualityChanged, 9h0m0s TemplatePaused, 12h0m0s TemplateResumed", "Approved 12h0m0s Policy, Unknown 12h0m0s"},
		{"rated after the pause", pauses, []heard{rated(9, 9, "Low"), rated(12, 12, "Medium"), rated(13, 13, "Medium")},
			"9h0m0s QualityChanged, 9h0m0s TemplatePaused, 12h0m0s QualityChanged, 12h0m0s TemplateResumed, 13h0m0s QualityChanged", "Approved 12h0m0s Policy, Medium 13h0m0s"},
		{"paused for the pace within a pause", pauses, []heard{rated(9, 9, "Low"), is(10, 10, "Paused", "RATE_LIMITING_PAUSE"), is(11, 11, "Paused", "RATE_LIMITING_PAUSE")},
			"9h0m0s QualityChanged, 9h0m0s TemplatePaused, 10h0m0s TemplatePaused", "Paused 10h0m0s Reported, Low 9h0m0s"},

		{"edited and approved", pauses, []heard{is(9, 9, "Edited", ""), is(20, 20, "Approved", "")}, "9h0m0s TemplateStateChanged, 20h0m0s TemplateResumed", "Approved 20h0m0s Reported, Unknown 0s"},
		{"edited while paused", pauses, []heard{rated(9, 9, "Low"), is(10, 10, "Edited", ""), is(20, 20, "Approved", "")},
			"9h0m0s QualityChanged, 9h0m0s TemplatePaused, 10h0m0s TemplateStateChanged, 20h0m0s TemplateResumed", "Approved 20h0m0s Reported, Unknown 10h0m0s"},
		{"edited after it was disabled", pauses, []heard{is(9, 9, "Disabled", ""), is(10, 10, "Edited", ""), is(20, 20, "Rejected", "SCAM")},
			"9h0m0s TemplateBlocked, 10h0m0s TemplateStateChanged, 20h0m0s TemplateStateChanged", "Rejected 20h0m0s Reported, Unknown 0s"},
		{"edited after it was blocked", flags, []heard{rated(9, 9, "Low"), is(200, 200, "Pending", "")},
			"9h0m0s QualityChanged, 9h0m0s TemplateFlagged, 177h0m0s TemplateBlocked, 200h0m0s TemplateStateChanged", "Pending 200h0m0s Reported, Unknown 200h0m0s"},
		{"rated Low in review, for what was sent before", pauses, []heard{is(9, 9, "Edited", ""), rated(10, 10, "Low"), is(20, 20, "Approved", "")},
			"9h0m0s TemplateStateChanged, 10h0m0s QualityChanged, 20h0m0s TemplateResumed", "Approved 20h0m0s Reported, Low 10h0m0s"},
		{"rejected twice, and appealed", neither, []heard{is(9, 9, "Rejected", "SCAM"), is(10, 10, "Rejected", "SCAM"), is(11, 11, "InAppeal", ""), is(12, 12, "Approved", "")},
			"9h0m0s TemplateStateChanged, 11h0m0s TemplateStateChanged, 12h0m0s TemplateResumed", "Approved 12h0m0s Reported, Unknown 0s"},
		{"archived while flagged", flags, []heard{rated(9, 9, "Low"), is(20, 20, "Archived", "")},
			"9h0m0s QualityChanged, 9h0m0s TemplateFlagged, 20h0m0s TemplateStateChanged", "Archived 20h0m0s Reported, Low 9h0m0s"},
		{"a word of Meta's that nobody knows", neither, []heard{is(9, 9, "LOCKED", ""), is(10, 10, "Approved", "")}, "9h0m0s TemplateStateChanged, 10h0m0s TemplateResumed", "Approved 10h0m0s Reported, Unknown 0s"},
		{"disabled by Meta while blocked by the rules", flags, []heard{rated(9, 9, "Low"), is(200, 200, "Disabled", "")},
			"9h0m0s QualityChanged, 9h0m0s TemplateFlagged, 177h0m0s TemplateBlocked", "Disabled 200h0m0s Reported, Low 9h0m0s"},
		{"flagged by Meta", flags, []heard{is(9, 9, "Flagged", "")}, "9h0m0s TemplateFlagged, 177h0m0s TemplateBlocked", "Blocked 177h0m0s Policy, Unknown 0s"},
		{"flagged by Meta, where no rule is about it", neither, []heard{is(9, 9, "Flagged", "")}, "9h0m0s TemplateFlagged", "Flagged 9h0m0s Reported, Unknown 0s"},

		{"read as Low and approved", pauses, []heard{read(9, "Low"), read(40, "Low")}, "9h0m0s QualityChanged", "Approved 0s Policy, Low 9h0m0s"},
		{"read as Low, where it is flagged for that", flags, []heard{read(9, "Low")}, "9h0m0s QualityChanged, 9h0m0s TemplateFlagged, 177h0m0s TemplateBlocked", "Blocked 177h0m0s Policy, Low 9h0m0s"},
		{"read as paused after its pause is over", pauses, []heard{rated(9, 9, "Low"), is(13, 13, "Paused", report.ReasonRead), is(30, 30, "Approved", report.ReasonRead)},
			"9h0m0s QualityChanged, 9h0m0s TemplatePaused, 12h0m0s TemplateResumed, 13h0m0s TemplatePaused, 30h0m0s TemplateResumed", "Approved 30h0m0s Reported, Unknown 12h0m0s"},
		{"paused by Meta before its first sight", pauses, []heard{is(1, -1, "Paused", "")}, "0s TemplatePaused", "Paused 0s Reported, Unknown 0s"},
	} {
		t.Run(test.name, func(t *testing.T) {
			policy := shippedPolicy(t, test.policy)
			state := rules.InitialTemplate(day1)
			var all []rules.Transition
			for i := 0; i < len(test.heard); {
				now := at(test.heard[i].hour)
				var reports []report.Report
				for ; i < len(test.heard) && at(test.heard[i].hour).Equal(now); i++ {
					reports = append(reports, test.heard[i].Report)
				}
				var transitions []rules.Transition
				state, transitions, _ = advanceTemplate(policy, reports, state, now)
				all = append(all, transitions...)
				if !state.EvaluatedAt.Equal(now) {
					t.Errorf("at %s it is %s", now, state.EvaluatedAt)
				}
			}
			if !strings.HasSuffix(test.name, "first sight") { // let a pause end, or a flag that only Meta or a read brought
				wait := 6 * time.Hour
				if strings.HasPrefix(test.name, "flagged by Meta") || strings.HasPrefix(test.name, "read as") {
					wait = 8 * day
				}
				var transitions []rules.Transition
				state, transitions, _ = advanceTemplate(policy, nil, state, state.EvaluatedAt.Add(wait))
				all = append(all, transitions...)
			}
			if got := reasonsAt(all); got != test.says {
				t.Errorf("it says\n%s\nnot\n%s", got, test.says)
			}
			got := string(state.State) + " " + state.Since.Sub(day1).String() + " " + string(state.Source) + ", " + string(state.Rating) + " " + state.RatingSince.Sub(day1).String()
			if got != test.ends {
				t.Errorf("it ends as %s, not %s", got, test.ends)
			}
		})
	}
}

// What is said of a template names what Meta said; and time does not run backwards for it.
func TestATemplateSaysWhy(t *testing.T) {
	for reason, want := range map[string]string{"": "the quality rating is Low, it was Unknown", "spam": "the quality rating is Low, it was Unknown: spam"} {
		said := report.Report{Kind: report.Quality, At: day1.Add(time.Hour).Unix(), Value: "Low", Reason: reason}
		state, transitions, _ := advanceTemplate(shippedPolicy(t, "netcore"), []report.Report{said}, rules.InitialTemplate(day1), day1.Add(time.Hour+time.Millisecond))
		if len(transitions) != 1 || transitions[0].Message != want || !state.EvaluatedAt.Equal(day1.Add(time.Hour)) {
			t.Errorf("at %s it says %+v, not %q", state.EvaluatedAt, transitions, want)
		}
	}
	for reason, want := range map[string]string{"": "Meta reports the template as disabled", "abuse": "Meta reports the template as disabled: abuse"} {
		said := report.Report{Kind: report.TemplateState, At: day1.Add(time.Hour).Unix(), Value: "Disabled", Reason: reason}
		if _, transitions, _ := advanceTemplate(shippedPolicy(t, "netcore"), []report.Report{said}, rules.InitialTemplate(day1), day1.Add(time.Hour)); len(transitions) != 1 || transitions[0].Message != want {
			t.Errorf("it says %+v, not %q", transitions, want)
		}
	}
	state := rules.InitialTemplate(day1.Add(time.Hour))
	if got, _, _ := advanceTemplate(shippedPolicy(t, "netcore"), nil, state, day1); got != state {
		t.Errorf("an hour before it is %+v", got)
	}
	if got, _ := rules.MigrateTemplatePolicy(shippedPolicy(t, "netcore"), state, day1); got != state {
		t.Errorf("adopted an hour before it is %+v", got)
	}
}

// A template that cannot be sent holds its portfolio back no more, whatever it was rated; one that is paused, or of which Meta
// says a word that nobody knows, does.
func TestWhichTemplatesHoldBack(t *testing.T) {
	for state, want := range map[v1alpha1.TemplateState]bool{
		v1alpha1.TemplateApproved: true, v1alpha1.TemplateFlagged: true, v1alpha1.TemplatePaused: true, "LOCKED": true,
		v1alpha1.TemplateBlocked: false, v1alpha1.TemplateDisabled: false, v1alpha1.TemplateRejected: false, v1alpha1.TemplatePending: false, v1alpha1.TemplateInAppeal: false,
		v1alpha1.TemplateArchived: false, v1alpha1.TemplateDeleted: false, v1alpha1.TemplatePendingDeletion: false, v1alpha1.TemplateLimitExceeded: false, "": false,
	} {
		if got := rules.CountsForQuality(state); got != want {
			t.Errorf("%q holds back: %t", state, got)
		}
	}
}

// A read says something new where it is another state than the one shown. A flag is ours: Meta says approved.
func TestWhatAReadContradicts(t *testing.T) {
	for _, test := range []struct {
		shown, read v1alpha1.TemplateState
		want        bool
	}{
		{v1alpha1.TemplateApproved, v1alpha1.TemplateApproved, false},
		{v1alpha1.TemplateApproved, "", false},
		{v1alpha1.TemplateFlagged, v1alpha1.TemplateApproved, false},
		{v1alpha1.TemplatePaused, v1alpha1.TemplateApproved, true},
		{v1alpha1.TemplateBlocked, v1alpha1.TemplateApproved, true},
		{v1alpha1.TemplateBlocked, v1alpha1.TemplateDisabled, true},
		{v1alpha1.TemplateApproved, v1alpha1.TemplatePending, true},
	} {
		if got := rules.TemplateContradicts(test.shown, test.read); got != test.want {
			t.Errorf("%s read of what is shown as %s is news: %t", test.read, test.shown, got)
		}
	}
}

// The category is what Meta says it is. A change that Meta announces is told when it is announced, and again when it comes.
func TestTheCategoryOfATemplate(t *testing.T) {
	at := func(hour int) time.Time { return day1.Add(time.Duration(hour) * time.Hour) }
	is := func(hour int, category string) report.Report {
		return report.Report{Kind: report.Category, At: at(hour).Unix(), Value: category}
	}
	will := func(hour int, category string, until int) report.Report {
		return report.Report{Kind: report.PlannedCategory, At: at(hour).Unix(), Value: category, Until: at(until).Unix()}
	}
	changed, announced := v1alpha1.ReasonTemplateCategoryChanged, v1alpha1.ReasonTemplateCategoryAnnounced
	for _, test := range []struct {
		name     string
		reports  []report.Report
		category rules.TemplateCategory
		want     []v1alpha1.TransitionReason
	}{
		{"known for the first time", []report.Report{is(1, "Utility"), is(2, "Utility")}, rules.TemplateCategory{Name: "Utility", Reported: at(2)}, nil},
		{"changed before it was known", []report.Report{{Kind: report.Category, At: at(1).Unix(), Value: "Marketing", Reason: "Utility"}},
			rules.TemplateCategory{Name: "Marketing", Reported: at(1)}, []v1alpha1.TransitionReason{changed}},
		{"read for the first time", []report.Report{{Kind: report.Category, At: at(1).Unix(), Value: "Marketing", Reason: report.ReasonRead}},
			rules.TemplateCategory{Name: "Marketing", Reported: at(1)}, nil},
		{"changed", []report.Report{is(1, "Utility"), is(2, "Marketing")}, rules.TemplateCategory{Name: "Marketing", Reported: at(2)}, []v1alpha1.TransitionReason{changed}},
		{"announced twice", []report.Report{is(1, "Utility"), will(1, "Marketing", 25), will(2, "Marketing", 25)},
			rules.TemplateCategory{Name: "Utility", Reported: at(1), Next: "Marketing", NextAt: at(25)}, []v1alpha1.TransitionReason{announced}},
		{"announced without a time", []report.Report{is(1, "Utility"), {Kind: report.PlannedCategory, At: at(1).Unix(), Value: "Marketing"}},
			rules.TemplateCategory{Name: "Utility", Reported: at(1), Next: "Marketing"}, []v1alpha1.TransitionReason{announced}},
		{"announced and changed", []report.Report{is(1, "Utility"), will(1, "Marketing", 25), is(25, "Marketing")}, rules.TemplateCategory{Name: "Marketing", Reported: at(25)}, []v1alpha1.TransitionReason{announced, changed}},
		{"announced and called off", []report.Report{is(1, "Utility"), will(1, "Marketing", 25), is(26, "Utility")}, rules.TemplateCategory{Name: "Utility", Reported: at(26)}, []v1alpha1.TransitionReason{announced}},
		{"announced, and still what it was", []report.Report{is(1, "Utility"), will(1, "Marketing", 25), is(2, "Utility")},
			rules.TemplateCategory{Name: "Utility", Reported: at(2), Next: "Marketing", NextAt: at(25)}, []v1alpha1.TransitionReason{announced}},
		{"announced as what it is", []report.Report{is(1, "Utility"), will(1, "Utility", 25)}, rules.TemplateCategory{Name: "Utility", Reported: at(1)}, nil},
		{"of nothing", []report.Report{is(1, "")}, rules.TemplateCategory{}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			state, transitions, _ := advanceTemplate(shippedPolicy(t, "meta-2025"), test.reports, rules.InitialTemplate(day1), at(30))
			var got []v1alpha1.TransitionReason
			for _, tr := range transitions {
				got = append(got, tr.Reason)
			}
			if state.Category != test.category || !slices.Equal(got, test.want) {
				t.Errorf("it is %+v, and it is said %v", state.Category, got)
			}
		})
	}
	// One that comes late says what was.
	state, _, _ := advanceTemplate(shippedPolicy(t, "meta-2025"), []report.Report{is(2, "Marketing")}, rules.InitialTemplate(day1), at(2))
	if late, transitions, _ := advanceTemplate(shippedPolicy(t, "meta-2025"), []report.Report{is(1, "Utility"), will(1, "Utility", 9)}, state, at(3)); late.Category != state.Category || len(transitions) > 0 {
		t.Errorf("a late report makes it %+v, and it is said %v", late.Category, transitions)
	}
}

// A restriction that ends says what made room.
func TestARestrictionSaysWhatMadeRoom(t *testing.T) {
	policy := shippedPolicy(t, "netcore")
	for limit, want := range map[string]string{
		"Unlimited": "2h0m0s there is room below the limit again: the tier has no limit", "10000": "2h0m0s there is room below the limit again: 1000 of 10000 are used",
		"1000": "25h0m0s there is room below the limit again: 999 of 1000 are used",
	} {
		facts := &rules.Facts{HumanEscalation: true, Usage: deliveries(day1.Add(time.Hour), 1000), Reports: []report.Report{{Kind: report.Limit, At: day1.Add(2 * time.Hour).Unix(), Value: limit}}}
		_, transitions, _ := rules.Advance(policy, facts, rules.Initial(policy, v1alpha1.Unverified, day1), day1.Add(30*time.Hour))
		got := ""
		for _, tr := range transitions {
			if tr.Reason == v1alpha1.ReasonRestrictionLifted {
				got += tr.Time.Sub(day1).String() + " " + tr.Message
			}
		}
		if got != want {
			t.Errorf("with a limit of %s it says %q, not %q", limit, got, want)
		}
	}
}
