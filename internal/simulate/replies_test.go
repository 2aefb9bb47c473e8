package simulate

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"numberfleet.dev/numberfleet/internal/meta/metatest"
)

// used is what of webhooks counts at the end. The only number is the one that they name.
func used(t *testing.T, bodies ...[]byte) int64 {
	t.Helper()
	result := playBodies(t, Config{}, bodies...)
	if len(result.Final) != 1 {
		t.Fatalf("%d numbers: %+v", len(result.Final), result.Final)
	}
	return result.Final[0].Used
}

// A service message counts for nobody: the first that is ever heard of, and one of which only a later status says it. Nothing that was
// concluded of it in between is told.
func TestServiceMessagesDoNotCount(t *testing.T) {
	known := func(file string) []byte {
		body, err := os.ReadFile(filepath.Join("..", "meta", "testdata", file))
		if err != nil {
			t.Fatal(err)
		}
		return body
	}
	if n := used(t, known("service.json")); n != 0 {
		t.Errorf("of a service message %d are used", n)
	}
	const shop = "+15550783881"
	at := time.Unix(1795863600, 0) // of both files
	if n := used(t, known("call_permission_revoked.json"), delivered(shop, "16505551234", at.Add(time.Hour))); n != 1 {
		t.Errorf("after Meta revoked a permission to call %d are used", n)
	}
	for _, says := range []string{"sent", "read"} {
		var bodies [][]byte
		for user := range 300 {
			status := func(name, category string, at time.Time) metatest.Status {
				return metatest.Status{ID: fmt.Sprint("wamid.", user), Status: name, Category: category, Phone: fmt.Sprintf("1555019%04d", user), At: at}
			}
			to := day(2).Add(time.Duration(user) * time.Second)
			both := []metatest.Status{status("delivered", "none", to), status("read", "none", to.Add(time.Hour))}
			if says == "sent" {
				both = append(both, status("sent", "service", to.Add(-time.Second)))
			} else {
				both = append(both, status("delivered", "service", to.Add(2*time.Hour)))
			}
			bodies = append(bodies, metatest.MessagesPayload(first, both, nil))
		}
		if result := playBodies(t, Config{}, bodies...); len(result.Transitions) != 0 || result.Final[0].Used != 0 {
			t.Errorf("where %s says it, %d are used after %+v", says, result.Final[0].Used, result.Transitions)
		}
	}
	event := func(category string) string {
		var s script
		s.add(day(2), "message.delivered", first, `"user":"+15550199001","messageID":"m"`+category)
		result, err := s.run(t, Config{Policy: shipped(t, "meta-2025")})
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(result.Final[0].Used)
	}
	if got := event("") + event(`,"category":"Utility"`) + event(`,"category":"Service"`); got != "110" {
		t.Errorf("of events of no category, Utility and Service %s are used", got)
	}
}

// What a participant writes to a group makes replies of what the group is sent for a day, whoever it is to.
func TestAGroupHasOneWindow(t *testing.T) {
	at := day(2)
	value := func(fields string) []byte {
		return []byte(`{"object":"whatsapp_business_account","entry":[{"id":"2001","changes":[{"field":"messages","value":{` +
			`"metadata":{"display_phone_number":"15550100001"},` + fields + `}}]}]}`)
	}
	wrote := value(fmt.Sprintf(`"messages":[{"from":"15550199001","group_id":"g","id":"in","timestamp":"%d","type":"text"}]`, at.Unix()))
	sent := func(group, participant string, at time.Time) []byte {
		return value(fmt.Sprintf(`"statuses":[{"id":"wamid.%d","status":"delivered","timestamp":"%d","recipient_type":"group","recipient_id":%q,"recipient_participant_id":%q}]`,
			at.Unix(), at.Unix(), group, participant))
	}
	for _, test := range []struct {
		name   string
		bodies [][]byte
		want   int64
	}{
		{"within a day", [][]byte{sent("g", "15550199001", at.Add(time.Hour)), sent("g", "15550199002", at.Add(time.Hour)), wrote}, 0},
		{"after it", [][]byte{wrote, sent("g", "15550199001", at.Add(24*time.Hour)), sent("g", "15550199002", at.Add(24*time.Hour))}, 2},
		{"to another group", [][]byte{wrote, sent("h", "15550199001", at.Add(time.Hour))}, 1},
		{"to the writer alone", [][]byte{wrote, delivered(first, "15550199001", at.Add(time.Hour))}, 1},
	} {
		if n := used(t, test.bodies...); n != test.want {
			t.Errorf("%s: %d are used", test.name, n)
		}
	}
}
