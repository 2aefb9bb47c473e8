package identity

import (
	"strings"
	"testing"

	"github.com/nyaruka/phonenumbers"
)

func TestAUserIsOneInEveryFormOfTheNumber(t *testing.T) {
	for name, test := range map[string]struct{ written, want string }{
		"Mexico, with the 1":                         {"5215512345678", "525512345678"},
		"Mexico, as dialled today":                   {"525512345678", "525512345678"},
		"Mexico, of another city":                    {"5213312345678", "523312345678"},
		"Mexico, a number that is too short":         {"521551234567", "521551234567"},
		"Argentina, with the 9":                      {"5491123456789", "541123456789"},
		"Argentina, without":                         {"541123456789", "541123456789"},
		"Argentina, of another province":             {"5493514123456", "543514123456"},
		"Argentina, a landline":                      {"541143211234", "541143211234"},
		"Brazil, without the ninth digit":            {"551187654321", "5511987654321"},
		"Brazil, with it":                            {"5511987654321", "5511987654321"},
		"Brazil, one that begins with 6":             {"557161234567", "5571961234567"},
		"Brazil, one that begins with 9":             {"552191234567", "5521991234567"},
		"Brazil, a landline":                         {"551132654321", "551132654321"},
		"Brazil, a landline that begins with 5":      {"551152654321", "551152654321"},
		"Brazil, a number that is too short":         {"55118765432", "55118765432"},
		"Peru":                                       {"51987654321", "51987654321"},
		"another country with such digits after its": {"15215512345678", "15215512345678"},
		"the United States":                          {"15551234567", "15551234567"},
		"nothing":                                    {"", ""},
	} {
		if got := Phone(test.written); got != test.want {
			t.Errorf("%s: %s is %s, want %s", name, test.written, got, test.want)
		}
	}
}

// The numbering plans know the form that stands for the others. Of Argentina they know both.
func TestTheFormOfAUserIsOneOfTheNumberingPlans(t *testing.T) {
	valid := func(digits string) bool {
		number, err := phonenumbers.Parse("+"+digits, "")
		return err == nil && phonenumbers.IsValidNumber(number)
	}
	for written, today := range map[string]bool{"5215512345678": false, "551187654321": false, "552191234567": false, "5491123456789": true, "541143211234": true} {
		if valid(written) != today || !valid(Phone(written)) {
			t.Errorf("%s: valid is %v, and of %s %v", written, valid(written), Phone(written), valid(Phone(written)))
		}
	}
}

func TestAUserOfAnEventIsAPhoneNumberOrABusinessScopedID(t *testing.T) {
	for written, want := range map[string]string{
		"+15551234567": "15551234567", "15551234567": "15551234567", "+1 (555) 123-4567": "15551234567", "+52 1 55 1234 5678": "525512345678",
		"1234567": "1234567", "123456789012345": "123456789012345",
		"US.13491208655302741918": "US.13491208655302741918", "us": "", "BR.AbC123": "BR.AbC123", "US.1": "US.1",
		"US.ENT.11815799212886844830": "US.ENT.11815799212886844830", "US.ENT": "US.ENT", "US." + strings.Repeat("a", 128): "US." + strings.Repeat("a", 128),
	} {
		if got, ok := ParseUser(written); got != want || ok != (want != "") {
			t.Errorf("%q: got %q, %v", written, got, ok)
		}
	}
	for _, written := range []string{
		"", "+", "u1", "alice", "123456", "1234567890123456", "0123456789", "+0123456789", "1555+1234567", "US.", "US.ENT.", "US.a.b", "US.ENT.a.b", "us.123",
		"U.1", "USA.1", "US.a b", "US.é", "US:1", "US.\n1", "US." + strings.Repeat("a", 129), "１５５５０００１１１１", " ",
	} {
		if got, ok := ParseUser(written); ok {
			t.Errorf("%q is no user, but was read as %q", written, got)
		}
	}
}

// FuzzUser promises that a user is read as one that is read as itself.
func FuzzUser(f *testing.F) {
	for _, seed := range []string{"+15550001111", "5215512345678", "551187654321", "5491123456789", "US.123", "US.ENT.1", "5211", "54"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, written string) {
		user, ok := ParseUser(written)
		if !ok {
			return
		}
		if again, ok := ParseUser(user); !ok || again != user {
			t.Fatalf("%q was read as %q, and that as %q", written, user, again)
		}
		if once := Phone(user); once != user {
			t.Fatalf("%q was read as %q, whose form is %q", written, user, once)
		}
	})
}

var formed string

// Most users are none of the three countries'; a webhook has up to a thousand.
func TestTheFormOfMostUsersTakesNoMemory(t *testing.T) {
	for _, user := range []string{"15551234567", "525512345678", "5511987654321", "541123456789", "491511234567"} {
		if n := testing.AllocsPerRun(100, func() { formed = Phone(user) }); n != 0 {
			t.Errorf("%s takes %v allocations", user, n)
		}
	}
}
