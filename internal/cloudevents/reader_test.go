package cloudevents

import (
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"numberfleet.dev/numberfleet/internal/identity"
	"numberfleet.dev/numberfleet/internal/report"
)

const head = `{"specversion":"1.0","id":"e1","source":"/shop","time":"2026-03-02T10:00:00Z",`

func event(kind Type, data string) string {
	return head + `"type":"` + string(kind) + `","data":` + data + `}`
}

func TestReader(t *testing.T) {
	at := time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		line string
		want Event
	}{
		{event(MessageDelivered, `{"number":"+15550100001","user":"US.u","messageID":"m","template":"t"}`),
			Event{Type: MessageDelivered, Number: "+15550100001", User: "US.u", MessageID: "m", Template: "t"}},
		{event(MessageDelivered, `{"number":"+15550100001","user":"US.u","messageID":"m","category":"Service"}`),
			Event{Type: MessageDelivered, Number: "+15550100001", User: "US.u", MessageID: "m", Category: "Service"}},
		{event(MessageDelivered, `{"number":"+15550100001","user":"US.u","messageID":"m","category":null}`),
			Event{Type: MessageDelivered, Number: "+15550100001", User: "US.u", MessageID: "m"}},
		{event(MessageReceived, `{"number":"+15550100001","user":"US.u","more":[1]}`), Event{Type: MessageReceived, Number: "+15550100001", User: "US.u"}},
		{event(MessageReceived, `{"numberID":"106540352242922","user":"US.u"}`), Event{Type: MessageReceived, NumberID: "106540352242922", User: "US.u"}},
		{event(MessageReceived, `{"number":"+15550100001","numberID":"1","user":"US.u"}`), Event{Type: MessageReceived, Number: "+15550100001", NumberID: "1", User: "US.u"}},
		{event(LimitReported, `{"numberID":"1","limit":250}`), Event{Type: LimitReported, NumberID: "1", Limit: 250}},
		{event(MessageFailed, `{"number":"+15550100001","user":"US.u","messageID":"m","code":131049}`),
			Event{Type: MessageFailed, Number: "+15550100001", User: "US.u", MessageID: "m", Code: "131049"}},
		{event(MessageFailed, `{"number":"+15550100001","user":"US.u","messageID":"m","code":"131049"}`),
			Event{Type: MessageFailed, Number: "+15550100001", User: "US.u", MessageID: "m", Code: "131049"}},
		{event(FeedbackReceived, `{"number":"+15550100001","user":"US.u","kind":"Block","reason":"Spam"}`),
			Event{Type: FeedbackReceived, Number: "+15550100001", User: "US.u", Feedback: "Block", FeedbackReason: "Spam"}},
		{event(QualityReported, `{"number":"+15550100001","rating":"Low","reason":"as it came"}`),
			Event{Type: QualityReported, Number: "+15550100001", Rating: "Low", Reason: "as it came"}},
		{event(LimitReported, `{"number":"+15550100001","limit":1000}`), Event{Type: LimitReported, Number: "+15550100001", Limit: 1000}},
		{event(LimitReported, `{"portfolio":"acme"}`), Event{Type: LimitReported, Portfolio: "acme"}},
		{event(ConnectionReported, `{"number":"+15550100001","state":"Offline"}`), Event{Type: ConnectionReported, Number: "+15550100001", State: "Offline"}},
		{event(VerificationReported, `{"number":"+15550100001","business":"Verified"}`),
			Event{Type: VerificationReported, Number: "+15550100001", Verification: "Verified"}},
		{event(TemplateReported, `{"template":"t","state":"Paused"}`), Event{Type: TemplateReported, Template: "t", TemplateState: "Paused"}},
		{event(TemplateReported, `{"template":"t","number":"+15550100001","rating":"Low"}`),
			Event{Type: TemplateReported, Template: "t", Number: "+15550100001", Rating: "Low"}},
	} {
		test.want.Line, test.want.Source, test.want.ID, test.want.Time = 2, "/shop", "e1", at
		r := NewReader(strings.NewReader("\r\n" + test.line))
		got, err := r.Next()
		if err != nil || !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s:\n got %+v, %v\nwant %+v", test.line, got, err, test.want)
		}
		if _, err := r.Next(); !errors.Is(err, io.EOF) {
			t.Errorf("after the last line: %v", err)
		}
	}
}

// The values in these lines are marked, so that one that shows in an error is noticed.
func TestReaderRefuses(t *testing.T) {
	for _, test := range []struct{ line, want string }{
		{`{"specversion":"1.0`, "line 1: is not JSON: each line must be one CloudEvent, a JSON object"},
		{`["SECRET"]`, "line 1: is not JSON: each line must be one CloudEvent, a JSON object"},
		{`{"id":"e"}`, "line 1: specversion: is missing: it is required"},
		{`{"specversion":"SECRET"}`, `line 1: specversion: must be "1.0"`},
		{`{"specversion":1}`, `line 1: specversion: must be a string`},
		{`{"specversion":"1.0","source":"s"}`, "line 1: id: is missing: it is required"},
		{`{"specversion":"1.0","id":"e","source":""}`, "line 1: source: is empty: it is required"},
		{`{"specversion":"1.0","id":"e","source":"s"}`, "line 1: type: is missing: it is required"},
		{`{"specversion":"1.0","id":"e","source":"s","type":"SECRET"}`, "line 1: type: is not known: it must be dev.numberfleet.message.delivered.v1, "},
		{`{"specversion":"1.0","id":"e","source":"s","type":"` + string(MessageReceived) + `"}`, "line 1: time: is missing: it is required"},
		{`{"specversion":"1.0","id":"e","source":"s","type":"` + string(MessageReceived) + `","time":"2026-03-02 SECRET"}`,
			"line 1: time: must be a time as in RFC 3339, like 2026-03-02T10:00:00Z"},
		{`{"specversion":"1.0","id":"e","source":"s","type":"` + string(MessageReceived) + `","time":"1969-03-02T10:00:00Z"}`,
			"line 1: time: must lie between 1970 and 2106"},
		{head + `"type":"` + string(MessageReceived) + `"}`, "line 1: data: is missing"},
		{head + `"type":"` + string(MessageReceived) + `","datacontenttype":"text/xml","data":{}}`,
			"line 1: datacontenttype: must be application/json, or be left out"},
		{event(MessageReceived, `"SECRET"`), "line 1: data: must be a JSON object"},
		{event(MessageReceived, `{"user":"US.SECRET"}`), "line 1: data.number: is missing: it is required"},
		{event(MessageReceived, `{"number":"SECRET","user":"US.SECRET"}`), "line 1: data.number: must be in E.164: a plus, the country code and 7 to 15 digits"},
		{event(MessageReceived, `{"number":"+15550100001"}`), "line 1: data.user: is missing: it is required"},
		{event(MessageReceived, `{"numberID":"SECRET","user":"US.u"}`), "line 1: data.numberID: must be the id that Meta gave to the number: a string of 1 to 32 digits"},
		{event(MessageReceived, `{"numberID":"`+strings.Repeat("1", 33)+`","user":"US.u"}`), "line 1: data.numberID: must be the id that Meta gave to the number"},
		{event(MessageReceived, `{"numberID":1001,"user":"US.u"}`), "line 1: data.numberID: must be a string"},
		{event(MessageReceived, `{"numberID":"","user":"US.u"}`), "line 1: data.numberID: is empty: it is required"},
		{event(LimitReported, `{"numberID":"1","portfolio":"SECRET"}`), "line 1: data.portfolio: is set together with number"},
		{event(MessageReceived, `{"number":"+15550100001","user":15550199}`), "line 1: data.user: must be a string"},
		{event(MessageReceived, `{"number":"+15550100001","user":"`+strings.Repeat("SECRET", 100)+`"}`), "line 1: data.user: is too long: it may have 512 bytes"},
		{event(MessageDelivered, `{"number":"+15550100001","user":"US.SECRET"}`), "line 1: data.messageID: is missing: it is required"},
		{event(MessageDelivered, `{"number":"+15550100001","user":"US.u","messageID":"m","category":"service SECRET"}`), "line 1: data.category: is not known: it must be Marketing, Utility, Authentication or Service"},
		{event(MessageFailed, `{"number":"+15550100001","user":"US.SECRET","messageID":"SECRET"}`), "line 1: data.code: is missing: it is required"},
		{event(FeedbackReceived, `{"number":"+15550100001","user":"US.SECRET","kind":"SECRET"}`),
			"line 1: data.kind: is not known: it must be Block, Report, Mute or Archive"},
		{event(FeedbackReceived, `{"number":"+15550100001","user":"US.SECRET","kind":"Block","reason":"SECRET"}`),
			"line 1: data.reason: is not known: it must be NoLongerNeeded, DidNotSignUp, Spam, OffensiveMessages, NoReason or Other"},
		{event(QualityReported, `{"number":"+15550100001","rating":"GREEN"}`), "line 1: data.rating: is not known: it must be High, Medium, Low or Unknown"},
		{event(LimitReported, `{"limit":1000}`), "line 1: data.number: is missing: set number or portfolio"},
		{event(LimitReported, `{"number":"+15550100001","portfolio":"SECRET"}`), "line 1: data.portfolio: is set together with number"},
		{event(LimitReported, `{"number":"+15550100001","limit":0}`), "line 1: data.limit: must be a whole number from 1 to 1000000000, or be left out for unlimited"},
		{event(LimitReported, `{"number":"+15550100001","limit":"1000"}`), "line 1: data.limit: must be a whole number"},
		{event(ConnectionReported, `{"number":"+15550100001","state":"SECRET"}`), "line 1: data.state: is not known: it must be Pending, Connected, "},
		{event(VerificationReported, `{"number":"+15550100001","business":"SECRET"}`), "line 1: data.business: is not known: it must be Verified, "},
		{event(TemplateReported, `{"rating":"Low"}`), "line 1: data.template: is missing: it is required"},
		{event(TemplateReported, `{"template":"t"}`), "line 1: data.rating: is missing: set rating or state, or both"},
		{event(TemplateReported, `{"template":"t","state":"SECRET"}`), "line 1: data.state: is not known: it must be Approved, Paused, Disabled or Edited"},
		{strings.Repeat(" ", maxLine+1), "line 1: is too long: a line may have 1048576 bytes"},
	} {
		_, err := NewReader(strings.NewReader(test.line + "\n")).Next()
		var refused *Error
		if !errors.As(err, &refused) || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%.200s:\n got %v\nwant %s", test.line, err, test.want)
		} else if strings.Contains(err.Error(), "SECRET") || strings.Contains(err.Error(), "1555") {
			t.Errorf("%.200s: the error tells a value: %v", test.line, err)
		}
	}
}

func TestReaderFailedRead(t *testing.T) {
	broken := errors.New("broken pipe")
	r := NewReader(io.MultiReader(strings.NewReader(event(MessageReceived, `{"number":"+15550100001","user":"US.u"}`)+"\n"), failing{broken}))
	if _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Next(); !errors.Is(err, broken) {
		t.Fatalf("got %v", err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func FuzzReader(f *testing.F) {
	for _, kind := range types {
		f.Add([]byte(event(kind, `{"number":"+15550100001","user":"US.u","messageID":"m","code":1,"kind":"Mute","reason":"Other","rating":"High",`+
			`"limit":250,"state":"Paused","business":"Pending","template":"t"}`)))
	}
	f.Add([]byte("\n\n{}"))
	f.Add([]byte(event(LimitReported, `{"portfolio":"acme","limit":1e3}`)))
	f.Fuzz(func(t *testing.T, content []byte) {
		r := NewReader(strings.NewReader(string(content)))
		line := 0
		for {
			e, err := r.Next()
			if errors.Is(err, io.EOF) {
				return
			}
			var refused *Error
			if err != nil {
				if !errors.As(err, &refused) || refused.Line <= line || refused.Problem == "" {
					t.Fatalf("after line %d: %v", line, err)
				}
				return
			}
			if e.Line <= line || e.ID == "" || e.Source == "" || e.Type == "" || e.Time.Unix() < 1 {
				t.Fatalf("after line %d: %+v", line, e)
			}
			if e.Number != "" && !identity.IsE164(e.Number) || e.Limit < 0 || e.Limit > report.MaxLimit {
				t.Fatalf("%+v", e)
			}
			line = e.Line
		}
	})
}

// The number that has the id is meant, however the event displays it; the number as displayed, where nobody has the id.
func TestAnEventIsAboutTheNumberThatHasTheID(t *testing.T) {
	subject := func(id, number string) string {
		switch {
		case id == "1" || number == "+551187654321":
			return "+5511987654321"
		case number == "":
			return "id/" + id
		}
		return number
	}
	for _, test := range []struct{ number, id, want string }{
		{"+15550100001", "", "+15550100001"},
		{"+551187654321", "", "+5511987654321"},
		{"", "1", "+5511987654321"},
		{"", "2", "id/2"},
		{"+551187654321", "1", "+5511987654321"},
		{"+15550100001", "2", "+15550100001"},
		{"+15550100001", "1", "+5511987654321"},
		{"", "", ""},
	} {
		e := Event{Number: test.number, NumberID: test.id}
		if e.Resolve(subject); e.Number != test.want {
			t.Errorf("%q and %q: got %q, want %q", test.number, test.id, e.Number, test.want)
		}
	}
}

func BenchmarkReader(b *testing.B) {
	line := event(MessageDelivered, `{"number":"+15550100001","user":"15550199123","messageID":"wamid.HBgLMTU1NTAxOTkxMjMVAgARGBI5"}`) + "\n"
	content := strings.Repeat(line, 10_000)
	b.SetBytes(int64(len(content)))
	for b.Loop() {
		r := NewReader(strings.NewReader(content))
		for {
			if _, err := r.Next(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.N)*10_000/b.Elapsed().Seconds(), "events/s")
}
