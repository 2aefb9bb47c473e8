package bundle

import (
	"fmt"
	"strings"
	"testing"
)

// Known phone numbers are masked in whatever digits they stand, the longest first, and other digits stay. That takes as long with 50,000 numbers
// as with one: each digit of a text is looked at for them all.
func TestKnownNumbersAreMasked(t *testing.T) {
	m := newMasker()
	for i := range 50_000 {
		m.know(fmt.Sprintf("+1555%07d", i))
	}
	m.know("+155500000011") // begins with another one
	m.know("+12345")        // too short to be told from other figures
	mask := func(text string) string { return string(m.text([]byte(text))) }
	one, longer := m.number("15550000001"), m.number("155500000011")
	for text, want := range map[string]string{
		"15550000001":                   one,
		"from 15550000001 and":          "from " + one + " and",
		"waba-99915550000001":           "waba-999" + one,
		"155500000011":                  longer,
		"1555000000115550000001":        longer + "5550000001",
		"+15550000001 is 15550000001":   one + " is " + one,
		"at 1772000000000, 12345 twice": "at 1772000000000, 12345 twice",
	} {
		if got := mask(text); got != want {
			t.Errorf("%s is masked as %s, not %s", text, got, want)
		}
	}
	long := mask(strings.Repeat("a line of a log with 15550000001 in it\n", 10_000))
	if want := strings.Repeat("a line of a log with "+one+" in it\n", 10_000); long != want {
		t.Error("a long log is masked otherwise")
	}
}
