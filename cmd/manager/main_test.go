package main

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/hack/rig"
	"numberfleet.dev/numberfleet/internal/config"
	"numberfleet.dev/numberfleet/internal/meta/metatest"
	"numberfleet.dev/numberfleet/internal/notify/notifytest"
	"numberfleet.dev/numberfleet/internal/version"
)

// asManager makes the test binary be the operator, so that a test can kill it.
const asManager = "NUMBERFLEET_TEST_AS_MANAGER"

func TestMain(m *testing.M) {
	if os.Getenv(asManager) != "" {
		main()
		return
	}
	ctrl.SetLogger(logr.Discard())
	code := m.Run()
	stopClusters()
	os.Exit(code)
}

const (
	appSecret   = "an app secret"
	verifyToken = "a verify token"
)

func TestItSaysItsVersion(t *testing.T) {
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	asked := exec.CommandContext(t.Context(), binary, "--version")
	asked.Env = append(os.Environ(), asManager+"=1")
	if said, err := asked.Output(); err != nil || string(said) != "manager version "+version.Line()+"\n" {
		t.Errorf("it says %q, %v", said, err)
	}
}

// One process, end to end: the handshake, a signed webhook, a refused one, the status, the metrics, and a log and metrics
// that name no phone number, user or secret.
func TestOneOperatorEndToEnd(t *testing.T) {
	t.Parallel()
	o, api := newOperator(t)
	o.start()
	o.ready()
	number := &v1alpha1.PhoneNumber{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "sales"},
		Spec:       v1alpha1.PhoneNumberSpec{PhoneNumber: "+15550100042", PolicyName: "quality-based"},
	}
	if err := api.Create(t.Context(), number); err != nil {
		t.Fatal(err)
	}

	response, err := http.Get("http://" + o.webhook + "/webhooks/whatsapp?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=" + strings.ReplaceAll(verifyToken, " ", "%20"))
	if err != nil {
		t.Fatal(err)
	}
	challenge, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK || string(challenge) != "1158201444" {
		t.Errorf("the handshake is answered with %s %q, %v", response.Status, challenge, err)
	}
	_ = response.Body.Close()

	var statuses []metatest.Status
	at := time.Now() // the operator under test runs on real time
	for i := range 500 {
		statuses = append(statuses, metatest.Status{ID: fmt.Sprint("wamid.", i), Status: "delivered", Phone: fmt.Sprintf("1557777%04d", i), At: at})
	}
	if code, err := o.post(t.Context(), metatest.MessagesPayload("+15550100042", statuses, nil)); err != nil || code != http.StatusOK {
		t.Fatalf("a signed webhook is answered with %d, %v", code, err)
	}
	raisedBy500(t, api, number)

	// The metrics are for authorised callers.
	insecure := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} // a certificate of the operator's own
	if response, err := insecure.Get("https://" + o.metrics + "/metrics"); err != nil || response.StatusCode != http.StatusUnauthorized && response.StatusCode != http.StatusForbidden {
		t.Errorf("a stranger gets the metrics: %v, %v", response, err)
	} else {
		_ = response.Body.Close()
	}

	o.kill(syscall.SIGTERM)
	log := bufio.NewScanner(strings.NewReader(o.log.String()))
	for log.Scan() {
		for what, secret := range map[string]string{"the phone number": "15550100042", "a user": "1557777", "the app secret": appSecret, "the verify token": verifyToken, "a message id": "wamid"} {
			if strings.Contains(log.Text(), secret) {
				t.Errorf("the log names %s: %s", what, log.Text())
			}
		}
	}
}

// A number is upgraded, and receivers hear of it once, though the operator is restarted; the secret URL is told to nobody.
func TestNotificationsAcrossARestart(t *testing.T) {
	t.Parallel()
	o, api := newOperator(t)
	mail, web := notifytest.NewMailServer(t, config.StartTLS), notifytest.NewWebServer(t, false)
	o.write("mail-password", notifytest.Password)
	o.write("chat-url", web.URL+"/hook-7f3a")
	o.write("config.yaml", fmt.Sprintf(`apiVersion: config.numberfleet.dev/v1alpha1
kind: OperatorConfiguration
notifications:
  receivers:
  - name: ops-mail
    reasons: [TierUpgraded]
    email: {host: 127.0.0.1, port: %d, caFile: %s, from: fleet@example.com, to: [ops@example.com], username: %s, passwordFile: %s}
  - name: chat
    slack: {urlFile: %s}
`, mail.Port, mail.CAFile, notifytest.Username, filepath.Join(o.folder, "mail-password"), filepath.Join(o.folder, "chat-url")))
	o.more = []string{"--config=" + filepath.Join(o.folder, "config.yaml"), "--leader-election-namespace=default"}
	web.Busy(1, http.StatusBadGateway)
	o.start()
	o.ready()
	number := &v1alpha1.PhoneNumber{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "sales"},
		Spec:       v1alpha1.PhoneNumberSpec{PhoneNumber: "+15550100043", PolicyName: "quality-based"},
	}
	if err := api.Create(t.Context(), number); err != nil {
		t.Fatal(err)
	}
	var statuses []metatest.Status
	for i := range 500 {
		statuses = append(statuses, metatest.Status{ID: fmt.Sprint("wamid.", i), Status: "delivered", Phone: fmt.Sprintf("1557777%04d", i), At: time.Now()}) // the operator under test runs on real time
	}
	o.take(metatest.MessagesPayload("+15550100043", statuses, nil))
	told := func() bool {
		if err := api.Get(t.Context(), client.ObjectKeyFromObject(number), number); err != nil {
			t.Fatal(err)
		}
		return len(number.Status.Notifications) == 2 && *number.Status.Notifications[0].Transitions == 1 && *number.Status.Notifications[1].Transitions == 1
	}
	o.within("both receivers are told", told)
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		o.kill(signal)
		o.start()
		o.ready()
		time.Sleep(500 * time.Millisecond) // in which nothing is sent again
	}
	if !told() || len(mail.Mails()) != 1 || len(web.Posts()) != 1 || !strings.Contains(web.Posts()[0].Body, "TierUpgraded") {
		t.Errorf("%d mails and %d messages came; the status says %+v", len(mail.Mails()), len(web.Posts()), number.Status.Notifications)
	}
	if log := o.log.String(); !strings.Contains(log, "502 Bad Gateway") || strings.Contains(log, "hook-7f3a") || strings.Contains(log, notifytest.Password) {
		t.Error("the log does not tell of the failure, or tells a secret")
	}
}

func TestWithAWrongConfigurationItEnds(t *testing.T) {
	t.Parallel()
	o, _ := newOperator(t)
	o.write("config.yaml", "apiVersion: config.numberfleet.dev/v1alpha1\nkind: OperatorConfiguration\nnotifications: {receivers: [{name: ops, reasons: [Flaged], slack: {url: 'http://127.0.0.1'}}]}")
	o.more = []string{"--config=" + filepath.Join(o.folder, "config.yaml")}
	o.ends("notifications.receivers[0].reasons[0]: Unsupported value")
}

// An operator that cannot receive webhooks must not look alive.
func TestWithoutItsWebhookAddressItEnds(t *testing.T) {
	t.Parallel()
	o, _ := newOperator(t)
	taken, err := net.Listen("tcp", o.webhook)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	o.ends("cannot listen")
}

// raisedBy500 waits until 500 users have raised a number to the second tier.
func raisedBy500(t *testing.T, api client.Client, number *v1alpha1.PhoneNumber) {
	t.Helper()
	raised := rig.Eventually(t.Context(), func() bool {
		if err := api.Get(t.Context(), client.ObjectKeyFromObject(number), number); err != nil {
			t.Fatal(err)
		}
		return number.Status.Tier.Name == "2"
	})
	if !raised || *number.Status.Usage.Used != 500 {
		t.Errorf("after 500 users the number is on tier %q with %v used", number.Status.Tier.Name, number.Status.Usage.Used)
	}
}
