package cloudevents

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fastjson"
)

const (
	maxLine = 1 << 20 // bytes
	maxText = 512     // of an id or a name, in bytes
	// maxSource is how long a source may be, in bytes: it is a URI.
	maxSource = 2048
	maxLimit  = 1_000_000_000
	// maxKept is how many numbers, sources and templates a reader keeps so as to have each once in memory.
	maxKept = 1 << 16
)

// Reader reads events, one per line. Empty lines are passed over. It is for one goroutine.
type Reader struct {
	lines  *bufio.Reader
	long   []byte // a line that is longer than the buffer of lines
	line   int
	parser fastjson.Parser
	kept   map[string]string
}

// NewReader makes a reader of events.
func NewReader(r io.Reader) *Reader {
	return &Reader{lines: bufio.NewReaderSize(r, 1<<16), kept: map[string]string{}}
}

// Next is the next event; io.EOF after the last. Of a line that is no event the error is an *Error; of a failed read it is
// what the read returned. After an error there is no going on.
func (r *Reader) Next() (Event, error) {
	for {
		line, err := r.readLine()
		if err != nil {
			return Event{}, err
		}
		if len(bytes.TrimSpace(line)) > 0 {
			return r.parse(line)
		}
	}
}

// readLine is the next line, without its end. It is valid until the next call.
func (r *Reader) readLine() ([]byte, error) {
	r.long = r.long[:0]
	for {
		piece, err := r.lines.ReadSlice('\n')
		if len(r.long)+len(piece) > maxLine {
			return nil, &Error{Line: r.line + 1, Problem: fmt.Sprintf("is too long: a line may have %d bytes", maxLine)}
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			r.long = append(r.long, piece...)
			continue
		case errors.Is(err, io.EOF):
			if len(r.long)+len(piece) == 0 {
				return nil, io.EOF
			}
		case err != nil:
			return nil, fmt.Errorf("read after line %d: %w", r.line, err)
		}
		r.line++
		if len(r.long) > 0 {
			r.long = append(r.long, piece...)
			piece = r.long
		}
		return bytes.TrimSuffix(piece, []byte("\n")), nil
	}
}

func (r *Reader) parse(line []byte) (Event, error) {
	root, err := r.parser.ParseBytes(line)
	if err != nil || root.Type() != fastjson.TypeObject {
		// The parser's own words quote the line.
		return Event{}, &Error{Line: r.line, Problem: "is not JSON: each line must be one CloudEvent, a JSON object"}
	}
	p := parser{reader: r, event: Event{Line: r.line}, object: root}
	p.attributes()
	if p.err == nil {
		if p.object = root.Get("data"); p.object == nil {
			p.fail("data", "is missing")
		} else if p.object.Type() != fastjson.TypeObject {
			p.fail("data", "must be a JSON object")
		}
	}
	if p.err == nil {
		p.inData = true
		p.data()
	}
	if p.err != nil {
		return Event{}, p.err
	}
	return p.event, nil
}

// keep is text as a string of which there is one only: numbers, sources and templates come again and again.
func (r *Reader) keep(text []byte) string {
	if kept, ok := r.kept[string(text)]; ok {
		return kept
	}
	if len(r.kept) >= maxKept {
		clear(r.kept)
	}
	kept := string(text)
	r.kept[kept] = kept
	return kept
}

// parser takes an event from JSON. After its first error it takes nothing more.
type parser struct {
	reader *Reader
	event  Event
	object *fastjson.Value // the event, then its data
	inData bool
	err    error
}

func (p *parser) attributes() {
	e := &p.event
	if version := p.required("specversion", maxText); p.err == nil && string(version) != "1.0" {
		p.fail("specversion", `must be "1.0"`)
	}
	e.ID = string(p.required("id", maxText))
	e.Source = p.reader.keep(p.required("source", maxSource))
	e.Type = p.eventType()
	e.Time = p.time()
	if content := p.optional("datacontenttype", maxText); p.err == nil && len(content) > 0 {
		media, _, _ := strings.Cut(strings.ToLower(string(content)), ";")
		if media = strings.TrimSpace(media); media != "application/json" && !strings.HasSuffix(media, "+json") {
			p.fail("datacontenttype", "must be application/json, or be left out")
		}
	}
}

var types = []Type{MessageDelivered, MessageReceived, MessageFailed, FeedbackReceived, QualityReported, LimitReported, ConnectionReported,
	VerificationReported, TemplateReported}

func (p *parser) eventType() Type {
	text := p.required("type", maxText)
	for _, known := range types {
		if string(known) == string(text) {
			return known
		}
	}
	p.fail("type", "is not known: it must be "+oneOf(types...))
	return ""
}

func (p *parser) time() time.Time {
	text := p.required("time", maxText)
	if p.err != nil {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339, string(text))
	if err != nil {
		p.fail("time", "must be a time as in RFC 3339, like 2026-03-02T10:00:00Z")
	} else if s := at.Unix(); s < 1 || s > math.MaxUint32 {
		p.fail("time", "must lie between 1970 and 2106")
	}
	return at.UTC()
}

var (
	feedbackKinds    = []string{"Block", "Report", "Mute", "Archive"}
	feedbackReasons  = []string{"NoLongerNeeded", "DidNotSignUp", "Spam", "OffensiveMessages", "NoReason", "Other"}
	ratings          = []string{"High", "Medium", "Low", "Unknown"}
	connectionStates = []string{"Pending", "Connected", "Offline", "Flagged", "Restricted", "Blocked"}
	verifications    = []string{"Verified", "Unverified", "Pending", "Rejected"}
	templateStates   = []string{"Approved", "Paused", "Disabled", "Edited"}
)

func (p *parser) data() {
	e := &p.event
	switch e.Type {
	case MessageDelivered:
		e.Number = p.number()
		e.User = string(p.required("user", maxText))
		e.MessageID = string(p.required("messageID", maxText))
		e.Template = p.reader.keep(p.optional("template", maxText))
	case MessageReceived:
		e.Number = p.number()
		e.User = string(p.required("user", maxText))
	case MessageFailed:
		e.Number = p.number()
		e.User = string(p.required("user", maxText))
		e.MessageID = string(p.required("messageID", maxText))
		e.Code = p.code()
	case FeedbackReceived:
		e.Number = p.number()
		e.User = string(p.required("user", maxText))
		e.Kind = p.choice("kind", feedbackKinds)
		e.Reason = p.choice("reason", feedbackReasons)
	case QualityReported:
		e.Number = p.number()
		e.Rating = p.choice("rating", ratings)
		e.Reason = string(p.optional("reason", maxText))
	case LimitReported:
		p.numberOrPortfolio()
		e.Limit = p.limit()
	case ConnectionReported:
		e.Number = p.number()
		e.State = p.choice("state", connectionStates)
	case VerificationReported:
		p.numberOrPortfolio()
		e.Verification = p.choice("business", verifications)
	case TemplateReported:
		e.Template = p.reader.keep(p.required("template", maxText))
		if p.has("number") {
			e.Number = p.number()
		}
		if !p.has("rating") && !p.has("state") {
			p.fail("rating", "is missing: set rating or state, or both")
		}
		if p.has("rating") {
			e.Rating = p.choice("rating", ratings)
		}
		if p.has("state") {
			e.State = p.choice("state", templateStates)
		}
	}
}

func (p *parser) numberOrPortfolio() {
	switch number, portfolio := p.has("number"), p.has("portfolio"); {
	case number && portfolio:
		p.fail("portfolio", "is set together with number: set exactly one of the two")
	case portfolio:
		p.event.Portfolio = string(p.required("portfolio", maxText))
	case number:
		p.event.Number = p.number()
	default:
		p.fail("number", "is missing: set number or portfolio")
	}
}

func (p *parser) number() string {
	text := p.required("number", maxText)
	if p.err != nil {
		return ""
	}
	if kept, ok := p.reader.kept[string(text)]; ok && IsE164(kept) {
		return kept
	}
	if !IsE164(string(text)) {
		p.fail("number", "must be in E.164: a plus, the country code and 7 to 15 digits in all without spaces")
		return ""
	}
	return p.reader.keep(text)
}

// IsE164 says whether a number is in E.164 with the leading plus: 7 to 15 digits, the first not zero.
func IsE164(s string) bool {
	if len(s) < 8 || len(s) > 16 || s[0] != '+' || s[1] == '0' {
		return false
	}
	for i := 1; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// code is a string or a whole number: Meta's codes are numbers, and JSON has both.
func (p *parser) code() string {
	if p.err == nil && p.has("code") {
		if code, err := p.object.Get("code").Int64(); err == nil {
			return strconv.FormatInt(code, 10)
		}
	}
	return string(p.required("code", maxText))
}

func (p *parser) limit() int64 {
	if p.err != nil || !p.has("limit") {
		return Unlimited
	}
	limit, err := p.object.Get("limit").Int64()
	if err != nil || limit < 1 || limit > maxLimit {
		p.fail("limit", fmt.Sprintf("must be a whole number from 1 to %d, or be left out for unlimited", maxLimit))
	}
	return limit
}

func (p *parser) choice(field string, allowed []string) string {
	text := p.required(field, maxText)
	if i := slices.IndexFunc(allowed, func(s string) bool { return s == string(text) }); i >= 0 {
		return allowed[i]
	}
	p.fail(field, "is not known: it must be "+oneOf(allowed...))
	return ""
}

// has says whether a field is there. One that is null is not.
func (p *parser) has(field string) bool {
	value := p.object.Get(field)
	return value != nil && value.Type() != fastjson.TypeNull
}

func (p *parser) required(field string, most int) []byte {
	text := p.optional(field, most)
	if p.err == nil && len(text) == 0 {
		if p.has(field) {
			p.fail(field, "is empty: it is required")
		} else {
			p.fail(field, "is missing: it is required")
		}
	}
	return text
}

// optional is a field's text, of at most so many bytes. It is valid until the next line.
func (p *parser) optional(field string, most int) []byte {
	if p.err != nil {
		return nil
	}
	value := p.object.Get(field)
	if value == nil || value.Type() == fastjson.TypeNull {
		return nil
	}
	text, err := value.StringBytes()
	if err != nil {
		p.fail(field, "must be a string")
	} else if len(text) > most {
		p.fail(field, fmt.Sprintf("is too long: it may have %d bytes", most))
	}
	return text
}

// fail keeps the first problem.
func (p *parser) fail(field, problem string) {
	if p.inData {
		field = "data." + field
	}
	if p.err == nil {
		p.err = &Error{Line: p.event.Line, Field: field, Problem: problem}
	}
}

// oneOf writes a choice: "A, B or C".
func oneOf[S ~string](allowed ...S) string {
	var text strings.Builder
	for i, s := range allowed {
		switch i {
		case 0:
		case len(allowed) - 1:
			text.WriteString(" or ")
		default:
			text.WriteString(", ")
		}
		text.WriteString(string(s))
	}
	return text.String()
}
