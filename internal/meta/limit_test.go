package meta

import (
	"strings"
	"testing"
)

func TestALimitIsReadFromEveryWayMetaWritesIt(t *testing.T) {
	for written, want := range map[string]string{
		"TIER_50": "50", "TIER_250": "250", "TIER_1K": "1000", "TIER_2K": "2000", "TIER_10K": "10000", "TIER_100K": "100000", "TIER_1M": "1000000",
		"TIER_UNLIMITED": Unlimited, "UNLIMITED": Unlimited, "-1": Unlimited, "2000": "2000", "TIER_NOT_SET": "", "": "",
	} {
		if got, known := ParseLimit(written); got != want || !known {
			t.Errorf("the limit %q: got %q, %v, want %q", written, got, known, want)
		}
	}
	for written, want := range map[string]string{
		"TIER_HUGE": "TIER_HUGE", "TIER_": "TIER_", "12abc": "12abc", "TIER_0": "", "two words": "", strings.Repeat("9", 33): "",
	} {
		if got, known := ParseLimit(written); got != want || known {
			t.Errorf("the limit %q: got %q, %v, want %q and that it is not known", written, got, known, want)
		}
	}
}
