// Package receipts knows what was received since the start and is not the ledger's: when something was last received about a number
// or an account, how many messages failed and why, and of which category those were that did not. It is kept in memory only.
package receipts

import (
	"slices"
	"strings"
	"sync"
	"time"

	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/meta"
)

// Receipts are safe for concurrent use.
type Receipts struct {
	mu          sync.RWMutex
	subjects    map[string]*Subject // by the subjects of the ledger
	subscribers []func(number string)
}

// Subject is what was received about a number, in E.164, or about another subject of the ledger, which has no messages.
type Subject struct {
	At          time.Time                     // when something was received last
	Delivered   [meta.Categories]float64      // statuses of delivered messages that tell the category: one of each message does
	Failed      map[meta.FailureClass]float64 // failed statuses by class; those that came again count again
	LastFailure Failure                       // by its own time; zero if there is none
}

// Failure is a status that says that a message will not reach its user.
type Failure struct {
	Number string // in E.164
	Code   int64  // Meta's error code, zero if there is none
	At     time.Time
}

// Delivered is a status of a delivered message that tells its category.
type Delivered struct {
	Number   string // in E.164
	Category meta.Category
}

// New makes receipts of nothing.
func New() *Receipts {
	return &Receipts{subjects: map[string]*Subject{}}
}

// Request is what one request brought besides what the ledger has.
type Request struct {
	Delivered []Delivered
	Failures  []Failure
}

// Take takes a request that was acknowledged, with the batch that it brought. Nil receipts take nothing.
func (r *Receipts) Take(now time.Time, batch *counts.Batch, request *Request) {
	if r == nil {
		return
	}
	var news []string
	r.mu.Lock()
	last, s := "", (*Subject)(nil) // most batches are about one number, or about one after the other
	of := func(subject string) *Subject {
		if subject == last {
			return s
		}
		last, s = subject, r.subjects[subject]
		if s == nil {
			s = &Subject{}
			r.subjects[subject] = s
		}
		if now.Sub(s.At) >= silence && strings.HasPrefix(subject, "+") {
			news = append(news, subject)
		}
		s.At = now
		return s
	}
	for i := range batch.Entries {
		of(batch.Entries[i].Number)
	}
	for i := range batch.Reports {
		of(batch.Reports[i].Subject.String())
	}
	for _, d := range request.Delivered {
		of(d.Number).Delivered[d.Category]++
	}
	for _, f := range request.Failures {
		s := of(f.Number)
		if s.Failed == nil {
			s.Failed = map[meta.FailureClass]float64{}
		}
		s.Failed[meta.ClassOf(f.Code)]++
		if !f.At.Before(s.LastFailure.At) {
			if s.LastFailure.Code != f.Code || f.At.Sub(s.LastFailure.At) >= silence {
				news = append(news, f.Number)
			}
			s.LastFailure = f
		}
	}
	subscribers := r.subscribers
	r.mu.Unlock()
	for _, number := range news {
		for _, call := range subscribers {
			call(number)
		}
	}
}

// silence is how long nothing was received about a number when the next receipt is worth telling by itself.
const silence = time.Hour

// Subscribe calls news with a number that something was received about after an hour of nothing, or whose last failure has another
// code or is an hour older. It must return quickly.
func (r *Receipts) Subscribe(news func(number string)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.subscribers = append(slices.Clip(r.subscribers), news)
}

// Of is what was received since the start under all names of a subject together.
func (r *Receipts) Of(names ...string) Subject {
	var all Subject
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, name := range names {
		s := r.subjects[name]
		if s == nil {
			continue
		}
		if s.At.After(all.At) {
			all.At = s.At
		}
		if !s.LastFailure.At.Before(all.LastFailure.At) {
			all.LastFailure = s.LastFailure
		}
		for category, n := range s.Delivered {
			all.Delivered[category] += n
		}
		for class, n := range s.Failed {
			if all.Failed == nil {
				all.Failed = map[meta.FailureClass]float64{}
			}
			all.Failed[class] += n
		}
	}
	return all
}
