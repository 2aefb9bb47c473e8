package notification

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/lookup"
	"numberfleet.dev/numberfleet/internal/notify"
)

func TestAReceiverThatFailsGetsItLaterAndTheOthersOnce(t *testing.T) {
	n := newNotified(t)
	n.operate()
	n.mail.Busy(3)
	n.chat.Busy(3, http.StatusInternalServerError)
	number := n.Create("netcore")
	n.Evaluate(number)
	n.flag(number)
	n.settled(number)
	if n.mail.Attempts() != 4 || len(n.mail.Mails()) != 1 || n.chat.Attempts() != 4 || len(n.chat.Posts()) != 1 {
		t.Errorf("of %d mails %d and of %d messages %d were taken", n.mail.Attempts(), len(n.mail.Mails()), n.chat.Attempts(), len(n.chat.Posts()))
	}
	if !slices.Equal(n.heard(), happenings(number)) {
		t.Errorf("the sink heard %q, not %q", n.heard(), happenings(number))
	}
	if got := testutil.ToFloat64(n.metrics.notifications.WithLabelValues("mail", "failed")); got != 3 {
		t.Errorf("%g failures are counted", got)
	}
}

// One receiver hangs with every worker while the others go on; it gets its share once it answers.
func TestAReceiverThatHangsHoldsUpNoOther(t *testing.T) {
	n := newNotified(t)
	n.operate()
	release := make(chan struct{})
	n.mail.Answer(func() error { <-release; return nil })
	var all []*v1alpha1.PhoneNumber
	for range 3 * workers {
		number := n.Create("netcore")
		n.Evaluate(number)
		n.flag(number)
		all = append(all, number)
	}
	n.soon("the others are told", func() bool { return len(n.chat.Posts()) == len(all) && len(n.sink.Posts()) == 2*len(all) })
	close(release)
	for _, number := range all {
		n.settled(number)
	}
	if len(n.mail.Mails()) < len(all) { // one that hung for longer than the notifier waits may come twice
		t.Errorf("%d mails came, not %d", len(n.mail.Mails()), len(all))
	}
}

func TestOfSeveralEventsOnlyThoseThatFailedAreSentAgain(t *testing.T) {
	n := newNotified(t)
	n.receivers = n.receivers[2:]
	n.operate()
	requests, refused := 0, time.Time{}
	var waited atomic.Int64 // in real time, which the receiver asks for
	n.sink.Answer(func(w http.ResponseWriter) bool {
		if requests++; requests != 2 {
			waited.Store(int64(clock.RealClock{}.Since(refused)))
			return false
		}
		refused = clock.RealClock{}.Now()
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
		return true
	})
	number := n.Create("netcore")
	n.Evaluate(number)
	n.flag(number)
	n.settled(number)
	if !slices.Equal(n.heard(), happenings(number)) {
		t.Errorf("the sink heard %q, not %q", n.heard(), happenings(number))
	}
	if waited := time.Duration(waited.Load()); waited < time.Second {
		t.Errorf("asked to be left alone for 1 s, it was tried again within %s", waited)
	}
}

func TestWhatCannotBeWrittenDownIsNotSentAgain(t *testing.T) {
	n := newNotified(t)
	n.receivers = n.receivers[2:]
	number := n.Create("netcore")
	n.Evaluate(number)
	b := newSubscriptions(n.Direct, n.Direct, n.Namespace, n.receivers, n.FakeClock.Now())
	n.flag(number)
	n.soon("the cache knows of the flag", func() bool {
		var cached v1alpha1.PhoneNumber
		n.Must(n.Client.Get(n.Ctx, client.ObjectKeyFromObject(number), &cached))
		return cached.Status.Transitions == number.Status.Transitions
	})
	broken := &brokenWrites{Client: n.Client, fail: true}
	r := &receiver{config: &n.receivers[0], sender: notify.New(&n.receivers[0]), beginnings: b, client: broken, fresh: n.Direct,
		metrics: n.metrics, sent: map[lookup.Key]unwritten{}, pause: pause{clock: clock.RealClock{}, least: time.Millisecond, most: time.Millisecond}}
	key := lookup.Key{Kind: "PhoneNumber", NamespacedName: client.ObjectKeyFromObject(number)}
	for range 3 {
		if _, err := r.Reconcile(n.Ctx, key); err == nil {
			t.Error("a write that fails is no error")
		}
	}
	broken.fail = false
	_, err := r.Reconcile(n.Ctx, key)
	n.Must(err)
	n.settled(number)
	if !slices.Equal(n.heard(), happenings(number)) || len(r.sent) != 0 {
		t.Errorf("the sink heard %q, not %q; %v is remembered", n.heard(), happenings(number), r.sent)
	}
}

type brokenWrites struct {
	client.Client
	fail bool
}

func (b *brokenWrites) Status() client.SubResourceWriter {
	if b.fail {
		return brokenStatus{b.Client.Status()}
	}
	return b.Client.Status()
}

type brokenStatus struct{ client.SubResourceWriter }

var errOutage = errors.New("an outage")

func (brokenStatus) Apply(context.Context, runtime.ApplyConfiguration, ...client.SubResourceApplyOption) error {
	return errOutage
}
