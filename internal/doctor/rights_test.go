package doctor

import (
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"numberfleet.dev/numberfleet/hack/rig"
)

// The doctor asks for every right that the operator is installed with, and for no other.
func TestTheOperatorsRightsAreThoseOfItsRoles(t *testing.T) {
	objects, err := rig.Render("../../config/default")
	if err != nil {
		t.Fatal(err)
	}
	bound := map[string]bool{}
	rules := map[string][]rbacv1.PolicyRule{}
	for _, object := range objects {
		switch object.GetKind() {
		case "RoleBinding", "ClusterRoleBinding":
			var binding rbacv1.ClusterRoleBinding
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &binding); err != nil {
				t.Fatal(err)
			}
			if binding.Subjects[0].Name == "numberfleet-controller-manager" {
				bound[binding.RoleRef.Name] = true
			}
		case "Role", "ClusterRole":
			var role rbacv1.ClusterRole
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &role); err != nil {
				t.Fatal(err)
			}
			rules[role.Name] = role.Rules
		}
	}
	installed := map[authorizationv1.ResourceAttributes]bool{}
	for name := range bound {
		for _, rule := range rules[name] {
			for _, group := range rule.APIGroups {
				r := right{verbs: rule.Verbs, group: group, resources: rule.Resources, names: rule.ResourceNames}
				for a := range r.accesses("", "") {
					installed[a] = true
				}
			}
		}
	}
	if len(installed) == 0 {
		t.Fatal("no role is bound to the operator")
	}
	asked := map[authorizationv1.ResourceAttributes]bool{}
	for i := range operatorRights {
		for a := range operatorRights[i].accesses("", "") {
			asked[a] = true
		}
	}
	// That the leader election records events in the core group does no harm where it may not.
	delete(installed, authorizationv1.ResourceAttributes{Verb: "create", Resource: "events"})
	for a := range installed {
		if !asked[a] {
			t.Errorf("the operator may %s, and nobody asks for that", spelled(&a))
		}
	}
	for a := range asked {
		if !installed[a] {
			t.Errorf("it is asked whether the operator may %s, and no role has that", spelled(&a))
		}
	}
}
