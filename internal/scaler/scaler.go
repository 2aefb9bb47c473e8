// Package scaler answers KEDA, as an external scaler: what may be sent now, so that workers that send are scaled on it.
//
// What it answers is what internal/standing says; nothing is computed here. The protocol is in externalscaler/externalscaler.proto.
package scaler

import (
	"context"

	"github.com/go-logr/logr"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "numberfleet.dev/numberfleet/internal/scaler/externalscaler"
	"numberfleet.dev/numberfleet/internal/standing"
)

// maxStreams bounds the streams that are open at one time, of all callers: two of each of 2,048 triggers.
const maxStreams = 4096

// service answers the calls of the protocol. All may fail with these codes:
//
//	InvalidArgument    the metadata of the trigger is wrong; the message names the key and what is allowed there
//	NotFound           there is no resource of that name
//	ResourceExhausted  there are too many streams
//	Unavailable        it cannot be told now, or the operator stops; to be tried again
type service struct {
	pb.UnimplementedExternalScalerServer
	shared *sharedView
	slots  chan struct{} // of streams
	log    logr.Logger
}

func newService(b *sharedView, log logr.Logger) *service {
	return &service{shared: b, slots: make(chan struct{}, maxStreams), log: log}
}

// IsActive is true while something may be sent, whatever the metric.
func (s *service) IsActive(ctx context.Context, ref *pb.ScaledObjectRef) (*pb.IsActiveResponse, error) {
	return answer(ctx, s, ref, active)
}

// GetMetricSpec is how much of the metric one replica is for.
func (s *service) GetMetricSpec(ctx context.Context, ref *pb.ScaledObjectRef) (*pb.GetMetricSpecResponse, error) {
	return answer(ctx, s, ref, spec)
}

// GetMetrics is the value of the metric: 0 whenever nothing may be sent, and rules.NoLimit of a remainder that nothing limits.
func (s *service) GetMetrics(ctx context.Context, request *pb.GetMetricsRequest) (*pb.GetMetricsResponse, error) {
	t, err := readTrigger(request.GetScaledObjectRef())
	if err != nil {
		return nil, err
	}
	if request.GetMetricName() != t.metric.name {
		return nil, invalid("metricName must be the metric of the trigger")
	}
	sending, _, err := s.sending(ctx, &t)
	if err != nil {
		return nil, err
	}
	value := t.metric.value(&sending)
	return &pb.GetMetricsResponse{MetricValues: []*pb.MetricValue{{MetricName: t.metric.name, MetricValue: value, MetricValueFloat: float64(value)}}}, nil
}

// StreamIsActive sends what IsActive answers, first of all and whenever it changes.
func (s *service) StreamIsActive(ref *pb.ScaledObjectRef, stream grpc.ServerStreamingServer[pb.IsActiveResponse]) error {
	return follow(s, ref, stream, active, func(a, b *pb.IsActiveResponse) bool { return a.GetResult() == b.GetResult() })
}

// StreamMetricSpec sends what GetMetricSpec answers, first of all and whenever it changes: a share of the limit does with the tier.
func (s *service) StreamMetricSpec(ref *pb.ScaledObjectRef, stream grpc.ServerStreamingServer[pb.GetMetricSpecResponse]) error {
	return follow(s, ref, stream, spec, func(a, b *pb.GetMetricSpecResponse) bool {
		return a.GetMetricSpecs()[0].GetTargetSizeFloat() == b.GetMetricSpecs()[0].GetTargetSizeFloat()
	})
}

func active(_ *trigger, sending *standing.Sending) *pb.IsActiveResponse {
	return &pb.IsActiveResponse{Result: sending.Sendable}
}

func spec(t *trigger, sending *standing.Sending) *pb.GetMetricSpecResponse {
	value := t.targetValue(sending)
	return &pb.GetMetricSpecResponse{MetricSpecs: []*pb.MetricSpec{{MetricName: t.metric.name, TargetSize: int64(value), TargetSizeFloat: value}}}
}

// answer is what there is to answer of a trigger now.
func answer[T any](ctx context.Context, s *service, ref *pb.ScaledObjectRef, answerOf func(*trigger, *standing.Sending) *T) (*T, error) {
	t, err := readTrigger(ref)
	if err != nil {
		return nil, err
	}
	sending, _, err := s.sending(ctx, &t)
	if err != nil {
		return nil, err
	}
	return answerOf(&t, &sending), nil
}

// follow sends an answer whenever it is another than before, until the caller is gone or nothing more can be said.
func follow[T any](s *service, ref *pb.ScaledObjectRef, stream grpc.ServerStreamingServer[T], answerOf func(*trigger, *standing.Sending) *T,
	same func(a, b *T) bool,
) error {
	t, err := readTrigger(ref)
	if err != nil {
		return err
	}
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	default:
		return status.Error(codes.ResourceExhausted, "there are too many streams")
	}
	for sent := (*T)(nil); ; {
		sending, changed, err := s.sending(stream.Context(), &t)
		if err != nil {
			return err
		}
		if answer := answerOf(&t, &sending); sent == nil || !same(answer, sent) {
			if err := stream.Send(answer); err != nil {
				return err
			}
			sent = answer
		}
		select {
		case <-changed:
		case <-stream.Context().Done():
			return status.FromContextError(stream.Context().Err()).Err()
		case <-s.shared.stopped:
			return status.Error(codes.Unavailable, "the operator stops")
		}
	}
}

// sending is what the resource of a trigger may send now, and a channel that is closed once that may be something else.
func (s *service) sending(ctx context.Context, t *trigger) (sending standing.Sending, changed <-chan struct{}, err error) {
	sending, changed, err = s.shared.look(t)
	if err != nil && status.Code(err) == codes.Unknown {
		if ctx.Err() == nil {
			s.log.Error(err, "What may be sent could not be told to an autoscaler")
		}
		err = status.Error(codes.Unavailable, "what may be sent cannot be told now")
	}
	return sending, changed, err
}
