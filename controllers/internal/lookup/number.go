package lookup

import (
	"context"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/report"
)

// Accounts are the accounts that numbers name, each once.
func Accounts(numbers []*v1alpha1.PhoneNumber) []string {
	var all []string
	for _, n := range numbers {
		if account := n.Spec.Business.WhatsAppBusinessAccountID; account != "" && !slices.Contains(all, account) {
			all = append(all, account)
		}
	}
	return all
}

// Served is the oldest resource of a number, in E.164 or by Meta's id; nil if there is none. It is not to be changed.
func Served(ctx context.Context, reader client.Reader, number report.Subject) (*v1alpha1.PhoneNumber, error) {
	same, err := Numbers(ctx, reader, SubjectIndex, number.String())
	if err != nil {
		return nil, err
	}
	return oldest(same), nil
}

// Before is the oldest of the resources for the same thing where that came before one of them; nil if none did.
func Before[T any, P object[T]](same []T, one P) P {
	if o := oldest[T, P](same); o != nil && older(o, one) {
		return o
	}
	return nil
}

type object[T any] interface {
	*T
	client.Object
}

// oldest is the oldest of some resources, without those that are being deleted; nil if there is none.
func oldest[T any, P object[T]](same []T) P {
	var first P
	for i := range same {
		if o := P(&same[i]); o.GetDeletionTimestamp().IsZero() && (first == nil || older(o, first)) {
			first = o
		}
	}
	return first
}

// older says which of two resources for the same thing came first; it is the one that counts.
func older(a, b client.Object) bool {
	if at, other := a.GetCreationTimestamp(), b.GetCreationTimestamp(); !at.Equal(&other) {
		return at.Before(&other)
	}
	return a.GetUID() < b.GetUID()
}

// Claims are the subjects that are a number's: by its own name, by its id, and by all that they go by.
func Claims(l *ledger.Ledger, n *v1alpha1.PhoneNumber) []string {
	subjects := l.Names(n.Spec.PhoneNumber)
	if id := n.Spec.PhoneNumberID; id != "" {
		subjects = append(subjects, l.Names(report.NumberIDSubject(id).String())...)
	}
	return append(subjects, n.Spec.PhoneNumber)
}
