package doctor

import (
	"context"
	"fmt"
	"iter"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/standing/remote"
	"numberfleet.dev/numberfleet/internal/unclaimed"
)

// right is something that one may do, with what it is for.
type right struct {
	verbs     []string
	group     string
	resources []string
	// names are those of the objects; all where there are none.
	names []string
	// own says that it is about the operator's namespace; else it is about those of the fleet.
	own     bool
	purpose string
}

var ours = v1alpha1.GroupVersion.Group

// operatorRights are what the operator needs. A test compares them with the roles that are installed.
var operatorRights = []right{
	{[]string{"get", "list", "watch"}, ours, []string{"phonenumbers", "businessportfolios", "messagetemplates"}, nil, false, "to see what it is to count for"},
	{[]string{"list", "watch"}, ours, []string{"messagingpolicies", "numberpools"}, nil, false, "to see rules and pools"},
	{[]string{"create", "patch"}, ours, []string{"messagingpolicies"}, nil, false, "to keep the policies that ship"},
	{[]string{"patch"}, ours, []string{"phonenumbers/status", "businessportfolios/status", "messagetemplates/status", "numberpools/status"}, nil, false, "to show where they stand"},
	{[]string{"create", "patch"}, "events.k8s.io", []string{"events"}, nil, false, "to tell of transitions"},
	{[]string{"create"}, "authentication.k8s.io", []string{"tokenreviews"}, nil, false, "to know who calls its APIs"},
	{[]string{"create"}, "authorization.k8s.io", []string{"subjectaccessreviews"}, nil, false, "to know what callers of its APIs may"},
	{[]string{"get", "create", "update"}, "coordination.k8s.io", []string{"leases"}, nil, true, "to lead"},
	{[]string{"create"}, "", []string{"configmaps"}, nil, true, "to tell what no PhoneNumber claims"},
	{[]string{"get", "patch"}, "", []string{"configmaps"}, []string{unclaimed.ConfigMap, "numberfleet-notifications-since"}, true, "to tell what no PhoneNumber claims, and to remember what was notified"},
}

// userRights are what commands of the plugin need of whoever calls them.
var userRights = []right{
	{[]string{"list", "watch"}, ours, []string{"phonenumbers", "messagetemplates", "numberpools", "businessportfolios", "messagingpolicies"}, nil, false, "status, top, history and explain"},
	{[]string{"get"}, "", []string{"configmaps"}, []string{unclaimed.ConfigMap}, true, "unclaimed"},
	{[]string{"list"}, "", []string{"pods", "services"}, nil, true, "doctor and report"},
	{[]string{"list"}, "apps", []string{"deployments"}, nil, true, "doctor and report"},
	{[]string{"get"}, "", []string{"pods/log"}, nil, true, "report"},
	{[]string{"create"}, "", []string{"pods/portforward"}, nil, true, "live counts"},
	{[]string{"create"}, "", []string{"serviceaccounts/token"}, []string{remote.DefaultAccount}, true, "live counts"},
}

// accesses are the single accesses that a right is made of.
func (r *right) accesses(ownNamespace, fleetNamespace string) iter.Seq[authorizationv1.ResourceAttributes] {
	names := r.names
	if len(names) == 0 {
		names = []string{""}
	}
	namespace := fleetNamespace
	if r.own {
		namespace = ownNamespace
	}
	return func(yield func(authorizationv1.ResourceAttributes) bool) {
		for _, resource := range r.resources {
			resource, sub, _ := strings.Cut(resource, "/")
			for _, verb := range r.verbs {
				for _, name := range names {
					if !yield(authorizationv1.ResourceAttributes{Namespace: namespace, Verb: verb, Group: r.group, Resource: resource, Subresource: sub, Name: name}) {
						return
					}
				}
			}
		}
	}
}

// denied are those of some accesses that are not allowed.
func denied(accesses iter.Seq[authorizationv1.ResourceAttributes], allowed func(authorizationv1.ResourceAttributes) (bool, error)) (denied []string, err error) {
	for access := range accesses {
		is, err := allowed(access)
		if err != nil {
			return nil, err
		}
		if !is {
			denied = append(denied, spelled(&access))
		}
	}
	return denied, nil
}

// spelled is an access as kubectl auth can-i takes it.
func spelled(a *authorizationv1.ResourceAttributes) string {
	what := a.Verb + " " + a.Resource
	if a.Group != "" {
		what += "." + a.Group
	}
	if a.Name != "" {
		what += "/" + a.Name
	}
	if a.Subresource != "" {
		what += " --subresource=" + a.Subresource
	}
	return what
}

// findOperatorRights asks the API server what the ServiceAccount of the operator may not, and needs to.
func findOperatorRights(ctx context.Context, e *examination) (findings []Finding, err error) {
	if e.operator == nil {
		return nil, nil
	}
	account := e.operator.deployment.Spec.Template.Spec.ServiceAccountName
	if account == "" {
		account = "default"
	}
	user := fmt.Sprintf("system:serviceaccount:%s:%s", e.OperatorNamespace, account)
	groups := []string{"system:serviceaccounts", "system:serviceaccounts:" + e.OperatorNamespace, "system:authenticated"}
	mayOperator := func(access authorizationv1.ResourceAttributes) (bool, error) {
		review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{User: user, Groups: groups, ResourceAttributes: &access}}
		err := e.API.Create(ctx, review)
		return review.Status.Allowed, err
	}
	for i := range operatorRights {
		r := &operatorRights[i]
		denied, err := denied(r.accesses(e.OperatorNamespace, ""), mayOperator)
		if err != nil {
			return findings, fmt.Errorf("what the operator may do: %w", err)
		}
		if len(denied) > 0 {
			findings = append(findings, Finding{Severity: Error, Command: fmt.Sprintf("kubectl -n %s auth can-i %s --as=%s", e.OperatorNamespace, denied[0], user),
				Message: fmt.Sprintf("The operator, as ServiceAccount %s/%s, lacks rights that it needs %s: %s. Install the roles of its version.", e.OperatorNamespace, account, r.purpose, strings.Join(denied, "; "))})
		}
	}
	return findings, nil
}

// findYourRights says which commands whoever asks lacks rights for.
func findYourRights(ctx context.Context, e *examination) (findings []Finding, err error) {
	mayYou := func(access authorizationv1.ResourceAttributes) (bool, error) {
		review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &access}}
		err := e.API.Create(ctx, review)
		return review.Status.Allowed, err
	}
	for i := range userRights {
		r := &userRights[i]
		denied, err := denied(r.accesses(e.OperatorNamespace, e.Namespace), mayYou)
		if err != nil {
			return findings, fmt.Errorf("what you may do: %w", err)
		}
		if len(denied) > 0 {
			where := "all namespaces"
			if r.own {
				where = "namespace " + e.OperatorNamespace
			} else if e.Namespace != "" {
				where = "namespace " + e.Namespace
			}
			findings = append(findings, Finding{Severity: Info, Command: "kubectl auth can-i --list",
				Message: fmt.Sprintf("You lack rights in %s for %s: %s.", where, r.purpose, strings.Join(denied, "; "))})
		}
	}
	return findings, nil
}
