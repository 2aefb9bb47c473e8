package tracing_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"numberfleet.dev/numberfleet/internal/tracing"
	"numberfleet.dev/numberfleet/internal/tracing/tracingtest"
)

const endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT"

func begin(t *testing.T) (end func()) {
	t.Helper()
	stop, err := tracing.Begin(t.Context(), "v1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		if err := stop(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// exemplar is the trace id that a histogram has with an observation.
func exemplar(t *testing.T, of prometheus.Histogram) string {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(of)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	observed := families[0].GetMetric()[0].GetHistogram()
	if observed.GetSampleCount() != 1 {
		t.Errorf("%d durations are observed", observed.GetSampleCount())
	}
	for _, bucket := range observed.GetBucket() {
		for _, label := range bucket.GetExemplar().GetLabel() {
			if label.GetName() == "trace_id" {
				return label.GetValue()
			}
		}
	}
	return ""
}

func histogram() prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{Name: "duration_seconds", Help: "How long it took.", Buckets: []float64{1}})
}

// A span is exported with its parent, what a program says of itself, and that it failed, but not why. A duration that is observed within it has its
// trace.
func TestSpansGoWhereTheEnvironmentSays(t *testing.T) {
	receiver := tracingtest.New(t)
	t.Setenv(endpoint, receiver.URL)
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "k8s.pod.name=numberfleet-0")
	end := begin(t)
	ctx, whole := tracing.Start(t.Context(), "whole")
	_, part := tracing.Start(ctx, "part")
	tracing.End(part, errors.New("about +15550001111"))
	duration := histogram()
	tracing.Observe(ctx, duration, 0.5)
	tracing.End(whole, nil)
	end()
	wholes, parts := receiver.Named("whole"), receiver.Named("part")
	if len(wholes) != 1 || len(parts) != 1 {
		t.Fatalf("%d and %d spans came", len(wholes), len(parts))
	}
	if w, p := wholes[0], parts[0]; p.Parent != w.ID || p.TraceID != w.TraceID || w.Failed || !p.Failed || exemplar(t, duration) != w.TraceID {
		t.Errorf("%+v is part of %+v, and the exemplar is %s", p, w, exemplar(t, duration))
	}
	if strings.Contains(string(receiver.Raw()), "15550001111") {
		t.Error("what an error says is exported")
	}
	for attribute, want := range map[string]string{"service.name": "numberfleet", "service.version": "v1.2.3", "k8s.pod.name": "numberfleet-0"} {
		if got := receiver.Resource(attribute); got != want {
			t.Errorf("%s is %q", attribute, got)
		}
	}
}

// Without an endpoint, or where the SDK is disabled, nothing is traced, and a span costs no memory.
func TestNothingIsTracedUnlessItIsAskedFor(t *testing.T) {
	receiver := tracingtest.New(t)
	for name, variables := range map[string]map[string]string{
		"no endpoint":    {endpoint: ""},
		"disabled":       {endpoint: receiver.URL, "OTEL_SDK_DISABLED": "true"},
		"sampled: never": {endpoint: receiver.URL, "OTEL_TRACES_SAMPLER": "always_off"},
	} {
		t.Run(name, func(t *testing.T) {
			for variable, value := range variables {
				t.Setenv(variable, value)
			}
			end := begin(t)
			duration := histogram()
			ctx, span := tracing.Start(t.Context(), "span")
			tracing.Observe(ctx, duration, 0.5)
			tracing.End(span, errors.New("failed"))
			end()
			if spans := receiver.Named("span"); len(spans) > 0 || exemplar(t, duration) != "" || span.IsRecording() {
				t.Errorf("%v is traced", spans)
			}
		})
	}
	ctx, duration := context.Background(), histogram()
	if allocations := testing.AllocsPerRun(100, func() {
		within, span := tracing.Start(ctx, "span")
		tracing.Observe(within, duration, 0.5)
		tracing.End(span, nil)
	}); allocations > 0 {
		t.Errorf("a span that is not traced takes %v allocations", allocations)
	}
}

func TestAnotherProtocolIsRefusedByName(t *testing.T) {
	t.Setenv(endpoint, "http://127.0.0.1:1")
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
	if _, err := tracing.Begin(t.Context(), "v1.2.3"); err == nil || !strings.Contains(err.Error(), `OTEL_EXPORTER_OTLP_PROTOCOL is "grpc"`) {
		t.Errorf("got %v", err)
	}
}
