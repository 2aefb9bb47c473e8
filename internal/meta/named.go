package meta

import "github.com/valyala/fastjson"

// Named is a number or a portfolio that a change is about, and which account the change came from.
type Named struct {
	Number    string // in E.164; empty where it is a portfolio
	Portfolio string // Meta's id of a business portfolio; empty where it is a number
	Account   string // Meta's id of the WhatsApp Business account, as it came; empty where there is none
	At        int64  // Unix seconds of the first update of the change that says its time; zero where none does
}

// named notes what the change being read is about.
func (r *reader) named(number, portfolio string) {
	account, ok := text(r.account)
	if !ok {
		account, _ = identifier(r.account)
	}
	r.u.Named = append(r.u.Named, Named{Number: number, Portfolio: portfolio, Account: account})
	r.nameless = false
}

// said notes the time of an update.
func (r *reader) said(at int64) {
	if r.u.First == 0 || at < r.u.First {
		r.u.First = at
	}
	r.u.Last = max(r.u.Last, at)
	if n := len(r.u.Named); n > 0 && !r.nameless && r.u.Named[n-1].At == 0 {
		r.u.Named[n-1].At = at
	}
}

// passing notes the time of an item that is not counted, as far as it says one.
func (r *reader) passing(timestamp *fastjson.Value) {
	if at, ok := integer(timestamp); ok && at >= 1 && at <= r.latest {
		r.said(at)
	}
}

// passingEntry notes the time of an entry of which nothing is counted, as far as it says one.
func (r *reader) passingEntry() {
	_, _ = r.entryTime()
}
