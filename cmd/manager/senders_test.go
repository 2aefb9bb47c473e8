package main

import (
	"context"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	runtimeclient "sigs.k8s.io/controller-runtime/pkg/client"

	"numberfleet.dev/numberfleet/api/client"
	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// newNumber makes a number, the PhoneNumber default/sales, with a limit of its own that does not rise, and what senders need.
func newNumber(t *testing.T, api runtimeclient.Client, number string, limit int64) *v1alpha1.PhoneNumber {
	t.Helper()
	var policy v1alpha1.MessagingPolicy
	if err := api.Get(t.Context(), runtimeclient.ObjectKey{Name: "quality-based"}, &policy); err != nil {
		t.Fatal(err)
	}
	small := &v1alpha1.MessagingPolicy{ObjectMeta: metav1.ObjectMeta{Name: "small"}, Spec: policy.Spec}
	small.Spec.Tiers = []v1alpha1.Tier{{Name: "1", Limit: limit}}
	sales := &v1alpha1.PhoneNumber{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "sales"},
		Spec:       v1alpha1.PhoneNumberSpec{PhoneNumber: number, PolicyName: small.Name},
	}
	for _, object := range []runtimeclient.Object{small, sales} {
		if err := api.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	allowCampaign(t, api)
	return sales
}

// campaign is the service account that may send from the number.
const campaign = "campaign"

// allowCampaign lets the service account send from all numbers of its namespace.
func allowCampaign(t *testing.T, api runtimeclient.Client) {
	t.Helper()
	sender := clusterRole(t, "numberfleet-message-sender")
	for _, object := range []runtimeclient.Object{sender, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: campaign},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: sender.Name},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: "default", Name: campaign}},
	}} {
		if err := api.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
}

// newToken makes a service account, and a token of it for the gate.
func newToken(t *testing.T, api runtimeclient.Client, account string) string {
	t.Helper()
	of := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: account}}
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{Audiences: []string{"numberfleet"}}}
	err := api.Create(t.Context(), of)
	if err == nil {
		err = api.SubResource("token").Create(t.Context(), of, request)
	}
	if err != nil {
		t.Fatal(err)
	}
	return request.Status.Token
}

// gateAt is the gate at an address, for whoever has a token.
func gateAt(t *testing.T, address, token string) *client.Client {
	t.Helper()
	c, err := client.New(client.Options{
		URL: "http://" + address, Token: func(context.Context) (string, error) { return token, nil }, Retries: 30, // for minutes, where a machine is slow
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}
