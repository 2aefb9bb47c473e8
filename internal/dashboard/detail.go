package dashboard

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	ctrlclient "sigs.k8s.io/controller-runtime/pkg/client"

	"numberfleet.dev/numberfleet/api/client"
	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/chart"
	"numberfleet.dev/numberfleet/internal/overview"
	"numberfleet.dev/numberfleet/internal/rules"
)

// detail is an object as its own page shows it.
type detail struct {
	Row      row                `json:"row"`
	Budgets  []client.Budget    `json:"budgets,omitempty"`
	Problems []overview.Problem `json:"problems,omitempty"`
	Upcoming []overview.Event   `json:"upcoming,omitempty"`
	Chart    *chart.Subject     `json:"chart,omitempty"` // of what has a limit
	Summary  string             `json:"summary,omitempty"`
	Since    time.Time          `json:"since,omitzero"` // from when on the chart knows what was used
	Measure  v1alpha1.Measure   `json:"measure,omitempty"`
	Object   v1alpha1.Object    `json:"object"`
}

// defaultHours is how far a chart goes back where nobody says.
const defaultHours = 7 * 24

// detail answers what there is to say of one object.
func (p *Page) detail(w http.ResponseWriter, req *http.Request) {
	query := req.URL.Query()
	hours, err := strconv.Atoi(query.Get("hours"))
	if err != nil || hours <= 0 {
		hours = defaultHours
	}
	found := p.fleet.detail(req.Context(), key{query.Get("kind"), query.Get("namespace"), query.Get("name")}, time.Duration(hours)*time.Hour)
	if found == nil {
		http.Error(w, "There is no such object, or you may not read it.", http.StatusNotFound)
		return
	}
	content, err := json.Marshal(found)
	if err != nil {
		http.Error(w, "The object cannot be shown.", http.StatusInternalServerError)
		return
	}
	send(w, "application/json", content)
}

// detail is what there is to say of an object; nil where there is none.
func (f *Fleet) detail(ctx context.Context, k key, back time.Duration) *detail {
	o := f.watches.get(k)
	if o == nil {
		return nil
	}
	stands, live := f.standing.Of(o)
	d := &detail{Row: rowOf(o, stands, live), Budgets: stands.Budgets, Problems: overview.Problems(o, &stands), Upcoming: overview.Upcoming(o, &stands), Object: o}
	switch o := o.(type) {
	case *v1alpha1.PhoneNumber:
		f.draw(ctx, d, &o.Status.PolicyStatus, &o.Status.LimitStatus, o.Status.Quality.Rating, back)
	case *v1alpha1.BusinessPortfolio:
		f.draw(ctx, d, &o.Status.PolicyStatus, &o.Status.LimitStatus, o.Status.Quality.Rating, back)
	}
	return d
}

// draw draws what was used of a limit, as far as the fleet was looked at, with what the history has.
func (f *Fleet) draw(ctx context.Context, d *detail, policy *v1alpha1.PolicyStatus, limit *v1alpha1.LimitStatus, quality v1alpha1.QualityRating, back time.Duration) {
	now, known, points := f.sampled(keyOf(d.Object))
	if limit.Tier.Name == "" || known == 0 {
		return
	}
	d.Since = time.Unix(known, 0).UTC()
	start := now.Add(-back)
	if first := firstKnown(d.Object, limit, d.Since); first.After(start) {
		start = first
	}
	s := &chart.Subject{Name: d.Row.Name, Start: start.Unix(), End: max(now.Unix(), start.Unix()+1)}
	limits := map[string]int64{limit.Tier.Name: limit.Tier.Limit, limit.Tier.Before.Name: limit.Tier.Before.Limit}
	if rules := f.policy(ctx, policy.PolicyName); rules != nil {
		d.Measure = rules.Spec.Counting.Measure
		for _, tier := range rules.Spec.Tiers {
			limits[tier.Name] = tier.Limit
		}
	}
	var transitions []rules.Transition
	for i := range d.Object.CommonStatus().History {
		t := &d.Object.CommonStatus().History[i]
		transitions = append(transitions, rules.Transition{Time: t.Time.UTC(), Reason: t.Reason, From: t.From, To: t.To})
		if t.Time.After(start) {
			s.Happened = append(s.Happened, chart.Happened{At: t.Time.Unix(), Reason: string(t.Reason), From: t.From, To: t.To, Message: t.Message})
		}
	}
	s.Spans(transitions, limit.Tier.Name, quality)
	s.Series(known, points, limits)
	d.Chart, d.Summary = s, s.Summary()
}

// sampled is what an object used, and from when on that is known; zero for never.
func (f *Fleet) sampled(k key) (now time.Time, known int64, points []chart.Point) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s := f.samples[k]; s != nil {
		known, points = s.since, s.points()
	}
	return f.now, known, points
}

// firstKnown is the first instant of which the chart knows anything.
func firstKnown(o v1alpha1.Object, limit *v1alpha1.LimitStatus, first time.Time) time.Time {
	if since := limit.Tier.SinceTime.Time; since.Before(first) {
		first = since
	}
	if history := o.CommonStatus().History; len(history) > 0 && history[0].Time.Time.Before(first) {
		first = history[0].Time.Time
	}
	return first
}

// policy is the policy of that name; nil where the user may not read it.
func (f *Fleet) policy(ctx context.Context, name string) *v1alpha1.MessagingPolicy {
	policy := &v1alpha1.MessagingPolicy{}
	if f.watches.api.Get(ctx, ctrlclient.ObjectKey{Name: name}, policy) != nil {
		return nil
	}
	return policy
}
