package unclaimed

import (
	"sync"
	"time"
)

// maxNumbers bounds how many numbers are told apart. What comes about more is counted in the metrics only.
const maxNumbers = 1000

// Activity is what one request brought about a number that no resource claims.
type Activity struct {
	Subject string // of the ledger
	ID      string // that Meta gave to the number, empty where none was given
	Account string // Meta's id of the WhatsApp Business account, empty where none was given
	Updates int64  // webhook updates and events
}

// Summary is all that was received about such a number and is not told yet.
type Summary struct {
	Activity
	First, Last time.Time // when the first and the last of it was received
}

// Collector collects what is received and not claimed, until it is told. The zero value is ready for use, and nil collects nothing. It is
// safe for concurrent use.
type Collector struct {
	mu      sync.Mutex
	numbers map[string]*Summary // by subject
}

// All are the numbers, in no order.
func (c *Collector) All() []Summary {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]Summary, 0, len(c.numbers))
	for _, n := range c.numbers {
		all = append(all, *n)
	}
	return all
}

// Told takes off what All returned and was told since. What came meanwhile stays.
func (c *Collector) Told(all []Summary) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range all {
		told, n := &all[i], c.numbers[all[i].Subject]
		if n.Updates -= told.Updates; n.Updates == 0 {
			delete(c.numbers, told.Subject)
		} else {
			n.First = told.Last
		}
	}
}

// Add takes what was received at an instant.
func (c *Collector) Add(activity []Activity, at time.Time) {
	if c == nil || len(activity) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.numbers == nil {
		c.numbers = map[string]*Summary{}
	}
	for _, s := range activity {
		n := c.numbers[s.Subject]
		if n == nil {
			if len(c.numbers) >= maxNumbers {
				continue
			}
			n = &Summary{Activity: Activity{Subject: s.Subject}, First: at}
			c.numbers[s.Subject] = n
		}
		if s.ID != "" {
			n.ID = s.ID
		}
		if s.Account != "" {
			n.Account = s.Account
		}
		n.Updates += s.Updates
		n.Last = at
	}
}
