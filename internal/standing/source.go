package standing

import (
	"time"

	"k8s.io/utils/clock"
)

// Source is where views are made from. It is safe for concurrent use.
type Source struct {
	// Resources are those of the cluster; the error says that they are not known yet.
	Resources func() (*Resources, error)
	Counts    Counts
	Compiled  *Policies
	Clock     clock.PassiveClock // of the rules
}

// Now is a view of this instant. Making it costs nothing: a look at it costs what is looked at.
func (s *Source) Now() (*View, error) {
	resources, err := s.Resources()
	if err != nil {
		return nil, err
	}
	return &View{Resources: resources, Time: s.Clock.Now().UTC().Truncate(time.Second), source: s, shared: map[string]*shared{}}, nil
}
