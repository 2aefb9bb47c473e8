package simulate

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"numberfleet.dev/numberfleet/internal/meta"
)

// Passed is what of webhooks was passed over.
type Passed struct {
	Webhooks int // how many there were in all
	// Unread are items, changes or entries that could not be read, in order.
	Unread []Unread
	// Uncounted updates are understood and count for nothing, such as that a message was sent.
	Uncounted int
	// Fields are how many changes came of each field that is not read.
	Fields map[string]int
}

// Unread says what could not be read, and nothing of what stood there.
type Unread struct {
	Where   string // file and line of the webhook
	Problem *meta.FieldError
}

// Write says for people what was passed over: in all, all that could not be read, or else in one line how much that is. There is
// nothing to say then if all was read.
func (p *Passed) Write(to io.Writer, all bool) error {
	var text strings.Builder
	if !all {
		if n := len(p.Unread); n > 0 {
			fmt.Fprintf(&text, "%d parts of %d webhooks could not be read, and were passed over: --show-unread says which.\n", n, p.Webhooks)
		}
		_, err := io.WriteString(to, text.String())
		return err
	}
	for _, u := range p.Unread {
		fmt.Fprintf(&text, "%s: %v\n", u.Where, u.Problem)
	}
	fmt.Fprintf(&text, "Of %d webhooks, %d parts could not be read, and %d updates count for nothing", p.Webhooks, len(p.Unread), p.Uncounted)
	for i, field := range slices.Sorted(maps.Keys(p.Fields)) {
		if i == 0 {
			text.WriteString("; changes of fields that nothing is taken from: ")
		} else {
			text.WriteString(", ")
		}
		fmt.Fprintf(&text, "%s %d", field, p.Fields[field])
	}
	text.WriteString(".\n")
	_, err := io.WriteString(to, text.String())
	return err
}
