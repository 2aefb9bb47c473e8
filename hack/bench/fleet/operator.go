package fleet

import (
	"context"
	"crypto/tls"
	"fmt"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"time"

	dto "github.com/prometheus/client_model/go"
	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/yaml"

	"numberfleet.dev/numberfleet/hack/bench/measure"
)

// secret signs the webhooks.
const secret = "the app secret of the benchmark"

// operator is a process of the operator, with the flags and the environment that it has in a cluster.
type operator struct {
	*measure.Child
	webhook, probe, metrics string // URLs
	http                    *http.Client
	token                   string
	started                 time.Time
}

func (f *fleet) startOperator() (*operator, error) {
	credentials := filepath.Join(f.folder, "webhook")
	if err := os.MkdirAll(credentials, 0o700); err != nil {
		return nil, err
	}
	for _, file := range []string{"app-secret", "verify-token"} {
		if err := os.WriteFile(filepath.Join(credentials, file), []byte(secret), 0o600); err != nil {
			return nil, err
		}
	}
	var addresses [3]string
	for i := range addresses {
		var err error
		if addresses[i], err = measure.FreePort(); err != nil {
			return nil, err
		}
	}
	o := &operator{
		webhook: "http://" + addresses[0] + "/webhooks/whatsapp",
		probe:   "http://" + addresses[1] + "/readyz",
		metrics: "https://" + addresses[2] + "/metrics",
		// The certificate is the operator's own.
		http:    &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}},
		token:   f.token,
		started: time.Now(),
	}
	environment, err := deployedEnvironment()
	if err != nil {
		return nil, err
	}
	o.Child, err = measure.StartWith(environment, f.manager,
		"--kubeconfig="+f.kubeconfig, "--leader-elect", "--leader-election-namespace="+systemNamespace,
		"--data-dir="+filepath.Join(f.folder, "ledger"), "--webhook-credentials="+credentials,
		"--webhook-bind-address="+addresses[0], "--health-probe-bind-address="+addresses[1], "--metrics-bind-address="+addresses[2])
	return o, err
}

// deployedEnvironment is what the operator's container has in its environment in a cluster.
func deployedEnvironment() ([]string, error) {
	content, err := os.ReadFile("config/manager/manager.yaml")
	if err != nil {
		return nil, err
	}
	var deployment appsv1.Deployment
	if err := yaml.Unmarshal(content, &deployment); err != nil {
		return nil, fmt.Errorf("the manifest of the operator: %w", err)
	}
	var all []string
	for _, container := range deployment.Spec.Template.Spec.Containers {
		for _, variable := range container.Env {
			all = append(all, variable.Name+"="+variable.Value)
		}
	}
	return all, nil
}

// ready waits until the operator takes webhooks.
func (o *operator) ready(ctx context.Context) (time.Duration, error) {
	for {
		if request, err := http.NewRequestWithContext(ctx, http.MethodGet, o.probe, http.NoBody); err != nil {
			return 0, err
		} else if response, err := o.http.Do(request); err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return time.Since(o.started), nil
			}
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return 0, err
		}
	}
}

// looked waits until the operator has reconciled n numbers at least and has nothing more to do at once. Asking costs the
// operator something for each number, so large fleets are asked less often.
func (o *operator) looked(ctx context.Context, n int) (time.Duration, error) {
	for {
		families, err := o.scrape(ctx)
		if err != nil {
			return 0, err
		}
		done := sum(families["controller_runtime_reconcile_total"], "controller", "phonenumber")
		if waiting := sum(families["workqueue_depth"], "name", "phonenumber"); int(done) >= n && waiting == 0 {
			return time.Since(o.started), nil
		}
		if err := pause(ctx, 50*time.Millisecond+time.Duration(n)*20*time.Microsecond); err != nil {
			return 0, err
		}
	}
}

func (o *operator) scrape(ctx context.Context) (map[string]*dto.MetricFamily, error) {
	families, err := scrape(ctx, o.http, o.metrics, o.token)
	if err != nil && ctx.Err() == nil && time.Since(o.started) < 30*time.Second {
		return nil, nil // it does not listen yet
	}
	return families, err
}

// countsWritten is how many statuses were written so far for their counts alone.
func (o *operator) countsWritten(ctx context.Context) (float64, error) {
	families, err := o.scrape(ctx)
	return sum(families["numberfleet_status_writes_total"], "for", "counts"), err
}

func sum(family *dto.MetricFamily, label, value string) (total float64) {
	for _, metric := range family.GetMetric() {
		for _, is := range metric.GetLabel() {
			if is.GetName() == label && is.GetValue() == value {
				total += metric.GetCounter().GetValue() + metric.GetGauge().GetValue()
			}
		}
	}
	return total
}

// histogram is what a histogram counted over some time.
type histogram struct {
	count  float64
	bounds []float64
	counts []float64 // at or below the bound
}

func histogramOf(family *dto.MetricFamily) (h histogram) {
	for _, metric := range family.GetMetric() {
		h.count = float64(metric.GetHistogram().GetSampleCount())
		for _, bucket := range metric.GetHistogram().GetBucket() {
			h.bounds = append(h.bounds, bucket.GetUpperBound())
			h.counts = append(h.counts, float64(bucket.GetCumulativeCount()))
		}
	}
	return h
}

// since is what was counted after another reading of the same histogram.
func (h histogram) since(before histogram) histogram {
	h.count -= before.count
	for i := range before.counts {
		h.counts[i] -= before.counts[i]
	}
	return h
}

// within is the share at or below a bound.
func (h histogram) within(bound float64) float64 {
	for i := range h.bounds {
		if h.bounds[i] == bound && h.count > 0 {
			return h.counts[i] / h.count
		}
	}
	return 0
}

// quantile is the lowest bound that a share of all lies at or below: a histogram knows no more.
func (h histogram) quantile(share float64) time.Duration {
	for i := range h.bounds {
		if h.count > 0 && h.counts[i] >= share*h.count {
			return time.Duration(h.bounds[i] * float64(time.Second))
		}
	}
	return time.Duration(math.MaxInt64)
}

// resident is the memory of the operator once it rests, the least of what is seen over some time: the garbage collector gives
// memory back late.
func (o *operator) resident(ctx context.Context, over time.Duration) (float64, error) {
	least := math.Inf(1)
	for end := time.Now().Add(over); ; {
		now, err := measure.Resident(o.PID())
		if err != nil {
			return 0, err
		}
		least = min(least, float64(now))
		if !time.Now().Before(end) {
			return least, nil
		}
		if err := pause(ctx, time.Second); err != nil {
			return 0, err
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
