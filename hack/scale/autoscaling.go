package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/base64"
	"net"
	"os"
	"path/filepath"
	"text/template"

	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"numberfleet.dev/numberfleet/hack/rig"
)

// localhost is the name of the certificate that KEDA, the scaler and the API server show to one another.
const localhost = "localhost"

// forwarding are the flags with which an API server forwards requests to others, which know by the certificate that it is one.
func forwarding(c rig.Certificate) []string {
	return []string{
		"--proxy-client-cert-file=" + c.Public(), "--proxy-client-key-file=" + c.Key(),
		"--requestheader-client-ca-file=" + c.Authority(), "--requestheader-allowed-names=" + localhost,
		"--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group", "--requestheader-extra-headers-prefix=X-Remote-Extra-",
	}
}

// controllers are those of kube-controller-manager that have a part in scaling a Deployment.
const controllers = "deployment-controller,replicaset-controller,serviceaccount-controller,horizontal-pod-autoscaler-controller"

//go:embed components.yaml
var components string

// startAutoscaling starts what scales Deployments: kube-controller-manager, and KEDA's operator and metrics adapter, each as it is set up in
// a cluster. It returns when the API server has external metrics.
func startAutoscaling(ctx context.Context, o options, plane *rig.ControlPlane, api client.Client, c rig.Certificate) error {
	ports, err := freePorts(6)
	if err != nil {
		return err
	}
	service, adapter := localhost+":"+ports[0], ports[1]
	authority, err := os.ReadFile(c.Authority())
	if err != nil {
		return err
	}
	crds, err := rig.Render(o.crds)
	if err != nil {
		return err
	}
	if err := apply(ctx, api, crds...); err != nil {
		return err
	}
	if err := applyTemplate(ctx, api, components, map[string]string{"AdapterPort": adapter, "Certificate": base64.StdEncoding.EncodeToString(authority)}); err != nil {
		return err
	}

	kubeconfig := kubeconfig(o)
	if err := rig.WriteKubeconfig(kubeconfig, plane.Admin()); err != nil {
		return err
	}
	start := func(program string, flags ...string) (*rig.Process, error) {
		return rig.Start(rig.Command{Name: program, Path: filepath.Join(o.programs, program), Log: filepath.Join(o.folder, program+".log"), Args: flags,
			Env: []string{"KUBECONFIG=" + kubeconfig, "WATCH_NAMESPACE=", "KEDA_CLUSTER_OBJECT_NAMESPACE=keda", "POD_NAMESPACE=keda"}})
	}
	if _, err := start("kube-controller-manager", "--kubeconfig="+kubeconfig, "--leader-elect=false", "--controllers="+controllers,
		"--bind-address=127.0.0.1", "--secure-port="+ports[2], "--cert-dir="+filepath.Join(o.folder, "kube-controller-manager")); err != nil {
		return err
	}
	keda, err := start("keda-operator", "--cert-dir="+c.Folder, "--metrics-service-bind-address="+service, "--metrics-bind-address=127.0.0.1:"+ports[3],
		"--health-probe-bind-address=127.0.0.1:"+ports[4])
	if err != nil {
		return err
	}
	if err := keda.Listens(ctx, service); err != nil {
		return err
	}
	metrics, err := start("keda-adapter", "--bind-address=127.0.0.1", "--secure-port="+adapter, "--port="+ports[5],
		"--cert-dir="+c.Folder, "--tls-cert-file="+c.Public(), "--tls-private-key-file="+c.Key(), "--client-ca-file="+c.Authority(),
		"--metrics-service-address="+service,
		"--lister-kubeconfig="+kubeconfig, "--authentication-kubeconfig="+kubeconfig, "--authorization-kubeconfig="+kubeconfig)
	if err != nil {
		return err
	}
	resources, err := discovery.NewDiscoveryClientForConfig(plane.Admin())
	if err != nil {
		return err
	}
	return metrics.Until(ctx, func(context.Context) bool {
		_, err := resources.ServerResourcesForGroupVersion("external.metrics.k8s.io/v1beta1")
		return err == nil
	})
}

// kubeconfig is an administrator's.
func kubeconfig(o options) string { return filepath.Join(o.folder, "kubeconfig") }

func freePorts(n int) ([]string, error) {
	addresses, err := rig.FreeAddresses(n)
	for i, address := range addresses {
		_, addresses[i], _ = net.SplitHostPort(address)
	}
	return addresses, err
}

// applyTemplate applies the objects of a template of YAML documents.
func applyTemplate(ctx context.Context, api client.Client, text string, values map[string]string) error {
	var documents bytes.Buffer
	if err := template.Must(template.New("").Option("missingkey=error").Parse(text)).Execute(&documents, values); err != nil {
		return err
	}
	objects, err := rig.Parse(documents.Bytes())
	if err != nil {
		return err
	}
	return apply(ctx, api, objects...)
}
