package jetstream

import (
	"net/http"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
)

// A cluster that has too few nodes for a log is asked again where a node is only away, and not where none has the tag.
func TestANodeThatIsAwayIsWaitedFor(t *testing.T) {
	for description, want := range map[string]bool{
		"no suitable peers for placement, peer offline":                     false,
		"no suitable peers for placement, tags not matched ['sync:always']": true,
	} {
		if got := final(&jetstream.APIError{Code: http.StatusBadRequest, ErrorCode: noPeers, Description: description}); got != want {
			t.Errorf("%q is final: %t", description, got)
		}
	}
}
