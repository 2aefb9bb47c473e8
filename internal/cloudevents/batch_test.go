package cloudevents

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

var bounds = Bounds{Events: 3, Bytes: 1 << 10}

func received(user string) string {
	return event(MessageReceived, `{"more":"a,]}","number":"+15550100001","user":"`+user+`"}`)
}

func TestParse(t *testing.T) {
	a, b := received("US.a"), received("+15550199001")
	one, lines, batch := (*Parser).Parse, (*Parser).ParseLines, (*Parser).ParseBatch
	for _, test := range []struct {
		name    string
		parse   func(*Parser, []byte, Bounds) ([]Event, error)
		content string
		users   string // of the events, separated by spaces
		problem string
	}{
		{"one", one, " " + a + "\n", "US.a", ""},
		{"one, not two", one, a + b, "", "is not JSON: it must be one CloudEvent, a JSON object"},
		{"one, not none", one, "", "", "is not JSON: it must be one CloudEvent, a JSON object"},
		{"one that is too long", one, a + strings.Repeat(" ", 1<<10), "", "is too long: an event may have 1024 bytes"},
		{"lines", lines, a + "\n\r\n" + b, "US.a 15550199001", ""},
		{"no lines", lines, "\n", "", ""},
		{"a bad line", lines, a + "\n\n" + `{"specversion":"1.0","id":"e","source":"s"}`, "", "line 3: type: is missing: it is required"},
		{"a line that is too long", lines, a + "\n" + strings.Repeat(" ", 1<<10) + b, "", "line 2: is too long: a line may have 1024 bytes"},
		{"many lines", lines, a + "\n" + a + "\n" + a + "\n" + a, "", "at most 3 events may come at once"},
		{"a batch", batch, " [ " + a + " , " + b + "] ", "US.a 15550199001", ""},
		{"an empty batch", batch, "[ ]", "", ""},
		{"a bad item", batch, "[" + a + "," + `{"specversion":"1.0","id":"e","source":"s"}]`, "", "[1]: type: is missing: it is required"},
		{"an item that is no object", batch, "[" + a + ",[{}]]", "", "[1]: is not JSON: each item must be one CloudEvent, a JSON object"},
		{"an item that is not there", batch, "[" + a + ",]", "", "[1]: is not JSON: each item must be one CloudEvent, a JSON object"},
		{"an item that is too long", batch, "[" + a + `,"` + strings.Repeat(" ", 1<<10) + `"]`, "", "[1]: is too long: an event may have 1024 bytes"},
		{"a large batch", batch, "[" + a + "," + a + "," + a + "," + a + "]", "", "at most 3 events may come at once"},
		{"no batch", batch, a, "", "is not JSON: a batch must be an array of CloudEvents"},
		{"half a batch", batch, "[" + a + ",", "", "is not JSON: a batch must be an array of CloudEvents"},
		{"a batch and more", batch, "[" + a + "] []", "", "is not JSON: a batch must be an array of CloudEvents"},
		{"a batch that ends in a string", batch, `["\`, "", "is not JSON: a batch must be an array of CloudEvents"},
	} {
		events, err := test.parse(NewParser(), []byte(test.content), bounds)
		var users []string
		for _, e := range events {
			users = append(users, e.User)
		}
		problem := ""
		if err != nil {
			problem = err.Error()
		}
		if got := strings.Join(users, " "); got != test.users || problem != test.problem {
			t.Errorf("%s: got %q, %q", test.name, got, problem)
		}
	}
}

func TestParseAttributes(t *testing.T) {
	all := map[string]string{
		"specversion": "1.0", "id": "e", "source": "/shop", "type": string(MessageReceived), "time": "2026-03-02T10:00:00Z", "datacontenttype": "application/json",
	}
	get := func(name string) string { return all[name] }
	data := []byte(`{"number":"+15550100001","user":"US.u"}`)
	events, err := NewParser().ParseAttributes(get, data, bounds)
	if err != nil || len(events) != 1 || events[0].User != "US.u" || events[0].ID != "e" {
		t.Errorf("got %+v, %v", events, err)
	}
	for _, test := range []struct{ attribute, value, data, want string }{
		{"time", "", string(data), "time: is missing: it is required"},
		{"datacontenttype", "text/plain", string(data), "datacontenttype: must be application/json, or be left out"},
		{"id", "e", "[]", "data: must be a JSON object"},
		{"id", "e", "", "data: is not JSON: it must be a JSON object"},
		{"id", "e", strings.Repeat(" ", 1025), "data: is too long: it may have 1024 bytes"},
	} {
		before := all[test.attribute]
		all[test.attribute] = test.value
		if _, err := NewParser().ParseAttributes(get, []byte(test.data), bounds); err == nil || err.Error() != test.want {
			t.Errorf("%q of %s: got %v, want %s", test.value, test.attribute, err, test.want)
		}
		all[test.attribute] = before
	}
}

func TestAUserIsWrittenInOneWay(t *testing.T) {
	for user, want := range map[string]string{
		"+15550199001": "15550199001", "15550199001": "15550199001", "+1 555 019-9001": "15550199001", "US.1": "US.1", "US.ENT.1": "US.ENT.1",
		"+52 1 55 1234 5678": "525512345678", "551187654321": "5511987654321", "+5491123456789": "541123456789",
	} {
		if events, err := NewParser().Parse([]byte(received(user)), bounds); err != nil || events[0].User != want {
			t.Errorf("%s: got %+v, %v", user, events, err)
		}
	}
	for _, user := range []string{"+", "+a", "alice", "us.1", "123456"} {
		if _, err := NewParser().Parse([]byte(received(user)), bounds); err == nil || !strings.HasPrefix(err.Error(), "data.user: must be a phone number with its country code, such as +15551234567, or a business-scoped id") {
			t.Errorf("%s: got %v", user, err)
		}
	}
}

// Whatever comes, every error is one of ours, and a batch that is read is an array of so many items.
func FuzzParse(f *testing.F) {
	a := received("US.a")
	for _, content := range []string{a, "[" + a + "," + a + "]", a + "\n" + a, "[]", `["\"",[1,{"a":"]"}],{}]`, "[}", "[\\", `[",]`} {
		f.Add([]byte(content))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		for _, parse := range []func(*Parser, []byte, Bounds) ([]Event, error){(*Parser).Parse, (*Parser).ParseLines, (*Parser).ParseBatch} {
			events, err := parse(NewParser(), content, bounds)
			var refused *Error
			var many *ManyError
			if err != nil && !errors.As(err, &refused) && !errors.As(err, &many) || err != nil && events != nil || len(events) > bounds.Events {
				t.Fatalf("%+v, %v", events, err)
			}
			for _, e := range events {
				if e.ID == "" || e.Source == "" || e.Type == "" || e.User != "" && strings.HasPrefix(e.User, "+") {
					t.Fatalf("%+v", e)
				}
			}
		}
		if events, err := NewParser().ParseBatch(content, bounds); err == nil && (!json.Valid(content) || len(events) != items(t, content)) {
			t.Fatalf("%q is no array of %d events", content, len(events))
		}
	})
}

func items(t *testing.T, array []byte) int {
	t.Helper()
	var items []json.RawMessage
	if err := json.Unmarshal(array, &items); err != nil {
		t.Fatal(err)
	}
	return len(items)
}
