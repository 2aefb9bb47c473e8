package jetstream

import (
	"bytes"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"numberfleet.dev/numberfleet/internal/ledger/codec"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
)

// newer is a round as a program writes it that knows a version more.
func newer(r *counts.Round) []byte {
	row := bytes.Clone(r.AppendRow(nil))
	row[0]++
	return codec.Seal(row[:len(row)-codec.ChecksumSize])
}

// A process that does not know the version of a round applies neither it nor what comes after it, and says why; so does its next start.
func TestARoundOfANewerVersionEndsIt(t *testing.T) {
	o := onServer()
	j := openTest(t, o)
	start(t, j)
	add(t, j, 1)
	_, err := j.js.PublishMsg(t.Context(), &nats.Msg{Subject: o.rounds(), Data: newer(round(2))})
	must(t, err)
	must(t, j.Append(t.Context(), round(3)))

	const why = "the round at 2 of the log cannot be read: its version is 5; this program knows 4"
	err = j.Follow(t.Context(), func(_ uint64, r *counts.Round) error {
		t.Errorf("it reads the round %d", r.Batch)
		return nil
	})
	if err == nil || !strings.Contains(err.Error(), why) {
		t.Errorf("it ends with %v", err)
	}
	again := openTest(t, o)
	err = again.Replay(0, func(_ uint64, r *counts.Round) error {
		if r.Batch != 1 {
			t.Errorf("a start reads the round %d", r.Batch)
		}
		return nil
	})
	if err == nil || !strings.Contains(err.Error(), why) {
		t.Errorf("a start ends with %v", err)
	}
}
