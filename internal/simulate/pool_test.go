package simulate

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/meta/metatest"
)

// members are manifests of numbers that a pool selects, with what stands in their specs, and of the pool.
func members(specs ...string) string {
	var all []string
	for i, spec := range specs {
		all = append(all, fmt.Sprintf("apiVersion: whatsapp.numberfleet.dev/v1alpha1\nkind: PhoneNumber\n"+
			"metadata: {name: n%d, namespace: fleet, labels: {team: news}, annotations: {whatsapp.numberfleet.dev/weight: \"%d\"}}\n"+
			"spec: {phoneNumber: \"+1555010000%d\", business: {name: Acme, humanEscalationPaths: [PhoneCall]%s}}\n", i+1, i, i+1, spec))
	}
	all = append(all, "apiVersion: whatsapp.numberfleet.dev/v1alpha1\nkind: NumberPool\nmetadata: {name: news, namespace: fleet}\n"+
		"spec: {selector: {matchLabels: {team: news}}}\n")
	return strings.Join(all, "---\n")
}

func poolOf(t interface {
	Helper()
	Fatal(...any)
}, fleet *Fleet, strategy v1alpha1.PoolStrategy) *Pool {
	t.Helper()
	resource, err := fleet.PoolNamed("news")
	if err != nil || resource == nil {
		t.Fatal(resource, err)
	}
	pool, err := fleet.Pool(resource)
	if err != nil {
		t.Fatal(err)
	}
	if pool, err = pool.WithStrategy(strategy); err != nil {
		t.Fatal(err)
	}
	return pool
}

func fleetOf(t testing.TB, manifests string) *Fleet {
	t.Helper()
	fleet, err := ReadFleet(strings.NewReader(manifests))
	if err != nil {
		t.Fatal(err)
	}
	return fleet
}

// runPool plays a script with the pool of a fleet, under rules by which ten users may be messaged.
func (s *script) runPool(t *testing.T, strategy v1alpha1.PoolStrategy, fleet *Fleet) *PoolResult {
	t.Helper()
	result, err := s.run(t, Config{Policy: smallWith(t, ".*PerThousand.*", "", "delayHours: 2", "delayHours: 700"), Fleet: fleet, Pool: poolOf(t, fleet, strategy)})
	if err != nil {
		t.Fatal(err)
	}
	return result.Pool
}

func (s *script) deliver(at time.Time, number string, user int) {
	s.add(at, "message.delivered", number, fmt.Sprintf(`"user":"US.u%d","messageID":"m%d"`, user, len(s.lines)))
}

// shares are how many users each number sent to.
func shares(r *PoolResult) (users []int64) {
	for _, m := range r.Members {
		users = append(users, m.Users)
	}
	return users
}

// The golden file is, to the byte, what becomes of the pool of testdata/pool.fleet.yaml under each strategy.
func TestGoldenPool(t *testing.T) {
	manifests, err := os.ReadFile(filepath.Join("testdata", "pool.fleet.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	events, err := os.ReadFile(filepath.Join("testdata", "pool.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	fleet := fleetOf(t, string(manifests))
	var results []*PoolResult
	for _, strategy := range []v1alpha1.PoolStrategy{v1alpha1.Sticky, v1alpha1.LeastUsed, v1alpha1.Weighted} {
		config := Config{Policy: policyFile(t, "testdata/pool.policy.yaml"), Fleet: fleet, Pool: poolOf(t, fleet, strategy)}
		result, err := Run(t.Context(), config, bytes.NewReader(events))
		if err != nil {
			t.Fatal(err)
		}
		results = append(results, result.Pool)
	}
	for name, write := range map[string]func(*bytes.Buffer) error{
		"pool.golden.jsonl": func(to *bytes.Buffer) error { return WritePoolsJSON(to, results) },
		"pool.golden.txt":   func(to *bytes.Buffer) error { return WritePoolsTable(to, results) },
	} {
		var got bytes.Buffer
		if err := write(&got); err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		if got.String() != string(want) {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got.String(), want)
		}
	}
}

// A pool of one number that was never at its limit sends what was recorded: all comes to the same as without the pool.
func TestAPoolOfOneNumberSendsWhatWasRecorded(t *testing.T) {
	fleet := fleetOf(t, members(""))
	var s script
	for i := range 40 {
		at := day(2).Add(time.Duration(i) * 3 * time.Hour)
		s.deliver(at, first, i%8)
		s.add(at.Add(time.Minute), "message.received", first, fmt.Sprintf(`"user":"US.u%d"`, i%3))
		s.add(at.Add(2*time.Minute), "message.delivered", first, fmt.Sprintf(`"user":"US.u%d","messageID":"s%d","category":"Service"`, i%3, i))
	}
	s.add(day(8), "quality.reported", first, `"rating":"Medium"`)
	config := Config{Policy: smallWith(t, ".*PerThousand.*", ""), Fleet: fleet}
	want, err := s.run(t, config)
	if err != nil {
		t.Fatal(err)
	}
	config.Pool = poolOf(t, fleet, v1alpha1.Sticky)
	got, err := s.run(t, config)
	if err != nil {
		t.Fatal(err)
	}
	if len(want.Transitions) == 0 || !reflect.DeepEqual(got.Transitions, want.Transitions) || !reflect.DeepEqual(got.Final, want.Final) {
		t.Errorf("got\n%s\n%+v\nwant\n%s\n%+v", told(got), got.Final, told(want), want.Final)
	}
	if p := got.Pool; p.Messages != 80 || p.Sent != 80 || p.Users != 8 || p.Changes != 0 || p.Dry != 0 || len(p.Refused) != 0 {
		t.Errorf("the pool: %+v", p)
	}
}

// What one number could not send, another of the pool sends; what none could is refused, and the pool is dry until the first user leaves
// the window.
func TestAPoolSendsUntilEveryLimitIsReached(t *testing.T) {
	var s script
	for i := range 25 {
		s.deliver(day(2).Add(time.Duration(i)*time.Minute), first, i)
	}
	s.deliver(day(3), first, 30) // the first user has left
	s.deliver(day(4), first, 31)
	r := s.runPool(t, v1alpha1.LeastUsed, fleetOf(t, members("", "")))
	if r.Messages != 27 || r.Sent != 22 || r.Refused["LimitReached"] != 5 || r.Users != 27 || r.UsersRefused != 5 {
		t.Errorf("%+v", r)
	}
	for _, m := range r.Members {
		if m.MostUsed != 10 || m.MostUsedOf != 10 {
			t.Errorf("%s used %d of %d", m.Name, m.MostUsed, m.MostUsedOf)
		}
	}
	// Dry from the 20th message on to the next day, and again for a minute: the stretch is told once.
	if want := 24*time.Hour - 19*time.Minute + time.Minute; r.Dry != 1 || r.DryFor != want {
		t.Errorf("dry %d times, for %s; want once, for %s", r.Dry, r.DryFor, want)
	}
}

// A limit that the numbers share counts once, with what a number outside of the pool uses of it.
func TestAPoolSharesTheLimitOfItsPortfolio(t *testing.T) {
	fleet := fleetOf(t, members(", portfolio: acme", ", portfolio: acme")+`---
apiVersion: whatsapp.numberfleet.dev/v1alpha1
kind: PhoneNumber
metadata: {name: other, namespace: fleet}
spec: {phoneNumber: "+15550100009", business: {name: Acme, portfolio: acme, humanEscalationPaths: [PhoneCall]}}
---
apiVersion: whatsapp.numberfleet.dev/v1alpha1
kind: BusinessPortfolio
metadata: {name: acme}
spec: {budgets: [{name: codes, categories: [Authentication], guaranteed: 2}]}
`)
	var s script
	for i := range 3 {
		s.deliver(day(2), "+15550100009", 100+i)
	}
	for i := range 8 {
		s.deliver(day(2).Add(time.Minute), first, i)
	}
	r := s.runPool(t, v1alpha1.Sticky, fleet)
	// Of 10, 3 are used by the other number and 2 are kept for codes.
	if r.Messages != 8 || r.Sent != 5 || r.Refused["LimitReached"] != 3 || slices.Max([]int64{r.Members[0].MostUsed, r.Members[1].MostUsed}) != 8 {
		t.Errorf("%+v", r)
	}
}

// Each strategy places users as its page says.
func TestPoolStrategies(t *testing.T) {
	var s script
	for i := range 18 {
		s.deliver(day(2).Add(time.Duration(i)*time.Minute), first, i)
	}
	s.deliver(day(3).Add(time.Hour), first, 3)
	fleet := fleetOf(t, members("", "", "")) // with the weights 0, 1 and 2
	if r := s.runPool(t, v1alpha1.LeastUsed, fleet); slices.Max(shares(r)) > 7 || slices.Min(shares(r)) < 6 {
		t.Errorf("LeastUsed: %v", shares(r))
	}
	if r := s.runPool(t, v1alpha1.Weighted, fleet); r.Members[0].Sent != 0 || r.Members[2].Users < r.Members[1].Users {
		t.Errorf("Weighted: %v", shares(r))
	}
	if r := s.runPool(t, v1alpha1.Sticky, fleet); r.Changes != 0 || slices.Min(shares(r)) == 0 {
		t.Errorf("Sticky: %v, and %d changes", shares(r), r.Changes)
	}
}

// A number that is rated too low takes no further user from the next message on, and its users go to others.
func TestAPoolDrainsANumberOfLowQuality(t *testing.T) {
	fleet := fleetOf(t, members("", ""))
	var s script
	for i := range 8 {
		s.deliver(day(2).Add(time.Duration(i)*time.Minute), first, i)
	}
	before := s.runPool(t, v1alpha1.Sticky, fleet)
	s.add(day(3), "quality.reported", first, `"rating":"Low"`)
	for i := range 8 {
		s.deliver(day(3), second, i)
	}
	after := s.runPool(t, v1alpha1.Sticky, fleet)
	if moved := before.Members[0].Users; moved == 0 || after.Changes != moved || after.Members[0].Sent != before.Members[0].Sent || after.Members[1].Users != 8 {
		t.Errorf("before %v, after %v with %d changes", shares(before), shares(after), after.Changes)
	}
}

// What a user writes comes to the number that sent to them: the next message is a reply there, whichever number it was recorded of.
func TestUsersWriteToTheNumberThatSentToThem(t *testing.T) {
	var s script
	for i := range 20 {
		s.deliver(day(2), first, i)
		s.add(day(2).Add(time.Minute), "message.received", first, fmt.Sprintf(`"user":"US.u%d"`, i))
		s.add(day(2).Add(time.Hour), "message.delivered", second, fmt.Sprintf(`"user":"US.u%d","messageID":"s%d","category":"Service"`, i, i))
	}
	slices.SortStableFunc(s.lines, func(a, b string) int { return strings.Compare(timeOf(a), timeOf(b)) })
	r := s.runPool(t, v1alpha1.LeastUsed, fleetOf(t, members("", "")))
	if r.Sent != 40 || r.Changes != 0 || r.Members[0].Sent != 20 || r.Members[1].Sent != 20 {
		t.Errorf("%+v", r)
	}
}

func timeOf(line string) string {
	_, after, _ := strings.Cut(line, `"time":"`)
	return after[:len(time.RFC3339)]
}

// A message that is told to be delivered twice, as Meta does of one that is read, is one message of the number that sent it; of one that
// was refused it is refused still.
func TestAPoolSendsAMessageOnce(t *testing.T) {
	var s script
	for range 3 {
		for i := range 25 {
			s.add(day(2), "message.delivered", first, fmt.Sprintf(`"user":"US.u%d","messageID":"m%d"`, i, i))
		}
	}
	for i := range 25 {
		s.add(day(5), "message.delivered", first, fmt.Sprintf(`"user":"US.u%d","messageID":"m%d"`, i, i))
	}
	if r := s.runPool(t, v1alpha1.LeastUsed, fleetOf(t, members("", ""))); r.Messages != 25 || r.Sent != 20 {
		t.Errorf("%+v", r)
	}
}

// Whatever is recorded, each message is sent by one number or refused for a reason; and while no limit falls, none is exceeded.
func TestAPoolExceedsNoLimit(t *testing.T) {
	fleet := fleetOf(t, members("", ", portfolio: acme", ", portfolio: acme"))
	policy := policyFile(t, "testdata/scenarios/small.yaml")
	var limited int64
	rapid.Check(t, func(t *rapid.T) {
		events := slices.DeleteFunc(drawEvents(t, []string{first, second, "+15550100003"}, 0), func(e event) bool {
			return slices.Contains([]string{"limit.reported", "quality.reported", "feedback.received"}, e.kind) // may lower a limit
		})
		events = append(events, event{day(300), "message.delivered", `"number":"+15550100001","user":"US.last","messageID":"last"`})
		pool := poolOf(t, fleet, rapid.SampledFrom([]v1alpha1.PoolStrategy{v1alpha1.Sticky, v1alpha1.LeastUsed, v1alpha1.Weighted}).Draw(t, "strategy"))
		result := mustRun(t, Config{Policy: policy, Fleet: fleet, Pool: pool}, written(events))
		r := result.Pool
		sent, refused := int64(0), int64(0)
		for _, m := range r.Members {
			sent += m.Sent
			if m.MostUsedOf != 0 && m.MostUsed > m.MostUsedOf {
				t.Fatalf("%s used %d of %d", m.Name, m.MostUsed, m.MostUsedOf)
			}
		}
		for _, n := range r.Refused {
			refused += n
		}
		if sent != r.Sent || sent+refused != r.Messages {
			t.Fatalf("%d sent by numbers of %d, %d refused, of %d", sent, r.Sent, refused, r.Messages)
		}
		limited += r.Refused["LimitReached"]
	})
	if limited == 0 {
		t.Error("no limit was ever reached")
	}
}

// What cannot be a pool of the fleet is refused with what is wrong.
func TestPoolsAreRefused(t *testing.T) {
	fleet := fleetOf(t, members("", "")+"---\n"+strings.ReplaceAll(members(), "namespace: fleet", "namespace: other"))
	if _, err := fleet.PoolNamed("news"); err == nil || err.Error() != `"news" is the name of NumberPools of several namespaces: write fleet/news or other/news` {
		t.Errorf("a name of two pools: %v", err)
	}
	other, err := fleet.PoolNamed("other/news")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fleet.Pool(other); err == nil || err.Error() != `NumberPool other/news: spec.selector: no PhoneNumber of the fleet in namespace "other" has the labels "team=news"` {
		t.Errorf("a pool without numbers: %v", err)
	}
	heavy := fleetOf(t, strings.ReplaceAll(members(""), `weight: "0"`, `weight: "many"`))
	pool, err := heavy.Pool(heavy.Pools[0])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pool.WithStrategy(v1alpha1.Weighted); err == nil || !strings.HasPrefix(err.Error(), `PhoneNumber "n1": annotation whatsapp.numberfleet.dev/weight must be`) {
		t.Errorf("a weight that is no number: %v", err)
	}
	if _, err := pool.WithStrategy("Random"); err == nil || err.Error() != "must be Sticky, LeastUsed or Weighted" {
		t.Errorf("an unknown strategy: %v", err)
	}
	var s script
	s.deliver(day(2), "+15550100009", 1)
	if _, err := s.run(t, Config{Fleet: heavy, Pool: pool}); err == nil || err.Error() != "no number of NumberPool fleet/news delivered anything in the events" {
		t.Errorf("events of others: %v", err)
	}
}

// Of webhooks, a message that was delivered and read is one, a user with two ids is one, and what is sent in a group stays with its number.
func TestAPoolSendsWhatWebhooksTell(t *testing.T) {
	var bodies [][]byte
	status := func(s metatest.Status) {
		bodies = append(bodies, metatest.MessagesPayload(first, []metatest.Status{s}, nil))
	}
	for i := range 20 {
		at, user := day(2).Add(time.Duration(i)*time.Minute), fmt.Sprintf("1555019900%02d", i)
		for _, how := range []string{"delivered", "read"} {
			status(metatest.Status{ID: fmt.Sprint("wamid.", i), Status: how, Phone: user, Scoped: fmt.Sprint("US.", i), At: at})
			at = at.Add(time.Hour)
		}
	}
	bodies = append(bodies, metatest.MessagesPayload(first, nil, []metatest.Inbound{{ID: "in", Scoped: "US.3", At: day(2).Add(2 * time.Hour)}}))
	status(metatest.Status{ID: "wamid.reply", Status: "delivered", Scoped: "US.3", Category: "service", At: day(2).Add(3 * time.Hour)})
	status(metatest.Status{ID: "wamid.group", Status: "delivered", Phone: "15550199003", Group: "G", Category: "group_utility", At: day(2).Add(4 * time.Hour)})
	fleet := fleetOf(t, members("", ""))
	r := playBodies(t, Config{Policy: policyFile(t, "testdata/pool.policy.yaml"), Fleet: fleet, Pool: poolOf(t, fleet, v1alpha1.LeastUsed)}, bodies...).Pool
	if r.Messages != 21 || r.Sent != 21 || r.Users != 20 || r.Changes != 0 || !slices.Equal(shares(r), []int64{10, 10}) {
		t.Errorf("%+v", r)
	}
}
