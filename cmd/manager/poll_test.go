package main

import (
	"fmt"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/hack/rig"
	"numberfleet.dev/numberfleet/internal/meta/graphtest"
	"numberfleet.dev/numberfleet/internal/scaledclock"
)

// The operator as a process reads an account on a clock that runs 500 times faster: what Meta says becomes the status, an
// expired token the condition, and a kill writes nothing anew.
func TestAnAccountIsReadAcrossARestart(t *testing.T) {
	t.Parallel()
	const token = "EAAGm0PX4ZCpsBAKZCexample"
	o, api := newOperator(t)
	anchor := time.Now().UTC().Truncate(time.Second)
	fast, err := scaledclock.New(clock.RealClock{}, anchor, anchor, 500)
	if err != nil {
		t.Fatal(err)
	}
	standIn := graphtest.New(fast)
	standIn.AddToken(token)
	standIn.AddBusiness("9001", "Acme")
	standIn.AddAccount("2001", "9001", "Acme")
	standIn.AddPhoneNumber("1001", "2001", "+1 555-010-0044", "Acme")
	standIn.Set("1001", graphtest.Fields{"quality_rating": "YELLOW"})
	server := httptest.NewServer(standIn)
	t.Cleanup(server.Close)
	o.write("graph/token", token)
	o.write("config.yaml", fmt.Sprintf(`apiVersion: config.numberfleet.dev/v1alpha1
kind: OperatorConfiguration
graphAPI:
  baseURL: %s
  accounts:
  - id: "2001"
    tokenFile: %s
`, server.URL, filepath.Join(o.folder, "graph/token")))
	o.more = []string{"--config=" + filepath.Join(o.folder, "config.yaml"), "--time-lapse-speed=500", "--time-lapse-anchor=" + anchor.Format(time.RFC3339)}
	number := &v1alpha1.PhoneNumber{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "desk"}, Spec: v1alpha1.PhoneNumberSpec{
		PhoneNumber: "+15550100044", PolicyName: "quality-based", Business: v1alpha1.Business{WhatsAppBusinessAccountID: "2001"}}}
	if err := api.Create(t.Context(), number); err != nil {
		t.Fatal(err)
	}
	await := func(reason string, rating v1alpha1.QualityRating) {
		t.Helper()
		if !rig.Eventually(t.Context(), func() bool {
			if err := api.Get(t.Context(), client.ObjectKeyFromObject(number), number); err != nil {
				t.Fatal(err)
			}
			c := meta.FindStatusCondition(number.Status.Conditions, v1alpha1.ConditionReportsFresh)
			return c != nil && c.Reason == reason && number.Status.Quality.Rating == rating
		}) {
			t.Fatalf("not so: %s and %s; the status is %+v", reason, rating, number.Status)
		}
	}
	o.start()
	o.ready()
	await(v1alpha1.ReasonPolled, v1alpha1.QualityMedium)

	written := number.ResourceVersion
	o.kill(syscall.SIGKILL)
	standIn.Forget()
	o.start()
	o.ready()
	o.within("it has read the account twice", func() bool { return len(standIn.Calls()) >= 4 })
	await(v1alpha1.ReasonPolled, v1alpha1.QualityMedium)
	if number.ResourceVersion != written {
		t.Errorf("after %d calls that told nothing new, the number was written", len(standIn.Calls()))
	}

	standIn.ExpireToken(token)
	await(v1alpha1.ReasonTokenRefused, v1alpha1.QualityMedium)
	standIn.AddToken("EAAnew")
	standIn.Set("1001", graphtest.Fields{"quality_rating": "GREEN"})
	o.write("graph/token", "EAAnew")
	await(v1alpha1.ReasonPolled, v1alpha1.QualityHigh)
	if log := o.log.String(); !strings.Contains(log, "the access token has expired") || strings.Contains(log, token) || strings.Contains(log, "5550100044") || strings.Contains(log, "555-010-0044") {
		t.Error("the log does not tell of the failure, or tells a secret")
	}
}
