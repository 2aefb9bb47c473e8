package guard

import (
	"context"
	"net/http"

	"numberfleet.dev/numberfleet/internal/gate"
)

// disclose returns a problem if the caller may know that the number is one of the fleet, and how it stands. Of a caller who has not sent from
// it yet, Meta is asked whether the token may see the number; where it may not, the caller has Meta's answer to that.
func (s *sending) disclose(w http.ResponseWriter, req *http.Request, problem *gate.Problem) *gate.Problem {
	if s.known {
		w.Header().Set(numberHeader, s.name)
		return problem
	}
	look := &exchange{refusal: problem, name: s.name}
	req = req.Clone(context.WithValue(req.Context(), exchangeKey{}, look))
	req.Method, req.Body, req.ContentLength = http.MethodGet, http.NoBody, 0
	req.Header.Del("Content-Type")
	req.Header.Del("Content-Length")
	req.URL.Path, req.URL.RawPath = s.to.path(""), ""
	query := req.URL.Query()
	query.Set("fields", "id")
	req.URL.RawQuery = query.Encode()
	s.proxy.ServeHTTP(w, req)
	if s.status = look.status; look.refused {
		s.trust.shown(right{s.caller.app, s.to.number, false})
	}
	return nil
}
