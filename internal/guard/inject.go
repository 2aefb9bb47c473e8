package guard

import (
	"context"
	"net/http"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/config"
	"numberfleet.dev/numberfleet/internal/gate"
	"numberfleet.dev/numberfleet/internal/meta/graph"
	"numberfleet.dev/numberfleet/internal/secret"
	"numberfleet.dev/numberfleet/internal/server"
)

// inject knows callers by tokens of the cluster, and adds Meta's.
type inject struct {
	access   *server.Access
	accounts map[string]config.Account // by Meta's id
}

func (a *inject) caller(ctx context.Context, req *http.Request, number *v1alpha1.PhoneNumber) (*caller, *gate.Problem, error) {
	namespace := "" // all of the cluster
	if number != nil {
		namespace = number.Namespace
	}
	c, problem, err := a.authorise(ctx, req, namespace, number != nil)
	if err == nil && problem == nil {
		problem, err = a.addToken(c, number)
	}
	return c, problem, err
}

// authorise is who sends a request, if the caller may send from a namespace. A caller hears the same of what does not exist.
func (a *inject) authorise(ctx context.Context, req *http.Request, namespace string, exists bool) (*caller, *gate.Problem, error) {
	denied := time.After(server.DeniedAfter)
	known, err := a.access.Authenticate(req)
	if err != nil {
		return nil, nil, err
	}
	if known == nil {
		return nil, unauthorised("Authorization must be Bearer and a token of this cluster for the audience of the guard"), nil
	}
	allowed, err := gate.MayReserve(ctx, known, namespace)
	if err != nil {
		return nil, nil, err
	}
	if !allowed || !exists {
		select {
		case <-denied:
		case <-ctx.Done():
		}
		return nil, gate.NewProblem(gate.Forbidden, ""), nil
	}
	return &caller{Caller: known, vouched: true}, nil, nil
}

// addToken gives a caller Meta's access token of the account of a number.
func (a *inject) addToken(c *caller, number *v1alpha1.PhoneNumber) (_ *gate.Problem, err error) {
	c.proof = ""
	account := a.accounts[number.Spec.Business.WhatsAppBusinessAccountID]
	if c.app = account.ID; c.app == "" {
		return gate.NewProblem(gate.NotConfigured, "the guard has no access token for the account of the number"), nil
	}
	if c.token, err = secret.Read(account.TokenFile); err != nil {
		return nil, err
	}
	if account.AppSecretFile != "" {
		appSecret, err := secret.Read(account.AppSecretFile)
		if err != nil {
			return nil, err
		}
		c.proof = graph.Proof(c.token, appSecret)
	}
	return nil, nil
}
