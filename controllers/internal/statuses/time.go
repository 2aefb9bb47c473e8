package statuses

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func Stamp(t metav1.Time) string { return t.UTC().Format("2006-01-02 15:04:05 MST") }

// Earliest is the earlier of two instants, where zero means never.
func Earliest(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

func Latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func Time(t time.Time) metav1.Time {
	if t.IsZero() {
		return metav1.Time{}
	}
	return metav1.NewTime(t.UTC().Truncate(time.Second))
}

func UTC(t metav1.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC()
}

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
