package controllers

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/promquery"
)

// shortfall is why a count could not be had, as a reason of the condition UsageFresh and in words that stay the same while
// it lasts.
type shortfall struct {
	reason, message string
	// stays says that only a human can mend it; else it is worth a word once it has lasted.
	stays bool
}

// shortfallOf is what a query that has no answer comes to.
func shortfallOf(e *promquery.Error) *shortfall {
	switch e.Kind {
	case promquery.Refused:
		return &shortfall{v1alpha1.ReasonQueryFailed, "is refused: " + e.Message, true}
	case promquery.Failed:
		return &shortfall{v1alpha1.ReasonQueryFailed, "cannot be carried out", false}
	case promquery.Partial:
		return &shortfall{v1alpha1.ReasonPartialData, "is answered, with a warning that the answer may not be complete", false}
	default:
		return &shortfall{v1alpha1.ReasonPrometheusUnreachable, "is not answered properly", false}
	}
}

var notSampledYet = judgement{metav1.ConditionUnknown, v1alpha1.ReasonNotSampledYet, "The Prometheus that the counts come from has told nothing yet."}

// judge says how fresh what is known of a number is. The message has no times and no counts: it is written once.
func (s *sample) judge(missing [quantities]*shortfall, period time.Duration, now time.Time) judgement {
	if !s.asked[usedCount] {
		return judgement{metav1.ConditionFalse, v1alpha1.ReasonSourceNotConfigured,
			"No query gives used: set spec.usage.queries.used, or queries.used of the namespace in the operator's configuration."}
	}
	waits := false
	for q := range quantities {
		why, last := missing[q], s.readings[q].At
		if why == nil {
			continue
		}
		if last.IsZero() {
			last, waits = s.since, true
		}
		if why.stays || now.Sub(last) >= 2*period {
			return judgement{metav1.ConditionFalse, why.reason, clip(fmt.Sprintf("The query for %s %s. What was concluded from the last count stands.", q, why.message), 1024)}
		}
	}
	if waits {
		return notSampledYet
	}
	return judgement{metav1.ConditionTrue, v1alpha1.ReasonSampled, fmt.Sprintf("A Prometheus is asked for the counts every %d seconds.", int(period.Seconds()))}
}

// verdict is what to say of a number whose counts are a Prometheus'; false where what is said already stands, as after a
// start.
func (s *Samples) verdict(n *v1alpha1.PhoneNumber) (judgement, bool) {
	if s.server(n.Namespace) == nil {
		return judgement{metav1.ConditionFalse, v1alpha1.ReasonSourceNotConfigured,
			"The operator's configuration has no Prometheus for the namespace. What was concluded from the last count stands."}, true
	}
	if known, ok := s.get(n); ok {
		return known.verdict, true
	}
	return notSampledYet, n.Status.Usage.Source != v1alpha1.CountedByPrometheus
}

// membersFresh says on a portfolio how fresh the counts of its numbers are, where a Prometheus has a part in them.
func (c conditionSetter) membersFresh(of sharing) {
	if len(of.read) == 0 {
		meta.RemoveStatusCondition(c.in, v1alpha1.ConditionUsageFresh)
		return
	}
	stale, first := 0, ""
	for _, n := range of.read {
		if j, ok := of.samples.verdict(n); ok && j.status != metav1.ConditionTrue {
			if stale++; stale == 1 {
				first = fmt.Sprintf("%s/%s: %s", n.Namespace, n.Name, j.reason)
			}
		}
	}
	if stale == 0 {
		c.condition(v1alpha1.ConditionUsageFresh, metav1.ConditionTrue, v1alpha1.ReasonSampled, "The counts of all numbers are fresh.")
		return
	}
	c.condition(v1alpha1.ConditionUsageFresh, metav1.ConditionFalse, v1alpha1.ReasonMembersNotFresh, fmt.Sprintf(
		"The counts of %d numbers are not fresh, the first of them %s. A restriction that stands is not lifted, and they do not count for an upgrade.", stale, first))
}
