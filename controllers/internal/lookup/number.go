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
	var oldest *v1alpha1.PhoneNumber
	for i := range same {
		if n := &same[i]; n.DeletionTimestamp.IsZero() && (oldest == nil || Older(n, oldest)) {
			oldest = n
		}
	}
	return oldest, nil
}

// Before is an older resource with the same phone number; nil if there is none.
func Before(ctx context.Context, reader client.Reader, number *v1alpha1.PhoneNumber) (*v1alpha1.PhoneNumber, error) {
	other, err := Served(ctx, reader, report.ParseSubject(number.Spec.PhoneNumber))
	if err != nil || other == nil || other.UID == number.UID || !Older(other, number) {
		return nil, err
	}
	return other, nil
}

// Older says which of two resources for the same thing came first; it is the one that counts.
func Older(a, b client.Object) bool {
	if at, other := a.GetCreationTimestamp(), b.GetCreationTimestamp(); !at.Equal(&other) {
		return at.Before(&other)
	}
	return a.GetUID() < b.GetUID()
}

// Claims are the subjects that are a number's: by its own name, by its id, and by all that they go by.
func Claims(book *ledger.Ledger, n *v1alpha1.PhoneNumber) []string {
	subjects := book.Names(n.Spec.PhoneNumber)
	if id := n.Spec.PhoneNumberID; id != "" {
		subjects = append(subjects, book.Names(report.NumberIDSubject(id).String())...)
	}
	return append(subjects, n.Spec.PhoneNumber)
}
