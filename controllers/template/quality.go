package template

import (
	"fmt"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/rules"
)

// Lowest is what counts of a number's templates: the lowest rated that holds the number back.
func Lowest(templates []v1alpha1.MessageTemplate) rules.MemberQuality {
	var all []rules.MemberQuality
	for i := range templates {
		if q, counts := Quality(&templates[i]); counts {
			all = append(all, q)
		}
	}
	return rules.LowestQuality(all)
}

// Quality is what a template contributes to the quality of a portfolio, if it counts for it.
func Quality(t *v1alpha1.MessageTemplate) (rules.MemberQuality, bool) {
	if !rules.CountsForQuality(t.Status.State) || t.Spec.Activity == v1alpha1.Suspended {
		return rules.MemberQuality{}, false
	}
	return rules.MemberQuality{Name: fmt.Sprintf("template %s", t.Name), Rating: t.Status.Quality.Rating}, true
}
