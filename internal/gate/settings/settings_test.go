package settings_test

import (
	"testing"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/gate/settings"
	"numberfleet.dev/numberfleet/internal/rules"
)

// Nothing is let through unreserved unless a spec says so. A budget follows the spec where it does not say.
func TestWhatIsLetThroughUnreservedFollowsTheSpec(t *testing.T) {
	const deny, allow, unset = v1alpha1.DenyUnavailable, v1alpha1.AllowUnavailable, v1alpha1.OnUnavailable("")
	for _, test := range []struct {
		limit, budget           v1alpha1.OnUnavailable
		limitAllows, budgetDoes bool
	}{
		{unset, unset, false, false}, {deny, unset, false, false}, {deny, allow, false, true}, {unset, allow, false, true},
		{allow, unset, true, true}, {allow, deny, true, false}, {allow, allow, true, true},
	} {
		spec := v1alpha1.GateSpec{OnUnavailable: test.limit, Budgets: []v1alpha1.Budget{{Name: "logins", OnUnavailable: test.budget}}}
		limit := settings.Limit("+15550100001", 10, &rules.Policy{}, &spec)
		if got := limit.Budgets[0].AllowUnreserved; limit.AllowUnreserved != test.limitAllows || got != test.budgetDoes {
			t.Errorf("of %q and %q it is %t and %t", test.limit, test.budget, limit.AllowUnreserved, got)
		}
	}
}
