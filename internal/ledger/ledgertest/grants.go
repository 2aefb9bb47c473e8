package ledgertest

import (
	"context"
	"encoding/binary"
	"maps"
	"sync"
	"testing"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
)

// Whatever was granted and answered is held after a crash at any moment, while others ask and snapshots are taken. After that an
// idempotency key stands for the reservation that it stood for.
func grantsSurvive(t *testing.T, empty func() Store) {
	t.Helper()
	const crashes, senders, asks = 15, 16, 3
	l := open(t, empty())
	must(t, l.Configure(counts.Settings{
		Limits:  []counts.LimitSetting{{Subject: number, Limit: crashes * senders * asks, Measure: v1alpha1.MeasureUniqueUsers, Window: 24 * time.Hour}},
		Senders: []counts.SenderSetting{{Number: number}},
	}))
	ask := func(key uint64, again byte) counts.Operation {
		o := counts.Operation{Kind: counts.Reserve, Number: number, User: counts.UserKey(key), TTL: 600, Key: key}
		binary.BigEndian.PutUint64(o.ID[:], key)
		o.ID[15] = again
		return o
	}
	var mu sync.Mutex
	answered := map[counts.ReservationID]uint64{}
	for crash := range uint64(crashes) {
		var asking sync.WaitGroup
		for sender := range uint64(senders) {
			asking.Go(func() {
				for n := range uint64(asks) {
					key := (crash*senders+sender)*asks + n + 1
					decisions, err := l.Operate(context.Background(), []counts.Operation{ask(key, 0)}, begin)
					if err != nil || decisions[0].State != counts.Held {
						t.Errorf("a place that is free is not granted: %v, %v", decisions, err)
						return
					}
					mu.Lock()
					answered[decisions[0].ID] = key
					mu.Unlock()
				}
			})
		}
		mu.Lock()
		before := maps.Clone(answered)
		mu.Unlock()
		m := started(t, l.store)
		for id := range before {
			if r, found := m.Reservation(id); !found || r.State != counts.Held {
				t.Errorf("a reservation that was answered before a crash is %+v", r)
			}
		}
		if crash%4 == 3 {
			l.save(t)
		}
		asking.Wait()
	}
	l = l.restart(t, true, 1)
	for id, key := range answered {
		if d := l.operate(t, begin.Add(time.Minute), ask(key, 1))[0]; d.ID != id || d.State != counts.Held || d.Room.Held != crashes*senders*asks {
			t.Errorf("a repetition of what was granted before a crash is decided %+v", d)
		}
	}
	l.close(t)
}
