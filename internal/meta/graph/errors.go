package graph

import (
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Kind says what to do about an Error.
type Kind uint8

const (
	// Temporary may pass by itself: Meta is down, the network is, or an answer did not arrive whole. Come back with a backoff.
	Temporary Kind = iota + 1
	// RateLimited passes by itself: come back at Error.RetryAt, not before.
	RateLimited
	// Token needs another access token: this one is missing, malformed, expired or revoked.
	Token
	// Permission needs more rights for the access token.
	Permission
	// NotFound means that there is no such thing, or that the access token may not see it: Meta does not tell the two apart.
	NotFound
	// Permanent is any other refusal. The same call will not succeed.
	Permanent
)

var kindNames = [...]string{
	Temporary: "Temporary", RateLimited: "RateLimited", Token: "Token", Permission: "Permission", NotFound: "NotFound", Permanent: "Permanent",
}

func (k Kind) String() string { return kindNames[k] }

// Error says why something could not be read, and what to do about it.
//
// Its text is made for a condition in a status: it holds no token and no phone number, and stays the same from one failure
// to the next of the same cause, so the times and trace ids that Meta puts into every answer are not in it.
type Error struct {
	Kind    Kind
	What    string    // what was read, such as "phone number 1001", by Meta's ids
	RetryAt time.Time // when to come back, at most a day ahead: always of RateLimited, and of Temporary if the answer says so
	Held    bool      // no call was made: the Limiter does not allow one before RetryAt

	// What Meta answered; all are empty if there was no answer, or none of Meta's.
	HTTPStatus int
	Code       int64
	Subcode    int64
	Type       string // a class of Meta's, such as OAuthException
	Message    string // of Meta's, cleaned, at most 256 characters; may differ from one answer to the next
	Details    string // what the message leaves out, likewise

	cause error
}

// Error is a sentence for the owner of the number.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.What)
	b.WriteString(": ")
	switch {
	case e.Held:
		b.WriteString("the calls that Meta allows to the account are used up for now")
	case e.Kind == RateLimited:
		b.WriteString("Meta refuses further calls for now")
	case e.Kind == Token && e.expired():
		b.WriteString("the access token has expired")
	case e.Kind == Token && e.cause == nil:
		b.WriteString("Meta refuses the access token")
	case e.Kind == Permission:
		b.WriteString("the access token lacks a permission")
	case e.Kind == NotFound:
		b.WriteString("it does not exist, or the access token may not see it")
	case e.cause != nil:
		b.WriteString(e.cause.Error())
	case e.Kind == Temporary:
		b.WriteString("Meta's Graph API does not answer properly for now")
	default:
		b.WriteString("Meta refuses the call")
	}
	if codes := e.codes(); codes != "" {
		b.WriteString(" (" + codes + ")")
	}
	// The others' messages tell the time, or nothing.
	if e.Message != "" && (e.Kind == Permission || e.Kind == Permanent) {
		b.WriteString(": " + e.Message)
		if e.Details != "" {
			b.WriteString(": " + e.Details)
		}
	}
	return b.String()
}

// Unwrap is what failed before Meta answered, such as a dial, or context.Canceled.
func (e *Error) Unwrap() error { return e.cause }

func (e *Error) codes() string {
	var codes []string
	if e.HTTPStatus != 0 && e.HTTPStatus != http.StatusOK {
		codes = append(codes, "HTTP "+strconv.Itoa(e.HTTPStatus))
	}
	if e.Code != 0 {
		codes = append(codes, "code "+strconv.FormatInt(e.Code, 10))
	}
	if e.Subcode != 0 {
		codes = append(codes, "subcode "+strconv.FormatInt(e.Subcode, 10))
	}
	return strings.Join(codes, ", ")
}

// Codes of Meta's that are named outside of classify.
const (
	codeTemporary = -1 // Meta could not say what is wrong: an error without a name
	codeParameter = 100
	codeCursor    = 131059

	subcodeNoSuchNode = 33
	subcodeExpired    = 463
)

func (e *Error) expired() bool { return e.Kind == Token && e.Subcode == subcodeExpired }

// parseError reads a refusal from the body of an answer. It is nil where the body is no refusal of Meta's. The token is
// the one that was sent, for Meta quotes it back. The codes are numbers by Meta's pages, and strings here and there.
func parseError(body []byte, token string) (e *Error, transient bool) {
	answer, _ := newObject(body, nil)
	o := answer.object("error")
	if o == nil {
		return nil, false
	}
	e = &Error{
		Code:    integer(o.get("code")),
		Subcode: integer(o.get("error_subcode")),
		Type:    o.word("type"),
		Message: clean(o.text("message"), token),
		Details: clean(o.object("error_data").text("details"), token),
	}
	return e, o.flag("is_transient")
}

func integer(raw json.RawMessage) int64 {
	s, ok := scalar(raw)
	if !ok {
		return 0
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < codeTemporary {
		return 0
	}
	return n
}

// classify sets the kind of a refusal.
//
// Codes come before HTTP statuses, which Meta gives as 400 for nearly everything. They are those of Meta's pages
// "error-handling", "rate-limiting" and "error-codes" that a read can meet; the codes of sending are not among them.
func (e *Error) classify(transient bool) {
	switch {
	case rateCode(e.Code) || e.HTTPStatus == http.StatusTooManyRequests:
		e.Kind = RateLimited
	case e.Code == 190 || e.Code == 102 || e.Code == 104 || e.HTTPStatus == http.StatusUnauthorized:
		e.Kind = Token
	case transient || e.Code == codeTemporary || e.Code == 1 || e.Code == 2 || e.Code == 131000 || e.Code == 131016 || e.Code == 133004:
		e.Kind = Temporary
	case e.Code == 3 || e.Code == 10 || 200 <= e.Code && e.Code <= 299 || e.Code == 131005:
		e.Kind = Permission
	case e.Code == 33 || e.Code == 803 || e.Code == codeParameter && e.noSuchNode():
		e.Kind = NotFound
	case e.HTTPStatus >= 500 || e.HTTPStatus == http.StatusRequestTimeout || e.HTTPStatus == http.StatusTooEarly:
		e.Kind = Temporary
	case e.Code == 0 && e.Type == "OAuthException":
		e.Kind = Token
	case e.Code != 0:
		e.Kind = Permanent
	case e.HTTPStatus == http.StatusForbidden:
		e.Kind = Permission
	case e.HTTPStatus == http.StatusNotFound || e.HTTPStatus == http.StatusGone:
		e.Kind = NotFound
	default:
		e.Kind = Permanent
	}
	if e.Kind == Token {
		e.Message, e.Details = "", "" // they quote the token
	}
}

// noSuchNode tells an unknown id from a parameter that is wrong, which have one code. Meta leaves the subcode out for some
// nodes from v16.0 on; then only the message tells.
func (e *Error) noSuchNode() bool {
	return e.Subcode == subcodeNoSuchNode || e.Subcode == 0 && strings.Contains(e.Message, "does not exist")
}

// rateCode reports whether Meta limits the rate with that code: of the app (4), of a user (17), of a page (32), of an app
// (341), of a custom limit (613), of an account (80007 or 80008: Meta's pages disagree), of throughput (130429).
func rateCode(code int64) bool {
	switch code {
	case 4, 17, 32, 341, 613, 80007, 80008, 130429:
		return true
	default:
		return false
	}
}

// KindOf is the kind of an error that a Client returned, zero if it is none.
func KindOf(err error) Kind {
	if e, is := errors.AsType[*Error](err); is {
		return e.Kind
	}
	return 0
}

const shortestSecret = 12 // a shorter piece of a token says nothing

var (
	secretLike = regexp.MustCompile(`[A-Za-z0-9_|.%-]{33,}`)
	phoneLike  = regexp.MustCompile(`\+[0-9][0-9 ().-]{5,}[0-9]`)
)

// clean is a text of Meta's that may be shown: without anything that is or looks like a token or a phone number. It is
// empty if a piece of the token is left in it, such as one that Meta cut.
func clean(text, token string) string {
	if token != "" {
		text = strings.ReplaceAll(text, token, "…")
	}
	text = secretLike.ReplaceAllString(text, "…")
	text = phoneLike.ReplaceAllString(text, "…")
	for i := 0; i+shortestSecret <= len(token); i++ {
		if strings.Contains(text, token[i:i+shortestSecret]) {
			return ""
		}
	}
	return text
}
