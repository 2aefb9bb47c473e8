package config

import (
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Guard says how the guard knows its callers, and what it bounds besides the limit. It is in front of the Graph API of
// graphAPI.baseURL.
type Guard struct {
	// Authentication is PassThrough where it is left out.
	Authentication Authentication `json:"authentication"`
	// Accounts have the access tokens that are added with Inject: at most 100. With PassThrough there are none.
	Accounts []Account `json:"accounts"`
	// Bounds are what is held back before Meta would refuse it; none where they are left out.
	Bounds []Bound `json:"bounds"`
}

// Authentication is how a caller of the guard is known.
type Authentication string

// The ways.
const (
	// PassThrough callers bring Meta's access token, which goes on to Meta.
	PassThrough Authentication = "PassThrough"
	// Inject callers bring a token of the cluster. Meta's is added.
	Inject Authentication = "Inject"
)

// Bound is something that Meta bounds besides the limit.
type Bound string

// The bounds.
const (
	// ThroughputBound is how many messages a number sends a second, by its throughput level.
	ThroughputBound Bound = "Throughput"
	// PairRateBound is how many messages a number sends to one user: one in 6 seconds, and 45 at once.
	PairRateBound Bound = "PairRate"
)

func (g *Guard) complete() {
	if g.Authentication == "" {
		g.Authentication = PassThrough
	}
}

func validateGuard(path *field.Path, g *Guard) field.ErrorList {
	errs := validateAccounts(path.Child("accounts"), g.Accounts)
	switch g.Authentication {
	case PassThrough:
		if len(g.Accounts) > 0 {
			errs = append(errs, field.Forbidden(path.Child("accounts"), "their tokens are not used with PassThrough: authentication must be Inject"))
		}
	case Inject:
		if len(g.Accounts) == 0 {
			errs = append(errs, field.Required(path.Child("accounts"), "with Inject, the accounts whose numbers may be sent from"))
		}
	default:
		errs = append(errs, field.NotSupported(path.Child("authentication"), g.Authentication, []Authentication{PassThrough, Inject}))
	}
	for i, bound := range g.Bounds {
		if at := path.Child("bounds").Index(i); bound != ThroughputBound && bound != PairRateBound {
			errs = append(errs, field.NotSupported(at, bound, []Bound{ThroughputBound, PairRateBound}))
		} else if slices.Contains(g.Bounds[:i], bound) {
			errs = append(errs, field.Duplicate(at, bound))
		}
	}
	return errs
}
