// Package chart tests config/chart with the real Helm and a real API server.
package chart

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/hack/rig"
)

// chart is the folder of the chart.
const chart = "../../config/chart"

// cluster is a real API server, without nodes. kubelet stands in for these.
type cluster struct {
	client.WithWatch
	t                  *testing.T
	admin              *rest.Config
	folder, kubeconfig string
	// here is what of this machine stands for what there would be in a pod, in arguments of hooks.
	here map[string]string
}

// newCluster starts one, for as long as the test runs.
func newCluster(t *testing.T) *cluster {
	t.Helper()
	folder := t.TempDir()
	plane, err := rig.NewControlPlane(rig.ControlPlaneOptions{Assets: os.Getenv("KUBEBUILDER_ASSETS"), Folder: folder, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(plane.Kill)
	if err := plane.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	kinds := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{scheme.AddToScheme, apiextensionsv1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(kinds); err != nil {
			t.Fatal(err)
		}
	}
	admin := plane.Admin()
	admin.WarningHandlerWithContext = warnings{t}
	c := &cluster{t: t, admin: admin, folder: folder, kubeconfig: filepath.Join(folder, "kubeconfig")}
	if c.WithWatch, err = client.NewWithWatch(c.admin, client.Options{Scheme: kinds}); err != nil {
		t.Fatal(err)
	}
	if err := rig.WriteKubeconfig(c.kubeconfig, c.admin); err != nil {
		t.Fatal(err)
	}
	return c
}

// warnings are errors.
type warnings struct{ t *testing.T }

func (w warnings) HandleWarningHeaderWithContext(_ context.Context, _ int, _, text string) {
	w.t.Errorf("the API server warns: %s", text)
}

// helm runs Helm against the cluster, and returns what it says and whether it succeeds.
func (c *cluster) helm(args ...string) (string, error) {
	c.t.Helper()
	command := exec.CommandContext(c.t.Context(), os.Getenv("HELM"), append(args, "--namespace", rig.Namespace, "--kubeconfig", c.kubeconfig)...)
	out, err := command.CombinedOutput()
	return string(out), err
}

// mustHelm runs Helm, which must succeed.
func (c *cluster) mustHelm(args ...string) {
	c.t.Helper()
	if out, err := c.helm(args...); err != nil {
		c.t.Fatalf("helm %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

// kubelet runs what hooks are until the test ends, as a node would: Jobs and Pods, by the program of the operator, with their arguments, as their
// account. It ends when it is asked what has succeeded.
func (c *cluster) kubelet() (succeeded func() []string) {
	ctx, stop := context.WithCancel(c.t.Context())
	done := make(chan struct{})
	c.t.Cleanup(func() { stop(); <-done })
	var ran []string
	go func() {
		defer close(done)
		seen := map[types.UID]bool{}
		for ctx.Err() == nil {
			for _, hook := range c.hooks(ctx) {
				if !seen[hook.GetUID()] {
					seen[hook.GetUID()] = true
					ran = append(ran, c.run(ctx, hook))
				}
			}
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
		}
	}()
	return func() []string { stop(); <-done; return ran }
}

// hooks are the Jobs and Pods that are there.
func (c *cluster) hooks(ctx context.Context) (all []client.Object) {
	var jobs batchv1.JobList
	var pods corev1.PodList
	if err := errors.Join(c.List(ctx, &jobs), c.List(ctx, &pods)); err != nil && ctx.Err() == nil {
		c.t.Errorf("list hooks: %v", err)
	}
	for i := range jobs.Items {
		all = append(all, &jobs.Items[i])
	}
	for i := range pods.Items {
		all = append(all, &pods.Items[i])
	}
	return all
}

// run runs a hook, and writes how it ended. It returns the command.
func (c *cluster) run(ctx context.Context, hook client.Object) string {
	var spec corev1.PodSpec
	now := metav1.Now()
	switch hook := hook.(type) {
	case *batchv1.Job:
		spec = hook.Spec.Template.Spec
		hook.Status = batchv1.JobStatus{StartTime: &now, CompletionTime: &now, Succeeded: 1, Conditions: []batchv1.JobCondition{
			{Type: batchv1.JobSuccessCriteriaMet, Status: corev1.ConditionTrue, LastTransitionTime: now},
			{Type: batchv1.JobComplete, Status: corev1.ConditionTrue, LastTransitionTime: now},
		}}
	case *corev1.Pod:
		spec = hook.Spec
		hook.Status.Phase = corev1.PodSucceeded
	}
	kubeconfig, err := c.accountKubeconfig(ctx, hook.GetNamespace(), spec.ServiceAccountName)
	if err != nil {
		c.t.Errorf("a token of the hook's account: %v", err)
		return ""
	}
	var here []string
	for there, is := range c.here {
		here = append(here, there, is)
	}
	arguments, words := []string{}, []string{}
	for _, argument := range spec.Containers[0].Args {
		arguments = append(arguments, strings.NewReplacer(here...).Replace(argument))
		if !strings.HasPrefix(argument, "-") {
			words = append(words, argument)
		}
	}
	var out bytes.Buffer
	command := exec.CommandContext(ctx, os.Getenv("MANAGER"), arguments...)
	command.Env, command.Stdout, command.Stderr = append(os.Environ(), "KUBECONFIG="+kubeconfig), &out, &out
	if err := command.Run(); err != nil {
		c.t.Errorf("manager %s: %v: %s", strings.Join(arguments, " "), err, &out)
		return ""
	}
	if err := c.Status().Update(ctx, hook); err != nil {
		c.t.Errorf("the status of the hook: %v", err)
	}
	return strings.Join(words, " ")
}

// accountKubeconfig writes a kubeconfig with a token of a ServiceAccount.
func (c *cluster) accountKubeconfig(ctx context.Context, namespace, name string) (string, error) {
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	request := &authenticationv1.TokenRequest{}
	if err := c.SubResource("token").Create(ctx, account, request); err != nil {
		return "", err
	}
	as := rest.CopyConfig(c.admin)
	as.BearerToken = request.Status.Token
	file := filepath.Join(c.folder, name+".kubeconfig")
	return file, rig.WriteKubeconfig(file, as)
}

// operator is the operator's program, with the rights of its account in the cluster.
type operator struct {
	*cluster
	*rig.Operator
}

func (c *cluster) operator() *operator {
	c.t.Helper()
	o, err := rig.NewOperator(rig.OperatorOptions{
		Binary: os.Getenv("MANAGER"), Kubeconfig: filepath.Join(c.folder, "numberfleet-controller-manager.kubeconfig"), DataDir: filepath.Join(c.folder, "ledger"), Folder: c.folder,
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return &operator{cluster: c, Operator: o}
}

// start starts it, as the account that the chart has made, and waits until it is ready.
func (o *operator) start() {
	o.t.Helper()
	if _, err := o.accountKubeconfig(o.t.Context(), rig.Namespace, "numberfleet-controller-manager"); err != nil {
		o.t.Fatal(err)
	}
	if err := o.Start(); err != nil {
		o.t.Fatal(err)
	}
	o.t.Cleanup(o.Kill)
	if err := o.Ready(o.t.Context()); err != nil {
		o.t.Fatal(err)
	}
}

func (o *operator) end() {
	o.t.Helper()
	if err := o.Stop(rig.Patience); err != nil {
		o.t.Fatal(err)
	}
}

// eventually waits until something holds.
func (c *cluster) eventually(what string, holds func() bool) {
	c.t.Helper()
	if !rig.Eventually(c.t.Context(), holds) {
		c.t.Fatalf("not so after %s: %s", rig.Patience, what)
	}
}

// has says whether an object is there.
func (c *cluster) has(object client.Object, namespace, name string) bool {
	c.t.Helper()
	err := c.Get(c.t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, object)
	if err != nil && !apierrors.IsNotFound(err) {
		c.t.Fatal(err)
	}
	return err == nil
}
