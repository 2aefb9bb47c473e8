package gate

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
)

// Reason says in one word why a request is refused: a v1alpha1.RoomReason, or one of the reasons below.
type Reason string

// The reasons of the gate's own.
const (
	// BadRequest: the request itself is wrong.
	BadRequest Reason = "BadRequest"
	// Forbidden: the caller may not send from the number, or there is no such number.
	Forbidden Reason = "Forbidden"
	// NotFound: there is no such number or reservation where the caller may send from.
	NotFound Reason = "NotFound"
	// OtherMessage: the reservation was confirmed with another message.
	OtherMessage Reason = counts.OtherMessage
	// Ended: the reservation that the idempotency key stands for has ended.
	Ended Reason = Reason(counts.Ended)
	// NotConfigured: the guard cannot name the number to Meta, or has no access token for its account.
	NotConfigured Reason = "NotConfigured"
	// Throttled: Meta, or the pace that is set for the number, asks to wait.
	Throttled Reason = counts.Throttled
	// Unavailable: nothing can be decided now.
	Unavailable Reason = counts.Unavailable
)

// kinds are what is said of each reason, whatever the numbers are. The status is 429 where waiting helps and 409 where it does not.
var kinds = map[Reason]struct {
	status int // of HTTP
	title  string
	detail string // unless there are numbers to say
}{
	BadRequest:    {http.StatusBadRequest, "The request is wrong", ""},
	Forbidden:     {http.StatusForbidden, "Not allowed", "that takes create on phonenumbers/reservations of " + v1alpha1.GroupVersion.Group + " in the namespace of the PhoneNumber or NumberPool"},
	NotFound:      {http.StatusNotFound, "Not found", "there is no such PhoneNumber or NumberPool"},
	OtherMessage:  {http.StatusConflict, "Confirmed with another message", "the reservation is confirmed with another message"},
	Ended:         {http.StatusConflict, "The reservation has ended", "the reservation that the key stands for has ended; a new one takes a new key"},
	NotConfigured: {http.StatusServiceUnavailable, "The number is not set up", "the guard cannot send from the number: give its PhoneNumber spec.phoneNumberID, and its account an access token in guard.accounts"},
	Throttled:     {http.StatusTooManyRequests, "Too fast", "messages are sent too fast"},
	Unavailable:   {http.StatusServiceUnavailable, "Not available now", "reservations cannot be kept now"},

	Reason(v1alpha1.RoomLimitReached):        {http.StatusTooManyRequests, "The limit is reached", "Meta reports that the limit is reached"},
	Reason(v1alpha1.RoomBudgetReached):       {http.StatusTooManyRequests, "The budget is used up", ""},
	Reason(v1alpha1.RoomTemplatePaused):      {http.StatusTooManyRequests, "The template is paused", "Meta has paused the template"},
	Reason(v1alpha1.RoomAccountRestricted):   {http.StatusTooManyRequests, "The account is restricted", "Meta restricts the account of the number"},
	Reason(v1alpha1.RoomBlocked):             {http.StatusConflict, "The number is blocked", "the number is blocked, and only Meta can lift that"},
	Reason(v1alpha1.RoomOffline):             {http.StatusConflict, "The number is offline", "WhatsApp's servers cannot reach the number"},
	Reason(v1alpha1.RoomPending):             {http.StatusConflict, "The number is pending", "the number is not registered yet"},
	Reason(v1alpha1.RoomSuspended):           {http.StatusConflict, "Suspended", "spec.activity of the number, its portfolio or the template is Suspended"},
	Reason(v1alpha1.RoomTemplateNotSendable): {http.StatusConflict, "The template cannot be sent", "Meta does not send the template in the state that it is in"},
	Reason(v1alpha1.RoomOutsideWindow):       {http.StatusConflict, "Outside of the service window", "the user has not written in the service window, so only a template can be sent"},
	Reason(v1alpha1.RoomDrained):             {http.StatusConflict, "The number takes no further users", "the number is rated lower than its pool asks for, or has the weight 0, and sends inside service windows only"},
	Reason(v1alpha1.RoomCategoryNotServed):   {http.StatusConflict, "Not for this category", "the pool is not for messages of the category, or the category is not known"},
	Reason(v1alpha1.RoomNotReady):            {http.StatusServiceUnavailable, "Not known yet", "the operator does not know enough to say: the conditions of the PhoneNumber or NumberPool say what it lacks"},
}

// typeBase begins the URI of a type of problem; docs/gate.md has a row with that anchor for each.
const typeBase = "https://numberfleet.dev/docs/gate#"

// RetryAfter is when a caller is asked to try again where nobody knows when that will help.
const RetryAfter = 10 * time.Second

// Status is the HTTP status of a reason.
func (r Reason) Status() int {
	if kind, ok := kinds[r]; ok {
		return kind.status
	}
	return http.StatusConflict
}

// Problem is a refusal, as RFC 9457 says it.
type Problem struct {
	Reason Reason
	Status int    // of HTTP
	Title  string // the same for all of a reason
	Detail string // one sentence about this one, with the numbers; it names no user and no number
	Field  string // of the request, where one is wrong
	// Members says of a pool why each of its numbers does not send, in the order in which they were tried.
	Members []Member
	// Until is when waiting ends, in the time of the rules; zero where that is not known.
	Until time.Time
	// RetryAfter is the real time until then, or until another try is sensible; zero where waiting does not help.
	RetryAfter time.Duration
}

// Member is why a number of a pool does not send.
type Member struct {
	Name   string // of the PhoneNumber
	Reason Reason
	Until  time.Time // zero where it is not known
}

// NewProblem is a problem in the words of its reason, which detail replaces where it is not empty.
func NewProblem(reason Reason, detail string) *Problem {
	kind := kinds[reason]
	if detail == "" {
		detail = kind.detail
	}
	p := &Problem{Reason: reason, Status: reason.Status(), Title: kind.title, Detail: detail}
	if p.Status == http.StatusTooManyRequests || p.Status == http.StatusServiceUnavailable {
		p.RetryAfter = RetryAfter
	}
	return p
}

// wrong is the problem of a field of a request.
func wrong(field, problem string) *Problem {
	p := NewProblem(BadRequest, field+" "+problem)
	p.Field = field
	return p
}

// Type is the URI of the problem's type; about:blank where there is no more to say than the status.
func (p *Problem) Type() string {
	if _, known := kinds[p.Reason]; !known {
		return "about:blank"
	}
	return typeBase + strings.ToLower(string(p.Reason))
}

// RetrySeconds is RetryAfter in whole seconds, as the header of that name has it: rounded up, and zero where waiting does not help.
func (p *Problem) RetrySeconds() int64 { return int64((p.RetryAfter + time.Second - 1) / time.Second) }

// ProblemOf is the problem of a decision that grants nothing. Wait is the real time until an instant of the rules' time.
func ProblemOf(d *counts.Decision, wait func(until time.Time) time.Duration) *Problem {
	p := NewProblem(Reason(d.Why), numbersOf(d))
	if n := len(d.Members); n > 0 {
		p.Detail = fmt.Sprintf("none of the %d numbers of the pool may send; of the one that may first: %s", n, p.Detail)
	}
	if d.Until > 0 && p.RetryAfter > 0 {
		p.Until = time.Unix(d.Until, 0).UTC()
		p.RetryAfter = max(time.Second, wait(p.Until))
	}
	return p
}
