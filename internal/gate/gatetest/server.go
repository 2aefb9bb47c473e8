package gatetest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/gate/api"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/rules"
	"numberfleet.dev/numberfleet/internal/server"
	"numberfleet.dev/numberfleet/internal/server/servertest"
	"numberfleet.dev/numberfleet/internal/standing"
)

// Tokens of callers: of one that may do all in the namespace shop, of one that may do all in the cluster, and of one that may nothing. With
// Outage, nobody can tell whose it is.
const (
	ShopToken     = "shop-t0ken"
	ClusterToken  = "cluster-t0ken"
	StrangerToken = "stranger-t0ken"
	OutageToken   = "outage"
)

// Access knows the tokens.
func Access() *server.Access {
	return &server.Access{Authorizer: rights{}, Authenticator: authenticator.RequestFunc(func(req *http.Request) (*authenticator.Response, bool, error) {
		switch token := req.Header.Get("Authorization"); token {
		case "Bearer " + ShopToken, "Bearer " + ClusterToken, "Bearer " + StrangerToken:
			return &authenticator.Response{User: &user.DefaultInfo{Name: token}}, true, nil
		case "Bearer " + OutageToken:
			return nil, false, context.DeadlineExceeded
		default:
			return nil, false, errors.New("invalid bearer token")
		}
	})}
}

// rights are those of the tokens.
type rights struct{}

// Authorize implements authorizer.Authorizer.
func (rights) Authorize(_ context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
	what := fmt.Sprintf("%s %s.%s/%s", a.GetVerb(), a.GetResource(), a.GetAPIGroup(), a.GetSubresource())
	if what != "create phonenumbers.whatsapp.numberfleet.dev/reservations" && what != "get phonenumbers.whatsapp.numberfleet.dev/standing" {
		return authorizer.DecisionDeny, "", errors.New("not what is to be asked")
	}
	name := a.GetUser().GetName()
	if name == "Bearer "+ClusterToken || name == "Bearer "+ShopToken && a.GetNamespace() == "shop" {
		return authorizer.DecisionAllow, "", nil
	}
	return authorizer.DecisionNoOpinion, "", nil
}

// ConditionsAwareAuthorize implements authorizer.Authorizer.
func (r rights) ConditionsAwareAuthorize(ctx context.Context, a authorizer.Attributes) authorizer.ConditionsAwareDecision {
	return authorizer.ConditionsAwareDecisionFromParts(r.Authorize(ctx, a))
}

// EvaluateConditions implements authorizer.Authorizer.
func (rights) EvaluateConditions(context.Context, authorizer.ConditionsAwareDecision, authorizer.ConditionsData) (authorizer.Decision, string, error) {
	return authorizer.DecisionDeny, "", authorizer.ErrorConditionEvaluationNotSupported
}

// NewAPI makes the API of a gate, and its backend, which is not set yet.
func (g *Gate) NewAPI(t testing.TB, real clock.WithTicker) (*api.API, *api.Backend) {
	t.Helper()
	a, err := api.New(api.Options{Access: Access(), Real: real, Metrics: g.Metrics})
	if err != nil {
		t.Fatal(err)
	}
	source := &standing.Source{Resources: g.Fleet.resources, Counts: usage{g}, Compiled: &standing.Policies{}, Clock: g.Clock}
	return a, &api.Backend{Gate: g.Service, Standing: source, Ledger: g.Ledger}
}

// Serve serves an API on loopback, and returns its URL and what stops it.
func Serve(t testing.TB, a *api.API) (url string, stop func() error) {
	t.Helper()
	address, stop := servertest.Serve(t, &server.Server{Name: "the API of a gate", Handler: a, Stopping: a.EndStreams})
	return "http://" + address, stop
}

// resources are those of the fleet as it is now.
func (f *Fleet) resources() (*standing.Resources, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	objects := []client.Object{&f.Policy}
	for _, n := range f.Numbers {
		objects = append(objects, n)
	}
	for _, p := range f.Portfolios {
		objects = append(objects, p)
	}
	for _, p := range f.Pools {
		objects = append(objects, p)
	}
	return standing.NewResources(objects...), f.Err
}

// usage is that of the ledger.
type usage struct{ *Gate }

// Number implements standing.Counts.
func (u usage) Number(n *v1alpha1.PhoneNumber, policy *rules.Policy, now time.Time) standing.Used {
	return u.of(n.Spec.PhoneNumber, policy, now)
}

// Portfolio implements standing.Counts.
func (u usage) Portfolio(name string, _ []*v1alpha1.PhoneNumber, policy *rules.Policy, now time.Time) standing.Used {
	return u.of(counts.PortfolioKey(name), policy, now)
}

func (u usage) of(subject string, policy *rules.Policy, now time.Time) standing.Used {
	counted := rules.Exact{Counted: u.Ledger.Usage(subject)}
	held := u.Ledger.Reserved(subject, now)
	return standing.Used{Usage: counted, Now: new(rules.Used(policy, counted, now)), Reserved: held, OwnReserved: held, Budgets: u.Ledger.Budgets(subject, now)}
}
