package simulate

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/config/policies"
	"numberfleet.dev/numberfleet/internal/rules"
)

func shipped(t testing.TB, name string) Policy {
	t.Helper()
	manifest, ok := policies.Manifest(name)
	if !ok {
		t.Fatalf("no policy %s ships", name)
	}
	policy, err := ReadPolicy(manifest)
	if err != nil {
		t.Fatal(err)
	}
	return policy
}

func TestShippedPoliciesAreRead(t *testing.T) {
	for _, name := range policies.Names() {
		if policy := shipped(t, name); policy.Name != name {
			t.Errorf("policy %s goes by the name %s", name, policy.Name)
		}
	}
}

// Each file is named after its policy, and beside it may stand a fleet; the golden file is, to the byte, what the simulator makes
// of it.
func TestGolden(t *testing.T) {
	for _, name := range []string{"quality-based", "meta-2023", "meta-2025"} {
		t.Run(name, func(t *testing.T) {
			config := Config{Policy: shipped(t, name), Until: day(20)}
			if manifests, err := os.Open(filepath.Join("testdata", name+".fleet.yaml")); err == nil {
				defer manifests.Close()
				if config.Fleet, err = ReadFleet(manifests); err != nil {
					t.Fatal(err)
				}
			}
			events, err := os.Open(filepath.Join("testdata", name+".jsonl"))
			if err != nil {
				t.Fatal(err)
			}
			defer events.Close()
			result, err := Run(t.Context(), config, events)
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			if err := result.WriteJSON(&got); err != nil {
				t.Fatal(err)
			}
			want, err := os.ReadFile(filepath.Join("testdata", name+".golden.jsonl"))
			if err != nil {
				t.Fatal(err)
			}
			if got.String() != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got.String(), want)
			}
		})
	}
}

func day(n int) time.Time { return time.Date(2026, 3, n, 0, 0, 0, 0, time.UTC) }

// script writes events in few words: "day clock type data", the number being +1555010 and what stands before the data.
type script struct {
	lines []string
}

func (s *script) add(at time.Time, kind, number, data string) {
	if number != "" {
		data = `"number":"` + number + `",` + data
	}
	s.lines = append(s.lines, fmt.Sprintf(`{"specversion":"1.0","id":"%d","source":"/s","type":"dev.numberfleet.%s.v1","time":%q,"data":{%s}}`,
		len(s.lines)+1, kind, at.Format(time.RFC3339Nano), strings.TrimSuffix(data, ",")))
}

func (s *script) run(t *testing.T, config Config) (Result, error) {
	t.Helper()
	if config.Policy.Policy == nil {
		config.Policy = shipped(t, "quality-based")
	}
	return Run(t.Context(), config, strings.NewReader(strings.Join(s.lines, "\n")))
}

const (
	first  = "+15550100001"
	second = "+15550100002"
)

func told(r Result) string {
	var lines []string
	for _, t := range r.Transitions {
		lines = append(lines, fmt.Sprintf("%s %s %s", t.Time.Format("02 15:04:05"), t.Subject[len(t.Subject)-1:], t.Reason))
	}
	return strings.Join(lines, "\n")
}

func TestDeadlinesFallInOrderAcrossNumbers(t *testing.T) {
	var s script
	s.add(day(2), "limit.reported", first, `"limit":10000`)
	s.add(day(3), "quality.reported", first, `"rating":"Low"`)
	s.add(day(3).Add(time.Second), "quality.reported", second, `"rating":"Low"`)
	s.add(day(10), "message.received", second, `"user":"US.u"`) // the deadline of the first falls on this instant
	s.add(day(10).Add(2*time.Second), "connection.reported", second, `"state":"Offline"`)
	result, err := s.run(t, Config{})
	if err != nil {
		t.Fatal(err)
	}
	const want = `02 00:00:00 1 LimitReported
03 00:00:00 1 QualityChanged
03 00:00:00 1 Flagged
03 00:00:01 2 QualityChanged
03 00:00:01 2 Flagged
10 00:00:00 1 FlagCleared
10 00:00:00 1 TierDowngraded
10 00:00:01 2 FlagCleared
10 00:00:02 2 ConnectionChanged`
	if got := told(result); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// A better rating at the very instant at which the tier would fall comes first, and so does one after another event of it.
func TestEventsComeBeforeDeadlines(t *testing.T) {
	var s script
	s.add(day(2), "limit.reported", first, `"limit":10000`)
	s.add(day(3), "quality.reported", first, `"rating":"Low"`)
	s.add(day(10), "message.received", first, `"user":"US.u"`)
	s.add(day(10).Add(time.Second/2), "quality.reported", first, `"rating":"High"`)
	result, err := s.run(t, Config{})
	if err != nil {
		t.Fatal(err)
	}
	if got := told(result); !strings.HasSuffix(got, "Flagged\n10 00:00:00 1 QualityChanged") {
		t.Errorf("got\n%s", got)
	}
}

// Deliveries that are passed over may make a deadline later than it was. No event waits for the one that it was.
func TestEventsDoNotWaitForADeadlineThatIsNot(t *testing.T) {
	var s script
	deliver := func(at time.Time, message string) {
		for i := range 10 {
			s.add(at, "message.delivered", first, fmt.Sprintf(`"user":"US.u%d","messageID":"%s%d"`, i, message, i))
		}
	}
	s.add(day(2), "quality.reported", first, `"rating":"Medium"`)
	deliver(day(2), "m")                   // restricted until day 3,
	deliver(day(2).Add(10*time.Hour), "n") // or rather until 10 hours later
	s.add(day(3), "quality.reported", first, `"rating":"High"`)
	s.add(day(3), "quality.reported", first, `"rating":"Medium"`)
	result, err := s.run(t, Config{Policy: smallWith(t, ".*PerThousand.*", "")})
	if err != nil {
		t.Fatal(err)
	}
	const want = `02 00:00:00 1 QualityChanged
02 00:00:00 1 Restricted
03 00:00:00 1 QualityChanged
03 00:00:00 1 UpgradePending
03 00:00:00 1 QualityChanged
03 00:00:00 1 UpgradeCancelled`
	if got := told(result); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// A user who writes in the second of a delivery has written before it: it was a reply, and does not count.
func TestAReplyWithinTheSecond(t *testing.T) {
	var s script
	for i := range 10 {
		s.add(day(2), "message.delivered", first, fmt.Sprintf(`"user":"US.u%d","messageID":"m%d"`, i, i))
	}
	s.add(day(2), "message.received", first, `"user":"US.u3"`)
	s.add(day(2).Add(time.Second), "message.received", first, `"user":"US.u4"`)
	for _, fleet := range []*Fleet{nil, {Numbers: []Number{{PhoneNumber: first, Portfolio: "x1"}, {PhoneNumber: second, Portfolio: "x1"}}}} {
		result, err := s.run(t, Config{Policy: smallWith(t, ".*PerThousand.*", ""), Fleet: fleet})
		if err != nil {
			t.Fatal(err)
		}
		if got := told(result); got != "02 00:00:00 1 UpgradePending\n02 00:00:00 1 Restricted\n02 00:00:00 1 RestrictionLifted" || result.Final[0].Used != 9 {
			t.Errorf("got\n%s\n%+v", got, result.Final)
		}
	}
}

func TestRepeatsChangeNothing(t *testing.T) {
	var s script
	for i := range 5 {
		s.add(day(2).Add(time.Duration(i)*time.Minute), "message.delivered", first, fmt.Sprintf(`"user":"US.u%d","messageID":"m%d"`, i, i))
	}
	s.add(day(2).Add(time.Hour), "quality.reported", first, `"rating":"Low"`)
	once, err := s.run(t, Config{})
	if err != nil {
		t.Fatal(err)
	}
	// Redelivered at the end of the file, with the times that the events had, and one with another time.
	s.lines = append(s.lines, s.lines...)
	s.lines = append(s.lines, strings.Replace(s.lines[0], "T00:00:00Z", "T23:00:00Z", 1))
	twice, err := s.run(t, Config{})
	if err != nil {
		t.Fatal(err)
	}
	if told(once) != told(twice) || once.Final[0] != twice.Final[0] || once.Final[0].Used != 5 {
		t.Errorf("got\n%+v\nwant\n%+v", twice, once)
	}
}

func TestUsersWithAndWithoutPlusAreOne(t *testing.T) {
	var s script
	for i, user := range []string{"+15550199001", "15550199001", "US.15550199001", "US.a"} {
		s.add(day(2), "message.delivered", first, fmt.Sprintf(`"user":%q,"messageID":"m%d"`, user, i))
	}
	result, err := s.run(t, Config{})
	if err != nil || result.Final[0].Used != 3 {
		t.Fatalf("%+v, %v", result.Final, err)
	}
}

// An event may name a number by the id that the fleet gives it.
func TestEventsNameANumberByItsID(t *testing.T) {
	fleet, err := ReadFleet(strings.NewReader(`{"apiVersion":"whatsapp.numberfleet.dev/v1alpha1","kind":"PhoneNumber","metadata":{"name":"one"},"spec":{"phoneNumber":"` + first + `","phoneNumberID":"7001"}}`))
	if err != nil {
		t.Fatal(err)
	}
	event := func(names string) string {
		return fmt.Sprintf(`{"specversion":"1.0","id":%q,"source":"/s","type":"dev.numberfleet.message.delivered.v1","time":"2026-03-02T09:00:00Z","data":{%s,"user":"US.1","messageID":"m"}}`, names, names)
	}
	run := func(lines ...string) (Result, error) {
		return Run(t.Context(), Config{Policy: shipped(t, "quality-based"), Fleet: fleet}, strings.NewReader(strings.Join(lines, "\n")))
	}
	result, err := run(event(`"numberID":"7001"`), event(`"number":"`+first+`"`), event(`"number":"`+first+`","numberID":"7001"`))
	if err != nil || len(result.Final) != 1 || result.Final[0].Used != 1 {
		t.Errorf("got %+v, %v", result.Final, err)
	}
	if result, err := run(event(`"number":"` + second + `","numberID":"7001"`)); err != nil || len(result.Final) != 1 || result.Final[0].Used != 1 {
		t.Errorf("displayed as another number: got %+v, %v", result.Final, err)
	}
}

// Both forms of a phone number are one user, and a message from one opens the window for the other.
func TestTwoFormsOfANumberAreOneUser(t *testing.T) {
	for _, form := range [][2]string{{"+5215512345678", "525512345678"}, {"+5491123456789", "541123456789"}, {"551187654321", "+55 11 98765-4321"}} {
		var s script
		s.add(day(2), "message.delivered", first, fmt.Sprintf(`"user":%q,"messageID":"m1"`, form[0]))
		s.add(day(2), "message.delivered", first, fmt.Sprintf(`"user":%q,"messageID":"m2"`, form[1]))
		s.add(day(10), "message.received", first, fmt.Sprintf(`"user":%q`, form[0]))
		s.add(day(10).Add(time.Hour), "message.delivered", first, fmt.Sprintf(`"user":%q,"messageID":"m3"`, form[1]))
		for until, want := range map[time.Time]int64{day(2).Add(time.Hour): 1, day(10).Add(2 * time.Hour): 0} {
			result, err := s.run(t, Config{Until: until})
			if err != nil || result.Final[0].Used != want {
				t.Errorf("%s and %s: %+v, %v", form[0], form[1], result.Final, err)
			}
		}
	}
}

func TestUntil(t *testing.T) {
	var s script
	s.add(day(2), "message.delivered", first, `"user":"US.u","messageID":"m"`)
	s.add(day(4), "message.delivered", second, `"user":"US.u","messageID":"m"`)
	for _, test := range []struct {
		until   time.Time
		numbers int
		used    int64
	}{{day(3).Add(-time.Second), 1, 1}, {day(3), 1, 0}, {day(4), 2, 0}, {day(9), 2, 0}, {day(1), 0, 0}} {
		result, err := s.run(t, Config{Until: test.until})
		if err != nil || len(result.Final) != test.numbers {
			t.Fatalf("until %s: %+v, %v", test.until, result.Final, err)
		}
		if test.numbers > 0 && (result.Final[0].Used != test.used || !result.Final[0].Time.Equal(test.until)) {
			t.Errorf("until %s: %+v", test.until, result.Final[0])
		}
	}
}

func TestFleet(t *testing.T) {
	fleet, err := ReadFleet(strings.NewReader(`# numbers
apiVersion: v1
kind: Namespace
metadata: {name: fleet}
---
---
apiVersion: whatsapp.numberfleet.dev/v1alpha1
kind: PhoneNumber
metadata: {name: a}
spec: {phoneNumber: "+15550100002", verification: Verified, business: {portfolio: acme, humanEscalationPaths: [Email]}}
---
apiVersion: v1
kind: List
items:
- apiVersion: whatsapp.numberfleet.dev/v1alpha1
  kind: PhoneNumber
  metadata: {name: b}
  spec: {phoneNumber: "+15550100001"}
- apiVersion: whatsapp.numberfleet.dev/v1alpha1
  kind: BusinessPortfolio
  metadata: {name: nobodys}
`))
	want := []Number{{PhoneNumber: second, Verification: v1alpha1.Verified, HumanEscalation: true, Portfolio: "acme"}, {PhoneNumber: first}}
	if err != nil || fmt.Sprint(fleet.Numbers) != fmt.Sprint(want) {
		t.Fatalf("%+v, %v", fleet, err)
	}

	// botmaker requires a way to a human; the number that has none declared is Low from the first event on.
	var s script
	s.add(day(2), "message.received", "+15550100003", `"user":"US.u"`)
	result, err := s.run(t, Config{Policy: shipped(t, "botmaker"), Fleet: fleet})
	if err != nil {
		t.Fatal(err)
	}
	if got := told(result); got != "02 00:00:00 1 QualityChanged\n02 00:00:00 1 Flagged" || len(result.Final) != 3 {
		t.Errorf("%s\n%+v", got, result.Final)
	}

	if result, err = new(script).run(t, Config{Fleet: fleet, Until: day(3)}); err != nil || len(result.Final) != 2 {
		t.Errorf("without events: %+v, %v", result, err)
	}
	if _, err = new(script).run(t, Config{Fleet: fleet}); err == nil {
		t.Error("without events and an end there is no time")
	}
	if result, err = new(script).run(t, Config{}); err != nil || len(result.Final) != 0 {
		t.Errorf("without anything: %+v, %v", result, err)
	}
}

func TestTable(t *testing.T) {
	result := Result{
		Transitions: []Transition{{Subject: first, Transition: rules.Transition{Time: day(2), Reason: v1alpha1.ReasonTierUpgraded, From: "1", To: "2", Message: "why"}}},
		Final:       []Final{{Time: day(3), Subject: first, Tier: rules.Tier{Name: "2"}, Used: 7, Room: rules.Room{Sendable: true, Remaining: 3}, Quality: v1alpha1.QualityHigh, State: v1alpha1.StateConnected}},
		Portfolios:  []PortfolioFinal{{Subject: "acme", Numbers: 2, Tier: rules.Tier{Name: "250", Limit: 250}, Used: 8, Room: rules.Room{Reason: v1alpha1.RoomOffline}, Quality: v1alpha1.QualityMedium}},
		Templates: []TemplateFinal{{Subject: "news", State: v1alpha1.TemplateApproved, Quality: v1alpha1.QualityUnknown},
			{Subject: "promo", State: v1alpha1.TemplatePaused, Until: day(4), Quality: v1alpha1.QualityLow, Pauses: 1}},
	}
	var got bytes.Buffer
	if err := result.WriteTable(&got); err != nil {
		t.Fatal(err)
	}
	const want = `TIME                  SUBJECT       REASON        CHANGE  MESSAGE
2026-03-02T00:00:00Z  +15550100001  TierUpgraded  1 -> 2  why

NUMBER        STATE      TIER  USED  LIMIT      REMAINING  QUALITY  AT
+15550100001  Connected  2     7     unlimited  3          High     2026-03-03T00:00:00Z

PORTFOLIO  NUMBERS  TIER  USED  LIMIT  REMAINING    QUALITY
acme       2        250   8     250    0 (Offline)  Medium

TEMPLATE  STATE     UNTIL                 PAUSES  QUALITY
news      Approved  -                     0       Unknown
promo     Paused    2026-03-04T00:00:00Z  1       Low
`
	if got.String() != want {
		t.Errorf("got\n%s\nwant\n%s", got.String(), want)
	}
}
