package report

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// SubjectType says what a subject is.
type SubjectType uint8

// The types of subjects.
const (
	Number    SubjectType = iota // ID is the number in E.164, with the leading plus
	NumberID                     // a number of which Meta's id is all that is known; ID is that id
	Account                      // a WhatsApp Business account; ID is Meta's
	Portfolio                    // a business portfolio; ID is Meta's
	Template                     // a message template in one language; ID is a hash (see TemplateSubject)
)

// Subject is whom a report is about. The zero value is nobody.
type Subject struct {
	Type SubjectType
	ID   string
}

// prefixes begin the text of a subject. A number is written as it is, and begins with a plus.
var prefixes = [...]string{Number: "", NumberID: "id/", Account: "account/", Portfolio: "portfolio/", Template: "template/"}

// String is the subject as text: a key of the ledger's, part of its journal.
func (s Subject) String() string { return prefixes[s.Type] + s.ID }

// AppendTo appends the text, for those who look it up without making a string of it.
func (s Subject) AppendTo(b []byte) []byte { return append(append(b, prefixes[s.Type]...), s.ID...) }

// ParseSubject is the subject whose text is given. Text without one of the prefixes is a number's.
func ParseSubject(text string) Subject {
	for t := NumberID; t <= Template; t++ {
		if id, is := strings.CutPrefix(text, prefixes[t]); is {
			return Subject{t, id}
		}
	}
	return Subject{Number, text}
}

// IsNumber says whether the subject is a number, in E.164 or by Meta's id.
func (s Subject) IsNumber() bool { return s.Type == NumberID || s.IsE164() }

// IsE164 says whether the subject is a number in E.164.
func (s Subject) IsE164() bool { return s.Type == Number && strings.HasPrefix(s.ID, "+") }

// NumberIDSubject is a number by Meta's id. It is the number itself once a resource claims the id.
func NumberIDSubject(id string) Subject { return Subject{NumberID, id} }

// AccountSubject is a WhatsApp Business account by Meta's id.
func AccountSubject(id string) Subject { return Subject{Account, id} }

// PortfolioSubject is a business portfolio by Meta's id.
func PortfolioSubject(id string) Subject { return Subject{Portfolio, id} }

// TemplateSubject is a message template in one language, by its account and name. Names may be long, so the ID is a hash. Meta writes a
// language with an underscore in some payloads and with a hyphen in others: both are one.
func TemplateSubject(account, name, language string) Subject {
	sum := sha256.Sum256([]byte(account + "\x00" + name + "\x00" + strings.ReplaceAll(language, "-", "_")))
	return Subject{Template, hex.EncodeToString(sum[:16])}
}
