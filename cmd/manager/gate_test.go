package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	runtimeclient "sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"numberfleet.dev/numberfleet/api/client"
	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/meta/metatest"
)

// The gate of one operator, end to end: a service account of the number's namespace reserves up to the limit and not one further; what is
// delivered goes from held to used; after kill -9 nothing that was granted is forgotten, and what is released is free again.
func TestTheGateEndToEnd(t *testing.T) {
	o, api := newOperator(t)
	address := freeAddress(t)
	o.more = []string{"--events-bind-address=" + address}
	o.start()
	o.ready()

	const limit = 5
	var policy v1alpha1.MessagingPolicy
	if err := api.Get(t.Context(), runtimeclient.ObjectKey{Name: "quality-based"}, &policy); err != nil {
		t.Fatal(err)
	}
	small := &v1alpha1.MessagingPolicy{ObjectMeta: metav1.ObjectMeta{Name: "small"}, Spec: policy.Spec}
	small.Spec.Tiers = []v1alpha1.Tier{{Name: "1", Limit: limit}}
	var sender rbacv1.ClusterRole
	content, err := os.ReadFile(filepath.Join("..", "..", "config", "rbac", "message_sender_role.yaml"))
	if err == nil {
		err = yaml.UnmarshalStrict(content, &sender)
	}
	if err != nil {
		t.Fatal(err)
	}
	number := &v1alpha1.PhoneNumber{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "sales"},
		Spec:       v1alpha1.PhoneNumberSpec{PhoneNumber: "+15550100045", PolicyName: small.Name},
	}
	account := func(name string) *corev1.ServiceAccount {
		return &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}}
	}
	campaign, stranger := account("campaign"), account("stranger")
	for _, object := range []runtimeclient.Object{small, &sender, number, campaign, stranger, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "campaign"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: sender.Name},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: "default", Name: "campaign"}},
	}} {
		if err := api.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	var tokens []string
	caller := func(of runtimeclient.Object) *client.Client {
		t.Helper()
		request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{Audiences: []string{"numberfleet"}}}
		if err := api.SubResource("token").Create(t.Context(), of, request); err != nil {
			t.Fatal(err)
		}
		tokens = append(tokens, request.Status.Token)
		c, err := client.New(client.Options{URL: "http://" + address, Token: func(context.Context) (string, error) { return request.Status.Token, nil }})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	gate := caller(campaign)
	stands := func(used, reserved, remaining int64) {
		t.Helper()
		var items []client.Item
		for range 200 {
			items, err = gate.Standing(t.Context(), client.Selection{Namespace: "default"})
			if err == nil && len(items) == 1 && items[0].Used != nil && *items[0].Used == used && items[0].Reserved == reserved && items[0].Remaining == remaining {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
		t.Fatalf("it stands at %+v, %v; want %d used, %d reserved and %d remaining", items, err, used, reserved, remaining)
	}
	to := func(user int) client.Request {
		return client.Request{Number: "+15550100045", User: fmt.Sprintf("+1557777%04d", user), Category: "Marketing"}
	}
	refused := func(who *client.Client, user int, reason string) client.Problem {
		t.Helper()
		_, err := who.Reserve(t.Context(), to(user))
		problem, ok := errors.AsType[*client.Problem](err)
		if !ok || problem.Reason != reason {
			t.Fatalf("it says %v, want %s", err, reason)
		}
		return *problem
	}

	stands(0, 0, limit)
	refused(caller(stranger), 0, "Forbidden")
	ids := make([]string, limit)
	for user := range ids {
		granted, err := gate.Reserve(t.Context(), to(user))
		if err != nil {
			t.Fatal(err)
		}
		ids[user] = granted.ID
	}
	if p := refused(gate, limit, "LimitReached"); p.Status != http.StatusTooManyRequests || p.RetryAfter < 3600 || p.Detail[:27] != "0 of 5 are used and 5 are h" {
		t.Errorf("the refusal is %+v", p)
	}
	var statuses []metatest.Status
	for user := range 2 {
		id := fmt.Sprint("wamid.", user)
		if err := gate.Confirm(t.Context(), ids[user], id); err != nil {
			t.Fatal(err)
		}
		statuses = append(statuses, metatest.Status{ID: id, Status: "delivered", Phone: fmt.Sprintf("1557777%04d", user), At: time.Now()}) // the operator under test runs on real time
	}
	if code, err := o.post(t.Context(), metatest.MessagesPayload("+15550100045", statuses, nil)); err != nil || code != http.StatusOK {
		t.Fatalf("a signed webhook is answered with %d, %v", code, err)
	}
	stands(2, 3, 0)

	o.kill(syscall.SIGKILL)
	o.start()
	o.ready()
	stands(2, 3, 0)
	refused(gate, limit, "LimitReached")
	if err := gate.Release(t.Context(), ids[4]); err != nil {
		t.Fatal(err)
	}
	if _, err := gate.Reserve(t.Context(), to(limit)); err != nil {
		t.Errorf("what was released is not free: %v", err)
	}
	refused(gate, limit+1, "LimitReached")

	told := func() bool {
		var events eventsv1.EventList
		if err := api.List(t.Context(), &events, runtimeclient.InNamespace("default")); err != nil {
			t.Fatal(err)
		}
		for i := range events.Items {
			if e := &events.Items[i]; e.Reason == "ReservationsRefused" && e.Regarding.Name == "sales" && strings.HasPrefix(e.Note, "LimitReached: ") {
				return true
			}
		}
		return false
	}
	for range 200 {
		if told() {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if !told() {
		t.Error("no Event tells of the refusals")
	}
	o.kill(syscall.SIGTERM)
	log := o.log.String()
	for what, secret := range map[string]string{"the phone number": "15550100045", "a user": "1557777", "a message id": "wamid", "a token": tokens[0], "a stranger's token": tokens[1], "a reservation": ids[0]} {
		if strings.Contains(log, secret) {
			t.Errorf("the log names %s", what)
		}
	}
}
