package guard

import (
	stdjson "encoding/json"
	"mime"
	"net/http"

	"sigs.k8s.io/json"

	"numberfleet.dev/numberfleet/internal/gate"
	"numberfleet.dev/numberfleet/internal/identity"
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/server"
)

// message is what a sender sends, as far as a reservation needs it.
type message struct {
	user               string // in the one form that stands for all; empty for a message that no place can be reserved for
	template, language string // of a template
	freeForm           bool   // no template
	category           report.CategoryName
}

// reserves says whether a place can be reserved for a message. That a user's message was read, and that an answer is being typed, reaches
// nobody. Whom a message in a group reaches is not known when it is sent; those whom it reached are counted when Meta tells.
func (m *message) reserves() bool { return m.user != "" }

// scalar is a string, or a number as it is written: senders write phone numbers both ways.
type scalar string

// UnmarshalJSON implements json.Unmarshaler.
func (s *scalar) UnmarshalJSON(raw []byte) error {
	if len(raw) > 0 && (raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9') {
		*s = scalar(raw)
		return nil
	}
	return stdjson.Unmarshal(raw, (*string)(s))
}

// body are the fields of a message's body that the guard reads, by Meta's page "reference/whatsapp-business-phone-number/message-api".
type body struct {
	RecipientType string    `json:"recipient_type"`
	To            scalar    `json:"to"`
	Recipient     scalar    `json:"recipient"`
	Type          string    `json:"type"`
	Status        string    `json:"status"`
	Template      *template `json:"template"`
}

type template struct {
	Name     string `json:"name"`
	Language struct {
		Code string `json:"code"`
	} `json:"language"`
}

// checkType refuses a body that Meta would not read as JSON.
func checkType(req *http.Request) error {
	if kind, _, err := mime.ParseMediaType(req.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return &server.Error{Code: http.StatusUnsupportedMediaType, Message: "Content-Type must be application/json"}
	}
	return nil
}

// parse reads the body of a message to an edge. It refuses what can be read in more than one way: a field that is there twice, two
// recipients, and a type that the other fields do not fit to.
func parse(content []byte, edge string) (message, *gate.Problem) {
	var b body
	refuse := func(problem string) (message, *gate.Problem) {
		return message{}, gate.NewProblem(gate.BadRequest, problem)
	}
	if twice, err := json.UnmarshalStrict(content, &b, json.DisallowDuplicateFields); err != nil {
		return refuse("the body must be a message in JSON")
	} else if len(twice) > 0 {
		return refuse("a field of the message is there twice")
	}
	isTemplate := b.Type == "template"
	switch {
	case b.Status != "" && (b.To != "" || b.Recipient != "" || b.Type != "" || b.Template != nil):
		return refuse("status must not come with a message")
	case b.Status != "":
		return message{}, nil
	case isTemplate != (b.Template != nil):
		return refuse("template and the type template go together")
	case edge == marketingEdge && !isTemplate:
		return refuse("only templates are sent to " + marketingEdge)
	case b.To != "" && b.Recipient != "":
		return refuse("to and recipient must not be given both")
	}
	user, ok := identity.ParseUser(string(b.To + b.Recipient))
	if b.RecipientType == "group" {
		if ok {
			return refuse("to must be the id of a group where recipient_type is group")
		}
		return message{}, nil
	}
	if !ok {
		return refuse("to or recipient " + identity.AUser)
	}
	m := message{user: user, freeForm: !isTemplate}
	if isTemplate {
		m.template, m.language = b.Template.Name, b.Template.Language.Code
	}
	if edge == marketingEdge {
		m.category = report.Marketing
	}
	return m, nil
}
