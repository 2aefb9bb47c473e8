package api

import (
	"cmp"
	stdjson "encoding/json"
	"errors"
	"mime"
	"net/http"
	"strings"
	"time"

	"sigs.k8s.io/json"

	"numberfleet.dev/numberfleet/internal/gate"
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/server"
)

// reservation is the body of a request for one.
type reservation struct {
	Number    string `json:"number"`
	NumberID  string `json:"numberID"`
	Pool      string `json:"pool"`
	Namespace string `json:"namespace"`
	User      string `json:"user"`
	Template  string `json:"template"`
	Language  string `json:"language"`
	Category  string `json:"category"`
	TTL       string `json:"ttl"`
	Key       string `json:"key"`
}

// reservations is the body of a request for one, or for several in order.
type reservations struct {
	reservation
	Reservations []reservation `json:"reservations"`
}

// confirmation is the body of a request that confirms a reservation.
type confirmation struct {
	MessageID string `json:"messageID"`
}

// request is what a reservation asks of the gate, which refuses what of it is wrong.
func (r *reservation) request() gate.Request {
	ttl, err := time.ParseDuration(cmp.Or(r.TTL, "0s"))
	if err != nil {
		ttl = -1
	}
	return gate.Request{
		Number: r.Number, NumberID: r.NumberID, Pool: r.Pool, Namespace: r.Namespace, User: r.User, Template: r.Template, Language: r.Language,
		Category: report.CategoryName(r.Category), TTL: ttl, Key: r.Key,
	}
}

func badRequest(problem string) error {
	return &server.Error{Code: http.StatusBadRequest, Message: problem}
}

// read reads the JSON body of a request into a value. The error is a *server.Error.
func (a *API) read(w http.ResponseWriter, req *http.Request, into any, fields string) error {
	if media, _, err := mime.ParseMediaType(req.Header.Get("Content-Type")); err != nil || media != jsonType {
		return &server.Error{Code: http.StatusUnsupportedMediaType, Message: "Content-Type must be " + jsonType}
	}
	if err := a.bodies.Check(req); err != nil {
		return err
	}
	return a.bodies.Read(w, req, func(body []byte) error { return decode(body, into, fields) })
}

// decode reads JSON strictly: a field that is not known, or that comes twice, is a mistake of whoever sent it. Errors name fields, and
// repeat nothing else.
func decode(body []byte, into any, fields string) error {
	mistakes, err := json.UnmarshalStrict(body, into)
	if err != nil {
		if wrong, ok := errors.AsType[*stdjson.UnmarshalTypeError](err); ok && wrong.Field != "" {
			return badRequest(wrong.Field[strings.LastIndexByte(wrong.Field, '.')+1:] + " is of another JSON type")
		}
		return badRequest("the body must be a JSON object")
	}
	if len(mistakes) > 0 {
		problem, _ := strings.CutPrefix(mistakes[0].Error(), "json: ")
		return badRequest(problem + "; the fields are " + fields)
	}
	return nil
}
