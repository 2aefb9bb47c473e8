package notify

import (
	"net/http"
	"testing"
)

// However long a receiver asks to be left alone, it is for an hour at most, and never for less than nothing.
func FuzzRetryAfter(f *testing.F) {
	f.Add("17", "")
	f.Add("-1", "")
	f.Add("99999999999999999999", "")
	f.Add("Wed, 21 Oct 2015 07:28:00 GMT", "Wed, 21 Oct 2015 07:27:00 GMT")
	f.Add("Fri, 31 Dec 9999 23:59:59 GMT", "Mon, 01 Jan 0001 00:00:00 GMT")
	f.Fuzz(func(t *testing.T, after, date string) {
		if wait := retryAfter(http.Header{"Retry-After": {after}, "Date": {date}}); wait < 0 || wait > maxRetryAfter {
			t.Errorf("it is left alone for %s", wait)
		}
	})
}
