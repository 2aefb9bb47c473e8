package counts

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// What is trimmed of a history changes no sample from the horizon on, whatever comes later; what is left is what can still change
// one: of the deliveries before the horizon that of a conversation which reaches over it, of the messages those whose service window does.
func TestTrimChangesNoPoint(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const horizon = 1_790_000_000
		length := rapid.SampledFrom([]int64{0, 1, 2, 3600, 7200})
		w := windowLengths{service: length.Draw(t, "service"), conversation: length.Draw(t, "conversation")}
		// Hours and their neighbours, so that times and windows often meet.
		at := func(from, to int64) *rapid.Generator[uint32] {
			return rapid.Custom(func(t *rapid.T) uint32 {
				hour, beside := rapid.Int64Range(from, to).Draw(t, "hour"), rapid.Int64Range(-1, 1).Draw(t, "beside")
				return uint32(max(horizon+from*3600, horizon+hour*3600+beside))
			})
		}
		// A message of a delivery may be a reply, awaited, or sent to a chat.
		told := func(from, to int64) *rapid.Generator[event] {
			return rapid.Custom(func(t *rapid.T) event {
				e := event{kind: rapid.SampledFrom([]Kind{Delivered, Delivered, Delivered, Replied}).Draw(t, "kind"), at: at(from, to).Draw(t, "at")}
				e.reply = e.kind == Delivered && rapid.IntRange(0, 3).Draw(t, "reply") == 0
				e.chat = ChatKey(rapid.Uint64Range(0, 1).Draw(t, "chat"))
				return e
			})
		}
		written := map[ChatKey][]uint32{1: slices.Compact(slices.Sorted(slices.Values(rapid.SliceOfN(at(-4, 2), 0, 2).Draw(t, "written"))))}
		print := uint32(0)
		add := func(h *history, deliveries []event, inbounds []uint32) {
			for i, e := range deliveries {
				e.fingerprint = print + uint32(i)
				h.add(e)
			}
			for _, at := range inbounds {
				if e := (event{kind: Received, at: at}); !h.contains(e) {
					h.add(e)
				}
			}
		}
		whole := history{written: written}
		add(&whole, rapid.SliceOfN(told(-4, 2), 0, 5).Draw(t, "deliveries"), rapid.SliceOfN(at(-4, 2), 0, 4).Draw(t, "inbounds"))
		trimmed := history{deliveries: slices.Clone(whole.deliveries), inbounds: slices.Clone(whole.inbounds), written: written}
		before := len(whole.deliveries) + len(whole.inbounds)
		forgot := trimmed.trim(w, horizon)
		if left := len(trimmed.deliveries) + len(trimmed.inbounds); forgot != (left < before) {
			t.Fatalf("of %d events %d are left, and something is forgotten: %t", before, left, forgot)
		}
		if i := slices.IndexFunc(trimmed.inbounds, func(at uint32) bool { return int64(at) < horizon && int64(at) <= horizon-w.service }); i >= 0 {
			t.Fatalf("a message at %d is kept", trimmed.inbounds[i])
		}
		for i, d := range trimmed.deliveries {
			if int64(d.at) < horizon && (i > 0 || int64(d.at) <= horizon-w.conversation) {
				t.Fatalf("delivery %d at %d is kept", i, d.at)
			}
		}
		print = 100
		later, answers := rapid.SliceOfN(told(0, 3), 0, 4).Draw(t, "later"), rapid.SliceOfN(at(0, 3), 0, 3).Draw(t, "answers")
		add(&whole, later, answers)
		add(&trimmed, later, answers)
		want, counted, opened := whole.appendCounted(w, horizon, nil)
		got, countedLeft, openedLeft := trimmed.appendCounted(w, horizon, nil)
		if !slices.Equal(got, want) || len(want) > 0 && (counted != countedLeft || opened != openedLeft && int64(opened) > horizon-w.conversation) {
			t.Fatalf("the points are %v, and then %d and %d; they were %v, %d and %d", got, countedLeft, openedLeft, want, counted, opened)
		}
	})
}

// What is left of a history, to the second: all from the horizon on, before it the opening of a conversation that reaches over it,
// and messages whose service window does.
func TestTrimKeepsToTheSecond(t *testing.T) {
	const horizon = 1_790_000_000
	w := windowLengths{service: 10, conversation: 100}
	type seconds []int64 // from the horizon
	for _, test := range []struct {
		name                string
		deliveries, inbound seconds
		left, leftInbound   seconds
	}{
		{"nothing", nil, nil, nil, nil},
		{"what is at the horizon", seconds{0}, seconds{0}, seconds{0}, seconds{0}},
		{"an opening that is over at the horizon", seconds{-100}, nil, nil, nil},
		{"an opening that is over a second later", seconds{-99}, nil, seconds{-99}, nil},
		{"one inside, which opens nothing", seconds{-99, -50, 1}, nil, seconds{-99, 1}, nil},
		{"one inside of an opening that is over", seconds{-150, -99}, nil, nil, nil},
		{"an opening after one that is over", seconds{-150, -50}, nil, seconds{-50}, nil},
		{"one that does not count, before one that does", seconds{-80, -50}, seconds{-81}, seconds{-50}, nil},
		{"a window that is over at the horizon", nil, seconds{-10}, nil, nil},
		{"a window that is over a second later", nil, seconds{-11, -9}, nil, seconds{-9}},
	} {
		t.Run(test.name, func(t *testing.T) {
			deliveries := func(at seconds) (all []delivery) {
				for _, s := range at {
					all = append(all, delivery{at: uint32(horizon + s), fingerprint: uint32(s + 1000)})
				}
				return all
			}
			inbounds := func(at seconds) (all []uint32) {
				for _, s := range at {
					all = append(all, uint32(horizon+s))
				}
				return all
			}
			h := history{deliveries: deliveries(test.deliveries), inbounds: inbounds(test.inbound)}
			forgot := h.trim(w, horizon)
			if !slices.Equal(h.deliveries, deliveries(test.left)) || !slices.Equal(h.inbounds, inbounds(test.leftInbound)) {
				t.Errorf("%v are left", h)
			}
			if want := len(test.deliveries)+len(test.inbound) > len(test.left)+len(test.leftInbound); forgot != want {
				t.Errorf("something is forgotten: %t", forgot)
			}
		})
	}
	early := history{deliveries: []delivery{{at: 1, fingerprint: 1}}} // when time began, nothing was before
	if early.trim(w, 1) || len(early.deliveries) != 1 {
		t.Errorf("%v are left", early)
	}
}
