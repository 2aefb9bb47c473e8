package guard

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/gate"
	"numberfleet.dev/numberfleet/internal/server"
)

// The reasons of the guard's own.
const (
	// unauthorized: the caller brings no token that is good.
	unauthorized gate.Reason = "Unauthorized"
	// unreachable: Meta could not be reached, so that nothing was sent.
	unreachable gate.Reason = "Unreachable"
	// unknown: Meta did not answer, so that the message was sent or was not. Its place stays held.
	unknown gate.Reason = "Unknown"
)

// codes are Meta's error codes of refusals, by its page "support/error-codes": those that senders know how to take. What is not among
// them has the code of its HTTP status.
var codes = map[gate.Reason]int64{
	gate.Reason(v1alpha1.RoomOutsideWindow):       131047, // only a template can be sent
	gate.Reason(v1alpha1.RoomTemplateNotSendable): 132001, // the template does not exist or is not approved
}

var statusCodes = map[int]int64{
	http.StatusUnauthorized:       190,    // the access token is not good
	http.StatusForbidden:          10,     // a permission is missing
	http.StatusConflict:           131031, // the account may not send
	http.StatusTooManyRequests:    130429, // too much is sent
	http.StatusServiceUnavailable: 131016, // not available
	http.StatusBadGateway:         131016,
	http.StatusGatewayTimeout:     131016,
}

const wrongParameter = 100 // Meta's code of everything else

// envelope is how Meta writes an error.
type envelope struct {
	Error envelopeError `json:"error"`
}

type envelopeError struct {
	Message   string       `json:"message"`
	Type      string       `json:"type"`
	Code      int64        `json:"code"`
	ErrorData envelopeData `json:"error_data"`
	TraceID   string       `json:"fbtrace_id"`
}

type envelopeData struct {
	Product string `json:"messaging_product"`
	Details string `json:"details"`
}

// codeOf is Meta's code for a problem.
func codeOf(p *gate.Problem) int64 {
	if code, ok := codes[p.Reason]; ok {
		return code
	}
	if code, ok := statusCodes[p.Status]; ok {
		return code
	}
	return wrongParameter
}

// writeProblem refuses a request in Meta's words, so that SDKs read it. The details begin with our reason.
func writeProblem(w http.ResponseWriter, p *gate.Problem) (status int, err error) {
	code := codeOf(p)
	if seconds := p.RetrySeconds(); seconds > 0 {
		w.Header().Set("Retry-After", strconv.FormatInt(seconds, 10))
	}
	server.WriteHeader(w, p.Status, "application/json; charset=UTF-8")
	return p.Status, json.NewEncoder(w).Encode(envelope{envelopeError{
		Message: fmt.Sprintf("(#%d) %s", code, p.Title), Type: "OAuthException", Code: code,
		ErrorData: envelopeData{Product: "whatsapp", Details: string(p.Reason) + ": " + p.Detail}, TraceID: rand.Text(),
	}})
}

// unauthorised refuses a caller without a good token.
func unauthorised(detail string) *gate.Problem {
	return &gate.Problem{Reason: unauthorized, Status: http.StatusUnauthorized, Title: "Access token missing or not good", Detail: detail}
}

// notSent says that Meta could not be reached.
func notSent() *gate.Problem {
	return &gate.Problem{Reason: unreachable, Status: http.StatusBadGateway, Title: "Service unavailable", Detail: "Meta could not be reached, and nothing was sent", RetryAfter: time.Second}
}

// notKnown says that Meta did not answer. It does not ask for another try, which may send the message twice.
func notKnown(detail string) *gate.Problem {
	return &gate.Problem{Reason: unknown, Status: http.StatusGatewayTimeout, Title: "Service unavailable", Detail: detail}
}

// problemOf is a refusal of the server's in the gate's form.
func problemOf(err *server.Error) *gate.Problem {
	if err.Code == http.StatusServiceUnavailable {
		return notReady()
	}
	p := gate.NewProblem(gate.BadRequest, err.Message)
	p.Status = err.Code
	return p
}

// notReady asks to try again: what is needed to decide cannot be told now.
func notReady() *gate.Problem { return gate.NewProblem(gate.Reason(v1alpha1.RoomNotReady), "") }

// throttled asks to wait.
func throttled(detail string, wait time.Duration) *gate.Problem {
	p := gate.NewProblem(gate.Throttled, detail)
	p.RetryAfter = max(wait, time.Second)
	return p
}
