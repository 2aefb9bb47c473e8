package guard_test

import (
	"context"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"numberfleet.dev/numberfleet/internal/config"
	"numberfleet.dev/numberfleet/internal/guard"
	"numberfleet.dev/numberfleet/internal/meta/graph"
	"numberfleet.dev/numberfleet/internal/server"
	"numberfleet.dev/numberfleet/internal/server/servertest"
)

// cluster knows the service account forwarder, which may reserve in the namespace shop, and a stranger, which may nothing.
func cluster() *server.Access {
	return &server.Access{
		Authenticator: authenticator.RequestFunc(func(req *http.Request) (*authenticator.Response, bool, error) {
			name, ok := strings.CutPrefix(req.Header.Get("Authorization"), "Bearer cluster-")
			return &authenticator.Response{User: &user.DefaultInfo{Name: name}}, ok, nil
		}),
		Authorizer: authorizer.AuthorizerFunc(func(_ context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
			if a.GetUser().GetName() == "forwarder" && a.GetVerb() == "create" && a.GetResource() == "phonenumbers" && a.GetSubresource() == "reservations" && a.GetNamespace() == "shop" {
				return authorizer.DecisionAllow, "", nil
			}
			return authorizer.DecisionNoOpinion, "", nil
		}),
	}
}

func injecting(t *testing.T) func(*guard.Options) {
	t.Helper()
	folder := t.TempDir()
	servertest.Write(t, folder, "token", token+"\n")
	servertest.Write(t, folder, "app-secret", "hunter2")
	return func(o *guard.Options) {
		o.Access = cluster()
		o.Config = &config.Guard{Authentication: config.Inject, Accounts: []config.Account{
			{ID: "2001", TokenFile: filepath.Join(folder, "token"), AppSecretFile: filepath.Join(folder, "app-secret")},
		}}
	}
}

// A sender with a token of the cluster sends by Meta's token, which it never sees, and its own does not come to Meta.
func TestMetasTokenIsAdded(t *testing.T) {
	s := newStand(t, injecting(t))
	s.meta.RequireProof("hunter2")
	res, body := s.do(http.MethodPost, "/v27.0/1001/messages?access_token=cluster-forwarder&appsecret_proof=x&debug=all", text, authorization("cluster-forwarder"))
	if res.StatusCode != http.StatusOK || strings.Contains(body, token) {
		t.Errorf("HTTP %d %s", res.StatusCode, body)
	}
	s.gate.became(1)
	call := s.sent()[0]
	if call.Token != token || call.Query != "appsecret_proof="+graph.Proof(token, "hunter2")+"&debug=all" || call.Body != text {
		t.Errorf("Meta got %+v", call)
	}
	// That a message was read, and media.
	if res, body := s.do(http.MethodPost, "/v27.0/1001/messages", `{"messaging_product":"whatsapp","status":"read"}`, authorization("cluster-forwarder")); res.StatusCode != http.StatusOK {
		t.Errorf("HTTP %d %s", res.StatusCode, body)
	}
	s.do(http.MethodPost, "/v27.0/1001/media", "x", authorization("cluster-forwarder"))
	if calls := s.meta.Calls(); len(calls) != 3 || calls[2].Edge != "media" || calls[2].Token != token {
		t.Errorf("Meta got %+v", calls)
	}
}

// Whoever may not send from a number hears the same whether there is such a number or not, and Meta's token is added to nothing that a
// sender does not need.
func TestMetasTokenIsAddedForNobodyElse(t *testing.T) {
	s := newStand(t, injecting(t))
	s.fleet[numberID("1003")] = phoneNumber("others", "+15550100003")
	s.fleet[numberID("1003")].Namespace = "other"
	elsewhere := phoneNumber("elsewhere", "+15550100004")
	elsewhere.Spec.Business.WhatsAppBusinessAccountID = "2002"
	s.fleet[numberID("1004")] = elsewhere
	for _, test := range []struct {
		method, path, token string
		status              int
		code                int64
	}{
		{"POST", "/v27.0/1001/messages", "none", 401, 190},
		{"POST", "/v27.0/1001/messages", token, 401, 190},
		{"POST", "/v27.0/1009/messages", "none", 401, 190},
		{"POST", "/v27.0/1001/messages", "cluster-stranger", 403, 10},
		{"POST", "/v27.0/1009/messages", "cluster-stranger", 403, 10},
		{"POST", "/v27.0/1001/media", "cluster-stranger", 403, 10},
		{"POST", "/v27.0/1003/messages", "cluster-forwarder", 403, 10},
		{"POST", "/v27.0/1009/messages", "cluster-forwarder", 403, 10},
		{"POST", "/v27.0/1004/messages", "cluster-forwarder", 503, 131016}, // there is no token of its account
		{"GET", "/v27.0/1001/messages", "cluster-forwarder", 403, 10},
		{"GET", "/v27.0/2001/phone_numbers", "cluster-forwarder", 403, 10},
		{"POST", "/v27.0/1001/register", "cluster-forwarder", 403, 10},
		{"DELETE", "/v27.0/1001/media", "cluster-forwarder", 403, 10},
		{"POST", "/v27.0/1001/media?method=delete", "cluster-forwarder", 403, 10},
	} {
		res, body := s.do(test.method, test.path, text, authorization(test.token))
		if r := s.refusalOf(body); res.StatusCode != test.status || r.Error.Code != test.code || res.Header.Get("X-Numberfleet-Number") != "" {
			t.Errorf("%s %s as %s: HTTP %d %s", test.method, test.path, test.token, res.StatusCode, body)
		}
	}
	if calls := s.meta.Calls(); len(calls) != 0 {
		t.Errorf("Meta got %+v", calls)
	}
	if logs := s.logs.String(); strings.Contains(logs, token) || strings.Contains(logs, "cluster-") {
		t.Errorf("the log has too much: %s", logs)
	}
}
