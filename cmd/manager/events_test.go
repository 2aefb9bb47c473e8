package main

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/cert"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/meta/metatest"
)

// The event API of one operator, end to end: its certificate comes late; a service account of the number's namespace may
// send, by a token of its own, and no other; a user that a webhook tells of as well counts once; after a restart the same
// events change nothing.
func TestTheEventAPIEndToEnd(t *testing.T) {
	t.Parallel()
	o, api := newOperator(t)
	events := freeAddress(t)
	certificates := filepath.Join(o.folder, "events")
	o.more = []string{"--events-bind-address=" + events, "--events-cert-path=" + certificates}
	o.start()
	o.ready()

	sender := clusterRole(t, "numberfleet-event-sender")
	number := &v1alpha1.PhoneNumber{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "sales"},
		Spec:       v1alpha1.PhoneNumberSpec{PhoneNumber: "+15550100044", PolicyName: "quality-based"},
	}
	forwarder := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "forwarder"}}
	stranger := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "stranger"}}
	for _, object := range []client.Object{sender, number, forwarder, stranger, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "forwarder"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: sender.Name},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: "default", Name: "forwarder"}},
	}} {
		if err := api.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	token := func(of client.Object) string {
		request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{Audiences: []string{"numberfleet"}}}
		if err := api.SubResource("token").Create(t.Context(), of, request); err != nil {
			t.Fatal(err)
		}
		return request.Status.Token
	}
	secrets := map[string]string{"forwarder": token(forwarder), "stranger": token(stranger)}

	crt, key, err := cert.GenerateSelfSignedCertKey("127.0.0.1", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	o.write("events/tls.key", string(key))
	o.write("events/tls.crt", string(crt))
	insecure := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	// post returns what is answered with a code. The answer may be another one before the certificate and the rights are known.
	post := func(token string, lines []string, code int) (answer string) {
		t.Helper()
		o.within(fmt.Sprintf("the event API answers with %d", code), func() bool {
			request, err := http.NewRequest(http.MethodPost, "https://"+events+"/v1/events", bytes.NewBufferString(strings.Join(lines, "\n")))
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Authorization", "Bearer "+token)
			request.Header.Set("Content-Type", "application/x-ndjson")
			response, err := insecure.Do(request)
			if err != nil {
				return false
			}
			body, _ := io.ReadAll(response.Body)
			_ = response.Body.Close()
			answer = string(body)
			return response.StatusCode == code
		})
		return answer
	}

	at := time.Now().UTC() // the operator under test runs on real time
	var lines []string
	var statuses []metatest.Status
	for i := range 500 {
		user, id := fmt.Sprintf("1557777%04d", i), fmt.Sprint("wamid.", i)
		lines = append(lines, fmt.Sprintf(`{"specversion":"1.0","id":"%d","source":"/platform","type":"dev.numberfleet.message.delivered.v1","time":%q,"data":{"number":"+15550100044","user":"+%s","messageID":%q}}`,
			i, at.Format(time.RFC3339), user, id))
		statuses = append(statuses, metatest.Status{ID: id, Status: "delivered", Phone: user, At: at})
	}
	post("nobody's", lines, http.StatusUnauthorized)
	post(secrets["stranger"], lines, http.StatusForbidden)
	o.take(metatest.MessagesPayload("+15550100044", statuses[:250], nil))
	if body := post(secrets["forwarder"], lines, http.StatusOK); !strings.HasPrefix(body, `{"events":500,"new":250,"repeated":250,`) {
		t.Errorf("with the right: %s", body)
	}
	raisedBy500(t, api, number)

	o.kill(syscall.SIGKILL)
	o.start()
	if body := post(secrets["forwarder"], lines, http.StatusOK); !strings.HasPrefix(body, `{"events":500,"new":0,"repeated":500,`) {
		t.Errorf("after a restart: %s", body)
	}
	o.kill(syscall.SIGTERM)
	log := o.log.String()
	for what, secret := range map[string]string{"the phone number": "15550100044", "a user": "1557777", "a message id": "wamid", "a token": secrets["forwarder"], "a stranger's token": secrets["stranger"]} {
		if strings.Contains(log, secret) {
			t.Errorf("the log names %s", what)
		}
	}
}

func TestTheEventAPIIsNotServedOverPlainHTTP(t *testing.T) {
	t.Parallel()
	o, _ := newOperator(t)
	o.more = []string{"--events-bind-address=:0"}
	o.ends("bearer tokens do not go over plain HTTP")
}
