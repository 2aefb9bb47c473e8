package identity

import (
	"fmt"
	"strings"
	"testing"
)

func TestANumberIsTheSameHoweverItIsWritten(t *testing.T) {
	for written, want := range map[string]string{
		"15550001111":          "+15550001111", // a test number, which no numbering plan knows
		"+1 555-000-1111":      "+15550001111",
		"+1 (555) 000-1111":    "+15550001111",
		"4915112345678":        "+4915112345678",
		"+49 1511 2345678":     "+4915112345678",
		"+44 (0) 20 7946 0958": "+442079460958", // the trunk zero is not dialled from abroad
		"+390612345678":        "+390612345678", // Italy keeps the leading zero
		"+972\u00a050-1234567": "+972501234567",
		"1234567":              "+1234567",
		"123456789012345":      "+123456789012345",
	} {
		if got, ok := E164(written); !ok || got != want {
			t.Errorf("%s: got %s, %v, want %s", written, got, ok, want)
		}
	}
	for _, written := range []string{"", "+", "123456", "1234567890123456", "0123456789", "+0123456789", "1555000111a", "15550001111+", "１５５５０００１１１１",
		strings.Repeat(" ", 40) + "15550001111"} {
		if got, ok := E164(written); ok {
			t.Errorf("%q is no number, but was read as %s", written, got)
		}
	}
}

func TestTheNumbersKeptAreBounded(t *testing.T) {
	cache := numberCache{most: 100}
	for i := range 250 {
		written := fmt.Sprintf("1555%07d", i)
		for range 2 {
			if got, ok := cache.e164(written); !ok || got != "+"+written {
				t.Fatalf("%s: got %s, %v", written, got, ok)
			}
		}
		if len(cache.known) > cache.most {
			t.Fatalf("%d numbers are kept", len(cache.known))
		}
	}
}

// FuzzE164 promises that a number's E.164 is in E.164, and its own.
func FuzzE164(f *testing.F) {
	for _, seed := range []string{"15550001111", "+1 555-000-1111", "+49 1511 2345678", "5215512345678", "+390612345678", "0"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, written string) {
		number, ok := E164(written)
		if !ok {
			return
		}
		if len(number) < 8 || len(number) > 16 || number[0] != '+' || number[1] == '0' || strings.Trim(number[1:], "0123456789") != "" {
			t.Fatalf("%q was read as %q", written, number)
		}
		if again, ok := E164(number); !ok || again != number {
			t.Fatalf("%q was read as %q, and that as %q", written, number, again)
		}
	})
}

func TestANumberInE164HasAPlusAnd7To15Digits(t *testing.T) {
	for written, want := range map[string]bool{
		"+1234567": true, "+123456789012345": true, "": false, "+": false, "+123456": false, "+1234567890123456": false, "15550001111": false,
		"+05550001111": false, "+1 5550001111": false, "++5550001111": false, "+1555000111a": false,
	} {
		if got := IsE164(written); got != want {
			t.Errorf("%q: got %v", written, got)
		}
	}
}

func TestTwoFormsOfANumberMayBeOneAndOtherNumbersMayNot(t *testing.T) {
	for name, test := range map[string]struct {
		a, b string
		want bool
	}{
		"the same":                               {"+15550001111", "+15550001111", true},
		"Brazil without the ninth digit":         {"+551187654321", "+5511987654321", true},
		"Ivory Coast before 2021":                {"+22507654321", "+2250707654321", true},
		"Mexico with the 1":                      {"+5215512345678", "+525512345678", true},
		"another number of the same length":      {"+5511987654322", "+5511987654321", false},
		"other last digits":                      {"+551187654322", "+5511987654321", false},
		"another country":                        {"+541187654321", "+5511987654321", false},
		"one of which hardly anything is left":   {"+5587654321", "+5511987654321", false},
		"one that is shorter than what is asked": {"+1234567", "+11234567", false},
	} {
		if SameLine(test.a, test.b) != test.want || SameLine(test.b, test.a) != test.want {
			t.Errorf("%s: want %v", name, test.want)
		}
	}
}
