package policy

import (
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/config/policies"
	"numberfleet.dev/numberfleet/controllers/internal/controllertest"
)

// fixture is a cluster whose policies are kept. Nobody has applied any before.
type fixture struct{ *controllertest.Bench }

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{controllertest.New(t)}
	f.Must(f.Direct.DeleteAllOf(f.Ctx, &v1alpha1.MessagingPolicy{}))
	manager := f.Manager()
	f.Must((&Keeper{Client: manager.GetClient(), Cache: manager.GetCache()}).SetupWithManager(manager))
	f.StartManager(manager)
	f.Within("all policies that ship are applied", func() bool { return len(f.policies()) == len(policies.Names()) })
	return f
}

// policies are those that stand, by name.
func (f *fixture) policies() map[string]v1alpha1.MessagingPolicy {
	var list v1alpha1.MessagingPolicyList
	f.Must(f.Direct.List(f.Ctx, &list))
	all := map[string]v1alpha1.MessagingPolicy{}
	for _, policy := range list.Items {
		all[policy.Name] = policy
	}
	return all
}

// defaults are the names of the policies that are marked as the default, in order.
func (f *fixture) defaults() (names []string) {
	for name, policy := range f.policies() {
		if policy.Annotations[v1alpha1.AnnotationDefaultPolicy] == "true" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// own is a policy of a team, with the rules of one that ships.
func (f *fixture) own(isDefault string) *v1alpha1.MessagingPolicy {
	rules := f.policies()["netcore"]
	return &v1alpha1.MessagingPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: "a-team", Annotations: map[string]string{v1alpha1.AnnotationDefaultPolicy: isDefault}}, Spec: rules.Spec,
	}
}

// What stands has the rules that ship, and says who keeps them. What somebody deletes or changes is put back, whoever had applied it.
func TestWhatShipsIsPutBack(t *testing.T) {
	f := newFixture(t)
	shipped := f.policies()
	for _, name := range policies.Names() {
		manifest, _ := policies.Manifest(name)
		var want v1alpha1.MessagingPolicy
		f.Must(yaml.UnmarshalStrict(manifest, &want))
		if is := shipped[name]; is.Spec.Source != want.Spec.Source || len(is.Spec.Tiers) != len(want.Spec.Tiers) || is.Labels["app.kubernetes.io/managed-by"] != "numberfleet" {
			t.Errorf("%s is %+v with the labels %v", name, is.Spec, is.Labels)
		}
	}
	deleted, changed, rules := shipped["netcore"], shipped["botmaker"], shipped["botmaker"].Spec
	f.Must(f.Direct.Delete(f.Ctx, &deleted))
	f.Within("what was deleted is there again", func() bool {
		is, there := f.policies()["netcore"]
		return there && is.UID != deleted.UID
	})
	changed.Spec = *rules.DeepCopy()
	changed.Spec.Tiers[0].Limit++
	changed.Spec.Block = v1alpha1.BlockRules{AfterHours: 100}
	f.Must(f.Direct.Update(f.Ctx, &changed, client.FieldOwner("a-person")))
	f.Within("the rules are what they were, and no more", func() bool {
		is := f.policies()["botmaker"].Spec
		return is.Tiers[0].Limit == rules.Tiers[0].Limit && is.Block == rules.Block
	})
}

// There is one default policy: that of the release, unless a team marks another one, and again when it does no more.
func TestThereIsAlwaysOneDefaultPolicy(t *testing.T) {
	f := newFixture(t)
	is := func(name string) func() bool {
		return func() bool { return slices.Equal(f.defaults(), []string{name}) }
	}
	f.Within("the default of the release", is("meta-2025"))
	own := f.own("true")
	f.Must(f.Direct.Create(f.Ctx, own))
	f.Within("the default of a team", is(own.Name))
	f.Must(f.Direct.Delete(f.Ctx, own))
	f.Within("the default of the release, once there is no other", is("meta-2025"))
}

// Policies that stand as they ship are not written again.
func TestWhatStandsIsNotWritten(t *testing.T) {
	f := newFixture(t)
	before := f.policies()
	own := f.own("false")
	f.Must(f.Direct.Create(f.Ctx, own)) // is news
	changed := before["netcore"]
	changed.Annotations = map[string]string{"a-note": "of a team"}
	f.Must(f.Direct.Update(f.Ctx, &changed)) // so is this, and it stays
	second := f.Manager()
	f.Must((&Keeper{Client: second.GetClient(), Cache: second.GetCache()}).SetupWithManager(second))
	f.StartManager(second)
	f.Must(f.Direct.Delete(f.Ctx, new(f.policies()["taqnyat"])))
	f.Within("the policies were applied after that", func() bool { _, there := f.policies()["taqnyat"]; return there })
	after := f.policies()
	for _, name := range policies.Names() {
		if name != "taqnyat" && name != "netcore" && after[name].ResourceVersion != before[name].ResourceVersion {
			t.Errorf("%s was written", name)
		}
	}
	if after["netcore"].ResourceVersion != changed.ResourceVersion || after["netcore"].Annotations["a-note"] == "" {
		t.Errorf("what a team notes on a policy does not stay: %v", after["netcore"].Annotations)
	}
	f.Must(f.Direct.Delete(f.Ctx, own))
}
