// Package remote reads from outside of the operator where numbers, portfolios and pools stand: live from the operator's API where the
// user may, else as their statuses say.
package remote

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"numberfleet.dev/numberfleet/api/client"
	"numberfleet.dev/numberfleet/internal/trust"
)

const (
	// DefaultNamespace is where the operator is installed.
	DefaultNamespace = "numberfleet-system"
	// DefaultAccount is the ServiceAccount in the operator's namespace that may read what may be sent, of all numbers.
	DefaultAccount = "numberfleet-standing-reader"
)

// audience is what a token for the operator's APIs is for. The API server itself refuses such a token.
const audience = "numberfleet"

// Options say how the operator's API is reached.
type Options struct {
	// Config is the user's, of the cluster that the operator is in.
	Config *rest.Config
	// Namespace is the operator's.
	Namespace string
	// URL is where the API is: https, or http on loopback. Where it is empty, the API server forwards a port of a pod of the operator's: that
	// takes list on pods and create on pods/portforward in Namespace.
	URL string
	// CAFile has the certificates, one of which signed the API's. Where it is empty, those of the system are trusted at a URL. Of a forwarded
	// port the certificate is not checked then: the API server, whose own was checked, says which pod answers.
	CAFile string
	// TokenFile has a bearer token for the API. Where it is empty, the API server is asked for one of Account, which takes create
	// on serviceaccounts/token. The user's own token is never sent: it is good for the API server, and is nobody else's to hold.
	TokenFile string
	// Account is a ServiceAccount, as NAMESPACE/NAME, or as its name in Namespace.
	Account string
}

// Connect makes a client of the operator's API, whose connection lasts until ctx is done. The error says what the user lacks.
func Connect(ctx context.Context, o *Options) (*client.Client, error) {
	api, err := kubernetes.NewForConfig(o.Config)
	if err != nil {
		return nil, err
	}
	trusted, err := trust.Config(o.CAFile)
	if err != nil {
		return nil, fmt.Errorf("the certificates of the operator's API: %s: %w", o.CAFile, err)
	}
	at := o.URL
	if at == "" {
		if at, err = forward(ctx, o, api, trusted); err != nil {
			return nil, err
		}
	} else if err := CheckURL(at); err != nil {
		return nil, fmt.Errorf("the URL of the operator's API %w", err)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone() //nolint:forcetypeassert // net/http documents it
	transport.TLSClientConfig = trusted
	context.AfterFunc(ctx, transport.CloseIdleConnections)
	return client.New(client.Options{URL: at, HTTP: &http.Client{Transport: transport}, Token: o.token(api), Retries: -1})
}

// CheckURL refuses a URL at which others could read the token.
func CheckURL(at string) error {
	parsed, err := url.Parse(at)
	if err != nil || parsed.Host == "" || parsed.Scheme != "https" && parsed.Scheme != "http" {
		return errors.New("must be like https://numberfleet-events.numberfleet-system.svc")
	}
	if ip := net.ParseIP(parsed.Hostname()); parsed.Scheme == "http" && parsed.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return errors.New("must begin with https: a token goes over plain HTTP on loopback only")
	}
	return nil
}

// token gets a bearer token for each request.
func (o *Options) token(api kubernetes.Interface) func(context.Context) (string, error) {
	if o.TokenFile != "" {
		return func(context.Context) (string, error) {
			content, err := os.ReadFile(o.TokenFile)
			return strings.TrimSpace(string(content)), err
		}
	}
	namespace, name, ok := strings.Cut(o.Account, "/")
	if !ok {
		namespace, name = o.Namespace, o.Account
	}
	return func(ctx context.Context) (string, error) {
		request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{Audiences: []string{audience}}}
		made, err := api.CoreV1().ServiceAccounts(namespace).CreateToken(ctx, name, request, metav1.CreateOptions{})
		if err != nil {
			return "", fmt.Errorf("of the ServiceAccount %s in namespace %s: %w", name, namespace, err)
		}
		return made.Status.Token, nil
	}
}
