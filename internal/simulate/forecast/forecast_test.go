package forecast

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/rules"
	"numberfleet.dev/numberfleet/internal/simulate"
	"numberfleet.dev/numberfleet/internal/simulate/plan"
	"numberfleet.dev/numberfleet/internal/simulate/simulatetest"
)

const (
	first  = "+15550100001"
	second = "+15550100002"
)

// The expectations are derived by hand from the table of the policies: tier, hours after the beginning, users in all.
func TestForecastAsFastAsTheLimitsAllow(t *testing.T) {
	const v, u = v1alpha1.Verified, v1alpha1.Unverified
	for _, test := range []struct {
		policy       string
		verification v1alpha1.Verification
		want         string
	}{
		// 2,000 messages in 7 d: 1,000 at once and 1,000 after 24 h; they span 48 h at 48 h, and the delay makes 96 h. Then 20,000 in
		// 7 d: with those 2,000, 10,000 at 96 h and 8,000 at 120 h, and 48 h more.
		{"chat-api", u, "2 96h 2000, 3 168h 20000"},
		// The same without span and delay: 1,000 twice make 10,000 at 24 h. At that instant 1,000 of them are used, so that 9,000 more
		// go out: 11,000 are reached, and 9,000 more at 48 h make 20,000.
		{"botmaker", u, "2 24h 2000, 3 48h 20000"},
		{"netcore", u, "2 24h 2000, 3 48h 20000"},
		// From 250: 250 at once and 250 at 24 h are 500, and the limit is 1,000. 2,000 in 7 d are there at 48 h, with 750 more at 24 h
		// and the rest then. The 20,000 and 200,000 take another 24 h each, for the limit allows half of them a day.
		{"taqnyat", u, "1 24h 500, 2 48h 2000, 3 72h 20000, 4 96h 200000"},
		{"taqnyat", v, "2 24h 2000, 3 48h 20000, 4 72h 200000"},
		// Half of the limit at once, again and again.
		{"quality-based", u, "2 0h 500, 3 0h 5000"},
		// 2,000 in 7 d spanning 48 h; then 20,000: the span is there, 10,000 at 48 h and 8,000 at 72 h.
		{"meta-2020", u, "2 48h 2000, 3 72h 20000"},
		// From 250: 1,000 conversations take 250 at 0, 24, 48 and 72 h, no delay. From there half of the limit in 7 d is there already
		// (1,000 of 500), and each step takes 24 h of delay: 5,000 of 10K, 50,000 of 100K.
		{"meta-2023", u, "1K 72h 1000, 10K 96h 1000, 100K 120h 5000, Unlimited 144h 50000"},
		{"meta-2023", v, "10K 24h 500, 100K 48h 5000, Unlimited 72h 50000"},
		// From 250: 2,000 users in 30 d are eight times 250, at 0 to 168 h. In the 7 d before, 1,750 of them: half of 2,000 is there. 6 h
		// of delay each.
		{"meta-2025", u, "2K 168h 2000, 10K 174h 2000, 100K 180h 5250, Unlimited 186h 50250"},
		{"meta-2025", v, "10K 6h 1000, 100K 12h 5000, Unlimited 18h 50000"},
	} {
		steps, err := Steps(t.Context(), New(simulatetest.Policy(t, test.policy), test.verification, simulatetest.Day(2)), Pace{})
		if err != nil {
			t.Fatal(err)
		}
		if got := words(steps, simulatetest.Day(2)); got != test.want {
			t.Errorf("%s, %s:\n got %s\nwant %s", test.policy, test.verification, got, test.want)
		}
	}
}

func words(steps []Step, from time.Time) string {
	var words []string
	for _, s := range steps {
		if s.At.IsZero() {
			words = append(words, fmt.Sprintf("%s never: %s", s.Tier.Name, strings.Join(s.Missing, "; ")))
		} else {
			words = append(words, fmt.Sprintf("%s %gh %d", s.Tier.Name, s.At.Sub(from).Hours(), s.Users))
		}
	}
	return strings.Join(words, ", ")
}

// At a pace, the tiers rise when they do in a plan of the same days.
func TestForecastAtAPaceIsThatOfAPlan(t *testing.T) {
	for _, test := range []struct {
		policy string
		perDay int64
		grow   float64
	}{{"meta-2025", 800, 20}, {"meta-2023", 300, 15}, {"meta-2020", 1200, 10}, {"chat-api", 1500, 5}} {
		config := simulate.Config{Policy: simulatetest.Policy(t, test.policy), Verification: v1alpha1.Verified}
		planned, err := plan.Read(strings.NewReader(fmt.Sprintf("start: 2026-03-02\nsends: [{days: 1-10, users: %d, grow: %g}]", test.perDay, test.grow)))
		if err != nil {
			t.Fatal(err)
		}
		result, err := plan.Run(t.Context(), config, planned, nil)
		if err != nil {
			t.Fatal(err)
		}
		steps, err := Steps(t.Context(), New(config.Policy, v1alpha1.Verified, simulatetest.Day(2)), Pace{PerDay: test.perDay, Grow: test.grow, From: 9 * time.Hour, To: 18 * time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		rises := 0
		for _, tr := range result.Transitions {
			if tr.Reason != v1alpha1.ReasonTierUpgraded {
				continue
			}
			if rises == len(steps) || steps[rises].Tier.Name != tr.To || !steps[rises].At.Equal(tr.Time) {
				t.Errorf("%s, %d a day: %s\nthe plan says %s to %s", test.policy, test.perDay, words(steps, simulatetest.Day(2)), tr.Time, tr.To)
				break
			}
			rises++
		}
		if rises == 0 {
			t.Errorf("%s, %d a day: no tier rises", test.policy, test.perDay)
		}
	}
}

// By hand: 800 users a day from 09:00 to 18:00, 40.5 s apart, and 20 % more the day after. The 1,000th is the 200th of the 960 of
// day 2: at 199/960 of 9 h, 1 h 51 min 56 s. The 5,000th is the 706th of the 1,659 of day 5: at 705/1659 of 9 h, 3 h 49 min 28 s.
func TestForecastEightHundredADay(t *testing.T) {
	pace := Pace{PerDay: 800, Grow: 20, From: 9 * time.Hour, To: 18 * time.Hour}
	steps, err := Steps(t.Context(), New(simulatetest.Policy(t, "meta-2025"), v1alpha1.Verified, simulatetest.Day(2)), pace)
	if err != nil || len(steps) != 3 {
		t.Fatal(steps, err)
	}
	for i, want := range []struct {
		at    time.Time
		users int64
	}{
		{simulatetest.Day(3).Add(10*time.Hour + 51*time.Minute + 56*time.Second + 6*time.Hour), 1000},
		{simulatetest.Day(6).Add(12*time.Hour + 49*time.Minute + 28*time.Second + 6*time.Hour), 5000},
	} {
		if !steps[i].At.Equal(want.at) || steps[i].Users != want.users {
			t.Errorf("%s at %s with %d users, want %s with %d", steps[i].Tier.Name, steps[i].At, steps[i].Users, want.at, want.users)
		}
	}

	// Once the day's hours have begun, the first day is the next.
	later, err := Steps(t.Context(), New(simulatetest.Policy(t, "meta-2025"), v1alpha1.Verified, simulatetest.Day(1).Add(12*time.Hour)), pace)
	if err != nil || !later[0].At.Equal(steps[0].At) {
		t.Errorf("%v, %v", later, err)
	}
}

func TestForecastWhatIsNotReached(t *testing.T) {
	steps, err := Steps(t.Context(), New(simulatetest.Policy(t, "quality-based"), v1alpha1.Unverified, simulatetest.Day(2)), Pace{PerDay: 70, From: 0, To: 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	// In any 7 d there are 490 of the 500 at most.
	if got := words(steps, simulatetest.Day(2)); got != "2 never: 10 more unique users within 7 d, 3 never: 2 comes first" {
		t.Errorf("got %s", got)
	}
}

func TestForecastFromElsewhere(t *testing.T) {
	for _, test := range []struct {
		policy, tier   string
		used, achieved int64
		want           string
	}{
		{"meta-2025", "10K", 0, 0, "100K 6h 5000, Unlimited 12h 50000"},
		{"meta-2025", "10K", 1000, 4000, "100K 6h 1000, Unlimited 12h 46000"},
		{"meta-2025", "10K", 9500, 9500, "100K 6h 0, Unlimited 12h 40500"},
		{"meta-2025", "Unlimited", 0, 0, ""},
		// There is no room for the last 100 until the 1,000 leave.
		{"meta-2020", "1", 1000, 1900, "2 24h 100, 3 48h 18100"},
	} {
		standing, err := New(simulatetest.Policy(t, test.policy), v1alpha1.Verified, simulatetest.Day(2)).AtTier(test.tier)
		if err != nil {
			t.Fatal(err)
		}
		steps, err := Steps(t.Context(), standing.WithUsage(test.used, test.achieved), Pace{})
		if err != nil {
			t.Fatal(err)
		}
		if got := words(steps, simulatetest.Day(2)); got != test.want {
			t.Errorf("%s at %s, %d, %d:\n got %s\nwant %s", test.policy, test.tier, test.used, test.achieved, got, test.want)
		}
	}
	if _, err := New(simulatetest.Policy(t, "meta-2025"), v1alpha1.Verified, simulatetest.Day(2)).AtTier("1K"); err == nil || err.Error() != "is not a tier of policy meta-2025: those are 250, 2K, 10K, 100K, Unlimited" {
		t.Error(err)
	}
}

func TestForecastAfterEvents(t *testing.T) {
	var lines strings.Builder
	add := func(at time.Time, kind, number, data string) {
		fmt.Fprintf(&lines, `{"specversion":"1.0","id":"%d","source":"/s","type":"dev.numberfleet.%s.v1","time":%q,"data":{"number":%q,%s}}`+"\n",
			lines.Len(), kind, at.Format(time.RFC3339), number, data)
	}
	play := func(policy string, until time.Time) simulate.Result {
		result, err := simulate.Run(t.Context(), simulate.Config{Policy: simulatetest.Policy(t, policy), Until: until}, strings.NewReader(lines.String()))
		if err != nil {
			t.Fatal(err)
		}
		return result
	}
	for i := range 400 {
		add(simulatetest.Day(2).Add(time.Duration(i)*time.Second), "message.delivered", first, fmt.Sprintf(`"user":"US.u%d","messageID":"m%d"`, i, i))
	}
	result := play("quality-based", simulatetest.Day(3))
	end, err := result.End("")
	if err != nil {
		t.Fatal(err)
	}
	steps, err := Steps(t.Context(), Start(end), Pace{})
	if err != nil {
		t.Fatal(err)
	}
	// 100 more make the 500 of 1,000, and with those the 5,000 of 10,000.
	if got := words(steps, simulatetest.Day(3)); got != "2 0h 100, 3 0h 4600" {
		t.Errorf("got %s", got)
	}

	// Rated High from now on, a flagged number rises as any other under this policy.
	add(simulatetest.Day(3), "quality.reported", first, `"rating":"Low"`)
	add(simulatetest.Day(3), "quality.reported", second, `"rating":"Low"`)
	result = play("quality-based", time.Time{})
	if _, err := result.End(""); err == nil || err.Error() != "must name one of the 2 that have a limit in these events" {
		t.Error(err)
	}
	if _, err := result.End("acme"); err == nil || err.Error() != "is not in these events" {
		t.Error(err)
	}
	if end, err = result.End(first); err != nil {
		t.Fatal(err)
	}
	if steps, err = Steps(t.Context(), Start(end), Pace{}); err != nil {
		t.Fatal(err)
	}
	if got := words(steps, simulatetest.Day(3)); got != "2 0h 100, 3 0h 4600" {
		t.Errorf("got %s", got)
	}
	// Under others the flag must end first: 7 d of High.
	result = play("netcore", time.Time{})
	if end, err = result.End(first); err != nil {
		t.Fatal(err)
	}
	if steps, err = Steps(t.Context(), Start(end), Pace{}); err != nil {
		t.Fatal(err)
	}
	if got := words(steps, simulatetest.Day(3)); !strings.HasPrefix(got, "2 168h ") {
		t.Errorf("got %s", got)
	}
}

// However many there are, they are sent as far as there is room, and it takes no time to say when.
func TestForecastFarOverTheLimit(t *testing.T) {
	steps, err := Steps(t.Context(), New(simulatetest.Policy(t, "meta-2025"), v1alpha1.Unverified, simulatetest.Day(2)),
		Pace{PerDay: plan.MaxMessages, From: 9 * time.Hour, To: 9*time.Hour + time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	// Eight days of 250; at the same instant 1,750 more, and 6 h later no hours. A day later 2,000 are room for 10,000 less those
	// 2,000 of 24 h before, which leave now: 5,500 with the 500 that are missing of 5,000 in 7 d, of which 250 have left since.
	if got := words(steps, simulatetest.Day(2)); got != "2K 177h 2000, 10K 183h 2000, 100K 207h 5500, Unlimited 231h 50750" {
		t.Errorf("got %s", got)
	}
}

// Users whom nobody messaged before count as the ledger counts them, on top of what it counted before.
func TestSyntheticUsageCountsAsTheLedgerDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		both, before := ledger.OpenMemory(), ledger.OpenMemory()
		messages, now := 0, simulatetest.Day(2)
		deliver := func(user string, to ...*ledger.Ledger) {
			messages++
			hasher := both.Hasher()
			entry := counts.Entry{Number: first, Kind: counts.Delivered, User: hasher.User(user), Message: hasher.Message(fmt.Sprint("m", messages)), At: now.Unix()}
			for _, l := range to {
				if _, err := l.Append(t.Context(), counts.Batch{Entries: []counts.Entry{entry}}, now); err != nil {
					t.Fatal(err)
				}
			}
		}
		step := rapid.IntRange(0, 50_000)
		for range rapid.IntRange(0, 12).Draw(t, "before") {
			now = now.Add(time.Duration(step.Draw(t, "seconds")) * time.Second)
			deliver(fmt.Sprint("known", rapid.IntRange(1, 4).Draw(t, "user")), both, before)
		}
		s := &syntheticUsage{}
		for i := range rapid.IntRange(0, 12).Draw(t, "strangers") {
			now = now.Add(time.Duration(step.Draw(t, "seconds")) * time.Second)
			users := rapid.IntRange(0, 3).Draw(t, "users")
			s.add(now, int64(users))
			for user := range users {
				deliver(fmt.Sprint("stranger", i, "-", user), both)
			}
		}
		var is, want rules.Usage = simulate.Successive{Before: rules.Exact{Counted: before.Usage(first)}, Since: s}, rules.Exact{Counted: both.Usage(first)}
		from := simulatetest.Day(2).Add(time.Duration(step.Draw(t, "from")) * time.Second)
		to := from.Add(time.Duration(rapid.IntRange(0, 600_000).Draw(t, "to")) * time.Second)
		for _, measure := range []v1alpha1.Measure{v1alpha1.MeasureUniqueUsers, v1alpha1.MeasureConversations, v1alpha1.MeasureMessages} {
			if got, want := is.Count(measure, from, to), want.Count(measure, from, to); got != want {
				t.Errorf("%s: %+v, the ledger counts %+v", measure, got, want)
			}
			limit := rapid.Int64Range(0, 20).Draw(t, "limit")
			if got, want := is.FallsBelow(measure, 24*time.Hour, limit, now), want.FallsBelow(measure, 24*time.Hour, limit, now); !got.Equal(want) {
				t.Errorf("%s: falls below %d at %s, in the ledger at %s", measure, limit, got, want)
			}
		}
		n := rapid.Int64Range(0, 20).Draw(t, "nth")
		if got, want := is.Nth(v1alpha1.MeasureUniqueUsers, n, from, to), want.Nth(v1alpha1.MeasureUniqueUsers, n, from, to); !got.Equal(want) {
			t.Errorf("number %d is at %s, in the ledger at %s", n, got, want)
		}
		if got, want := is.Last(v1alpha1.MeasureUniqueUsers, from, to), want.Last(v1alpha1.MeasureUniqueUsers, from, to); !got.Equal(want) {
			t.Errorf("the last is at %s, in the ledger at %s", got, want)
		}
	})
}

func TestForecastTableAndJSON(t *testing.T) {
	standing := New(simulatetest.Policy(t, "meta-2025"), v1alpha1.Verified, simulatetest.Day(2))
	steps := []Step{
		{Tier: rules.Tier{Name: "10K", Limit: 10000}, At: simulatetest.Day(3).Add(time.Hour), Users: 1000, Message: "why"},
		{Tier: rules.Tier{Name: "Unlimited"}, Missing: []string{"a", "b"}},
	}
	var table, lines strings.Builder
	if err := WriteTable(&table, standing, steps); err != nil {
		t.Fatal(err)
	}
	if err := WriteJSON(&lines, standing, steps); err != nil {
		t.Fatal(err)
	}
	const wantTable = `meta-2025, at 2K (limit 2000) at 2026-03-02T00:00:00Z

TIER       LIMIT      AT THE EARLIEST       AFTER      USERS  WHY
10K        10000      2026-03-03T01:00:00Z  1d 1h0m0s  1000   why
Unlimited  unlimited  not within 366 d      -          -      missing: a; b
`
	const wantLines = `{"tier":"10K","limit":10000,"time":"2026-03-03T01:00:00Z","afterSeconds":90000,"users":1000,"message":"why"}
{"tier":"Unlimited","limit":null,"time":null,"afterSeconds":null,"users":null,"missing":["a","b"]}
`
	if table.String() != wantTable || lines.String() != wantLines {
		t.Errorf("got\n%s\n%s", table.String(), lines.String())
	}
}
