package fleet

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"github.com/go-logr/logr"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"golang.org/x/sync/errgroup"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"
)

// systemNamespace is where the operator's lease is.
const systemNamespace = "numberfleet-system"

// cluster is a control plane on loopback, with the operator's kinds and policies.
type cluster struct {
	env        *envtest.Environment
	config     *rest.Config
	client     client.Client
	http       *http.Client // as the administrator
	kubeconfig string       // the administrator's: rights are no part of what is measured
	token      string       // may read the operator's metrics
	server     int          // process of kube-apiserver
}

func startCluster(ctx context.Context, folder string) (_ *cluster, err error) {
	etcd := filepath.Join(folder, "etcd")
	if err := os.MkdirAll(etcd, 0o700); err != nil {
		return nil, err
	}
	c := &cluster{env: &envtest.Environment{CRDDirectoryPaths: []string{"config/crd/bases"}, ErrorIfCRDPathMissing: true}}
	c.env.ControlPlane.Etcd = &envtest.Etcd{DataDir: etcd}
	ctrl.SetLogger(logr.Discard()) // envtest's own; whoever runs the benchmark reads the report
	if c.config, err = c.env.Start(); err != nil {
		return nil, fmt.Errorf("start the control plane of KUBEBUILDER_ASSETS: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.stop())
		}
	}()
	c.config.QPS = -1 // the API server's own limits are the only ones
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return nil, err
	}
	if c.client, err = client.New(c.config, client.Options{Scheme: scheme}); err != nil {
		return nil, err
	}
	if c.http, err = rest.HTTPClientFor(c.config); err != nil {
		return nil, err
	}
	if c.server, err = processNamed("kube-apiserver"); err != nil {
		return nil, err
	}
	if err := c.writeKubeconfig(filepath.Join(folder, "kubeconfig")); err != nil {
		return nil, err
	}
	return c, c.prepare(ctx)
}

func (c *cluster) stop() error { return c.env.Stop() }

func (c *cluster) writeKubeconfig(file string) error {
	user, err := c.env.AddUser(envtest.User{Name: "operator", Groups: []string{"system:masters"}}, nil)
	if err != nil {
		return err
	}
	content, err := user.KubeConfig()
	if err != nil {
		return err
	}
	c.kubeconfig = file
	return os.WriteFile(file, content, 0o600)
}

// prepare creates what a fleet needs to be there.
func (c *cluster) prepare(ctx context.Context) error {
	objects := []client.Object{limitOfTen()}
	for _, name := range []string{systemNamespace, fleetNamespace, rawNamespace} {
		objects = append(objects, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
	}
	content, err := os.ReadFile("config/policies/quality-based.yaml")
	if err != nil {
		return err
	}
	policy := &v1alpha1.MessagingPolicy{}
	if err := yaml.UnmarshalStrict(content, policy); err != nil {
		return err
	}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "measures", Namespace: systemNamespace}}
	objects = append(objects, policy, account, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "measures"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: account.Name, Namespace: account.Namespace}},
	})
	for _, object := range objects {
		if err := c.client.Create(ctx, object); err != nil {
			return err
		}
	}
	request := &authenticationv1.TokenRequest{}
	if err := c.client.SubResource("token").Create(ctx, account, request); err != nil {
		return err
	}
	c.token = request.Status.Token
	return nil
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
	families, err := scrape(ctx, c.http, strings.TrimSuffix(c.config.Host, "/")+"/metrics", "")
	if err != nil {
		return 0, 0, err
	}
	for _, metric := range families["apiserver_request_total"].GetMetric() {
		of := map[string]string{}
		for _, label := range metric.GetLabel() {
			of[label.GetName()] = label.GetValue()
		}
		switch of["verb"] {
		case "POST", "PUT", "PATCH", "APPLY", "DELETE":
		default:
			continue
		}
		// Reviews of tokens and rights are questions that are asked by writing.
		if !strings.HasPrefix(of["code"], "2") || of["resource"] == "leases" || strings.HasSuffix(of["resource"], "reviews") {
			continue
		}
		all += metric.GetCounter().GetValue()
		if of["resource"] == "phonenumbers" && of["subresource"] == "status" {
			statuses += metric.GetCounter().GetValue()
		}
	}
	return all, statuses, nil
}

// scrape reads metrics, with a bearer token where there is one.
func scrape(ctx context.Context, from *http.Client, url, token string) (map[string]*dto.MetricFamily, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := from.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %s", url, response.Status)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	return parser.TextToMetricFamilies(response.Body)
}

// processNamed is the child of this process with that name.
func processNamed(name string) (int, error) {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, err
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			continue // it has just ended
		}
		var pid, parent int
		var command, state string
		if _, err := fmt.Sscanf(string(content), "%d %s %s %d", &pid, &command, &state, &parent); err == nil && parent == os.Getpid() && command == "("+name+")" {
			return pid, nil
		}
	}
	return 0, fmt.Errorf("%s does not run", name)
}
