package fleet

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/hack/rig"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"numberfleet.dev/numberfleet/hack/bench/measure"
)

// cluster is a control plane on loopback, with the operator's kinds and policies.
type cluster struct {
	plane      *rig.ControlPlane
	client     client.Client
	http       *http.Client // as the administrator
	kubeconfig string       // the administrator's: rights are no part of what is measured
}

func startCluster(ctx context.Context, folder string) (_ *cluster, err error) {
	plane, err := rig.NewControlPlane(rig.ControlPlaneOptions{Assets: os.Getenv("KUBEBUILDER_ASSETS"), Folder: folder, NoSync: true})
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			plane.Kill()
		}
	}()
	ctrl.SetLogger(logr.Discard()) // whoever runs the benchmark reads the report
	if err := plane.Up(ctx); err != nil {
		return nil, err
	}
	c := &cluster{plane: plane, kubeconfig: filepath.Join(folder, "kubeconfig")}
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return nil, err
	}
	if c.client, err = client.New(plane.Admin(), client.Options{Scheme: scheme}); err != nil {
		return nil, err
	}
	if c.http, err = rest.HTTPClientFor(plane.Admin()); err != nil {
		return nil, err
	}
	if err := rig.WriteKubeconfig(c.kubeconfig, plane.Admin()); err != nil {
		return nil, err
	}
	return c, c.prepare(ctx)
}

// serverCPU is the CPU time that kube-apiserver has run so far.
func (c *cluster) serverCPU() (time.Duration, error) { return measure.CPU(c.plane.APIServer.PID()) }

// prepare creates what a fleet needs to be there.
func (c *cluster) prepare(ctx context.Context) error {
	manifests, err := filepath.Glob("config/crd/bases/*.yaml")
	if err != nil {
		return err
	}
	for _, file := range append(manifests, "config/policies/quality-based.yaml") {
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		objects, err := rig.Parse(content)
		if err != nil {
			return err
		}
		for _, object := range objects {
			if err := rig.Apply(ctx, c.client, object, "bench"); err != nil {
				return err
			}
		}
	}
	for _, name := range []string{rig.Namespace, fleetNamespace, rawNamespace} {
		if err := c.client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}); err != nil {
			return err
		}
	}
	return c.client.Create(ctx, limitOfTen())
}

// each calls with 0 to n-1, several at a time, until one fails.
func each(ctx context.Context, workers, n int, call func(ctx context.Context, i int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	var next atomic.Int64
	for range workers {
		group.Go(func() error {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if err := call(ctx, i); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// writes are successful writes to the API server over some time, all but those of leases.
type writes struct {
	n     float64
	hours float64
}

func (w writes) perHour() float64 { return w.n / w.hours }

// written is how many writes the API server has taken so far, all but those of leases, and how many of these were statuses
// of PhoneNumbers.
func (c *cluster) written(ctx context.Context) (all, statuses float64, err error) {
	samples, err := rig.Scrape(ctx, c.http, c.plane.URL()+"/metrics", "", "apiserver_request_total")
	if err != nil {
		return 0, 0, err
	}
	for _, s := range samples {
		switch s.Metric["verb"] {
		case "POST", "PUT", "PATCH", "APPLY", "DELETE":
		default:
			continue
		}
		// Reviews of tokens and rights are questions that are asked by writing.
		resource := string(s.Metric["resource"])
		if !strings.HasPrefix(string(s.Metric["code"]), "2") || resource == "leases" || strings.HasSuffix(resource, "reviews") {
			continue
		}
		all += float64(s.Value)
		if resource == "phonenumbers" && s.Metric["subresource"] == "status" {
			statuses += float64(s.Value)
		}
	}
	return all, statuses, nil
}
