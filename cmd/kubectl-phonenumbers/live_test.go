package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/yaml"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/simulate/forecast"
)

// The history of a fleet is that of all its objects, with the conditions that no transition tells of.
func TestHistory(t *testing.T) {
	c := cluster(t)
	statusFleet(t, c, "history", "+1555010940")
	var hotels v1alpha1.PhoneNumber
	if err := c.api.Get(t.Context(), client.ObjectKey{Namespace: "history", Name: "hotels"}, &hotels); err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	hotels.Status.History = []v1alpha1.Transition{
		{Time: metav1.NewTime(at), Reason: v1alpha1.ReasonFlagged, Message: "the rating is Low"},
		{Time: metav1.NewTime(at.AddDate(0, 0, 7)), Reason: v1alpha1.ReasonTierDowngraded, From: "1K", To: "250", Message: "it stayed Low"},
	}
	if err := c.api.Status().Update(t.Context(), &hotels); err != nil {
		t.Fatal(err)
	}
	const ready = "Ready: Evaluated  \n"
	for _, test := range []struct{ args, want string }{
		{"hotels", `TIME                 OBJECT              REASON            MESSAGE
2026-03-01 08:00:00  phonenumber/hotels  Flagged           the rating is Low
2026-03-02 09:00:00  phonenumber/hotels  ` + ready + `2026-03-08 08:00:00  phonenumber/hotels  TierDowngraded    it stayed Low
`},
		{"--tail 3", `TIME                 OBJECT               REASON            MESSAGE
2026-03-02 09:00:00  phonenumber/hotels   ` + ready + `2026-03-02 09:00:00  phonenumber/support  ` + ready + `2026-03-08 08:00:00  phonenumber/hotels   TierDowngraded    it stayed Low
`},
	} {
		args := append([]string{"history", "--kubeconfig", c.kubeconfig, "-n", "history"}, strings.Fields(test.args)...)
		if code, stdout, stderr := play(t, "", args...); code != 0 || stdout+stderr != test.want {
			t.Errorf("%s ends with %d and says\n%s", test.args, code, stdout+stderr)
		}
	}
	if code, stdout, _ := play(t, "", "history", "--kubeconfig", c.kubeconfig, "-n", "history", "hotels", "-o", "yaml"); code != 0 || !strings.Contains(stdout, "from: 1K\n") {
		t.Errorf("it ends with %d and says\n%s", code, stdout)
	}
	if code, _, stderr := play(t, "", "history", "--tail=-1"); code != exitUsage || !strings.HasPrefix(stderr, "Error: --tail: must be") {
		t.Errorf("it ends with %d, %s", code, stderr)
	}
}

// A forecast begins where a number or a portfolio stands: at its tier, with what it used and achieved, flagged or not.
func TestForecastOfALiveNumber(t *testing.T) {
	policies := fake.NewClientBuilder().WithScheme(cluster(t).api.Scheme())
	for _, name := range []string{"meta-2020", "meta-2025"} {
		var policy v1alpha1.MessagingPolicy
		content, err := os.ReadFile("../../config/policies/" + name + ".yaml")
		if err == nil {
			err = yaml.UnmarshalStrict(content, &policy)
		}
		if err != nil {
			t.Fatal(err)
		}
		policies.WithObjects(&policy)
	}
	api := policies.Build()
	at := metav1.NewTime(time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC))
	limit := func(tier string, n, used, achieved int64) v1alpha1.LimitStatus {
		return v1alpha1.LimitStatus{
			Tier:         v1alpha1.TierStatus{Name: tier, Limit: n, SinceTime: at, Source: v1alpha1.FromPolicy},
			Usage:        v1alpha1.UsageStatus{ObservedTime: at, Used: new(used)},
			Upgrade:      v1alpha1.UpgradeStatus{Achieved: new(achieved)},
			Verification: v1alpha1.VerificationStatus{State: v1alpha1.Verified, SinceTime: at},
			Connection:   v1alpha1.ConnectionStatus{State: v1alpha1.StateConnected, SinceTime: at},
		}
	}
	number := func(change func(*v1alpha1.PhoneNumberStatus)) *v1alpha1.PhoneNumber {
		n := &v1alpha1.PhoneNumber{ObjectMeta: metav1.ObjectMeta{Namespace: "fleet", Name: "a"}}
		n.Status = v1alpha1.PhoneNumberStatus{PolicyStatus: v1alpha1.PolicyStatus{PolicyName: "meta-2020"}, LimitStatus: limit("1", 1000, 400, 1900),
			Quality: v1alpha1.QualityStatus{Rating: v1alpha1.QualityHigh, SinceTime: at}}
		if change != nil {
			change(&n.Status)
		}
		return n
	}
	portfolio := &v1alpha1.BusinessPortfolio{ObjectMeta: metav1.ObjectMeta{Name: "acme"}}
	portfolio.Status = v1alpha1.BusinessPortfolioStatus{PolicyStatus: v1alpha1.PolicyStatus{PolicyName: "meta-2025"}, LimitStatus: limit("2K", 2000, 900, 900)}
	for _, test := range []struct {
		name string
		of   v1alpha1.Object
		now  time.Time
		want string // the first step, or the error
	}{
		{"a hundred users more, after two days of sending", number(nil), at.Time,
			`{"tier":"2","limit":10000,"time":"2026-03-03T09:00:00Z","afterSeconds":86400,"users":100`},
		{"what was used long ago counts no more", number(nil), at.AddDate(0, 1, 0),
			`{"tier":"2","limit":10000,"time":"2026-04-04T09:00:00Z","afterSeconds":172800,"users":2000`},
		{"a flag is waited for", number(func(s *v1alpha1.PhoneNumberStatus) {
			s.Quality.Rating, s.Quality.LowSinceTime, s.Quality.GraceSinceTime = v1alpha1.QualityLow, at, at
			s.Flag = v1alpha1.FlagStatus{SinceTime: at, Source: v1alpha1.FromPolicy, DeadlineTime: metav1.NewTime(at.AddDate(0, 0, 7))}
		}), at.Time, `{"tier":"2","limit":10000,"time":"2026-03-1`},
		{"a portfolio", portfolio, at.Time, `{"tier":"10K","limit":10000,"time":"2026-03-02T15:00:00Z","afterSeconds":21600,"users":100`},
		{"one that the operator has not seen", &v1alpha1.PhoneNumber{ObjectMeta: metav1.ObjectMeta{Name: "a"}}, at.Time, "phonenumber/a has no tier yet"},
		{"one that is blocked", number(func(s *v1alpha1.PhoneNumberStatus) { s.Connection.State = v1alpha1.StateBlocked }), at.Time, "phonenumber/a is Blocked: it sends nothing and reaches no tier"},
		{"one whose use is not known", number(func(s *v1alpha1.PhoneNumberStatus) { s.Usage.Used = nil }), at.Time, "phonenumber/a cannot be forecast or simulated: it is not known"},
		{"one whose policy is gone", number(func(s *v1alpha1.PhoneNumberStatus) { s.PolicyName = "gone" }), at.Time, `messagingpolicies.whatsapp.numberfleet.dev "gone" not found`},
		{"a pool", &v1alpha1.NumberPool{ObjectMeta: metav1.ObjectMeta{Name: "all"}}, at.Time, "numberpool/all has no limit of its own"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out bytes.Buffer
			start, err := startOf(t.Context(), api, test.of, test.now)
			if err == nil {
				var steps []forecast.Step
				if steps, err = forecast.Steps(t.Context(), start.Start, forecast.Pace{}); err == nil {
					err = forecast.WriteJSON(&out, start.Start, steps)
				}
			}
			if err != nil {
				out.WriteString(err.Error())
			}
			if !strings.HasPrefix(out.String(), test.want) {
				t.Errorf("it is\n%s", &out)
			}
		})
	}
}
