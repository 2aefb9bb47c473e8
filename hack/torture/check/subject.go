package check

import (
	"fmt"
	"time"
)

// Subject is what a limit or a rating belongs to: a number, or a portfolio by the numbers that share its limit.
type Subject struct {
	Policy  *Policy
	Numbers []string // E.164
	// Member is a number whose portfolio has the limit: no tier, restriction or upgrade is its own.
	Member bool
	// Portfolio is a portfolio with these numbers, whose rating is the lowest of theirs. Reports may name it by its name or by its id at
	// Meta.
	Portfolio bool
	Name, ID  string
	Account   string // of the numbers, at Meta
	// Templates of the portfolio count for its rating too.
	Templates []Template
}

// Transition is one thing that must have happened.
type Transition struct {
	At               int64 // Unix seconds
	Reason, From, To string
}

// String writes a transition in a line.
func (t Transition) String() string {
	text := time.Unix(t.At, 0).UTC().Format(time.DateTime) + " " + t.Reason
	if t.From != "" || t.To != "" {
		text += fmt.Sprintf(" %s -> %s", t.From, t.To)
	}
	return text
}

// Standing is the state in which a subject must be.
type Standing struct {
	Tier         string
	Limit        int64  // 0: none
	Source       string // of the tier
	Verification string
	Denied       bool // Meta denies an increase, postpones it, or asks for more
	Rating       string
	State        string
	Flagged      bool
	Limited      bool // the limit is reached
}

// Where a tier comes from.
const (
	concluded      = "Policy"
	byVerification = "Verification"
	reported       = "Reported"
)
