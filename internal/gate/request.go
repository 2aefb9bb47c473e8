package gate

import (
	"time"

	"numberfleet.dev/numberfleet/internal/identity"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/report"
)

// Bounds of a request.
const (
	// maxText bounds a name and a key, in bytes.
	maxText = 512
	// maxNamespaces bounds how many namespaces the requests of a call may name: the API server may be asked about each.
	maxNamespaces = 64
)

// Request is what a sender asks for: a message to one user.
type Request struct {
	Number    string              // in E.164; or NumberID, or Pool
	NumberID  string              // Meta's id of the number
	Pool      string              // the name of a NumberPool, of which one of the numbers is to send
	Namespace string              // of the PhoneNumber; empty where the caller does not know it. Of a NumberPool it must be given
	User      string              // a phone number, or a business-scoped id
	Template  string              // its name at Meta; empty for a message that is no template, or where it is not known
	Language  string              // of the template; empty for the first that can be sent
	Category  report.CategoryName // empty for that of the template
	FreeForm  bool                // a message that is no template, which can only be sent inside a service window
	TTL       time.Duration       // in which the sender may begin to send, in whole seconds; zero for counts.DefaultTTL
	Key       string              // makes a repetition for the same number or pool and user within counts.KeyKept the same reservation; empty for none
	// Without are numbers of the pool that the caller cannot send from, up to counts.MostWithout.
	Without []Exclusion
}

// Exclusion is a number of a pool that a caller cannot send from.
type Exclusion struct {
	Number string // in E.164
	Reason Reason
	// Wait is for how long: until then users who are bound to the number wait. Zero where nobody knows.
	Wait time.Duration
}

// validate says what of a request is wrong, whatever there is in the fleet; nil where nothing is.
func (r *Request) validate() *Problem {
	named := 0
	for _, name := range []string{r.Number, r.NumberID, r.Pool} {
		if name != "" {
			named++
		}
	}
	switch {
	case named != 1:
		return wrong("number", "must be given, or numberID or pool, and only one of them")
	case r.Pool != "" && r.Namespace == "":
		return wrong("namespace", "must be given with pool: the namespace of the NumberPool")
	case len(r.Pool) > maxText:
		return wrong("pool", "is too long")
	case r.Number != "" && !identity.IsE164(r.Number):
		return wrong("number", "must be in E.164, such as +15551234567")
	case r.NumberID != "" && !identity.IsMetaID(r.NumberID):
		return wrong("numberID", "must be Meta's id of the number: digits")
	case len(r.Namespace) > maxText:
		return wrong("namespace", "is too long")
	case len(r.Template) > maxText:
		return wrong("template", "is too long")
	case len(r.Language) > maxText:
		return wrong("language", "is too long")
	case counts.NewCategory(r.Category) == counts.OtherCategory:
		return wrong("category", "must be Marketing, Utility, Authentication or Service")
	case r.TTL < 0 || r.TTL > counts.MostTTL || r.TTL%time.Second != 0:
		return wrong("ttl", `must be a duration of whole seconds up to 24h, such as "90s" or "10m"`)
	case len(r.Key) > maxText:
		return wrong("key", "is too long")
	}
	return nil
}
