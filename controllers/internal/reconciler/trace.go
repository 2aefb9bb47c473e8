package reconciler

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"numberfleet.dev/numberfleet/controllers/internal/lookup"
	"numberfleet.dev/numberfleet/internal/tracing"
)

// Trace begins the span of a step of the work on what a key names. A phone number, which some keys name, is not told.
func Trace(ctx context.Context, step string, key lookup.Key) (context.Context, trace.Span) {
	ctx, span := tracing.Start(ctx, step)
	if span.IsRecording() {
		span.SetAttributes(attribute.String("numberfleet.kind", key.Kind))
		if key.Kind != lookup.Subject {
			span.SetAttributes(attribute.String("k8s.namespace.name", key.Namespace), attribute.String("numberfleet.name", key.Name))
		}
	}
	return ctx, span
}
