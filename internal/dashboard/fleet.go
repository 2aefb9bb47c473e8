// Package dashboard serves a page, to one user on this machine, that shows a fleet live. It reads with the user's own rights: objects by
// watches, and what may be sent from the operator's API where the user may.
package dashboard

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"

	"numberfleet.dev/numberfleet/api/client"
	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/standing/remote"
)

// refreshPeriod is how often rows are made anew of what has changed.
const refreshPeriod = time.Second

// probePeriod is how often it is looked whether the cluster answers, and how long that may take.
const probePeriod = 5 * time.Second

// Options say what is shown.
type Options struct {
	// Config is the user's.
	Config *rest.Config
	// Cluster is what the user calls the cluster.
	Cluster string
	// Namespace is what is looked at; empty for all.
	Namespace string
	// Operator says how the operator's API is reached.
	Operator *remote.Options
	Clock    clock.WithTicker
}

// Fleet is what the page shows. It is safe for concurrent use.
type Fleet struct {
	Options
	watches  *watches
	standing remote.Standing
	dirty    chan struct{} // has one element where something has changed

	mu      sync.Mutex
	now     time.Time // of the fleet
	version int64     // of rows, news and notes, each time that one of them changes
	rows    map[key]*versioned
	news    versioned
	notes   versioned
	samples map[key]*samples
	changed chan struct{} // closed when version rises
}

// versioned is JSON, with the version of the fleet at which it changed last. Of what is gone the content is nil.
type versioned struct {
	content []byte
	version int64
}

// notes are what the page says about itself.
type notes struct {
	Cluster   string            `json:"cluster"`
	Namespace string            `json:"namespace,omitempty"`
	Standing  string            `json:"standing,omitempty"` // why nothing is live
	Kinds     map[string]string `json:"kinds,omitempty"`    // why a kind is not shown
}

// New begins to watch what the user may read. It is an error if that is not numbers.
func New(ctx context.Context, o Options) (*Fleet, error) {
	f := &Fleet{Options: o, dirty: make(chan struct{}, 1), rows: map[key]*versioned{}, samples: map[key]*samples{}, changed: make(chan struct{})}
	var err error
	f.watches, err = watch(ctx, o.Config, o.Namespace, f.touch)
	return f, err
}

// touch notes that something has changed.
func (f *Fleet) touch() {
	select {
	case f.dirty <- struct{}{}:
	default:
	}
}

// Run keeps up with the cluster until ctx is done.
func (f *Fleet) Run(ctx context.Context) error {
	running, ctx := errgroup.WithContext(ctx)
	running.Go(func() error { return f.watches.cache.Start(ctx) })
	running.Go(func() error {
		f.standing.Follow(ctx, f.Operator, client.Selection{Namespace: f.Namespace}, f.touch)
		return nil
	})
	running.Go(func() error {
		ticker := f.Clock.NewTicker(probePeriod)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-ticker.C():
				f.watches.probe(ctx)
			}
		}
	})
	running.Go(func() error {
		if !f.watches.cache.WaitForCacheSync(ctx) {
			return nil
		}
		ticker := f.Clock.NewTicker(refreshPeriod)
		defer ticker.Stop()
		for {
			if err := f.refresh(); err != nil {
				return err
			}
			select {
			case <-ctx.Done():
				return nil
			case <-ticker.C():
			}
			select {
			case <-ctx.Done():
				return nil
			case <-f.dirty:
			}
		}
	})
	return running.Wait()
}

// refresh makes rows, news and notes anew.
func (f *Fleet) refresh() error {
	all := f.watches.all()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.fleetTime(all)
	next := f.version + 1
	changed := false
	var told feed
	seen := make(map[key]struct{}, len(all))
	for _, o := range all {
		k := keyOf(o)
		seen[k] = struct{}{}
		stands, live := f.standing.Of(o)
		if stands.Used != nil {
			f.sample(k, o, *stands.Used, live)
		}
		told.tell(o, &stands, f.now)
		content, err := json.Marshal(rowOf(o, stands, live))
		if err != nil {
			return err
		}
		if f.rows[k] == nil {
			f.rows[k] = &versioned{}
		}
		changed = f.rows[k].set(content, next) || changed
	}
	for k, r := range f.rows {
		if _, there := seen[k]; !there {
			delete(f.samples, k)
			changed = r.set(nil, next) || changed
		}
	}
	told.cut()
	news, err := json.Marshal(&told)
	if err != nil {
		return err
	}
	changed = f.news.set(news, next) || changed
	said, err := json.Marshal(f.note())
	if err != nil {
		return err
	}
	changed = f.notes.set(said, next) || changed
	if changed {
		f.version = next
		close(f.changed)
		f.changed = make(chan struct{})
	}
	return nil
}

// set says whether the content is another one.
func (v *versioned) set(content []byte, version int64) bool {
	if v.version != 0 && bytes.Equal(v.content, content) {
		return false
	}
	v.content, v.version = content, version
	return true
}

// fleetTime is the time that the fleet lives at: the real one, unless statuses are from later, as where the operator's clock is faster.
func (f *Fleet) fleetTime(all []v1alpha1.Object) time.Time {
	now := f.Clock.Now()
	if f.now.After(now) {
		now = f.now
	}
	for _, o := range all {
		if at := observed(o); at.After(now) {
			now = at
		}
	}
	return now
}

// sample notes how much an object uses: now where that is live, and else when its status was made.
func (f *Fleet) sample(k key, o v1alpha1.Object, used int64, live bool) {
	if f.samples[k] == nil {
		f.samples[k] = &samples{}
	}
	at := f.now
	if !live {
		at = observed(o)
	}
	f.samples[k].add(at, used)
}

func (f *Fleet) note() *notes {
	n := &notes{Cluster: f.Cluster, Namespace: f.Namespace, Kinds: f.watches.problems()}
	if err := f.standing.Problem(); err != nil {
		n.Standing = err.Error()
	}
	return n
}

// update is what changed since a version.
type update struct {
	version     int64 // of the fleet now; zero while nothing is known
	now         time.Time
	rows        [][]byte
	gone        []key
	news, notes []byte
	changed     <-chan struct{} // closed when there is more
}

// since is what changed since a version: with 0, all that there is.
func (f *Fleet) since(version int64) update {
	f.mu.Lock()
	defer f.mu.Unlock()
	u := update{version: f.version, now: f.now, changed: f.changed}
	keys := slices.SortedFunc(maps.Keys(f.rows), compareKeys)
	for _, k := range keys {
		switch r := f.rows[k]; {
		case r.version <= version:
		case r.content != nil:
			u.rows = append(u.rows, r.content)
		case version > 0:
			u.gone = append(u.gone, k)
		}
	}
	if f.news.version > version {
		u.news = f.news.content
	}
	if f.notes.version > version {
		u.notes = f.notes.content
	}
	return u
}
