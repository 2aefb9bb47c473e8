package cloudevents

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fastjson"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/identity"
	"numberfleet.dev/numberfleet/internal/report"
)

const (
	maxText = 512 // of an id or a name, in bytes
	// maxSource is how long a source may be, in bytes: it is a URI.
	maxSource = 2048
	// maxKept is how many numbers, sources and templates a parser keeps so as to have each once in memory.
	maxKept = 1 << 16
)

// Parser reads events. It is for one goroutine.
type Parser struct {
	json fastjson.Parser
	kept map[string]string
}

// NewParser makes a parser.
func NewParser() *Parser { return &Parser{kept: map[string]string{}} }

// parse reads the JSON of one event into e, which says where it stood. notJSON is what to say of what is no JSON object: the
// JSON parser's own words quote it.
func (r *Parser) parse(content []byte, e Event, notJSON string) (Event, error) {
	root, err := r.json.ParseBytes(content)
	if err != nil || root.Type() != fastjson.TypeObject {
		return Event{}, e.Refuse("", notJSON)
	}
	return r.take(root, root.Get("data"), e)
}

// take checks an event's attributes, then its data.
func (r *Parser) take(attributes, data *fastjson.Value, e Event) (Event, error) {
	p := parser{kept: r, event: e, object: attributes}
	p.attributes()
	if p.err == nil {
		if p.object = data; data == nil {
			p.fail("data", "is missing")
		} else if data.Type() != fastjson.TypeObject {
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
func (r *Parser) keep(text []byte) string {
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

// parser takes one event from JSON. After its first error it takes nothing more.
type parser struct {
	kept   *Parser
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
	e.Source = p.kept.keep(p.required("source", maxSource))
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
	categories      = []report.CategoryName{report.Marketing, report.Utility, report.Authentication, report.Service}
	feedbackKinds   = []v1alpha1.FeedbackKind{v1alpha1.FeedbackBlock, v1alpha1.FeedbackReport, v1alpha1.FeedbackMute, v1alpha1.FeedbackArchive}
	feedbackReasons = []v1alpha1.FeedbackReason{v1alpha1.FeedbackNoLongerNeeded, v1alpha1.FeedbackDidNotSignUp, v1alpha1.FeedbackSpam,
		v1alpha1.FeedbackOffensiveMessages, v1alpha1.FeedbackNoReason, v1alpha1.FeedbackOther}
)

func (p *parser) data() {
	e := &p.event
	switch e.Type {
	case MessageDelivered:
		p.number()
		e.User = p.user()
		e.MessageID = string(p.required("messageID", maxText))
		e.Template = p.kept.keep(p.optional("template", maxText))
		if p.has("category") {
			e.Category = choice(p, "category", categories)
		}
	case MessageReceived:
		p.number()
		e.User = p.user()
	case MessageFailed:
		p.number()
		e.User = p.user()
		e.MessageID = string(p.required("messageID", maxText))
		e.Code = p.code()
	case FeedbackReceived:
		p.number()
		e.User = p.user()
		e.Feedback = choice(p, "kind", feedbackKinds)
		e.FeedbackReason = choice(p, "reason", feedbackReasons)
	case QualityReported:
		p.number()
		e.Rating = choice(p, "rating", report.Ratings)
		e.Reason = string(p.optional("reason", maxText))
	case LimitReported:
		p.numberOrPortfolio()
		e.Limit = p.limit()
	case ConnectionReported:
		p.number()
		e.State = choice(p, "state", report.States)
	case VerificationReported:
		p.numberOrPortfolio()
		e.Verification = choice(p, "business", report.Verifications)
	case TemplateReported:
		e.Template = p.kept.keep(p.required("template", maxText))
		if p.hasNumber() {
			p.number()
		}
		if !p.has("rating") && !p.has("state") {
			p.fail("rating", "is missing: set rating or state, or both")
		}
		if p.has("rating") {
			e.Rating = choice(p, "rating", report.Ratings)
		}
		if p.has("state") {
			e.TemplateState = choice(p, "state", report.TemplateChanges)
		}
	}
}

func (p *parser) numberOrPortfolio() {
	switch number, portfolio := p.hasNumber(), p.has("portfolio"); {
	case number && portfolio:
		p.fail("portfolio", "is set together with number: set exactly one of the two")
	case portfolio:
		p.event.Portfolio = string(p.required("portfolio", maxText))
	case number:
		p.number()
	default:
		p.fail("number", "is missing: set number or portfolio, or numberID in place of number")
	}
}

func (p *parser) hasNumber() bool { return p.has("number") || p.has("numberID") }

// number reads which number the event is about: by itself, by Meta's id, or by both.
func (p *parser) number() {
	if !p.hasNumber() {
		p.fail("number", "is missing: it is required, unless numberID has the id that Meta gave to the number")
		return
	}
	if p.has("numberID") {
		p.event.NumberID = p.numberID()
	}
	if p.has("number") {
		p.event.Number = p.e164()
	}
}

func (p *parser) numberID() string {
	text := p.required("numberID", maxText)
	if p.err == nil && !identity.IsMetaID(string(text)) {
		p.fail("numberID", fmt.Sprintf("must be the id that Meta gave to the number: a string of 1 to %d digits", identity.MaxMetaID))
		return ""
	}
	return p.kept.keep(text)
}

func (p *parser) e164() string {
	text := p.required("number", maxText)
	if p.err != nil {
		return ""
	}
	if kept, ok := p.kept.kept[string(text)]; ok && identity.IsE164(kept) {
		return kept
	}
	if !identity.IsE164(string(text)) {
		p.fail("number", "must be in E.164: a plus, the country code and 7 to 15 digits in all without spaces")
		return ""
	}
	return p.kept.keep(text)
}

// user is who a message went to or came from, in the one form that the webhooks have, so that one user is one whoever tells of them.
func (p *parser) user() string {
	written := string(p.required("user", maxText))
	user, ok := identity.ParseUser(written)
	if !ok {
		p.fail("user", identity.AUser)
	}
	return user
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
		return report.Unlimited
	}
	limit, err := p.object.Get("limit").Int64()
	if err != nil || limit < 1 || limit > report.MaxLimit {
		p.fail("limit", fmt.Sprintf("must be a whole number from 1 to %d, or be left out for unlimited", report.MaxLimit))
	}
	return limit
}

func choice[S ~string](p *parser, field string, allowed []S) S {
	text := p.required(field, maxText)
	if i := slices.IndexFunc(allowed, func(s S) bool { return string(s) == string(text) }); i >= 0 {
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
		p.err = p.event.Refuse(field, problem)
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
