package standing

import (
	"context"

	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Source is where views are made from. It is safe for concurrent use.
type Source struct {
	Cache    client.Reader
	Counts   Counts
	Compiled *Policies
	Clock    clock.PassiveClock // of the rules
}

// Now is a view of this instant.
func (s *Source) Now(ctx context.Context) (*View, error) {
	return At(ctx, s.Cache, s.Counts, s.Compiled, s.Clock.Now())
}
