package api

import (
	"net/http"

	"numberfleet.dev/numberfleet/internal/gate"
)

const previewFields = "number, numberID, pool, namespace, user, template, language, category and ttl"

// previewed is the body of the answer to what would be granted.
type previewed struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Number    string `json:"number"`
	NumberID  string `json:"numberID,omitempty"`
	// State, Why and Shadow are what a reservation would be granted as, and why.
	State  string `json:"state"`
	Why    string `json:"why"`
	Shadow bool   `json:"shadow,omitempty"`
	// Remaining is to how many further users the same may be sent, this one among them where its place would be taken.
	Remaining int64 `json:"remaining"`
}

// preview answers whether a message may be sent now to a user. The user is in the body, and in no log of URLs.
func (a *API) preview(w http.ResponseWriter, req *http.Request, from *from) (int, error) {
	var body reservation
	if err := a.read(w, req, &body, previewFields); err != nil {
		return 0, err
	}
	if body.Key != "" {
		return 0, badRequest("nothing is reserved, so key must be left out")
	}
	request := body.request()
	answer, err := from.Gate.Preview(req.Context(), from.caller, &request)
	switch {
	case err != nil:
		return 0, a.failed(req.Context(), err, "It could not be told what may be sent to a user")
	case answer.Problem != nil:
		return a.writeProblem(w, answer.Problem), nil
	}
	d := &answer.Decision
	return a.write(w, http.StatusOK, jsonType, &previewed{
		Namespace: answer.Namespace, Name: answer.Name, Number: answer.Number, NumberID: answer.NumberID,
		State: string(d.State), Why: d.Why, Shadow: d.Shadow, Remaining: gate.Remaining(d),
	}), nil
}
