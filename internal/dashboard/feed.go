package dashboard

import (
	"cmp"
	"slices"
	"time"

	"numberfleet.dev/numberfleet/api/client"
	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/overview"
)

// mostNews is how much is told of what happened lately in the whole fleet, and of what happens next.
const mostNews = 40

// news is what happened to an object, or what happens to it next.
type news struct {
	Kind      string    `json:"kind"`
	Namespace string    `json:"namespace,omitempty"`
	Name      string    `json:"name"`
	Time      time.Time `json:"time"`
	Reason    string    `json:"reason,omitempty"` // of what happened
	From      string    `json:"from,omitempty"`
	To        string    `json:"to,omitempty"`
	What      string    `json:"what"`
}

// feed is what the whole fleet has to tell: what happened last first, and what happens first first.
type feed struct {
	Lately []news    `json:"lately"`
	Next   []news    `json:"next"`
	since  time.Time // what happened before it is not told
}

// tell adds what an object has to tell.
func (f *feed) tell(o v1alpha1.Object, stands *client.Item, now time.Time) {
	k := keyOf(o)
	history := o.CommonStatus().History
	for i := range slices.Backward(history) {
		t := &history[i]
		if t.Time.Time.Before(f.since) {
			break
		}
		f.Lately = append(f.Lately, news{k.kind, k.namespace, k.name, t.Time.UTC(), string(t.Reason), t.From, t.To, t.Message})
	}
	for _, e := range overview.Upcoming(o, stands) {
		if e.Time.After(now) {
			f.Next = append(f.Next, news{Kind: k.kind, Namespace: k.namespace, Name: k.name, Time: e.Time, What: e.What})
		}
	}
	if len(f.Lately) > 10*mostNews || len(f.Next) > 10*mostNews {
		f.cut()
	}
}

// cut leaves what is told.
func (f *feed) cut() {
	order := func(a, b news) int {
		return cmp.Or(a.Time.Compare(b.Time), compareKeys(key{a.Kind, a.Namespace, a.Name}, key{b.Kind, b.Namespace, b.Name}), cmp.Compare(a.What, b.What))
	}
	slices.SortFunc(f.Lately, func(a, b news) int { return order(b, a) })
	slices.SortFunc(f.Next, order)
	f.Lately, f.Next = f.Lately[:min(mostNews, len(f.Lately))], f.Next[:min(mostNews, len(f.Next))]
	if len(f.Lately) == mostNews {
		f.since = f.Lately[mostNews-1].Time
	}
}
