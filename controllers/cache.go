package controllers

import (
	"slices"
	"unique"

	"sigs.k8s.io/controller-runtime/pkg/cache"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// TrimCache is how the cache keeps what the API server tells: without managed fields, which nobody reads, and of a number, of which
// there may be many, what they have in common once for all, and lists without room to grow. It is a transform of a cache.
func TrimCache(object any) (any, error) {
	object, err := cache.TransformStripManagedFields()(object)
	if n, is := object.(*v1alpha1.PhoneNumber); is {
		intern(&n.Namespace, &n.Spec.PolicyName, &n.Spec.DisplayName, &n.Spec.Business.Name, &n.Spec.Business.Portfolio, &n.Spec.Business.WhatsAppBusinessAccountID)
		status := &n.Status
		intern(&status.PolicyName, &status.Portfolio, &status.Tier.Name, &status.Account.ID, &status.Upgrade.NextTier)
		intern(&status.Tier.Source, &status.Quality.Source, &status.Connection.Source, &status.Verification.Source)
		for i := range status.Conditions {
			c := &status.Conditions[i]
			intern(&c.Type, &c.Reason, &c.Message)
		}
		status.Conditions, status.Explanation = slices.Clone(status.Conditions), slices.Clone(status.Explanation)
		status.History = slices.Clone(status.History)
	}
	return object, err
}

// intern makes strings that are the same one, as long as anybody has it.
func intern[S ~string](all ...*S) {
	for _, s := range all {
		*s = S(unique.Make(string(*s)).Value())
	}
}
