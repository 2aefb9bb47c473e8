package main

import (
	"context"
	_ "embed"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"numberfleet.dev/numberfleet/hack/rig"
	"numberfleet.dev/numberfleet/internal/scaledclock"
)

// options say where the programs are, and how fast the fleet lives.
type options struct {
	assets   string  // folder with etcd and kube-apiserver
	programs string  // folder with kube-controller-manager, keda-operator and keda-adapter
	crds     string  // folder with KEDA's, as kustomize reads it
	manager  string  // the operator's binary
	root     string  // of the repository
	folder   string  // for data, keys and logs
	speed    float64 // how many times faster than real time the fleet lives
}

// loop is the whole way from what a number may send to the replicas of Deployments, of real components: the operator with the sample
// fleet, KEDA, kube-controller-manager, kube-apiserver and etcd.
type loop struct {
	api      client.Client
	operator *rig.Operator
	flags    []string // the operator's
	clock    *scaledclock.Clock
	born     time.Time // the beginning of the fleet's first day
	queue    *queue
	scaler   string // the scaler's address, of the name that its certificate has
}

// start starts all of it. What was started ends with rig.KillAll, also after an error.
func start(ctx context.Context, o options) (*loop, error) {
	shown, err := rig.NewCertificate(filepath.Join(o.folder, "tls"), localhost)
	if err != nil {
		return nil, err
	}
	plane, err := rig.NewControlPlane(rig.ControlPlaneOptions{Assets: o.assets, Folder: o.folder, NoSync: true, Flags: forwarding(shown)})
	if err != nil {
		return nil, err
	}
	if err := plane.Up(ctx); err != nil {
		return nil, err
	}
	l := &loop{}
	if l.api, err = client.New(plane.Admin(), client.Options{Scheme: scheme.Scheme}); err != nil {
		return nil, err
	}
	if err := startAutoscaling(ctx, o, plane, l.api, shown); err != nil {
		return nil, err
	}
	if l.queue, err = serveQueue(); err != nil {
		return nil, err
	}
	return l, l.startOperator(ctx, o, plane, shown)
}

// startOperator installs and runs the operator with the sample fleet. Its first day begins.
func (l *loop) startOperator(ctx context.Context, o options, plane *rig.ControlPlane, shown rig.Certificate) error {
	objects, err := rig.Installation(o.root)
	if err != nil {
		return err
	}
	fleet, err := os.ReadFile(filepath.Join(o.root, "config", "samples", "fleet.yaml"))
	if err != nil {
		return err
	}
	samples, err := rig.Parse(fleet)
	if err != nil {
		return err
	}
	if err := apply(ctx, l.api, slices.Concat(objects, samples)...); err != nil {
		return err
	}
	kubeconfig := filepath.Join(o.folder, "operator.kubeconfig")
	if err := rig.WriteKubeconfig(kubeconfig, plane.Operator()); err != nil {
		return err
	}
	l.operator, err = rig.NewOperator(rig.OperatorOptions{Binary: o.manager, Kubeconfig: kubeconfig,
		DataDir: filepath.Join(o.folder, "ledger"), Folder: o.folder, Log: filepath.Join(o.folder, "operator.log")})
	if err != nil {
		return err
	}
	_, port, _ := net.SplitHostPort(l.operator.Scaler)
	l.scaler = net.JoinHostPort(localhost, port)

	real := clock.RealClock{}
	anchor := real.Now()
	l.born = anchor.UTC().Truncate(day)
	if l.clock, err = scaledclock.New(real, anchor, l.born, o.speed); err != nil {
		return err
	}
	l.flags = slices.Concat([]string{
		"--events-bind-address=" + l.operator.Events,
		"--scaler-bind-address=" + l.operator.Scaler, "--scaler-cert-path=" + shown.Folder,
		"--batch-period=200ms",
	}, rig.TimeLapse(anchor, l.born, o.speed))
	return l.resume(ctx)
}

// resume runs the operator, which does not run.
func (l *loop) resume(ctx context.Context) error {
	if err := l.operator.Start(l.flags...); err != nil {
		return err
	}
	return l.operator.Ready(ctx)
}

const day = 24 * time.Hour

//go:embed sender.yaml
var senderManifest string

// scale applies a sample of config/samples/scaling, and the Deployment that it scales. The operator's scaler is where it is in this run, and
// the broker of the sample is the queue of this run.
func (l *loop) scale(ctx context.Context, root, sample string) error {
	var objects []*unstructured.Unstructured
	for _, name := range []string{"authentication.yaml", sample} {
		content, err := os.ReadFile(filepath.Join(root, "config", "samples", "scaling", name))
		if err != nil {
			return err
		}
		some, err := rig.Parse(content)
		if err != nil {
			return err
		}
		objects = append(objects, some...)
	}
	scaled := objects[len(objects)-1]
	scaled.SetNamespace(namespace)
	triggers, _, err := unstructured.NestedSlice(scaled.Object, "spec", "triggers")
	if err != nil {
		return err
	}
	for _, t := range triggers {
		trigger, _ := t.(map[string]any)
		if trigger["name"] == "queued" {
			trigger["type"] = "metrics-api"
			trigger["metadata"] = map[string]any{"url": l.queue.url, "valueLocation": "queued", "targetValue": "100"}
		} else if err := unstructured.SetNestedField(trigger, l.scaler, "metadata", "scalerAddress"); err != nil {
			return err
		}
	}
	if err := unstructured.SetNestedSlice(scaled.Object, triggers, "spec", "triggers"); err != nil {
		return err
	}
	deployment, _, err := unstructured.NestedString(scaled.Object, "spec", "scaleTargetRef", "name")
	return errors.Join(err, applyTemplate(ctx, l.api, senderManifest, map[string]string{"Name": deployment}), apply(ctx, l.api, objects...))
}

// namespace is that of the sample fleet.
const namespace = "fleet"

// replicas is how many senders a Deployment is to have.
func (l *loop) replicas(ctx context.Context, deployment string) (int32, error) {
	var d appsv1.Deployment
	if err := l.api.Get(ctx, client.ObjectKey{Namespace: namespace, Name: deployment}, &d); err != nil {
		return 0, err
	}
	return *d.Spec.Replicas, nil // which the API server sets where it is left out
}

// apply applies objects, one after another.
func apply(ctx context.Context, api client.Client, objects ...*unstructured.Unstructured) error {
	for _, object := range objects {
		if err := rig.Apply(ctx, api, object, "scale"); err != nil {
			return err
		}
	}
	return nil
}
