package counts

import (
	"iter"

	"numberfleet.dev/numberfleet/internal/report"
)

// A log takes rounds up to a size. How large a row will be is known about, before it is made.

// Size is about how large the record is in a row, in bytes: no less than half of it.
func (rec *Record) Size() (size int) {
	for i := range rec.Entries {
		size += rec.Entries[i].size()
	}
	for i := range rec.Reports {
		size += reportSize(&rec.Reports[i])
	}
	for i := range rec.Operations {
		size += rec.Operations[i].size()
	}
	if rec.hasFew() {
		size += len(rec.appendControl(nil))
	}
	if !rec.Settings.Empty() {
		size += len(rec.Settings.appendRow(nil))
	}
	return size
}

func (e *Entry) size() int { return 24 + len(e.Number) }

func reportSize(r *report.Report) int {
	return 32 + len(r.Subject.ID) + len(r.Kind) + len(r.Value) + len(r.Reason)
}

func (o *Operation) size() int {
	size := 64 + len(o.Number) + len(o.Pool) + len(o.Template.Name) + len(o.Template.Language) + len(o.Template.Account)
	for _, w := range o.Without {
		size += 16 + len(w.Number) + len(w.Why)
	}
	return size
}

// OperationParts are the operations in their order, in parts. The row of each has about so many bytes at most.
func OperationParts(operations []Operation, most int) iter.Seq[[]Operation] {
	return func(yield func([]Operation) bool) {
		for len(operations) > 0 {
			var part []Operation
			left := most
			if part, operations = cut(operations, &left, (*Operation).size); !yield(part) {
				return
			}
		}
	}
}

// cut cuts a slice after the items for which room is left: the last one may need more.
func cut[T any](of []T, left *int, size func(*T) int) (first, rest []T) {
	n := 0
	for ; n < len(of) && *left > 0; n++ {
		*left -= size(&of[n])
	}
	return of[:n:n], of[n:]
}
