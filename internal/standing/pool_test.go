package standing_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/rules"
	"numberfleet.dev/numberfleet/internal/standing"
)

// labelled is a number with labels, rated.
func labelled(name, portfolio, pool string, rating v1alpha1.QualityRating) *v1alpha1.PhoneNumber {
	return number(name, portfolio, func(n *v1alpha1.PhoneNumber) {
		n.Namespace, n.Labels = "shop", map[string]string{"pool": pool}
		n.Spec.PhoneNumber, n.Status.Quality.Rating = "+1555"+name, rating
	})
}

func poolOf(pool string) *v1alpha1.NumberPool {
	return &v1alpha1.NumberPool{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: pool},
		Spec:       v1alpha1.NumberPoolSpec{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"pool": pool}}},
	}
}

// A pool may send what its numbers may: a limit that they share once, and nothing of those that are rated too low, cannot send or are of
// another namespace.
func TestWhatAPoolMaySend(t *testing.T) {
	shared := &v1alpha1.BusinessPortfolio{ObjectMeta: metav1.ObjectMeta{Name: "shared"}}
	shared.Status.Conditions, shared.Status.PolicyName, shared.Status.Tier = ready, "meta-2025", v1alpha1.TierStatus{Name: "250", Limit: 250}
	elsewhere := labelled("elsewhere", "", "mixed", v1alpha1.QualityHigh)
	elsewhere.Namespace = "other"
	offline := labelled("offline", "", "mixed", v1alpha1.QualityHigh)
	offline.Status.Connection.State = v1alpha1.StateOffline
	restricted := labelled("restricted", "", "none", v1alpha1.QualityHigh)
	restricted.Status.Restriction = v1alpha1.RestrictionStatus{SinceTime: metav1.NewTime(now), UntilTime: metav1.NewTime(now.Add(time.Hour)), Source: v1alpha1.FromReport}
	unlimited := labelled("unlimited", "", "unlimited", v1alpha1.QualityMedium)
	unlimited.Status.Tier.Limit = 0
	weightless := labelled("weightless", "", "weighted", v1alpha1.QualityHigh)
	weightless.Annotations = map[string]string{v1alpha1.AnnotationWeight: "0"}
	view := viewOf(t, usedBy{"first": 30, "second": 20, "alone": 100, "limited": 250}, shipped(t), shared,
		labelled("first", "shared", "mixed", v1alpha1.QualityHigh), labelled("second", "shared", "mixed", v1alpha1.QualityUnknown),
		labelled("alone", "", "mixed", v1alpha1.QualityMedium), labelled("low", "", "mixed", v1alpha1.QualityLow), offline, elsewhere,
		restricted, labelled("limited", "", "none", v1alpha1.QualityHigh), unlimited, labelled("other", "", "unlimited", v1alpha1.QualityHigh),
		weightless, labelled("weighty", "", "weighted", v1alpha1.QualityHigh),
	)
	keep, high, weighted := poolOf("mixed"), poolOf("mixed"), poolOf("weighted")
	keep.Spec.OnLowQuality, high.Spec.MinimumQuality, weighted.Spec.Strategy = v1alpha1.Keep, v1alpha1.QualityHigh, v1alpha1.Weighted
	for name, test := range map[string]struct {
		pool             *v1alpha1.NumberPool
		remaining        int64
		members, mayMost int
		reason           v1alpha1.RoomReason
		until            time.Time
	}{
		"one that is rated Low sends nothing":          {poolOf("mixed"), 200 + 150, 5, 3, "", time.Time{}},
		"unless it is kept":                            {keep, 200 + 150 + 250, 5, 4, "", time.Time{}},
		"or Medium is too low":                         {high, 200, 5, 2, "", time.Time{}},
		"none may send, and the first says until when": {poolOf("none"), 0, 2, 0, v1alpha1.RoomLimitReached, now.Add(time.Hour)},
		"one has no limit":                             {poolOf("unlimited"), rules.NoLimit, 2, 2, "", time.Time{}},
		"one has no weight":                            {weighted, 250, 2, 1, "", time.Time{}},
		"there is no number":                           {poolOf("empty"), 0, 0, 0, v1alpha1.RoomNotReady, time.Time{}},
	} {
		got := view.Pool(test.pool)
		if got.Remaining != test.remaining || len(got.Members) != test.members || got.SendableMembers() != test.mayMost || got.Sendable != (test.mayMost > 0) ||
			got.Reason != test.reason || !got.Until.Equal(test.until) {
			t.Errorf("%s: %+v of %d members, of which %d may send", name, got.Room, len(got.Members), got.SendableMembers())
		}
	}
}

// However a pool asks for labels, the numbers that it selects are those of its namespace that have them, and each of them knows it.
func TestPoolsSelectNumbersByLabels(t *testing.T) {
	named := func(name string, labels map[string]string) *v1alpha1.PhoneNumber {
		return &v1alpha1.PhoneNumber{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, Labels: labels}}
	}
	deleted := named("deleted", map[string]string{"team": "a"})
	deleted.DeletionTimestamp = new(metav1.NewTime(now))
	elsewhere := named("elsewhere", map[string]string{"team": "a"})
	elsewhere.Namespace = "other"
	r := standing.NewResources(named("a", map[string]string{"team": "a", "kind": "x"}), named("b", map[string]string{"kind": "x", "team": "b"}), named("c", nil), deleted, elsewhere)
	for _, test := range []struct {
		selector *metav1.LabelSelector
		want     []string
	}{
		{&metav1.LabelSelector{MatchLabels: map[string]string{"team": "a"}}, []string{"a"}},
		{&metav1.LabelSelector{MatchLabels: map[string]string{"kind": "x"}}, []string{"a", "b"}},
		{&metav1.LabelSelector{MatchLabels: map[string]string{"kind": "x", "team": "b"}}, []string{"b"}},
		{&metav1.LabelSelector{MatchLabels: map[string]string{"kind": "x", "team": "c"}}, nil},
		{&metav1.LabelSelector{}, []string{"a", "b", "c"}},
		{&metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "team", Operator: metav1.LabelSelectorOpDoesNotExist}}}, []string{"c"}},
		{&metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "team", Operator: "Near"}}}, nil},
		{nil, nil},
	} {
		p := poolOf("p")
		p.Spec.Selector = test.selector
		if err := r.Pools.Update(p); err != nil {
			t.Fatal(err)
		}
		var got, know []string
		for _, n := range r.Selected(p) {
			got = append(got, n.Name)
		}
		for n := range r.AllNumbers() {
			if len(r.SelectedBy(n)) > 0 && n.DeletionTimestamp.IsZero() {
				know = append(know, n.Name)
			}
		}
		slices.Sort(know)
		if !slices.Equal(got, test.want) || !slices.Equal(know, test.want) {
			t.Errorf("%+v selects %q, and %q know it", test.selector, got, know)
		}
	}
}

// Where a pool of ten numbers stands, of 10,000 in one namespace and 1,000 pools: each with a limit of its own, or all with that of one
// portfolio.
func BenchmarkAPool(b *testing.B) {
	for _, portfolio := range []string{"", "shared"} {
		b.Run("portfolio="+portfolio, func(b *testing.B) {
			shared := &v1alpha1.BusinessPortfolio{ObjectMeta: metav1.ObjectMeta{Name: "shared"}}
			objects := []client.Object{shared}
			for i := range 10_000 {
				n := labelled(fmt.Sprintf("number-%d", i), portfolio, fmt.Sprint("pool-", i%1000), v1alpha1.QualityHigh)
				n.Status.PolicyName = "none"
				objects = append(objects, n)
			}
			p, source := poolOf("pool-7"), sourceOf(usedBy{}, objects...)
			for b.Loop() {
				view, err := source.Now()
				if err != nil {
					b.Fatal(err)
				}
				if stands := view.Pool(p); len(stands.Members) != 10 {
					b.Fatalf("%d numbers", len(stands.Members))
				}
			}
		})
	}
}
