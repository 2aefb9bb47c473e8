package graphtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

const (
	maxMessage = 1 << 20 // bytes that are read of a message
	maxUser    = 256     // bytes of who a message is for
)

// Message is a message that a phone number sends.
type Message struct {
	ID       string // that it gets, such as wamid.HBg1
	Number   string // Meta's id of the sender
	To       string // the phone number that it is for, as the sender wrote it, or the id of a group
	User     string // the business-scoped id that it is for, if there is one
	Group    bool
	Type     string // such as text or template
	Template string // the name, of a template
	Language string // its code, of a template
}

// sends says whether a call is to send a message.
func (c *Call) sends() bool {
	return c.Method == http.MethodPost && (c.Edge == "messages" || c.Edge == "marketing_messages")
}

// Receive says what becomes of messages that are well formed and may be sent: a Refusal, or nil for one that is taken. Without
// it all are taken. It is called while the server answers, one message after the other: it must not call the server.
func (s *Server) Receive(receive func(Message) *Refusal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.receive = receive
}

// CountMessagesFrom gives the next message an id after that of the nth, so that it does not repeat that of an earlier server.
func (s *Server) CountMessagesFrom(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages = n
}

// take takes a message, or a message of the user that was read.
func (s *Server) take(call Call) (string, *Refusal) {
	n, refusal := s.find(call)
	if refusal != nil {
		return "", refusal
	}
	if n.kind != number {
		return "", noField(call.Edge, n.kind)
	}
	var body struct {
		Product       string `json:"messaging_product"`
		RecipientType string `json:"recipient_type"`
		To            string `json:"to"`
		Recipient     string `json:"recipient"`
		Type          string `json:"type"`
		Status        string `json:"status"`
		Template      struct {
			Name     string `json:"name"`
			Language struct {
				Code string `json:"code"`
			} `json:"language"`
		} `json:"template"`
	}
	switch err := json.Unmarshal([]byte(call.Body), &body); {
	case err != nil || body.Product != "whatsapp":
		return "", refuse(100, "(#100) The parameter messaging_product is required.")
	case body.Status == "read":
		return `{"success":true}`, nil
	case body.To == "" && body.Recipient == "":
		return "", refuse(100, "(#100) The parameter to is required.")
	case len(body.To)+len(body.Recipient) > maxUser:
		return "", invalid("to")
	case body.Type == "template" && (body.Template.Name == "" || body.Template.Language.Code == ""):
		return "", invalid("template")
	}
	message := Message{
		ID: fmt.Sprintf("wamid.HBg%09d", s.messages+1), Number: n.id, To: body.To, User: body.Recipient, Group: body.RecipientType == "group", Type: body.Type,
		Template: body.Template.Name, Language: body.Template.Language.Code,
	}
	if s.receive != nil {
		if refusal := s.receive(message); refusal != nil {
			return "", refusal
		}
	}
	s.messages++
	contact := Fields{"input": message.To + message.User}
	if message.To != "" {
		contact["wa_id"] = strings.TrimPrefix(message.To, "+")
	}
	return encode(Fields{"messaging_product": "whatsapp", "contacts": []any{contact}, "messages": []any{Fields{"id": message.ID}}}), nil
}

func invalid(parameter string) *Refusal {
	refusal := refuse(131009, "(#131009) Parameter value is not valid")
	refusal.Details = "The parameter " + parameter + " is not valid"
	return refusal
}
