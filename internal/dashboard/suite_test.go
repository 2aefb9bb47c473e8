package dashboard_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/dashboard"
	"numberfleet.dev/numberfleet/internal/standing/remote"
)

var (
	env   *envtest.Environment
	admin *rest.Config
	api   client.Client
)

func TestMain(m *testing.M) {
	code := 1
	if err := start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	} else {
		code = m.Run()
	}
	_ = env.Stop()
	os.Exit(code)
}

// start starts an API server without an operator.
func start() (err error) {
	env = &envtest.Environment{CRDDirectoryPaths: []string{filepath.Join("..", "..", "config", "crd", "bases")}, ErrorIfCRDPathMissing: true}
	if admin, err = env.Start(); err != nil {
		return err
	}
	admin.QPS = -1
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{v1alpha1.AddToScheme, clientgoscheme.AddToScheme} {
		if err := add(scheme); err != nil {
			return err
		}
	}
	api, err = client.New(admin, client.Options{Scheme: scheme})
	return err
}

// newNamespace makes a namespace.
func newNamespace(t *testing.T) string {
	t.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "fleet-"}}
	create(t, namespace)
	return namespace.Name
}

func create(t *testing.T, objects ...client.Object) {
	t.Helper()
	for _, o := range objects {
		if err := api.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
}

// reader is a user who may read the numbers of a namespace, and nothing else.
func reader(t *testing.T, namespace string) *rest.Config {
	t.Helper()
	user, err := env.AddUser(envtest.User{Name: "reader-of-" + namespace, Groups: []string{"system:authenticated"}}, admin)
	if err != nil {
		t.Fatal(err)
	}
	create(t,
		&rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "reader"}, Rules: []rbacv1.PolicyRule{
			{APIGroups: []string{v1alpha1.GroupVersion.Group}, Resources: []string{"phonenumbers"}, Verbs: []string{"get", "list", "watch"}}}},
		&rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "reader"}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "reader"},
			Subjects: []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: "reader-of-" + namespace}}})
	return user.Config()
}

const token = "SECRET"

// open serves the page of a user, and returns its URL.
func open(t *testing.T, user *rest.Config, namespace string) string {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	fleet, err := dashboard.New(ctx, dashboard.Options{
		Config: user, Cluster: "test", Namespace: namespace, Operator: &remote.Options{Config: user, URL: "http://127.0.0.1:1", TokenFile: os.DevNull}, Clock: clock.RealClock{},
	})
	if err != nil {
		stop()
		t.Fatal(err)
	}
	page := dashboard.NewPage(fleet, token)
	server := httptest.NewServer(page.Handler())
	ran := make(chan error, 1)
	go func() { ran <- fleet.Run(ctx) }()
	t.Cleanup(func() {
		page.EndStreams()
		server.Close()
		stop()
		if err := <-ran; err != nil {
			t.Error(err)
		}
	})
	return server.URL
}

// get asks as the user's browser does that was shown the token before.
func get(t *testing.T, url string) *http.Response {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.AddCookie(&http.Cookie{Name: "numberfleet-" + request.URL.Port(), Value: token})
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = response.Body.Close() })
	return response
}
