package remote

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/portforward"
)

const (
	// operatorLabels are those of the operator's pods.
	operatorLabels = "app.kubernetes.io/name=numberfleet"
	// eventsPort is the name of the container's port that serves the API.
	eventsPort = "events"
	// eventsService is the Service in front of it, for whose name its certificate is.
	eventsService = "numberfleet-events"
)

// forward forwards a port on loopback to a ready pod of the operator until ctx is done, and returns the URL of the API there. What is
// trusted says which name the certificate must have.
func forward(ctx context.Context, o *Options, api kubernetes.Interface, trusted *tls.Config) (string, error) {
	pod, port, err := readyPod(ctx, o.Namespace, api)
	if err != nil {
		return "", err
	}
	if trusted.RootCAs == nil {
		trusted.InsecureSkipVerify = true // see Options.CAFile
	}
	trusted.ServerName = eventsService + "." + o.Namespace + ".svc"

	at := api.CoreV1().RESTClient().Post().Resource("pods").Namespace(o.Namespace).Name(pod).SubResource("portforward").URL()
	dialer, err := portforward.NewSPDYOverWebsocketDialerWithLogger(logr.Discard(), at, o.Config)
	if err != nil {
		return "", err
	}
	// What fails on the way is an error of the request that it fails for.
	ctx = logr.NewContext(ctx, logr.Discard())
	ready, ended := make(chan struct{}), make(chan error, 1)
	forwarder, err := portforward.NewOnAddressesWithContext(ctx, dialer, []string{"127.0.0.1"}, []string{"0:" + strconv.Itoa(int(port))}, ready, nil, nil)
	if err != nil {
		return "", err
	}
	go func() { ended <- forwarder.ForwardPorts() }()
	select {
	case err := <-ended:
		return "", fmt.Errorf("forward a port of the operator's pod %s in namespace %s: %w", pod, o.Namespace, err)
	case <-ctx.Done():
		return "", ctx.Err()
	case <-ready:
	}
	ports, err := forwarder.GetPorts()
	if err != nil {
		return "", err
	}
	return (&url.URL{Scheme: "https", Host: "127.0.0.1:" + strconv.Itoa(int(ports[0].Local))}).String(), nil
}

// readyPod is a pod of the operator that serves, and the port of its API.
func readyPod(ctx context.Context, namespace string, api kubernetes.Interface) (name string, port int32, err error) {
	pods, err := api.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: operatorLabels})
	if err != nil {
		return "", 0, fmt.Errorf("look for the operator's pods in namespace %s: %w", namespace, err)
	}
	slices.SortFunc(pods.Items, func(a, b corev1.Pod) int { return strings.Compare(a.Name, b.Name) })
	for i := range pods.Items {
		if pod := &pods.Items[i]; isReady(pod) {
			if port := portOf(pod); port != 0 {
				return pod.Name, port, nil
			}
		}
	}
	return "", 0, fmt.Errorf("no pod of the operator in namespace %s is ready and serves the port %q", namespace, eventsPort)
}

func isReady(pod *corev1.Pod) bool {
	return pod.DeletionTimestamp.IsZero() && slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

func portOf(pod *corev1.Pod) int32 {
	for _, c := range pod.Spec.Containers {
		for _, p := range c.Ports {
			if p.Name == eventsPort {
				return p.ContainerPort
			}
		}
	}
	return 0
}
