package v1alpha1_test

import (
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"numberfleet.dev/numberfleet/api/v1alpha1"
)

// Budgets are refused that contradict themselves or promise more than all of the limit, with what to do about it.
func TestBudgetsAreChecked(t *testing.T) {
	users := func(n int32) *intstr.IntOrString { return new(intstr.FromInt32(n)) }
	share := func(s string) *intstr.IntOrString { return new(intstr.FromString(s)) }
	many := func(n int) (all []v1alpha1.Budget) {
		for i := range n {
			all = append(all, v1alpha1.Budget{Name: fmt.Sprintf("budget-%d", i), Guaranteed: share("6%"), Maximum: share("100%")})
		}
		return all
	}
	for _, test := range []struct {
		name    string
		budgets []v1alpha1.Budget
		want    string // empty: accepted
	}{
		{"users and percentages", []v1alpha1.Budget{
			{Name: "logins", Categories: []v1alpha1.MessageCategory{"Authentication", "Utility"}, Guaranteed: share("40%"), Maximum: users(5000)},
			{Name: "campaigns", Namespaces: []string{"marketing", "sales"}, Categories: []v1alpha1.MessageCategory{"Marketing", "Service"}, Guaranteed: users(0), Maximum: share("60%")},
			{Name: "rest"}}, ""},
		{"as many as there may be", many(16), ""},
		{"too many", many(17), "Too many: 17: must have at most 16 items"},
		{"all of the limit", []v1alpha1.Budget{{Name: "a", Guaranteed: share("100%")}, {Name: "b", Guaranteed: share("0%")}}, ""},
		{"more than all of the limit", []v1alpha1.Budget{{Name: "logins", Guaranteed: share("70%")}, {Name: "alerts", Guaranteed: users(10)}, {Name: "campaigns", Guaranteed: share("31%")}},
			`budgets guarantee 101% of the limit together: lower guaranteed of ["logins", "campaigns"] until they are 100% at most`},
		{"twice the same name", []v1alpha1.Budget{{Name: "a"}, {Name: "a"}}, "Duplicate value"},
		{"a name that nobody can write", []v1alpha1.Budget{{Name: "Log ins"}}, "name must be lower-case letters, digits and '-', like logins"},
		{"a category that is none", []v1alpha1.Budget{{Name: "a", Categories: []v1alpha1.MessageCategory{"Spam"}}}, `supported values: "Marketing", "Utility", "Authentication", "Service"`},
		{"a percentage above 100", []v1alpha1.Budget{{Name: "a", Guaranteed: share("101%")}},
			`guaranteed must be a number of users like 400, or a percentage of the limit from 0% to 100% like "40%"`},
		{"a number in quotes", []v1alpha1.Budget{{Name: "a", Maximum: share("400")}},
			`maximum must be a number of users like 400, or a percentage of the limit from 0% to 100% like "40%"`},
		{"a part of a percent", []v1alpha1.Budget{{Name: "a", Maximum: share("0.5%")}}, "maximum must be a number of users like 400"},
		{"a percentage with a zero in front", []v1alpha1.Budget{{Name: "a", Maximum: share("05%")}}, "maximum must be a number of users like 400"},
		{"fewer than none", []v1alpha1.Budget{{Name: "a", Guaranteed: users(-1)}}, "guaranteed must be a number of users like 400"},
		{"more guaranteed than allowed, in users", []v1alpha1.Budget{{Name: "a", Guaranteed: users(401), Maximum: users(400)}},
			"guaranteed must not be more than maximum: lower guaranteed, or raise maximum"},
		{"more guaranteed than allowed, in percent", []v1alpha1.Budget{{Name: "a", Guaranteed: share("41%"), Maximum: share("40%")}},
			"guaranteed must not be more than maximum: lower guaranteed, or raise maximum"},
		{"more guaranteed than allowed, in percent of one and of two digits", []v1alpha1.Budget{{Name: "a", Guaranteed: share("10%"), Maximum: share("9%")}},
			"guaranteed must not be more than maximum: lower guaranteed, or raise maximum"},
		{"as much guaranteed as allowed", []v1alpha1.Budget{{Name: "a", Guaranteed: share("40%"), Maximum: share("40%")}, {Name: "b", Guaranteed: users(9), Maximum: users(9)}}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			n := number(func(s *v1alpha1.PhoneNumberSpec) { s.Budgets = test.budgets })
			p := &v1alpha1.BusinessPortfolio{ObjectMeta: metav1.ObjectMeta{GenerateName: "portfolio-"}}
			p.Spec.Budgets = test.budgets
			for _, err := range []error{api.Create(t.Context(), n), api.Create(t.Context(), p)} {
				if test.want != "" {
					refused(t, err, test.want)
				} else if err != nil {
					t.Errorf("it was refused: %v", err)
				}
			}
		})
	}
}

// What the gate does with what exceeds a limit, with what nobody confirmed, and with what it cannot decide is one of two words.
func TestTheGateIsToldInWords(t *testing.T) {
	for _, test := range []struct {
		spec v1alpha1.GateSpec
		want string
	}{
		{v1alpha1.GateSpec{Enforcement: v1alpha1.Shadow, Unconfirmed: v1alpha1.ReleaseUnconfirmed}, ""},
		{v1alpha1.GateSpec{Enforcement: v1alpha1.Enforce, Unconfirmed: v1alpha1.HoldUnconfirmed}, ""},
		{v1alpha1.GateSpec{Enforcement: "Warn"}, `supported values: "Enforce", "Shadow"`},
		{v1alpha1.GateSpec{OnUnavailable: v1alpha1.AllowUnavailable, Budgets: []v1alpha1.Budget{{Name: "a", OnUnavailable: v1alpha1.DenyUnavailable}}}, ""},
		{v1alpha1.GateSpec{Unconfirmed: "Keep"}, `supported values: "Hold", "Release"`},
		{v1alpha1.GateSpec{OnUnavailable: "Open"}, `spec.onUnavailable: Unsupported value: "Open": supported values: "Deny", "Allow"`},
		{v1alpha1.GateSpec{Budgets: []v1alpha1.Budget{{Name: "a", OnUnavailable: "Shadow"}}},
			`spec.budgets[0].onUnavailable: Unsupported value: "Shadow": supported values: "Deny", "Allow"`},
	} {
		err := api.Create(t.Context(), number(func(s *v1alpha1.PhoneNumberSpec) { s.GateSpec = test.spec }))
		if test.want != "" {
			refused(t, err, test.want)
		} else if err != nil {
			t.Errorf("%+v was refused: %v", test.spec, err)
		}
	}
}
