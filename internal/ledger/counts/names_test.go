package counts

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"numberfleet.dev/numberfleet/internal/report"
)

const (
	brazilian    = "+5511987654321"
	displayed    = "+551187654321" // without the ninth digit
	brazilianID  = "7001"
	someoneElses = "+15550100002"
)

func TestASubjectIsFoundByIDFirst(t *testing.T) {
	l := newApplier()
	is := func(id, number, want string) {
		t.Helper()
		if got := l.Subject(id, number); got != want {
			t.Errorf("%q and %q are %s, want %s", id, number, got, want)
		}
	}
	append1 := func(number string, names ...Display) {
		t.Helper()
		b := Batch{Entries: []Entry{{Number: number, Kind: Delivered, User: 1, Message: 1, At: begin.Unix()}}, Displays: names}
		if _, err := l.Append(t.Context(), b, begin); err != nil {
			t.Fatal(err)
		}
	}
	claim := func(id, number string) {
		t.Helper()
		if err := l.Claim(id, number); err != nil {
			t.Fatal(err)
		}
	}
	is("1", displayed, displayed)
	is("1", "", "id/1")
	append1(displayed, Display{"1", displayed})
	append1("id/1")
	is("1", displayed, displayed)
	is("1", "", "id/1") // that Meta displays it so is no claim
	claim("1", brazilian)
	is("1", displayed, brazilian)
	is("1", "", brazilian)
	is("", displayed, brazilian)
	is("2", displayed, brazilian) // a second account's id of the same number
	is("2", "", "id/2")
	if got := l.Names(displayed); !slices.Equal(got, []string{brazilian, displayed, "id/1"}) {
		t.Errorf("its names are %v", got)
	}

	// The id is another number's after all, so what is displayed is none of this one's.
	append1("+15550100009", Display{"9", "+15550100009"})
	claim("9", "+15550100001")
	is("9", "+15550100009", "+15550100001")
	is("", "+15550100009", "+15550100009")
	if l.Count("+15550100001", Messages, begin.Add(-time.Hour), begin) != 0 || l.Count("+15550100009", Messages, begin.Add(-time.Hour), begin) != 1 {
		t.Error("a number took what is another's")
	}
	claim("9", "+15550100009")
	is("9", "+15550100009", "+15550100009")

	// A number that was claimed in one form is claimed in the other.
	claim("5", "+22507654321")
	append1("+22507654321")
	var told []string
	l.Subscribe(func(number string) { told = append(told, number) })
	claim("5", "+2250707654321")
	is("5", "+22507654321", "+2250707654321")
	is("", "+22507654321", "+2250707654321")
	claim("5", "+22507654321")
	is("5", "", "+2250707654321")
	if l.Count("+22507654321", Messages, begin.Add(-time.Hour), begin) != 1 {
		t.Error("what was counted is lost")
	}
	if !slices.Equal(told, []string{"+2250707654321", "+22507654321"}) {
		t.Errorf("%v are told", told)
	}
}

// A display that is learned after the claim names the number too: reports that give no id come under it.
func TestADisplayLearnedAfterTheClaim(t *testing.T) {
	l := newApplier()
	if err := l.Claim(brazilianID, brazilian); err != nil {
		t.Fatal(err)
	}
	b := Batch{
		Displays: []Display{{brazilianID, displayed}},
		Reports:  []report.Report{{Subject: report.ParseSubject(displayed), Kind: report.Quality, At: begin.Unix(), Value: "Low"}},
	}
	if _, err := l.Append(t.Context(), b, begin); err != nil || len(l.Reports(report.ParseSubject(brazilian), 0)) != 1 || l.Reports(report.ParseSubject(brazilian), 0)[0].Subject.ID != brazilian {
		t.Errorf("it has the reports %v, %v", l.Reports(report.ParseSubject(brazilian), 0), err)
	}
}

// A message that one name knows as delivered, before what is kept, and another as a reply, is a reply: nothing of it is left to keep.
func TestNothingIsLeftOfAReply(t *testing.T) {
	l := newApplier()
	at := begin.Add(-Kept - Lateness)
	const later = 7 * time.Hour // as long as a conversation that began before it goes on
	for _, r := range []*Record{
		{Clock: begin.UnixMilli(), Batch: Batch{Entries: []Entry{{Number: brazilian, Kind: Delivered, User: 1, Message: 1, At: at.Unix()}}}},
		{Clock: begin.Add(later).UnixMilli(), Batch: Batch{Entries: []Entry{{Number: "id/1", Kind: Delivered, Reply: true, User: 1, Message: 1, At: at.Add(later).Unix()}}}},
		{Claims: []Claim{{"1", brazilian}}},
	} {
		l.apply(r)
	}
	if again := l.restored(t); again.Known(brazilian) || l.Known(brazilian) || l.Count(brazilian, Messages, at.Add(-time.Second), begin) != 0 {
		t.Error("something is left of it")
	}
}

func TestAClaimIsRefusedThatNamesNothing(t *testing.T) {
	l := newApplier()
	for _, test := range [][2]string{{"", brazilian}, {"1", ""}, {strings.Repeat("1", 62), brazilian}, {"1", strings.Repeat("1", 65)}} {
		if err := l.Claim(test[0], test[1]); !errors.Is(err, ErrInvalid) {
			t.Errorf("%v: got %v", test, err)
		}
	}
}

// Webhooks are many, and almost all are about numbers that are known.
func TestASubjectThatIsKnownTakesNoMemory(t *testing.T) {
	l := newApplier()
	if err := l.Claim(brazilianID, brazilian); err != nil {
		t.Fatal(err)
	}
	for _, test := range [][2]string{{brazilianID, brazilian}, {"9", brazilian}, {"", someoneElses}, {"9", someoneElses}} {
		if n := testing.AllocsPerRun(100, func() { l.Subject(test[0], test[1]) }); n != 0 {
			t.Errorf("%v takes %v allocations", test, n)
		}
	}
}
