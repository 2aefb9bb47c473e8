package ingest

import (
	"strings"

	"numberfleet.dev/numberfleet/internal/ledger"
)

// unclaimed counts the records about a number that known does not know. Reports about templates, accounts and
// portfolios are about none.
func unclaimed(batch *ledger.Batch, known func(string) bool) int {
	if known == nil {
		return 0
	}
	// Most batches are about one number, or about one after the other.
	asked, last, n := "", false, 0
	claimed := func(number string) bool {
		if number != asked {
			asked, last = number, known(number)
		}
		return last
	}
	for i := range batch.Entries {
		if !claimed(batch.Entries[i].Number) {
			n++
		}
	}
	for i := range batch.Reports {
		if subject := batch.Reports[i].Number; strings.HasPrefix(subject, "+") && !claimed(subject) {
			n++
		}
	}
	return n
}
