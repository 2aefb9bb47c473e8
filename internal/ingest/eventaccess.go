package ingest

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
	"numberfleet.dev/numberfleet/internal/cloudevents"
	"numberfleet.dev/numberfleet/internal/report"
)

// What a caller needs the verb create on: in the namespace of the number that an event is about, or cluster-wide.
const (
	numbersResource    = "phonenumbers"
	portfoliosResource = "businessportfolios"
	eventsSubresource  = "events"
)

// How long the API server's answers are kept: a right that is taken away ends with it.
const (
	tokenTTL  = time.Minute
	allowTTL  = time.Minute
	denyTTL   = 10 * time.Second
	reviewTTL = 10 * time.Second // that a review of a token may take
)

// Directory knows what events are about. An error says that it cannot tell now.
type Directory interface {
	// Namespace is the namespace of the PhoneNumber of a number in E.164; empty if there is none.
	Namespace(ctx context.Context, number string) (string, error)
	// Portfolio is the subject of reports about a portfolio; nobody if there is none of that name.
	Portfolio(ctx context.Context, name string) (report.Subject, error)
	// Templates are the subjects of reports about the languages of a template, of those that the number sends where it is not
	// empty; none if it is not clear which.
	Templates(ctx context.Context, name, number string) ([]report.Subject, error)
}

// Access says who calls and what they may, by the tokens and the RBAC of a cluster.
type Access struct {
	audiences     authenticator.Audiences
	authenticator authenticator.Request
	authorizer    authorizer.Authorizer
}

// NewAccess asks the API server of the config, by TokenReviews and SubjectAccessReviews. A token must be for one of the
// audiences; without any, for the API server's own.
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
		return nil, fmt.Errorf("authentication of events: %w", err)
	}
	authentication := group.NewAuthenticatedGroupAdder(bearertoken.New(cache.New(newReviews(review), false, tokenTTL, tokenTTL)))
	authorization, err := authorizerfactory.DelegatingAuthorizerConfig{
		SubjectAccessReviewClient: reviews, AllowCacheTTL: allowTTL, DenyCacheTTL: denyTTL, WebhookRetryBackoff: backoff,
	}.New()
	if err != nil {
		return nil, fmt.Errorf("authorisation of events: %w", err)
	}
	return &Access{audiences: audiences, authenticator: authentication, authorizer: authorization}, nil
}

// authenticate is who calls; nil for a stranger. An error says that it cannot be told now.
func (a *Access) authenticate(req *http.Request) (user.Info, error) {
	if len(a.audiences) > 0 {
		req = req.WithContext(authenticator.WithAudiences(req.Context(), a.audiences))
	}
	response, ok, err := a.authenticator.AuthenticateRequest(req)
	switch {
	case ok && err == nil:
		return response.User, nil
	case outage(err):
		return nil, err
	default:
		return nil, nil // why, is not told: the caller is a stranger
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
	return status || request || network || errors.Is(err, errReviews) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// rights are what a caller may send, looked up once a request.
type rights struct {
	access     *Access
	caller     user.Info
	directory  Directory
	namespaces map[string]string  // by number
	may        map[[2]string]bool // by resource and namespace
}

func (a *Access) begin(caller user.Info, directory Directory) *rights {
	return &rights{access: a, caller: caller, directory: directory, namespaces: map[string]string{}, may: map[[2]string]bool{}}
}

// send says whether the caller may send an event. Of a number that there is no resource of, it says what it says of one in a
// namespace without the right.
func (r *rights) send(ctx context.Context, e *cloudevents.Event) (bool, error) {
	if e.Portfolio != "" {
		return r.create(ctx, portfoliosResource, "")
	}
	if everywhere, err := r.create(ctx, numbersResource, ""); err != nil || everywhere || e.Number == "" {
		return everywhere, err
	}
	namespace, known := r.namespaces[e.Number]
	if !known {
		var err error
		if namespace, err = r.directory.Namespace(ctx, e.Number); err != nil {
			return false, err
		}
		r.namespaces[e.Number] = namespace
	}
	if namespace == "" {
		return false, nil
	}
	return r.create(ctx, numbersResource, namespace)
}

// create says whether the caller may create events of a resource in a namespace, or in all if that is empty.
func (r *rights) create(ctx context.Context, resource, namespace string) (bool, error) {
	key := [2]string{resource, namespace}
	if may, asked := r.may[key]; asked {
		return may, nil
	}
	decision, _, err := r.access.authorizer.Authorize(ctx, authorizer.AttributesRecord{
		User: r.caller, Verb: "create", Namespace: namespace, APIGroup: v1alpha1.GroupVersion.Group, APIVersion: v1alpha1.GroupVersion.Version,
		Resource: resource, Subresource: eventsSubresource, ResourceRequest: true,
	})
	if err != nil {
		return false, err
	}
	r.may[key] = decision == authorizer.DecisionAllow
	return r.may[key], nil
}

// forbidden says which right is missing for an event.
func forbidden(e *cloudevents.Event) *cloudevents.Error {
	needs := func(resource string) string {
		return "that takes create on " + resource + "/" + eventsSubresource + " of " + v1alpha1.GroupVersion.Group
	}
	switch {
	case e.Portfolio != "":
		return e.Refuse("data.portfolio", "you may not send events about portfolios: "+needs(portfoliosResource)+" in the whole cluster")
	case e.Number == "":
		return e.Refuse("data.number", "you may not send events that name no number: "+needs(numbersResource)+" in the whole cluster")
	default:
		return e.Refuse("data.number", "you may not send events about this number: "+needs(numbersResource)+
			" in the namespace of its PhoneNumber, or in the whole cluster where it has none")
	}
}

// sender is who calls, for the log: a service account's name. Names of people are not for it.
func (r *rights) sender() string {
	if name := r.caller.GetName(); strings.HasPrefix(name, "system:serviceaccount:") {
		return name
	}
	return "not a service account"
}
