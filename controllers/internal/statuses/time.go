package statuses

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Stamp is an instant as sentences write it.
func Stamp(t metav1.Time) string { return t.UTC().Format("2006-01-02 15:04:05 MST") }

// Earliest is the earliest of some instants, where zero means never.
func Earliest(instants ...time.Time) time.Time {
	var earliest time.Time
	for _, t := range instants {
		if earliest.IsZero() || !t.IsZero() && t.Before(earliest) {
			earliest = t
		}
	}
	return earliest
}

// Latest is the later of two instants.
func Latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// Time is an instant as a status has it: in whole seconds of UTC.
func Time(t time.Time) metav1.Time {
	if t.IsZero() {
		return metav1.Time{}
	}
	return metav1.NewTime(t.UTC().Truncate(time.Second))
}

// UTC is an instant of a status.
func UTC(t metav1.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC()
}

// Clip shortens a text to so many bytes.
func Clip(text string, length int) string {
	if len(text) <= length {
		return text
	}
	// Whole characters only: the limit is in bytes here and in characters in the schema.
	for length > 0 && text[length]&0xC0 == 0x80 {
		length--
	}
	return text[:length]
}
