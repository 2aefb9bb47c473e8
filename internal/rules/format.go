package rules

import (
	"strconv"
	"strings"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

func measureNoun(measure v1alpha1.Measure) string {
	switch measure {
	case v1alpha1.MeasureConversations:
		return "conversations"
	case v1alpha1.MeasureMessages:
		return "messages"
	default:
		return "unique users"
	}
}

// FormatLimit writes a limit for people.
func FormatLimit(limit int64) string {
	if limit == Unlimited {
		return "unlimited"
	}
	return strconv.FormatInt(limit, 10)
}

func formatTime(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 MST") }

// formatDuration writes a duration in days, hours, minutes and seconds, as far as they are not zero.
func formatDuration(d time.Duration) string {
	var parts []string
	for _, unit := range []struct {
		length time.Duration
		name   string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "min"}, {time.Second, "s"}} {
		if n := d / unit.length; n > 0 {
			// 24 hours and 48 hours are how people and Meta call them.
			if unit.name == "d" && d%unit.length == 0 && n <= 2 {
				return strconv.FormatInt(int64(d/time.Hour), 10) + " h"
			}
			parts = append(parts, strconv.FormatInt(int64(n), 10)+" "+unit.name)
			d %= unit.length
		}
	}
	if len(parts) == 0 {
		return "0 s"
	}
	return strings.Join(parts, " ")
}
