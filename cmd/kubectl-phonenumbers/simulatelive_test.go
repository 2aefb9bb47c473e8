package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// A plan begins where a number or a portfolio of the cluster stands: at its tier, with what it used. The statuses are of an instant to
// come, so that it begins then.
func TestSimulateFromALiveNumber(t *testing.T) {
	c := cluster(t)
	at := metav1.NewTime(time.Date(2099, 3, 2, 12, 0, 0, 0, time.UTC))
	limit := func(tier string, n, used, achieved int64, next string, required int64) v1alpha1.LimitStatus {
		return v1alpha1.LimitStatus{
			Tier:         v1alpha1.TierStatus{Name: tier, Limit: n, SinceTime: at, Source: v1alpha1.FromPolicy},
			Usage:        v1alpha1.UsageStatus{Source: v1alpha1.CountedHere, ObservedTime: at, Used: new(used)},
			Upgrade:      v1alpha1.UpgradeStatus{NextTier: next, Required: required, Achieved: new(achieved)},
			Verification: v1alpha1.VerificationStatus{State: v1alpha1.Verified, SinceTime: at, Source: v1alpha1.FromPolicy},
			Connection:   v1alpha1.ConnectionStatus{State: v1alpha1.StateConnected, SinceTime: at, Source: v1alpha1.FromPolicy},
		}
	}
	number := func(name, phoneNumber string) *v1alpha1.PhoneNumber {
		return &v1alpha1.PhoneNumber{ObjectMeta: metav1.ObjectMeta{Namespace: "simulate", Name: name},
			Spec: v1alpha1.PhoneNumberSpec{PhoneNumber: phoneNumber, Business: v1alpha1.Business{Name: "Acme"}}}
	}
	hotels, uncounted, fresh, shop := number("hotels", "+15550109501"), number("uncounted", "+15550109502"), number("fresh", "+15550109503"), number("shop", "+15550109504")
	acme := &v1alpha1.BusinessPortfolio{ObjectMeta: metav1.ObjectMeta{Name: "simulate-acme"}}
	objects := []client.Object{&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "simulate"}}, hotels, uncounted, fresh, shop, acme}
	for _, name := range []string{"meta-2020", "meta-2025"} {
		var policy v1alpha1.MessagingPolicy
		content, err := os.ReadFile("../../config/policies/" + name + ".yaml")
		if err == nil {
			err = yaml.UnmarshalStrict(content, &policy)
		}
		if err != nil {
			t.Fatal(err)
		}
		objects = append(objects, &policy)
	}
	for _, object := range objects {
		if err := c.api.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		for _, object := range objects[len(objects)-3:] { // those of no namespace
			_ = c.api.Delete(context.WithoutCancel(t.Context()), object)
		}
	})
	rated := v1alpha1.QualityStatus{Rating: v1alpha1.QualityHigh, SinceTime: at, Source: v1alpha1.FromReport}
	hotels.Status = v1alpha1.PhoneNumberStatus{PolicyStatus: v1alpha1.PolicyStatus{PolicyName: "meta-2020"}, LimitStatus: limit("1", 1000, 400, 1900, "2", 2000), Quality: rated, State: v1alpha1.StateConnected}
	uncounted.Status = *hotels.Status.DeepCopy()
	uncounted.Status.Usage.Used = nil
	shop.Status.Portfolio = acme.Name
	acme.Status = v1alpha1.BusinessPortfolioStatus{PolicyStatus: v1alpha1.PolicyStatus{PolicyName: "meta-2025"}, LimitStatus: limit("2K", 2000, 900, 900, "10K", 1000),
		Quality: v1alpha1.PortfolioQuality{Rating: v1alpha1.QualityHigh, SinceTime: at}}
	for _, object := range []client.Object{hotels, uncounted, shop, acme} {
		if err := c.api.Status().Update(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	simulate := func(plan string, args ...string) (int, string, string) {
		return play(t, plan, append([]string{"simulate", "--kubeconfig", c.kubeconfig, "-n", "simulate", "--plan", "-"}, args...)...)
	}

	// Until noon of the next day there is room for 600 of 1,000.
	const morning = "{days: 1, sends: [{users: 1500, hours: '09:00-12:00'}]}"
	page := filepath.Join(t.TempDir(), "page.html")
	code, stdout, stderr := simulate(morning, "hotels", "--chart", page)
	if code != exitDone || stderr != "" || !strings.Contains(stdout, "\n1    2099-03-03  1500     600   900\n") || !strings.Contains(stdout, "\n+15550109501 ") {
		t.Errorf("it ends with %d and says\n%s%s", code, stdout, stderr)
	}
	if content, err := os.ReadFile(page); err != nil || !bytes.Contains(content, []byte("+15550109501")) {
		t.Errorf("the page: %v", err)
	}

	// The last of 100 users more completes half of the limit, and 6 h later the tier rises.
	const portfolio = `{"time":"2099-03-03T15:00:59Z","subject":"simulate-acme","reason":"TierUpgraded","from":"2K","to":"10K",`
	const few = "{days: 1, sends: [{users: 100, hours: '09:00-09:01'}]}"
	for _, test := range []struct{ name, stderr string }{
		{"businessportfolio/simulate-acme", ""},
		{"shop", "phonenumber/shop shares the limit of businessportfolio/simulate-acme, which stands for it here.\n"},
	} {
		code, stdout, stderr = simulate(few, test.name, "-o", "json")
		if code != exitDone || stderr != test.stderr || !strings.Contains(stdout, portfolio) {
			t.Errorf("%s: it ends with %d and says\n%s%s", test.name, code, stdout, stderr)
		}
	}

	for _, test := range []struct{ args, plan, want string }{
		{"nobody", morning, `there is no phonenumber "nobody" in namespace "simulate"`},
		{"uncounted", morning, "phonenumber/uncounted cannot be forecast or simulated: it is not known how much of its limit is used"},
		{"fresh", morning, "phonenumber/fresh has no tier yet"},
		{"hotels --until 2099-03-02T11:00:00Z", morning, "--until: lies before 2099-03-02T12:00:00Z, when the simulation begins"},
		{"hotels", "{start: 2099-03-02, sends: [{days: 1, users: 1}]}", "--plan: start: Invalid value: lies before 2099-03-02T12:00:00Z, when the simulation begins: "},
		{"hotels", `{numbers: ["+15550100001"], sends: [{days: 1, users: 1}]}`, "--plan: numbers: Forbidden: the number or portfolio of the cluster sends: leave them out"},
	} {
		code, stdout, stderr := simulate(test.plan, strings.Fields(test.args)...)
		if code == exitDone || stdout != "" || !strings.HasPrefix(stderr, "Error: "+test.want) {
			t.Errorf("%s: it ends with %d and says\n%s%s, want %s", test.args, code, stdout, stderr, test.want)
		}
	}
}
