package ledger

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// What is trimmed of a history changes no point from the horizon on, whatever comes later; what is left is what can still change
// one: of the deliveries before the horizon that of a conversation which reaches over it, of the messages those whose service window does.
func TestTrimChangesNoPoint(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const horizon = 1_790_000_000
		length := rapid.SampledFrom([]int64{0, 1, 2, 3600, 7200})
		w := lengths{service: length.Draw(t, "service"), conversation: length.Draw(t, "conversation")}
		// Hours and their neighbours, so that times and windows often meet.
		at := func(from, to int64) *rapid.Generator[uint32] {
			return rapid.Custom(func(t *rapid.T) uint32 {
				hour, beside := rapid.Int64Range(from, to).Draw(t, "hour"), rapid.Int64Range(-1, 1).Draw(t, "beside")
				return uint32(max(horizon+from*3600, horizon+hour*3600+beside))
			})
		}
		print := uint32(0)
		add := func(h *history, deliveries, inbounds []uint32) {
			for i, at := range deliveries {
				h.add(event{kind: Delivered, at: at, print: print + uint32(i)})
			}
			for _, at := range inbounds {
				if e := (event{kind: Received, at: at}); !h.knows(e) {
					h.add(e)
				}
			}
		}
		var whole history
		add(&whole, rapid.SliceOfN(at(-4, 2), 0, 5).Draw(t, "deliveries"), rapid.SliceOfN(at(-4, 2), 0, 4).Draw(t, "inbounds"))
		trimmed := history{deliveries: slices.Clone(whole.deliveries), inbounds: slices.Clone(whole.inbounds)}
		before := len(whole.deliveries) + len(whole.inbounds)
		forgot := trimmed.trim(w, horizon)
		if left := len(trimmed.deliveries) + len(trimmed.inbounds); forgot != (left < before) {
			t.Fatalf("of %d events %d are left, and something is forgotten: %t", before, left, forgot)
		}
		if i := slices.IndexFunc(trimmed.inbounds, func(at uint32) bool { return int64(at) <= horizon-w.service }); i >= 0 {
			t.Fatalf("a message at %d is kept", trimmed.inbounds[i])
		}
		for i, d := range trimmed.deliveries {
			if int64(d.at) < horizon && (i > 0 || int64(d.at) <= horizon-w.conversation) {
				t.Fatalf("delivery %d at %d is kept", i, d.at)
			}
		}
		print = 100
		later, answers := rapid.SliceOfN(at(0, 3), 0, 4).Draw(t, "later"), rapid.SliceOfN(at(0, 3), 0, 3).Draw(t, "answers")
		add(&whole, later, answers)
		add(&trimmed, later, answers)
		want, counted, opened := whole.walk(w, horizon, nil)
		got, countedLeft, openedLeft := trimmed.walk(w, horizon, nil)
		if !slices.Equal(got, want) || len(want) > 0 && (counted != countedLeft || opened != openedLeft && int64(opened) > horizon-w.conversation) {
			t.Fatalf("the points are %v, and then %d and %d; they were %v, %d and %d", got, countedLeft, openedLeft, want, counted, opened)
		}
	})
}
