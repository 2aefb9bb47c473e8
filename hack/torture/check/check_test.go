package check

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// The first instant of every test, and a number that all is about.
var born = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC).Unix()

const one = "+15550001"

var serial int // of messages

// day and clock to an instant: at("2 09:00:00") is on the second day.
func at(text string) int64 {
	var day, h, m, s int64
	if _, err := fmt.Sscanf(text, "%d %d:%d:%d", &day, &h, &m, &s); err != nil {
		panic(err)
	}
	return born + (day-1)*24*hour + h*hour + m*60 + s
}

// deliver adds a message to a user.
func (t *Input) deliver(number, user, text string) {
	serial++
	body := fmt.Sprintf(`{"entry":[{"changes":[{"field":"messages","value":{"metadata":{"display_phone_number":%q},"statuses":[{"id":"m%d","status":"delivered","timestamp":"%d","recipient_id":%q}]}}]}]}`,
		number[1:], serial, at(text), user)
	if err := t.Webhook([]byte(body)); err != nil {
		panic(err)
	}
}

func (t *Input) rated(number, rating, text string) {
	body := fmt.Sprintf(`{"type":"dev.numberfleet.quality.reported.v1","time":%q,"data":{"number":%q,"rating":%q}}`,
		time.Unix(at(text), 0).UTC().Format(time.RFC3339), number, rating)
	if err := t.Event([]byte(body)); err != nil {
		panic(err)
	}
}

func policy(t *testing.T, spec string) *Policy {
	t.Helper()
	p, err := ReadPolicy([]byte(`{"spec":` + spec + `}`))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func lived(t *testing.T, input *Input, s Subject, until string, want ...string) {
	t.Helper()
	happened, _ := input.Replay(s, at(until))
	same(t, happened, want)
}

func same(t *testing.T, happened []Transition, want []string) {
	t.Helper()
	var got []string
	for _, h := range happened {
		since := time.Unix(h.At, 0).UTC()
		text := fmt.Sprintf("%d %s %s", since.Day(), since.Format(time.TimeOnly), h.Reason)
		if h.From+h.To != "" {
			text += " " + h.From + " " + h.To
		}
		got = append(got, text)
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n  %s\nand not\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

const users = `{"scope":"Number","tiers":[{"name":"A","limit":2},{"name":"B","limit":4},{"name":"C"}],"start":{"unverified":"A","verified":"A"},
	"counting":{"measure":"UniqueUsers","windowHours":24},
	"upgrade":{"measure":"UniqueUsers","thresholdPercent":150,"windowHours":168,"minimumSpanHours":30,"minimumQuality":"Medium"},
	"flag":{"graceHours":48,"recoveryHours":24},"block":{"afterHours":60}}`

// Two users reach the limit of two, until the first has left the window; a third within the week makes 150 % of the limit, but
// only 30 hours after the first.
func TestALimitAndAnUpgrade(t *testing.T) {
	input := NewInput()
	input.deliver(one, "1", "1 09:00:00")
	input.deliver(one, "2", "1 10:00:00")
	input.deliver(one, "2", "1 11:00:00") // the same user
	input.deliver(one, "3", "2 10:30:00")
	s := Subject{Policy: policy(t, users), Numbers: []string{one}}
	lived(t, input, s, "3 00:00:00",
		"1 10:00:00 Restricted",
		"2 09:00:00 RestrictionLifted",
		"2 10:30:00 Restricted", // users 2, whose last was at 11:00, and 3
		"2 11:00:00 RestrictionLifted",
		"2 15:00:00 TierUpgraded A B")
	for instant, want := range map[string]int64{"1 08:59:59": 0, "1 09:00:00": 1, "1 11:00:00": 2, "2 08:59:59": 2, "2 09:00:00": 1, "2 10:30:00": 2, "2 11:00:00": 1, "3 10:29:59": 1, "3 10:30:00": 0} {
		if got := input.Used(s, at(instant)); got != want {
			t.Errorf("at %s %d are used, and not %d", instant, got, want)
		}
	}
}

// Low flags at once and lowers after the grace period; at the floor it blocks 60 hours after the later of Low and the fall.
func TestAFlagAFallAndABlock(t *testing.T) {
	input := NewInput()
	for i, text := range []string{"1 00:00:00", "1 00:00:01", "2 12:00:00"} {
		input.deliver(one, fmt.Sprint(i), text)
	}
	input.rated(one, "Low", "3 00:00:00")
	input.rated(one, "Medium", "9 00:00:00")
	s := Subject{Policy: policy(t, users), Numbers: []string{one}}
	lived(t, input, s, "12 00:00:00",
		"1 00:00:01 Restricted",
		"2 00:00:00 RestrictionLifted",
		"2 12:00:00 TierUpgraded A B",
		"3 00:00:00 QualityChanged Unknown Low",
		"3 00:00:00 Flagged",
		"5 00:00:00 FlagCleared",
		"5 00:00:00 TierDowngraded B A",
		"7 12:00:00 Blocked",
		"9 00:00:00 QualityChanged Low Medium")
	if _, standing := input.Replay(s, at("12 00:00:00")); standing.State != "Blocked" || standing.Tier != "A" {
		t.Errorf("it is %+v in the end", standing)
	}
}

// Medium for the recovery period ends a flag; a relapse before it starts a new grace period.
func TestARecovery(t *testing.T) {
	input := NewInput()
	input.rated(one, "Low", "1 00:00:00")
	input.rated(one, "Medium", "2 00:00:00")
	input.rated(one, "Low", "2 23:00:00")
	input.rated(one, "High", "4 00:00:00")
	lived(t, input, Subject{Policy: policy(t, users), Numbers: []string{one}}, "9 00:00:00",
		"1 00:00:00 QualityChanged Unknown Low",
		"1 00:00:00 Flagged",
		"2 00:00:00 QualityChanged Low Medium",
		"2 23:00:00 QualityChanged Medium Low",
		"4 00:00:00 QualityChanged Low High",
		"5 00:00:00 FlagCleared")
}

// A conversation lasts 24 hours; the delivery that opens the next one is at its end.
func TestConversations(t *testing.T) {
	input := NewInput()
	input.deliver(one, "1", "1 09:00:00")
	input.deliver(one, "1", "2 08:59:59")
	input.deliver(one, "1", "2 09:00:00")
	input.deliver(one, "1", "3 08:00:00")
	s := Subject{Policy: policy(t, `{"scope":"Number","tiers":[{"name":"A","limit":9}],"counting":{"measure":"Conversations","windowHours":24}}`), Numbers: []string{one}}
	for instant, want := range map[string]int64{"1 09:00:00": 1, "2 08:59:59": 1, "2 09:00:00": 1, "3 08:59:59": 1, "3 09:00:00": 0} {
		if got := input.Used(s, at(instant)); got != want {
			t.Errorf("at %s %d are used, and not %d", instant, got, want)
		}
	}
}

// Numbers of a portfolio share users, a limit and the lowest rating; the pending upgrade of both ends with it.
func TestAPortfolio(t *testing.T) {
	const other = "+15550002"
	input := NewInput()
	input.deliver(one, "1", "1 09:00:00")
	input.deliver(other, "1", "1 10:00:00")
	input.deliver(other, "2", "1 11:00:00")
	input.rated(other, "Medium", "1 16:00:00")
	input.rated(other, "High", "1 20:00:00")
	p := policy(t, `{"scope":"Portfolio","tiers":[{"name":"A","limit":2},{"name":"B"}],"start":{"unverified":"A","verified":"A"},"counting":{"measure":"UniqueUsers","windowHours":24},
		"upgrade":{"measure":"UniqueUsers","thresholdPercent":100,"windowHours":168,"minimumQuality":"High","delayHours":6}}`)
	lived(t, input, Subject{Policy: p, Numbers: []string{one, other}, Portfolio: true}, "3 00:00:00",
		"1 11:00:00 UpgradePending A B",
		"1 11:00:00 Restricted",
		"1 16:00:00 UpgradeCancelled A B",
		"1 20:00:00 UpgradePending A B",
		"2 02:00:00 TierUpgraded A B",
		"2 02:00:00 RestrictionLifted")
	lived(t, input, Subject{Policy: p, Numbers: []string{other}, Member: true}, "3 00:00:00",
		"1 16:00:00 QualityChanged Unknown Medium",
		"1 20:00:00 QualityChanged Medium High")
	// And so it ends with the rating of a template.
	input.score("promo", "YELLOW", "1 22:00:00")
	input.score("promo", "GREEN", "2 01:00:00")
	lived(t, input, Subject{Policy: p, Numbers: []string{one, other}, Portfolio: true, Templates: []Template{{Policy: p, Name: "promo"}}}, "3 00:00:00",
		"1 11:00:00 UpgradePending A B",
		"1 11:00:00 Restricted",
		"1 16:00:00 UpgradeCancelled A B",
		"1 20:00:00 UpgradePending A B",
		"1 22:00:00 UpgradeCancelled A B",
		"2 01:00:00 UpgradePending A B",
		"2 07:00:00 TierUpgraded A B",
		"2 07:00:00 RestrictionLifted")
}

// A message is one, whatever is told of it and how often; the earliest time counts. A user by two names is one, and what
// answers a user's message counts nothing for 24 hours.
func TestWhatCounts(t *testing.T) {
	input := NewInput()
	status := func(id, status, names, text string) string {
		return fmt.Sprintf(`{"id":%q,"status":%q,"timestamp":"%d",%s}`, id, status, at(text), names)
	}
	const both, phone, scoped = `"recipient_id":"7","recipient_user_id":"US.7"`, `"recipient_id":"7"`, `"recipient_user_id":"US.7"`
	for _, statuses := range []string{
		status("a", "read", scoped, "1 10:00:00") + "," + status("a", "delivered", phone, "1 09:00:00") + "," + status("b", "sent", `"recipient_id":"8"`, "1 09:00:00"),
		status("c", "delivered", both, "1 12:00:00") + "," + status("d", "failed", `"recipient_id":"9"`, "1 09:00:00"),
		status("e", "delivered", `"recipient_id":"5"`, "2 08:59:59") + "," + status("f", "delivered", `"recipient_id":"5"`, "2 09:00:00"),
	} {
		body := `{"entry":[{"changes":[{"field":"messages","value":{"metadata":{"display_phone_number":"15550001"},"messages":[{"from":"5","timestamp":"` + fmt.Sprint(at("1 09:00:00")) + `"}],"statuses":[` + statuses + `]}}]}]}`
		for range 2 {
			if err := input.Webhook([]byte(body)); err != nil {
				t.Fatal(err)
			}
		}
	}
	s := Subject{Policy: policy(t, users), Numbers: []string{one}}
	if n := input.WeekMessages(s, at("3 00:00:00")); n != 3 { // a, c and f
		t.Errorf("%d messages count, and not 3", n)
	}
	for instant, want := range map[string]int64{"1 08:59:59": 0, "1 09:00:00": 1, "1 12:00:00": 1, "2 08:59:59": 1, "2 09:00:00": 2, "2 12:00:00": 1} {
		if got := input.Used(s, at(instant)); got != want {
			t.Errorf("at %s %d are used, and not %d", instant, got, want)
		}
	}
}

// A message that one of its statuses calls a service message counts nothing, nor does a message to a group in which somebody wrote in the
// 24 hours before. What was written in a group opens no window of its writer, and each participant of a message to a group counts.
func TestWhatIsAReply(t *testing.T) {
	input := NewInput()
	status := func(id, status, more, text string) string {
		return fmt.Sprintf(`{"id":%q,"status":%q,"timestamp":"%d",%s}`, id, status, at(text), more)
	}
	const service = `,"pricing":{"category":"service"}`
	group := func(id, participant string) string {
		return fmt.Sprintf(`"recipient_type":"group","recipient_id":%q,"recipient_participant_id":%q`, id, participant)
	}
	for _, statuses := range []string{
		status("a", "read", `"recipient_id":"1"`, "1 09:00:00") + "," + status("a", "sent", `"recipient_id":"1"`+service, "1 08:59:00"),
		status("b", "delivered", `"recipient_id":"2"`+service, "1 09:00:00") + "," + status("b", "read", `"recipient_id":"2"`, "1 09:01:00"),
		status("c", "delivered", group("g", "3"), "1 11:00:00") + "," + status("c", "delivered", group("g", "4"), "1 09:59:59"), // 3 is a reply
		status("d", "delivered", `"recipient_id":"5"`, "1 11:00:00"),                                                            // who wrote in the group
		status("e", "delivered", group("h", "5"), "1 11:00:00") + "," + status("e", "read", group("h", "6"), "1 11:00:00"),
		status("f", "delivered", group("h", "7")+`,"pricing":{"category":"group_service"}`, "1 11:00:00"),
	} {
		body := `{"entry":[{"changes":[{"field":"messages","value":{"metadata":{"display_phone_number":"15550001"},"messages":[{"from":"5","group_id":"g","timestamp":"` + fmt.Sprint(at("1 10:00:00")) + `"}],"statuses":[` + statuses + `]}}]}]}`
		if err := input.Webhook([]byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	s := Subject{Policy: policy(t, users), Numbers: []string{one}}
	if n := input.WeekMessages(s, at("3 00:00:00")); n != 4 { // c to 4, d, and e to 5 and 6
		t.Errorf("%d messages count, and not 4", n)
	}
	for instant, want := range map[string]int64{"1 09:30:00": 0, "1 10:00:00": 1, "1 12:00:00": 3} {
		if got := input.Used(s, at(instant)); got != want {
			t.Errorf("at %s %d are used, and not %d", instant, got, want)
		}
	}
}

// says adds a webhook about a number or an account.
func (t *Input) says(account, field, value, text string) {
	body := fmt.Sprintf(`{"entry":[{"id":%q,"time":%d,"changes":[{"field":%q,"value":%s}]}]}`, account, at(text), field, value)
	if err := t.Webhook([]byte(body)); err != nil {
		panic(err)
	}
}

// tells adds an event.
func (t *Input) tells(what, data, text string) {
	body := fmt.Sprintf(`{"type":"dev.numberfleet.%s.v1","time":%q,"data":%s}`, what, time.Unix(at(text), 0).UTC().Format(time.RFC3339), data)
	if err := t.Event([]byte(body)); err != nil {
		panic(err)
	}
}

// The limit that Meta reports holds at once, and what was sent before a lower one brings no upgrade. One between two tiers
// rises to the next and falls to the one below; a limit of the throughput or of an account is none of the number's.
func TestAReportedLimit(t *testing.T) {
	input := NewInput()
	for i, text := range []string{"1 09:00:00", "1 10:00:00", "1 11:00:00", "6 09:00:00", "6 10:00:00", "7 09:00:00", "7 15:00:00", "7 16:00:00"} {
		input.deliver(one, fmt.Sprint(i), text)
	}
	const update = "phone_number_quality_update"
	for range 2 { // Meta repeats itself
		input.says("2001", update, `{"display_phone_number":"15550001","event":"UPGRADE","current_limit":"TIER_4"}`, "1 12:00:00")
		input.says("2001", update, `{"display_phone_number":"15550001","event":"THROUGHPUT_UPGRADE","current_limit":"TIER_UNLIMITED"}`, "1 13:00:00")
		input.says("2001", "business_capability_update", `{"max_daily_conversations_per_business":-1}`, "1 14:00:00")
	}
	input.says("2001", update, `{"display_phone_number":"15550001","event":"UPGRADE","current_limit":"TIER_4"}`, "2 00:00:00")
	input.tells("limit.reported", `{"number":"+15550001","limit":3}`, "2 10:00:00")
	input.says("2001", update, `{"display_phone_number":"15550001","event":"FLAGGED","current_limit":"TIER_1K"}`, "8 00:00:00")
	input.tells("limit.reported", `{"number":"+15550001","limit":3}`, "8 12:00:00")
	input.tells("limit.reported", `{"number":"+15550001"}`, "12 06:00:00")
	s := Subject{Policy: policy(t, users), Numbers: []string{one}, Account: "2001"}
	lived(t, input, s, "16 00:00:00",
		"1 10:00:00 Restricted",
		"1 12:00:00 LimitReported A B",
		"1 12:00:00 RestrictionLifted",
		"2 10:00:00 LimitReported B 3",
		"7 16:00:00 TierUpgraded 3 B", // five users since the second day are 150 % of 3
		"8 00:00:00 QualityChanged Unknown Low",
		"8 00:00:00 Flagged",
		"8 00:00:00 LimitReported B 1000",
		"8 12:00:00 LimitReported 1000 3",
		"10 00:00:00 FlagCleared",
		"10 00:00:00 TierDowngraded 3 A",
		"12 06:00:00 LimitReported A C",
		"14 06:00:00 TierDowngraded C B") // after a whole grace period with a tier to fall to
}

// A portfolio takes what Meta reports of one of its numbers, of their account, or of itself by its name or its id. An upgrade
// that is due ends: in silence where the limit is reached with the report.
func TestAReportedLimitOfAPortfolio(t *testing.T) {
	input := NewInput()
	input.deliver(one, "1", "1 09:00:00")
	input.deliver(one, "2", "1 09:30:00")
	input.tells("limit.reported", `{"portfolio":"acme","limit":1}`, "1 10:00:00")
	input.deliver(one, "3", "1 11:00:00")
	input.says("2001", "business_capability_update", `{"max_daily_conversations_per_business":2}`, "1 12:00:00")
	input.deliver(one, "4", "1 13:00:00")
	input.says("2002", "business_capability_update", `{"max_daily_conversations_per_business":"UNLIMITED"}`, "1 14:00:00")
	input.says("2001", "phone_number_quality_update", `{"display_phone_number":"15550001","event":"UPGRADE","current_limit":"TIER_9"}`, "1 15:00:00")
	input.tells("limit.reported", `{"portfolio":"3001"}`, "1 22:00:00")
	p := policy(t, `{"scope":"Portfolio","tiers":[{"name":"A","limit":2},{"name":"B","limit":9},{"name":"C"}],"start":{"unverified":"A","verified":"A"},"counting":{"measure":"UniqueUsers","windowHours":24},
		"upgrade":{"measure":"UniqueUsers","thresholdPercent":100,"windowHours":168,"minimumQuality":"High","delayHours":6}}`)
	lived(t, input, Subject{Policy: p, Numbers: []string{one}, Portfolio: true, Name: "acme", ID: "3001", Account: "2001"}, "3 00:00:00",
		"1 09:30:00 UpgradePending A B",
		"1 09:30:00 Restricted",
		"1 10:00:00 UpgradeCancelled A B",
		"1 10:00:00 LimitReported A 1",
		"1 11:00:00 UpgradePending 1 A",
		"1 12:00:00 LimitReported 1 A",
		"1 13:00:00 UpgradePending A B",
		"1 15:00:00 LimitReported A B",
		"1 15:00:00 RestrictionLifted",
		"1 22:00:00 LimitReported B C")
	lived(t, input, Subject{Policy: p, Numbers: []string{one}, Member: true}, "3 00:00:00")
}

// A business that becomes verified starts at B at once, or stays where it is above it; Low may lower it below B all the same, and
// blocks it at A. Losing the verification lowers nothing.
func TestVerification(t *testing.T) {
	input := NewInput()
	for i := range 3 {
		input.deliver(one, fmt.Sprint(i), "1 09:00:00")
	}
	const partner = `{"event":"PARTNER_CLIENT_CERTIFICATION_STATUS_UPDATE","partner_client_certification_info":{"client_business_id":"3001","status":%q}}`
	input.says("2001", "account_update", fmt.Sprintf(partner, "FAILED"), "1 09:30:00")
	input.says("2001", "account_update", `{"event":"VERIFIED_ACCOUNT","phone_number":"15550001"}`, "1 10:00:00")
	input.tells("verification.reported", `{"number":"+15550001","business":"Verified"}`, "1 11:00:00")
	input.rated(one, "Low", "2 00:00:00")
	input.tells("verification.reported", `{"number":"+15550001","business":"Rejected"}`, "4 10:00:00")
	input.rated(one, "Medium", "6 00:00:00")
	input.tells("limit.reported", `{"number":"+15550001"}`, "6 12:00:00")
	input.rated(one, "Low", "7 00:00:00")
	input.tells("limit.reported", `{"number":"+15550001","limit":4}`, "8 00:00:00")
	input.says("2001", "account_update", fmt.Sprintf(partner, "APPROVED"), "8 12:00:00")
	p := policy(t, users)
	p.Spec.Start.Verified = "B"
	s := Subject{Policy: p, Numbers: []string{one}, Account: "2001"}
	lived(t, input, s, "11 12:00:00",
		"1 09:00:00 Restricted",
		"1 10:00:00 VerificationChanged",
		"1 10:00:00 TierUpgraded A B",
		"1 10:00:00 RestrictionLifted",
		"2 00:00:00 QualityChanged Unknown Low",
		"2 00:00:00 Flagged",
		"4 00:00:00 FlagCleared",
		"4 00:00:00 TierDowngraded B A",
		"4 10:00:00 VerificationChanged",
		"6 00:00:00 QualityChanged Low Medium",
		"6 00:00:00 TierUpgraded A B",
		"6 12:00:00 LimitReported B C",
		"7 00:00:00 QualityChanged Medium Low",
		"7 00:00:00 Flagged",
		"8 00:00:00 LimitReported C B",
		"8 12:00:00 VerificationChanged",
		"9 00:00:00 FlagCleared",
		"9 00:00:00 TierDowngraded B A",
		"11 12:00:00 Blocked") // 60 hours after it came to A
	if _, standing := input.Replay(s, at("2 00:00:00")); standing.Source != "Verification" || standing.Verification != "Verified" {
		t.Errorf("it is %+v on the second day", standing)
	}
	input = NewInput()
	input.tells("limit.reported", `{"number":"+15550001","limit":4}`, "1 00:00:00")
	input.says("2001", "account_update", fmt.Sprintf(partner, "APPROVED"), "1 12:00:00")
	input.rated(one, "Low", "2 00:00:00")
	input.tells("verification.reported", `{"number":"+15550001","business":"Unverified"}`, "4 06:00:00")
	lived(t, input, s, "7 00:00:00",
		"1 00:00:00 LimitReported A B",
		"1 12:00:00 VerificationChanged",
		"2 00:00:00 QualityChanged Unknown Low",
		"2 00:00:00 Flagged",
		"4 00:00:00 FlagCleared",
		"4 00:00:00 TierDowngraded B A",
		"4 06:00:00 VerificationChanged",
		"6 12:00:00 Blocked")
}

// What the policy concluded is taken back where Meta does not grant it, and nothing more is concluded, until Meta reports a
// limit or verifies the business: so too what a verification brought. What Meta reported stays.
func TestAnIncreaseThatIsNotGranted(t *testing.T) {
	deny := func(input *Input, text string) {
		input.says("2001", "account_alerts", `{"entity_type":"BUSINESS","entity_id":"3001","alert_info":{"alert_status":"ACTIVE","alert_type":"INCREASED_CAPABILITIES_ELIGIBILITY_DEFERRED"}}`, text)
	}
	p := policy(t, `{"scope":"Portfolio","tiers":[{"name":"A","limit":2},{"name":"B","limit":4},{"name":"C","limit":8}],"start":{"unverified":"A","verified":"B"},"counting":{"measure":"UniqueUsers","windowHours":24},
		"upgrade":{"measure":"UniqueUsers","thresholdPercent":50,"windowHours":168,"minimumQuality":"High"}}`)
	s := Subject{Policy: p, Numbers: []string{one}, Portfolio: true, Name: "acme", ID: "3001", Account: "2001"}
	input := NewInput()
	input.says("2001", "account_alerts", `{"entity_type":"BUSINESS","entity_id":"3001","alert_info":{"alert_type":"OBA_REJECTED"}}`, "1 08:00:00")
	input.deliver(one, "1", "1 09:00:00")
	deny(input, "1 10:00:00")
	deny(input, "1 11:00:00")
	input.deliver(one, "2", "1 12:00:00")
	input.tells("limit.reported", `{"portfolio":"acme","limit":2}`, "1 13:00:00")
	lived(t, input, s, "2 00:00:00",
		"1 09:00:00 TierUpgraded A B",
		"1 10:00:00 LimitReported B A",
		"1 11:00:00 LimitReported A A",
		"1 12:00:00 Restricted",
		"1 13:00:00 TierUpgraded A B", // by what was sent since
		"1 13:00:00 RestrictionLifted")
	deny(input, "1 14:00:00")
	input.tells("verification.reported", `{"portfolio":"3001","business":"Verified"}`, "1 15:00:00")
	deny(input, "1 16:00:00")
	input.deliver(one, "3", "1 17:00:00")
	input.deliver(one, "4", "1 17:00:00")
	lived(t, input, s, "2 00:00:00",
		"1 09:00:00 TierUpgraded A B",
		"1 10:00:00 LimitReported B A",
		"1 11:00:00 LimitReported A A",
		"1 12:00:00 Restricted",
		"1 13:00:00 TierUpgraded A B",
		"1 13:00:00 RestrictionLifted",
		"1 14:00:00 LimitReported B A",
		"1 14:00:00 Restricted",
		"1 15:00:00 VerificationChanged",
		"1 15:00:00 TierUpgraded A B",
		"1 15:00:00 RestrictionLifted",
		"1 16:00:00 LimitReported B A",
		"1 16:00:00 Restricted")
	if _, standing := input.Replay(s, at("2 00:00:00")); !standing.Denied || standing.Source != "Reported" {
		t.Errorf("it is %+v in the end", standing)
	}
}

// Users who complain, of a thousand that were reached within the window, make the rating: each once, in whatever way and
// service window. It is Unknown while nobody was reached, and Meta's once Meta has said one.
func TestFeedback(t *testing.T) {
	input := NewInput()
	complain := func(user, text string) {
		input.tells("feedback.received", fmt.Sprintf(`{"number":"+15550001","user":%q,"kind":"Block","reason":"Spam"}`, user), text)
	}
	input.says("2001", "messages", fmt.Sprintf(`{"metadata":{"display_phone_number":"15550001"},"messages":[{"from":"1","timestamp":"%d"}]}`, at("1 08:00:00")), "1 08:00:00")
	for i, text := range []string{"1 09:00:00", "1 10:00:00", "1 11:00:00", "1 12:00:00", "1 13:00:00"} {
		input.deliver(one, fmt.Sprint(i), text)
	}
	input.says("2001", "messages", fmt.Sprintf(`{"metadata":{"display_phone_number":"15550001"},"statuses":[{"id":"both","status":"delivered","timestamp":"%d","recipient_id":"5","recipient_user_id":"US.5"}]}`, at("1 14:00:00")), "1 14:00:00")
	for range 2 {
		complain("+2", "1 15:00:00")
	}
	complain("2", "1 15:30:00")
	complain("US.5", "1 16:00:00")
	complain("1", "1 17:00:00")
	complain("5", "2 20:00:00")
	input.deliver(one, "6", "2 21:00:00")
	input.deliver(one, "7", "2 22:00:00")
	p := policy(t, `{"scope":"Number","tiers":[{"name":"A","limit":99}],"counting":{"measure":"UniqueUsers","windowHours":24},
		"quality":{"windowHours":24,"mediumPerThousand":200,"lowPerThousand":500},"flag":{"graceHours":48,"recoveryHours":24}}`)
	s := Subject{Policy: p, Numbers: []string{one}}
	want := []string{
		"1 09:00:00 QualityChanged Unknown High",
		"1 16:00:00 QualityChanged High Medium", // two of six; one of six is not 200 of 1000
		"1 17:00:00 QualityChanged Medium Low",
		"1 17:00:00 Flagged",
		"2 14:00:00 QualityChanged Low Unknown",
		"2 21:00:00 QualityChanged Unknown Low",
	}
	lived(t, input, s, "2 21:30:00", want...)
	if complaining, reached := input.Feedback(s, at("1 17:00:00")); complaining != 3 || reached != 6 {
		t.Errorf("%d of %d users complained, and not 3 of 6", complaining, reached)
	}
	input.rated(one, "Unknown", "2 23:00:00")
	input.rated(one, "Medium", "3 00:00:00")
	input.deliver(one, "8", "3 01:00:00")
	input.deliver(one, "9", "3 02:00:00")
	lived(t, input, s, "4 12:00:00", append(want,
		"3 00:00:00 QualityChanged Low Medium",
		"4 00:00:00 FlagCleared")...)
}

// score adds a rating of a template, in Meta's words.
func (t *Input) score(name, score, text string) {
	t.says("2001", "message_template_quality_update", fmt.Sprintf(`{"message_template_name":%q,"new_quality_score":%q}`, name, score), text)
}

// status adds a state of a template, in Meta's words.
func (t *Input) status(name, event, title, text string) {
	t.says("2001", "message_template_status_update", fmt.Sprintf(`{"message_template_name":%q,"event":%q,"other_info":{"title":%q}}`, name, event, title), text)
}

// Low flags a template, which is blocked unless it is edited, rated better or approved in time. Only Meta ends a block.
func TestATemplateIsFlagged(t *testing.T) {
	input := NewInput()
	input.score("promo", "RED", "1 00:00:00")
	input.score("promo", "RED", "1 01:00:00") // goes on
	input.status("promo", "PENDING", "", "2 00:00:00")
	input.score("promo", "UNKNOWN", "2 01:00:00")
	input.status("promo", "APPROVED", "", "2 12:00:00")
	input.status("promo", "FLAGGED", "", "3 00:00:00")
	input.score("promo", "YELLOW", "4 00:00:00")
	input.tells("template.reported", `{"template":"promo","rating":"Low"}`, "5 00:00:00")
	input.status("promo", "APPROVED", "", "6 16:00:00") // at the very instant
	input.score("promo", "RED", "7 00:00:00")
	input.tells("template.reported", `{"template":"promo","state":"Edited"}`, "8 16:00:01")
	input.score("promo", "GREEN", "9 00:00:00")
	input.status("promo", "APPROVED", "", "10 00:00:00")
	input.status("promo", "PAUSED", "", "11 00:00:00")
	of := Template{Policy: policy(t, `{"templates":{"blockAfterHours":40}}`), Name: "promo"}
	happened, standing := input.ReplayTemplate(of, at("15 00:00:00"))
	same(t, happened, []string{
		"1 00:00:00 QualityChanged Unknown Low",
		"1 00:00:00 TemplateFlagged",
		"2 00:00:00 TemplateFlagCleared",
		"2 12:00:00 TemplateResumed",
		"3 00:00:00 QualityChanged Unknown Low",
		"3 00:00:00 TemplateFlagged",
		"4 00:00:00 QualityChanged Low Medium",
		"4 00:00:00 TemplateFlagCleared",
		"5 00:00:00 QualityChanged Medium Low",
		"5 00:00:00 TemplateFlagged",
		"6 16:00:00 TemplateFlagCleared",
		"7 00:00:00 TemplateFlagged",
		"8 16:00:00 TemplateBlocked",
		"8 16:00:01 TemplateStateChanged Blocked Pending",
		"9 00:00:00 QualityChanged Unknown High",
		"10 00:00:00 TemplateResumed",
		"11 00:00:00 TemplatePaused",
	})
	if standing != (TemplateStanding{State: "Paused", Rating: "High"}) {
		t.Errorf("it is %+v in the end", standing)
	}
}

// Each Low of a template that can be sent is the next pause, which ends by itself and by nothing that users think, and in the
// end a block. A pause that Meta names is that one, a pause for pacing is none of them.
func TestATemplateIsPaused(t *testing.T) {
	input := NewInput()
	input.score("promo", "RED", "1 00:00:00")
	input.score("promo", "GREEN", "1 01:00:00")
	input.score("promo", "RED", "1 04:00:00")
	input.status("promo", "APPROVED", "", "1 05:00:00")
	input.status("promo", "PAUSED", "RATE_LIMITING_PAUSE", "2 00:00:00")
	input.status("promo", "APPROVED", "", "3 00:00:00")
	input.score("promo", "RED", "4 00:00:00")
	input.tells("template.reported", `{"template":"promo","state":"Approved"}`, "5 00:00:00")
	input.status("promo", "PAUSED", "SECOND_PAUSE", "6 00:00:00")
	input.status("promo", "PAUSED", "", "7 00:00:00")
	input.status("promo", "DISABLED", "", "8 00:00:00")
	of := Template{Policy: policy(t, `{"templates":{"pauseHours":[3,6]}}`), Name: "promo"}
	happened, standing := input.ReplayTemplate(of, at("15 00:00:00"))
	same(t, happened, []string{
		"1 00:00:00 QualityChanged Unknown Low",
		"1 00:00:00 TemplatePaused",
		"1 01:00:00 QualityChanged Low High",
		"1 03:00:00 TemplateResumed",
		"1 04:00:00 QualityChanged Unknown Low",
		"1 04:00:00 TemplatePaused",
		"1 05:00:00 TemplateResumed",
		"2 00:00:00 TemplatePaused",
		"3 00:00:00 TemplateResumed",
		"4 00:00:00 QualityChanged Unknown Low",
		"4 00:00:00 TemplateBlocked",
		"5 00:00:00 TemplateResumed",
		"6 00:00:00 TemplatePaused",
		"6 06:00:00 TemplateResumed",
		"7 00:00:00 TemplatePaused",
		"8 00:00:00 TemplateBlocked",
	})
	if standing != (TemplateStanding{State: "Disabled", Rating: "Unknown", Pauses: 2}) {
		t.Errorf("it is %+v in the end", standing)
	}
	if _, standing := input.ReplayTemplate(of, at("1 04:30:00")); standing != (TemplateStanding{State: "Paused", Rating: "Low", Pauses: 2, Until: at("1 10:00:00")}) {
		t.Errorf("it is %+v in the second pause", standing)
	}
}

// Of a limit that is reached again and again, the first time is told and the end, after an hour of room.
func TestTold(t *testing.T) {
	of := func(text, reason string) Transition { return Transition{At: at(text), Reason: reason} }
	happened := []Transition{of("1 10:00:00", "Restricted"), of("1 11:00:00", "RestrictionLifted"), of("1 12:00:00", "Restricted"),
		of("1 13:00:00", "RestrictionLifted"), of("1 14:00:00", "Flagged"), of("1 14:00:01", "Restricted"), of("1 15:00:00", "RestrictionLifted")}
	same(t, Fold(happened, at("1 15:59:59")), []string{"1 10:00:00 Restricted", "1 14:00:00 Flagged", "1 14:00:00 RestrictionLifted", "1 14:00:01 Restricted"})
	same(t, Fold(happened, at("1 16:00:00")), []string{"1 10:00:00 Restricted", "1 14:00:00 Flagged", "1 14:00:00 RestrictionLifted", "1 14:00:01 Restricted", "1 16:00:00 RestrictionLifted"})
}
