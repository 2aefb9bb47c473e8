package rules

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

func TestAWeightIsAWholeNumberUpTo100(t *testing.T) {
	for text, want := range map[string]uint32{"0": 0, "100": 100, "7": 7} {
		if got, err := PoolWeight(weighing(text)); got != want || err != nil {
			t.Errorf("%q weighs %d: %v", text, got, err)
		}
	}
	for _, text := range []string{"", "101", "-1", "1.5", "much"} {
		if got, err := PoolWeight(weighing(text)); got != 1 || err == nil {
			t.Errorf("%q weighs %d: %v", text, got, err)
		}
	}
	if got, err := PoolWeight(&v1alpha1.PhoneNumber{}); got != 1 || err != nil {
		t.Errorf("without a weight it is %d: %v", got, err)
	}
}

func weighing(text string) *v1alpha1.PhoneNumber {
	return &v1alpha1.PhoneNumber{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{v1alpha1.AnnotationWeight: text}}}
}
