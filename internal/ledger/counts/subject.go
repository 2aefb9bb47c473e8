package counts

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// What reports are about besides numbers goes by a subject of its own, in the place of the number. None of them begins with
// a plus.

// PortfolioSubject is the subject of reports about a whole business portfolio, by the id that Meta gave to it.
func PortfolioSubject(id string) string { return "portfolio/" + id }

// AccountSubject is the subject of reports about a whole WhatsApp Business account, by the id that Meta gave to it.
func AccountSubject(id string) string { return "account/" + id }

// PhoneNumberIDSubject is the subject of what names a number only by the id that Meta gave to it. It is the number itself once a
// resource claims the id (see Ledger.Claim).
func PhoneNumberIDSubject(id string) string { return idPrefix + id }

const idPrefix = "id/"

// IsNumber says whether a subject is a number, in E.164 or by the id that Meta gave to it.
func IsNumber(subject string) bool {
	return strings.HasPrefix(subject, "+") || strings.HasPrefix(subject, idPrefix)
}

// TemplateSubject is the subject of reports about a message template in one language. Names may be long, so it is a hash.
// Meta writes languages with an underscore or a hyphen, in one payload so and in another so.
func TemplateSubject(account, name, language string) string {
	sum := sha256.Sum256([]byte(account + "\x00" + name + "\x00" + strings.ReplaceAll(language, "-", "_")))
	return "template/" + hex.EncodeToString(sum[:16])
}

// GroupSubject is the subject of the counts of several numbers together (see Ledger.Group).
func GroupSubject(name string) string { return "group/" + name }
