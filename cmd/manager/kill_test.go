package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/hack/rig"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/ledger/journal/pebble"
	"numberfleet.dev/numberfleet/internal/meta/metatest"
)

// traffic is webhooks about a number, each with deliveries to users of their own. They are sent again until they are acknowledged, as Meta does, and
// some of them once more after that.
type traffic struct {
	number       string
	begun        time.Time
	acknowledged [4]atomic.Int64 // webhooks, by sender
	end          context.CancelFunc
	senders      sync.WaitGroup
}

const deliveries = 20 // of a webhook

// newTraffic sends to whoever post posts to, until stop.
func newTraffic(t *testing.T, number string, post func(ctx context.Context, body []byte) (code int, err error)) *traffic {
	t.Helper()
	f := &traffic{number: number, begun: time.Now()} // the operator under test runs on real time
	var ctx context.Context
	ctx, f.end = context.WithCancel(t.Context())
	t.Cleanup(f.stop)
	for sender := range f.acknowledged {
		f.senders.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				for ctx.Err() == nil {
					// The request goes on though the test ends meanwhile: it is acknowledged or not.
					if code, err := post(t.Context(), f.webhook(sender, n)); err == nil && code == http.StatusOK {
						f.acknowledged[sender].Store(int64(n) + 1)
						break
					}
					time.Sleep(5 * time.Millisecond)
				}
				if n%7 == 3 {
					_, _ = post(t.Context(), f.webhook(sender, n))
				}
			}
		})
	}
	return f
}

func (f *traffic) webhook(sender, n int) []byte {
	statuses := make([]metatest.Status, deliveries)
	for i := range statuses {
		id := (sender*1_000_000+n)*deliveries + i
		statuses[i] = metatest.Status{ID: fmt.Sprintf("wamid.%d", id), Status: "delivered",
			Phone: fmt.Sprintf("1556%010d", id), At: f.begun.Add(-time.Duration(id%86000) * time.Second)}
	}
	return metatest.MessagesPayload(f.number, statuses, nil)
}

// flows waits until n more webhooks of each sender are acknowledged.
func (f *traffic) flows(t *testing.T, n int64) {
	t.Helper()
	for sender := range f.acknowledged {
		before := f.acknowledged[sender].Load()
		if !rig.Eventually(t.Context(), func() bool { return f.acknowledged[sender].Load() >= before+n }) {
			t.Fatalf("%d webhooks of a sender are acknowledged, and then none", before)
		}
	}
}

func (f *traffic) stop() {
	f.end()
	f.senders.Wait()
}

// check fails if the ledger in a folder lacks what was acknowledged, or counts anything twice.
func (f *traffic) check(t *testing.T, folder string) {
	t.Helper()
	store, err := pebble.Open(folder, pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	book, err := ledger.Open(store, ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = book.Close() }()
	least, most := 0, 0
	for i := range f.acknowledged {
		n := int(f.acknowledged[i].Load())
		least += n * deliveries
		most += (n + 1) * deliveries // one more may be stored whose answer was cut off
	}
	t.Logf("%d deliveries were acknowledged", least)
	for name, measure := range map[string]v1alpha1.Measure{"users": v1alpha1.MeasureUniqueUsers, "messages": v1alpha1.MeasureMessages, "conversations": v1alpha1.MeasureConversations} {
		got := int(book.Count(f.number, measure, f.begun.Add(-25*time.Hour), f.begun.Add(time.Hour)))
		if got < least || got > most || got%deliveries != 0 {
			t.Errorf("%d %s are counted, between %d and %d in batches of %d were sent", got, name, least, most, deliveries)
		}
	}
}

// The operator is killed 20 times while webhooks come in. Nothing acknowledged is lost and nothing is counted twice.
func TestKilledWhileReceivingItLosesNothingAndCountsNothingTwice(t *testing.T) {
	t.Parallel()
	o, _ := newOperator(t)
	o.start()
	sent := newTraffic(t, "+15550100099", o.post)
	for range 20 {
		sent.flows(t, 1)
		time.Sleep(time.Duration(rand.IntN(150)) * time.Millisecond)
		o.kill(syscall.SIGKILL)
		o.start()
	}
	o.ready()
	sent.stop()
	o.kill(syscall.SIGTERM)
	sent.check(t, filepath.Join(o.folder, "ledger"))
}
