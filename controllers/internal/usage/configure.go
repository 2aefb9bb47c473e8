package usage

import (
	"fmt"

	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/records"
	"numberfleet.dev/numberfleet/internal/rules"
)

// Configure sets the windows that the counts of a number are kept for.
func Configure(book *ledger.Ledger, number string, policy *rules.Policy) error {
	if err := book.SetWindows(number, records.Windows(policy)); err != nil {
		return fmt.Errorf("configure the ledger: %w", err)
	}
	return nil
}
