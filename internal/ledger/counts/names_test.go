package counts

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"numberfleet.dev/numberfleet/internal/report"
)

const (
	brazilian    = "+5511987654321"
	displayed    = "+551187654321" // without the ninth digit
	brazilianID  = "7001"
	someoneElses = "+15550100002"
)

// Whatever comes under the id of a number, under the form that Meta displays and under the number itself counts as if all had come
// under the number: before and after a resource claims the id, over snapshots, crashes and restarts, and in a portfolio.
func TestANumberIsOneUnderAllItsNames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fs := newDisk()
		l, want := openTest(t, fs), newApplier()
		windows := someWindows(t)
		grouped := func(l *applier) {
			if err := errors.Join(l.Configure(brazilian, windows), l.Group("g", []string{brazilian, someoneElses})); err != nil {
				t.Fatal(err)
			}
		}
		grouped(l)
		grouped(want)
		names := []string{brazilian, displayed, report.NumberIDSubject(brazilianID).String(), someoneElses}
		claim := func() {
			if err := l.Claim(brazilianID, brazilian); err != nil {
				t.Fatal(err)
			}
		}
		message := MessageKey(0)
		var all []Entry
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			switch rapid.IntRange(0, 6).Draw(t, "step") {
			case 0, 1, 2, 3:
				b := Batch{Displays: []Display{{brazilianID, displayed}}}
				for range rapid.IntRange(1, 8).Draw(t, "entries") {
					e := Entry{Number: rapid.SampledFrom(names).Draw(t, "name"), Kind: Delivered, User: UserKey(rapid.IntRange(1, 6).Draw(t, "user"))}
					e.At = someTime(t, begin.Add(-Kept).Unix(), begin.Unix())
					if len(all) > 0 && rapid.IntRange(0, 4).Draw(t, "again") == 0 { // the same message, under another name
						e = rapid.SampledFrom(all).Draw(t, "which")
						if e.Number != someoneElses {
							e.Number = rapid.SampledFrom(names[:3]).Draw(t, "name")
						}
					} else {
						message++
						e.Message = message
						switch rapid.IntRange(0, 6).Draw(t, "kind") {
						case 0, 1:
							e.Kind, e.Message = Received, 0
						case 2:
							e.Kind, e.Complaint = Complained, someComplaint(t)
						case 3:
							e.Alias = e.User + 100
						case 4:
							e.Kind, e.Message, e.Alias = AliasLinked, 0, UserKey(rapid.IntRange(1, 106).Draw(t, "who else"))
						case 5:
							e.Kind = Replied
						}
						someWord(t, &e)
					}
					all = append(all, e)
					b.Entries = append(b.Entries, e)
				}
				b.Reports = []report.Report{{Subject: report.ParseSubject(rapid.SampledFrom(names).Draw(t, "name")), Kind: report.Quality, At: someTime(t, begin.Add(-Kept).Unix(), begin.Unix()), Value: "Low"}}
				if _, err := l.Append(context.Background(), b, begin); err != nil {
					t.Fatal(err)
				}
				own := func(name string) string {
					if name == someoneElses {
						return name
					}
					return brazilian
				}
				b.Entries, b.Displays = slices.Clone(b.Entries), nil
				for i := range b.Entries {
					b.Entries[i].Number = own(b.Entries[i].Number)
				}
				b.Reports[0].Subject = report.ParseSubject(own(b.Reports[0].Subject.String()))
				if _, err := want.Append(context.Background(), b, begin); err != nil {
					t.Fatal(err)
				}
			case 4:
				claim()
			case 5:
				if err := l.Snapshot(context.Background(), begin); err != nil {
					t.Fatal(err)
				}
			case 6:
				reports := l.Reports(report.ParseSubject(brazilian), 0)
				l = openTest(t, fs)
				grouped(l)
				if got := l.Reports(report.ParseSubject(brazilian), 0); !slices.Equal(got, reports) {
					t.Fatalf("after a restart the reports are %v, and were %v", got, reports)
				}
			}
		}
		claim()
		described := func(l *applier, name string) string {
			described := (&seriesSet{}).describe()
			l.read(name, func(c counter) { described = c.allSeries().describe() })
			return described
		}
		values := func(l *applier, name string) (all []int64) {
			for _, r := range l.Reports(report.ParseSubject(name), 0) {
				all = append(all, r.At)
			}
			slices.Sort(all)
			return all
		}
		for _, name := range append(names, PortfolioKey("g")) {
			other := name
			if slices.Contains(names[:3], name) && (name != displayed || l.displays(brazilianID) != "") {
				other = brazilian
			}
			if got, want := described(l, name), described(want, other); got != want {
				t.Fatalf("%s is\n%s, and all under the number is\n%s", name, got, want)
			}
			if got, want := values(l, name), values(want, other); !slices.Equal(got, want) {
				t.Fatalf("%s has the reports %v, and all under the number %v", name, got, want)
			}
			since, to := begin.Add(-Kept), begin
			if got, want := l.Feedback(name, since, to), want.Feedback(other, since, to); !slices.Equal(got, want) {
				t.Fatalf("%s has the feedback %v, and all under the number %v", name, got, want)
			}
		}
		if got := l.Numbers(); !slices.Equal(got, want.Numbers()) {
			t.Fatalf("numbers are %v", got)
		}
	})
}

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
