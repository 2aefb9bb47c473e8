//go:build e2e

// Package e2e installs the operator on a real node, as `make node` has it, and tries what an operator of a cluster does.
package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/hack/rig"
)

// installation is a release of the chart, and a number that Meta reports about.
type installation struct {
	*cluster
	meta   meta
	number client.ObjectKey
}

// The steps of one installation, in their order: each begins with what the former leaves.
func TestAnInstallationOnARealNode(t *testing.T) {
	ctx, stop := signal.NotifyContext(t.Context(), os.Interrupt, syscall.SIGTERM) // the node ends in order
	t.Cleanup(stop)
	i := &installation{cluster: newCluster(ctx, t, before, after), number: client.ObjectKey{Namespace: "front-desk", Name: "front-desk"},
		meta: meta{secret: "an app secret", number: "+15550100020"}}
	for _, step := range []struct {
		promise string
		run     func(context.Context, *testing.T)
	}{
		{"It is ready under the restricted profile without any secret of Meta's", i.install},
		{"A signed webhook through the Service is counted in the status", i.count},
		{"helm test is green", i.check},
		{"kubectl phonenumbers status shows what may be sent, live", i.look},
		{"A kill of its process loses nothing", i.loseProcess},
		{"The deletion of its pod loses nothing", i.losePod},
		{"An upgrade to another image loses nothing", i.upgrade},
		{"Its log names no number, user or secret", i.readLog},
		{"A removal leaves the fleet, and the next installation goes on counting", i.reinstall},
	} {
		if !t.Run(step.promise, func(t *testing.T) { step.run(ctx, t) }) {
			t.Fatalf("what there is:\n%s\n%s", i.run(ctx, t, "kubectl", "get", "pods,events", "--all-namespaces"),
				i.run(ctx, t, "kubectl", "logs", "--tail=30", "deployment/numberfleet-controller-manager", "--namespace="+rig.Namespace))
		}
	}
}

func (i *installation) helm(ctx context.Context, t *testing.T, args ...string) string {
	t.Helper()
	return i.run(ctx, t, "helm", append(args, "--namespace="+rig.Namespace)...)
}

// release installs or upgrades the chart with an image. Counts are written every second, not every minute, so that the test need not wait.
func (i *installation) release(ctx context.Context, t *testing.T, tag string) {
	t.Helper()
	i.helm(ctx, t, "upgrade", "--install", "numberfleet", filepath.Join(repository, "config", "chart"), "--wait",
		"--set=image.repository="+image, "--set=image.tag="+tag, "--set=webhook.service.type=NodePort", "--set=extraArgs={--status-refresh-period=1s}")
}

// tellMeta gives Meta the address of the Service.
func (i *installation) tellMeta(ctx context.Context, t *testing.T) {
	t.Helper()
	var service corev1.Service
	if err := i.Get(ctx, client.ObjectKey{Namespace: rig.Namespace, Name: "numberfleet-webhook"}, &service); err != nil {
		t.Fatal(err)
	}
	i.meta.url = "http://" + net.JoinHostPort(i.address, strconv.Itoa(int(service.Spec.Ports[0].NodePort))) + "/webhooks/whatsapp"
}

func (i *installation) install(ctx context.Context, t *testing.T) {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: rig.Namespace, Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}}}
	if err := i.Create(ctx, namespace); err != nil {
		t.Fatal(err)
	}
	i.release(ctx, t, before)
	i.operator(ctx, t)
}

func (i *installation) count(ctx context.Context, t *testing.T) {
	for _, object := range []client.Object{
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: rig.Namespace, Name: "numberfleet-webhook"},
			StringData: map[string]string{"app-secret": i.meta.secret, "verify-token": "a verify token"}},
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: i.number.Namespace}},
		&v1alpha1.PhoneNumber{ObjectMeta: metav1.ObjectMeta{Namespace: i.number.Namespace, Name: i.number.Name},
			Spec: v1alpha1.PhoneNumberSpec{PhoneNumber: i.meta.number, Business: v1alpha1.Business{Name: "Harbour Hotel"}, Verification: v1alpha1.Verified}},
	} {
		if err := i.Create(ctx, object); err != nil {
			t.Fatal(err)
		}
	}
	i.tellMeta(ctx, t)
	if err := i.meta.deliver(ctx); err != nil {
		t.Fatal(err)
	}
	i.counted(ctx, t)
}

// counted waits until the status counts as many users as there were webhooks acknowledged.
func (i *installation) counted(ctx context.Context, t *testing.T) {
	t.Helper()
	until(ctx, t, func(ctx context.Context) string {
		var number v1alpha1.PhoneNumber
		if err := i.Get(ctx, i.number, &number); err != nil {
			return err.Error()
		}
		if used := number.Status.Usage.Used; used == nil || *used != int64(i.meta.delivered) {
			return fmt.Sprintf("%d webhooks are acknowledged, and the status is %+v", i.meta.delivered, number.Status)
		}
		return ""
	})
}

func (i *installation) check(ctx context.Context, t *testing.T) {
	if out := i.helm(ctx, t, "test", "numberfleet"); !strings.Contains(out, "Succeeded") {
		t.Errorf("nothing was tested: %s", out)
	}
}

func (i *installation) look(ctx context.Context, t *testing.T) {
	certificate, err := rig.NewCertificate(t.TempDir(), "numberfleet-events")
	if err != nil {
		t.Fatal(err)
	}
	i.run(ctx, t, "kubectl", "create", "secret", "tls", "numberfleet-events-tls", "--namespace="+rig.Namespace, "--cert="+certificate.Public(), "--key="+certificate.Key())
	until(ctx, t, func(ctx context.Context) string {
		out := i.run(ctx, t, "kubectl", "phonenumbers", "status", i.number.Name, "--namespace="+i.number.Namespace, "--output=json")
		var shown struct {
			Live bool
			Used int
		}
		if err := json.Unmarshal([]byte(out), &shown); err != nil || !shown.Live || shown.Used != i.meta.delivered {
			return fmt.Sprintf("%v: %s", err, out)
		}
		return ""
	})
}

// losesNothing does something while webhooks come, some of which are refused and come again, and sees that every one is counted once.
func (i *installation) losesNothing(ctx context.Context, t *testing.T, something func()) {
	t.Helper()
	delivered, refused := i.meta.delivered, i.meta.refused
	i.meta.during(ctx, t, something)
	i.counted(ctx, t)
	t.Logf("%d webhooks, %d of them posted again: %d users are counted in all", i.meta.delivered-delivered, i.meta.refused-refused, i.meta.delivered)
}

func (i *installation) loseProcess(ctx context.Context, t *testing.T) {
	i.losesNothing(ctx, t, func() {
		pod := i.operator(ctx, t)
		i.kill(t, pod)
		until(ctx, t, func(ctx context.Context) string {
			if again := i.operator(ctx, t); again.UID != pod.UID || again.Status.ContainerStatuses[0].RestartCount == 0 {
				return "the container was not started again"
			}
			return ""
		})
	})
}

func (i *installation) losePod(ctx context.Context, t *testing.T) {
	i.losesNothing(ctx, t, func() {
		pod := i.operator(ctx, t)
		if err := i.Delete(ctx, pod); err != nil {
			t.Fatal(err)
		}
		until(ctx, t, func(ctx context.Context) string {
			if i.operator(ctx, t).UID == pod.UID {
				return "the pod is still there"
			}
			return ""
		})
	})
}

func (i *installation) upgrade(ctx context.Context, t *testing.T) {
	i.losesNothing(ctx, t, func() { i.release(ctx, t, after) })
	if got := i.operator(ctx, t).Spec.Containers[0].Image; got != image+":"+after {
		t.Errorf("the operator's image is %s", got)
	}
}

func (i *installation) readLog(ctx context.Context, t *testing.T) {
	log := i.run(ctx, t, "kubectl", "logs", "deployment/numberfleet-controller-manager", "--namespace="+rig.Namespace)
	if !strings.Contains(log, `"msg":"starting"`) {
		t.Errorf("the log does not begin: %s", log)
	}
	for _, personal := range []string{strings.TrimPrefix(i.meta.number, "+"), "1556000", i.meta.secret} {
		if strings.Contains(log, personal) {
			t.Errorf("the log has %s: %s", personal, log)
		}
	}
}

func (i *installation) reinstall(ctx context.Context, t *testing.T) {
	i.helm(ctx, t, "uninstall", "numberfleet", "--wait")
	i.counted(ctx, t)
	i.release(ctx, t, after)
	i.tellMeta(ctx, t)
	i.losesNothing(ctx, t, func() {})
}
