package main

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/gate/gatetest"
	"numberfleet.dev/numberfleet/internal/identity"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
)

// The answer is the gate's, by its exit code too. It reserves nothing, and repeats no user.
func TestCanSend(t *testing.T) {
	c := cluster(t)
	for _, object := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}},
		&v1alpha1.PhoneNumber{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "sales"}, Spec: v1alpha1.PhoneNumberSpec{PhoneNumber: gatetest.Number}},
		&v1alpha1.MessageTemplate{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "offer"},
			Spec: v1alpha1.MessageTemplateSpec{TemplateName: "offer", Language: "en", WhatsAppBusinessAccountID: "2001"}},
	} {
		if err := c.api.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	gate := gatetest.New(t, 1, clock.RealClock{})
	api, backend := gate.NewAPI(t, clock.RealClock{})
	api.SetBackend(backend)
	url, stop := gatetest.Serve(t, api)
	t.Cleanup(func() { _ = stop() })
	ask := func(token string, args ...string) (int, string) {
		t.Helper()
		code, stdout, stderr := play(t, "", append([]string{"can-send", "--kubeconfig", c.kubeconfig, "-n", "shop", "--operator-url", url,
			"--operator-token-file", file(t, "token", token)}, args...)...)
		return code, stdout + stderr
	}
	const one, other = "+15550200001", "+15550200002"
	for range 2 { // nothing is reserved
		if code, answer := ask(gatetest.ShopToken, "sales", one, "--category", "Marketing"); code != exitDone || answer != "Yes, from sales: it would take a place of the limit (Reserved); 1 remain before it\n" {
			t.Errorf("to the first user it ends with %d, %s", code, answer)
		}
	}
	gate.Deliver(t, one[1:], "wamid.1")
	gate.Configure(t, counts.LimitSetting{Subject: gatetest.Number, Limit: 1, Obstacle: counts.Obstacle{Reason: v1alpha1.RoomOffline, Replies: true}})
	for _, test := range []struct {
		token string
		args  []string
		code  int
		want  string
	}{
		{gatetest.ShopToken, []string{"sales", other}, exitNo, "No, Offline: WhatsApp's servers cannot reach the number\n"},
		{gatetest.ShopToken, []string{"sales", other, "-o", "json"}, exitNo, "{\n  \"allowed\": false,\n  \"reason\": \"Offline\",\n  \"detail\": \"WhatsApp's servers cannot reach the number\"\n}\n"},
		{gatetest.ShopToken, []string{"sales", "nobody!"}, exitUsage, "Error: user " + identity.AUser + "\n"},
		{gatetest.ShopToken, []string{"sales", other, "--category", "News"}, exitUsage, "Error: category must be Marketing, Utility, Authentication or Service\n"},
		{gatetest.StrangerToken, []string{"sales", other}, exitError, "Error: Forbidden: that takes create on phonenumbers/reservations of whatsapp.numberfleet.dev in the namespace of the PhoneNumber or NumberPool; --operator-account names a ServiceAccount that has it\n"},
		{gatetest.ShopToken, []string{"wamt/offer", other}, exitUsage, "Error: \"wamt/offer\" sends no messages: it must be a phonenumber or a numberpool\n"},
		{gatetest.ShopToken, []string{"nobody", other}, exitError, "Error: there is no phonenumber \"nobody\" in namespace \"shop\"\n"},
	} {
		if code, answer := ask(test.token, test.args...); code != test.code || answer != test.want {
			t.Errorf("%v ends with %d, %s", test.args, code, answer)
		}
	}
	gate.Configure(t, counts.LimitSetting{Subject: gatetest.Number, Limit: 1})
	if code, answer := ask(gatetest.ShopToken, "sales", one); code != exitDone || answer != "Yes, from sales: the user was messaged within the window, and takes no further place (AlreadyCounted)\n" {
		t.Errorf("to a user who is counted it ends with %d, %s", code, answer)
	}
}
