package api

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"numberfleet.dev/numberfleet/internal/gate"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/server"
)

// granted is the body of the answer to what was granted.
type granted struct {
	ID        string `json:"id"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Number    string `json:"number"`
	NumberID  string `json:"numberID,omitempty"`
	State     string `json:"state"`
	Why       string `json:"why,omitempty"`
	// Shadow says that the limit is not enforced, and Why what it would have been refused for.
	Shadow    bool   `json:"shadow,omitempty"`
	Expires   string `json:"expires,omitempty"`
	Remaining *int64 `json:"remaining,omitempty"`
}

func grantedOf(a *gate.Answer) *granted {
	d := &a.Decision
	return &granted{
		ID: d.ID.String(), Namespace: a.Namespace, Name: a.Name, Number: a.Number, NumberID: a.NumberID, State: string(d.State), Why: d.Why,
		Shadow: d.Shadow, Expires: instant(d.Expires), Remaining: new(gate.Remaining(d)),
	}
}

// instant writes Unix seconds; empty for none.
func instant(seconds int64) string {
	if seconds == 0 {
		return ""
	}
	return time.Unix(seconds, 0).UTC().Format(time.RFC3339)
}

// problem is the body of a refusal.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Reason string `json:"reason"`
	Detail string `json:"detail"`
	Field  string `json:"field,omitempty"`
	Until  string `json:"until,omitempty"`
	// RetryAfter is as in the header, in seconds.
	RetryAfter int64 `json:"retryAfter,omitempty"`
	// Members says of a pool why each of its numbers does not send.
	Members []member `json:"members,omitempty"`
}

type member struct {
	Name   string `json:"name"` // of the PhoneNumber
	Reason string `json:"reason"`
	Until  string `json:"until,omitempty"`
}

func problemOf(p *gate.Problem) *problem {
	written := &problem{
		Type: p.Type(), Title: p.Title, Status: p.Status, Reason: string(p.Reason), Detail: p.Detail, Field: p.Field, Until: timed(p.Until), RetryAfter: p.RetrySeconds(),
	}
	for _, m := range p.Members {
		written.Members = append(written.Members, member{m.Name, string(m.Reason), timed(m.Until)})
	}
	return written
}

// timed writes a time; empty for none.
func timed(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// refuse answers with what a server refuses, whatever is asked for.
func (a *API) refuse(w http.ResponseWriter, err *server.Error) int {
	if err.Code == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	title := http.StatusText(err.Code)
	p := gate.Problem{Reason: gate.Reason(strings.ReplaceAll(title, " ", "")), Status: err.Code, Title: title, Detail: err.Message}
	if err.Code == http.StatusServiceUnavailable {
		p.RetryAfter = gate.RetryAfter
	}
	return a.writeProblem(w, &p)
}

// writeProblem answers with what the gate refuses.
func (a *API) writeProblem(w http.ResponseWriter, p *gate.Problem) int {
	if seconds := p.RetrySeconds(); seconds > 0 {
		w.Header().Set("Retry-After", strconv.FormatInt(seconds, 10))
	}
	return a.write(w, p.Status, problemType, problemOf(p))
}

const (
	jsonType    = "application/json"
	problemType = "application/problem+json"
)

func (a *API) write(w http.ResponseWriter, code int, contentType string, body any) int {
	server.WriteHeader(w, code, contentType)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		a.Log.V(1).Info("An answer did not reach a caller of the gate") // which may be gone
	}
	return code
}

// reservationID reads the id in a path.
func reservationID(text string) (counts.ReservationID, error) {
	id, ok := counts.ParseReservationID(text)
	if !ok {
		return id, server.ErrNotFound
	}
	return id, nil
}
