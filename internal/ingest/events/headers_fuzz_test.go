package events

import (
	"net/http"
	"strings"
	"testing"

	"numberfleet.dev/numberfleet/internal/cloudevents"
)

// Whatever stands in the headers of a request, it is answered, and only what is authenticated and well-formed is stored.
func FuzzHeaders(f *testing.F) {
	good := occurred("1", 0, cloudevents.MessageReceived, toUser)
	f.Add("Bearer t0ken", linesType, "", "1.0", "2026-09-21T14:00:00Z", good)
	f.Add("bearer  t0ken", "application/json; charset=utf-8", "identity", "1.0", "2026-09-21T14:00:00Z", `{"number":"+15550001111","user":"US.u"}`)
	f.Add("Basic eDp5", "application/cloudevents+json;;", "gzip", "0.3", "now", "{}")
	f.Add("", "\x00", "deflate, gzip", "", "", "")
	f.Fuzz(func(t *testing.T, authorization, media, encoding, version, at, body string) {
		fixture := newFixture(t)
		req := fixture.request(media, body)
		req.Header = http.Header{
			"Authorization": {authorization}, "Content-Type": {media}, "Content-Encoding": {encoding},
			"Ce-Specversion": {version}, "Ce-Id": {"1"}, "Ce-Source": {"/s"}, "Ce-Type": {string(cloudevents.MessageReceived)}, "Ce-Time": {at},
		}
		w := fixture.do(req)
		stored := len(fixture.book.Numbers()) > 0
		if w.Code >= 500 && w.Code != http.StatusServiceUnavailable || stored && (w.Code != http.StatusOK || authorization != "Bearer t0ken" || encoding != "" && encoding != "identity") {
			t.Fatalf("got %d %s, and stored: %v", w.Code, w.Body, stored)
		}
		for _, line := range w.Header() {
			if strings.ContainsAny(strings.Join(line, ""), "\r\n") {
				t.Fatalf("the answer's headers are %v", w.Header())
			}
		}
	})
}
