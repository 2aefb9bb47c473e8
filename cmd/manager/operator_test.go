package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"numberfleet.dev/numberfleet/hack/rig"
	"numberfleet.dev/numberfleet/internal/ledger/journal"
	"numberfleet.dev/numberfleet/internal/meta/metatest"
)

// operator is the operator as a process, on a real API server, which it outlives or not as the test wants.
type operator struct {
	t                       *testing.T
	folder                  string
	webhook, probe, metrics string
	log                     logFile
	more, environment       []string // flags, and variables
	restarts                bool     // it is started again whatever it ends with, as by a kubelet

	mu      sync.Mutex
	process *rig.Process // nil: it is not to run
}

// logFile has what all runs of the operator printed.
type logFile string

func newLogFile(t *testing.T) logFile {
	t.Helper()
	file := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return logFile(file)
}

func (f logFile) String() string {
	content, err := os.ReadFile(string(f))
	if err != nil {
		panic(err)
	}
	return string(content)
}

// newOperator is an operator with the rights of an administrator, and a client for its kinds.
func newOperator(t *testing.T) (*operator, client.Client) {
	t.Helper()
	c := borrowCluster(t)
	return newOperatorOf(t, c, envtest.User{Name: "operator", Groups: []string{"system:masters"}}), c.api
}

// newOperatorOf is an operator that is a user of a cluster.
func newOperatorOf(t *testing.T, c *cluster, as envtest.User) *operator {
	t.Helper()
	o := &operator{t: t, folder: t.TempDir(), webhook: freeAddress(t), probe: freeAddress(t), metrics: freeAddress(t), log: newLogFile(t)}
	user, err := c.env.AddUser(as, nil)
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
	return o
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

// start runs the operator until it is killed. One that loses its lease ends, which a slow machine may bring about, and is started again, as by
// a kubelet; one that ends since the log lost something too.
func (o *operator) start() {
	o.t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.run()
}

func (o *operator) run() {
	before := len(o.log.String())
	process, err := rig.Start(rig.Command{
		Name: "the operator", Path: os.Args[0], Env: append(slices.Clip(o.environment), asManager+"=1"), Log: string(o.log), Args: append([]string{
			"--kubeconfig=" + filepath.Join(o.folder, "kubeconfig"), "--data-dir=" + filepath.Join(o.folder, "ledger"),
			"--webhook-credentials=" + filepath.Join(o.folder, "webhook"), "--webhook-bind-address=" + o.webhook,
			"--health-probe-bind-address=" + o.probe, "--metrics-bind-address=" + o.metrics, "--batch-period=50ms", "--zap-log-level=debug"}, o.more...),
	})
	if err != nil {
		o.t.Error(err)
		return
	}
	o.process = process
	go func() {
		<-process.Exited()
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.process != process {
			return
		}
		if said := o.log.String()[before:]; o.restarts || strings.Contains(said, leaseLost) || strings.Contains(said, journal.ErrLost.Error()) {
			o.run()
		}
	}()
}

// leaseLost is what the operator says when it ends because it has lost its lease.
const leaseLost = "leader election lost"

func (o *operator) kill(signal syscall.Signal) {
	if process := o.forget(); process != nil {
		process.Signal(signal)
		<-process.Exited()
	}
}

// forget returns what runs, which is not started again.
func (o *operator) forget() *rig.Process {
	o.mu.Lock()
	defer o.mu.Unlock()
	process := o.process
	o.process = nil
	return process
}

// ends starts the operator, which must fail and say why.
func (o *operator) ends(why string) {
	o.t.Helper()
	o.start()
	process := o.forget()
	<-process.Exited()
	if process.Code() == 0 || !strings.Contains(o.log.String(), why) {
		o.t.Errorf("it ends with %v and does not say %q", process.Err(), why)
	}
}

func (o *operator) ready() {
	o.t.Helper()
	o.within("the operator is ready", func() bool { return o.probed("/readyz") == http.StatusOK && o.servesMetrics() })
}

// probed is how a probe is answered; zero where it is not.
func (o *operator) probed(path string) int {
	response, err := http.Get("http://" + o.probe + path)
	if err != nil {
		return 0
	}
	_ = response.Body.Close()
	return response.StatusCode
}

// waits returns when the operator is alive, and fails if it is ready.
func (o *operator) waits() {
	o.t.Helper()
	o.within("the operator is alive", func() bool { return o.probed("/healthz") == http.StatusOK })
	if code := o.probed("/readyz"); code != http.StatusServiceUnavailable {
		o.t.Errorf("while it waits, whether it is ready is answered with %d", code)
	}
}

// within waits until something holds.
func (o *operator) within(what string, holds func() bool) {
	o.t.Helper()
	if !rig.Eventually(o.t.Context(), holds) {
		o.t.Fatalf("not so within %s: %s", rig.Patience, what)
	}
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
	o.take(metatest.MessagesPayload(number, statuses, nil))
}

// take has Meta post a webhook until it is taken.
func (o *operator) take(body []byte) {
	o.t.Helper()
	o.within("a webhook is taken", func() bool {
		code, err := o.post(o.t.Context(), body)
		return err == nil && code == http.StatusOK
	})
}

func freeAddress(t *testing.T) string {
	t.Helper()
	addresses, err := rig.FreeAddresses(1)
	if err != nil {
		t.Fatal(err)
	}
	return addresses[0]
}
