package meta_test

import (
	"testing"

	"numberfleet.dev/numberfleet/internal/meta"
)

// Codes that say something of their own are classes by themselves; all others fall into one of a few.
func TestFailuresAreOfAFewClasses(t *testing.T) {
	for code, want := range map[int64]meta.FailureClass{
		131026: "131026", 130472: "130472", 131048: "131048", 131049: "131049", 131064: "131064",
		131056: "throttled", 130429: "throttled", 368: "account", 131042: "account", 133010: "number", 131050: "user", 131047: "window",
		132001: "template", 132015: "template", 132068: "template", 131051: "message", 131000: "meta", 0: "other", 999999: "other", -131049: "other",
	} {
		if got := meta.ClassOf(code); got != want {
			t.Errorf("%d is of the class %s, want %s", code, got, want)
		}
	}
	classes := map[meta.FailureClass]bool{}
	for code := int64(-10); code < 200000; code++ {
		class := meta.ClassOf(code)
		if classes[class] = true; class.Meaning() == "" {
			t.Fatalf("the class of %d means nothing", code)
		}
	}
	if len(classes) > 16 {
		t.Errorf("there are %d classes: more than a label should have", len(classes))
	}
}
