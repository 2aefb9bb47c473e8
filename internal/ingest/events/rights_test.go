package events

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/keyutil"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/hack/rig"
	"numberfleet.dev/numberfleet/hack/rig/apiserver"
	"numberfleet.dev/numberfleet/internal/cloudevents"
	"numberfleet.dev/numberfleet/internal/server"
)

// role creates a role of config/default.
func role(t *testing.T, api kubernetes.Interface, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", "..", "..", "config", "default", "operator.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	objects, err := rig.Parse(content)
	if err != nil {
		t.Fatal(err)
	}
	var role rbacv1.ClusterRole
	for _, object := range objects {
		if object.GetKind() == "ClusterRole" && object.GetName() == name {
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &role); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := api.RbacV1().ClusterRoles().Create(t.Context(), &role, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	return role.Name
}

// Tokens, audiences and RBAC of a real API server, asked with the rights that config/default gives the operator.
func TestAccessOfARealCluster(t *testing.T) {
	env := &envtest.Environment{}
	admin, err := apiserver.Start(env)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = env.Stop() })
	api := kubernetes.NewForConfigOrDie(admin)
	ctx := t.Context()

	for _, namespace := range []string{"shop", "other"} {
		if _, err := api.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	sender := role(t, api, "numberfleet-event-sender")
	reviewer := role(t, api, "numberfleet-metrics-auth-role")
	if _, err := api.RbacV1().ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "operator"}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: reviewer},
		Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "operator"}},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	permits := func(user string, what authorizationv1.ResourceAttributes) {
		t.Helper()
		if err := apiserver.Permits(ctx, admin, user, what); err != nil {
			t.Fatal(err)
		}
	}
	permits("operator", authorizationv1.ResourceAttributes{Verb: "create", Group: authenticationv1.GroupName, Resource: "tokenreviews"})

	// Accounts of the namespace shop, and their tokens for an audience.
	account := func(name string) rbacv1.Subject {
		t.Helper()
		if _, err := api.CoreV1().ServiceAccounts("shop").Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		return rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Namespace: "shop", Name: name}
	}
	token := func(name string, audiences ...string) string {
		t.Helper()
		request, err := api.CoreV1().ServiceAccounts("shop").CreateToken(ctx, name, &authenticationv1.TokenRequest{
			Spec: authenticationv1.TokenRequestSpec{Audiences: audiences},
		}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return request.Status.Token
	}
	bind := func(namespace string, who rbacv1.Subject) {
		t.Helper()
		ref := rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: sender}
		var err error
		if namespace == "" {
			_, err = api.RbacV1().ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: who.Name}, RoleRef: ref, Subjects: []rbacv1.Subject{who}}, metav1.CreateOptions{})
		} else {
			_, err = api.RbacV1().RoleBindings(namespace).Create(ctx, &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Name: who.Name}, RoleRef: ref, Subjects: []rbacv1.Subject{who}}, metav1.CreateOptions{})
		}
		if err != nil {
			t.Fatal(err)
		}
		permits("system:serviceaccount:shop:"+who.Name, authorizationv1.ResourceAttributes{
			Namespace: namespace, Verb: "create", Group: v1alpha1.GroupVersion.Group, Resource: "phonenumbers", Subresource: "events",
		})
	}
	bind("shop", account("forwarder"))
	bind("", account("platform"))
	_ = account("stranger")

	operator, err := env.AddUser(envtest.User{Name: "operator"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	access := func(config *rest.Config, audiences ...string) *server.Access {
		t.Helper()
		client, err := rest.HTTPClientFor(config)
		if err != nil {
			t.Fatal(err)
		}
		access, err := server.NewAccess(config, client, audiences)
		if err != nil {
			t.Fatal(err)
		}
		return access
	}
	ours, kubernetesOwn := access(operator.Config(), "numberfleet"), access(operator.Config())

	about := func(of string) string {
		return occurred("1", 0, cloudevents.MessageReceived, `"number":"`+of+`","user":"US.u"`)
	}
	portfolio := occurred("2", 0, cloudevents.LimitReported, `"portfolio":"acme","limit":250`)
	for _, test := range []struct {
		name   string
		access *server.Access
		token  string
		event  string
		code   int
	}{
		{"garbage", ours, "garbage", about(inShop), 401},
		{"a token for the API server", ours, token("forwarder"), about(inShop), 401},
		{"a token for another", ours, token("forwarder", "vault"), about(inShop), 401},
		{"a token with another signature", ours, token("forwarder", "numberfleet") + "x", about(inShop), 401},
		{"a token that has expired", ours, aged(t, env, token("forwarder", "numberfleet"), -24*time.Hour), about(inShop), 401},
		{"a token signed anew, which has not", ours, aged(t, env, token("forwarder", "numberfleet"), 0), about(inShop), 200},
		{"no right", ours, token("stranger", "numberfleet"), about(inShop), 403},
		{"no right, no number", ours, token("stranger", "numberfleet"), about(nowhere), 403},
		{"its namespace", ours, token("forwarder", "numberfleet"), about(inShop), 200},
		{"another namespace", ours, token("forwarder", "numberfleet"), about(inOther), 403},
		{"a number without a resource", ours, token("forwarder", "numberfleet"), about(nowhere), 403},
		{"a portfolio without the right", ours, token("forwarder", "numberfleet"), portfolio, 403},
		{"the whole cluster", ours, token("platform", "numberfleet", "more"), about(inOther), 200},
		{"the whole cluster, no number", ours, token("platform", "numberfleet"), about(nowhere), 200},
		{"a portfolio", ours, token("platform", "numberfleet"), portfolio, 200},
		{"the API server's own audience", kubernetesOwn, token("forwarder"), about(inShop), 200},
		{"not the API server's own audience", kubernetesOwn, token("forwarder", "numberfleet"), about(inShop), 401},
	} {
		f := newFixture(t)
		f.access = test.access
		req := f.request(linesType, test.event)
		req.Header.Set("Authorization", "Bearer "+test.token)
		if w := f.do(req); w.Code != test.code {
			t.Errorf("%s: got %d %s", test.name, w.Code, w.Body)
		}
		if strings.Contains(f.logs.String(), test.token) {
			t.Errorf("%s: the token is in the log", test.name)
		}
	}

	// An operator without the right to ask, and an API server that is away, refuse nobody for good.
	nobody, err := env.AddUser(envtest.User{Name: "nobody"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	away := rest.CopyConfig(operator.Config())
	away.Host, away.Timeout = "127.0.0.1:1", time.Second
	for name, config := range map[string]*rest.Config{"no right to ask": nobody.Config(), "away": away} {
		f := newFixture(t)
		f.access = access(config, "numberfleet")
		req := f.request(linesType, about(inShop))
		req.Header.Set("Authorization", "Bearer "+token("forwarder", "numberfleet"))
		if w := f.do(req); w.Code != http.StatusServiceUnavailable {
			t.Errorf("%s: got %d %s", name, w.Code, w.Body)
		}
	}
}

// aged is a service account's token of another time, signed with the key that the API server signs with.
func aged(t *testing.T, env *envtest.Environment, token string, by time.Duration) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(env.ControlPlane.GetAPIServer().CertDir, "sa-signer.key"))
	if err != nil {
		t.Fatal(err)
	}
	signer, err := keyutil.ParsePrivateKeyPEM(content)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(token, ".")
	var claims map[string]any
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err == nil {
		err = json.Unmarshal(payload, &claims)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, claim := range []string{"exp", "iat", "nbf"} {
		claims[claim] = int64(claims[claim].(float64)) + int64(by/time.Second)
	}
	if payload, err = json.Marshal(claims); err != nil {
		t.Fatal(err)
	}
	signed := parts[0] + "." + base64.RawURLEncoding.EncodeToString(payload)
	digest := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, signer.(*ecdsa.PrivateKey), digest[:])
	if err != nil {
		t.Fatal(err)
	}
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}
