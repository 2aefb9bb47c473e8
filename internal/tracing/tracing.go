// Package tracing tells how long the parts of the operator's work take, as spans of OpenTelemetry. It is off unless the environment names where
// they go, and costs nothing then.
//
// Nothing personal is in a span: neither numbers, users and messages, nor what somebody sent. No trace of a caller goes on here, so that nobody
// who sends requests decides what is traced.
package tracing

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"sync/atomic"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// The variables of OpenTelemetry that are read here. The SDK and its exporter read the others.
const (
	disabledVariable       = "OTEL_SDK_DISABLED"
	endpointVariable       = "OTEL_EXPORTER_OTLP_ENDPOINT"
	tracesEndpointVariable = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
	protocolVariable       = "OTEL_EXPORTER_OTLP_PROTOCOL"
	tracesProtocolVariable = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"

	protocol = "http/protobuf" // the one that is spoken
)

// tracer begins spans; nil where nothing is traced.
var tracer atomic.Pointer[trace.Tracer]

// Begin traces from now on, if the environment says where spans go. End sends the last of them. An error names the variable that cannot be used.
func Begin(ctx context.Context, release string) (end func(context.Context) error, err error) {
	if !Configured() {
		return func(context.Context) error { return nil }, nil
	}
	for _, name := range []string{tracesProtocolVariable, protocolVariable} {
		if value := os.Getenv(name); value != "" && value != protocol {
			return nil, fmt.Errorf("%s is %q: only %s is spoken", name, value, protocol)
		}
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("set up the export of traces: %w", err)
	}
	self, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithAttributes(
		attribute.String("service.name", "numberfleet"), attribute.String("service.version", release)), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	log := logr.FromContextOrDiscard(ctx)
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Info("Traces could not be exported", "problem", err.Error()) }))
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(self))
	tracer.Store(new(provider.Tracer("numberfleet.dev/numberfleet")))
	return func(ctx context.Context) error {
		tracer.Store(nil)
		return provider.Shutdown(ctx)
	}, nil
}

// Configured says whether the environment says where spans go.
func Configured() bool {
	return os.Getenv(disabledVariable) != "true" && cmp.Or(os.Getenv(tracesEndpointVariable), os.Getenv(endpointVariable)) != ""
}

// off stands for a span where nothing is traced.
var off trace.Span = noop.Span{}

// Start begins a span within that of ctx. Whoever starts it ends it. Attributes are worth to be made only where it is recording.
func Start(ctx context.Context, name string) (context.Context, trace.Span) {
	if t := tracer.Load(); t != nil {
		return (*t).Start(ctx, name) //nolint:spancheck // whoever asked for it ends it
	}
	return ctx, off
}

// End ends a span, with the error that it ended with.
func End(span trace.Span, err error) {
	if err != nil && span.IsRecording() {
		span.SetStatus(codes.Error, "") // what went wrong may name what was received
	}
	span.End()
}

// Observe takes a duration in seconds into a histogram, with the trace of ctx as its exemplar if there is one.
func Observe(ctx context.Context, histogram prometheus.Observer, seconds float64) {
	of := trace.SpanContextFromContext(ctx)
	if exemplars, can := histogram.(prometheus.ExemplarObserver); can && of.IsSampled() {
		exemplars.ObserveWithExemplar(seconds, prometheus.Labels{"trace_id": of.TraceID().String()})
		return
	}
	histogram.Observe(seconds)
}
