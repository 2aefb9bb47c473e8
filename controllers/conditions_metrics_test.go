package controllers_test

import (
	"testing"
	"time"

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
	const condition, deadline = "abnormal_condition", "phone_number_flag_deadline_timestamp_seconds"
	for _, name := range []string{condition, deadline} {
		if value, told := b.Gauges(number.Name)[name]; told {
			t.Errorf("of a number that is well %s is %v", name, value)
		}
	}

	b.Report(number.Spec.PhoneNumber, report.Quality, "Low")
	b.Evaluate(number)
	b.Within("the metrics have the flag", func() bool { return b.Gauges(number.Name, "reason", "QualityLow")[condition] == 1 })
	if ends, want := b.Gauges(number.Name)[deadline], float64(controllertest.Start.Add(7*24*time.Hour).Unix()); ends != want {
		t.Errorf("of a flagged number the flag ends at %v, want %v", ends, want)
	}
}
