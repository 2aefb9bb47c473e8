package scaler_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/rules"
	pb "numberfleet.dev/numberfleet/internal/scaler/externalscaler"
	"numberfleet.dev/numberfleet/internal/server"
	"numberfleet.dev/numberfleet/internal/server/servertest"
)

// ref is a trigger of the namespace shop with that metadata, in pairs.
func ref(metadata ...string) *pb.ScaledObjectRef {
	of := &pb.ScaledObjectRef{Name: "sender", Namespace: "shop", ScalerMetadata: map[string]string{"scalerAddress": "numberfleet-scaler:9090"}}
	for i := 0; i < len(metadata); i += 2 {
		of.ScalerMetadata[metadata[i]] = metadata[i+1]
	}
	return of
}

// asked is what a scaler answers to KEDA's three questions about a trigger.
type asked struct {
	active        bool
	value, target float64
}

func ask(t *testing.T, c pb.ExternalScalerClient, of *pb.ScaledObjectRef) asked {
	t.Helper()
	spec, err := c.GetMetricSpec(t.Context(), of)
	if err != nil || len(spec.GetMetricSpecs()) != 1 {
		t.Fatal(spec, err)
	}
	of1 := spec.GetMetricSpecs()[0]
	values, err := c.GetMetrics(t.Context(), &pb.GetMetricsRequest{ScaledObjectRef: of, MetricName: of1.GetMetricName()})
	if err != nil || len(values.GetMetricValues()) != 1 {
		t.Fatal(values, err)
	}
	value := values.GetMetricValues()[0]
	if float64(value.GetMetricValue()) != value.GetMetricValueFloat() || value.GetMetricName() != of1.GetMetricName() {
		t.Errorf("the value is %v", value)
	}
	active, err := c.IsActive(t.Context(), of)
	if err != nil {
		t.Fatal(err)
	}
	return asked{active.GetResult(), value.GetMetricValueFloat(), of1.GetTargetSizeFloat()}
}

// An autoscaler reads what may be sent now, of numbers and of portfolios, whatever stands in the way.
func TestWhatAnAutoscalerReads(t *testing.T) {
	f := newFleet(t)
	f.add("free", 250, "")
	f.add("full", 250, "")
	f.add("unlimited", rules.Unlimited, "")
	f.add("offline", rules.Unlimited, "")
	f.add("new", 0, "")
	f.add("fast", 250, "acme")
	f.add("slow", 250, "acme")
	f.add("blocked", 250, "acme")
	f.addPortfolio("acme", 2000)
	f.addPortfolio("empty", 2000)
	f.addPool("all", metav1.LabelSelectorRequirement{Key: "name", Operator: metav1.LabelSelectorOpIn, Values: []string{"free", "full", "fast", "slow", "blocked"}})
	for n := range f.AllNumbers() {
		switch n.Name {
		case "offline":
			n.Status.Connection.State = v1alpha1.StateOffline
		case "new":
			n.Status = v1alpha1.PhoneNumberStatus{}
		case "fast":
			n.Status.Throughput.MessagesPerSecond = 1000
		case "blocked":
			n.Status.Connection.State = v1alpha1.StateBlocked
		}
	}
	f.deliver("free", 100)
	f.deliver("full", 300)
	f.deliver("slow", 500)
	c := f.client()
	for _, test := range []struct {
		of   *pb.ScaledObjectRef
		want asked
	}{
		{ref("phoneNumber", "free", "targetValue", "50"), asked{true, 150, 50}},
		{ref("phoneNumber", "free", "metric", "remaining", "targetValue", "10%"), asked{true, 150, 25}},
		{ref("phoneNumber", "free", "metric", "throughput", "targetValue", "0.5"), asked{true, 80, 0.5}},
		{ref("phoneNumber", "free", "metric", "sendable", "targetValue", "1"), asked{true, 1, 1}},
		{ref("phoneNumber", "full", "targetValue", "50"), asked{false, 0, 50}},
		{ref("phoneNumber", "full", "metric", "throughput", "targetValue", "20"), asked{false, 0, 20}},
		{ref("phoneNumber", "full", "metric", "sendable", "targetValue", "1"), asked{false, 0, 1}},
		{ref("phoneNumber", "unlimited", "targetValue", "50"), asked{true, 2147483647, 50}},
		{ref("phoneNumber", "unlimited", "targetValue", "20%"), asked{true, 2147483647, 2147483647 * 0.2}},
		{ref("phoneNumber", "offline", "targetValue", "50"), asked{false, 0, 50}},
		{ref("phoneNumber", "new", "targetValue", "10%"), asked{false, 0, 1}},
		{ref("businessPortfolio", "acme", "targetValue", "10%"), asked{true, 1500, 200}},
		{ref("businessPortfolio", "acme", "metric", "throughput", "targetValue", "40"), asked{true, 1080, 40}},
		{ref("numberPool", "all", "targetValue", "50"), asked{true, 150 + 1500, 50}},
		{ref("numberPool", "all", "metric", "throughput", "targetValue", "40"), asked{true, 80 + 1080, 40}},
		{ref("phoneNumber", "blocked", "metric", "throughput", "targetValue", "40"), asked{false, 0, 40}},
		{ref("businessPortfolio", "empty", "targetValue", "50"), asked{false, 0, 50}},
	} {
		if got := ask(t, c, test.of); got != test.want {
			t.Errorf("%v: %v, want %v", test.of.GetScalerMetadata(), got, test.want)
		}
	}
}

// What a trigger asks for wrongly is refused with the key and what is allowed, by every call, and nothing of it is repeated.
func TestMetadataIsRefusedByTheNameOfItsKey(t *testing.T) {
	f := newFleet(t)
	f.add("sales", 250, "")
	f.add("also", 250, "")
	c, registry := f.serve(server.Listener{}, insecure.NewCredentials())
	for _, test := range []struct {
		name string
		of   *pb.ScaledObjectRef
		code codes.Code
		want string
	}{
		{"no resource", ref("targetValue", "50"), codes.InvalidArgument, "phoneNumber, numberPool or businessPortfolio"},
		{"two resources", ref("phoneNumber", "sales", "businessPortfolio", "acme", "targetValue", "50"), codes.InvalidArgument, "phoneNumber, numberPool or businessPortfolio"},
		{"an empty name", ref("phoneNumber", "", "targetValue", "50"), codes.InvalidArgument, "phoneNumber, numberPool or businessPortfolio"},
		{"no target", ref("phoneNumber", "sales"), codes.InvalidArgument, "targetValue must be given"},
		{"a target that is no number", ref("phoneNumber", "sales", "targetValue", "wide-open"), codes.InvalidArgument, "targetValue must be a number"},
		{"no number", ref("phoneNumber", "sales", "targetValue", "NaN"), codes.InvalidArgument, "targetValue must be a number"},
		{"a target of nothing", ref("phoneNumber", "sales", "targetValue", "0"), codes.InvalidArgument, "targetValue must be a number"},
		{"a negative target", ref("phoneNumber", "sales", "targetValue", "-5"), codes.InvalidArgument, "targetValue must be a number"},
		{"more than all", ref("phoneNumber", "sales", "targetValue", "101%"), codes.InvalidArgument, "targetValue must be a number"},
		{"a share of no limit", ref("phoneNumber", "sales", "metric", "throughput", "targetValue", "10%"), codes.InvalidArgument, "for the metric remaining alone"},
		{"another metric", ref("phoneNumber", "sales", "metric", "wide-open", "targetValue", "50"), codes.InvalidArgument, "metric must be remaining, throughput or sendable"},
		{"another key", ref("phonenumber", "wide-open", "targetValue", "50"), codes.InvalidArgument, "the keys are phoneNumber, numberPool, businessPortfolio, metric and targetValue"},
		{"a number that is not there", ref("phoneNumber", "wide-open", "targetValue", "50"), codes.NotFound, "no PhoneNumber"},
		{"a portfolio that is not there", ref("businessPortfolio", "wide-open", "targetValue", "50"), codes.NotFound, "no BusinessPortfolio"},
		{"a number of another namespace", &pb.ScaledObjectRef{Namespace: "other", ScalerMetadata: ref("phoneNumber", "sales", "targetValue", "50").GetScalerMetadata()},
			codes.NotFound, "no PhoneNumber"},
		{"nothing at all", nil, codes.InvalidArgument, "phoneNumber, numberPool or businessPortfolio"},
	} {
		for call, err := range everyCall(t.Context(), c, test.of) {
			if status.Code(err) != test.code || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "wide-open") {
				t.Errorf("%s, %s: %v, want %v with %q", test.name, call, err, test.code, test.want)
			}
		}
	}
	of := ref("phoneNumber", "sales", "targetValue", "50")
	if _, err := c.GetMetrics(t.Context(), &pb.GetMetricsRequest{ScaledObjectRef: of, MetricName: "throughput"}); status.Code(err) != codes.InvalidArgument {
		t.Errorf("another metric than the trigger's: %v", err)
	}
	requests := servertest.Counter(t, registry, "numberfleet_scaler_requests_total")
	for _, want := range []string{
		`{code="InvalidArgument"}{method="IsActive"} 13`, `{code="NotFound"}{method="IsActive"} 3`, `{code="InvalidArgument"}{method="GetMetrics"} 14`,
		`{code="InvalidArgument"}{method="StreamIsActive"} 13`, `{code="NotFound"}{method="StreamMetricSpec"} 3`,
	} {
		if !strings.Contains(requests, want) {
			t.Errorf("the metrics do not say %s:\n%s", want, requests)
		}
	}
}

// everyCall calls all calls, and says how each ended.
func everyCall(ctx context.Context, c pb.ExternalScalerClient, of *pb.ScaledObjectRef) map[string]error {
	_, isActive := c.IsActive(ctx, of)
	_, spec := c.GetMetricSpec(ctx, of)
	_, values := c.GetMetrics(ctx, &pb.GetMetricsRequest{ScaledObjectRef: of, MetricName: "remaining"})
	actives, streamActive := c.StreamIsActive(ctx, of)
	if streamActive == nil {
		_, streamActive = actives.Recv()
	}
	specs, streamSpec := c.StreamMetricSpec(ctx, of)
	if streamSpec == nil {
		_, streamSpec = specs.Recv()
	}
	return map[string]error{"IsActive": isActive, "GetMetricSpec": spec, "GetMetrics": values, "StreamIsActive": streamActive, "StreamMetricSpec": streamSpec}
}

// What the samples ask for is understood.
func TestTheSamplesAreUnderstood(t *testing.T) {
	f := newFleet(t)
	f.add("newsletter", 250, "")
	f.addPool("travel")
	c := f.client()
	files, err := filepath.Glob(filepath.Join("..", "..", "config", "samples", "scaling", "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	triggers := 0
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var object struct {
			Spec struct {
				Triggers []struct {
					Type     string
					Metadata map[string]string
				}
			}
		}
		if err := yaml.Unmarshal(content, &object); err != nil {
			t.Fatal(file, err)
		}
		for _, trigger := range object.Spec.Triggers {
			if !strings.HasPrefix(trigger.Type, "external") {
				continue
			}
			triggers++
			if got := ask(t, c, &pb.ScaledObjectRef{Namespace: "shop", ScalerMetadata: trigger.Metadata}); !got.active || got.value <= 0 {
				t.Errorf("%s: %v", file, got)
			}
		}
	}
	if triggers != 4 {
		t.Errorf("the samples have %d triggers of the scaler", triggers)
	}
}

// FuzzMetadata reads metadata as anyone may send it: it is refused or has a target that KEDA can use.
func FuzzMetadata(f *testing.F) {
	f.Add("phoneNumber", "sales", "remaining", "10%")
	f.Add("businessPortfolio", "acme", "throughput", "80")
	f.Add("phoneNumber", "new", "sendable", "1e-3")
	of := newFleet(f)
	of.add("sales", 250, "")
	of.add("new", 0, "")
	of.addPortfolio("acme", rules.Unlimited)
	c := of.client()
	f.Fuzz(func(t *testing.T, key, name, metric, target string) {
		metadata := map[string]string{"metric": metric, "targetValue": target, key: name}
		spec, err := c.GetMetricSpec(t.Context(), &pb.ScaledObjectRef{Namespace: "shop", ScalerMetadata: metadata})
		switch status.Code(err) {
		case codes.OK:
			if value := spec.GetMetricSpecs()[0].GetTargetSizeFloat(); !(value >= 0.001 && value <= 2147483647) {
				t.Errorf("a target of %v", value)
			}
		case codes.InvalidArgument, codes.NotFound:
		default:
			if !strings.Contains(err.Error(), "UTF-8") { // which no message can have, so the client sends none
				t.Error(err)
			}
		}
	})
}
