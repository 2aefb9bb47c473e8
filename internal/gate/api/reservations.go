package api

import (
	"fmt"
	"net/http"

	"numberfleet.dev/numberfleet/internal/gate"
	"numberfleet.dev/numberfleet/internal/server"
)

// The fields of the bodies that are read.
const (
	reservationFields  = "number, numberID, pool, namespace, user, template, language, category, ttl and key, or reservations, a list of such objects"
	confirmationFields = "messageID alone"
)

// result is what became of one of several reservations.
type result struct {
	Status      int      `json:"status"`
	Reservation *granted `json:"reservation,omitempty"`
	Problem     *problem `json:"problem,omitempty"`
}

// results is the body of the answer to several reservations, in their order.
type results struct {
	Results []result `json:"results"`
}

// reserve answers a request for one reservation, or for several.
func (a *API) reserve(w http.ResponseWriter, req *http.Request, from *from) (int, error) {
	var body reservations
	if err := a.read(w, req, &body, reservationFields); err != nil {
		return 0, err
	}
	several := body.Reservations != nil
	asked := body.Reservations
	switch {
	case !several:
		asked = []reservation{body.reservation}
	case body.reservation != reservation{}:
		return 0, badRequest("the fields of one reservation and reservations do not go together")
	case len(asked) == 0 || len(asked) > gate.MaxRequests:
		return 0, badRequest(fmt.Sprintf("reservations must have 1 to %d objects", gate.MaxRequests))
	}
	requests := make([]gate.Request, len(asked))
	for i := range asked {
		requests[i] = asked[i].request()
	}
	answers, err := from.Gate.Reserve(req.Context(), from.caller, requests)
	if err != nil {
		return 0, a.failed(req.Context(), err, "Reservations could not be decided")
	}
	if several {
		return a.write(w, http.StatusOK, jsonType, resultsOf(answers)), nil
	}
	if p := answers[0].Problem; p != nil {
		return a.writeProblem(w, p), nil
	}
	return a.write(w, http.StatusCreated, jsonType, grantedOf(&answers[0])), nil
}

func resultsOf(answers []gate.Answer) *results {
	all := &results{Results: make([]result, len(answers))}
	for i := range answers {
		if p := answers[i].Problem; p != nil {
			all.Results[i] = result{Status: p.Status, Problem: problemOf(p)}
		} else {
			all.Results[i] = result{Status: http.StatusCreated, Reservation: grantedOf(&answers[i])}
		}
	}
	return all
}

// confirm answers a request that confirms a reservation.
func (a *API) confirm(w http.ResponseWriter, req *http.Request, from *from, text string) (int, error) {
	id, err := reservationID(text)
	if err != nil {
		return 0, err
	}
	var body confirmation
	if err := a.read(w, req, &body, confirmationFields); err != nil {
		return 0, err
	}
	answer, err := from.Gate.Confirm(req.Context(), from.caller, id, body.MessageID)
	if err != nil {
		return 0, a.failed(req.Context(), err, "A reservation could not be confirmed")
	}
	if answer.Problem != nil {
		return a.writeProblem(w, answer.Problem), nil
	}
	return a.write(w, http.StatusOK, jsonType, &confirmed{ID: id.String(), State: string(answer.Decision.State)}), nil
}

// confirmed is the body of the answer to what was confirmed.
type confirmed struct {
	ID string `json:"id"`
	// State is Confirmed, Ended where the message is delivered or failed already, or Unreserved where there is nothing to confirm.
	State string `json:"state"`
}

// release answers a request that releases a reservation. There is nothing to say of it.
func (a *API) release(w http.ResponseWriter, req *http.Request, from *from, text string) (int, error) {
	id, err := reservationID(text)
	if err != nil {
		return 0, err
	}
	answer, err := from.Gate.Release(req.Context(), from.caller, id)
	if err != nil {
		return 0, a.failed(req.Context(), err, "A reservation could not be released")
	}
	if answer.Problem != nil {
		return a.writeProblem(w, answer.Problem), nil
	}
	server.WriteHeader(w, http.StatusNoContent, "")
	return http.StatusNoContent, nil
}
