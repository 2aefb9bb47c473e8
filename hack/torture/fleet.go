package main

import (
	"context"
	_ "embed"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	shipped "numberfleet.dev/numberfleet/config/policies"
	"numberfleet.dev/numberfleet/hack/rig"
	"numberfleet.dev/numberfleet/hack/torture/check"
)

//go:embed policies.yaml
var smallPolicies []byte

// number is a number of the fleet.
type number struct {
	phone, namespace, name string
	policy                 string
	portfolio              *portfolio // nil: the limit is the number's own
	account                string     // at Meta
	// late numbers get their webhooks late, reordered, and with different ids of a user. Less is promised of them: see verifier.
	late bool
	// rated numbers get ratings, disliked ones complaints, and ratings now and then.
	rated, complainedAbout bool
	// gated numbers send what is reserved, and nothing else: see senders. They are late.
	gated bool
}

// portfolio is a portfolio of the fleet. All its numbers belong to one account at Meta.
type portfolio struct {
	name, id, account, policy string
	gated                     bool
}

// template is a template of the fleet. It belongs to the account of a number.
type template struct {
	name, title, policy string
	owner               *number
}

// fleet is the numbers of one epoch.
type fleet struct {
	numbers    []*number
	templates  []*template
	portfolios []*portfolio
	policies   map[string]*check.Policy
}

// newFleet is a fleet with names of its own: shipped policies and small ones, and portfolios with numbers in two namespaces.
func newFleet(epoch int, policies map[string]*check.Policy) *fleet {
	small := &portfolio{name: fmt.Sprintf("small-%d", epoch), id: fmt.Sprintf("3%04d1", epoch), account: fmt.Sprintf("2%04d901", epoch), policy: "torture-portfolio"}
	shipped := &portfolio{name: fmt.Sprintf("shipped-%d", epoch), id: fmt.Sprintf("3%04d2", epoch), account: fmt.Sprintf("2%04d902", epoch), policy: "meta-2025"}
	gated := &portfolio{name: fmt.Sprintf("gated-%d", epoch), id: fmt.Sprintf("3%04d3", epoch), account: fmt.Sprintf("2%04d903", epoch), policy: "torture-gate", gated: true}
	f := &fleet{portfolios: []*portfolio{small, shipped, gated}, policies: policies}
	for i, n := range []number{
		{name: "users", namespace: "torture-a", policy: "torture-users", rated: true},
		{name: "conversations", namespace: "torture-a", policy: "torture-conversations", rated: true},
		{name: "messages", namespace: "torture-b", policy: "torture-messages", rated: true},
		{name: "feedback", namespace: "torture-a", policy: "torture-feedback", complainedAbout: true},
		{name: "quality", namespace: "torture-b", policy: "quality-based", rated: true},
		{name: "year-2023", namespace: "torture-a", policy: "meta-2023"},
		{name: "small-a", namespace: "torture-a", portfolio: small, rated: true},
		{name: "small-b", namespace: "torture-b", portfolio: small},
		{name: "shipped-a", namespace: "torture-a", portfolio: shipped, rated: true},
		{name: "shipped-b", namespace: "torture-b", portfolio: shipped},
		{name: "shipped-c", namespace: "torture-b", portfolio: shipped},
		{name: "late-users", namespace: "torture-a", policy: "torture-users", late: true, rated: true},
		{name: "late-conversations", namespace: "torture-b", policy: "torture-conversations", late: true},
		{name: "late-feedback", namespace: "torture-a", policy: "torture-feedback", late: true, complainedAbout: true},
		{name: "late-messages", namespace: "torture-b", policy: "torture-messages", late: true, rated: true},
		{name: "gated-a", namespace: "torture-a", portfolio: gated, late: true, gated: true},
		{name: "gated-b", namespace: "torture-b", portfolio: gated, late: true, gated: true},
		{name: "gated-own", namespace: "torture-a", policy: "torture-gate-number", late: true, gated: true},
	} {
		n.phone = fmt.Sprintf("+1555%04d%03d", epoch, i)
		n.account = fmt.Sprintf("2%04d%03d", epoch, i)
		if of := n.portfolio; of != nil {
			n.policy, n.account = of.policy, of.account
		}
		f.numbers = append(f.numbers, &n)
		policy, found := templatePolicies[n.name]
		n.name = fmt.Sprintf("%s-%d", n.name, epoch)
		if found {
			f.templates = append(f.templates, &template{name: "promo-" + n.name, title: "promo_" + n.phone[1:], policy: policy, owner: &n})
		}
	}
	return f
}

// templatePolicies are the policies of templates, by the number that has one. Those of portfolios have no rules, and only ratings.
var templatePolicies = map[string]string{
	"users": "torture-users", "conversations": "torture-conversations", "messages": "torture-messages", "quality": "meta-2025",
	"small-b": "torture-conversations", "shipped-c": "torture-conversations",
}

// templateSubjects are the templates by name.
func (f *fleet) templateSubjects() map[string]check.Template {
	all := map[string]check.Template{}
	for _, t := range f.templates {
		all[t.owner.namespace+"/"+t.name] = check.Template{Policy: f.policies[t.policy], Name: t.title}
	}
	return all
}

// subjects are the numbers and portfolios, by name.
func (f *fleet) subjects() map[string]check.Subject {
	all := map[string]check.Subject{}
	for _, n := range f.numbers {
		all[n.namespace+"/"+n.name] = check.Subject{Policy: f.policies[n.policy], Numbers: []string{n.phone}, Account: n.account, Member: n.portfolio != nil}
	}
	for _, p := range f.portfolios {
		s := check.Subject{Policy: f.policies[p.policy], Portfolio: true, Name: p.name, ID: p.id, Account: p.account}
		for _, n := range f.numbers {
			if n.portfolio == p {
				s.Numbers = append(s.Numbers, n.phone)
			}
		}
		for _, t := range f.templates {
			if t.owner.portfolio == p {
				s.Templates = append(s.Templates, check.Template{Policy: f.policies[t.policy], Name: t.title})
			}
		}
		all[p.name] = s
	}
	return all
}

// has says whether a subject or template of that name is of the fleet.
func (f *fleet) has(name string) bool {
	_, subject := f.subjects()[name]
	_, wording := f.templateSubjects()[name]
	return subject || wording
}

func (f *fleet) objects() []*unstructured.Unstructured {
	object := func(kind, namespace, name string, spec map[string]any) *unstructured.Unstructured {
		u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "whatsapp.numberfleet.dev/v1alpha1", "kind": kind, "spec": spec}}
		u.SetNamespace(namespace)
		u.SetName(name)
		return u
	}
	var all []*unstructured.Unstructured
	for _, p := range f.portfolios {
		spec := map[string]any{"policyName": p.policy, "portfolioID": p.id}
		if p.gated {
			spec["budgets"] = budgets(map[string]any{"namespaces": []any{"torture-a"}, "categories": []any{"Authentication"}}, map[string]any{"namespaces": []any{"torture-b"}})
		}
		all = append(all, object("BusinessPortfolio", "", p.name, spec))
	}
	for _, n := range f.numbers {
		business := map[string]any{"whatsAppBusinessAccountID": n.account}
		spec := map[string]any{"phoneNumber": n.phone, "business": business}
		if n.portfolio != nil {
			business["portfolio"] = n.portfolio.name
		} else {
			spec["policyName"] = n.policy
			if n.gated {
				spec["budgets"] = budgets(map[string]any{"categories": []any{"Authentication"}}, map[string]any{"categories": []any{"Utility"}})
				spec["unconfirmed"] = "Release"
			}
		}
		all = append(all, object("PhoneNumber", n.namespace, n.name, spec))
	}
	for _, t := range f.templates {
		all = append(all, object("MessageTemplate", t.owner.namespace, t.name, map[string]any{
			"templateName": t.title, "language": "en_US", "whatsAppBusinessAccountID": t.owner.account, "policyName": t.policy,
		}))
	}
	return all
}

// install applies config/default, and the policies that ship and the small ones. It returns all policies as the checker reads them.
func install(ctx context.Context, c client.Client) (map[string]*check.Policy, error) {
	objects, err := rig.Installation(".")
	if err != nil {
		return nil, err
	}
	small, err := rig.Parse(smallPolicies)
	if err != nil {
		return nil, err
	}
	objects = append(objects, small...)
	for _, name := range shipped.Names() {
		manifest, _ := shipped.Manifest(name)
		policy, err := rig.Parse(manifest)
		if err != nil {
			return nil, err
		}
		objects = append(objects, policy...)
	}
	for _, name := range []string{"torture-a", "torture-b"} {
		u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace"}}
		u.SetName(name)
		objects = append(objects, u)
	}
	policies := map[string]*check.Policy{}
	for _, object := range objects {
		if object.GetKind() == "MessagingPolicy" {
			content, err := object.MarshalJSON()
			if err != nil {
				return nil, err
			}
			if policies[object.GetName()], err = check.ReadPolicy(content); err != nil {
				return nil, err
			}
		}
		if err := rig.Apply(ctx, c, object, "torture"); err != nil {
			return nil, err
		}
	}
	return policies, nil
}
