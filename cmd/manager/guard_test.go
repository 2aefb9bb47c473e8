package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/meta/graphtest"
	"numberfleet.dev/numberfleet/internal/meta/metatest"
)

// The guard of one operator, end to end: a campaign is let through to the last place and not one further, whoever wrote lately is answered
// all the same, and an operator that was killed remembers what it granted. What is delivered turns from held to used.
func TestTheGuardEndToEnd(t *testing.T) {
	t.Parallel()
	const number, id, token, limit = "+15550100061", "1001", "EAAguarded", 20
	o, api := newOperator(t)
	meta := graphtest.New(clock.RealClock{})
	meta.AddToken(token)
	meta.AddAccount(metatest.Account, "", "Harbour")
	meta.AddPhoneNumber(id, metatest.Account, "+1 555-010-0061", "Harbour")
	upstream := httptest.NewServer(meta)
	t.Cleanup(upstream.Close)
	address := freeAddress(t)
	o.write("config.yaml", "apiVersion: config.numberfleet.dev/v1alpha1\nkind: OperatorConfiguration\ngraphAPI:\n  baseURL: "+upstream.URL+"\n")
	o.more = []string{"--config=" + filepath.Join(o.folder, "config.yaml"), "--guard-bind-address=" + address, "--status-refresh-period=100ms"}
	o.start()
	o.ready()
	var policy v1alpha1.MessagingPolicy
	content, err := os.ReadFile(filepath.Join("..", "..", "config", "policies", "quality-based.yaml"))
	if err == nil {
		err = yaml.UnmarshalStrict(content, &policy)
	}
	if err != nil {
		t.Fatal(err)
	}
	policy.Name, policy.Spec.Tiers[0].Limit = "small", limit
	sales := &v1alpha1.PhoneNumber{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "sales"},
		Spec:       v1alpha1.PhoneNumberSpec{PhoneNumber: number, PhoneNumberID: id, PolicyName: "small", Business: v1alpha1.Business{WhatsAppBusinessAccountID: metatest.Account}},
	}
	for _, object := range []client.Object{&policy, sales} {
		if err := api.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	send := func(user int, body string) (code int, answer string) {
		t.Helper()
		o.within("the guard answers", func() bool {
			body := strings.NewReader(fmt.Sprintf(`{"messaging_product":"whatsapp","to":"1555779%04d",%s}`, user, body))
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address+"/v27.0/"+id+"/messages", body)
			if err != nil {
				t.Fatal(err)
			}
			req.Header = http.Header{"Authorization": {"Bearer " + token}, "Content-Type": {"application/json"}}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				return false
			}
			content, _ := io.ReadAll(res.Body)
			_ = res.Body.Close()
			code, answer = res.StatusCode, string(content)
			// Until the operator knows the number, the guard passes its messages on, without saying whose they are.
			return code != http.StatusServiceUnavailable && res.Header.Get("X-Numberfleet-Number") == "default/sales"
		})
		return code, answer
	}
	const template = `"type":"template","template":{"name":"sale","language":{"code":"en"}}`
	for user := range limit + 5 {
		if user == limit/2 {
			o.kill(syscall.SIGKILL)
			o.start()
		}
		code, answer := send(user, template)
		if granted := user < limit; granted != (code == http.StatusOK) || !granted && (code != http.StatusTooManyRequests || !strings.Contains(answer, "LimitReached: ")) {
			t.Fatalf("message %d: HTTP %d %s", user, code, answer)
		}
	}
	if code, answer := send(0, template); code != http.StatusOK {
		t.Errorf("to a user who is held already: HTTP %d %s", code, answer)
	}
	if code, answer := send(limit, `"type":"text","text":{"body":"hi"}`); code != http.StatusConflict || !strings.Contains(answer, "OutsideWindow: ") {
		t.Errorf("text outside of a window: HTTP %d %s", code, answer)
	}
	now := time.Now() // the operator under test runs on real time
	o.take(metatest.MessagesPayload(number, nil, []metatest.Inbound{{ID: "wamid.in", Phone: fmt.Sprintf("1555779%04d", limit), At: now}}))
	if code, answer := send(limit, `"type":"text","text":{"body":"hi"}`); code != http.StatusOK {
		t.Errorf("inside the window: HTTP %d %s", code, answer)
	}
	delivered := []metatest.Status{{ID: "wamid.HBg000000001", Status: "delivered", Phone: "15557790000", At: now}}
	o.take(metatest.MessagesPayload(number, delivered, nil))
	o.within("the status says that what was delivered is used, and the rest reserved", func() bool {
		if err := api.Get(t.Context(), client.ObjectKeyFromObject(sales), sales); err != nil {
			t.Fatal(err)
		}
		usage := &sales.Status.Usage
		return usage.Used != nil && *usage.Used == 1 && usage.Reserved != nil && *usage.Reserved == limit-1
	})
	o.kill(syscall.SIGTERM)
	log := o.log.String()
	for what, secret := range map[string]string{"the phone number": "15550100061", "a user": "1555779", "a message id": "wamid", "the token": token} {
		if strings.Contains(log, secret) {
			t.Errorf("the log names %s", what)
		}
	}
}
