package ingest

import (
	"slices"
	"strings"
	"sync"
	"time"

	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/meta"
	"numberfleet.dev/numberfleet/internal/report"
)

// UnclaimedNumber is what was received about a number that no resource claims.
type UnclaimedNumber struct {
	Subject string // of the ledger
	ID      string // that Meta gave to the number, empty where none was given
	Account string // Meta's id of the WhatsApp Business account, empty where none was given
	Updates int64  // webhook updates and events
	// First and Last are when the first and the last of them were received.
	First, Last time.Time
}

// mostUnclaimed bounds how many of them are told apart. What comes about more is counted in the metrics only.
const mostUnclaimed = 1000

// Unclaimed collects what is received and not claimed, since the start. The zero value is ready for use.
type Unclaimed struct {
	mu      sync.Mutex
	numbers map[string]*UnclaimedNumber // by subject
}

// All are the numbers, in no order.
func (u *Unclaimed) All() []UnclaimedNumber {
	u.mu.Lock()
	defer u.mu.Unlock()
	all := make([]UnclaimedNumber, 0, len(u.numbers))
	for _, n := range u.numbers {
		all = append(all, *n)
	}
	return all
}

// Len is how many numbers they are.
func (u *Unclaimed) Len() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.numbers)
}

// Forget forgets a number, which is claimed now.
func (u *Unclaimed) Forget(subject string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.numbers, subject)
}

func (u *Unclaimed) add(all []sighting, at time.Time) {
	if u == nil || len(all) == 0 {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.numbers == nil {
		u.numbers = map[string]*UnclaimedNumber{}
	}
	for _, s := range all {
		n := u.numbers[s.subject]
		if n == nil {
			if len(u.numbers) >= mostUnclaimed {
				continue
			}
			n = &UnclaimedNumber{Subject: s.subject, First: at}
			u.numbers[s.subject] = n
		}
		if s.id != "" {
			n.ID = s.id
		}
		if s.account != "" {
			n.Account = s.account
		}
		n.Updates += s.updates
		n.Last = at
	}
}

// sighting is what one request brought about an unclaimed number.
type sighting struct {
	subject, id, account string
	updates              int64
}

// sightings are what updates bring about numbers that known does not know. They alias nothing of them.
func sightings(u *meta.Updates, known func(string) bool) (all []sighting) {
	for i := range u.Named {
		if n := &u.Named[i]; n.Number != "" && !known(n.Number) {
			all = append(all, sighting{n.Number, strings.Clone(n.ID), shown(n.Account), int64(n.Updates)})
		}
	}
	return all
}

// sightingsOf are those of a batch that came otherwise.
func sightingsOf(batch *counts.Batch, known func(string) bool) (all []sighting) {
	add := func(subject report.Subject) {
		text := subject.String()
		if i := slices.IndexFunc(all, func(s sighting) bool { return s.subject == text }); i >= 0 {
			all[i].updates++
		} else if len(all) < mostUnclaimed && !known(text) {
			id := ""
			if subject.Type == report.NumberID {
				id = subject.ID
			}
			all = append(all, sighting{text, id, "", 1})
		}
	}
	for i := range batch.Entries {
		add(report.ParseSubject(batch.Entries[i].Number))
	}
	for i := range batch.Reports {
		if subject := batch.Reports[i].Subject; subject.IsE164() {
			add(subject)
		}
	}
	return all
}

// unclaimed counts the records about a number that known does not know. Reports about templates, accounts and
// portfolios are about none.
func unclaimed(batch *counts.Batch, known func(string) bool) int {
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
		if subject := batch.Reports[i].Subject; subject.IsE164() && !claimed(subject.ID) {
			n++
		}
	}
	return n
}
