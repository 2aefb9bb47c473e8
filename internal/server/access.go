package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/authenticatorfactory"
	"k8s.io/apiserver/pkg/authentication/group"
	"k8s.io/apiserver/pkg/authentication/request/bearertoken"
	"k8s.io/apiserver/pkg/authentication/token/cache"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/authorization/authorizerfactory"
	"k8s.io/apiserver/plugin/pkg/authenticator/token/webhook"
	authenticationv1 "k8s.io/client-go/kubernetes/typed/authentication/v1"
	authorizationv1 "k8s.io/client-go/kubernetes/typed/authorization/v1"
	"k8s.io/client-go/rest"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// How long the API server's answers are kept: a right that is taken away ends with it.
const (
	tokenTTL  = time.Minute
	allowTTL  = time.Minute
	denyTTL   = 10 * time.Second
	reviewTTL = 10 * time.Second // that a review of a token may take
)

// Access says who calls and what they may do, by the tokens and the RBAC of a cluster.
type Access struct {
	// Audiences are what a token must be for one of; where there are none, it must be for the API server.
	Audiences     authenticator.Audiences
	Authenticator authenticator.Request
	Authorizer    authorizer.Authorizer
}

// NewAccess asks the API server of the config, by TokenReviews and SubjectAccessReviews.
func NewAccess(config *rest.Config, client *http.Client, audiences []string) (*Access, error) {
	tokens, err := authenticationv1.NewForConfigAndClient(config, client)
	if err != nil {
		return nil, err
	}
	reviews, err := authorizationv1.NewForConfigAndClient(config, client)
	if err != nil {
		return nil, err
	}
	backoff := &wait.Backoff{Duration: 200 * time.Millisecond, Factor: 1.5, Jitter: 0.2, Steps: 3}
	authenticatorfactory.RegisterMetrics()
	review, err := webhook.NewFromInterface(tokens, audiences, *backoff, reviewTTL, webhook.AuthenticatorMetrics{
		RecordRequestTotal: authenticatorfactory.RecordRequestTotal, RecordRequestLatency: authenticatorfactory.RecordRequestLatency,
	})
	if err != nil {
		return nil, fmt.Errorf("authentication of callers: %w", err)
	}
	authentication := group.NewAuthenticatedGroupAdder(bearertoken.New(cache.New(newTokenReviews(review), false, tokenTTL, tokenTTL)))
	authorization, err := authorizerfactory.DelegatingAuthorizerConfig{
		SubjectAccessReviewClient: reviews, AllowCacheTTL: allowTTL, DenyCacheTTL: denyTTL, WebhookRetryBackoff: backoff,
	}.New()
	if err != nil {
		return nil, fmt.Errorf("authorisation of callers: %w", err)
	}
	return &Access{Audiences: audiences, Authenticator: authentication, Authorizer: authorization}, nil
}

// DeniedAfter is when a caller without a right is answered. It hides how long the lookups took, and so what there is.
const DeniedAfter = 250 * time.Millisecond

// Caller is who sends a request. It remembers what the caller may do for the time of the request, and is for one goroutine.
type Caller struct {
	user       user.Info
	authorizer authorizer.Authorizer
	decisions  map[Permission]bool
}

// Permission is a verb on a subresource of this API group, in one namespace or, where that is empty, in all.
type Permission struct {
	Verb, Resource, Subresource, Namespace string
}

// Authenticate is who calls; nil for a caller without a good token. An error says that this cannot be told now.
func (a *Access) Authenticate(req *http.Request) (*Caller, error) {
	if len(a.Audiences) > 0 {
		req = req.WithContext(authenticator.WithAudiences(req.Context(), a.Audiences))
	}
	response, ok, err := a.Authenticator.AuthenticateRequest(req)
	switch {
	case ok && err == nil:
		return &Caller{user: response.User, authorizer: a.Authorizer, decisions: map[Permission]bool{}}, nil
	case outage(err):
		return nil, err
	default:
		return nil, nil // why the token is not good is not told
	}
}

// outage says whether an error of the authenticator is about the API server. The others are about the token.
func outage(err error) bool {
	if all, ok := errors.AsType[utilerrors.Aggregate](err); ok {
		return slices.ContainsFunc(all.Errors(), outage)
	}
	_, status := errors.AsType[*apierrors.StatusError](err)
	_, request := errors.AsType[*url.Error](err)
	_, network := errors.AsType[net.Error](err)
	return status || request || network || errors.Is(err, ErrTooManyTokens) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// Allowed says whether the caller has a permission. An error says that this cannot be told now.
func (c *Caller) Allowed(ctx context.Context, p Permission) (bool, error) {
	if allowed, decided := c.decisions[p]; decided {
		return allowed, nil
	}
	decision, _, err := c.authorizer.Authorize(ctx, authorizer.AttributesRecord{
		User: c.user, Verb: p.Verb, Namespace: p.Namespace, APIGroup: v1alpha1.GroupVersion.Group, APIVersion: v1alpha1.GroupVersion.Version,
		Resource: p.Resource, Subresource: p.Subresource, ResourceRequest: true,
	})
	if err != nil {
		return false, err
	}
	c.decisions[p] = decision == authorizer.DecisionAllow
	return c.decisions[p], nil
}

// Name is the caller's for the log: that of a service account. Names of people do not belong there.
func (c *Caller) Name() string {
	if name := c.user.GetName(); strings.HasPrefix(name, "system:serviceaccount:") {
		return name
	}
	return "not a service account"
}

// Identity tells callers apart. It may name a person: it does not belong in a log.
func (c *Caller) Identity() string { return c.user.GetName() }
