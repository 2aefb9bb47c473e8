package controllers_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/controllertest"
	"numberfleet.dev/numberfleet/internal/report"
)

// A number that is well has no series of conditions, and one that is flagged has the flag and when it ends.
func TestOnlyWhatIsNotAsItShouldBeIsMeasured(t *testing.T) {
	b := controllertest.New(t)
	number := b.Create("botmaker")
	b.Deliver(number.Spec.PhoneNumber, 1)
	b.Report(number.Spec.PhoneNumber, report.Quality, "High")
	b.Evaluate(number)
	told := func() int {
		return testutil.CollectAndCount(b.Figures(), "numberfleet_abnormal_condition") + testutil.CollectAndCount(b.Figures(), "numberfleet_phone_number_flag_deadline_timestamp_seconds")
	}
	if n := told(); n != 0 {
		t.Errorf("of a number that is well there are %d series: %+v", n, number.Status.Conditions)
	}

	b.Report(number.Spec.PhoneNumber, report.Quality, "Low")
	b.Evaluate(number)
	label := fmt.Sprintf(`name=%q,namespace=%q`, number.Name, number.Namespace)
	want := fmt.Sprintf(`# HELP numberfleet_abnormal_condition A condition of a resource that is not as it should be; always 1, and absent while it is as it should be.
# TYPE numberfleet_abnormal_condition gauge
numberfleet_abnormal_condition{kind="PhoneNumber",%s,reason="QualityLow",type="Flagged"} 1
# HELP numberfleet_phone_number_flag_deadline_timestamp_seconds When the tier of a flagged phone number falls if its quality stays low; absent if it is not flagged, or recovers, or if nobody knows.
# TYPE numberfleet_phone_number_flag_deadline_timestamp_seconds gauge
numberfleet_phone_number_flag_deadline_timestamp_seconds{%[1]s} %[2]d
`, label, controllertest.Start.Add(7*24*time.Hour).Unix())
	var err error
	for range 100 { // the cache follows
		if err = testutil.CollectAndCompare(b.Figures(), strings.NewReader(want), "numberfleet_abnormal_condition", "numberfleet_phone_number_flag_deadline_timestamp_seconds"); err == nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err != nil {
		t.Error(err)
	}
	if number.Status.State != v1alpha1.StateFlagged {
		t.Errorf("the number is %s", number.Status.State)
	}
}
