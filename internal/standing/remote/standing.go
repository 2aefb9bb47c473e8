package remote

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"numberfleet.dev/numberfleet/api/client"
	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// Standing is where resources stand: as the operator said last, as long as it can be asked, and else as their statuses say. The zero value
// knows statuses alone. It is safe for concurrent use.
type Standing struct {
	mu      sync.RWMutex
	items   map[key]client.Item
	problem error
}

// key tells items apart.
type key struct{ kind, namespace, name string }

// Of is where an object stands. It is live where the operator said it, and else as old as the object's status.
func (s *Standing) Of(o v1alpha1.Object) (item client.Item, live bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if item, live = s.items[key{KindOf(o), o.GetNamespace(), o.GetName()}]; live {
		return item, true
	}
	return ofStatus(o), false
}

// Problem is why nothing is live now; nil where it is.
func (s *Standing) Problem() error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.problem
}

// fail forgets what is not live any more.
func (s *Standing) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.items, s.problem = nil, err
}

func (s *Standing) apply(change client.Change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.problem = nil
	k := key{change.Kind, change.Namespace, change.Name}
	if change.Removed {
		delete(s.items, k)
		return
	}
	if s.items == nil {
		s.items = map[key]client.Item{}
	}
	s.items[k] = change.Item
}

// patience is how long the operator may take to answer.
const patience = 30 * time.Second

// Read asks the operator once. Where that fails, Problem says why.
func Read(ctx context.Context, o *Options, selection client.Selection) *Standing {
	s := &Standing{}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	api, err := Connect(ctx, o)
	var items []client.Item
	if err == nil {
		items, err = api.Standing(ctx, selection)
	}
	if err != nil {
		s.fail(o.explain(err))
		return s
	}
	for i := range items {
		s.apply(client.Change{Item: items[i]})
	}
	return s
}

// How long it takes until the operator is asked again that could not be asked.
var retry = wait.Backoff{Duration: time.Second, Factor: 2, Jitter: 0.1, Steps: 6, Cap: 30 * time.Second}

// Follow keeps up with what the operator says until ctx is done, by connections one after the other. Each change is told.
func (s *Standing) Follow(ctx context.Context, o *Options, selection client.Selection, changed func()) {
	for backoff := retry; ctx.Err() == nil; {
		connected, cancel := context.WithCancel(ctx)
		api, err := Connect(connected, o)
		if err == nil {
			for change, streamErr := range api.Watch(connected, selection) {
				if err = streamErr; err != nil {
					break
				}
				backoff = retry
				s.apply(change)
				changed()
			}
		}
		cancel()
		if ctx.Err() != nil {
			return
		}
		s.fail(o.explain(err))
		changed()
		select {
		case <-ctx.Done():
		case <-time.After(backoff.Step()):
		}
	}
}

// explain says what to do about an error, where that is known. The URL, which may have the number that is asked about, is left out.
func (o *Options) explain(err error) error {
	unanswered, ok := errors.AsType[*url.Error](err)
	if !ok {
		return err
	}
	if _, untrusted := errors.AsType[*tls.CertificateVerificationError](err); untrusted || o.URL != "" {
		return fmt.Errorf("the operator's API does not answer: %w", unanswered.Err)
	}
	return fmt.Errorf("the operator's API does not answer, as long as the Secret numberfleet-events-tls has no certificate: %w", unanswered.Err)
}
