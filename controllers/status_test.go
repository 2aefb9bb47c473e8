package controllers_test

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/controllertest"
	"numberfleet.dev/numberfleet/controllers/number"
	"numberfleet.dev/numberfleet/controllers/portfolio"
	"numberfleet.dev/numberfleet/controllers/template"
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/rules"
)

// everything is a state in which each field says something.
func everything(t *testing.T) rules.State {
	t.Helper()
	s := rules.State{
		Tier: rules.Tier{Name: "10K", Limit: 10000}, TierSource: v1alpha1.FromVerification,
		Rating: v1alpha1.QualityLow, RatingReason: "spam", RatingSource: v1alpha1.FromReport, Reported: v1alpha1.QualityMedium,
		FlagSource: v1alpha1.FromReport, RestrictedSource: v1alpha1.FromReport, RestrictedReason: report.RestrictedMessaging,
		ConcludedTier: rules.Tier{Name: "2K", Limit: 2000}, Before: rules.Tier{Name: "2K", Limit: 2000},
		BusinessInitiated: rules.Period{Since: controllertest.Start, Until: controllertest.Start.Add(time.Hour)}, CustomerInitiated: rules.Period{Since: controllertest.Start.Add(time.Second)},
		Connection: v1alpha1.StateOffline, ConnectionSource: v1alpha1.FromReport, ConnectionReason: "PARTNER_REMOVED",
		Members:      rules.MemberQuality{Name: "number shop", Rating: v1alpha1.QualityMedium, Sendable: true},
		Verification: v1alpha1.VerificationPending, VerificationSource: v1alpha1.FromReport,
		Increase: v1alpha1.IncreaseFailed, IncreaseReason: "More time is needed.",
	}
	fields := reflect.ValueOf(&s).Elem()
	for i := range fields.NumField() {
		if at, ok := reflect.TypeAssert[*time.Time](fields.Field(i).Addr()); ok {
			*at = controllertest.Start.Add(time.Duration(i) * time.Minute)
		}
		if fields.Field(i).IsZero() {
			t.Fatalf("%s says nothing", fields.Type().Field(i).Name)
		}
	}
	return s
}

// stored is what a status is once the API server has had it.
func stored[S any](t *testing.T, status *S) *S {
	t.Helper()
	encoded, err := json.Marshal(status)
	if err != nil {
		t.Fatal(err)
	}
	back := new(S)
	if err := json.Unmarshal(encoded, back); err != nil {
		t.Fatal(err)
	}
	return back
}

type nothing struct{ rules.Usage }

func (nothing) Count(v1alpha1.Measure, time.Time, time.Time) rules.Count {
	return rules.Count{Known: true}
}
func (nothing) Last(v1alpha1.Measure, time.Time, time.Time) time.Time { return time.Time{} }

// The status is the only memory of the rules: what they remember of a number, portfolio or template comes back whole.
func TestAStatusKeepsTheWholeState(t *testing.T) {
	b := controllertest.New(t)
	policy, err := b.Policies.Named(b.Ctx, "meta-2025")
	b.Must(err)
	facts := rules.Facts{Usage: nothing{}}

	of := everything(t)
	// These are about a portfolio.
	of.Increase, of.IncreaseReported, of.IncreaseReason = "", time.Time{}, ""
	of.Members, of.MembersRatedSince, of.MembersSendableSince = rules.MemberQuality{}, time.Time{}, time.Time{}
	var ofNumber v1alpha1.PhoneNumberStatus
	number.SetStatus(&ofNumber, &rules.Unit{Policy: policy.Policy, Facts: facts, State: of, Next: controllertest.Start}, policy)
	if is, ok := number.State(stored(t, &ofNumber)); !ok || is != of {
		t.Errorf("of a number\n%+v\ncomes back as\n%+v", of, is)
	}

	of = everything(t)
	// These are about one number.
	of.Rating, of.RatingReason, of.RatingSource, of.Reported, of.FlagSource, of.RestrictedReason = v1alpha1.QualityUnknown, "", "", "", "", ""
	of.Connection, of.ConnectionSource = v1alpha1.StateConnected, ""
	for _, at := range []*time.Time{&of.RatingSince, &of.ConnectionSince, &of.ReportedSince, &of.LowSince, &of.GraceStart, &of.FlagSince, &of.RecoveringSince, &of.FlagEnded, &of.ConnectionReported, &of.RestrictionsLifted} {
		*at = time.Time{}
	}
	of.BusinessInitiated, of.CustomerInitiated, of.ConnectionReason = rules.Period{}, rules.Period{}, ""
	var ofPortfolio v1alpha1.BusinessPortfolioStatus
	portfolio.SetStatus(&ofPortfolio, &rules.Unit{Policy: policy.Portfolio(), Facts: facts, State: of, Next: controllertest.Start}, policy)
	if is, ok := portfolio.State(stored(t, &ofPortfolio)); !ok || is != of {
		t.Errorf("of a portfolio\n%+v\ncomes back as\n%+v", of, is)
	}

	stopped := rules.TemplateState{State: v1alpha1.TemplatePaused, Source: v1alpha1.FromReport, Rating: v1alpha1.QualityLow, Pauses: 2,
		EvaluatedAt: controllertest.Start, Since: controllertest.Start.Add(1 * time.Second), Until: controllertest.Start.Add(2 * time.Second), StateReported: controllertest.Start.Add(3 * time.Second),
		RatingSince: controllertest.Start.Add(4 * time.Second), RatingReported: controllertest.Start.Add(5 * time.Second)}
	var status v1alpha1.MessageTemplateStatus
	template.SetStatus(&status, stopped)
	if is, ok := template.State(stored(t, &status)); !ok || is != stopped {
		t.Errorf("of a template\n%+v\ncomes back as\n%+v", stopped, is)
	}
}
