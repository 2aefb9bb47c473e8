package graph

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"numberfleet.dev/numberfleet/internal/identity"
)

func TestEveryShapeOfANumberIsRead(t *testing.T) {
	for name, test := range map[string]struct {
		body string
		want PhoneNumber
	}{
		"what is told without fields": {
			`{"verified_name":"Harbour Tickets","display_phone_number":"+1 555-000-1111","id":"1001","quality_rating":"NA"}`,
			PhoneNumber{ID: "1001", DisplayPhoneNumber: "+1 555-000-1111", VerifiedName: "Harbour Tickets", Rating: "Unknown"},
		},
		"all": {
			`{"id":"1001","display_phone_number":"+1 555-000-1111","verified_name":"Harbour Tickets","status":"CONNECTED","quality_rating":"GREEN",
			 "throughput":{"level":"STANDARD"},"whatsapp_business_manager_messaging_limit":"TIER_2K","platform_type":"CLOUD_API",
			 "is_on_biz_app":true,"health_status":{"can_send_message":"LIMITED","entities":[
			  {"entity_type":"PHONE_NUMBER","id":"1001","can_send_message":"LIMITED","can_receive_call_sip":"AVAILABLE","additional_info":["The name waits\nfor approval"]},
			  {"entity_type":"WABA","id":2001,"can_send_message":"AVAILABLE"},
			  {"entity_type":"BUSINESS","id":"3001","can_send_message":"BLOCKED","errors":[{"error_code":141014,"error_description":"Banned","possible_solution":"Appeal"}]}]}}`,
			PhoneNumber{
				ID: "1001", DisplayPhoneNumber: "+1 555-000-1111", VerifiedName: "Harbour Tickets", Connection: "Connected", Rating: "High", Throughput: "STANDARD",
				PortfolioLimit: "2000", Platform: "CLOUD_API", OnBusinessApp: true,
				Health: Health{Overall: "LIMITED", Entities: []HealthEntity{
					{Type: "PHONE_NUMBER", CanSendMessage: "LIMITED", Info: []string{"The name waits for approval"}},
					{Type: "WABA", CanSendMessage: "AVAILABLE"},
					{Type: "BUSINESS", CanSendMessage: "BLOCKED", Errors: []HealthError{{Code: "141014", Description: "Banned"}}},
				}},
			},
		},
		"before v24.0": {`{"id":"1001","messaging_limit_tier":"TIER_1K"}`, PhoneNumber{ID: "1001", Limit: "1000"}},
		"null is nothing": {
			`{"id":"1001","status":null,"verified_name":null,"throughput":null,"health_status":null,"is_on_biz_app":null}`, PhoneNumber{ID: "1001"},
		},
		"numbers for strings":     {`{"id":1001,"whatsapp_business_manager_messaging_limit":2000}`, PhoneNumber{ID: "1001", PortfolioLimit: "2000"}},
		"no limit, as a number":   {`{"id":"1001","whatsapp_business_manager_messaging_limit":-1}`, PhoneNumber{ID: "1001", PortfolioLimit: "Unlimited"}},
		"words that are not ours": {`{"id":"1001","status":"LINKED","quality_rating":"PURPLE","platform_type":"MOON"}`, PhoneNumber{ID: "1001", Connection: "LINKED", Rating: "PURPLE", Platform: "MOON"}},
		"shapes that are not known cost themselves alone": {
			`{"id":"1001","status":"CONNECTED","quality_rating":{"score":"GREEN"},"throughput":"HIGH","health_status":{"can_send_message":["AVAILABLE"],"entities":{}},
			 "verified_name":["x"],"is_on_biz_app":"yes","platform_type":"two words","messaging_limit_tier":"` + strings.Repeat("X", 65) + `"}`,
			PhoneNumber{ID: "1001", Connection: "Connected", Unread: []string{
				"health_status.can_send_message", "health_status.entities", "is_on_biz_app", "messaging_limit_tier", "platform_type", "quality_rating", "throughput", "verified_name",
			}},
		},
		"parts of a list that are not known are named once": {
			`{"id":"1001","health_status":{"can_send_message":"BLOCKED","entities":[{"entity_type":7.5,"can_send_message":[],"errors":"none"},{"can_send_message":{},"additional_info":"x"},null]}}`,
			PhoneNumber{ID: "1001", Health: Health{Overall: "BLOCKED", Entities: []HealthEntity{{Type: "7.5"}, {}, {}}},
				Unread: []string{"health_status.entities.additional_info", "health_status.entities.can_send_message", "health_status.entities.errors"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, got, err := readNode([]byte(test.body), nil, readPhoneNumber)
			if len(got.Unread) == 0 {
				got.Unread = nil
			}
			if err != nil || !reflect.DeepEqual(got, test.want) {
				t.Errorf("%v\n got %+v\nwant %+v", err, got, test.want)
			}
		})
	}
}

func TestEveryShapeOfAnAccountIsRead(t *testing.T) {
	_, got, err := readNode([]byte(`{"id":"2001","name":"Harbour","account_review_status":"APPROVED","business_verification_status":"VERIFIED"}`), nil, readAccount)
	if want := (Account{ID: "2001", Review: "Approved", BusinessVerification: "Verified"}); err != nil || got != want {
		t.Errorf("%v\n got %+v\nwant %+v", err, got, want)
	}
}

func TestAnAnswerWithoutAnIDIsNone(t *testing.T) {
	for _, body := range []string{`{}`, `{"id":null}`, `{"id":""}`, `{"id":"../3001"}`, `{"id":1.5}`, `{"id":-1}`, `{"id":{}}`, `{"id":"` + strings.Repeat("1", 33) + `"}`} {
		if _, got, err := readNode([]byte(body), nil, readPhoneNumber); err == nil {
			t.Errorf("%s was read as %+v", body, got)
		}
	}
	for _, body := range []string{``, `null`, `[]`, `"1001"`, `{`, `{"id":"1001"} {}`} {
		if _, err := newObject([]byte(body), nil); err == nil {
			t.Errorf("%s was read", body)
		}
	}
}

func TestTextsAreCutAndOnOneLine(t *testing.T) {
	name, err := json.Marshal(strings.Repeat("é", 300))
	if err != nil {
		t.Fatal(err)
	}
	_, got, err := readNode([]byte(`{"id":"1","verified_name":`+string(name)+`,"health_status":{"entities":[{"additional_info":[" a\u0000b\tc "]}]}}`), nil, readPhoneNumber)
	if err != nil || got.VerifiedName != strings.Repeat("é", 256) || got.Health.Entities[0].Info[0] != "a b c" {
		t.Errorf("%v, got %q and %q", err, got.VerifiedName, got.Health.Entities[0].Info)
	}
}

func TestListsAreBounded(t *testing.T) {
	reasons := strings.TrimSuffix(strings.Repeat(`"r",`, 100), ",")
	entities := strings.TrimSuffix(strings.Repeat(`{"id":"1","additional_info":[`+reasons+`],"errors":[{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}]},`, 100), ",")
	_, got, err := readNode([]byte(`{"id":"1","health_status":{"entities":[`+entities+`]}}`), nil, readPhoneNumber)
	if err != nil || len(got.Health.Entities) != maxEntities || len(got.Health.Entities[0].Info) != maxReasons || len(got.Health.Entities[0].Errors) != maxReasons {
		t.Errorf("%v, got %d entities", err, len(got.Health.Entities))
	}
}

func FuzzNodes(f *testing.F) {
	f.Add([]byte(`{"id":"1001","status":"CONNECTED","throughput":{"level":"HIGH"},"health_status":{"can_send_message":"LIMITED","entities":[{"id":1,"errors":[{"error_code":141002}]}]}}`))
	f.Add([]byte(`{"id":2001,"account_review_status":"\ud800","business_verification_status":"x"}`))
	f.Add([]byte(`{"data":[{"id":"1"}],"paging":{"cursors":{"after":"x"},"next":"y"}}`))
	f.Add([]byte(`{"id":"4001","name":"order_update","language":"en_US","status":"PAUSED","quality_score":{"score":"RED","date":1},"rejected_reason":"NONE"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		_, _ = readPage(body)
		for _, read := range []func(*object, string) any{
			func(o *object, id string) any { return readPhoneNumber(o, id) },
			func(o *object, id string) any { return readAccount(o, id) },
			func(o *object, id string) any {
				template := readTemplate(o, id)
				if len(template.Name) > maxName || !printable(template.Name) {
					t.Fatalf("a name of %d bytes: %q", len(template.Name), template.Name)
				}
				template.Name = "" // which may be longer than what a status has
				return template
			},
		} {
			if _, got, err := readNode(body, nil, read); err == nil {
				bounded(t, reflect.ValueOf(got))
			}
		}
	})
}

// bounded checks that whatever came, what is kept can be written into a status: valid, on one line, and not long.
func bounded(t *testing.T, v reflect.Value) {
	t.Helper()
	switch v.Kind() {
	case reflect.Struct:
		for _, field := range v.Fields() {
			bounded(t, field)
		}
	case reflect.Slice:
		if v.Len() > 64 {
			t.Fatalf("a list of %d", v.Len())
		}
		for i := range v.Len() {
			bounded(t, v.Index(i))
		}
	case reflect.String:
		s := v.String()
		if n := utf8.RuneCountInString(s); n > 256 || !utf8.ValidString(s) || slices.ContainsFunc([]rune(s), func(r rune) bool { return r < ' ' }) {
			t.Fatalf("%d characters: %q", n, s)
		}
	default:
	}
}

// Whatever comes, what is read of it is bounded.
func FuzzAnalyticsAndApps(f *testing.F) {
	f.Add([]byte(`{"analytics":{"phone_numbers":["15550001111"],"data_points":[{"start":1,"end":2,"delivered":"5"}]},"id":2001}`))
	f.Add([]byte(`{"data":[{"whatsapp_business_api_data":{"id":4001}},{"id":"x"}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		n, err := readDeliveries(body, "2001", "15550001111", time.Unix(0, 0), time.Unix(1<<40, 0))
		if n < 0 || err != nil && n != 0 {
			t.Fatalf("%d, %v", n, err)
		}
		apps, _ := readApps(body)
		for _, id := range apps {
			if len(apps) > pageSize || id != "" && !identity.IsMetaID(id) {
				t.Fatalf("%q of %d", id, len(apps))
			}
		}
	})
}
