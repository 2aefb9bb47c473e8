package dashboard_test

import (
	"net/http"
	"os"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/hack/rig/apiserver"
	"numberfleet.dev/numberfleet/internal/dashboard/dashboardtest"
)

var cluster *dashboardtest.Cluster

func TestMain(m *testing.M) { os.Exit(dashboardtest.Run(m, &cluster)) }

// reader is a user who may read the numbers of a namespace, and nothing else.
func reader(t *testing.T, namespace string) *rest.Config {
	t.Helper()
	name := "reader-of-" + namespace
	user, err := cluster.Env.AddUser(envtest.User{Name: name}, cluster.Admin)
	if err != nil {
		t.Fatal(err)
	}
	cluster.Create(t,
		&rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "reader"}, Rules: []rbacv1.PolicyRule{
			{APIGroups: []string{v1alpha1.GroupVersion.Group}, Resources: []string{"phonenumbers"}, Verbs: []string{"get", "list", "watch"}}}},
		&rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "reader"}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "reader"},
			Subjects: []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: name}}})
	may := authorizationv1.ResourceAttributes{Namespace: namespace, Verb: "list", Group: v1alpha1.GroupVersion.Group, Resource: "phonenumbers"}
	if err := apiserver.Permits(t.Context(), cluster.Admin, name, may); err != nil {
		t.Fatal(err)
	}
	return user.Config()
}

// get asks as the user's browser does that was shown the token before.
func get(t *testing.T, url string) *http.Response {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.AddCookie(&http.Cookie{Name: "numberfleet-" + request.URL.Port(), Value: dashboardtest.Token})
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = response.Body.Close() })
	return response
}
