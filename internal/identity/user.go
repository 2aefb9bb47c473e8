package identity

import "strings"

// A user's phone number comes in two valid forms in some countries: as WhatsApp knew it when the account was made, and as it is
// dialled today. Both are one user. The metadata of the numbering plans has today's forms only: it calls the others invalid, or, in
// Argentina, landlines. So the rules are here, and a test holds them against the metadata.

// Phone is the one form of a user's phone number, in digits without the plus, that stands for all of them. Of most countries it is
// the number as it came.
//
//   - Mexico: mobile numbers had a 1 after the country code until 2019. National numbers have ten digits, the first of which is not 1.
//   - Argentina: mobile numbers are dialled from abroad with a 9 after the country code, which national numbers, of ten digits, lack.
//   - Brazil: mobile numbers got a ninth digit, the leading 9, from 2012 to 2016. Before, they had eight, of which the first was 6 to
//     9; those of landlines still have eight, the first of which is 2 to 5.
func Phone(digits string) string {
	if len(digits) < 12 || digits[0] != '5' {
		return digits
	}
	switch country, rest := digits[:2], digits[2:]; {
	case country == "52" && len(rest) == 11 && rest[0] == '1',
		country == "54" && len(rest) == 11 && rest[0] == '9':
		return country + rest[1:]
	case country == "55" && len(rest) == 10 && rest[2] >= '6':
		return country + rest[:2] + "9" + rest[2:]
	}
	return digits
}

// AUser says what ParseUser reads.
const AUser = "must be a phone number with its country code, such as +15551234567, or a business-scoped id: two capital letters, a dot " +
	"and up to 128 letters and digits, such as US.13491208655302741918"

// ParseUser reads a user as a platform writes one, and gives the one form that stands for all forms of theirs: of a phone number, with
// or without plus, spaces and punctuation, that of Phone; a business-scoped id as it is. False means that it is neither.
func ParseUser(written string) (user string, ok bool) {
	if isScoped(written) {
		return written, true
	}
	digits, ok := digitsOf(written)
	if !ok || !isPhone(digits) {
		return "", false
	}
	return Phone(digits), true
}

// parent is what the id of a user has after the country where several portfolios share it, such as US.ENT.11815799212886844830.
const parent = "ENT."

// isScoped says whether an id is business-scoped. Meta, in "business-scoped user IDs": the country's two letters, a dot, and up to 128
// alphanumeric characters.
func isScoped(id string) bool {
	if len(id) < 4 || id[2] != '.' || !capital(id[0]) || !capital(id[1]) {
		return false
	}
	rest := strings.TrimPrefix(id[3:], parent)
	if rest == "" || len(rest) > 128 {
		return false
	}
	for i := range len(rest) {
		if c := rest[i]; !capital(c) && (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

func capital(c byte) bool { return c >= 'A' && c <= 'Z' }
