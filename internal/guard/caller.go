package guard

import (
	"context"
	"net/http"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/gate"
)

// Parameters of Meta's in a query.
const (
	tokenParameter = "access_token"
	proofParameter = "appsecret_proof"
)

// caller is who sends a request about a phone number.
type caller struct {
	gate.Caller
	// app tells apart what Meta counts the calls of an app by, as far as is known here. It is no token, and empty for a caller without one.
	app string
	// vouched says that the cluster knows that the caller may send from the number. Else only Meta does.
	vouched bool
	// token and proof authenticate the call to Meta instead of what the caller brought; empty where they are the caller's.
	token, proof string
}

// authenticator says who calls.
type authenticator interface {
	// caller is who sends a request about a number, which is nil where no PhoneNumber has it. An error says that this cannot be told now.
	caller(ctx context.Context, req *http.Request, number *v1alpha1.PhoneNumber) (*caller, *gate.Problem, error)
}

// sign authenticates a request to Meta.
func (c *caller) sign(req *http.Request) {
	if c.token == "" {
		return
	}
	query := req.URL.Query()
	for _, parameter := range []string{tokenParameter, proofParameter, "appsecret_time"} {
		query.Del(parameter)
	}
	if c.proof != "" {
		query.Set(proofParameter, c.proof)
	}
	req.URL.RawQuery = query.Encode()
	req.Header.Set("Authorization", "Bearer "+c.token)
}
