package notification

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/wait"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/config"
)

// subscriptionsName is the ConfigMap that remembers since when each receiver is there.
const subscriptionsName = "numberfleet-notifications-since"

// subscriptions say since when each receiver asks for each reason, by the rules' clock. What happened before is no news to it:
// a receiver that is added to a large fleet, or a reason that is added to a receiver, brings no flood of old news, and that
// costs no object a write. It is remembered in one ConfigMap, so that what happens while the operator is away, and the
// first that happens to a new object, is sent.
type subscriptions struct {
	fresh     client.Reader
	client    client.Client
	namespace string
	receivers []config.Receiver
	now       time.Time // when the operator started

	mu    sync.Mutex
	since map[string]map[v1alpha1.TransitionReason]time.Time // nil until it is read
}

func newSubscriptions(fresh client.Reader, writer client.Client, namespace string, receivers []config.Receiver, now time.Time) *subscriptions {
	return &subscriptions{fresh: fresh, client: writer, namespace: namespace, receivers: receivers, now: now.UTC().Truncate(time.Second)}
}

// begin remembers the receivers that are new, as soon as this process leads.
func (b *subscriptions) begin(ctx context.Context) error {
	_ = wait.PollUntilContextCancel(ctx, 2*time.Second, true, func(ctx context.Context) (bool, error) {
		_, err := b.of(ctx, "")
		if err != nil {
			log.FromContext(ctx).Error(err, "notifications wait")
		}
		return err == nil, nil
	})
	return nil
}

// of is since when a receiver asks for each reason; a reason that it does not ask for is missing.
func (b *subscriptions) of(ctx context.Context, receiver string) (map[v1alpha1.TransitionReason]time.Time, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.since == nil {
		since, err := b.load(ctx)
		if err != nil {
			return nil, err
		}
		b.since = since
	}
	return b.since[receiver], nil
}

func (b *subscriptions) load(ctx context.Context) (map[string]map[v1alpha1.TransitionReason]time.Time, error) {
	var known corev1.ConfigMap
	err := b.fresh.Get(ctx, client.ObjectKey{Namespace: b.namespace, Name: subscriptionsName}, &known)
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("read since when receivers are there: %w", err)
	}
	since := map[string]map[v1alpha1.TransitionReason]time.Time{}
	data := map[string]string{}
	for i := range b.receivers {
		r := &b.receivers[i]
		var before map[v1alpha1.TransitionReason]time.Time
		if text, ok := known.Data[r.Name]; ok {
			if err := json.Unmarshal([]byte(text), &before); err != nil {
				return nil, fmt.Errorf("ConfigMap %s/%s, key %s: not what the operator wrote; delete the key, and the receiver begins anew: %w", b.namespace, subscriptionsName, r.Name, err)
			}
		}
		since[r.Name] = b.reasonsOf(r, before)
		encoded, err := json.Marshal(since[r.Name])
		if err != nil {
			return nil, fmt.Errorf("encode since when receivers are there: %w", err)
		}
		data[r.Name] = string(encoded)
	}
	if !apierrors.IsNotFound(err) && maps.Equal(data, known.Data) {
		return since, nil
	}
	// A receiver that is no more goes: it begins anew if it comes back.
	desired := applycorev1.ConfigMap(subscriptionsName, b.namespace).WithData(data)
	// Read past the cache, it needs no cache to catch up, which would be one of all ConfigMaps.
	if err := b.client.Apply(ctx, desired, FieldOwner, client.ForceOwnership, client.DisableReadYourWritesConsistency); err != nil {
		return nil, fmt.Errorf("remember since when receivers are there: %w", err)
	}
	return since, nil
}

// reasonsOf is since when a receiver asks for each of its reasons, given what was remembered.
func (b *subscriptions) reasonsOf(r *config.Receiver, before map[v1alpha1.TransitionReason]time.Time) map[v1alpha1.TransitionReason]time.Time {
	reasons := r.Reasons
	if len(reasons) == 0 {
		reasons = config.Reasons
	}
	since := map[v1alpha1.TransitionReason]time.Time{}
	for _, reason := range reasons {
		since[reason] = b.now
		// An instant that is yet to come is of a clock that was set back.
		if t, ok := before[reason]; ok && t.Before(b.now) {
			since[reason] = t
		}
	}
	return since
}
