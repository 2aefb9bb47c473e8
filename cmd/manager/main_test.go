package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
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
	os.Exit(m.Run())
}

const (
	appSecret   = "an app secret"
	verifyToken = "a verify token"
)

// operator is the operator as a process, on a real API server, which it outlives or not as the test wants.
type operator struct {
	t                       *testing.T
	folder                  string
	webhook, probe, metrics string
	process                 *exec.Cmd
	log                     *lockedBuffer
	more                    []string // flags
}

// lockedBuffer keeps what all runs of the operator printed.
type lockedBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}

// newOperator is an operator with the rights of an administrator, and a client for its kinds.
func newOperator(t *testing.T) (*operator, client.Client) {
	t.Helper()
	return newOperatorOf(t, &envtest.Environment{}, envtest.User{Name: "operator", Groups: []string{"system:masters"}})
}

// newOperatorOf is an operator that is a user of a cluster, which it starts.
func newOperatorOf(t *testing.T, env *envtest.Environment, as envtest.User) (*operator, client.Client) {
	t.Helper()
	env.CRDDirectoryPaths, env.ErrorIfCRDPathMissing = []string{filepath.Join("..", "..", "config", "crd", "bases")}, true
	server, err := env.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = env.Stop() })
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	api, err := client.New(server, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	var policy v1alpha1.MessagingPolicy
	content, err := os.ReadFile(filepath.Join("..", "..", "config", "policies", "quality-based.yaml"))
	if err == nil {
		err = yaml.UnmarshalStrict(content, &policy)
	}
	if err == nil {
		err = api.Create(t.Context(), &policy)
	}
	if err != nil {
		t.Fatal(err)
	}

	o := &operator{t: t, folder: t.TempDir(), webhook: freeAddress(t), probe: freeAddress(t), metrics: freeAddress(t), log: &lockedBuffer{}}
	user, err := env.AddUser(as, nil)
	if err != nil {
		t.Fatal(err)
	}
	kubeconfig, err := user.KubeConfig()
	if err != nil {
		t.Fatal(err)
	}
	o.write("kubeconfig", string(kubeconfig))
	o.write("webhook/app-secret", appSecret)
	o.write("webhook/verify-token", verifyToken)
	t.Cleanup(func() {
		o.kill(syscall.SIGKILL)
		if t.Failed() {
			t.Logf("the operator's log:\n%s", o.log)
		}
	})
	return o, api
}

func (o *operator) write(name, content string) {
	o.t.Helper()
	file := filepath.Join(o.folder, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		o.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		o.t.Fatal(err)
	}
}

func (o *operator) start() {
	o.t.Helper()
	binary, err := os.Executable()
	if err != nil {
		o.t.Fatal(err)
	}
	o.process = exec.Command(binary, append([]string{
		"--kubeconfig=" + filepath.Join(o.folder, "kubeconfig"), "--data-dir=" + filepath.Join(o.folder, "ledger"),
		"--webhook-credentials=" + filepath.Join(o.folder, "webhook"), "--webhook-bind-address=" + o.webhook,
		"--health-probe-bind-address=" + o.probe, "--metrics-bind-address=" + o.metrics, "--batch-period=50ms", "--zap-log-level=debug"}, o.more...)...)
	o.process.Env = append(os.Environ(), asManager+"=1")
	o.process.Stdout, o.process.Stderr = o.log, o.log
	if err := o.process.Start(); err != nil {
		o.t.Fatal(err)
	}
}

func (o *operator) kill(signal syscall.Signal) {
	if o.process != nil {
		_ = o.process.Process.Signal(signal)
		_ = o.process.Wait()
		o.process = nil
	}
}

func (o *operator) ready() {
	o.t.Helper()
	for range 600 {
		if response, err := http.Get("http://" + o.probe + "/readyz"); err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK && o.servesMetrics() {
				return
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	o.t.Fatal("the operator is not ready within 30 s")
}

// servesMetrics says whether the metrics can be asked for; their own certificate is made while others are served already.
func (o *operator) servesMetrics() bool {
	to, err := net.Dial("tcp", o.metrics)
	return err == nil && to.Close() == nil
}

// signed is a request with a webhook.
func (o *operator) signed(ctx context.Context, body []byte) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+o.webhook+"/webhooks/whatsapp", bytes.NewReader(body))
	if err == nil {
		request.Header.Set("X-Hub-Signature-256", metatest.Sign(appSecret, body))
	}
	return request, err
}

// post sends a signed webhook once.
func (o *operator) post(ctx context.Context, body []byte) (int, error) {
	request, err := o.signed(ctx, body)
	if err != nil {
		return 0, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer func() { _ = response.Body.Close() }()
	_, err = io.Copy(io.Discard, response.Body)
	return response.StatusCode, err
}

// deliver has Meta tell, until it is taken, that messages of a number were delivered to users from the one up to the other.
func (o *operator) deliver(number string, from, until int) {
	o.t.Helper()
	var statuses []metatest.Status
	for user := from; user < until; user++ {
		statuses = append(statuses, metatest.Status{ID: fmt.Sprint("wamid.", user), Status: "delivered", Phone: fmt.Sprintf("1557777%04d", user), At: time.Now()}) // the operator under test runs on real time
	}
	for range 200 {
		if code, err := o.post(o.t.Context(), metatest.MessagesPayload(number, statuses, nil)); err == nil && code == http.StatusOK {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	o.t.Fatal("a webhook is not taken within 10 s")
}

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
	if code, err := o.post(t.Context(), metatest.MessagesPayload("+15550100043", statuses, nil)); err != nil || code != http.StatusOK {
		t.Fatalf("a signed webhook is answered with %d, %v", code, err)
	}
	told := func() bool {
		if err := api.Get(t.Context(), client.ObjectKeyFromObject(number), number); err != nil {
			t.Fatal(err)
		}
		return len(number.Status.Notifications) == 2 && *number.Status.Notifications[0].Transitions == 1 && *number.Status.Notifications[1].Transitions == 1
	}
	for range 200 {
		if told() {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		o.kill(signal)
		o.start()
		o.ready()
		time.Sleep(500 * time.Millisecond)
	}
	if !told() || len(mail.Mails()) != 1 || len(web.Posts()) != 1 || !strings.Contains(web.Posts()[0].Body, "TierUpgraded") {
		t.Errorf("%d mails and %d messages came; the status says %+v", len(mail.Mails()), len(web.Posts()), number.Status.Notifications)
	}
	if log := o.log.String(); !strings.Contains(log, "502 Bad Gateway") || strings.Contains(log, "hook-7f3a") || strings.Contains(log, notifytest.Password) {
		t.Error("the log does not tell of the failure, or tells a secret")
	}
}

func TestWithAWrongConfigurationItEnds(t *testing.T) {
	o, _ := newOperator(t)
	o.write("config.yaml", "apiVersion: config.numberfleet.dev/v1alpha1\nkind: OperatorConfiguration\nnotifications: {receivers: [{name: ops, reasons: [Flaged], slack: {url: 'http://127.0.0.1'}}]}")
	o.more = []string{"--config=" + filepath.Join(o.folder, "config.yaml")}
	o.start()
	if err := o.process.Wait(); err == nil || !strings.Contains(o.log.String(), "notifications.receivers[0].reasons[0]: Unsupported value") {
		t.Errorf("it ended with %v and does not say why", err)
	}
	o.process = nil
}

// An operator that cannot receive webhooks must not look alive.
func TestWithoutItsWebhookAddressItEnds(t *testing.T) {
	o, _ := newOperator(t)
	taken, err := net.Listen("tcp", o.webhook)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	o.start()
	process := o.process
	o.process = nil
	ended := make(chan error, 1)
	go func() { ended <- process.Wait() }()
	select {
	case err := <-ended:
		if err == nil || !strings.Contains(o.log.String(), "cannot listen") {
			t.Errorf("it ended with %v and does not say why", err)
		}
	case <-time.After(time.Minute):
		_ = process.Process.Kill()
		t.Error("it goes on without its webhook address")
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

// raisedBy500 waits until 500 users have raised a number to the second tier.
func raisedBy500(t *testing.T, api client.Client, number *v1alpha1.PhoneNumber) {
	t.Helper()
	for range 200 {
		if err := api.Get(t.Context(), client.ObjectKeyFromObject(number), number); err != nil {
			t.Fatal(err)
		}
		if number.Status.Tier.Name == "2" {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if number.Status.Tier.Name != "2" || *number.Status.Usage.Used != 500 {
		t.Errorf("after 500 users the number is on tier %q with %v used", number.Status.Tier.Name, number.Status.Usage.Used)
	}
}
