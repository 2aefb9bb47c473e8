package jetstream

import (
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// described is a message as a node describes it in headers.
func described(sequence, stamp string) *nats.Msg {
	return &nats.Msg{Header: nats.Header{"Nats-Sequence": {sequence}, "Nats-Time-Stamp": {stamp}}}
}

// Whatever a node says of a message is understood as it would say it itself, or not at all.
func FuzzDirectMessage(f *testing.F) {
	f.Add("7", "2026-11-02T00:00:00.000000001Z")
	f.Add("-1", "")
	f.Fuzz(func(t *testing.T, sequence, stamp string) {
		m, err := directMessage(described(sequence, stamp))
		if err != nil {
			return
		}
		again, err := directMessage(described(strconv.FormatUint(m.sequence, 10), time.Unix(0, m.stamp).UTC().Format(time.RFC3339Nano)))
		if err != nil || again.sequence != m.sequence || again.stamp != m.stamp {
			t.Errorf("%q at %q is read as %+v, and then as %+v, %v", sequence, stamp, m, again, err)
		}
	})
}
