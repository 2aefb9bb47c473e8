// Package plan plays what is going to be sent, as a file of days and users says it, through the simulator.
package plan

import (
	"time"

	"numberfleet.dev/numberfleet/internal/cloudevents"
)

// What a plan may have at most, beside the bounds of a schedule, so that it ends.
const (
	maxBytes    = 1 << 20
	maxNumbers  = 1000
	maxSends    = 100
	maxChanges  = 10_000
	maxTemplate = 512 // bytes of a name
)

// DefaultNumber sends where a plan names no numbers. It is fictional.
const DefaultNumber = "+15550100001"

// Plan says what is sent on which days, and what else happens.
type Plan struct {
	start     time.Time // of day 1
	days      int
	overLimit bool // whether messages are sent beyond the limit too
	sends     []send
	changes   []cloudevents.Event // in order of time
}

// send is a schedule of messages and who exchanges them.
type send struct {
	Schedule
	numbers   []string // in turns
	returning float64  // percent of the users that were messaged on earlier days
	replies   float64  // percent of the users that reply
	template  string
}

// End is the end of a plan's last day.
func (p *Plan) End() time.Time { return dayAfter(p.start, p.days) }
