// Package gate is where senders ask before they send: it finds out which number and template a request is about and whether the caller
// may send from there, has the ledger decide, and says in words what was decided.
//
// The decision itself is made in the state machine of the ledger, in the order of its log: see counts.Operation. Nothing here can grant.
package gate

import (
	"context"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/server"
)

// MaxRequests is how many reservations one call may ask for.
const MaxRequests = 1000

// Caller is who asks. A *server.Caller is one.
type Caller interface {
	// Allowed says whether the caller has a permission. An error says that this cannot be told now.
	Allowed(ctx context.Context, permission server.Permission) (bool, error)
	// Identity tells callers apart, so that an idempotency key is the caller's own. It is never logged.
	Identity() string
}

// Answer is what became of a request.
type Answer struct {
	// Decision is the ledger's; the zero value where it was not asked.
	Decision counts.Decision
	// Problem is why the request was refused, by the ledger or before it was asked; nil where it was not.
	Problem *Problem
	// Namespace and Name are those of the PhoneNumber, Number is in E.164, NumberID is Meta's id where it is known.
	Namespace, Name, Number, NumberID string
}

func (a *Answer) of(n *v1alpha1.PhoneNumber) {
	a.Namespace, a.Name, a.Number, a.NumberID = n.Namespace, n.Name, n.Spec.PhoneNumber, n.Spec.PhoneNumberID
}
