package client_test

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"numberfleet.dev/numberfleet/api/client"
)

// Whatever a stream has, what is watched ends with an error.
func FuzzWatch(f *testing.F) {
	for _, stream := range []string{
		"event: standing\ndata: {\"kind\":\"PhoneNumber\",\"name\":\"sales\"}\n\n:\n\nevent: removed\ndata: {\"name\":\"sales\"}\n\n", "data: {", "data", ":", "event: \n\n",
	} {
		f.Add([]byte(stream))
	}
	var content atomic.Pointer[[]byte]
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(*content.Load()) }))
	f.Cleanup(server.Close)
	c, err := client.New(client.Options{URL: server.URL})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		content.Store(&stream)
		var last error
		for change, err := range c.Watch(t.Context(), client.Selection{}) {
			if last != nil {
				t.Errorf("after its end it tells %+v, %v", change, err)
			}
			last = err
		}
		if last == nil {
			t.Error("it ended without an error")
		}
	})
}
