package v1alpha1_test

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

func TestNumberPoolIsChecked(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*v1alpha1.NumberPoolSpec)
		want   string // empty: accepted
	}{
		{"a selector alone is enough", func(*v1alpha1.NumberPoolSpec) {}, ""},
		{"everything that can be said", func(s *v1alpha1.NumberPoolSpec) {
			s.Strategy, s.MinimumQuality, s.OnLowQuality = v1alpha1.Weighted, v1alpha1.QualityHigh, v1alpha1.Keep
			s.Categories = []v1alpha1.MessageCategory{"Marketing", "Utility"}
		}, ""},
		{"no selector", func(s *v1alpha1.NumberPoolSpec) { s.Selector, s.Strategy = nil, v1alpha1.Sticky }, "spec.selector: Required value"},
		{"a strategy that is none", func(s *v1alpha1.NumberPoolSpec) { s.Strategy = "Random" }, `supported values: "Sticky", "LeastUsed", "Weighted"`},
		{"Low as the minimum", func(s *v1alpha1.NumberPoolSpec) { s.MinimumQuality = v1alpha1.QualityLow }, "minimumQuality must be High or Medium; for numbers that send whatever their rating, set onLowQuality: Keep"},
		{"a category that is none", func(s *v1alpha1.NumberPoolSpec) { s.Categories = []v1alpha1.MessageCategory{"News"} }, "Unsupported value"},
		{"a category twice", func(s *v1alpha1.NumberPoolSpec) { s.Categories = []v1alpha1.MessageCategory{"Utility", "Utility"} }, "Duplicate value"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := &v1alpha1.NumberPool{ObjectMeta: metav1.ObjectMeta{Namespace: "default", GenerateName: "pool-"}}
			p.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"team": "travel"}}
			test.change(&p.Spec)
			err := api.Create(t.Context(), p)
			if test.want != "" {
				refused(t, err, test.want)
			} else if err != nil {
				t.Errorf("it was refused: %v", err)
			}
		})
	}
}
