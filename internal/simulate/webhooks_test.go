package simulate

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/meta/metatest"
	"numberfleet.dev/numberfleet/internal/webhookfile"
)

// keptAs reads bodies that were kept in that order.
func keptAs(t interface{ Fatal(...any) }, bodies ...[]byte) *Webhooks {
	webhooks, err := ReadWebhooks(func(yield func(webhookfile.Body, error) bool) {
		for i, body := range bodies {
			if !yield(webhookfile.Body{File: "kept", Line: i + 1, JSON: body}, nil) {
				return
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return webhooks
}

func playBodies(t *testing.T, config Config, bodies ...[]byte) Result {
	t.Helper()
	if config.Policy.Policy == nil {
		config.Policy = shipped(t, "meta-2025")
	}
	config.Webhooks = keptAs(t, bodies...)
	result, err := Run(t.Context(), config, nil)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func delivered(number, user string, at time.Time) []byte {
	return metatest.MessagesPayload(number, []metatest.Status{{ID: fmt.Sprint("wamid.", user, at.Unix()), Status: "delivered", Phone: user, At: at}}, nil)
}

func wrote(number, user string, at time.Time) []byte {
	return metatest.MessagesPayload(number, nil, []metatest.Inbound{{ID: fmt.Sprint("in.", user, at.Unix()), Phone: user, At: at}})
}

// What happened is the same whether webhooks or events tell it, or some of each, and in whatever order webhooks were kept, and kept
// twice.
func TestWebhooksAndEventsOfTheSameGiveTheSame(t *testing.T) {
	policy := smallWith(t)
	rapid.Check(t, func(t *rapid.T) {
		config := Config{Policy: policy, Until: day(20)}
		var events, some []string
		var webhooks, rest [][]byte
		at := day(2)
		for i := range rapid.IntRange(1, 60).Draw(t, "events") {
			at = at.Add(time.Duration(rapid.SampledFrom([]int{1, 1, 60, 3600, 6 * 3600}).Draw(t, "seconds later")) * time.Second)
			number := rapid.SampledFrom([]string{first, second}).Draw(t, "number")
			user := fmt.Sprint("1555019900", rapid.IntRange(1, 9).Draw(t, "user"))
			var kind, data string
			var body []byte
			switch rapid.SampledFrom([]string{"deliver", "deliver", "deliver", "receive", "low", "limit"}).Draw(t, "what") {
			case "deliver":
				kind, data = "message.delivered", fmt.Sprintf(`"user":%q,"messageID":"%d"`, user, i)
				body = metatest.MessagesPayload(number, []metatest.Status{{ID: fmt.Sprint(i), Status: "delivered", Phone: user, At: at}}, nil)
			case "receive":
				kind, data, body = "message.received", fmt.Sprintf(`"user":%q`, user), wrote(number, user, at)
			case "low":
				kind, data, body = "connection.reported", `"state":"Flagged"`, nil
			case "limit":
				kind, data, body = "limit.reported", `"limit":10`, metatest.QualityUpdatePayload(number, "UPGRADE", "10", at)
			}
			line := fmt.Sprintf(`{"specversion":"1.0","id":"%d","source":"/s","type":"dev.numberfleet.%s.v1","time":%q,"data":{"number":%q,%s}}`+"\n",
				i, kind, at.Format(time.RFC3339), number, data)
			events = append(events, line)
			if body == nil || rapid.Bool().Draw(t, "as an event") {
				some = append(some, line)
			} else {
				rest = append(rest, body)
			}
			if body != nil {
				webhooks = append(webhooks, body)
			}
		}
		want := wording(mustRun(t, config, strings.Join(events, "")))
		config.Webhooks = keptAs(t, rapid.Permutation(slices.Concat(rest, rest)).Draw(t, "kept")...)
		same(t, "some of each", want, wording(mustRun(t, config, strings.Join(some, ""))))
		if len(webhooks) == len(events) {
			config.Webhooks = keptAs(t, rapid.Permutation(webhooks).Draw(t, "all kept")...)
			same(t, "all webhooks", want, wording(mustRun(t, config, "")))
		}
	})
}

// A message from a user that an event tells opens the window for a delivery that a webhook tells: a user is one in both.
func TestAUserIsOneInEventsAndWebhooks(t *testing.T) {
	var s script
	s.add(day(2), "message.received", first, `"user":"+15550199001"`)
	result, err := s.run(t, Config{Policy: shipped(t, "meta-2025"), Webhooks: keptAs(t, delivered(first, "15550199001", day(2).Add(time.Hour)), delivered(first, "15550199002", day(2).Add(time.Hour)))})
	if err != nil || len(result.Final) != 1 || result.Final[0].Used != 1 || !result.Final[0].Time.Equal(day(2).Add(time.Hour)) {
		t.Errorf("got %+v, %v", result.Final, err)
	}
}

// What Meta says of an account reaches its numbers, also those that were named only later, and no others; a fleet's word of which
// account a number is in goes before where it was named.
func TestWhatIsSaidOfAnAccountReachesItsNumbers(t *testing.T) {
	at, until := day(2), day(5).Unix()
	restricted := func(account string) []byte {
		return metatest.RestrictionPayload(account, at, metatest.Restriction{Type: "RESTRICTED_BIZ_INITIATED_MESSAGING", Expiration: until})
	}
	later := delivered(first, "15550199001", day(3)) // of the account that every such payload is of
	fleet := Fleet{Numbers: []Number{{PhoneNumber: first, Account: "77", HumanEscalation: true}, {PhoneNumber: second, Account: "77", HumanEscalation: true}}}
	for _, test := range []struct {
		name    string
		fleet   *Fleet
		account string
		want    string
	}{
		{"the account that it was named in", nil, metatest.Account, "02 00:00:00 1 Restricted"},
		{"another account", nil, "78", ""},
		{"the declared account", &fleet, "77", "02 00:00:00 1 Restricted\n02 00:00:00 2 Restricted"},
		{"not the declared account", &fleet, metatest.Account, ""},
	} {
		if got := told(playBodies(t, Config{Fleet: test.fleet}, later, restricted(test.account))); got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}

// A limit of an account is that of its portfolio: of each number that is one of its own, and nothing where limits belong to numbers.
func TestALimitOfAnAccountIsThatOfItsPortfolio(t *testing.T) {
	bodies := [][]byte{delivered(first, "15550199001", day(2)), metatest.CapabilityPayload(metatest.Account, 10000, day(3))}
	shared := &Fleet{Numbers: []Number{{PhoneNumber: first, Portfolio: "acme"}, {PhoneNumber: second, Portfolio: "acme"}}}
	for _, test := range []struct {
		policy string
		fleet  *Fleet
		want   string
	}{
		{"meta-2025", nil, "10000 [+15550100001 LimitReported]"},
		{"meta-2025", shared, "10000 [acme LimitReported]"},
		{"meta-2023", nil, "250 []"},
	} {
		result := playBodies(t, Config{Policy: shipped(t, test.policy), Fleet: test.fleet}, bodies...)
		var happened []string
		for _, r := range result.Transitions {
			happened = append(happened, r.Subject+" "+string(r.Reason))
		}
		if got := fmt.Sprint(result.Final[0].Tier.Limit, happened); got != test.want {
			t.Errorf("%s: got %s, want %s", test.policy, got, test.want)
		}
	}
}

// What Meta says of a portfolio by its id reaches the one that has it in the fleet, or else the numbers of the account that it came with.
func TestWhatIsSaidOfAPortfolioReachesIt(t *testing.T) {
	bodies := [][]byte{
		delivered(first, "15550199001", day(2)),
		metatest.CertificationPayload(metatest.Account, "4711", "APPROVED", day(3)),
	}
	fleet := &Fleet{Numbers: []Number{{PhoneNumber: first, Portfolio: "acme"}}, Portfolios: []Portfolio{{Name: "acme", ID: "4711"}}}
	for who, fleet := range map[string]*Fleet{first: nil, "acme": fleet} {
		result := playBodies(t, Config{Fleet: fleet}, bodies...)
		if len(result.Transitions) != 2 || result.Transitions[0].Subject != who || result.Transitions[0].Reason != v1alpha1.ReasonVerificationChanged ||
			result.Final[0].Tier.Name != "2K" {
			t.Errorf("%s: got %+v, %+v", who, result.Transitions, result.Final)
		}
	}
}

// A template goes by its name; where several do, by language and account too. Its quality counts for the numbers of its account.
func TestTemplatesOfWebhooks(t *testing.T) {
	result := playBodies(t, Config{},
		delivered(first, "15550199001", day(2)),
		metatest.TemplateStatusPayload(metatest.Account, "promo", "en_US", "PAUSED", "FIRST_PAUSE", day(3)),
		metatest.TemplateStatusPayload(metatest.Account, "promo", "es", "APPROVED", "", day(3)),
		metatest.TemplateStatusPayload("78", "promo", "es", "APPROVED", "", day(3)),
		metatest.TemplateQualityPayload(metatest.Account, "news", "en", "GREEN", "YELLOW", day(3)),
	)
	var got []string
	for _, f := range result.Templates {
		got = append(got, fmt.Sprintf("%s %s %s", f.Subject, f.State, f.Quality))
	}
	want := []string{"news Approved Medium", "promo en_US Paused Unknown", "promo es 2001 Approved Unknown", "promo es 78 Approved Unknown"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A number that is named and of which nothing counts is there all the same, from when it was named, and the end is the last that
// webhooks say.
func TestANumberIsThereFromWhenItIsNamed(t *testing.T) {
	sent := func(number string, at time.Time) []byte {
		return metatest.MessagesPayload(number, []metatest.Status{{ID: "m", Status: "sent", Phone: "15550199001", At: at}}, nil)
	}
	result := playBodies(t, Config{}, sent(first, day(3)), metatest.MessagesPayload(second, nil, nil), metatest.NameUpdatePayload(first, "APPROVED", "Shop", "", day(2)))
	if len(result.Final) != 2 || result.Final[0].Subject != first || result.Final[1].Subject != second || !result.Final[1].Time.Equal(day(3)) {
		t.Errorf("got %+v", result.Final)
	}
	if passed := keptAs(t, sent(first, day(3))).Passed; passed.Uncounted != 1 || passed.Webhooks != 1 {
		t.Errorf("got %+v", passed)
	}
}

// Webhooks after the end are not played.
func TestWebhooksEndWhenTheSimulationDoes(t *testing.T) {
	result := playBodies(t, Config{Until: day(3)}, delivered(first, "15550199001", day(2).Add(12*time.Hour)), delivered(first, "15550199002", day(3)), delivered(first, "15550199003", day(4)))
	if f := result.Final[0]; f.Used != 2 || !f.Time.Equal(day(3)) {
		t.Errorf("got %+v", f)
	}
}

// A body that the operator would refuse is an error that says where it stands; parts that it would pass over are passed over, and told
// of without what stood there.
func TestWhatCannotBeReadIsTold(t *testing.T) {
	for body, want := range map[string]string{
		`{"object":"whatsapp_business_account"}`: "kept line 1: entry must be an array, but is absent",
		`{"object":7}`:                           `kept line 1: object must be "whatsapp_business_account", but is another number`,
		`{"object":}`:                            "kept line 1: the body ",
	} {
		_, err := ReadWebhooks(func(yield func(webhookfile.Body, error) bool) {
			yield(webhookfile.Body{File: "kept", Line: 1, JSON: []byte(body)}, nil)
		})
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", body, err, want)
		}
	}
	broken := errors.New("broken")
	if _, err := ReadWebhooks(func(yield func(webhookfile.Body, error) bool) { yield(webhookfile.Body{}, broken) }); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}

	bad := bytes.Replace(delivered(first, "15550199001", day(2)), []byte(`"timestamp":"`), []byte(`"timestamp":"personal`), 1)
	webhooks := keptAs(t, delivered(first, "15550199001", day(2)), bad, []byte(`{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"history","value":{}}]}]}`))
	for all, want := range map[bool]string{
		false: "1 parts of 3 webhooks could not be read, and were passed over: --show-unread says which.\n",
		true: "kept line 2: entry[0].changes[0].value.statuses[0].timestamp must be a time in Unix seconds, as a string or a whole number, but is another string\n" +
			"Of 3 webhooks, 1 parts could not be read, and 0 updates count for nothing; changes of fields that nothing is taken from: history 1.\n",
	} {
		var got bytes.Buffer
		if err := webhooks.Passed.Write(&got, all); err != nil || got.String() != want {
			t.Errorf("got %q, %v, want %q", got.String(), err, want)
		}
	}
}

// The golden file is, to the byte, what the simulator makes of a directory of webhooks.
func TestGoldenWebhooks(t *testing.T) {
	files, err := webhookfile.Files(filepath.Join("testdata", "webhooks"))
	if err != nil {
		t.Fatal(err)
	}
	webhooks, err := ReadWebhooks(webhookfile.Bodies(files, nil))
	if err != nil {
		t.Fatal(err)
	}
	result, err := Run(t.Context(), Config{Policy: shipped(t, "meta-2025"), Webhooks: webhooks}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if err := result.WriteJSON(&got); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(filepath.Join("testdata", "webhooks.golden.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got.String(), want)
	}
}

// A fleet that gives the ids that Meta gave finds its numbers however Meta displays them.
func TestWebhooksFindTheNumberThatHasTheID(t *testing.T) {
	about := func(shown, message string) []byte {
		return fmt.Appendf(nil, `{"object":"whatsapp_business_account","entry":[{"id":"2001","changes":[{"field":"messages","value":{"messaging_product":"whatsapp",
			"metadata":{"display_phone_number":%q,"phone_number_id":"7001"},"statuses":[{"id":%q,"status":"delivered","timestamp":"%d","recipient_id":"155577700%s"}]}}]}]}`,
			shown, message, day(2).Unix(), message)
	}
	bodies := [][]byte{about("551187654321", "01"), about("+5511987654321", "02"), about("", "03")}
	fleet := &Fleet{Numbers: []Number{{PhoneNumber: "+5511987654321", ID: "7001", HumanEscalation: true}}}
	result := playBodies(t, Config{Fleet: fleet}, bodies...)
	if len(result.Final) != 1 || result.Final[0].Subject != "+5511987654321" || result.Final[0].Used != 3 {
		t.Errorf("got %+v", result.Final)
	}
	if without := playBodies(t, Config{}, bodies...); len(without.Final) != 3 {
		t.Errorf("without a fleet got %+v", without.Final)
	}
}
