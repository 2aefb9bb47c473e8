// Package simulatetest has what tests of simulations share.
package simulatetest

import (
	"testing"
	"time"

	"numberfleet.dev/numberfleet/config/policies"
	"numberfleet.dev/numberfleet/internal/simulate"
)

// Policy is a policy that ships.
func Policy(t testing.TB, name string) simulate.Policy {
	t.Helper()
	manifest, _ := policies.Manifest(name)
	policy, err := simulate.ReadPolicy(manifest)
	if err != nil {
		t.Fatal(err)
	}
	return policy
}

// Day is the beginning of a day of March 2026.
func Day(n int) time.Time { return time.Date(2026, 3, n, 0, 0, 0, 0, time.UTC) }
