package doctor

import (
	"context"
	"fmt"
	"maps"
	"slices"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// findDuplicates says which PhoneNumbers have one id at Meta. That several have one number, their conditions say.
func findDuplicates(ctx context.Context, e *examination) (findings []Finding, err error) {
	byID := map[string][]*v1alpha1.PhoneNumber{}
	numbers := e.readFleet(ctx).numbers
	for i := range numbers {
		if id := numbers[i].Spec.PhoneNumberID; id != "" {
			byID[id] = append(byID[id], &numbers[i])
		}
	}
	for _, id := range slices.Sorted(maps.Keys(byID)) {
		same := byID[id]
		if len(same) < 2 {
			continue
		}
		slices.SortFunc(same, func(a, b *v1alpha1.PhoneNumber) int { return a.CreationTimestamp.Compare(b.CreationTimestamp.Time) })
		f := Finding{Severity: Error, Message: fmt.Sprintf("Several PhoneNumbers have the id %s at Meta: what is received with it counts for the oldest alone.", id)}
		for _, number := range same {
			f.Objects = append(f.Objects, e.nameOf(number))
		}
		last := same[len(same)-1]
		f.Command = fmt.Sprintf("kubectl delete phonenumber %s -n %s", last.Name, last.Namespace)
		findings = append(findings, f)
	}
	return findings, nil
}
