package fleet

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"strconv"
	"time"

	"github.com/prometheus/common/model"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"numberfleet.dev/numberfleet/hack/rig"

	"numberfleet.dev/numberfleet/hack/bench/measure"
)

// operator is a process of the operator, with the flags and the environment that it has in a cluster.
type operator struct {
	*rig.Operator
	token   string
	started time.Time
}

func (f *fleet) startOperator() (*operator, error) {
	environment, err := deployedEnvironment()
	if err != nil {
		return nil, err
	}
	op, err := rig.NewOperator(rig.OperatorOptions{Binary: f.manager, Kubeconfig: f.kubeconfig, DataDir: filepath.Join(f.folder, "ledger"),
		Folder: f.folder, Env: environment})
	if err != nil {
		return nil, err
	}
	return &operator{Operator: op, token: f.plane.Admin().BearerToken, started: time.Now()}, op.Start()
}

// deployedEnvironment is what the operator's container has in its environment in a cluster.
func deployedEnvironment() ([]string, error) {
	objects, err := rig.Render("config/default")
	if err != nil {
		return nil, err
	}
	var all []string
	for _, object := range objects {
		if object.GetKind() != "Deployment" {
			continue
		}
		var deployment appsv1.Deployment
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &deployment); err != nil {
			return nil, fmt.Errorf("the manifest of the operator: %w", err)
		}
		for _, container := range deployment.Spec.Template.Spec.Containers {
			for _, variable := range container.Env {
				all = append(all, variable.Name+"="+variable.Value)
			}
		}
	}
	return all, nil
}

// ready waits until the operator takes webhooks.
func (o *operator) ready(ctx context.Context) (time.Duration, error) {
	err := o.Ready(ctx)
	return time.Since(o.started), err
}

// waitReconciled waits until the operator has reconciled at least n numbers and its queue is empty. A scrape costs the operator
// something for each number, so large fleets are scraped less often.
func (o *operator) waitReconciled(ctx context.Context, n int) (time.Duration, error) {
	for {
		samples, err := o.scrape(ctx, reconciles, queueDepth)
		if err != nil {
			return 0, err
		}
		done, waiting := sum(samples, reconciles, "controller", "fleet"), sum(samples, queueDepth, "name", "fleet")
		if int(done) >= n && waiting == 0 {
			return time.Since(o.started), nil
		}
		if err := rig.Sleep(ctx, 50*time.Millisecond+time.Duration(n)*20*time.Microsecond); err != nil {
			return 0, err
		}
	}
}

// The metrics of the operator that are read.
const (
	reconciles   = "controller_runtime_reconcile_total"
	queueDepth   = "workqueue_depth"
	statusWrites = "numberfleet_status_writes_total"
	lateness     = "numberfleet_deadline_lateness_seconds"
)

func (o *operator) scrape(ctx context.Context, names ...string) (model.Vector, error) {
	samples, err := o.Scrape(ctx, o.token, names...)
	if err != nil && ctx.Err() == nil && time.Since(o.started) < 30*time.Second {
		return nil, nil // it does not listen yet
	}
	return samples, err
}

// countsWritten is how many statuses were written so far for their counts alone.
func (o *operator) countsWritten(ctx context.Context) (float64, error) {
	samples, err := o.scrape(ctx, statusWrites)
	return sum(samples, statusWrites, "for", "counts"), err
}

// sum adds up the samples of a metric that have a label.
func sum(samples model.Vector, name, label, value string) (total float64) {
	for _, s := range samples {
		if string(s.Metric[model.MetricNameLabel]) == name && string(s.Metric[model.LabelName(label)]) == value {
			total += float64(s.Value)
		}
	}
	return total
}

// lateness is how late deadlines were met so far.
func (o *operator) lateness(ctx context.Context) (h histogram, err error) {
	samples, err := o.scrape(ctx, lateness)
	for _, s := range samples {
		switch s.Metric[model.MetricNameLabel] {
		case lateness + "_count":
			h.count = float64(s.Value)
		case lateness + "_bucket":
			bound, err := strconv.ParseFloat(string(s.Metric[model.BucketLabel]), 64)
			if err != nil {
				return h, err
			}
			h.bounds, h.counts = append(h.bounds, bound), append(h.counts, float64(s.Value))
		}
	}
	return h, err
}

// histogram is what a histogram counted over some time.
type histogram struct {
	count  float64
	bounds []float64
	counts []float64 // at or below the bound
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
		if err := rig.Sleep(ctx, time.Second); err != nil {
			return 0, err
		}
	}
}
