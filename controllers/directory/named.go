package directory

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/lookup"
)

// Named says whether a resource names the phone number. Where that cannot be told, as before the cache is there, it is
// taken to.
func Named(ctx context.Context, numbers client.Reader, number string) bool {
	var named v1alpha1.PhoneNumberList
	err := numbers.List(ctx, &named, client.MatchingFields{lookup.SubjectIndex: number}, client.Limit(1))
	return err != nil || len(named.Items) > 0
}
